"""Inception V3's files as torchvision, timm and Keras write them are read, and our network then
says what theirs says.
"""

import pytest
import torch
from inception_peers import calibrated, keras_twin, photographs
from test_inception_v3_parity import TOLERANCE, difference

from experiments.peers import define_torchvision_operators, keras_logits
from xception_edu.configs import InceptionV3Config
from xception_edu.weights.export import fold_batchnorm
from xception_edu.weights.load import import_weights
from xception_edu.weights.names import timm_names
from xception_edu.weights.names_inception import inception_layers

# Keras' own, with numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def images():
    return photographs(299, 299)[::3]


@pytest.fixture(autouse=True)
def _no_large_files_stay(tmp_path):
    """A file of Inception V3 has about 100 MB, and pytest keeps its folders."""
    yield
    for path in tmp_path.iterdir():
        path.unlink()


@pytest.fixture(scope="module")
def counted():
    return calibrated(InceptionV3Config(padding_counted=True, aux=True))


@pytest.fixture(scope="module")
def shifted():
    return calibrated(InceptionV3Config(bn_scale=False))


def assert_same_weights(model, expected):
    state, expected = model.state_dict(), expected.state_dict()
    assert state.keys() == expected.keys()
    assert all(
        torch.equal(state[key], expected[key]) for key in state if not key.endswith("tracked")
    )


def torchvision_peer(model):
    define_torchvision_operators()
    from torchvision.models import inception_v3

    # As torchvision builds it for its published weights.
    peer = inception_v3(weights=None, aux_logits=True, init_weights=False, transform_input=True)
    names = timm_names(inception_layers(aux=True, bn_scale=True))
    peer.load_state_dict(
        {names[key]: tensor for key, tensor in model.state_dict().items()}, strict=True
    )
    return peer.eval()


def timm_peer(model):
    define_torchvision_operators()
    import timm

    peer = timm.create_model("inception_v3", pretrained=False)
    names = timm_names(inception_layers(aux=False, bn_scale=True))
    peer.load_state_dict(
        {theirs: model.state_dict()[ours] for ours, theirs in names.items()}, strict=True
    )
    return peer.eval()


@torch.no_grad()
def test_torchvisions_file_computes_what_torchvision_does(counted, images, tmp_path):
    """Their images have ImageNet's mean and deviation, which `transform_input` takes back to ours,
    from -1 to 1.
    """
    peer = torchvision_peer(counted)
    torch.save(peer.state_dict(), tmp_path / "x.pth")
    model = import_weights(tmp_path / "x.pth", source="torchvision")
    assert model.config == counted.config
    assert_same_weights(model, counted)
    mean, deviation = (
        torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    largest = difference(model(images), peer(((images + 1) / 2 - mean) / deviation))
    print(f"torchvision {largest:.1e}")
    assert largest <= TOLERANCE


@torch.no_grad()
def test_timms_file_computes_what_timm_does(counted, images, tmp_path):
    from safetensors.torch import save_file

    peer = timm_peer(counted)
    save_file(peer.state_dict(), tmp_path / "x.safetensors")
    model = import_weights(tmp_path / "x.safetensors", source="timm")
    assert model.config == InceptionV3Config(padding_counted=True)
    largest = difference(model(images), peer(images))
    print(f"timm {largest:.1e}")
    assert largest <= TOLERANCE


@pytest.mark.parametrize(
    "name", ["x.weights.h5", "x.keras", "x.h5", "old.h5", "unnamed.weights.h5"]
)
@torch.no_grad()
def test_every_file_of_keras_is_read(shifted, tmp_path, name):
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    peer, path = keras_twin(shifted, 299, 299), tmp_path / name
    if name == "old.h5":  # weights alone in the old layout
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, peer)
    elif name.endswith(".weights.h5"):
        peer.save_weights(path)
    else:
        peer.save(path)
    if name == "unnamed.weights.h5":  # as Keras 3 wrote before it noted the layers' names
        with h5py.File(path, "r+") as file:
            for group in file["layers"].values():
                group["vars"].attrs.pop("name")
            file["vars"].attrs.pop("name")
    model = import_weights(path)
    assert model.config == shifted.config
    assert_same_weights(model, shifted)


@torch.no_grad()
def test_kerass_file_computes_what_keras_does_folded_too(shifted, images, tmp_path):
    peer = keras_twin(shifted, 299, 299)
    peer.save_weights(tmp_path / "x.weights.h5")
    model, theirs = (
        import_weights(tmp_path / "x.weights.h5", source="keras"),
        keras_logits(peer, images),
    )
    largest, folded = (
        difference(model(images), theirs),
        difference(fold_batchnorm(model)(images), theirs),
    )
    print(f"keras {largest:.1e}, folded {folded:.1e}")
    assert max(largest, folded) <= TOLERANCE
