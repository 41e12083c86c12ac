"""What a whole model of Keras says of itself beside its weights: its input, and its head.

A .keras holds it as config.json, an .h5 as the attribute model_config; files of weights alone have
nothing of it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DEEPEST = 16  # models in one another
MOST_LAYERS = 5_000
LONGEST = 2**24  # letters; of Keras' Xception there are 120,000
CONCATENATIONS = 15  # of Inception V3; the last one ends its base
# What changes nothing where a network predicts.
IDLE = {
    "InputLayer", "Dropout", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout",
    "ActivityRegularization", "Identity",
}  # fmt: skip
POOLS = {"GlobalAveragePooling2D"}
SHAPES = {"Flatten", "Reshape"}  # nothing, behind a global pool
ACTIVATIONS = {"ReLU": "relu", "Softmax": "softmax"}


@dataclass(frozen=True, kw_only=True)
class Described:
    """A model as Keras describes it."""

    image_size: tuple[int, int] | None = None
    scale: float = 1 / 127.5  # of pixels from 0 to 255; as Keras scales images for Xception
    offset: float = -1.0
    dense: tuple[str, ...] = ()  # names of the head's layers, in their order
    multi_label: bool = False
    problem: str = ""  # why the head is not one that we have; "" where it is
    unread: tuple[str, ...] = ()  # steps before the base that are not known here


def described(text: str) -> Described | None:
    """What the config says; None where it lists no layers, as of a class of one's own.

    ValueError where it is no config.
    """
    if len(text) > LONGEST:
        raise ValueError(f"its config has {len(text)} letters, but at most {LONGEST} are read")
    try:
        model = json.loads(text or "{}")
        layers = list(_flat(model, 0)) if model else []
        return _described(layers) if layers else None
    except (RecursionError, AttributeError, KeyError, TypeError, IndexError, OverflowError):
        raise ValueError("its config is no model of Keras") from None


def _flat(model: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """All layers, those of models inside the model among them, in their order."""
    config = model["config"]
    layers = config if isinstance(config, list) else config.get("layers")
    if layers is None:
        if depth:
            yield model
        return
    if depth > DEEPEST or len(layers) > MOST_LAYERS:
        raise ValueError("its config has too many models in one another, or too many layers")
    for layer in layers:
        yield from _flat(layer, depth + 1)


def _described(layers: Sequence[Mapping[str, Any]]) -> Described:
    kinds = [layer["class_name"] for layer in layers]
    convolutions = [i for i, kind in enumerate(kinds) if kind in ("Conv2D", "SeparableConv2D")]
    if not convolutions:
        return Described()
    size, scale, offset, unread = _read_input(layers[: convolutions[0]])
    dense, activations, problem = _read_head(layers[_end_of_base(kinds) :])
    return Described(
        image_size=size,
        scale=scale,
        offset=offset,
        dense=dense,
        multi_label=activations[-1:] == ("sigmoid",),
        problem=problem,
        unread=unread,
    )


def _end_of_base(kinds: list[str]) -> int:
    """Where the head begins."""
    if "SeparableConv2D" not in kinds:
        joined = [i for i, kind in enumerate(kinds) if kind == "Concatenate"]
        return joined[min(CONCATENATIONS, len(joined)) - 1] + 1 if joined else len(kinds)
    end = len(kinds) - kinds[::-1].index("SeparableConv2D")
    for kind in ("BatchNormalization", "Activation"):
        end += kinds[end : end + 1] == [kind]
    return end


def _read_input(
    layers: Sequence[Mapping[str, Any]],
) -> tuple[tuple[int, int] | None, float, float, tuple[str, ...]]:
    """Size of the images, scale and offset of their pixels, and what is not known."""
    size, scaled, unread = None, None, []
    for layer in layers:
        kind, config = layer["class_name"], layer["config"]
        if kind == "InputLayer":
            shape = config.get("batch_shape") or config.get("batch_input_shape") or ()
            sides = shape[1:3]
            if size is None and len(shape) == 4 and all(type(side) is int for side in sides):
                size = (sides[0], sides[1])
        elif kind == "Resizing":
            size = (int(config["height"]), int(config["width"]))
        elif kind == "Rescaling" and isinstance(config["scale"], float | int):
            scale, offset = scaled or (1.0, 0.0)
            factor = float(config["scale"])
            scaled = (scale * factor, offset * factor + float(config["offset"]))
        elif kind not in IDLE and not kind.startswith("Random"):
            unread.append(f"{kind} {config.get('name', '')}".strip())
    scale, offset = scaled or (Described.scale, Described.offset)
    return size, scale, offset, tuple(unread)


def _read_head(
    layers: Sequence[Mapping[str, Any]],
) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Names and activations of the fully connected layers, and what is no part of such a head."""
    names: list[str] = []
    activations: list[str] = []
    pooled = False
    for layer in layers:
        kind, config = layer["class_name"], layer["config"]
        activation = str(ACTIVATIONS.get(kind, config.get("activation") or "linear"))
        activates = kind == "Activation" or kind in ACTIVATIONS
        if kind in POOLS:
            pooled = True
        elif kind == "Dense" and pooled:
            names.append(str(config.get("name", "")))
            activations.append(activation)
        elif activates and activations[-1:] == ["linear"]:
            activations[-1] = activation
        elif not (
            kind in IDLE or (pooled and kind in SHAPES) or (activates and activation == "linear")
        ):
            return (), (), f"{kind} {config.get('name', '')}"
    for name, activation in zip(names[:-1], activations, strict=False):
        if activation != "relu":
            return (), (), f"the activation {activation!r} behind {name!r}"
    if activations and activations[-1] not in ("linear", "softmax", "sigmoid"):
        return (), (), f"the activation {activations[-1]!r} at its end"
    return tuple(names), tuple(activations), ""
