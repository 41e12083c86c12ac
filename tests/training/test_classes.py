"""Classes have names: their order is mapped, and another set of them is refused by its names."""

import pytest
import torch

from xception_edu.data.dataset import Dataset
from xception_edu.training.classes import by_name

IMAGES = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)


def data_of(classes, labels):
    return Dataset(IMAGES, torch.tensor(labels), IMAGES, torch.tensor(labels), classes)


def test_labels_follow_their_names_into_another_order():
    mapped = by_name(data_of(("ant", "bee", "cat"), [0, 1, 2]), ("cat", "ant", "bee"), "the run")
    ((_, labels),) = mapped.validation_batches()
    assert [mapped.classes[i] for i in labels] == ["ant", "bee", "cat"]
    assert mapped.to("cpu").train_size == 3


def test_columns_of_many_labels_follow_their_names_and_so_do_the_weights():
    rows = [[1.0, 0.0, 1.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]
    mapped = by_name(data_of(("ant", "bee", "cat"), rows), ("cat", "ant", "bee"), "the run")
    ((_, labels),) = mapped.validation_batches()
    assert labels.tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 1]]
    assert mapped.class_weights.tolist() == pytest.approx([1 / 3, 1, 1 / 3])


def test_the_same_order_is_the_data_set_itself():
    data = data_of(("ant", "bee"), [0, 1, 1])
    assert by_name(data, ("ant", "bee"), "the run") is data


def test_names_are_compared_in_unicodes_one_form():
    data = data_of(("caf\u0065\u0301", "bar"), [0, 1, 1])
    mapped = by_name(data, ("bar", "caf\u00e9"), "the run")
    ((_, labels),) = mapped.validation_batches()
    assert labels.tolist() == [1, 0, 0]


def test_another_set_is_refused_by_the_names_that_differ():
    data = data_of(("dog", "katze"), [0, 1, 1])
    right = "only in the checkpoint: 'cat'; only in the data: 'katze'"
    with pytest.raises(ValueError, match=right):
        by_name(data, ("cat", "dog"), "the checkpoint")


def test_a_network_that_does_not_know_its_classes_is_scored_in_order_and_said(caplog):
    data = data_of(("dog", "katze"), [0, 1, 1])
    assert by_name(data, None, "the checkpoint") is data
    assert "does not say its classes' names" in caplog.text
