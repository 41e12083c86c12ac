"""Whether the pictures that a notebook makes are those that it was saved with."""

import base64
import io

import numpy as np
from PIL import Image

# root mean square over pixels, of 255: the versions are pinned, so a picture may hardly differ
TOLERANCE = 0.5
# The most that a cell may ask for by its metadata `picture_tolerance`: the curve of a training's
# first steps is another on each kind of processor. Compared by squares of so many pixels, since a
# line that lies a little higher is another line to each pixel: so it differs by 5 between AVX2 and
# AVX-512, and a curve that tells something else by 12 or more (by 17 and 25, pixel by pixel).
MOST_TOLERANCE, SQUARE = 8.0, 16


def png_images(outputs):
    """The PNG pictures among a cell's outputs, a widget's picture included, as arrays (height,
    width, 3) of 0 to 255.
    """
    encoded = [o.get("data", {}).get("image/png") for o in outputs]
    opened = (Image.open(io.BytesIO(base64.b64decode(e))) for e in encoded if e)
    return [np.asarray(image.convert("RGB"), dtype=np.float32) for image in opened]


def difference(saved, new, asked=None):
    """Why two lists of pictures are not the same, or None; `asked` is what a cell asks for."""
    tolerance = TOLERANCE if asked is None else min(asked, MOST_TOLERANCE)
    if len(saved) != len(new):
        return f"{len(saved)} saved pictures, {len(new)} new"
    for i, (a, b) in enumerate(zip(saved, new, strict=True)):
        if a.shape != b.shape:
            return (
                f"picture {i} was {a.shape[1]}x{a.shape[0]} pixels, and is"
                f" {b.shape[1]}x{b.shape[0]}"
            )
        if asked is not None:
            a, b = coarse(a), coarse(b)
        rms = float(np.sqrt(((a - b) ** 2).mean()))
        if rms > tolerance:
            return (
                f"picture {i} differs by {rms:.2f} of 255 (root mean square), and may by"
                f" {tolerance}"
            )
    return None


def coarse(image):
    """The picture with the average of each square in its place; what is over at the edges is left
    out.
    """
    rows, columns = (side // SQUARE for side in image.shape[:2])
    squares = image[: rows * SQUARE, : columns * SQUARE].reshape(rows, SQUARE, columns, SQUARE, 3)
    return squares.mean(axis=(1, 3))
