"""The panels of the sweep explorer: accuracy over segments, and beside it the runs of a point."""

from collections.abc import Sequence
from dataclasses import dataclass

from xception_edu.explorers.engine.scene import CHOSEN, Scene
from xception_edu.plots.pieces import counted

WIDTH, HEIGHT = 390, 340  # pixels of a panel
LEFT, RIGHT, TOP, BASE = 46, 380, 34, 284  # the axes' box in it
ROW = 27  # pixels of a line of the list of layers
BARS = 172  # where its bars begin, behind the longest name
OURS, YOURS, GUESS = CHOSEN, "paper", "ink"
Curve = Sequence[tuple[int, float]]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One number of segments as trained: accuracies are shares of test images, one a seed.

    `low` and `high` are None where a single seed leaves the mean without an interval; `own` are a
    learner's runs.
    """

    stop: int  # number of segments; for one per channel, the channels of the middle flow
    name: str
    top1: Sequence[float]
    own: Sequence[float]
    mean: float
    low: float | None
    high: float | None
    curves: Sequence[Curve]  # steps and validation accuracy, a seed each
    rates: Sequence[tuple[float, float]]  # learning rates that were tried, and validation accuracy
    rate: float  # the one that was chosen
    layers: Sequence[tuple[str, int, int]]  # name, channels here, channels of the reference
    segments_have: str  # channels of a segment of the middle flow, in words
    is_end: bool  # of the line: the points that the others are compared with


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What the views of one budget share."""

    points: Sequence[Point]
    guess: int | None  # the stop that the learner guessed to be best

    def bounds(self) -> tuple[float, float]:
        """Lowest and highest accuracy on the axis, whole percents."""
        values = [value for point in self.points for value in _extent(point)]
        return int(min(values) * 100) / 100, (int(max(values) * 100) + 1) / 100


def _extent(point: Point) -> list[float]:
    ends = [value for value in (point.low, point.high) if value is not None]
    return [*point.top1, *point.own, point.mean, *ends]


def draw_accuracy(at: int, chart: Chart) -> Scene:
    """Accuracy of every point: a dot a seed, the mean with its interval; the chosen one in color,
    the better end as a dashed line.
    """
    scene = Scene(WIDTH, HEIGHT)
    low, high = chart.bounds()
    scene.text("Test images that are right; bars: 95 % interval", LEFT - 36, 12, color="quiet")
    for value in ticks(low, high):
        y = _y(value, low, high)
        scene.line("line", (LEFT, y, RIGHT, y))
        scene.text(f"{value:.0%}", LEFT - 6, y, color="quiet", size="small", anchor="end")
    pitch = (RIGHT - LEFT) / len(chart.points)
    for place, point in enumerate(chart.points):
        x = LEFT + (place + 0.5) * pitch
        scene.text(point.name, x, BASE + 14, color="quiet", size="small", anchor="middle")
        words = "one per channel" if point.name == "all" else counted(point.stop, "segment")
        scene.click(point.stop, x - pitch / 2, TOP, pitch, BASE - TOP, words)
    words = "segments (all: one per channel)"
    scene.text(words, (LEFT + RIGHT) / 2, BASE + 30, color="quiet", size="small", anchor="middle")
    best = max((p for p in chart.points if p.is_end), key=lambda p: p.mean)
    y = _y(best.mean, low, high)
    scene.line("quiet", (LEFT, y, RIGHT, y), dash=True)
    _legend(scene, chart)
    middles = [LEFT + (place + 0.5) * pitch for place in range(len(chart.points))]
    for x, point in zip(middles, chart.points, strict=True):
        _seeds(scene, x, point, (low, high))
        _mean(scene, x, point, (low, high))  # the chosen one's, too: what stands still is sent once
    _mean(scene, middles[at], chart.points[at], (low, high), OURS, radius=5)
    return scene


def _legend(scene: Scene, chart: Chart) -> None:
    """Below the axes: what the marks are, as far as they are there."""
    x = LEFT - 36
    marks = [("quiet", "a seed"), (OURS, "mean, chosen")]
    if any(point.own for point in chart.points):
        marks.append((YOURS, "yours"))
    for color, words in marks:
        scene.dot(color, x + 4, HEIGHT - 10, 4, edge="ink" if color == YOURS else "")
        scene.text(words, x + 12, HEIGHT - 10, size="small")
        x += 30 + 6 * len(words)
    scene.line("quiet", (x, HEIGHT - 10, x + 18, HEIGHT - 10), dash=True)
    scene.text("better end", x + 22, HEIGHT - 10, size="small")
    places = [place for place, p in enumerate(chart.points) if p.stop == chart.guess]
    if places:
        pitch = (RIGHT - LEFT) / len(chart.points)
        middle = LEFT + (places[0] + 0.5) * pitch
        scene.line(GUESS, (middle, TOP, middle, BASE), width=2, dash=True)
        scene.text("your guess", middle, TOP - 7, color=GUESS, size="small", anchor="middle")


def _seeds(scene: Scene, x: float, point: Point, bounds: tuple[float, float]) -> None:
    """A dot a seed of a point."""
    for value in point.top1:
        scene.dot("quiet", x - 8, _y(value, *bounds), 2)
    for value in point.own:
        scene.dot(YOURS, x - 8, _y(value, *bounds), 4, edge="ink")


def _mean(
    scene: Scene,
    x: float,
    point: Point,
    bounds: tuple[float, float],
    color: str = "quiet",
    radius: float = 4,
) -> None:
    """A point's mean with its interval."""
    if point.low is not None and point.high is not None:
        lower, upper = _y(point.low, *bounds), _y(point.high, *bounds)
        ends = [(x - 1, y, x + 9, y) for y in (lower, upper)]
        scene.line(color, (x + 4, lower, x + 4, upper), *ends, width=2)
    scene.dot(color, x + 4, _y(point.mean, *bounds), radius, edge="paper")


def ticks(low: float, high: float) -> list[float]:
    """Whole percents from `low` to `high`, eight at most."""
    count = round((high - low) * 100)
    step = max(1, -(-count // 7))
    return [low + n / 100 for n in range(0, count + 1, step)]


def _y(value: float, low: float, high: float) -> float:
    return BASE - (value - low) / (high - low) * (BASE - TOP)


# ---- the panel beside it -------------------------------------------------------------------------


def draw_curves(at: int, chart: Chart) -> Scene:
    """Validation accuracy over the steps: all seeds of all points faint, the chosen point's in
    color.
    """
    scene = Scene(WIDTH, HEIGHT)
    marks = [mark for point in chart.points for curve in point.curves for mark in curve]
    last = max(step for step, _ in marks)
    low, high = min(top1 for _, top1 in marks), max(top1 for _, top1 in marks)
    bounds = int(low * 20) / 20, (int(high * 20) + 1) / 20
    scene.text("Validation images that are right, a line a seed", LEFT - 36, 12, color="quiet")
    for percent in range(round(bounds[0] * 100), round(bounds[1] * 100) + 1, 5):
        y = _y(percent / 100, *bounds)
        scene.line("line", (LEFT, y, RIGHT, y))
        scene.text(f"{percent}%", LEFT - 6, y, color="quiet", size="small", anchor="end")
    for step in sorted({step for step, _ in chart.points[0].curves[0]}):
        x = _along(step, last)
        scene.text(f"{step:,}", x, BASE + 14, color="quiet", size="small", anchor="middle")
    scene.text("steps", RIGHT, BASE + 30, color="quiet", size="small", anchor="end")
    for point in chart.points:
        lines = [_line(curve, last, bounds) for curve in point.curves]
        scene.line("line", *lines, width=1)
    chosen = chart.points[at]
    scene.line(OURS, *(_line(curve, last, bounds) for curve in chosen.curves), width=2)
    return scene


def _line(curve: Curve, last: int, bounds: tuple[float, float]) -> list[float]:
    return [n for step, top1 in curve for n in (_along(step, last), _y(top1, *bounds))]


def _along(step: int, last: int) -> float:
    return LEFT + step / last * (RIGHT - LEFT - 12)


def draw_widths(at: int, chart: Chart) -> Scene:
    """The network layer by layer: its channels, and in outline those of the depthwise network."""
    scene = Scene(WIDTH, HEIGHT)
    point = chart.points[at]
    scene.text("Channels, layer by layer; outlined: one per channel", 10, 12, color="quiet")
    most = max(reference for *_, reference in point.layers)
    scale = (RIGHT - BARS - 40) / max(most, *(channels for _, channels, _ in point.layers))
    heights = [TOP + row * ROW for row in range(len(point.layers))]
    for y, (name, _, reference) in zip(heights, point.layers, strict=True):  # what stands still
        scene.text(name, 10, y + 9, size="small")
        end = BARS + reference * scale
        scene.line("quiet", (BARS, y, end, y, end, y + 18, BARS, y + 18, BARS, y))
    for y, (_, channels, reference) in zip(heights, point.layers, strict=True):
        scene.rect("quiet", BARS, y, channels * scale, 18, opacity=0.45)
        right = BARS + max(channels, reference) * scale + 6
        scene.text(f"{channels}", right, y + 9, size="small")
    scene.text(point.segments_have, 10, TOP + len(point.layers) * ROW + 16)
    return scene


def draw_rates(at: int, chart: Chart) -> Scene:
    """How the point got its learning rate: validation accuracy of the short runs."""
    scene = Scene(WIDTH, HEIGHT)
    point = chart.points[at]
    scene.text("Short runs with another seed, which chose the rate", 10, 12, color="quiet")
    tried = sorted({rate for p in chart.points for rate, _ in p.rates})
    values = [top1 for p in chart.points for _, top1 in p.rates]
    bounds = int(min(values) * 20) / 20, (int(max(values) * 20) + 1) / 20
    pitch = (RIGHT - LEFT) / len(tried)
    places = {rate: LEFT + (place + 0.5) * pitch for place, rate in enumerate(tried)}
    for percent in range(round(bounds[0] * 100), round(bounds[1] * 100) + 1, 5):
        y = _y(percent / 100, *bounds)
        scene.line("line", (LEFT, y, RIGHT, y))
        scene.text(f"{percent}%", LEFT - 6, y, color="quiet", size="small", anchor="end")
    for rate, x in places.items():
        scene.text(f"{rate:g}", x, BASE + 14, color="quiet", size="small", anchor="middle")
    words = "learning rate; validation images that are right"
    scene.text(words, (LEFT + RIGHT) / 2, BASE + 30, color="quiet", size="small", anchor="middle")
    for other in chart.points:
        scene.line("line", _through(other, places, bounds), width=1)
    scene.line(OURS, _through(point, places, bounds), width=2)
    for rate, top1 in point.rates:
        chosen = rate == point.rate
        scene.dot(OURS if chosen else "quiet", places[rate], _y(top1, *bounds), 6 if chosen else 4)
    return scene


def _through(point: Point, places: dict[float, float], bounds: tuple[float, float]) -> list[float]:
    return [n for rate, top1 in sorted(point.rates) for n in (places[rate], _y(top1, *bounds))]
