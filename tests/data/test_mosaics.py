"""The stand-in for JFT: real pixels, labels that are true, and no pixel in both splits."""

from dataclasses import replace

import pytest
import torch

from tests.helpers.image_files import photo_of_places, pixel_columns
from xception_edu.data import builtin
from xception_edu.data.augment import augment, prepare
from xception_edu.data.builtin import PHOTOGRAPHS, load_mosaics
from xception_edu.data.load import load_dataset
from xception_edu.recipes import JFT


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(builtin, "TRAINING_MOSAICS", 60)
    monkeypatch.setattr(builtin, "VALIDATION_MOSAICS", 20)


def one_color_a_photograph(name):
    """A photograph whose every pixel says which one it is."""
    return torch.full((3, 200, 240), 20 * list(PHOTOGRAPHS).index(name) + 10, dtype=torch.uint8)


def test_labels_say_exactly_which_photographs_are_seen(monkeypatch):
    monkeypatch.setattr(builtin, "load_photograph", one_color_a_photograph)
    found = load_mosaics(48)
    for images, labels in (
        (found.train_images, found.train_labels),
        (found.test_images, found.test_labels),
    ):
        for image, label in zip(images, labels, strict=True):
            assert {(value - 10) // 20 for value in image.unique().tolist()} == set(
                label.nonzero().flatten().tolist()
            )
            # three by three, each of one photograph
            cells = image.unfold(1, 16, 16).unfold(2, 16, 16).flatten(3)
            assert torch.equal(cells.amin(dim=3), cells.amax(dim=3))


@pytest.mark.parametrize("side", [32, 64, 100])
def test_mosaics_are_color_images_with_one_to_four_labels(side):
    found = load_mosaics(side)
    assert found.train_images.shape == (60, 3, side, side)
    assert found.test_images.shape == (20, 3, side, side)
    assert found.train_images.dtype == torch.uint8
    assert found.multi_label
    assert found.classes == tuple(PHOTOGRAPHS)
    counts = torch.cat([found.train_labels, found.test_labels]).sum(dim=1)
    assert (int(counts.min()), int(counts.max())) == (1, 4)


def test_they_are_always_the_same_and_the_first_photographs_are_the_most_common():
    one, other = load_mosaics(32), load_mosaics(32)
    assert all(torch.equal(a, b) for a, b in zip(one[:4], other[:4], strict=True))
    weights = one.class_weights
    assert weights[:3].mean() > 2 * weights[-3:].mean()


def test_no_pixel_is_in_both_splits(monkeypatch):
    """Photographs that say where their pixels are, in cells of a patch's own size, so that nothing
    is resized.
    """
    monkeypatch.setattr(builtin, "load_photograph", lambda name: photo_of_places(120, 300))
    found = load_mosaics(288)
    assert max(pixel_columns(found.train_images)) < 150 <= min(pixel_columns(found.test_images))


def test_jft_needs_no_download():
    kind = replace(JFT, image_size=32, batch_size=8)
    found = load_dataset(kind)
    images, labels = found.training_images(kind, 0)
    assert images.shape == (8, 3, 32, 32)
    assert labels.shape == (8, 10)
    assert augment(prepare(images, 32), kind).shape == (8, 3, 32, 32)


@pytest.mark.parametrize("side", [31, 513, 64.0])
def test_a_wrong_side_is_refused(side):
    with pytest.raises(
        ValueError, match=f"image_size is {side}, but must be an integer from 32 to 512"
    ):
        load_mosaics(side)
