"""A network's config, read from its weights: from their shapes, and from what our files note."""

import json
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from xception_edu.configs import InceptionV3Config, XceptionConfig
from xception_edu.weights.origins import Config, Origin

WIDEST = 65_536  # channels; a wider layer in a file is a mistake or an attack on memory


def read_config(origin: Origin, tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> Config:
    """The config: as the shapes show it, or as it is noted in our own files.

    `tensors` have our names. ValueError if a noted config is impossible, too large, or not what the
    weights show.
    """
    from_shapes = _xception if origin.config is XceptionConfig else _inception
    shown = from_shapes(tensors, origin.rules)
    return _noted(origin.config, notes["config"], shown) if "config" in notes else shown


def _noted(config_class: type[Config], text: str, shown: Config) -> Config:
    """The config that a file of ours notes, if it agrees with what the shapes show."""
    try:
        config = config_class(**json.loads(text))
        names, says = _visible(config)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"its config is no {config_class.__name__}: {error}") from error
    fc_widths = getattr(config, "fc_widths", ())
    if max(config.num_classes, *fc_widths, 1) > WIDEST:
        raise ValueError(
            f"its config has {config.num_classes} classes and {fc_widths}, but {WIDEST} is the most"
        )
    _, shows = _visible(shown)
    if says != shows:
        raise ValueError(f"its config says ({names}) {says}, but its weights are of {shows}")
    return config


def _visible(config: Config) -> tuple[str, tuple[Any, ...]]:
    """What the shapes of the weights show of a config: in words, and its values."""
    if isinstance(config, InceptionV3Config):
        values = (config.variant, config.aux, config.in_channels, config.bn_scale)
        return "variant, aux, channels, BN's scale", values
    entry, exits = config.scaled_entry_widths, config.scaled_exit_widths
    return "channels, entry, middle blocks, exit", (
        config.in_channels,
        entry,
        config.middle_blocks,
        exits,
    )


def _size(tensors: Mapping[str, Tensor], key: str, default: int, dim: int = 0) -> int:
    shape = tensors[key].shape if key in tensors else ()
    return shape[dim] if len(shape) > dim else default


def _check_widest(what: str, *sizes: int) -> None:
    if max(sizes) > WIDEST:
        raise ValueError(f"its {what} are {sizes}, but must be at most {WIDEST}")


def _fc_widths(tensors: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Outputs of the fully connected layers before the classifier: fc.0, fc.2, fc.4 ..."""
    widths: list[int] = []
    while (width := _size(tensors, f"fc.{2 * len(widths)}.weight", 0)) > 0:
        widths.append(width)
    return tuple(widths)


def _blocks(tensors: Mapping[str, Tensor], flow: str) -> int:
    """The number of blocks of the entry or the middle flow."""
    return len({key.split(".")[1] for key in tensors if key.startswith(f"{flow}.")})


def _xception(tensors: Mapping[str, Tensor], rules: Mapping[str, Any]) -> XceptionConfig:
    """By the shapes of the weights; the paper's where one is missing, which a check then names."""
    paper = XceptionConfig()
    entry = _blocks(tensors, "entry") or 3
    widths = [_size(tensors, "conv1.weight", 32), _size(tensors, "conv2.weight", 64)]
    widths += [
        _size(tensors, f"entry.{i}.sep2.bn.weight", paper.entry_widths[min(2 + i, 4)])
        for i in range(entry)
    ]
    exits = zip(("exit.sep2", "sep3", "sep4"), paper.exit_widths, strict=True)
    exit_widths = [_size(tensors, f"{name}.bn.weight", default) for name, default in exits]
    classes = _size(tensors, "classifier.weight", 1000)
    fc_widths = _fc_widths(tensors)
    _check_widest("widths and classes", *widths, *exit_widths, *fc_widths, classes)
    return XceptionConfig(
        num_classes=classes,
        in_channels=_size(tensors, "conv1.weight", 3, dim=1),
        entry_widths=tuple(widths),
        middle_blocks=_blocks(tensors, "middle"),
        exit_widths=tuple(exit_widths),
        fc_widths=fc_widths,
        **rules,
    )


def _inception(tensors: Mapping[str, Tensor], rules: Mapping[str, Any]) -> InceptionV3Config:
    """By the names and shapes of the weights; the widths are fixed."""
    classes = _size(tensors, "classifier.weight", 1000)
    channels = _size(tensors, "conv1.conv.weight", 3, dim=1)
    fc_widths = _fc_widths(tensors)
    _check_widest("classes, widths and channels", classes, *fc_widths, channels)
    return InceptionV3Config(
        variant="paper_count" if any(key.endswith(".conv.bias") for key in tensors) else "standard",
        aux=any(key.startswith("aux.") for key in tensors),
        num_classes=classes,
        in_channels=channels,
        fc_widths=fc_widths,
        bn_scale=any(key.endswith(".bn.weight") for key in tensors),
        **rules,
    )
