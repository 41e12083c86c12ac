"""What block diagrams are made of: words and colors for specs, boxes, arrows, lines. Units are
pixels of a page.
"""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Text

from xception_edu import costs
from xception_edu.plots import style
from xception_edu.specs import ConvSpec, PoolSpec, Shape, Spec, kind

MARGIN = 16  # pixels free at each side of a page


# ---- words and colors for specs ------------------------------------------------------------------


CONCEPTS = {
    "segmented": "spatial",
    "regular": "spatial",
    "batch norm": "elementwise",
    "activation": "elementwise",
    "add": "elementwise",
}


def concept(spec: Spec) -> str:
    """The key of `style.COLORS` that a layer is drawn in."""
    return CONCEPTS.get(kind(spec), kind(spec))


def times(*sides: int) -> str:
    """Sides with a multiplication sign: 3×3."""
    return "×".join(map(str, sides))


def counted(number: int, word: str) -> str:
    """A number with its word: "1 segment", "4 segments"."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def map_size(shape: Shape) -> str:
    """A feature map as the paper writes it, height×width×channels; a vector as its length."""
    return (
        times(shape.height, shape.width, shape.channels)
        if shape[1:] != (1, 1)
        else f"vector of {shape.channels}"
    )


def title_of(spec: Spec) -> str:
    """A layer in two words: "3×3 conv", "3×3 avg pool", "ReLU"."""
    match spec:
        case ConvSpec():
            word = "depthwise" if kind(spec) == "depthwise" else "conv"
            return f"{times(*spec.kernel_size)} {word}"
        case PoolSpec(kind="global_average"):
            return "global avg pool"
        case PoolSpec():
            word = "avg" if spec.kind == "average" else "max"
            return f"{times(spec.kernel_size, spec.kernel_size)} {word} pool"
        case _:
            return costs.describe(spec)


# ---- marks ---------------------------------------------------------------------------------------


class Box(NamedTuple):
    """A rectangle of the page: left and top edge, width and height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Position of the vertical center line (x)."""
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        """Position of the lower edge (y)."""
        return self.y + self.height


def box(
    ax: Axes,
    place: Box,
    color: str,
    *lines: str,
    strength: float = 0.3,
    radius: float = 4,
    plain: float | None = None,
) -> Box:
    """A rounded box in a tint of the concept's color ("join" stays white), with up to two lines in
    it.

    The first line is bold and the second small; or all are plain, of the size that `plain` gives in
    points.
    """
    hue = style.COLORS[color]
    face = style.PAPER if color == "join" else style.tint(hue, strength)
    look = {"facecolor": face, "edgecolor": hue, "linewidth": 1.1, "zorder": 2.5}  # above lines
    ax.add_patch(
        FancyBboxPatch(
            place[:2], *place[2:], boxstyle=f"round,pad=0,rounding_size={radius}", **look
        )
    )
    for i, line in enumerate(lines):
        y = place.y + place.height / 2 + (i - (len(lines) - 1) / 2) * 15
        size = plain or (style.SMALL if i else style.TEXT)
        weight = "normal" if plain or i else "bold"
        words(
            ax,
            place.middle,
            y,
            line,
            ha="center",
            color=style.INK,
            fontsize=size,
            fontweight=weight,
        )
    return place


def words(ax: Axes, x: float, y: float, text: str, **look: object) -> Text:
    """Small quiet text, by default to the right of (x, y) and centered on y."""
    look = {
        "fontsize": style.SMALL,
        "color": style.QUIET,
        "ha": "left",
        "va": "center_baseline",
    } | look
    return ax.text(x, y, text, **look)


def arrow(ax: Axes, x: float, top: float, bottom: float, label: str = "") -> None:
    """A downward arrow, and at its right what flows along it."""
    line(ax, [(x, top), (x, bottom)], head=True)
    if label:
        words(ax, x + 6, (top + bottom) / 2 - 1, label)


def line(
    ax: Axes, points: Sequence[tuple[float, float]], *, color: str = "join", head: bool = False
) -> None:
    """A line through `points`, with an arrowhead at its end where asked for."""
    hue, look = (
        style.COLORS[color],
        {"linewidth": 1.2 if color == "join" else 1.8, "capstyle": "butt", "joinstyle": "round"},
    )
    if head:
        *points, start, end = points
        look_head = {
            "arrowstyle": "-|>,head_length=4,head_width=2.2",
            "shrinkA": 0,
            "shrinkB": 0,
            "mutation_scale": 1.2,
        }
        ax.add_patch(FancyArrowPatch(start, end, color=hue, **look, **look_head))
        points = [*points, start]
    if len(points) > 1:
        ax.plot(
            *zip(*points, strict=True),
            color=hue,
            solid_capstyle="butt",
            linewidth=look["linewidth"],
        )


def heading(ax: Axes, title: str, *sentences: str) -> None:
    """Title at the top left of the page, and quiet sentences below it, a line each."""
    words(ax, MARGIN, 20, title, fontsize=style.TITLE, fontweight="bold", color=style.INK)
    for i, sentence in enumerate(sentences):
        words(ax, MARGIN, 43 + 17 * i, sentence, fontsize=style.TEXT)
