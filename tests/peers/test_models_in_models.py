"""Keras' Xception inside another model, as most people own one: base and head are read, and compute
what Keras computes.
"""

import os
import pathlib

import pytest
import torch
from parity import TOLERANCE, difference

from experiments.peers import calibrate, keras_logits, keras_xception, photographs
from xception_edu.weights.load import import_weights, read_weights
from xception_edu.xception import Xception

# Keras' own, with numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIDE = 96
# A model that somebody published, where this variable says that it lies.
PUBLISHED = os.environ.get("XCEPTION_EDU_TRANSFER_MODEL", "")


@pytest.fixture(scope="module")
def base():
    """Keras' Xception without its classifier, whose every layer has something to say."""
    import keras

    peer = keras_xception(calibrate(Xception()), (SIDE, SIDE))
    return keras.Model(peer.input, peer.get_layer("block14_sepconv2_act").output, name="xception")


def head():
    from keras import layers

    return [
        layers.GlobalAveragePooling2D(),
        layers.Dense(20, activation="relu", name="hidden"),
        layers.Dropout(0.2),
        layers.Dense(5, name="species"),
    ]


def functional(base):
    """As in Keras' guide to transfer learning, which scales the images inside the model."""
    import keras
    from keras import layers

    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.RandomFlip()(inputs)
    x = base(layers.Rescaling(1.0, 0.0)(x), training=False)
    for layer in head():
        x = layer(x)
    return keras.Model(inputs, x)


def sequential(base):
    import keras

    return keras.Sequential([keras.Input((SIDE, SIDE, 3)), base, *head()])


def deep(base):
    import keras

    return keras.Sequential([keras.Input((SIDE, SIDE, 3)), sequential(base)])


def flat(base):
    import keras

    x = base.output
    for layer in head():
        x = layer(x)
    return keras.Model(base.input, x)


def of_ones_own(base):
    """A class of one's own, whose config lists no layers."""
    import keras

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.backbone = base
            self.pool, self.hidden, self.dropout, self.species = head()

        def call(self, x, training=False):
            x = self.hidden(self.pool(self.backbone(x, training=training)))
            return self.species(self.dropout(x, training=training))

    return Own()


MODELS = [
    (functional, "x.keras"),
    (functional, "x.h5"),
    (deep, "x.h5"),
    (deep, "x.weights.h5"),
    (flat, "x.keras"),
    (of_ones_own, "x.weights.h5"),
]


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize(
    ("build", "name"), MODELS, ids=[f"{build.__name__} {name}" for build, name in MODELS]
)
def test_a_model_around_xception_has_keras_logits(base, tmp_path, build, name):
    peer, images = build(base), photographs(SIDE, SIDE, count=2)
    theirs = keras_logits(peer, images)
    (peer.save_weights if name.endswith("weights.h5") else peer.save)(tmp_path / name)
    model, notes = read_weights(tmp_path / name)
    assert (model.config.fc_widths, model.config.num_classes) == ((20,), 5)
    assert notes.image_size == (None if name.endswith("weights.h5") else (SIDE, SIDE))
    assert theirs.std() > 0.01
    with torch.no_grad():
        assert difference(model(images), theirs)["max_difference"] <= TOLERANCE
    bare = import_weights(tmp_path / name, include_top=False)
    with torch.no_grad():
        features = torch.nn.functional.adaptive_avg_pool2d(model.forward_features(images), 1)
        ours = torch.nn.functional.adaptive_avg_pool2d(bare.forward_features(images), 1)
    assert torch.equal(features, ours)


@pytest.mark.skipif(not pathlib.Path(PUBLISHED).is_file(), reason="no published model is here")
def test_a_published_model_has_keras_logits():
    import keras

    peer = keras.saving.load_model(PUBLISHED, compile=False)
    model, notes = read_weights(PUBLISHED)
    images = photographs(*notes.image_size, count=4)
    with torch.no_grad():
        assert difference(model(images), keras_logits(peer, images))["max_difference"] <= TOLERANCE
