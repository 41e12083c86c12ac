"""Xception here is the function that Keras and timm compute: `make peers`, in an environment of its
own.
"""

import pytest
import torch
from parity import FAULT_SIZE, FAULTS, TIMM_DIALS, TOLERANCE, compare, difference

from experiments.peers import (
    SIZES,
    calibrate,
    keras_logits,
    keras_xception,
    photographs,
    timm_xception,
    with_config,
)
from xception_edu.weights.load import import_weights, save_weights
from xception_edu.xception import Xception

# Keras' own, with numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def model():
    return calibrate(Xception())


@pytest.fixture(scope="module")
def keras_peer(model):
    return keras_xception(model, FAULT_SIZE)


@pytest.fixture(scope="module")
def right(keras_peer):
    return keras_logits(keras_peer, photographs(*FAULT_SIZE))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("peer", ["keras", "timm"])
def test_logits_are_the_peers(model, peer, size):
    result = compare(model, peer, size)
    assert 1 < result["logit_std"] < 2
    assert result["max_difference"] <= TOLERANCE


def test_the_difference_is_float32s_rounding(model):
    """In float64 the same comparison shrinks by eight orders: what remains in float32 is rounding
    and nothing else.
    """
    model = with_config(model, **TIMM_DIALS)
    peer, images = timm_xception(model).double(), photographs(*FAULT_SIZE).double()
    with torch.no_grad():
        # Our variances took the difference of the epsilons (zero here) in float32, so the weights
        # are the same numbers.
        assert difference(model.double()(images), peer(images))["max_difference"] < 1e-12


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen(model, right, fault):
    with torch.no_grad():
        wrong = FAULTS[fault](model, photographs(*FAULT_SIZE))
    assert difference(wrong, right)["max_difference"] > 100 * TOLERANCE


def test_default_weights_are_blind_to_the_wrong_pool(tmp_path):
    """Trap 7: with Keras' own initial weights the wrong padding passes, so calibrated weights are
    no luxury.
    """
    import keras

    keras.utils.set_random_seed(0)
    keras.applications.Xception(weights=None).save_weights(tmp_path / "default.weights.h5")
    model = import_weights(tmp_path / "default.weights.h5")
    images = photographs(*FAULT_SIZE)
    with torch.no_grad():
        logits, wrong = model(images), with_config(model, padding="symmetric")(images)
    assert 0 < difference(wrong, logits)["max_difference"] < TOLERANCE


def assert_same_weights(model, expected):
    state, expected = model.state_dict(), expected.state_dict()
    tracked = [key for key in state if key.endswith("num_batches_tracked")]
    assert all(torch.equal(state[key], expected[key]) for key in state.keys() - tracked)


@pytest.mark.parametrize(
    "name", ["x.weights.h5", "x.keras", "x.h5", "old.h5", "no_top.weights.h5", "unnamed.weights.h5"]
)
def test_every_file_of_keras_is_read(model, keras_peer, tmp_path, name):
    import h5py
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    path = tmp_path / name
    if name == "old.h5":  # weights alone in the old layout
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, keras_peer)
    elif name == "no_top.weights.h5":
        keras.Model(keras_peer.input, keras_peer.layers[-3].output).save_weights(path)
    elif name.endswith(".weights.h5"):
        keras_peer.save_weights(path)
    else:
        keras_peer.save(path)
    if name == "unnamed.weights.h5":  # as Keras 3 wrote before it noted the layers' names
        with h5py.File(path, "r+") as file:
            for group in file["layers"].values():
                group["vars"].attrs.pop("name")
    if name != "no_top.weights.h5":
        loaded = import_weights(path)
        assert loaded.config == model.config
        return assert_same_weights(loaded, model)
    with pytest.raises(
        ValueError, match=r"2 missing: classifier.weight, classifier.bias.*include_top=False"
    ):
        import_weights(path)
    loaded = import_weights(path, include_top=False)
    loaded.classifier.load_state_dict(model.classifier.state_dict())
    assert_same_weights(loaded, model)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_timms_and_cadenes_files_are_read(model, tmp_path, suffix):
    from safetensors.torch import save_file

    model = with_config(model, **TIMM_DIALS)
    state = timm_xception(model).state_dict()
    # Cadene's: the head by another name, pointwise weights as matrices, no counters
    if suffix == "pth":
        state = {
            key.replace("fc.", "last_linear."): value
            for key, value in state.items()
            if "num_batches" not in key
        }
        state = {
            key: value[:, :, 0, 0] if "pointwise" in key else value for key, value in state.items()
        }
        torch.save(state, tmp_path / "w.pth")
    else:
        save_file(state, tmp_path / "w.safetensors")
    loaded = import_weights(tmp_path / f"w.{suffix}")
    assert loaded.config == model.config
    assert_same_weights(loaded, model)


def test_what_is_exported_for_timm_computes_the_same_there(model, tmp_path):
    """Though the epsilons differ: the variances make up for it."""
    import timm
    from safetensors.torch import load_file

    model = with_config(model, padding="symmetric")
    save_weights(model, tmp_path / "w.safetensors", names="timm")
    peer = timm.create_model("legacy_xception", pretrained=False)
    peer.load_state_dict(load_file(tmp_path / "w.safetensors"), strict=True)
    images = photographs(*FAULT_SIZE)
    with torch.no_grad():
        assert difference(model(images), peer.eval()(images))["max_difference"] <= TOLERANCE
