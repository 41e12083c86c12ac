"""The pictures of `towers_explorer`: a block diagram and weight matrices, with places for every
step between the figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from xception_edu.explorers.engine.scene import Scene
from xception_edu.explorers.numpy_convolutions import Array

KEYS = ("Figure 1", "Figure 2", "Figure 3", "grouped", "Figure 4")
BETWEEN = 8  # steps from one of them to the next
HUES = ("hue0", "hue1", "hue2", "hue3")  # of the towers: each becomes a segment
WIDTH, HEIGHT = 376, 368  # as wide as a phone
LEFT, FULL = 3, 370  # pixels that the towers may take
TOWER_GAP = 16
TRACK, TRACK_LEFT, TRACK_GAP = 12, 34, 77  # the row of key steps above the diagram
# heights of the rows
INPUT, POOL, ONE, STRIP, SPATIAL, SECOND, JOIN = 50, 92, 138, 190, 232, 284, 334
BOX = 26  # height of a box
# of the weight matrices; the last is the height of their middle
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


def mix(a: float, b: float, share: float) -> float:
    """The number that lies `share` of the way from a to b."""
    return a + (b - a) * share


@dataclass(frozen=True)
class Progress:
    """Where a step lies: how much of each of the four changes has happened, from 0 to 1."""

    step: int

    def _change(self, i: int) -> float:
        return min(max(self.step / BETWEEN - i, 0), 1)

    @property
    def simplified(self) -> float:
        """From Figure 1 to Figure 2."""
        return self._change(0)

    @property
    def merged(self) -> float:
        """From Figure 2 to Figure 3: the 1x1s become one."""
        return self._change(1)

    @property
    def grouped(self) -> float:
        """From separate 3x3 convolutions to one grouped convolution."""
        return self._change(2)

    @property
    def thinned(self) -> float:
        """From segments to single channels, Figure 4."""
        return self._change(3)

    @property
    def key(self) -> int:
        """Index of the last key step reached."""
        return self.step // BETWEEN

    @property
    def is_key(self) -> bool:
        """Whether this step is one of KEYS."""
        return self.step % BETWEEN == 0


@dataclass(frozen=True)
class Column:
    """Where a tower stands, and how much of it is there (0 to 1)."""

    hue: str
    channels: int
    left: float
    width: float
    present: float

    @property
    def cell(self) -> float:
        """Pixels of one channel."""
        return self.width / self.channels

    @property
    def middle(self) -> float:
        """Position of its center line."""
        return self.left + self.width / 2


def _row(sizes: Sequence[int], gap: float) -> list[tuple[float, float]]:
    """Left edge and width of places side by side, as wide as their sizes and `gap` apart."""
    unit = (FULL - gap * (len(sizes) - 1)) / sum(sizes)
    edges = [0, *accumulate(sizes)]
    return [
        (LEFT + start * unit + i * gap, n * unit)
        for i, (start, n) in enumerate(zip(edges, sizes, strict=False))
    ]


def columns(at: Progress, sizes: Sequence[int], towers: int) -> list[Column]:
    """The towers at this step; one that Figure 2 drops is squeezed out at the right."""
    gone = [(LEFT + FULL, 0.0)] * (len(sizes) - towers)
    figures = [
        _row(sizes, TOWER_GAP),
        _row(sizes[:towers], TOWER_GAP) + gone,
        _row(sizes[:towers], 0) + gone,
    ]
    found = []
    for i, n in enumerate(sizes):
        first, second, third = (figure[i] for figure in figures)
        left, width = (
            mix(mix(*pair, at.simplified), last, at.merged)
            for *pair, last in zip(first, second, third, strict=True)
        )
        found.append(Column(HUES[i], n, left, width, 1.0 if i < towers else 1 - at.simplified))
    return [column for column in found if column.present > 0]


# ---- the block diagram ---------------------------------------------------------------------------


def diagram(at: Progress, sizes: Sequence[int], towers: int) -> Scene:
    """Boxes and wires, data flowing downward, under a row of the key steps, which can be
    clicked.
    """
    scene = Scene(WIDTH, HEIGHT)
    _track(scene)
    _bar(scene, INPUT, "input: 12 channels, 8×8")
    scene.dot("ink", TRACK_LEFT + at.step / BETWEEN * TRACK_GAP, TRACK, 7)
    placed = columns(at, sizes, towers)
    for column in placed:
        _wires(scene, at, column)
    for i, column in enumerate(placed):
        _tower(scene, at, i, column)
    if at.merged == 1:
        scene.rect("pointwise", LEFT, ONE, FULL, BOX)  # over the towers' own, without a seam
        _label(scene, "1×1: 12 → 12", LEFT + FULL / 2, ONE, "light")
    if at.grouped == 1 and not at.thinned:
        y, high = SPATIAL + 26, BOX + 4
        edges = (
            LEFT - 2,
            y - 2,
            LEFT + FULL + 2,
            y - 2,
            LEFT + FULL + 2,
            y + high - 2,
            LEFT - 2,
            y + high - 2,
            LEFT - 2,
            y - 2,
        )
        scene.line("ink", edges, width=2)
        scene.text(
            f"one 3×3 convolution in {towers} groups",
            WIDTH / 2,
            y - 14,
            anchor="middle",
            size="small",
            halo=True,
        )
    _bar(scene, JOIN, _joined(at.key, sizes, towers))
    return scene


def _track(scene: Scene) -> None:
    scene.line(
        "line", (TRACK_LEFT, TRACK, TRACK_LEFT + TRACK_GAP * (len(KEYS) - 1), TRACK), width=2
    )
    for i, name in enumerate(KEYS):
        x = TRACK_LEFT + i * TRACK_GAP
        scene.dot("paper", x, TRACK, 5, edge="quiet")
        scene.text(name, x, TRACK + 18, size="small", anchor="middle", color="quiet")
        scene.click(BETWEEN * i, x - 32, 0, 64, TRACK + 28, f"go to {name}")


def _bar(scene: Scene, y: float, words: str) -> None:
    scene.rect("faint", LEFT, y, FULL, BOX, edge="quiet")
    scene.text(words, LEFT + FULL / 2, y + BOX / 2, anchor="middle")


def _joined(key: int, sizes: Sequence[int], towers: int) -> str:
    parts = sizes if key == 0 else sizes[:towers]
    if key == len(KEYS) - 1:
        parts = (1,) * 12
    if key == KEYS.index("grouped"):
        return "output: 12 channels"
    sums = "12 × 1" if len(parts) == 12 else " + ".join(map(str, parts))
    return f"concatenated: {sums} = {sum(parts)} channels"


def _wires(scene: Scene, at: Progress, column: Column) -> None:
    """From the input to the tower's 1x1, where the wires of merged ones meet, and from there one a
    channel to the output.
    """
    top, end = (mix(column.middle, LEFT + FULL / 2, share) for share in (at.merged, at.merged**3))
    scene.line("quiet", (top, INPUT + BOX, end, ONE), width=2, opacity=column.present)
    xs = [column.left + (j + 0.5) * column.cell for j in range(column.channels)]
    scene.line(
        column.hue, *[(x, ONE + BOX, x, JOIN) for x in xs], width=1.5, opacity=column.present
    )


def _tower(scene: Scene, at: Progress, i: int, column: Column) -> None:
    """The boxes of the i-th tower and the row of its channels, a cell each."""
    left, width, n, here = column.left, column.width, column.channels, column.present
    scene.rect("pointwise", left, ONE, width, BOX, opacity=here)
    if at.merged < 1:
        _box_label(scene, f"1×1: 12 → {n}", "1×1", column, ONE, "light", here)
    for j in range(n):
        scene.rect(
            column.hue, left + j * column.cell + 1, STRIP, max(column.cell - 2, 0), 12, opacity=here
        )
    if i == 3 and at.simplified < 1:
        scene.rect("pooling", left, POOL, width, BOX, opacity=1 - at.simplified)
        _box_label(scene, "3×3 pool", "pool", column, POOL, "dark", 1 - at.simplified)
    comes = at.simplified if i in (0, 3) else 1.0
    if comes * here > 0 and not (i == 3 and here < 1):
        _spatial(scene, at, column, comes)
    if i == 2 and at.simplified < 1:
        scene.rect(column.hue, left, SECOND, width, BOX, opacity=1 - at.simplified)
        _box_label(scene, f"3×3: {n} → {n}", "3×3", column, SECOND, "dark", 1 - at.simplified)


def _spatial(scene: Scene, at: Progress, column: Column, opacity: float) -> None:
    """The tower's 3x3: one box, or from the grouped convolution on one for each channel; lower
    where no second follows.
    """
    y = mix(SPATIAL, SPATIAL + 26, at.simplified)
    if not at.thinned:
        inset = 4 * at.merged * (1 - at.grouped)
        scene.rect(
            column.hue, column.left + inset, y, column.width - 2 * inset, BOX, opacity=opacity
        )
        _box_label(
            scene, f"3×3: {column.channels} → {column.channels}", "3×3", column, y, "dark", opacity
        )
        return
    inset = 2.5 * at.thinned
    for j in range(column.channels):
        x = column.left + j * column.cell
        scene.rect(column.hue, x + inset, y, column.cell - 2 * inset, BOX)
        _label(scene, "3×3", x + column.cell / 2, y, "dark", size="small")


def _box_label(
    scene: Scene, words: str, short: str, column: Column, y: float, color: str, opacity: float
) -> None:
    """Words in a box, or fewer where it is narrow; none where the box is hardly there, in the
    page's ink where it is pale.
    """
    if opacity >= 0.5 and column.width > 30:
        words = words if column.width > 7.2 * len(words) else short
        _label(scene, words, column.middle, y, color if opacity == 1 else "ink")


def _label(scene: Scene, words: str, x: float, y: float, color: str, size: str = "text") -> None:
    scene.text(words, x, y + BOX / 2, color=color, anchor="middle", size=size)


# ---- the weight matrices -------------------------------------------------------------------------


def matrices(at: Progress, w: "Weights", towers: int) -> Scene:
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
    scene: Scene, at: Progress, w: "Weights", ns: Sequence[int], towers: int
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


def _spatial_matrix(
    scene: Scene, at: Progress, w: "Weights", ns: Sequence[int], towers: int
) -> None:
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
