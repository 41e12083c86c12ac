"""A scene of an explorer painted by matplotlib, for saved notebooks where no widget runs;
explorers/scene.py has the shapes.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle
from PIL import Image  # matplotlib brings it

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
SIZES = {"small": style.SMALL, "text": style.TEXT, "title": style.TITLE}
ALIGN = {"start": "left", "middle": "center", "end": "right"}
LEVELS = 35  # of a cell's opacity, above none
FOOTNOTE = "One position. Run the cell to move the slider."


def png(
    view: Mapping[str, Any],
    shapes: Sequence[Sequence[list[Any]]],
    panels: Sequence[tuple[int, int]],
    columns: Sequence[tuple[str, str]],
    palette: Mapping[str, str],
    footnote: str = FOOTNOTE,
    fonts: Sequence[str] = (),
) -> bytes:
    """The picture of a view: its title and note, its panels in rows as they fit, its values, and
    the footnote; the same bytes each time. `fonts` have letters that the usual one lacks.
    """
    with style.context(*fonts):
        return style.compressed(draw(view, shapes, panels, columns, palette, footnote))


def svg(
    view: Mapping[str, Any],
    shapes: Sequence[Sequence[list[Any]]],
    panels: Sequence[tuple[int, int]],
    columns: Sequence[tuple[str, str]],
    palette: Mapping[str, str],
    footnote: str = FOOTNOTE,
    fonts: Sequence[str] = (),
) -> bytes:
    """The same as an SVG file's bytes."""
    with style.context(*fonts):
        return style.svg(draw(view, shapes, panels, columns, palette, footnote))


def draw(
    view: Mapping[str, Any],
    shapes: Sequence[Sequence[list[Any]]],
    panels: Sequence[tuple[int, int]],
    columns: Sequence[tuple[str, str]],
    palette: Mapping[str, str],
    footnote: str = FOOTNOTE,
) -> Figure:
    """The figure of `png`, in the style that is set."""
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


def paint(ax: Axes, shapes: Sequence[list[Any]], colors: Mapping[str, str]) -> Axes:
    """Paint the shapes in order on axes that are measured in pixels, y counting downward."""
    for order, (kind, *values) in enumerate(shapes):
        PAINTERS[kind](ax, colors, order, *values)
    return ax


def _rect(
    ax: Axes,
    colors: Mapping[str, str],
    order: int,
    color: str,
    x: float,
    y: float,
    width: float,
    height: float,
    opacity: float,
    edge: str,
) -> None:
    edge = colors[edge] if edge else "none"
    ax.add_artist(
        Rectangle(
            (x, y),
            width,
            height,
            facecolor=colors[color],
            edgecolor=edge,
            alpha=opacity,
            zorder=order,
            snap=True,
        )
    )


def _line(
    ax: Axes,
    colors: Mapping[str, str],
    order: int,
    color: str,
    runs: Sequence[Sequence[float]],
    width: float,
    opacity: float,
    dash: bool,
) -> None:
    points = [np.reshape(run, (-1, 2)) for run in runs]
    dashes = (0, (5, 4)) if dash else "solid"
    ax.add_artist(
        LineCollection(
            points,
            colors=colors[color],
            linewidths=width * 72 / style.DPI,
            alpha=opacity,
            linestyles=dashes,
            zorder=order,
        )
    )


def _area(
    ax: Axes,
    colors: Mapping[str, str],
    order: int,
    color: str,
    run: Sequence[float],
    opacity: float,
) -> None:
    ax.add_artist(
        Polygon(
            np.reshape(run, (-1, 2)),
            facecolor=colors[color],
            edgecolor="none",
            alpha=opacity,
            zorder=order,
        )
    )


def _dot(
    ax: Axes,
    colors: Mapping[str, str],
    order: int,
    color: str,
    x: float,
    y: float,
    radius: float,
    edge: str,
) -> None:
    ax.add_artist(
        Circle(
            (x, y),
            radius,
            facecolor=colors[color],
            edgecolor=colors[edge] if edge else "none",
            zorder=order,
        )
    )


def _text(
    ax: Axes,
    colors: Mapping[str, str],
    order: int,
    color: str,
    x: float,
    y: float,
    words: str,
    size: str,
    anchor: str,
    bold: bool,
    halo: bool,
    up: bool,
) -> None:
    turned: dict[str, Any] = {"rotation": 90, "rotation_mode": "anchor"} if up else {}
    label = ax.text(
        x,
        y,
        words,
        color=colors[color],
        fontsize=SIZES[size],
        ha=ALIGN[anchor],
        va="center",
        zorder=order,
        **turned,
    )
    label.set_fontweight("bold" if bold else "normal")
    if halo:
        label.set_path_effects(style.halo())


def _words(
    ax: Axes,
    colors: Mapping[str, str],
    order: int,
    color: str,
    x: float,
    y: float,
    pitch: float,
    columns: int,
    words: Sequence[str],
) -> None:
    for i, one in enumerate(words):
        ax.text(
            x + i % columns * pitch,
            y + i // columns * pitch,
            one,
            color=colors[color],
            fontsize=SIZES["small"],
            ha="center",
            va="center",
            zorder=order,
        )


def _cells(
    ax: Axes,
    colors: Mapping[str, str],
    order: int,
    names: Sequence[str],
    x: float,
    y: float,
    pitch: float,
    columns: int,
    codes: str,
    levels: str,
) -> None:
    side = pitch - (1 if pitch > 4 else 0)
    squares = [
        Rectangle((x + i % columns * pitch, y + i // columns * pitch), side, side)
        for i in range(len(codes))
    ]
    fills = [
        (colors[names[int(code, 36)]], int(level, 36) / LEVELS)
        for code, level in zip(codes, levels, strict=True)
    ]
    ax.add_artist(
        PatchCollection(squares, facecolors=fills, edgecolors="none", zorder=order, snap=True)
    )


def _image(
    ax: Axes,
    colors: Mapping[str, str],
    order: int,
    data: str,
    x: float,
    y: float,
    width: float,
    height: float,
) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))
    ax.imshow(
        pixels,
        extent=(x, x + width, y + height, y),
        interpolation="nearest",
        aspect="auto",
        zorder=order,
    )


def _click(
    ax: Axes,
    colors: Mapping[str, str],
    order: int,
    stop: int | None,
    x: float,
    y: float,
    width: float,
    height: float,
    words: str,
    choices: Mapping[str, object] | None = None,
) -> None:
    """Nothing to see: a picture cannot be clicked."""


def _rest(
    ax: Axes,
    colors: Mapping[str, str],
    order: int,
    words: Sequence[str],
    x: float,
    y: float,
    pitch: float,
    columns: int,
) -> None:
    """Nothing to see: no mouse rests on a picture."""


PAINTERS: dict[str, Callable[..., None]] = {
    "rect": _rect,
    "line": _line,
    "area": _area,
    "dot": _dot,
    "text": _text,
    "words": _words,
    "cells": _cells,
    "image": _image,
    "click": _click,
    "rest": _rest,
}
