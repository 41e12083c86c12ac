"""The layers whose kernels are shown, the published network's or a learner's own, and what pattern
each kernel became.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from xception_edu.explorers.convolution import numbers
from xception_edu.explorers.kernel_patterns import (
    Array,
    find_patterns,
    match_patterns,
    separable_share,
)
from xception_edu.explorers.kernels_panels import Layer

FILE = Path(__file__).parents[1] / "weights" / "imagenet_kernels.safetensors"
PATTERNS = 8
MOST = 1536  # kernels of a layer that there is room for
SIDES = range(2, 8)  # of a kernel that can be told apart
DEAD = 1e-3  # the norm below which a kernel passes on nothing
RANDOM = 4096  # kernels of random numbers to compare with


@cache
def published_kernels() -> dict[str, Array]:
    """The 34 depthwise layers of the published Xception by name, (channels, 3, 3), in 16 bits."""
    with safe_open(FILE, framework="numpy") as file:
        names = [name for name in file.keys() if name != "patterns"]  # noqa: SIM118 (no dict)
        return {name: file.get_tensor(name) for name in sorted(names, key=_place)}


def published_patterns() -> Array:
    """The eight patterns (8, 3, 3) that explain most of the published network's kernels."""
    with safe_open(FILE, framework="numpy") as file:
        patterns: Array = file.get_tensor("patterns").astype(np.float64)
        return patterns


def _place(name: str) -> tuple[int, str]:
    """Where in the network a layer of the published Xception lies."""
    return ("entry", "middle", "exit", "sep3", "sep4").index(name.split(".")[0]), name


@cache
def published_layers() -> tuple[Layer, ...]:
    """The layers of the published network, with the patterns that were found in it."""
    return described(published_kernels(), published_patterns())


def layers_of(model: object) -> tuple[Layer, ...]:
    """The layers of a learner's own network; ValueError where none has kernels that can be shown.

    Kernels of 3x3 are compared with the published network's patterns, larger ones with their own.
    """
    found = dict(model) if isinstance(model, Mapping) else kernels_of(model)
    kernels = {str(name): _kernels(str(name), array) for name, array in found.items()}
    if not kernels:
        raise ValueError(
            f"model is {type(model).__name__}, but must have a convolution with square kernels of"
            f" {SIDES[0]}x{SIDES[0]} to {SIDES[-1]}x{SIDES[-1]}"
        )
    return described(kernels, published_patterns())


def _kernels(name: str, values: object) -> Array:
    array = numbers(f"model[{name!r}]", values)
    if array.ndim != 3 or array.shape[1] != array.shape[2] or array.shape[1] not in SIDES:
        raise ValueError(
            f"model[{name!r}] has shape {array.shape}, but must be (kernels, k, k), k from"
            f" {SIDES[0]} to {SIDES[-1]}"
        )
    return _some(array)


def _some(kernels: Array) -> Array:
    """As many kernels as there is room for, evenly from all."""
    step = -(-len(kernels) // MOST)
    return kernels[::step]


def kernels_of(model: object) -> dict[str, Array]:
    """The kernels of a torch module by layer: of its depthwise convolutions, or of all if none is.

    Any module with `named_modules`; what it has tells what it is.
    """
    if not hasattr(model, "named_modules"):
        raise ValueError(
            f"model is {type(model).__name__}, but must be a torch module, or a dict of arrays"
            " (kernels, k, k)"
        )
    depthwise_layers, others = {}, {}
    for name, module in model.named_modules():
        channels = getattr(module, "in_channels", 0)
        segments = getattr(module, "segments", getattr(module, "groups", 0))
        for weight in _weights(module):
            kept = depthwise_layers if segments == channels > 1 else others
            kept[_short(name)] = weight.reshape(-1, *weight.shape[2:])
    return depthwise_layers or others


def _weights(module: object) -> Iterable[Array]:
    """A convolution's weights with square kernels that can be shown; of other modules none."""
    weights: Sequence[Any] = getattr(module, "weights", [getattr(module, "weight", None)])
    if not hasattr(module, "kernel_size") or getattr(module, "transposed", False):
        return
    for weight in weights:
        if getattr(weight, "ndim", 0) == 4:
            array = numbers("weight", weight)
            if array.shape[2] == array.shape[3] and array.shape[2] in SIDES:
                yield array


def _short(name: str) -> str:
    """A module's name without what all of ours have in common."""
    return name.removesuffix(".depthwise").removesuffix(".conv") or "the module"


def described(kernels: Mapping[str, Array], patterns: Array) -> tuple[Layer, ...]:
    """Every layer, its kernels in the order of their patterns: first those with a positive scale,
    and of these the most alike first.
    """
    by_side = _patterns_by_side(kernels, patterns)
    return tuple(
        _layer(name, np.asarray(values, dtype=np.float64), by_side[values.shape[1]])
        for name, values in kernels.items()
    )


def _patterns_by_side(kernels: Mapping[str, Array], patterns: Array) -> dict[int, Array]:
    """The patterns of each size of kernels: for 3x3 the ones given, else those of the network."""
    found = {}
    for side in {values.shape[1] for values in kernels.values()}:
        same = [values for values in kernels.values() if values.shape[1] == side]
        every = np.concatenate([np.asarray(values, dtype=np.float64) for values in same])
        fits = side == patterns.shape[1]
        found[side] = patterns if fits else find_patterns(every[:MOST], PATTERNS, restarts=2)
    return found


def _layer(name: str, kernels: Array, patterns: Array) -> Layer:
    found = match_patterns(kernels, patterns)
    order = np.lexsort((-found.explained, found.scale < 0, found.pattern))
    return Layer(
        name=name,
        kernels=kernels[order],
        patterns=patterns,
        pattern=found.pattern[order],
        scale=found.scale[order],
        explained=found.explained[order],
        separable=separable_share(kernels)[order],
        dead=int((np.linalg.norm(kernels, axis=(1, 2)) < DEAD).sum()),
    )


@cache
def by_chance(side: int) -> tuple[float, float]:
    """Of random kernels: how much eight patterns of their own kind explain, and a column times a
    row.
    """
    kernels = np.random.default_rng(0).standard_normal((RANDOM, side, side))
    patterns = published_patterns()
    if side != patterns.shape[1]:
        patterns = find_patterns(kernels, PATTERNS, restarts=1)
    explained = match_patterns(kernels, patterns).explained.mean()
    return float(explained), float(separable_share(kernels).mean())
