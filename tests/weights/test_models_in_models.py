"""Keras models with Xception inside: any depth, any head, and what the model says of itself.

Written by hand as Keras writes them; the peers' tests read Keras' own.
"""

import dataclasses
import json
import logging
import zipfile

import h5py
import numpy as np
import pytest
import torch

from tests.helpers.inception_writers import inception, write_keras_inception
from tests.helpers.loaded_weights import assert_same_weights, refused_file
from tests.helpers.weight_writers import SMALL, keras_array, network, write_keras
from xception_edu.weights.load import import_weights, read_weights

WIDTHS = (9, 11)
MODEL = network(dataclasses.replace(SMALL, fc_widths=WIDTHS, num_classes=5))
BASE = network(SMALL)
NAMES = ("squeeze", "embed", "species")
LAYERS = ("fc.0", "fc.2", "classifier")


def write(path, place="xception", layout="old", names=NAMES, head=MODEL, without=()):
    """Base and head of a network as Keras writes a model inside a model at `place`."""
    flat = write_keras(head, path.with_suffix(".flat"), layout)
    state = head.state_dict()
    with h5py.File(flat) as source, h5py.File(path, "w") as file:
        for name in source if layout == "old" else source["layers"]:
            if name in ("predictions", "dense", "optimizer"):
                continue
            if layout == "old":
                source.copy(f"{name}/{name}", file, f"model_weights/{place}/{name}")
            else:
                source.copy(f"layers/{name}", file, f"layers/{place}/layers/{name}")
        for i, (name, ours) in enumerate(zip(names, LAYERS[-len(names) :], strict=True)):
            for number, kind in enumerate(("weight", "bias")):
                array = keras_array(state[f"{ours}.{kind}"], kind)
                kernel = ("kernel", "bias")[number]
                group = f"layers/dense{f'_{i}' if i else ''}/vars"
                key = f"model_weights/{name}/{name}/{kernel}:0"
                file[key if layout == "old" else f"{group}/{number}"] = array
            if layout == "named":
                file[group].attrs["name"] = name
        file["layers/dropout/seed_generator/vars/0"] = np.zeros(2, "u4")
    return path


def layer(kind, name="", **config):
    return {"class_name": kind, "config": {"name": name, **config}}


def dense(*activations):
    pairs = zip(NAMES[-len(activations) :], activations, strict=True)
    return [layer("Dense", name, activation=activation) for name, activation in pairs]


POOL = layer("GlobalAveragePooling2D", "pool")
HEAD = [POOL, *dense("relu", "relu", "softmax")]


def model_of(head=HEAD, before=(), size=(40, 50)):
    """A model around Xception as Keras describes it."""
    images = layer("InputLayer", "images", batch_shape=[None, *size, 3])
    base = [layer("Conv2D"), layer("SeparableConv2D"), layer("BatchNormalization")]
    base.append(layer("Activation", activation="relu"))
    inside = {"class_name": "Functional", "config": {"name": "xception", "layers": base}}
    return {"class_name": "Functional", "config": {"layers": [images, *before, inside, *head]}}


def write_keras_file(path, model, **options):
    """A .keras of weights and config."""
    part = write(path.with_suffix(".h5"), layout="named", **options)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(part, "model.weights.h5")
        archive.writestr("config.json", json.dumps(model))
    return path


# ---- where it lies -------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["old", "named", "unnamed"])
@pytest.mark.parametrize("place", ["xception", "a/layers/b", "outer/deep/deeper/xception"])
def test_a_model_inside_another_is_found_at_any_depth(layout, place, tmp_path):
    path = write(tmp_path / "x.h5", place, layout)
    loaded = import_weights(path)
    assert loaded.config == MODEL.config
    assert_same_weights(loaded, MODEL)
    bare = import_weights(path, include_top=False)
    assert (bare.config.fc_widths, bare.config.num_classes) == ((), 1000)
    assert torch.equal(bare.sep4.bn.running_var, MODEL.sep4.bn.running_var)


def test_a_head_of_another_name_is_found_in_a_flat_model(tmp_path):
    path = write_keras(BASE, tmp_path / "x.h5", "old")
    with h5py.File(path, "r+") as file:
        file.move("predictions/predictions", "species/species")
    assert_same_weights(import_weights(path), BASE)


def test_inception_inside_another_model_is_found(tmp_path):
    model = inception(bn_scale=False, fc_widths=(6,), num_classes=3)
    path = write_keras_inception(model, tmp_path / "flat.h5", "old")
    with h5py.File(path) as source, h5py.File(tmp_path / "x.h5", "w") as file:
        for name in source:
            if name != "predictions":
                source.copy(f"{name}/{name}", file, f"model_weights/inception_v3/{name}")
        for name, ours in (("a", "fc.0"), ("b", "classifier")):
            for kind, theirs in (("weight", "kernel"), ("bias", "bias")):
                array = keras_array(model.state_dict()[f"{ours}.{kind}"], kind)
                file[f"model_weights/{name}/{name}/{theirs}"] = array
    loaded = import_weights(tmp_path / "x.h5")
    assert loaded.config.fc_widths == (6,)
    assert_same_weights(loaded, model)


def test_of_two_networks_in_one_model_none_is_guessed(tmp_path):
    path = write(tmp_path / "x.h5")
    with h5py.File(path, "r+") as file:
        file.copy("model_weights/xception", "model_weights/another")
    refused_file(path, "several networks", "'another'", "'xception'")


def test_without_the_top_whatever_stands_behind_the_base_is_passed_over(tmp_path):
    path = write(tmp_path / "x.h5")
    with h5py.File(path, "r+") as file:
        file["model_weights/head_bn/head_bn/gamma"] = np.ones(9, "f4")
        file["model_weights/attention/attention/kernel"] = np.ones((1, 1, 9, 9), "f4")
    refused_file(path, "2 unexpected", "head_bn", "attention")
    assert import_weights(path, include_top=False)


# ---- the order of its layers ---------------------------------------------------------------------


def test_the_models_own_order_rules_where_shapes_allow_several(tmp_path):
    model = network(dataclasses.replace(SMALL, fc_widths=(18, 18), num_classes=5))
    path = write(tmp_path / "x.h5", names=("zebra", "ant", "out"), head=model)
    refused_file(path, "the order of its layers", "ant", "zebra", "--no-top")
    head = [POOL, *(layer("Dense", name, activation="relu") for name in ("zebra", "ant"))]
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = json.dumps(model_of([*head, layer("Dense", "out")]))
    assert_same_weights(import_weights(path), model)


def test_weights_alone_do_not_say_what_is_between_layers(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        import_weights(write(tmp_path / "x.h5"))
    assert "between squeeze, embed, species there is taken to be ReLU" in caplog.text
    caplog.clear()
    import_weights(write_keras_file(tmp_path / "y.keras", model_of()))
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("head", "part"),
    [
        ([POOL, *dense("tanh", "relu", "softmax")], "the activation 'tanh' behind 'squeeze'"),
        ([POOL, *dense("linear", "relu", "softmax")], "the activation 'linear'"),
        ([POOL, *dense("relu", "relu", "relu")], "the activation 'relu' at its end"),
        ([layer("GlobalMaxPooling2D", "max"), *dense("linear")], "GlobalMaxPooling2D max"),
        ([layer("Flatten", "flat"), *dense("linear")], "Flatten flat"),
        ([POOL, layer("BatchNormalization", "bn"), *dense("linear")], "BatchNormalization bn"),
        ([POOL, layer("Lambda", "root"), *dense("linear")], "Lambda root"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_head_that_ours_cannot_be_is_named(head, part, tmp_path):
    path = write_keras_file(tmp_path / "x.keras", model_of(head))
    refused_file(path, part, "--no-top")
    assert import_weights(path, include_top=False)


def test_activations_may_be_layers_of_their_own(tmp_path):
    first, second, last = dense("linear", "linear", "linear")
    idle = layer("Dropout", "drop", rate=0.5)
    relu = layer("Activation", "act", activation="relu")
    head = [POOL, first, layer("ReLU"), idle, second, relu, last, layer("Softmax")]
    path = write_keras_file(tmp_path / "x.keras", model_of(head))
    assert_same_weights(import_weights(path), MODEL)


def test_a_layer_on_kerass_own_classifier_is_refused(tmp_path):
    """A softmax is between the two, which weights alone do not show."""
    path = write(tmp_path / "x.h5", names=("squeeze", "predictions", "species"))
    refused_file(path, "missing", "unexpected", "predictions")


# ---- what it says of its input -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "size", "scale", "offset"),
    [
        ([], (40, 50), 1 / 127.5, -1),
        ([layer("Rescaling", scale=1 / 255, offset=0.0)], (40, 50), 1 / 255, 0),
        ([layer("RandomFlip"), layer("Resizing", height=30, width=20)], (30, 20), 1 / 127.5, -1),
        (
            [layer("Rescaling", scale=0.5, offset=1), layer("Rescaling", scale=2, offset=3)],
            (40, 50),
            1.0,
            5.0,
        ),
    ],
    ids=["nothing", "rescaled", "resized", "twice"],
)
def test_size_and_scale_of_the_images_are_the_models(before, size, scale, offset, tmp_path):
    path = write_keras_file(tmp_path / "x.keras", model_of(before=before))
    notes = read_weights(path).notes
    assert (notes.image_size, notes.offset) == (size, offset)
    assert notes.scale == pytest.approx(scale)
    images = torch.tensor([-1.0, 0.0, 1.0])
    torch.testing.assert_close(notes.scaled(images), (images + 1) * 127.5 * scale + offset)


def test_steps_before_the_network_that_are_not_known_are_named(tmp_path, caplog):
    before = [layer("Normalization", "norm"), layer("Lambda", "custom")]
    with caplog.at_level(logging.WARNING):
        read_weights(write_keras_file(tmp_path / "x.keras", model_of(before=before)))
    assert "(Normalization norm, Lambda custom) are not read" in caplog.text


def test_a_sigmoid_at_the_end_gives_an_image_several_classes(tmp_path):
    head = [POOL, *dense("relu", "relu", "sigmoid")]
    assert read_weights(write_keras_file(tmp_path / "x.keras", model_of(head))).notes.multi_label


@pytest.mark.parametrize(
    "config",
    ["[", "[]", "3", '{"config": 3}', '{"config": {"layers": [3]}}', '{"config":' * 50_000],
    ids=lambda text: text[:20],
)
def test_a_config_that_is_none_is_refused_or_says_nothing(config, tmp_path):
    path = write(tmp_path / "x.h5")
    with h5py.File(path, "r+") as file:
        file.attrs.create("model_config", config[:60_000])
    if config == "[]":
        assert_same_weights(import_weights(path), MODEL)
    else:
        refused_file(path, "config")
