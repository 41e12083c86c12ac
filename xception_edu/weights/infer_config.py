"""The dials of a network, read from its weights: by their shapes, by what our own files note, by
each library's habits.
"""

import json
from typing import Any

from torch import Tensor

from xception_edu.configs import InceptionV3Config, XceptionConfig

Config = XceptionConfig | InceptionV3Config
CONFIGS: dict[str, type[Config]] = {"xception": XceptionConfig, "inception_v3": InceptionV3Config}
# What the shapes of weights do not show: each library pads the pooling and guards BN in its own way
# (epsilon).
RULES: dict[tuple[str, str], dict[str, Any]] = {
    ("xception", "ours"): {},
    ("xception", "keras"): {"padding": "tensorflow", "bn_eps": 1e-3},
    ("xception", "timm"): {"padding": "symmetric", "bn_eps": 1e-5},
    ("inception_v3", "ours"): {},
    ("inception_v3", "keras"): {"padding_counted": False, "bn_eps": 1e-3},
    ("inception_v3", "torchvision"): {"padding_counted": True, "bn_eps": 1e-3},  # and timm's
}
WIDEST = 65_536  # channels; a wider layer in a file is a mistake or an attack on memory


def read_config(
    network: str, source: str, tensors: dict[str, Tensor], notes: dict[str, str]
) -> Config:
    """The dials: as the shapes show them, and in our own files as they are written there, if that
    agrees with the shapes.

    `tensors` have our names. ValueError if a dial is impossible, too large, or not what the weights
    show.
    """
    look, noted = (
        (_xception, _noted_xception) if network == "xception" else (_inception, _noted_inception)
    )
    seen = look(tensors, RULES[network, source])
    if "config" not in notes:
        return seen
    try:
        config = CONFIGS[network](**json.loads(notes["config"]))
        names, says, shown = noted(config, seen)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"its config is no {CONFIGS[network].__name__}: {error}") from error
    fc_widths = getattr(config, "fc_widths", ())
    if max(config.num_classes, *fc_widths, 1) > WIDEST:
        raise ValueError(
            f"its config has {config.num_classes} classes and {fc_widths}, but {WIDEST} is the most"
        )
    if says != shown:
        raise ValueError(f"its config says ({names}) {says}, but its weights are of {shown}")
    return config


def _size(tensors: dict[str, Tensor], key: str, default: int, dim: int = 0) -> int:
    shape = tensors[key].shape if key in tensors else ()
    return shape[dim] if len(shape) > dim else default


def _check_widest(what: str, *sizes: int) -> None:
    if max(sizes) > WIDEST:
        raise ValueError(f"its {what} are {sizes}, but must be at most {WIDEST}")


def _xception(tensors: dict[str, Tensor], rules: dict[str, Any]) -> XceptionConfig:
    """Dials by the shapes of the weights; the paper's where a weight is missing, which the check
    then names.
    """
    paper = XceptionConfig()
    blocks = {
        kind: {key.split(".")[1] for key in tensors if key.startswith(f"{kind}.")}
        for kind in ("entry", "middle")
    }
    entry = len(blocks["entry"]) or 3
    widths = [_size(tensors, "conv1.weight", 32), _size(tensors, "conv2.weight", 64)]
    widths += [
        _size(tensors, f"entry.{i}.sep2.bn.weight", paper.entry_widths[min(2 + i, 4)])
        for i in range(entry)
    ]
    exits = zip(("exit.sep2", "sep3", "sep4"), paper.exit_widths, strict=True)
    exit_widths = [_size(tensors, f"{name}.bn.weight", default) for name, default in exits]
    classes = _size(tensors, "classifier.weight", 1000)
    _check_widest("widths and classes", *widths, *exit_widths, classes)
    return XceptionConfig(
        num_classes=classes,
        in_channels=_size(tensors, "conv1.weight", 3, dim=1),
        entry_widths=tuple(widths),
        middle_blocks=len(blocks["middle"]),
        exit_widths=tuple(exit_widths),
        **rules,
    )


def _noted_xception(config: XceptionConfig, seen: XceptionConfig) -> tuple[str, tuple, tuple]:
    says = (
        config.in_channels,
        config.scaled_entry_widths,
        config.middle_blocks,
        config.scaled_exit_widths,
    )
    shown = (seen.in_channels, seen.entry_widths, seen.middle_blocks, seen.exit_widths)
    return "channels, entry, middle blocks, exit", says, shown


def _inception(tensors: dict[str, Tensor], rules: dict[str, Any]) -> InceptionV3Config:
    """Dials by the names and shapes of the weights; the widths are fixed."""
    classes, channels = (
        _size(tensors, "classifier.weight", 1000),
        _size(tensors, "conv1.conv.weight", 3, dim=1),
    )
    _check_widest("classes and channels", classes, channels)
    return InceptionV3Config(
        variant="paper_count" if any(key.endswith(".conv.bias") for key in tensors) else "standard",
        aux=any(key.startswith("aux.") for key in tensors),
        num_classes=classes,
        in_channels=channels,
        bn_scale=any(key.endswith(".bn.weight") for key in tensors),
        **rules,
    )


def _noted_inception(
    config: InceptionV3Config, seen: InceptionV3Config
) -> tuple[str, tuple, tuple]:
    says, shown = ((c.variant, c.aux, c.in_channels, c.bn_scale) for c in (config, seen))
    return "variant, aux, channels, BN's scale", says, shown
