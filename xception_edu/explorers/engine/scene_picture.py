"""A view of an explorer as a picture, for saved notebooks where no widget runs: title, scenes,
readouts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from xception_edu.explorers.engine.scene_painters import paint
from xception_edu.plots import style

SHARPNESS = 1.5  # pixels of the file for one of the page
# pixels: around everything, between panels, for the title, for the readouts
MARGIN, GAP, HEAD, FOOT = 12, 24, 52, 78
THEME = {
    "ink": style.INK,
    "quiet": style.QUIET,
    "line": "#D0D0D0",
    "faint": "#F1F1F1",
    "paper": style.PAPER,
}
FOOTNOTE = "One position. Run the cell to move the slider."


def draw(
    view: Mapping[str, Any],
    shapes: Sequence[Sequence[list[Any]]],
    panels: Sequence[tuple[int, int]],
    columns: Sequence[tuple[str, str]],
    palette: Mapping[str, str],
    footnote: str = FOOTNOTE,
) -> Figure:
    """The figure of a view, in the style that is set: its title and note, its panels in rows as
    they fit, its values, and the footnote.
    """
    corners, bottom = places(panels)
    colors = {**palette, **THEME}
    height = bottom + FOOT
    figure = Figure(
        figsize=(style.WIDTH / style.DPI, height / style.DPI), dpi=SHARPNESS * style.DPI
    )
    ax = style.in_pixels(figure.add_axes((0, 0, 1, 1)), style.WIDTH, height)
    ax.text(MARGIN, 18, view["title"], fontsize=style.TITLE, fontweight="bold", va="center")
    ax.text(MARGIN, 37, view["note"], fontsize=style.TEXT, va="center")
    for drawn, (x, y), (wide, high) in zip(shapes, corners, panels, strict=True):
        paint(
            style.in_pixels(ax.inset_axes((x, y, wide, high), transform=ax.transData), wide, high),
            drawn,
            colors,
        )
    for i, ((label, unit), value) in enumerate(zip(columns, view["values"], strict=True)):
        left = MARGIN + i * (style.WIDTH - 2 * MARGIN) / len(columns)
        ax.text(left, bottom + 14, label, fontsize=style.SMALL, color=style.QUIET, va="center")
        ax.text(left, bottom + 31, value, fontsize=style.MEDIUM, fontweight="bold", va="center")
        ax.text(left, bottom + 47, unit, fontsize=style.SMALL, color=style.QUIET, va="center")
    ax.text(
        style.WIDTH - MARGIN,
        height - 10,
        footnote,
        fontsize=style.SMALL,
        color=style.QUIET,
        ha="right",
        va="center",
    )
    return figure


def places(panels: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int]], int]:
    """Upper left corner of each panel, in rows no wider than the picture where they fit, and the
    lower end of the last row.
    """
    corners, x, y, row = [], MARGIN, HEAD, 0
    for width, height in panels:
        if x > MARGIN and x + width > style.WIDTH - MARGIN:
            x, y, row = MARGIN, y + row + 10, 0
        corners.append((x, y))
        x, row = x + width + GAP, max(row, height)
    return corners, y + row
