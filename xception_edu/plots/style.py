"""One look for every figure: colors by concept, sizes, a page measured in pixels, and SVG that
never changes by itself.

A figure is as wide as a README column, WIDTH pixels at DPI dots an inch; one unit of a page is one
pixel of it.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import font_manager, patheffects, style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

WIDTH = 830  # pixels, the width at which a README shows a picture
DPI = 96  # CSS pixels an inch: with it, 8 points are 10.7 pixels in a browser

# One meaning a color in every figure and explorer, on white pages and on dark ones: kinds of
# layers, segments, signs. A test holds colors of different meaning apart, also for those who see
# fewer of them; they were searched for, with Okabe and Ito's palette as the start. What is selected
# has an outline of ink, and a chart of measurements is black and gray.
COLORS = {
    "pointwise": "#0072B2",  # 1x1 convolution
    "spatial": "#E69F00",  # k x k convolution over one or more segments
    "depthwise": "#D55E00",  # k x k convolution with a segment a channel
    "pooling": "#7AC46B",
    "elementwise": "#B4B4B4",  # batch normalization and activations
    "join": "#333333",  # concatenation and addition; also inputs and outputs
    "residual": "#DE6C97",
    "linear": "#DCCF1E",  # fully connected layers, the classifier
}
# the sign of a number, in heat maps of weights, products and differences
SIGNS = {"plus": "#0D965B", "minus": "#BC36C3"}
# segments, and towers, side by side, by turns: blues and violets, on each of which black is read
HUES = ("#35A3B2", "#7A6CF0", "#33C1FA", "#8796FE")
# text, second text (6 to 1 on white), background
INK, QUIET, PAPER = "#222222", "#5F5F5F", "#FFFFFF"

TITLE, TEXT, MEDIUM, SMALL = 12.0, 9.0, 8.5, 8.0  # points; the smallest is 10.7 pixels

# fonts with Korean letters, as systems have them; matplotlib knows Noto's file by its first name
KOREAN_FONTS = (
    "Apple SD Gothic Neo",
    "AppleGothic",
    "Malgun Gothic",
    "Noto Sans KR",
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",
    "NanumGothic",
    "NanumBarunGothic",
    "UnDotum",
)

RC = {
    # comes with matplotlib, so that text has the same size on every machine
    "font.family": ["DejaVu Sans"],
    "font.size": TEXT,
    "text.color": INK,
    "axes.labelcolor": QUIET,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelsize": SMALL,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "axes.unicode_minus": True,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "figure.facecolor": PAPER,  # white also where the page around it is dark
    "savefig.facecolor": PAPER,
    "svg.fonttype": "path",  # letters as outlines: the same picture where the font is missing
    # names inside the file are hashes; a fixed salt keeps them from run to run
    "svg.hashsalt": "xception_edu",
}


@contextmanager
def context(*fonts: str) -> Iterator[None]:
    """Matplotlib's own defaults and then RC, whatever the reader has set; the reader's settings
    come back at the end. `fonts` are for letters that RC's own lacks.
    """
    with style.context(["default", RC, {"font.family": [*RC["font.family"], *fonts]}]):
        yield


@cache
def korean_fonts() -> list[str]:
    """Names of the fonts with Korean letters that this machine has."""
    return _known_korean_fonts() or _new_korean_fonts()


def _known_korean_fonts() -> list[str]:
    here = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in KOREAN_FONTS if name in here]


def _new_korean_fonts() -> list[str]:
    """Fonts that were installed after matplotlib had listed all, which its list lacks."""
    files = tuple(
        name.replace(" ", "").lower() for name in (*KOREAN_FONTS, "malgun", "NotoSansCJK")
    )
    for path in map(Path, font_manager.findSystemFonts()):
        if path.stem.lower().startswith(files):
            font_manager.fontManager.addfont(path)
    return _known_korean_fonts()


def page() -> tuple[Figure, Axes]:
    """A white page with axes that fill it, for a block diagram; `fit` makes it as high as the
    diagram turns out to be.
    """
    figure = Figure(figsize=(WIDTH / DPI, WIDTH / DPI), dpi=DPI)
    return figure, figure.add_axes((0, 0, 1, 1))


def fit(figure: Figure) -> Figure:
    """Give a page the size of what was drawn `in_pixels` on its first axes."""
    ax = figure.axes[0]
    figure.set_size_inches(ax.get_xlim()[1] / DPI, ax.get_ylim()[0] / DPI)
    return figure


def charts(
    rows: int,
    columns: int,
    *,
    height: int,
    left: int,
    top: int,
    right: int,
    bottom: int,
    across: int = 0,
    down: int = 0,
) -> tuple[Figure, Any]:
    """A page of WIDTH x height pixels with axes, as `Figure.subplots` returns them; margins and
    gaps in pixels.
    """
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI)
    wide = (WIDTH - left - right - across * (columns - 1)) / columns
    high = (height - top - bottom - down * (rows - 1)) / rows
    sides = {
        "left": left / WIDTH,
        "right": 1 - right / WIDTH,
        "top": 1 - top / height,
        "bottom": bottom / height,
    }
    gaps = {"wspace": across / wide, "hspace": down / high}
    return figure, figure.subplots(rows, columns, gridspec_kw=sides | gaps)


def in_pixels(ax: Axes, width: float, height: float) -> Axes:
    """Make one unit of `ax` one pixel of a page of width x height, y counting downward."""
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    ax.set_axis_off()
    return ax


def tint(color: str, strength: float) -> tuple[float, float, float]:
    """`color` thinned with white: strength 1 is the color, 0 is white."""
    red, green, blue = (1 - strength * (1 - part) for part in to_rgb(color))
    return red, green, blue


def halo(width: float = 3.0) -> list[patheffects.AbstractPathEffect]:
    """A white rim, so that a line or a word stays readable where it crosses another."""
    return [patheffects.withStroke(linewidth=width, foreground=PAPER)]


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file's bytes: the same figure gives the same bytes, in every run."""
    buffer = io.BytesIO()
    with context():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def save_svg(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write `svg(figure)` to `path`."""
    with open(path, "wb") as file:
        file.write(svg(figure))


def compressed(figure: Figure) -> bytes:
    """The figure as a PNG of 256 colors, a quarter of the size that matplotlib's own would have."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return few_colors(np.asarray(canvas.buffer_rgba())[..., :3])


def few_colors(pixels: np.ndarray) -> bytes:
    """Bytes (height, width, 3) as a PNG of at most 256 of the picture's own colors; each pixel has
    the nearest of them.

    The next color is always the one whose pixels would be changed most by those that are there
    already. So the flat color of a small legend is exact beside a thousand grays, which a median
    cut would merge it with. The same pixels give the same bytes.
    """
    red, green, blue = np.moveaxis(pixels.astype(np.int64), -1, 0)
    packed, where, counts = np.unique(
        red << 16 | green << 8 | blue, return_inverse=True, return_counts=True
    )
    colors = np.stack((packed >> 16, packed >> 8 & 255, packed & 255), axis=1)
    apart = np.full(len(colors), 3 * 255**2)  # squared distance to the nearest color that is chosen
    nearest = np.zeros(len(colors), dtype=np.uint8)
    chosen: list[np.ndarray] = []
    while len(chosen) < 256 and apart.any():
        chosen.append(colors[np.argmax(apart * counts)])
        distance = ((colors - chosen[-1]) ** 2).sum(axis=1)
        nearest[distance < apart] = len(chosen) - 1
        apart = np.minimum(apart, distance)
    image = Image.fromarray(nearest[where].reshape(pixels.shape[:2]), "P")
    image.putpalette(np.array(chosen, dtype=np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
