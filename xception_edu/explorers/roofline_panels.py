"""The two panels of the roofline explorer: speed over intensity under the roof, and MACs beside
time over segments.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from xception_edu.benchmark.roofline import Roofline
from xception_edu.explorers.engine.scene import CHOSEN, Scene
from xception_edu.plots.pieces import counted

WIDTH, HEIGHT = 390, 330  # pixels of a panel
LEFT, RIGHT, TOP, BASE = 46, 380, 28, 268  # the axes' box in it
KINDS = {  # kind of layer: color, words
    "depthwise": ("depthwise", "depthwise"),
    "pointwise": ("pointwise", "1×1"),
    "regular": ("spatial", "k×k"),
    "fully connected": ("linear", "classifier"),
}


@dataclass(frozen=True)
class Layer:
    """A layer of a network on the roofline: MACs a byte, and MACs a second that were reached."""

    network: str
    kind: str
    intensity: float
    speed: float


@dataclass(frozen=True, kw_only=True)
class Timed:
    """The 3x3 at one number of segments as measured: MACs of the batch, MACs a byte, and times in
    milliseconds.
    """

    segments: int
    divides: bool  # the channels
    macs: int
    intensity: float
    ms: float  # of SegmentedConv2d, its maps laid out as is faster for it
    takes: str  # the algorithm that it chose
    fastest: float  # the extremes of all algorithms and layouts that were timed
    slowest: float


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What the views of one choice share: the machine's roofline, the layers, and the 3x3 at every
    number of segments.
    """

    roofline: Roofline
    dtype: str
    layers: Sequence[Layer]
    points: Sequence[Timed]
    pointwise: Layer | None
    passes: int  # how many forward passes a pass costs

    @property
    def peak(self) -> float:
        """MACs a second of arithmetic."""
        return self.roofline.peak(self.dtype)

    @property
    def memory(self) -> float:
        """Bytes a second, of what fits into no cache."""
        return self.roofline.memory

    @property
    def cache(self) -> float:
        """Bytes a second, of what fits; that of memory where no cache was seen."""
        return max(self.roofline.cache, self.roofline.memory)

    def roof(self, intensity: float) -> float:
        """Attainable MACs a second at so many MACs a byte."""
        return self.roofline.attainable(intensity, self.dtype)

    def attainable(self, point: Timed) -> float:
        """Milliseconds that the roof allows for a point."""
        return self.passes * point.macs / self.roof(point.intensity) * 1e3

    def speed(self, point: Timed) -> float:
        """MACs a second that were reached."""
        return self.passes * point.macs / point.ms * 1e3

    def fraction(self, point: Timed) -> float:
        """Share of the roof that was reached."""
        return self.attainable(point) / point.ms


class Scale:
    """A logarithmic axis: values to pixels, with some room at both ends, and the powers of ten that
    it has.
    """

    def __init__(self, values: Sequence[float], start: float, end: float):
        self.low, self.high = math.log10(min(values)) - 0.15, math.log10(max(values)) + 0.15
        if self.high - self.low < 2:  # so that two powers of ten are on it
            self.low = self.high - 2
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        """Pixel of a value."""
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (
            self.end - self.start
        )

    def ticks(self) -> list[float]:
        """Powers of ten from end to end."""
        return [10.0**n for n in range(math.ceil(self.low), math.floor(self.high) + 1)]


class RoofPanel:
    """The roof, all layers, the 3x3 at all numbers of segments; the chosen one large, with its
    distance to the roof.
    """

    def __init__(self, chart: Chart):
        self.chart, self.still = chart, Scene(WIDTH, HEIGHT)
        shown = [(layer.intensity, layer.speed) for layer in chart.layers]
        shown += [(p.intensity, chart.speed(p)) for p in chart.points]
        intensities, speeds = zip(*shown, strict=True)
        ridge = chart.peak / chart.memory
        self.x = x = Scale([*intensities, ridge], LEFT, RIGHT)
        self.y = y = Scale([*speeds, chart.peak], BASE, TOP)
        self._draw_axes()
        for layer in chart.layers:
            color = KINDS.get(layer.kind, ("elementwise", ""))[0]
            edge = "" if layer.network == "xception" else "ink"
            self.still.dot(color, x(layer.intensity), y(layer.speed), 3, edge=edge)
        _roof(self.still, chart, x, y)
        _legend(self.still, chart)
        self._draw_trail()
        if chart.pointwise:
            _pointwise(self.still, chart, chart.pointwise, x, y)
        _name_trail(self.still, chart, x, y)

    def at(self, point: Timed) -> Scene:
        """With a point chosen."""
        scene = self.still.copy()
        _chosen(scene, point, self.chart, self.x, self.y)
        return scene

    def _draw_axes(self) -> None:
        scene, middle = self.still, (LEFT + RIGHT) / 2
        scene.text("Billion MACs/s, and limits", 4, 10, color="quiet", size="small")
        words = "MACs for each byte moved (intensity)"
        scene.text(words, middle, BASE + 31, color="quiet", size="small", anchor="middle")
        _grid(scene, self.x, self.y, 1e9)

    def _draw_trail(self) -> None:
        """A line through all numbers of segments, each a place to click."""
        chart = self.chart
        places = [(p, self.x(p.intensity), self.y(chart.speed(p))) for p in chart.points]
        trail = [n for _, *place in places for n in place]
        self.still.line("ink", trail, width=1.5, opacity=0.6)
        for p, across, down in places:
            corner = (across - 7, down - 7)
            self.still.click(p.segments, *corner, 14, 14, counted(p.segments, "segment"))


def _name_trail(scene: Scene, chart: Chart, x: Scale, y: Scale) -> None:
    """What the line is, below its lowest point or, where no room is left, above it."""
    first, last = chart.points[0], chart.points[-1]
    lowest = min(chart.points, key=chart.speed)
    across, down = x(lowest.intensity), y(chart.speed(lowest))
    words = f"the 3×3, from {first.segments} to {last.segments} segments"
    middle = min(max(across, LEFT + 88), RIGHT - 88)
    down += 14 if down + 22 < BASE else -14
    scene.text(words, middle, down, color="quiet", size="small", anchor="middle", halo=True)


def _pointwise(scene: Scene, chart: Chart, layer: Layer, x: Scale, y: Scale) -> None:
    """The 1x1 that follows the 3x3, and its words where nothing else lies."""
    across, down = x(layer.intensity), y(layer.speed)
    scene.dot("pointwise", across, down, 6, edge="ink")
    dots = [(x(other.intensity), y(other.speed)) for other in chart.layers]
    dots += [(x(p.intensity), y(chart.speed(p))) for p in chart.points]
    word = _free(across, down, dots, y(chart.peak))
    if word[1] - down > 20:
        scene.line("ink", (across, down + 6, word[0], word[1] - 7), width=0.8)
    scene.text("its 1×1", *word, size="small", anchor="middle", halo=True)


def _free(
    across: float, down: float, dots: list[tuple[float, float]], roof: float
) -> tuple[float, float]:
    """The nearest place for words beside a dot that lies on no others, nor on the roof and on what
    is written over it.
    """
    places = [
        (across + dx, down + dy)
        for dx in (28, -28, 0)
        for dy in range(-14, BASE - TOP, 8)
        if dx or dy > 14
    ]
    inside = [(i, j) for i, j in places if LEFT + 24 < i < RIGHT - 20 and roof + 8 < j < BASE - 8]
    inside.sort(key=lambda place: math.dist(place, (across, down)))

    def is_free(place: tuple[float, float]) -> bool:
        return not any(abs(place[0] - i) < 28 and abs(place[1] - j) < 15 for i, j in dots)

    return next(filter(is_free, inside), inside[0])


def _grid(scene: Scene, x: Scale, y: Scale, unit: float) -> None:
    for tick in y.ticks():
        scene.line("line", (LEFT, y(tick), RIGHT, y(tick)), width=0.6)
        scene.text(f"{tick / unit:g}", LEFT - 5, y(tick), color="quiet", size="small", anchor="end")
    for tick in x.ticks():
        scene.line("line", (x(tick), BASE, x(tick), TOP), width=0.6)
        scene.text(f"{tick:g}", x(tick), BASE + 13, color="quiet", size="small", anchor="middle")


def _roof(scene: Scene, chart: Chart, x: Scale, y: Scale) -> None:
    """Up along the memory's speed to the ridge, then flat at the arithmetic's; dashed, the same of
    a cache, if one was seen. Their words stand over the roof, each slope's where it arrives.
    """
    ridge, start = chart.peak / chart.memory, max(10**x.low, 10**y.low / chart.memory)
    scene.line(
        "ink",
        (x(start), y(start * chart.memory), x(ridge), y(chart.peak), RIGHT, y(chart.peak)),
        width=2,
    )
    over, word = y(chart.peak) - 9, min(max(x(ridge), LEFT + 24), RIGHT - 90)
    ridge, start = chart.peak / chart.cache, max(10**x.low, 10**y.low / chart.cache)
    # a stub at the edge would say nothing
    if x(ridge) > x(start) + 20 and chart.cache > chart.memory:
        scene.line("quiet", (x(start), y(start * chart.cache), x(ridge), y(chart.peak)), dash=True)
        scene.text("cache", x(ridge), over, color="quiet", size="small", anchor="middle", halo=True)
        word = max(word, x(ridge) + 44)
    scene.text("memory", word, over, size="small", anchor="middle", halo=True)
    crowd = [y(chart.speed(p)) for p in chart.points if x(p.intensity) > RIGHT - 60]
    crowd += [y(layer.speed) for layer in chart.layers if x(layer.intensity) > RIGHT - 60]
    scene.text(
        "arithmetic",
        RIGHT,
        min([over, *(top - 11 for top in crowd)]),
        size="small",
        anchor="end",
        halo=True,
    )


def _legend(scene: Scene, chart: Chart) -> None:
    at = float(LEFT - 36)
    for kind, (color, words) in KINDS.items():
        if any(layer.kind == kind for layer in chart.layers):
            scene.dot(color, at + 4, HEIGHT - 9, 4)
            scene.text(words, at + 12, HEIGHT - 9, size="small")
            at += 24 + 6.6 * len(words)
    scene.text(
        "ringed: Inception V3", RIGHT + 6, HEIGHT - 9, color="quiet", size="small", anchor="end"
    )


def _chosen(scene: Scene, point: Timed, chart: Chart, x: Scale, y: Scale) -> None:
    across, down = x(point.intensity), y(chart.speed(point))
    roof = y(chart.roof(point.intensity))
    scene.line(CHOSEN, (across, down, across, roof), width=2, dash=True)
    scene.dot(CHOSEN, across, down, 8)
    scene.dot("paper", across, down, 5)
    words = f"{counted(point.segments, 'segment')}: {chart.fraction(point):.0%} of the roof"
    scene.text(words, RIGHT + 6, 10, anchor="end", bold=True)


class LatencyPanel:
    """MACs, time, and the time that the roof allows, as shares of one segment's MACs and time, on
    logarithmic axes.
    """

    def __init__(self, chart: Chart):
        self.chart, self.still, first = chart, Scene(WIDTH, HEIGHT), chart.points[0]
        self.macs = [p.macs / first.macs for p in chart.points]
        self.times = [p.ms / first.ms for p in chart.points]
        self.roof = [chart.attainable(p) / first.ms for p in chart.points]
        decades = max(math.log(chart.points[-1].segments), 1)
        wide = RIGHT - LEFT - 16
        self.x = [LEFT + 8 + math.log(p.segments) / decades * wide for p in chart.points]
        self.y = Scale([*self.macs, *self.times, *self.roof], BASE, TOP)
        self._draw_axes()
        for color, values in {"line": self.roof, "quiet": self.macs, "ink": self.times}.items():
            places = zip(self.x, values, strict=True)
            curve = [n for across, value in places for n in (across, self.y(value))]
            self.still.line(color, curve, width=2, dash=color == "line")
        self._draw_points()
        _key(self.still)

    def at(self, point: Timed) -> Scene:
        """With a point chosen."""
        scene, i = self.still.copy(), self.chart.points.index(point)
        scene.line("quiet", (self.x[i], TOP, self.x[i], BASE), dash=True)
        for values in (self.macs, self.times):
            scene.dot(CHOSEN, self.x[i], self.y(values[i]), 7)
            scene.dot("paper", self.x[i], self.y(values[i]), 4)
        _values(scene, self.macs[i], self.times[i], self.roof[i])
        return scene

    def _draw_axes(self) -> None:
        scene = self.still
        scene.text("Share of 1 segment's MACs, and of its time", 4, 10, color="quiet", size="small")
        words = "segments of the 3×3 (hollow: they do not divide the channels)"
        scene.text(words, WIDTH / 2, BASE + 31, color="quiet", size="small", anchor="middle")
        for tick in self.y.ticks():
            at, words = self.y(tick), f"{100 * tick:g}%"
            scene.line("line", (LEFT, at, RIGHT, at), width=0.6)
            scene.text(words, LEFT - 5, at, color="quiet", size="small", anchor="end")

    def _draw_points(self) -> None:
        """A dot for each number of segments, its number where there is room, and a place to
        click.
        """
        scene, points = self.still, self.chart.points
        free = WIDTH  # the left end of the last number that was written below the axis
        for p, at, time in reversed(list(zip(points, self.x, self.times, strict=True))):
            scene.dot("ink" if p.divides else "paper", at, self.y(time), 3, edge="ink")
            if at + 12 < free:
                words = f"{p.segments}"
                scene.text(words, at, BASE + 13, color="quiet", size="small", anchor="middle")
                free = at - 12
        edges = [LEFT, *((a + b) / 2 for a, b in pairwise(self.x)), RIGHT]
        for p, (left, right) in zip(points, pairwise(edges), strict=True):
            scene.click(
                p.segments, left, TOP, right - left, BASE - TOP, counted(p.segments, "segment")
            )


PLACES = (
    (10, "quiet", "MACs"),
    (116, "ink", "time"),
    (218, "line", "time at the roof"),
)


def _key(scene: Scene) -> None:
    for x, color, _ in PLACES:
        scene.line(color, (x, HEIGHT - 9, x + 16, HEIGHT - 9), width=3, dash=color == "line")


def _values(scene: Scene, *shares: float) -> None:
    """What the three curves say here, at fixed places."""
    for (x, _, words), share in zip(PLACES, shares, strict=True):
        scene.text(f"{words} {percent(share)}", x + 21, HEIGHT - 9, size="small")


def percent(share: float) -> str:
    """A share in percent, with two digits that say something: 0.36%, 3.6%, 36%."""
    decimals = 1 - math.floor(math.log10(100 * share))
    return f"{share:.{max(decimals, 0)}%}"
