"""What depthwise kernels become: the few patterns that they nearly are, each times a scale and a
sign, and how much of a kernel is one column times one row. Arrays only.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xception_edu import checks

Array = NDArray[np.floating]


class Matches(NamedTuple):
    """For each kernel its nearest pattern, the signed scale that fits best, and how well it fits.

    `explained` is the share of the kernel's energy (its sum of squares) that scale times pattern
    has: the squared cosine between the two, from 0 to 1; of a kernel of zeros 0.
    """

    pattern: NDArray[np.intp]
    scale: Array
    explained: Array


def match_patterns(kernels: Array, patterns: Array) -> Matches:
    """The nearest of `patterns` (P, k, k) for each of `kernels` (N, k, k)."""
    _check("kernels", kernels)
    _check("patterns", patterns)
    if kernels.shape[1:] != patterns.shape[1:] or not len(patterns):
        raise checks.wrong("patterns", patterns, "as large as the kernels, one or more")
    flat, units = _flat(kernels), _unit(_flat(patterns))
    products = flat @ units.T
    pattern = np.abs(products).argmax(1)
    chosen = products[np.arange(len(flat)), pattern]
    energy = np.square(flat).sum(1)
    explained = np.divide(chosen**2, energy, out=np.zeros_like(energy), where=energy > 0)
    scale = chosen / np.linalg.norm(_flat(patterns), axis=1)[pattern]
    return Matches(pattern, scale, explained)


def find_patterns(kernels: Array, count: int = 8, *, seed: int = 0, restarts: int = 10) -> Array:
    """The `count` patterns (count, k, k) that explain most of the kernels (N, k, k), the commonest
    first.

    Each kernel weighs the same, whatever its norm, and its sign does not matter: k-means on lines
    through the origin. Patterns have norm 1, and their largest weight is positive.

    Args:
        kernels: (N, k, k).
        count: of patterns; if there are fewer kernels, as many as those.
        seed: of the random beginnings.
        restarts: how many beginnings are tried; the best result is given.
    """
    _check("kernels", kernels)
    count, seed = checks.integer("count", count), checks.integer("seed", seed, at_least=0)
    restarts = checks.integer("restarts", restarts, at_most=checks.LONGEST)
    flat = _flat(kernels)
    if not flat.any():
        raise checks.wrong("kernels", kernels, "an array with a kernel that is not 0")
    units = _unit(flat[np.square(flat).sum(1) > 0])
    count = min(count, len(units))
    draws = np.random.default_rng(seed)
    found = [_settle(units, count, draws) for _ in range(restarts)]
    best = max(found, key=lambda patterns: np.abs(units @ patterns.T).max(1).__pow__(2).mean())
    members = np.bincount(np.abs(units @ best.T).argmax(1), minlength=count)
    ordered = best[np.argsort(-members, kind="stable")]
    largest = ordered[np.arange(count), np.abs(ordered).argmax(1)]
    return (ordered * np.sign(largest)[:, None]).reshape(count, *kernels.shape[1:])


def _settle(units: Array, count: int, draws: np.random.Generator) -> Array:
    """Lines that no longer move, from kernels drawn at random."""
    patterns = units[draws.choice(len(units), count, replace=False)]
    before = None
    for _ in range(200):
        pattern = np.abs(units @ patterns.T).argmax(1)
        if before is not None and (pattern == before).all():
            break
        before = pattern
        patterns = np.stack([_line(units[pattern == i], patterns[i]) for i in range(count)])
    return patterns


def _line(members: Array, otherwise: Array) -> Array:
    """The direction in which most of the members' energy lies."""
    if not len(members):
        return otherwise
    direction: Array = np.linalg.eigh(members.T @ members)[1][:, -1]
    return direction


def separable_share(kernels: Array) -> Array:
    """Of each kernel (N, k, k) the share of energy that one column times one row can have.

    The first singular value squared, over the sum of squares: 1 is exactly separable, 1 / k the
    least there is; of a kernel of zeros 0.
    """
    _check("kernels", kernels)
    squares = np.square(np.linalg.svd(kernels, compute_uv=False))
    total = squares.sum(1)
    return np.divide(squares[:, 0], total, out=np.zeros_like(total), where=total > 0)


def _check(name: str, kernels: object) -> None:
    """ValueError unless it is an array (N, k, k) of finite numbers."""
    right = "an array (N, k, k) of finite numbers"
    array = checks.instance(name, kernels, np.ndarray, right)
    numbers = np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)
    if not numbers or array.ndim != 3 or 0 in array.shape[1:] or not np.isfinite(array).all():
        raise checks.wrong(name, kernels, right)


def _flat(kernels: Array) -> Array:
    return np.asarray(kernels, dtype=np.float64).reshape(len(kernels), -1)


def _unit(flat: Array) -> Array:
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)
