"""The weight matrices of `towers_explorer`, with a place for every step between the figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from xception_edu.explorers.engine.scene import Scene
from xception_edu.explorers.numpy_convolutions import Array
from xception_edu.explorers.towers_panels import HEIGHT, HUES, WIDTH, Progress, mix

# pixels of a weight, between two matrices, and of the height of their middle
PITCH, MATRIX_GAP, MATRIX_TOP = 12, 14, 186
ONE_LEFT, SPATIAL_LEFT = 16, 212


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Kernels of all forms: what two forms have in common is one array."""

    # (n, 12) of each tower of Figure 1; the first ones also lead the towers of Figure 2
    pointwise: list[Array]
    # (n, n, 3, 3) of each tower of Figure 2; the second and third are also Figure 1's
    spatial: list[Array]
    second: Array  # (n, n, 3, 3): the third tower's second 3x3 in Figure 1


def matrices(at: Progress, w: Weights, towers: int) -> Scene:
    """The weights of all 1x1 and 3x3: a row an output channel, a column an input channel; the
    stronger the larger.
    """
    scene = Scene(WIDTH, HEIGHT)
    for left, name in ((ONE_LEFT, "weights of the 1×1"), (SPATIAL_LEFT, "weights of the 3×3")):
        scene.text(name, left, 12, bold=True)
    scene.text(
        "rows: output channels, columns: input channels",
        ONE_LEFT,
        HEIGHT - 24,
        size="small",
        color="quiet",
    )
    scene.text(
        "stronger color: larger weight; empty: no weight",
        ONE_LEFT,
        HEIGHT - 8,
        size="small",
        color="quiet",
    )
    ones, threes = _counts(at.key, towers)
    scene.text(ones, ONE_LEFT, 30, size="small", color="quiet")
    scene.text(threes, SPATIAL_LEFT, 30, size="small", color="quiet")
    ns = [len(one) for one in w.pointwise]
    _pointwise_matrix(scene, at, w, ns, towers)
    _spatial_matrix(scene, at, w, ns, towers)
    return scene


def _counts(key: int, towers: int) -> tuple[str, str]:
    n = 12 // towers
    return (
        (f"4 matrices of {n}×12", f"3 blocks of {n}×{n} kernels"),
        (f"{towers} matrices of {n}×12", f"{towers} blocks of {n}×{n} kernels"),
        ("stacked: one of 12×12", f"{towers} blocks of {n}×{n} kernels"),
        ("one of 12×12", f"one of 12×12, {12 * n} kernels"),
        ("one of 12×12", "one of 12×12, 12 kernels"),
    )[key]


def tops(at: Progress, ns: Sequence[int], towers: int, closed: float) -> list[float]:
    """Upper edge of each tower's rows: around one middle in every figure, without gaps where
    `closed` is 1.
    """

    def stacked(sizes: Sequence[int], gap: float) -> list[float]:
        high = sum(sizes) * PITCH + gap * (len(sizes) - 1)
        edges = [0, *accumulate(sizes)]
        return [
            MATRIX_TOP - high / 2 + start * PITCH + i * gap for i, start in enumerate(edges[:-1])
        ]

    with_all, without = stacked(ns, MATRIX_GAP), stacked(ns[:towers], MATRIX_GAP)
    together = stacked(ns[:towers], 0)
    found = [
        mix(mix(a, b, at.simplified), c, closed)
        for a, b, c in zip(with_all, without, together, strict=False)
    ]
    shift = found[0] - with_all[0]  # what is dropped keeps its distance while it fades
    return found + [y + shift for y in with_all[towers:]]


def _strengths(sizes: np.ndarray, largest: float, share: float | np.ndarray = 1) -> list[float]:
    """How strongly weights are painted: never invisible where there is one, unless a share of it
    only is left.
    """
    return list((np.clip(0.2 + 0.8 * sizes / largest, 0, 1) * share).ravel())


def _pointwise_matrix(
    scene: Scene, at: Progress, w: Weights, ns: Sequence[int], towers: int
) -> None:
    largest = max(float(np.abs(one).max()) for one in w.pointwise)
    for i, (one, y) in enumerate(zip(w.pointwise, tops(at, ns, towers, at.merged), strict=True)):
        here = 1.0 if i < towers else 1 - at.simplified
        if here > 0:
            scene.rect(HUES[i], ONE_LEFT - 10, y, 6, ns[i] * PITCH - 1, opacity=here)
            scene.cells(
                ONE_LEFT,
                y,
                PITCH,
                12,
                ["pointwise"] * one.size,
                _strengths(np.abs(one), largest, here),
            )


def _spatial_matrix(scene: Scene, at: Progress, w: Weights, ns: Sequence[int], towers: int) -> None:
    """The blocks: under each other to Figure 3, then moving onto the diagonal, of which Figure 4
    leaves single cells.
    """
    norms = [np.linalg.norm(k, axis=(2, 3)) for k in w.spatial]
    second = np.linalg.norm(w.second, axis=(2, 3))
    largest = max(float(norm.max()) for norm in (*norms, second))
    whole = 12 * PITCH
    scene.rect(
        "faint",
        SPATIAL_LEFT,
        MATRIX_TOP - whole / 2,
        whole,
        whole,
        opacity=at.grouped,
        edge="quiet",
    )
    starts = [0, *accumulate(ns)]
    for i, (norm, y) in enumerate(zip(norms, tops(at, ns, towers, at.grouped), strict=False)):
        x, n = SPATIAL_LEFT + at.grouped * starts[i] * PITCH, ns[i]
        comes = at.simplified if i in (0, 3) else 1.0
        kept = np.where(np.eye(n), 1, 1 - at.thinned) * comes
        if comes > 0:
            scene.cells(x, y, PITCH, n, [HUES[i]] * n * n, _strengths(norm, largest, kept))
        if i == 2 and at.simplified < 1:
            strengths = _strengths(second, largest, 1 - at.simplified)
            scene.cells(x + (n + 1) * PITCH, y, PITCH, n, [HUES[i]] * n * n, strengths)
