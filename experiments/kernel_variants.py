"""A trained Xception with other kernels, or in other numbers: what trained_kernels.py measures."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from xception_edu.explorers.kernel_patterns import find_patterns, match_patterns
from xception_edu.layers import SegmentedConv2d
from xception_edu.weights.export import fold_batchnorm
from xception_edu.xception import Xception, xception

# Ways to replace kernels: in words, and whether chance has a part in it.
WAYS = {
    "patterns": ("the nearest of eight patterns, times a scale and a sign", False),
    "patterns_64": ("the nearest of 64 patterns, times a scale and a sign", False),
    "patterns_512": ("the nearest of 512 patterns, times a scale and a sign", False),
    "own_patterns": ("the nearest of its layer's own eight, times a scale and a sign", False),
    "one_pattern": ("one pattern a layer, times a scale and a sign", False),
    "separable": ("the nearest column times row", False),
    "wrong_pattern": ("one of the eight patterns at random, as large as the kernel was", True),
    "shuffled": ("another kernel of the layer: all of them, in another order", True),
    "random": ("random numbers, as large as the kernel was", True),
}


def dictionaries(kernels: np.ndarray) -> dict[int, np.ndarray]:
    """Eight, 64 and 512 patterns of these kernels."""
    return {
        count: find_patterns(kernels, count, restarts=max(64 // count, 1)) for count in (8, 64, 512)
    }


def replaced(kernels: Tensor, way: str, seed: int, patterns: Mapping[int, np.ndarray]) -> Tensor:
    """Other kernels (N, 3, 3) instead of these, in one of WAYS, with `dictionaries`' patterns."""
    values = kernels.double().numpy()
    draws = np.random.default_rng((seed, len(values), list(WAYS).index(way)))
    new = {
        "patterns": lambda: fitted(values, patterns[8]),
        "patterns_64": lambda: fitted(values, patterns[64]),
        "patterns_512": lambda: fitted(values, patterns[512]),
        "own_patterns": lambda: fitted(values, find_patterns(values, 8)),
        "separable": lambda: separable(values),
        "one_pattern": lambda: fitted(values, find_patterns(values, 1)),
        "wrong_pattern": lambda: as_large(
            patterns[8][draws.integers(8, size=len(values))]
            * draws.choice([-1, 1], size=len(values))[:, None, None],
            values,
        ),
        "shuffled": lambda: draws.permutation(values),
        "random": lambda: as_large(draws.standard_normal(values.shape), values),
    }[way]()
    return torch.from_numpy(new).to(kernels.dtype)


def fitted(kernels: np.ndarray, patterns: np.ndarray) -> np.ndarray:
    """For each kernel the pattern that is nearest, in its best scale and sign."""
    found = match_patterns(kernels, patterns)
    return patterns[found.pattern] * found.scale[:, None, None]


def separable(kernels: np.ndarray) -> np.ndarray:
    """For each kernel the nearest that is one column times one row: its first singular part."""
    u, s, v = np.linalg.svd(kernels)
    return s[:, :1, None] * u[:, :, :1] * v[:, :1, :]


def as_large(kernels: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """Kernels with the norms of the originals."""
    norms = [np.linalg.norm(k, axis=(1, 2), keepdims=True) for k in (originals, kernels)]
    return kernels * norms[0] / norms[1]


def with_kernels(model: Xception, kernels: Mapping[str, Tensor]) -> Xception:
    """A copy of the network with other depthwise kernels in the layers that are named."""
    changed = copy.deepcopy(model)
    for layer, values in kernels.items():
        conv = changed.get_submodule(f"{layer}.conv.depthwise")
        assert isinstance(conv, SegmentedConv2d)
        with torch.no_grad():
            conv.weights[0].copy_(values[:, None])
    return changed


# ---- other numbers -------------------------------------------------------------------------------


def between(model: Xception, activation: str) -> Xception:
    """The same weights with an activation between depthwise and pointwise (Section 4.7)."""
    changed = xception(replace(model.config, activation=activation))
    changed.load_state_dict(model.state_dict())
    return changed.eval().to(memory_format=torch.channels_last)


def in_bits(model: Xception, bits: int, *, per_channel: bool) -> Xception:
    """Weights rounded to whole multiples of a step, `2**bits - 1` of them around zero.

    The step is each output channel's own, or the layer's. BN is folded before, as whoever deploys a
    network does; activations stay as they are.
    """
    changed = fold_batchnorm(model)
    for module in changed.modules():
        if isinstance(module, nn.Conv2d | SegmentedConv2d):
            for weight in [p for p in module.parameters() if p.dim() == 4]:
                round_to(weight, 2 ** (bits - 1) - 1, per_channel=per_channel)
    return changed


@torch.no_grad()
def round_to(weight: Tensor, most: int, *, per_channel: bool) -> None:
    """Round a weight in place: its largest value, or each output channel's, is `most` steps."""
    size = weight.abs()
    largest = size.amax(dim=(1, 2, 3), keepdim=True) if per_channel else size.max()
    step = largest.clamp_min(1e-12) / most
    weight.copy_((weight / step).round() * step)


# By name, in words, and how the network is made; bf16 is a way to run it, not to make it.
NUMBERS: dict[str, tuple[str, Callable[[Xception], Xception]]] = {
    "float32": ("float32", lambda m: m),
    "bf16": ("bfloat16", lambda m: m),
    "folded": ("BN folded into the convolutions", fold_batchnorm),
    "int8_channel": ("8 bits, a step a channel", lambda m: in_bits(m, 8, per_channel=True)),
    "int8_layer": ("8 bits, a step a layer", lambda m: in_bits(m, 8, per_channel=False)),
    "int4_channel": ("4 bits, a step a channel", lambda m: in_bits(m, 4, per_channel=True)),
    "relu": ("a ReLU between depthwise and pointwise", lambda m: between(m, "relu")),
    "elu": ("an ELU between depthwise and pointwise", lambda m: between(m, "elu")),
}
