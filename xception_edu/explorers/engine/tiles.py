"""Many small grids in one place: where each lies, and how their numbers are painted, the same way
in every explorer.
"""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

POSITIVE, NEGATIVE = "plus", "minus"  # colors of a number's sign


class Tiles(NamedTuple):
    """Where grids of equal size lie: `pitch` pixels a cell, the upper left corner of each, and the
    end of the last row.
    """

    pitch: int
    corners: list[tuple[int, int]]
    bottom: int


def tiles(
    count: int,
    columns: int,
    rows: int,
    *,
    left: int,
    top: int,
    width: int,
    height: int,
    gap: int,
    head: int = 0,
    least: int = 0,
    most: int = 99,
) -> Tiles:
    """`count` grids of `rows` x `columns` cells with the largest whole `pitch` that fits, `most` at
    most.

    All numbers but the first three are pixels: the place; the room between two grids, and that
    above each, for its name; how wide a grid and its gap are at `least`.
    """

    def pitch(across: int) -> int:
        down = -(-count // across)
        wide = (width - gap * (across - 1)) // (across * columns)
        return min(most, wide, (height - gap * (down - 1) - head * down) // (down * rows))

    fits = [n for n in range(1, count + 1) if n == 1 or n * least <= width]
    # no row half empty, if that costs nothing
    across = max(fits, key=lambda n: (pitch(n), -(-count % n), n))
    side = max(pitch(across), 1)
    wide, high = max(side * columns + gap, least), side * rows + gap + head
    corners = [(left + i % across * wide, top + head + i // across * high) for i in range(count)]
    return Tiles(side, corners, corners[-1][1] + side * rows)


def signed(values: np.ndarray, most: float) -> tuple[list[str], list[float]]:
    """Colors and strengths for `Scene.cells`: the colors of the numbers' signs, `most` the
    strongest.

    Strengths are square roots, so that small numbers are seen, too.
    """
    flat = np.ravel(values)
    strengths = np.sqrt(np.minimum(np.abs(flat) / (most or 1), 1)).tolist()
    return [NEGATIVE if v < 0 else POSITIVE for v in flat.tolist()], strengths


def gray(values: np.ndarray) -> bytes:
    """(height, width) as a PNG in shades of gray: white is the largest number, black 0; or less,
    where some are negative.
    """
    most = float(np.abs(values).max())
    lowest = -most if values.min() < 0 else 0
    shades = (values - lowest) / ((most - lowest) or 1) * 255
    buffer = io.BytesIO()
    Image.fromarray(shades.round().astype(np.uint8)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def frame(x: float, y: float, width: float, height: float) -> Sequence[float]:
    """A run for `Scene.line`: around a box."""
    right, bottom = x + width, y + height
    return x, y, right, y, right, bottom, x, bottom, x, y


def grid(
    pitch: int, x: float, y: float, columns: int, rows: int, every: int, down: int
) -> Sequence[Sequence[float]]:
    """Runs for `Scene.line`: the borders of a grid of cells, and a line after `every` columns and
    after `down` rows.
    """
    right, bottom = x + columns * pitch, y + rows * pitch
    upright = [
        (x + i * pitch - 0.5, y, x + i * pitch - 0.5, bottom) for i in range(0, columns + 1, every)
    ]
    level = [(x, y + i * pitch - 0.5, right, y + i * pitch - 0.5) for i in range(0, rows + 1, down)]
    return [*upright, *level]
