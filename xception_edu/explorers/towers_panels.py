"""The block diagram of `towers_explorer`, with a place for every step between the figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from xception_edu.explorers.engine.scene import Scene
from xception_edu.explorers.engine.tiles import frame

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
        y = SPATIAL + 26
        scene.line("ink", frame(LEFT - 2, y - 2, FULL + 4, BOX + 4), width=2)
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
