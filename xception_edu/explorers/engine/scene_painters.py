"""The shapes of a scene painted by matplotlib, one function each; scene.py says what they are."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.patches import Circle, Polygon, Rectangle
from PIL import Image  # matplotlib brings it

from xception_edu.explorers.engine.scene import LEVELS, SIZES
from xception_edu.plots import style

ALIGN = {"start": "left", "middle": "center", "end": "right"}


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
    halo: bool,
) -> None:
    points = [np.reshape(run, (-1, 2)) for run in runs]
    dashes = (0, (5, 4)) if dash else "solid"
    below = [("paper", width + 2, "solid")] if halo else []
    for name, wide, dashing in (*below, (color, width, dashes)):
        ax.add_artist(
            LineCollection(
                points,
                colors=colors[name],
                linewidths=wide * 72 / style.DPI,
                alpha=opacity,
                linestyles=dashing,
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
    side = pitch - (1 if pitch > 4 else 0)  # the gap between two cells
    squares = [
        Rectangle((x + i % columns * pitch, y + i // columns * pitch), side, side)
        for i in range(len(codes))
    ]
    fills = [
        (colors[names[LEVELS.index(code)]], LEVELS.index(level) / (len(LEVELS) - 1))
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
