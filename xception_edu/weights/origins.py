"""Whose weight file it is: how the keys tell, and what the shapes of the weights do not show."""

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from xception_edu.configs import InceptionV3Config, XceptionConfig
from xception_edu.weights.names import Groups, keras_layer_counts

Config = XceptionConfig | InceptionV3Config


@dataclass(frozen=True, kw_only=True)
class Origin:
    """One library's files of one network."""

    source: str  # "keras", "timm", "torchvision" or "ours"
    config: type[Config]  # of the network
    marks: tuple[str, ...] = ()  # how keys begin that no other file has
    rules: Mapping[str, Any] = field(default_factory=dict)  # how it pads and guards BN (epsilon)
    also: tuple[str, ...] = ()  # libraries that write the same names


XCEPTION_KERAS = Origin(
    source="keras",
    config=XceptionConfig,
    rules={"padding": "tensorflow", "bn_eps": 1e-3},
)
XCEPTION_TIMM = Origin(
    source="timm",
    config=XceptionConfig,
    marks=("block1.rep.",),
    rules={"padding": "symmetric", "bn_eps": 1e-5},
)
XCEPTION_OURS = Origin(
    source="ours",
    config=XceptionConfig,
    marks=("entry.0.", "sep3.", "sep4."),
)
INCEPTION_KERAS = Origin(
    source="keras",
    config=InceptionV3Config,
    rules={"padding_counted": False, "bn_eps": 1e-3},
)
INCEPTION_TORCHVISION = Origin(
    source="torchvision",
    config=InceptionV3Config,
    marks=("Conv2d_1a_3x3.", "Mixed_5b.", "Mixed_7c."),
    rules={"padding_counted": True, "bn_eps": 1e-3},
    also=("timm",),
)
INCEPTION_OURS = Origin(
    source="ours",
    config=InceptionV3Config,
    marks=("mixed0.", "mixed10."),
)
MARKED = (XCEPTION_TIMM, XCEPTION_OURS, INCEPTION_TORCHVISION, INCEPTION_OURS)


def origin_of_keras(groups: Groups) -> Origin:
    """Which network of Keras' it is; ValueError if its layers are of neither."""
    convolutions, separables = keras_layer_counts(groups)
    if not convolutions and not separables:
        some = ", ".join(name[-60:] for name in itertools.islice(groups, 3)) or "none"
        raise ValueError(f"its layers ({some}, ...) are of no Xception or Inception V3 of Keras")
    return INCEPTION_KERAS if not separables else XCEPTION_KERAS


def origin_of(keys: Collection[str]) -> Origin:
    """Whose file it is, and of which network; ValueError if its keys are of none that we know."""
    for origin in MARKED:
        if any(key.startswith(origin.marks) for key in keys):
            return origin
    some = ", ".join(key[-60:] for key in itertools.islice(keys, 3)) or "none"
    raise ValueError(
        f"its keys ({some}, ...) are of no Xception of Keras, timm or this library (torchvision has"
        " none), and of no Inception V3 of Keras, torchvision, timm or this library"
    )
