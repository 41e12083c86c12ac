"""The two panels of the budget explorer: weight matrices to scale with where the budget goes, and
all widths side by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from xception_edu.configs import XceptionConfig
from xception_edu.costs import Cost
from xception_edu.explorers.engine.readouts import in_percent
from xception_edu.explorers.engine.scene import CHOSEN, Scene
from xception_edu.plots.pieces import counted
from xception_edu.plots.style import HUES
from xception_edu.specs import segment_sizes

WIDTH, HEIGHT, LEFT = 390, 300, 10  # pixels of a panel, and of its margin
# of the largest matrix, its upper edge, the left edge of the second one
SIDE, TOP, SECOND = 172, 42, 208
BAR, BAR_TOP = 18, 264  # the bar of where the budget goes
BASE, HIGH = 256, 198  # where the bars of the widths stand, and how high the highest is
# channels of Xception's middle flow; as a number of segments: one a channel
MIDDLE = XceptionConfig().entry_widths[-1]
MANY = 64  # pieces that can be told apart; more are a line
PARTS = (
    ("pointwise", "1×1", "pointwise"),
    ("spatial", "3×3", "spatial"),
    ("rest", "all else", "elementwise"),
)


@dataclass(frozen=True, kw_only=True)
class Point:
    """What a segment count gets for a budget: how many channels; and what its 1x1, its 3x3 and the
    rest take of the budget.

    `width` is the multiplier of all of Xception's widths, `channels` the middle flow's. They are 0
    where the budget is out of reach; `needed` is then the least that would do.
    """

    segments: int
    width: float = 0.0
    channels: int = 0
    parts: Mapping[str, float] | None = None
    cost: Cost | None = None
    needed: int = 0


def draw_blocks(point: Point, points: Sequence[Point], layer: tuple[Cost, Cost]) -> Scene:
    """The matrices of a layer's 1x1 and 3x3 to one scale, and a bar of where the budget goes."""
    scene = Scene(WIDTH, HEIGHT)
    scale = SIDE / max(p.channels for p in points)
    scene.text(
        "Weights of one layer: rows are outputs, columns inputs",
        LEFT,
        10,
        color="quiet",
        size="small",
    )
    scene.text("Where the budget goes", LEFT, BAR_TOP - 12, color="quiet", size="small")
    for left in (LEFT, SECOND):
        scene.rect("faint", left, TOP, SIDE, SIDE)
    if not point.channels:
        scene.text("out of reach", LEFT + SIDE / 2, TOP + SIDE / 2, anchor="middle", color="quiet")
        scene.text(
            "out of reach", SECOND + SIDE / 2, TOP + SIDE / 2, anchor="middle", color="quiet"
        )
        return scene
    side = point.channels * scale
    scene.rect("pointwise", LEFT, TOP, side, side)
    scene.rect("paper", SECOND, TOP, side, side, edge="line")
    _blocks(scene, point, scale)
    for left, name, cost in ((LEFT, "1×1", layer[0]), (SECOND, "3×3", layer[1])):
        scene.text(f"{name}: {cost.params:,} weights", left, TOP - 12)
    scene.text(f"{point.channels:,} channels", LEFT, TOP + SIDE + 11, size="small", color="quiet")
    scene.text(
        "9 weights in each colored spot", SECOND, TOP + SIDE + 11, size="small", color="quiet"
    )
    _spending(scene, point)
    return scene


def _blocks(scene: Scene, point: Point, scale: float) -> None:
    """The pieces of the 3x3 on the diagonal; a line where they are too many to be told apart."""
    if point.segments > MANY:
        end = point.channels * scale
        scene.line("depthwise", (SECOND, TOP, SECOND + end, TOP + end), width=1.5)
        return
    sizes = segment_sizes(point.channels, point.segments)
    for i, (end, size) in enumerate(zip(accumulate(sizes), sizes, strict=True)):
        at, side = (end - size) * scale, size * scale
        scene.rect(f"hue{i % len(HUES)}", SECOND + at, TOP + at, side, side)


def _spending(scene: Scene, point: Point) -> None:
    """A bar with a part for each kind of layer, and the shares in words below, at fixed places."""
    whole, at = sum(point.parts.values()), float(LEFT)
    for i, (key, words, color) in enumerate(PARTS):
        part = point.parts[key] / whole
        wide = part * (WIDTH - 2 * LEFT)
        scene.rect(color, at, BAR_TOP, wide, BAR)
        at += wide
        place = LEFT + i * 130
        scene.rect(color, place, BAR_TOP + BAR + 5, 10, 10)
        scene.text(f"{words} {in_percent(part)}", place + 15, BAR_TOP + BAR + 10, size="small")


class Widths:
    """A bar for each segment count, as high as its layers are wide, with numbers where there is
    room; the chosen one is outlined.
    """

    def __init__(self, points: Sequence[Point], caption: str):
        self.still = scene = Scene(WIDTH, HEIGHT)
        scene.text(caption, LEFT, 10, color="quiet", size="small")
        words = "segments of each 3×3 (all: one a channel)"
        scene.text(words, WIDTH / 2, BASE + 36, color="quiet", size="small", anchor="middle")
        scene.line("line", (LEFT, BASE, WIDTH - LEFT, BASE))
        self.pitch, most = (WIDTH - 2 * LEFT) / len(points), max(p.channels for p in points)
        self.up = self.pitch < 24  # as wide as a number of three digits
        places = enumerate(points)
        self.bars = {
            p.segments: (LEFT + i * self.pitch, p.channels / most * HIGH) for i, p in places
        }
        for p in points:
            self._draw_bar(p)
        for p in points:
            self._number(scene, p, bold=False)

    def at(self, point: Point) -> Scene:
        """With the point outlined, and its number bold over the one that stands still."""
        scene, (x, high) = self.still.copy(), self.bars[point.segments]
        if point.channels:
            left, right, top = x + 1.5, x + self.pitch - 1.5, BASE - high
            outline = (left, BASE, left, top, right, top, right, BASE, left, BASE)
            scene.line(CHOSEN, outline, width=3)
        self._number(scene, point, bold=True)
        return scene

    def _draw_bar(self, p: Point) -> None:
        scene, pitch, (x, high) = self.still, self.pitch, self.bars[p.segments]
        if p.channels:
            scene.rect("quiet", x + 1.5, BASE - high, pitch - 3, high, opacity=0.45)
        scene.click(p.segments, x, BASE - HIGH, pitch, HIGH + 20, counted(p.segments, "segment"))

    def _number(self, scene: Scene, p: Point, *, bold: bool) -> None:
        """How wide, above the bar, and how many segments, below it; upward where bars are
        narrow.
        """
        up, (x, high) = self.up, self.bars[p.segments]
        number = f"{p.channels:,}" if p.channels else "×"
        name = "all" if p.segments == MIDDLE else f"{p.segments}"
        above, below = ("start", "end") if up else ("middle", "middle")
        for words, y, anchor in (
            (number, BASE - high - (5 if up else 9), above),
            (name, BASE + (5 if up else 11), below),
        ):
            middle = x + self.pitch / 2
            scene.text(words, middle, y, size="small", anchor=anchor, bold=bold, halo=True, up=up)
