"""Inception V3's weight files: torchvision's, timm's, Keras' and ours, every key accounted for."""

import dataclasses
import json

import h5py
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.helpers.inception_writers import inception, write_keras_inception
from tests.helpers.loaded_weights import assert_same_weights, refused_file
from xception_edu.__main__ import main
from xception_edu.configs import InceptionV3Config, XceptionConfig
from xception_edu.inception_v3 import InceptionV3
from xception_edu.weights.export import fold_batchnorm
from xception_edu.weights.load import import_weights, save_weights
from xception_edu.weights.names import timm_names
from xception_edu.weights.names_inception import inception_layers

TORCHVISION = {"padding_counted": True, "aux": True}
KERAS = {"bn_scale": False}


def torchvision_tensors(**dials):
    model = inception(**(TORCHVISION | dials))
    names = timm_names(inception_layers(aux=model.config.aux, bn_scale=True))
    return {names[ours]: tensor for ours, tensor in model.state_dict().items()}


@pytest.fixture(scope="module")
def torchvision_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("inception") / "torchvision.pth"
    torch.save(torchvision_tensors(), path)
    yield path
    path.unlink()


@pytest.fixture(autouse=True)
def _no_large_files_stay(tmp_path):
    """A file of Inception V3 has about 100 MB, and pytest keeps its folders."""
    yield
    for path in tmp_path.iterdir():
        path.unlink()


# ---- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("aux", [True, False])
@pytest.mark.parametrize("bn_scale", [True, False])
def test_the_table_has_every_weight_of_the_network_once(aux, bn_scale):
    with torch.device("meta"):
        state = InceptionV3(InceptionV3Config(aux=aux, bn_scale=bn_scale)).state_dict()
    names = timm_names(inception_layers(aux=aux, bn_scale=bn_scale))
    assert names.keys() == state.keys()
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("conv4.bn.bias", "Conv2d_3b_1x1.bn.bias"),
        ("mixed0.tower2.1.conv.weight", "Mixed_5b.branch5x5_2.conv.weight"),
        ("mixed7.tower3.4.bn.running_var", "Mixed_6e.branch7x7dbl_5.bn.running_var"),
        ("mixed8.tower1.1.conv.weight", "Mixed_7a.branch3x3_2.conv.weight"),
        ("mixed10.tower2.1.row.conv.weight", "Mixed_7c.branch3x3_2a.conv.weight"),
        ("mixed10.tower3.2.column.conv.weight", "Mixed_7c.branch3x3dbl_3b.conv.weight"),
        ("aux.conv2.conv.weight", "AuxLogits.conv1.conv.weight"),
        ("aux.classifier.bias", "AuxLogits.fc.bias"),
        ("classifier.weight", "fc.weight"),
    ],
)
def test_torchvisions_names_are_these(ours, theirs):
    assert timm_names(inception_layers(aux=True, bn_scale=True))[ours] == theirs


# ---- what is read --------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [None, "torchvision", "timm"])
def test_torchvisions_file_brings_its_auxiliary_tower(torchvision_file, source):
    model = import_weights(torchvision_file, source=source)
    assert model.config == InceptionV3Config(**TORCHVISION)
    assert not model.training
    assert_same_weights(model, inception(**TORCHVISION))


def test_timms_file_has_no_auxiliary_tower(tmp_path):
    tensors = {
        key: t.half()
        for key, t in torchvision_tensors().items()
        if not key.startswith("Aux") and "tracked" not in key
    }
    save_file(tensors, tmp_path / "x.safetensors")
    model = import_weights(tmp_path / "x.safetensors", source="timm")
    assert model.config == InceptionV3Config(padding_counted=True)
    assert torch.equal(
        model.conv1.conv.weight, inception(**TORCHVISION).conv1.conv.weight.half().float()
    )


@pytest.mark.parametrize(
    ("layout", "first", "bn_scale"),
    [("named", 94, False), ("unnamed", 0, False), ("old", 1, False), ("unnamed", 0, True)],
)
def test_keras_files_are_read_by_the_order_of_their_numbers(layout, first, bn_scale, tmp_path):
    expected = inception(bn_scale=bn_scale)
    path = write_keras_inception(expected, tmp_path / "x.h5", layout, first)
    model = import_weights(path)
    assert model.config == InceptionV3Config(bn_scale=bn_scale)
    assert_same_weights(model, expected)


@pytest.mark.parametrize(
    "dials",
    [
        TORCHVISION | {"num_classes": 7},
        KERAS | {"dropout": 0.5, "in_channels": 1},
        {"variant": "paper_count"},
    ],
    ids=str,
)
def test_our_own_files_bring_their_dials_along(dials, tmp_path):
    model = inception(**dials)
    save_weights(model, tmp_path / "x.safetensors")
    loaded = import_weights(tmp_path / "x.safetensors")
    assert loaded.config == model.config
    assert_same_weights(loaded, model)


def test_without_a_top_both_classifiers_stay_as_they_are(torchvision_file):
    config = InceptionV3Config(num_classes=5, **TORCHVISION)
    refused_file(
        torchvision_file, "fc.weight is (1000, 2048)", "AuxLogits.fc.bias is (1000,)", config=config
    )
    model = import_weights(torchvision_file, config, include_top=False)
    assert (model.classifier.out_features, model.aux.classifier.out_features) == (5, 5)
    other = inception(**TORCHVISION).state_dict()
    kept = {
        key: t
        for key, t in model.state_dict().items()
        if "classifier" not in key and "tracked" not in key
    }
    assert all(torch.equal(t, other[key]) for key, t in kept.items())


def test_kerass_network_without_gamma_is_folded(tmp_path):
    model = import_weights(write_keras_inception(inception(**KERAS), tmp_path / "x.h5", "old", 1))
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if key.endswith("conv.weight"):
                tensor.sub_(1).mul_(0.1)  # signs, so that nothing grows without bound
        images = torch.rand(1, 3, 75, 75) * 2 - 1
        right, folded = model(images), fold_batchnorm(model)
        assert right.std() > 0
        torch.testing.assert_close(folded(images), right, rtol=1e-4, atol=1e-4 * right.std().item())
    assert not [m for m in folded.modules() if isinstance(m, torch.nn.BatchNorm2d)]


# ---- what is refused -----------------------------------------------------------------------------


def test_missing_unexpected_and_misshaped_weights_are_all_named(tmp_path):
    tensors = torchvision_tensors()
    del tensors["Mixed_6c.branch7x7dbl_3.conv.weight"], tensors["AuxLogits.conv0.bn.bias"]
    tensors["Mixed_7b.branch3x3_2a.conv.weight"] = torch.zeros(384, 384, 3, 1)
    tensors["Mixed_5b.branch1x1.bn.weight"] = torch.ones(64, dtype=torch.int32)
    tensors["Mixed_9.x"] = torch.zeros(1)
    torch.save(tensors, tmp_path / "x.pth")
    refused_file(
        tmp_path / "x.pth",
        "2 missing: Mixed_6c.branch7x7dbl_3.conv.weight, AuxLogits.conv0.bn.bias",
        "1 unexpected: Mixed_9.x",
        "2 mis-shaped",
        "Mixed_7b.branch3x3_2a.conv.weight is (384, 384, 3, 1) float32 instead of (384, 384, 1, 3)",
        "Mixed_5b.branch1x1.bn.weight is (64,) int32",
    )


def test_an_auxiliary_tower_is_neither_dropped_nor_made_up(torchvision_file, tmp_path):
    message = refused_file(
        torchvision_file, "14 unexpected", config=InceptionV3Config(padding_counted=True)
    )
    assert message.count("AuxLogits.") == 14
    tensors = {
        key: tensor for key, tensor in torchvision_tensors().items() if not key.startswith("Aux")
    }
    torch.save(tensors, tmp_path / "x.pth")
    refused_file(
        tmp_path / "x.pth",
        "12 missing",
        "AuxLogits.fc.weight",
        config=InceptionV3Config(**TORCHVISION),
    )


def test_keras_keys_are_named_as_in_the_file(tmp_path):
    path = write_keras_inception(inception(**KERAS), tmp_path / "x.h5", "old")
    with h5py.File(path, "r+") as file:
        del file["predictions"], file["batch_normalization_93"]
        file["lstm/lstm/kernel:0"] = [1.0]
        kernel = file["conv2d_5/conv2d_5/kernel:0"][:, :, :5]
        del file["conv2d_5/conv2d_5/kernel:0"]
        file["conv2d_5/conv2d_5/kernel:0"] = kernel
    refused_file(
        path,
        "5 missing: mixed10.tower4.bn.bias",
        "classifier.weight",
        "1 unexpected: lstm/lstm/kernel:0",
        "conv2d_5/conv2d_5/kernel:0 is (64, 5, 1, 1) float32 instead of (64, 192, 1, 1)",
    )


def test_a_file_of_the_other_network_or_library_is_refused(torchvision_file, tmp_path):
    refused_file(
        torchvision_file, "source is 'keras', but the keys are of 'torchvision'", source="keras"
    )
    refused_file(
        torchvision_file, "config is XceptionConfig", "InceptionV3Config", config=XceptionConfig()
    )
    torch.save({"block1.rep.0.conv1.weight": torch.zeros(3)}, tmp_path / "xception.pth")
    refused_file(
        tmp_path / "xception.pth",
        "source is 'torchvision', but the keys are of 'timm'",
        source="torchvision",
    )
    refused_file(
        tmp_path / "xception.pth", "config is InceptionV3Config", config=InceptionV3Config()
    )
    save_file({"mixed0.tower1.conv.weight": torch.zeros(3)}, tmp_path / "y.safetensors")
    refused_file(tmp_path / "y.safetensors", "missing: conv1.conv.weight")
    with h5py.File(tmp_path / "z.h5", "w") as file:
        file["conv2d_1/conv2d_1/kernel:0"] = [1.0]
    refused_file(
        tmp_path / "z.h5",
        "missing",
        "mixed10.tower4.conv.weight",
        "conv2d_1/conv2d_1/kernel:0 is (1,)",
    )


@pytest.mark.parametrize(
    "config",
    [
        "[",
        "[]",
        '{"depth": 3}',
        '{"num_classes": 1000000000}',
        '{"aux": true}',
        '{"variant": "paper_count"}',
        '{"bn_scale": false}',
    ],
)
def test_a_lying_config_costs_no_memory(config, tmp_path):
    tensors = {
        key: tensor[..., :0]
        for key, tensor in inception(**TORCHVISION).state_dict().items()
        if "aux" not in key and tensor.dim()
    }
    save_file(
        {key: tensor.contiguous() for key, tensor in tensors.items()},
        tmp_path / "x.safetensors",
        {"config": config},
    )
    refused_file(tmp_path / "x.safetensors", "config", include_top=False)


@pytest.mark.parametrize("key", ["classifier.weight", "conv1.conv.weight"])
def test_an_endless_layer_costs_no_memory(key, tmp_path):
    shape = (10**9, 0) if key == "classifier.weight" else (0, 10**9, 3, 3)
    save_file({"mixed0.x": torch.zeros(1), key: torch.zeros(shape)}, tmp_path / "x.safetensors")
    refused_file(tmp_path / "x.safetensors", "at most 65536", include_top=False)


def test_inception_v3_is_not_written_for_timm(tmp_path):
    with pytest.raises(ValueError, match="names is 'timm', but must be 'ours'"):
        save_weights(inception(**TORCHVISION), tmp_path / "x.safetensors", names="timm")


# ---- the command line ----------------------------------------------------------------------------


def test_a_file_of_torchvision_becomes_ours_and_predicts(torchvision_file, tmp_path, capsys):
    out = tmp_path / "y.safetensors"
    assert (
        main(["import-weights", str(torchvision_file), "--out", str(out), "--from", "torchvision"])
        == 0
    )
    assert capsys.readouterr().out == f"{out}\n"
    assert load_file(out).keys() == inception(**TORCHVISION).state_dict().keys()
    Image.new("RGB", (300, 310), "orange").save(tmp_path / "x.png")
    assert (
        main(["predict", str(tmp_path / "x.png"), "--weights", str(out), "--format", "json"]) == 0
    )
    [result] = json.loads(capsys.readouterr().out)
    assert len(result["top"]) == 5
    assert dataclasses.asdict(import_weights(out).config)["padding_counted"]
