"""The network's weights among what trainings save around them, and what of that is refused."""

import argparse
import dataclasses
import json
import logging

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.helpers.loaded_weights import assert_same_weights, refused_file
from tests.helpers.weight_writers import SMALL, TIMM, network, timm_tensors
from xception_edu.weights.load import import_weights, read_weights, save_weights

MODEL, AVERAGE = network(), network(seed=1)
PLAIN, EMA = timm_tensors(MODEL), timm_tensors(AVERAGE)
OPTIMIZER = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]}


def behind(prefix, tensors):
    return {f"{prefix}{key}": tensor for key, tensor in tensors.items()}


WRAPPED = {
    "torch.compile": behind("_orig_mod.", PLAIN),
    "DDP of torch.compile": behind("module._orig_mod.", PLAIN),
    "torch.compile of DDP": behind("_orig_mod.module.", PLAIN),
    "a module of one's own": behind("backbone.net.", PLAIN),
    "Lightning": {
        "epoch": 1,
        "state_dict": behind("model.", PLAIN)
        | {"criterion.weight": torch.ones(7), "train_acc.correct": torch.zeros(1)},
        "optimizer_states": [OPTIMIZER],
    },
    "torch's tutorial": {"epoch": 1, "model_state_dict": PLAIN, "optimizer_state_dict": OPTIMIZER},
    "torchvision": {"model": behind("module.", PLAIN), "optimizer": OPTIMIZER, "scaler": {}},
    "a dictionary in a dictionary": {"trainer": {"state": {"net": PLAIN}}},
    "of our own names": {"model": behind("module.", MODEL.state_dict())},
    "only an EMA": {"model_ema": behind("module.", PLAIN) | {"n_averaged": torch.tensor(3)}},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapped_network_is_found(name, tmp_path):
    torch.save(WRAPPED[name], tmp_path / "x.pth")
    model = import_weights(tmp_path / "x.pth")
    ours = name == "of our own names"
    assert model.config == (SMALL if ours else dataclasses.replace(SMALL, **TIMM))
    assert_same_weights(model, MODEL)


def test_prefixes_are_found_in_safetensors_too(tmp_path):
    save_file(behind("_orig_mod.", PLAIN), tmp_path / "x.safetensors")
    assert_same_weights(import_weights(tmp_path / "x.safetensors"), MODEL)


BESIDE = {
    "timm": {"state_dict": PLAIN, "state_dict_ema": EMA},
    "torchvision": {"model": PLAIN, "model_ema": behind("module.", EMA)},
    "Lightning": {"state_dict": behind("model.", PLAIN) | behind("ema_model.module.", EMA)},
    "a dictionary of its own": {"model": PLAIN, "ema": {"module": EMA, "updates": 3}},
    "SWA": {"model": PLAIN, "swa_model": behind("module.", EMA)},
}


@pytest.mark.parametrize("name", BESIDE)
def test_an_average_beside_the_weights_is_named_and_taken_if_asked_for(name, tmp_path, caplog):
    torch.save(BESIDE[name], tmp_path / "x.pth")
    with caplog.at_level(logging.WARNING):
        assert_same_weights(import_weights(tmp_path / "x.pth"), MODEL)
    [record] = caplog.records
    assert "EMA" in record.message
    assert "--ema" in record.message
    assert_same_weights(import_weights(tmp_path / "x.pth", ema=True), AVERAGE)


def test_an_average_that_is_not_there_is_not_made_up(tmp_path):
    torch.save(PLAIN, tmp_path / "x.pth")
    refused_file(tmp_path / "x.pth", "no average of its weights", ema=True)


def test_of_two_networks_none_is_guessed(tmp_path):
    torch.save({"student": PLAIN, "teacher": EMA}, tmp_path / "x.pth")
    refused_file(tmp_path / "x.pth", "2 networks ('student', 'teacher')")


def test_what_a_wrapper_adds_to_the_network_is_not_left_out(tmp_path):
    torch.save(behind("net.", PLAIN) | {"gate.scale": torch.ones(3)}, tmp_path / "x.pth")
    refused_file(tmp_path / "x.pth", "1 unexpected: gate.scale")
    assert import_weights(tmp_path / "x.pth", include_top=False)


# ---- heads ---------------------------------------------------------------------------------------


def with_head(head, name="last_linear"):
    """Weights with another classifier, and the network that has it."""
    tensors = {key: tensor for key, tensor in PLAIN.items() if not key.startswith("fc.")}
    tensors |= {f"{name}.{key}": tensor for key, tensor in head.state_dict().items()}
    return tensors


def two_layers():
    return nn.Sequential(nn.Linear(18, 9), nn.ReLU(), nn.Dropout(0.5), nn.Linear(9, 4))


@pytest.mark.parametrize("name", ["last_linear", "fc", "head", "classifier.net"])
def test_a_head_of_any_name_and_of_several_layers_is_read(name, tmp_path, caplog):
    head = two_layers().eval()
    torch.save(behind("model.", with_head(head, name)), tmp_path / "x.pth")
    with caplog.at_level(logging.WARNING):
        model = import_weights(tmp_path / "x.pth")
    assert "taken to be ReLU" in caplog.text
    assert (model.config.fc_widths, model.config.num_classes) == ((9,), 4)
    images = torch.randn(2, 3, 40, 40)
    with torch.no_grad():
        theirs = head(model.forward_features(images).mean(dim=(2, 3)))
        torch.testing.assert_close(model(images), theirs)


def test_a_head_outside_of_the_wrapped_network_is_read(tmp_path):
    tensors = with_head(nn.Linear(18, 4), "unused")
    head = {key: tensors.pop(key) for key in list(tensors) if key.startswith("unused")}
    torch.save(behind("backbone.", tensors) | behind("my_", head), tmp_path / "x.pth")
    model = import_weights(tmp_path / "x.pth")
    assert torch.equal(model.classifier.weight, head["unused.weight"])


def test_a_head_without_bias_has_one_of_zeros(tmp_path):
    torch.save(with_head(nn.Linear(18, 4, bias=False)), tmp_path / "x.pth")
    assert not import_weights(tmp_path / "x.pth").classifier.bias.any()


@pytest.mark.parametrize(
    "head",
    [
        nn.Sequential(nn.Linear(18, 9), nn.Linear(9, 4)),  # nothing between them
        nn.Sequential(nn.Linear(17, 9), nn.ReLU(), nn.Linear(9, 4)),
        nn.Sequential(nn.Linear(18, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 4)),
    ],
    ids=["linear", "another width", "BN"],
)
def test_a_head_that_ours_cannot_be_is_refused_and_its_base_is_read(head, tmp_path):
    torch.save(with_head(head), tmp_path / "x.pth")
    refused_file(tmp_path / "x.pth", "unexpected", "last_linear")


def test_without_the_top_a_head_of_another_name_is_passed_over(tmp_path):
    torch.save(with_head(two_layers()), tmp_path / "x.pth")
    model = import_weights(tmp_path / "x.pth", include_top=False)
    assert (model.config.fc_widths, model.config.num_classes) == ((), 1000)
    assert torch.equal(model.sep4.bn.weight, MODEL.sep4.bn.weight)


def test_our_own_fully_connected_layers_are_read_off_the_shapes(tmp_path):
    model = network(dataclasses.replace(SMALL, fc_widths=(5, 6)))
    torch.save(model.state_dict(), tmp_path / "x.pth")
    assert import_weights(tmp_path / "x.pth").config.fc_widths == (5, 6)


# ---- pickles -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (argparse.Namespace(lr=0.1), "argparse.Namespace"),
        (np.float64(0.5), "numpy"),
        (nn.ReLU(), "torch.nn.modules.activation.ReLU"),
        (SMALL, "xception_edu.configs.XceptionConfig"),
    ],
    ids=["arguments", "number", "module", "config"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_objects_are_named(thing, name, zipped, tmp_path):
    path = tmp_path / "x.pth"
    content = {"state_dict": PLAIN, "args": thing}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    message = refused_file(path, "holds pickled objects", name, "state_dict() alone")
    assert "\x1b" not in message


def test_a_program_of_torchscript_is_called_that(tmp_path):
    with pytest.warns(DeprecationWarning, match="jit"):
        torch.jit.script(nn.ReLU()).save(tmp_path / "x.pt")
    refused_file(tmp_path / "x.pt", "TorchScript")


# ---- notes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("classes", list("abcdefg")),
        ("class_names", tuple("abcdefg")),
        ("class_to_idx", {name: i for i, name in enumerate("abcdefg")}),
        ("idx_to_class", dict(enumerate("abcdefg"))),
    ],
)
def test_names_of_classes_beside_the_weights_are_read(name, value, tmp_path):
    torch.save({"model": PLAIN, name: value}, tmp_path / "x.pth")
    assert read_weights(tmp_path / "x.pth").notes.classes == tuple("abcdefg")


def test_names_of_something_else_are_not_taken_for_classes(tmp_path, caplog):
    torch.save({"model": PLAIN, "labels": ["a", "b"]}, tmp_path / "x.pth")
    assert read_weights(tmp_path / "x.pth").notes.classes is None
    assert "its 2 names are not those of its classes" in caplog.text


def test_labels_that_are_no_names_of_classes_are_none(tmp_path):
    torch.save({"model": PLAIN, "labels": [3, 1, 2]}, tmp_path / "x.pth")
    assert read_weights(tmp_path / "x.pth").notes.classes is None


def test_our_files_bring_the_names_of_their_classes(tmp_path):
    path = tmp_path / "x.safetensors"
    save_weights(MODEL, path, classes=list("abcdefg"))
    assert read_weights(path).notes.classes == tuple("abcdefg")
    with pytest.raises(ValueError, match="names 2 classes, but its network has 7"):
        save_weights(MODEL, path, classes=["a", "b"])


@pytest.mark.parametrize(
    ("note", "text", "part"),
    [
        ("classes", '["a"]', "names 1 classes, but its network has 7"),
        ("classes", "3", "must be a list of names"),
        ("classes", '{"a": {}}', "must be a list of names"),
        ("classes", "[" * 10**5, "must be JSON"),
        ("input", "[]", "must be a mapping"),
        ("input", '{"image_size": 1e9}', "image_size"),
        ("input", '{"image_size": 1000000000}', "at least 1 to 10000"),
        ("input", '{"scale": "x"}', "scale"),
        ("recipe", "[]", "must be a recipe"),
        ("recipe", '{"model": {"middle_blocks": -1}}', "recipe"),
    ],
    ids=str,
)
def test_notes_of_a_stranger_are_checked(note, text, part, tmp_path):
    save_file(MODEL.state_dict(), tmp_path / "x.safetensors", {note: text})
    if part == "at least 1 to 10000":
        part = "from 1 to 10000"
    refused_file(tmp_path / "x.safetensors", part)


def test_what_a_file_says_survives_in_ours(tmp_path):
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    said = {"image_size": [40, 50], "scale": 0.5, "offset": 0.25, "multi_label": True}
    notes = {"classes": json.dumps(list("abcdefg")), "input": json.dumps(said)}
    save_weights(MODEL, first, notes=notes)
    model, read = read_weights(first)
    assert (read.image_size, read.scale, read.offset, read.multi_label) == (
        (40, 50),
        0.5,
        0.25,
        True,
    )
    save_weights(model, second, notes=read.to_metadata())
    assert read_weights(second).notes == read
