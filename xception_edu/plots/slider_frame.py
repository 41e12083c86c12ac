"""One frame of the moving picture: the paper's module with its slider at one place.

It shows what `costs` counts: how the module is wired, which kernels it has, its parameters and its
MACs. Units are pixels of the page.
"""

import math
from collections.abc import Iterable
from itertools import accumulate, pairwise

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from xception_edu.costs import block_diagonal_weights
from xception_edu.plots import style
from xception_edu.plots.cost_charts import SegmentsCurve
from xception_edu.plots.pieces import counted
from xception_edu.specs import segment_sizes

CHANNELS, SIDE = 12, 19  # few channels, as in Figures 2 to 4; maps of Xception's middle flow

HEIGHT = 482  # of the page, whose width is style.WIDTH
SHARPNESS = 2  # pixels of the file for one of the page, for screens that have two
PITCH, GAP = 21, 80  # side of a channel or a kernel, length of the wires between two columns
TOP, BOTTOM = 198, 198 + CHANNELS * PITCH  # of the three panels
WIRING, MATRIX, COSTS, RIGHT = 24, 298, 588, 806  # left edges of the panels, right margin
TRACK, FIRST, STEP = 106, 68, 63  # the slider: its height, its first position, from one to the next
KNOB = 18  # diameter
EMPTY = style.tint(style.INK, 0.08)


def draw(curve: SegmentsCurve, place: float) -> Figure:
    """The frame with the knob at `place`, in the style that is set.

    Between two positions the nearer one is shown. `curve` is that of CHANNELS channels.
    """
    figure = scene(curve, nearest(place))
    draw_knob(figure.axes[0], place)
    return figure


def nearest(place: float) -> int:
    """The number of segments that is shown while the knob is at `place`."""
    return math.floor(place + 0.5)


def scene(curve: SegmentsCurve, segments: int) -> Figure:
    """A frame without its knob."""
    size = (style.WIDTH / style.DPI, HEIGHT / style.DPI)
    figure = Figure(figsize=size, dpi=SHARPNESS * style.DPI)
    ax = style.in_pixels(figure.add_axes((0, 0, 1, 1)), style.WIDTH, HEIGHT)
    ax.text(WIRING, 26, name(segments), fontsize=style.TITLE, fontweight="bold", va="center")
    ax.text(WIRING, 50, sentence(segments), va="center")
    maps = f"{CHANNELS} channels in and out, maps of {SIDE}×{SIDE}"
    _small(ax, RIGHT, 50, maps, ha="right")
    draw_track(ax)
    draw_wiring(ax, segments)
    draw_kernels(ax, segments)
    draw_costs(ax, curve, segments)
    return figure


def name(segments: int) -> str:
    """Where on the spectrum of the paper's Section 1.2 the slider is, in the explorer's words."""
    if segments == 1:
        return "1 segment: a 1×1 plus a regular convolution"
    if segments == CHANNELS:
        return f"{segments} segments, one per channel: the extreme Inception module"
    return f"{segments} segments: an Inception-like module"


def sentence(segments: int) -> str:
    """What the segments mean for one output channel."""
    sizes = segment_sizes(CHANNELS, segments)
    seen = " or ".join(f"{size}" for size in sorted(set(sizes)))
    which = f"all {CHANNELS}" if segments == 1 else f"{seen} of the {CHANNELS}"
    own = ": its own" if segments == CHANNELS else ""
    return f"In the 3×3, each output channel sees {which} input channels{own}."


def draw_track(ax: Axes) -> Axes:
    """The slider's track, a number for each position, and names for what it leads through."""
    last = _x(CHANNELS)
    _line(ax, FIRST, last, EMPTY)
    for segments in range(1, CHANNELS + 1):
        _small(ax, _x(segments), TRACK + 22, f"{segments}", color=style.INK)
    _small(ax, FIRST - KNOB / 2, TRACK - 22, "regular convolution", ha="left")
    _small(ax, (FIRST + last) / 2, TRACK - 22, "← Inception-like modules →")
    _small(ax, last + KNOB / 2, TRACK - 22, "depthwise convolution", ha="right")
    return ax


def draw_knob(ax: Axes, place: float) -> list[Line2D]:
    """The knob, and the track as far as it has come."""
    x = _x(place)
    behind = _line(ax, FIRST, x, style.INK)
    (knob,) = ax.plot([x], [TRACK], "o", color=style.INK, markersize=KNOB * 72 / style.DPI)
    knob.set(markerfacecolor=style.PAPER, markeredgewidth=3)
    return [behind, knob]


def draw_wiring(ax: Axes, segments: int) -> Axes:
    """Three columns of channels: the 1x1 joins all to all, the 3x3 only within a segment."""
    columns = [WIRING + i * (PITCH + GAP) for i in range(3)]
    blue = style.COLORS["pointwise"]
    _head(ax, columns[0] + PITCH + GAP / 2, "1×1", "all to all")
    _head(ax, columns[1] + PITCH + GAP / 2, "3×3", counted(segments, "segment"))
    _wires(ax, columns[0] + PITCH, 0, CHANNELS, blue)
    _box(ax, columns[0], TOP, PITCH, CHANNELS * PITCH, blue)
    for start, end, hue in _segments(segments):
        _wires(ax, columns[1] + PITCH, start, end, hue)
        for x in columns[1:]:
            _box(ax, x, TOP + start * PITCH, PITCH, (end - start) * PITCH, hue)
    for x, word in zip(columns, ("input", "between", "output"), strict=True):
        _rungs(ax, x, x + PITCH, range(1, CHANNELS), width=1.0)
        _small(ax, x + PITCH / 2, BOTTOM + 15, word)
    return ax


def draw_kernels(ax: Axes, segments: int) -> Axes:
    """The 3x3 kernels, a row for an output channel and a column for an input channel."""
    side = CHANNELS * PITCH
    kernels = block_diagonal_weights(CHANNELS, CHANNELS, segments)
    _head(ax, MATRIX + side / 2, "kernels of the 3×3", f"{kernels} of {CHANNELS**2}")
    _box(ax, MATRIX, TOP, side, side, EMPTY)
    for start, end, hue in _segments(segments):
        x, y, size = MATRIX + start * PITCH, TOP + start * PITCH, (end - start) * PITCH
        _box(ax, x, y, size, size, hue)
    thirds = [i / 3 for i in range(3 * CHANNELS) if i % 3]
    edges = range(1, CHANNELS)
    for places, width in ((thirds, 0.4), (edges, 1.5)):
        _rungs(ax, MATRIX, MATRIX + side, places, width=width)
        _posts(ax, MATRIX, places, width=width)
    _small(ax, MATRIX + side / 2, BOTTOM + 15, "input channel →")
    _small(ax, MATRIX - 11, TOP + side / 2, "← output channel", rotation=90)
    return ax


def draw_costs(ax: Axes, curve: SegmentsCurve, segments: int) -> Axes:
    """Parameters and MACs in numbers, and a bar for each position; the slider's own stands out.

    The maps stay as large as they are, so MACs are parameters times pixels: one bar for both.
    """
    cost = curve.module[segments - 1]
    numbers = {"parameters": cost.params, "MACs per image": cost.macs}
    for x, (label, number) in zip((COSTS, COSTS + 96), numbers.items(), strict=True):
        _small(ax, x, TOP - 30, label, ha="left")
        ax.text(x, TOP - 9, f"{number:,}", fontsize=14, fontweight="bold", va="center")
    ratio = cost.params / curve.regular.params
    ax.text(COSTS, TOP + 17, f"{ratio:.2f} times a regular 3×3 alone", va="center")
    _bars(ax, curve, segments)
    return ax


def _bars(ax: Axes, curve: SegmentsCurve, segments: int) -> None:
    scale = (BOTTOM - TOP - 56) / curve.module[0].params  # pixels a parameter
    pitch, floor = (RIGHT - COSTS) / CHANNELS, BOTTOM - curve.pointwise.params * scale
    for i, cost in enumerate(curve.module):
        x, y = COSTS + i * pitch, BOTTOM - cost.params * scale
        strength = 1 if i == segments - 1 else 0.3
        orange, blue = (style.tint(style.COLORS[key], strength) for key in ("spatial", "pointwise"))
        _box(ax, x, y, pitch - 3, floor - y, orange)
        _box(ax, x, floor, pitch - 3, BOTTOM - floor, blue)
    regular = BOTTOM - curve.regular.params * scale
    ax.plot([COSTS - 4, RIGHT], [regular] * 2, color=style.INK, linewidth=0.8, dashes=(4, 3))
    _small(ax, RIGHT, regular - 9, "a regular 3×3 alone", ha="right")
    for x, key, label in ((RIGHT - 96, "pointwise", "1×1"), (RIGHT - 40, "spatial", "3×3")):
        _box(ax, x, regular + 16, 11, 8, style.COLORS[key])
        _small(ax, x + 16, regular + 20, label, ha="left")
    for place, words in ((1, "1"), ((1 + CHANNELS) / 2, "segments"), (CHANNELS, f"{CHANNELS}")):
        _small(ax, COSTS + (place - 0.5) * pitch - 1.5, BOTTOM + 15, words)


# ---- its pieces ---------------------------------------------------------------------------------


def _x(place: float) -> float:
    return FIRST + (place - 1) * STEP


def _line(ax: Axes, start: float, end: float, color: object) -> Line2D:
    (line,) = ax.plot([start, end], [TRACK] * 2, color=color, linewidth=4.5)
    line.set_solid_capstyle("round")
    return line


def _segments(segments: int) -> list[tuple[int, int, str]]:
    """First channel of each segment, the channel after its last, and its color."""
    edges = [0, *accumulate(segment_sizes(CHANNELS, segments))]
    hues = [style.HUES[i % len(style.HUES)] for i in range(segments)]
    return [(start, end, hue) for (start, end), hue in zip(pairwise(edges), hues, strict=True)]


def _small(
    ax: Axes,
    x: float,
    y: float,
    words: str,
    *,
    ha: str = "center",
    color: str = style.QUIET,
    rotation: float = 0,
) -> None:
    label = ax.text(x, y, words, fontsize=style.SMALL, color=color, rotation=rotation)
    label.set(ha=ha, va="center")


def _head(ax: Axes, x: float, title: str, words: str) -> None:
    ax.text(x, TOP - 30, title, ha="center", va="center", fontweight="bold")
    _small(ax, x, TOP - 13, words)


def _box(ax: Axes, x: float, y: float, width: float, height: float, color: object) -> None:
    ax.add_artist(Rectangle((x, y), width, height, facecolor=color, edgecolor="none", snap=True))


def _rungs(ax: Axes, left: float, right: float, places: Iterable[float], *, width: float) -> None:
    lines = [((left, TOP + i * PITCH), (right, TOP + i * PITCH)) for i in places]
    ax.add_collection(LineCollection(lines, colors=style.PAPER, linewidths=width, zorder=3))


def _posts(ax: Axes, left: float, places: Iterable[float], *, width: float) -> None:
    lines = [((left + i * PITCH, TOP), (left + i * PITCH, BOTTOM)) for i in places]
    ax.add_collection(LineCollection(lines, colors=style.PAPER, linewidths=width, zorder=3))


def _wires(ax: Axes, x: float, start: int, end: int, color: str) -> None:
    middles = [TOP + (i + 0.5) * PITCH for i in range(start, end)]
    corners = [point for a in middles for b in middles for point in ((x, a), (x + GAP, b))]
    path = Path(corners, [Path.MOVETO, Path.LINETO] * (len(corners) // 2))
    width = 0.5 if end - start > 4 else 1.1  # many lines thinner, or they close to a surface
    ax.add_artist(PathPatch(path, facecolor="none", edgecolor=color, linewidth=width, zorder=1))
