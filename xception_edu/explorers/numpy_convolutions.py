"""Convolutions on maps small enough to show every number: written out in numpy, for the tables of
the explorers.
"""

from collections.abc import Iterator

import numpy as np

Array = np.ndarray


def convolve(x: Array, weight: Array) -> Array:
    """Convolution of x (in, H, W) with weight (out, in, k, k), k odd, zero padding that keeps the
    sides: (out, H, W).
    """
    return sum(
        np.einsum("oc,chw->ohw", weight[:, :, i, j], moved)
        for i, j, moved in _moved(x, weight.shape[-1])
    )


def depthwise(x: Array, kernels: Array) -> Array:
    """Each channel of x (C, H, W) with its own kernel of kernels (C, k, k), zero padding that keeps
    the sides.
    """
    return sum(kernels[:, i, j, None, None] * moved for i, j, moved in _moved(x, kernels.shape[-1]))


def _moved(x: Array, k: int) -> Iterator[tuple[int, int, Array]]:
    """For each place of a k x k kernel, its row and column and the map that it is multiplied
    with.
    """
    _, high, wide = x.shape
    padded = np.pad(x, ((0, 0), (k // 2,) * 2, (k // 2,) * 2))
    return ((i, j, padded[:, i : i + high, j : j + wide]) for i in range(k) for j in range(k))


def pointwise(x: Array, weight: Array) -> Array:
    """The 1x1 convolution with weight (out, in) of x (in, H, W): each pixel by itself."""
    return np.einsum("oc,chw->ohw", weight, x)


def average_pool(x: Array) -> Array:
    """Mean over 3x3 at stride 1, of x (C, H, W); at the border, of the pixels that there are (as
    TensorFlow has it).
    """
    ones = np.ones((len(x), 3, 3))
    return depthwise(x, ones) / depthwise(np.ones_like(x), ones)


def identity(channels: int, k: int = 3) -> Array:
    """The kernel (C, C, k, k) of a convolution that changes nothing: 1 in the middle, from each
    channel to itself.
    """
    weight = np.zeros((channels, channels, k, k))
    weight[range(channels), range(channels), k // 2, k // 2] = 1
    return weight


def activate(x: Array, activation: str) -> Array:
    """ReLU, ELU, or for "none" x itself."""
    match activation:
        case "relu":
            return np.maximum(x, 0)
        case "elu":
            return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
        case _:
            return x
