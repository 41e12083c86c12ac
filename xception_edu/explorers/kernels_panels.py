"""What the explorer of trained kernels draws: a layer's mosaic, its patterns, a kernel taken apart,
and all layers in two lines.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from xception_edu.explorers.engine.scene import CHOSEN, Scene
from xception_edu.explorers.engine.tiles import frame, signed
from xception_edu.explorers.kernel_patterns import Array
from xception_edu.plots import style

WIDTH, HIGH, LOW = 390, 424, 262  # pixels of a panel, and the heights of the two rows
LEFT, TOP = 3, 26  # pixels: where drawings begin
ROOM = 384  # pixels of the mosaic's side
SIGNS = (style.SIGNS["plus"], style.SIGNS["minus"])
LEVELS = 3  # strengths of a weight in the mosaic, for each sign
SHADES = 8  # of the photographs
ROW = 48  # pixels of a pattern's line
BAR = (152, 186)  # left and width of a share's bar, in pixels
SIDE, PART = 102, 132  # pixels of a kernel that is shown large, and from one to the next
PICTURE, SHOWN = 150, 110  # pixels: where the photographs begin, and their sides
# of the chart: color, width and words of each line
LINES = (("quiet", 1.2, "one column times one row"), ("ink", 2.8, "a multiple of a pattern"))
AXIS = (40, 34, 340, 180)  # left, top, width and height of the chart, in pixels


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer's kernels (N, k, k) in the order of their patterns, and what each became."""

    name: str
    kernels: Array
    patterns: Array  # (P, k, k)
    pattern: np.ndarray  # of each kernel the number of its pattern
    scale: Array  # what the pattern is multiplied with
    explained: Array  # how much of the kernel that is
    separable: Array  # how much of it is one column times one row
    dead: int  # how many have no weights to speak of

    def shares(self) -> Array:
        """Of each pattern the share of kernels that are nearest to it."""
        return np.bincount(self.pattern, minlength=len(self.patterns)) / len(self.pattern)

    @cached_property
    def mosaic(self) -> bytes:
        """All kernels as a PNG."""
        return mosaic_png(self)


@dataclass(frozen=True)
class Chosen:
    """One kernel: as it is, as its pattern's multiple, and a picture before and after it."""

    words: str
    photo: Array
    kernel: Array | None = None
    fitted: Array | None = None
    after: Array | None = None


@dataclass(frozen=True)
class Profile:
    """Means of every layer, and those of random kernels."""

    explained: Sequence[float]
    separable: Sequence[float]
    chance: tuple[float, float]

    def lines(self) -> list[tuple[Sequence[float], float, str, float]]:
        """Values of every layer, that of random kernels, the color and the width."""
        values = zip((self.separable, self.explained), self.chance[::-1], LINES, strict=True)
        return [(every, chance, color, width) for every, chance, (color, width, _) in values]

    def point(self, at: int, value: float) -> tuple[float, float]:
        """Where a layer's value lies in the chart, in pixels."""
        left, top, wide, high = AXIS
        return left + (at + 0.5) * wide / len(self.explained), top + (1 - value) * high


# ---- the mosaic ----------------------------------------------------------------------------------


def draw_mosaic(layer: Layer, place: int | None) -> Scene:
    """All kernels of a layer, row by row in the order of their patterns, with lines between two
    patterns and a frame around the kernel that is chosen.
    """
    scene = Scene(WIDTH, HIGH)
    across, pixel = mosaic_size(len(layer.kernels), layer.kernels.shape[1])
    pitch = pixel * (layer.kernels.shape[1] + 1)
    rows = -(-len(layer.kernels) // across)
    scene.text("All kernels, ordered by pattern", LEFT, 10, bold=True)
    scene.image(layer.mosaic, LEFT, TOP, across * pitch, rows * pitch)
    if place is not None:
        row, column = divmod(place, across)
        gap = min(pixel / 2, LEFT - 1)
        x, y = LEFT + column * pitch - gap, TOP + row * pitch - gap
        side = pitch - pixel + 2 * gap
        scene.line(CHOSEN, frame(x, y, side, side), width=2.5)
    return scene


def mosaic_size(count: int, side: int) -> tuple[int, int]:
    """How many kernels lie in a row, and pixels a weight: as large as fits."""
    for pixel in range(16, 0, -1):
        across = ROOM // (pixel * (side + 1))
        if across and across * across >= count:
            return min(across, count), pixel
    return math.isqrt(count - 1) + 1, 1


def mosaic_png(layer: Layer) -> bytes:
    """A PNG with a pixel a weight, and one between two kernels, where patterns end in a dark line;
    each kernel is as strong as its largest weight.
    """
    kernels = layer.kernels
    count, side = len(kernels), kernels.shape[1]
    across, _ = mosaic_size(count, side)
    rows = -(-count // across)
    largest = np.abs(kernels).max(axis=(1, 2), keepdims=True)
    # square roots, so that small weights are seen too
    strength = np.sqrt(np.abs(kernels) / np.where(largest > 0, largest, 1))
    levels = (strength * LEVELS).round().astype(np.uint8)
    codes = np.zeros((rows * across, side + 1, side + 1), dtype=np.uint8)
    codes[:count, :side, :side] = np.where(kernels < 0, levels + (levels > 0) * LEVELS, levels)
    _mark_ends(codes, layer.pattern, across)
    grid = codes.reshape(rows, across, side + 1, side + 1).swapaxes(1, 2)
    return indexed_png(grid.reshape(rows * (side + 1), -1), *_palette())


def _mark_ends(codes: np.ndarray, pattern: np.ndarray, across: int) -> None:
    """Draw the border of each pattern into the pixels right of its kernels and below them."""
    line = 2 * LEVELS + 1
    ends = np.flatnonzero(np.diff(pattern))
    codes[ends, :, -1] = line
    for end in ends:
        codes[max(end + 1 - across, 0) : end + 1, -1, :] = line


def _palette() -> tuple[list[int], bytes]:
    """Colors of the levels, 0 first, then positive and negative ones, and how opaque they are; last
    that of lines.
    """
    above, below = (list(bytes.fromhex(color.removeprefix("#"))) for color in SIGNS)
    colors = [255] * 3 + above * LEVELS + below * LEVELS + [128] * 3
    steps = [round(255 * (level + 1) / LEVELS) for level in range(LEVELS)]
    return colors, bytes([0, *steps, *steps, 255])


def indexed_png(codes: np.ndarray, colors: Sequence[int], alphas: bytes) -> bytes:
    """A small PNG of numbers of colors, at most 16 of them."""
    picture = Image.fromarray(codes, "P")
    picture.putpalette(colors)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=alphas, bits=4, compress_level=9)
    return buffer.getvalue()


# ---- the patterns --------------------------------------------------------------------------------


def draw_pattern_rows(patterns: Array, names: Sequence[str]) -> Scene:
    """The patterns, each with its name and room for a bar."""
    scene = Scene(WIDTH, HIGH)
    side, middle = patterns.shape[1], ROW / 2 - 4
    pitch, (left, wide) = (ROW - 8) // side, BAR
    scene.text("Nearest to which pattern?", LEFT, 10, bold=True)
    for i, pattern in enumerate(patterns):
        y = TOP + i * ROW
        colors, strengths = signed(pattern, float(np.abs(pattern).max()))
        scene.rect("line", LEFT, y, side * pitch + 1, side * pitch + 1, opacity=0.35)
        scene.cells(LEFT + 1, y + 1, pitch, side, colors, strengths)
        scene.text(names[i], LEFT + 52, y + middle)
        scene.line("line", (left, y + middle, left + wide, y + middle), width=12)
        scene.click(None, LEFT, y, WIDTH - 8, ROW - 4, names[i], {"kernel": str(i + 1)})
    return scene


def draw_shares(rows: Scene, layer: Layer, chosen: int | None) -> Scene:
    """Upon the rows of the patterns, the share of kernels that are nearest to each."""
    scene, middle, (left, wide) = rows.copy(), ROW / 2 - 4, BAR
    if chosen is not None:
        scene.line(CHOSEN, frame(1, TOP + chosen * ROW - 3, WIDTH - 2, ROW - 2), width=2.5)
    shares = layer.shares()
    heights = [TOP + i * ROW + middle for i in range(len(shares))]
    bars = [(left, y, left + max(s * wide, 1), y) for y, s in zip(heights, shares, strict=True)]
    scene.line("quiet", *bars, width=12)
    scene.words([f"{share:.0%}" for share in shares], WIDTH - 24, TOP + middle, ROW, 1)
    return scene


# ---- one kernel ----------------------------------------------------------------------------------


def draw_chosen(chosen: Chosen) -> Scene:
    """A kernel as a multiple of its pattern and a rest, and what it does to a picture."""
    scene = Scene(WIDTH, LOW)
    scene.image(photo_png(chosen.photo), LEFT, PICTURE, SHOWN, SHOWN)
    for i in range(3):
        scene.rect("line", LEFT + i * PART, 22, SIDE + 1, SIDE + 1, opacity=0.35)
    for i, sign in enumerate("=+"):
        x = LEFT + (i + 1) * PART - 14
        scene.text(sign, x, 22 + SIDE / 2, size="title", anchor="middle")
    scene.text("→", LEFT + SHOWN + 18, PICTURE + SHOWN / 2, size="title", anchor="middle")
    for i, words in enumerate(("the kernel", "its pattern, scaled", "what is left")):
        scene.text(words, LEFT + i * PART, 22 + SIDE + 12, color="quiet", size="small")
    scene.text(chosen.words, LEFT, 10, bold=True)
    if chosen.kernel is None or chosen.fitted is None or chosen.after is None:
        return scene
    most = float(np.abs(chosen.kernel).max())
    parts = (chosen.kernel, chosen.fitted, chosen.kernel - chosen.fitted)
    for i, part in enumerate(parts):
        _cells(scene, part, LEFT + i * PART, most)
    _numbers(scene, chosen.kernel)
    scene.image(photo_png(chosen.after), LEFT + SHOWN + 36, PICTURE, SHOWN, SHOWN)
    return scene


def _cells(scene: Scene, kernel: Array, x: float, most: float) -> None:
    """A kernel's weights as colors, lighter than in the mosaic, so that numbers can be read."""
    side = kernel.shape[1]
    colors, strengths = signed(kernel, most)
    scene.cells(x + 1, 23, SIDE // side, side, colors, [0.45 * s for s in strengths])


def _numbers(scene: Scene, kernel: Array) -> None:
    """A kernel's weights written into its cells, where they have room."""
    side = kernel.shape[1]
    half = SIDE // side / 2
    if side <= 3:
        words = [f"{value:.2f}".replace("-", "−") for value in kernel.ravel()]
        scene.words(words, LEFT + half, 22 + half, 2 * half, side)


def photo_png(photo: Array) -> bytes:
    """A gray picture as a small PNG: the darkest value is black, the brightest white."""
    low, high = float(photo.min()), float(photo.max())
    levels = ((photo - low) / ((high - low) or 1) * (SHADES - 1)).round().astype(np.uint8)
    shades = [shade for i in range(SHADES) for shade in [255 * i // (SHADES - 1)] * 3]
    return indexed_png(levels, shades, b"")


# ---- all layers ----------------------------------------------------------------------------------


def draw_lines(profile: Profile) -> Scene:
    """Two lines over the layers, each beside what random kernels have; a click goes to a layer."""
    scene = Scene(WIDTH, LOW)
    left, top, wide, high = AXIS
    scene.text("All layers: how much of a kernel is …", LEFT, 10, bold=True)
    for share in (0, 0.5, 1):
        y = top + (1 - share) * high
        scene.line("line", (left, y, left + wide, y))
        scene.text(f"{share:.0%}", left - 6, y, color="quiet", size="small", anchor="end")
    for values, chance, color, width in profile.lines():
        run = [n for i, v in enumerate(values) for n in profile.point(i, v)]
        y = top + (1 - chance) * high
        scene.line(color, run, width=width)
        scene.line(color, (left, y, left + wide, y), width=width / 2, dash=True)
    pitch = wide / len(profile.explained)
    for i in range(len(profile.explained)):
        scene.click(i + 1, left + i * pitch, top, pitch, high, f"layer {i + 1}")
    for i, (color, width, label) in enumerate(LINES):
        x, y = left + i * 176, top + high + 16
        scene.line(color, (x, y, x + 18, y), width=width)
        scene.text(label, x + 24, y, size="small")
    y = top + high + 36
    scene.text("dashed: of random numbers", left, y, color="quiet", size="small")
    scene.text("layer →", left + wide, y, color="quiet", size="small", anchor="end")
    return scene


def draw_here(lines: Scene, profile: Profile, at: int) -> Scene:
    """Upon the lines of all layers, where this one is."""
    scene, (_, top, _, high) = lines.copy(), AXIS
    x, _ = profile.point(at, 0)
    scene.line("ink", (x, top, x, top + high), width=1.5)
    for values, _, color, _ in profile.lines():
        scene.dot(color, *profile.point(at, values[at]), 4.5, edge="ink")
    return scene
