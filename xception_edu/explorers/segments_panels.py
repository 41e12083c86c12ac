"""One position of the segments explorer as a picture, for saved notebooks where no widget runs:
wiring, weights, costs.

All numbers and words reach it as they were counted and written for the explorer's table; here they
are only placed.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from xception_edu.plots import style
from xception_edu.plots.pieces import counted

HEIGHT = 372  # pixels; the width is style.WIDTH
SHARPNESS = 1.5  # pixels of the file for one of the page
# side of the matrix, its upper edge; width of a column and of the gaps between
FIELD, TOP, COLUMN, GAP = 240, 92, 10, 102
WIRING, MATRIX, COSTS = 16, 286, 548  # left edges
EMPTY = style.tint(style.INK, 0.08)
Say = Callable[[str], str]  # gives an English text in the reader's language


def draw(
    position: Mapping[str, object],
    columns: Sequence[tuple[str, str]],
    *,
    kernel_size: int,
    order: str,
    say: Say = str,
) -> Figure:
    """The figure of `position`, a row of the explorer's table whose costs `columns` name, in the
    style that is set.

    Args:
        position: name, words, edges, kept and costs, as the explorer looks them up.
        columns: the costs' names and units.
        kernel_size: the k of the k x k.
        order: "pointwise_first" or "spatial_first".
        say: gives each text in the language of the picture.
    """
    figure = Figure(
        figsize=(style.WIDTH / style.DPI, HEIGHT / style.DPI), dpi=SHARPNESS * style.DPI
    )
    ax = style.in_pixels(figure.add_axes((0, 0, 1, 1)), style.WIDTH, HEIGHT)
    name, words, kept = (say(position[key]) for key in ("name", "words", "kept"))
    ax.text(WIRING, 22, name, fontsize=style.TITLE, fontweight="bold", va="center")
    ax.text(WIRING, 42, words, fontsize=style.TEXT, va="center")
    note = say("One position. Run the cell to move the slider.")
    _small(ax, style.WIDTH - 16, HEIGHT - 12, note, ha="right")
    draw_wiring(ax, position["edges"], kernel_size=kernel_size, order=order, say=say)
    draw_matrix(ax, position["edges"], kernel_size=kernel_size, kept=kept, say=say)
    draw_costs(ax, [(say(label), say(unit)) for label, unit in columns], position, say)
    return figure


def draw_wiring(
    ax: Axes, edges: Sequence[int], *, kernel_size: int, order: str, say: Say = str
) -> Axes:
    """Three columns of channels and the module's two steps between them; the segmented step in its
    pieces' colors.
    """
    channels, pitch = edges[-1], FIELD // edges[-1]
    columns = [WIRING + i * (COLUMN + GAP) for i in range(3)]
    cut = 1 if order == "pointwise_first" else 0
    segments = len(edges) - 1
    _head(ax, columns[1 - cut] + COLUMN + GAP / 2, "1×1", say("all to all"))
    words = say(counted(segments, "segment"))
    _head(ax, columns[cut] + COLUMN + GAP / 2, f"{kernel_size}×{kernel_size}", words)
    one = style.COLORS["pointwise"]
    _wires(ax, columns[1 - cut] + COLUMN, 0, channels, pitch, one, alpha=0.45)
    _box(ax, columns[0 if cut else 2], TOP, COLUMN, pitch * channels, one)
    for start, end, hue in _colored(edges):
        alpha = 0.9 if end - start < 4 else 0.55
        _wires(ax, columns[cut] + COLUMN, start, end, pitch, hue, alpha=alpha)
        for x in columns[cut : cut + 2]:
            _box(ax, x, TOP + start * pitch, COLUMN, (end - start) * pitch, hue)
    heights = [TOP + i * pitch for i in range(1, channels)]
    _lines(ax, [((x, y), (x + COLUMN, y)) for x in columns for y in heights])
    below = TOP + pitch * channels + 13
    _small(ax, columns[0], below, say("input"), ha="left")
    _small(ax, columns[1] + COLUMN / 2, below, say("between"))
    _small(ax, columns[2] + COLUMN, below, say("output"), ha="right")
    return ax


def draw_matrix(
    ax: Axes, edges: Sequence[int], *, kernel_size: int, kept: str, say: Say = str
) -> Axes:
    """The weights, output channels down and input channels across; a filled cell is a kernel, an
    empty one no weight.
    """
    channels, pitch = edges[-1], FIELD // edges[-1]
    size = channels * pitch
    name = say(f"weights of the {kernel_size}×{kernel_size}")
    _head(ax, MATRIX + size / 2, name, kept)
    _box(ax, MATRIX, TOP, size, size, EMPTY)
    for start, end, hue in _colored(edges):
        side, corner, middle = (end - start) * pitch, start * pitch, (start + end) / 2 * pitch
        _box(ax, MATRIX + corner, TOP + corner, side, side, hue)
        if side >= 20:
            words = f"{end - start}→{end - start}" if side >= 40 else f"{end - start}"
            label = ax.text(MATRIX + middle, TOP + middle, words, ha="center", va="center")
            label.set(fontweight="bold", zorder=4)
            label.set_bbox({"facecolor": hue, "edgecolor": "none", "pad": 1.5})
    places = [i * pitch for i in range(1, channels)]
    rows = [((MATRIX, TOP + i), (MATRIX + size, TOP + i)) for i in places]
    _lines(ax, rows + [((MATRIX + i, TOP), (MATRIX + i, TOP + size)) for i in places])
    _small(ax, MATRIX + size / 2, TOP + size + 13, say("input channel →"))
    _small(ax, MATRIX - 11, TOP + size / 2, say("← output channel"), rotation=90)
    return ax


def _colored(edges: Sequence[int]) -> list[tuple[int, int, str]]:
    """Of each segment: where it begins, where it ends, its color."""
    hues = itertools.cycle(style.HUES)
    return [(start, end, next(hues)) for start, end in pairwise(edges)]


def draw_costs(
    ax: Axes,
    columns: Sequence[tuple[str, str]],
    position: Mapping[str, object],
    say: Say = str,
) -> Axes:
    """A bar for each cost on a scale of 0 to 2 times the plain regular convolution, split into 1x1
    and k x k.
    """
    width, count = style.WIDTH - 16 - COSTS, len(columns)
    numbers, ratios = position["costs"][:count], position["costs"][count:]
    for i, (label, unit) in enumerate(columns):
        y = TOP - 26 + i * 51
        write = "{:,.0f}".format if i < count - 1 else "{:,.2f}".format
        ax.text(COSTS, y, label, va="baseline")
        number = write(numbers[i])
        ax.text(COSTS + width - 52, y, number, ha="right", va="baseline", fontweight="bold")
        if len(number) < 12:  # a longer one needs the unit's room
            _small(ax, COSTS + 82, y, unit, ha="left", va="baseline")
        ax.text(COSTS + width, y, f"{ratios[i]:.3f}×", ha="right", va="baseline")
        pointwise = position["pointwise"][i] if i < count - 1 else None
        _bar(ax, y + 6, width, ratios[i], pointwise, position["separable"][count + i])
        regular, separable = (
            f"{say(key)} {write(position[key][i])}" for key in ("regular", "separable")
        )
        _small(ax, COSTS, y + 31, regular, ha="left", va="baseline")
        _small(ax, COSTS + width, y + 31, separable, ha="right", va="baseline")
    return _legend(ax, TOP - 26 + count * 51, say)


def _bar(
    ax: Axes, y: float, width: float, ratio: float, pointwise: float | None, separable: float
) -> None:
    scale = width / 2  # pixels of the regular convolution's bar
    _box(ax, COSTS, y, width, 12, EMPTY)
    hue = style.QUIET if pointwise is None else style.COLORS["spatial"]
    _box(ax, COSTS, y + 2, ratio * scale, 8, hue)
    _box(ax, COSTS, y + 2, (pointwise or 0) * scale, 8, style.COLORS["pointwise"])
    (mark,) = ax.plot([COSTS + scale] * 2, [y, y + 12], color=style.INK, linewidth=1.5, zorder=4)
    mark.set_solid_capstyle("butt")
    _diamond(ax, COSTS + separable * scale, y + 6)


def _diamond(ax: Axes, x: float, y: float) -> None:
    (mark,) = ax.plot([x], [y], "D", color=style.INK, markersize=4.5, zorder=5, clip_on=False)
    mark.set_markerfacecolor(style.PAPER)


def _legend(ax: Axes, y: float, say: Say) -> Axes:
    for x, key, label in ((0, "pointwise", "1×1"), (48, "spatial", "k×k")):
        _box(ax, COSTS + x, y - 4, 11, 8, style.COLORS[key])
        _small(ax, COSTS + x + 16, y, label, ha="left", va="center_baseline")
    ax.plot([COSTS + 98] * 2, [y - 6, y + 6], color=style.INK, linewidth=1.5)
    _small(ax, COSTS + 104, y, say("regular"), ha="left", va="center_baseline")
    _diamond(ax, COSTS + 166, y)
    _small(ax, COSTS + 175, y, say("separable"), ha="left", va="center_baseline")
    return ax


def _head(ax: Axes, x: float, name: str, words: str) -> None:
    ax.text(x, TOP - 26, name, ha="center", va="baseline", fontweight="bold")
    _small(ax, x, TOP - 10, words, va="baseline")


def _small(
    ax: Axes,
    x: float,
    y: float,
    words: str,
    *,
    ha: str = "center",
    va: str = "center",
    rotation: float = 0,
) -> None:
    place = {"ha": ha, "va": va, "rotation": rotation}
    ax.text(x, y, words, place, fontsize=style.SMALL, color=style.QUIET)


def _lines(ax: Axes, runs: Sequence[object]) -> None:
    """White lines between what lies side by side."""
    ax.add_collection(LineCollection(runs, colors=style.PAPER, linewidths=0.7, zorder=3))


def _box(ax: Axes, x: float, y: float, width: float, height: float, color: object) -> None:
    ax.add_artist(Rectangle((x, y), width, height, facecolor=color, edgecolor="none", snap=True))


def _wires(
    ax: Axes, x: float, start: int, end: int, pitch: int, color: str, *, alpha: float
) -> None:
    """Lines from each channel of a piece to each channel of it, over the gap that begins at x."""
    middles = [TOP + (i + 0.5) * pitch for i in range(start, end)]
    corners = [point for a in middles for b in middles for point in ((x, a), (x + GAP, b))]
    # one path: where lines cross it grows no darker
    path = Path(corners, [Path.MOVETO, Path.LINETO] * (len(corners) // 2))
    width = 1.2 if end - start < 4 else 0.35
    wires = PathPatch(path, snap=False, facecolor="none", edgecolor=color, linewidth=width)
    wires.set(alpha=alpha, zorder=1)
    ax.add_artist(wires)
