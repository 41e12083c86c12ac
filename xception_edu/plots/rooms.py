"""The plan of the package: the paper's own files at the top, and the rooms behind them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from xception_edu.plots import style

LEFT = 24  # margin, in pixels like all below
BOX, WIDE, GAP = 28, 144, 8  # a file's box, and the space between two
FRAME, HEADING = 12, 30  # around a column, and for the words above its boxes
TOP = 48  # of the frames
ROOM, ROOMS_A_ROW = 52, 4  # height of a room, and how many stand side by side
MIDDLE = 104  # width of the two boxes between the columns


class Plan(NamedTuple):
    """Names of the files at the top, and what each room behind them has. What is of the book and
    larger than a file is a room too: its name ends with a /.

    `shared` is the one file that both columns import, `joined` the one that imports both.
    """

    by_hand: Sequence[str]
    by_machine: Sequence[str]
    shared: str
    joined: str
    rooms: Mapping[str, str]


PLAN = Plan(
    by_hand=(
        "paper",
        "specs",
        "architectures/",
        "costs",
        "budgets",
        "receptive_field",
    ),
    by_machine=(
        "layers",
        "segmented_conv",
        "conv_algorithms",
        "equivalence",
        "xception",
        "inception_v3",
        "vgg",
    ),
    shared="configs",
    joined="measure/",
    rooms={
        "checks": "of every argument",
        "data": "images, found and decoded",
        "recipes": "trainings by name",
        "training": "one run, and many",
        "weights": "anyone's, and predictions",
        "benchmark": "times, kept as records",
        "plots": "the figures",
        "explorers": "pictures that move",
        "exercises": "checks that explain",
        "commands": "the course as files",
    },
)


def draw_rooms(ax: Axes, plan: Plan) -> Axes:
    """Two columns of files that share one and meet in one, and the rooms in a row below."""
    rows = -(-max(len(plan.by_hand), len(plan.by_machine)) // 2)
    height = HEADING + rows * (BOX + GAP) + FRAME - GAP
    below = TOP + height + 40
    floors = -(-len(plan.rooms) // ROOMS_A_ROW)
    style.in_pixels(ax, style.WIDTH, below + 18 + floors * (ROOM + GAP) + LEFT - GAP)
    _heading(ax, 24, "The top of the package is the book: every number is counted twice")
    width = 2 * WIDE + GAP + 2 * FRAME
    right = style.WIDTH - LEFT - width
    _column(ax, (LEFT, TOP, width, height), "by hand: standard library", plan.by_hand, "spatial")
    _column(ax, (right, TOP, width, height), "by machine: torch", plan.by_machine, "pointwise")
    center = style.WIDTH / 2
    _between(ax, center, TOP + HEADING, plan.shared, "shared", (LEFT + width, right))
    last = TOP + HEADING + (rows - 1) * (BOX + GAP)
    _between(ax, center, last, plan.joined, "joins the two", (LEFT + width, right))
    _heading(ax, below, "The rooms behind it are the machinery")
    wide = (style.WIDTH - 2 * LEFT - GAP * (ROOMS_A_ROW - 1)) / ROOMS_A_ROW
    for i, (name, what) in enumerate(plan.rooms.items()):
        floor, place = divmod(i, ROOMS_A_ROW)
        x, y = LEFT + place * (wide + GAP), below + 18 + floor * (ROOM + GAP)
        _box(ax, (x, y, wide, ROOM), "elementwise")
        ax.text(x + 9, y + 16, f"{name}/", fontsize=style.TEXT, fontweight="bold", va="center")
        ax.text(x + 9, y + 36, what, fontsize=style.SMALL, color=style.QUIET, va="center")
    return ax


def _file(name: str) -> str:
    """A file as its box names it; what has a / at its end is a room."""
    return name if name.endswith("/") else f"{name}.py"


def _heading(ax: Axes, y: float, words: str) -> None:
    ax.text(LEFT, y, words, fontsize=style.TITLE, fontweight="bold", va="center")


def _column(
    ax: Axes, frame: tuple[float, float, float, float], words: str, names: Sequence[str], color: str
) -> None:
    """A frame (left, top, width, height) with words at its top, and its files, two in a row."""
    left, top, _, _ = frame
    _box(ax, frame, color, strength=0.06)
    place = (left + FRAME, top + HEADING / 2 + 1)
    ax.text(*place, words, fontsize=style.TEXT, color=style.QUIET, va="center")
    for i, name in enumerate(names):
        row, column = divmod(i, 2)
        x, y = left + FRAME + column * (WIDE + GAP), top + HEADING + row * (BOX + GAP)
        _box(ax, (x, y, WIDE, BOX), color)
        ax.text(x + 9, y + BOX / 2, _file(name), fontsize=style.TEXT, va="center")


def _between(
    ax: Axes, center: float, top: float, name: str, words: str, sides: tuple[float, float]
) -> None:
    """A file between the columns, with a line to each, and a word on what it does there."""
    middle = top + BOX / 2
    ax.plot(sides, (middle, middle), color=style.QUIET, linewidth=1.2, zorder=0)
    _box(ax, (center - MIDDLE / 2, top, MIDDLE, BOX), "pooling")
    look = {"va": "center", "ha": "center"}
    ax.text(center, middle, _file(name), fontsize=style.TEXT, **look)
    ax.text(center, top - 9, words, fontsize=style.SMALL, color=style.QUIET, **look)


def _box(
    ax: Axes, place: tuple[float, float, float, float], color: str, *, strength: float = 0.2
) -> None:
    """A rounded rectangle (left, top, width, height), on white."""
    x, y, width, height = place
    face, edge = style.tint(style.COLORS[color], strength), style.COLORS[color]
    shape = "round,pad=0,rounding_size=5"
    ax.add_patch(
        FancyBboxPatch((x, y), width, height, boxstyle=shape, facecolor=face, edgecolor=edge)
    )
