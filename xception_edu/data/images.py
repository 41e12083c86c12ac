"""Any image file to the bytes that a network sees: upright, RGB or gray, cropped and resized."""

import math
import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from xception_edu import checks
from xception_edu.data.image_files import (
    JPEG,
    MAX_PIXELS,
    decoded,
    fast_jpeg,
    open_image,
    orientation_of,
    read_regular,
    turn_upright,
)

Content = bytes | str | os.PathLike[str]  # of a file, or where it is
Box = tuple[float, float, float, float]  # left, top, right, bottom, as shares of width and height

LARGE = 100_000_000  # pixels: a larger JPEG is decoded at half its sides, or less
# A JPEG is decoded smaller only to this many times the size that is wanted, or more: less would
# show in the result.
MIN_OVERSAMPLING = 2
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

ON_ITS_SIDE = (5, 6, 7, 8)


class BadImageError(ValueError):
    """An image that cannot be read: the message says which, and what is wrong with it."""


class Preprocessing(NamedTuple):
    """How an image file becomes what the network sees."""

    size: int  # side in pixels
    channels: int = 3  # or 1, for gray
    center_crop: float = 1.0  # side of the center crop, as a share of the shorter side
    resampling: str = "bilinear"
    max_pixels: int = MAX_PIXELS  # of a file; more are refused


class RandomResizedCrop(NamedTuple):
    """A random crop of at least `scale` of the area, its aspect ratio from 1/ratio to ratio.

    As torchvision's RandomResizedCrop with scale=(scale, 1) and ratio=(1/ratio, ratio).
    """

    scale: float
    ratio: float = 4 / 3


def load_image(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """An image file as upright 8-bit RGB, whatever mode it has.

    What is transparent is laid over white, and an animation gives its first frame; a JPEG of more
    than 100 megapixels is half as large, or less. BadImageError, a ValueError, names the file if it
    is no image, or truncated, or has more than `max_pixels`.
    """
    path = checks.path("path", path)
    with warnings.catch_warnings():
        # Pillow's about slightly odd files: they are read or they fail
        warnings.simplefilter("ignore")
        with _named(os.fspath(path)), open_image(read_regular(path), max_pixels) as image:
            times = math.ceil(math.sqrt(image.width * image.height / LARGE))
            return turn_upright(decoded(image, times), orientation_of(image))


def load_array(
    content: Content,
    name: str,
    preprocessing: Preprocessing,
    crop: RandomResizedCrop | None = None,
    rng: random.Random | None = None,
) -> np.ndarray:
    """Bytes (channels, size, size) of an image file: its center, or with `crop` a random crop.

    `rng` decides the crop. BadImageError, with the `name`, if the image cannot be read. For
    threads, which must not touch the filter of warnings: Pillow's are let through.
    """
    with _named(name):
        data = content if isinstance(content, bytes) else read_regular(content)
        with open_image(data, preprocessing.max_pixels) as image:
            orientation = orientation_of(image)
            sides = image.size[::-1] if orientation in ON_ITS_SIDE else image.size
            if crop is None or rng is None:
                box = center_box(*sides, preprocessing.center_crop)
            else:
                box = random_box(*sides, crop, rng)
            shorter = min((box[2] - box[0]) * sides[0], (box[3] - box[1]) * sides[1])
            times = int(shorter / (MIN_OVERSAMPLING * preprocessing.size))
            fast = fast_jpeg(data) if times < 2 and image.format in JPEG else None
            upright = turn_upright(fast or decoded(image, times), orientation)
        return crop_and_resize(upright, box, preprocessing)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Whatever goes wrong with an image as a BadImageError."""
    try:
        yield
    except Exception as error:  # decoders raise what they like on broken files
        reason = _reason(error)
        shown = name if len(name) <= 150 else f"{name[:40]}...{name[-107:]}"
        message = checks.line(f"{shown}: cannot be read as an image: {reason}")
        raise BadImageError(message) from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "its bytes are of no kind of image that is read here"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:150] or type(error).__name__


# ---- cropped and resized -------------------------------------------------------------------------


def center_box(width: int, height: int, share: float = 1.0) -> Box:
    """The square in the center whose side is `share` of the shorter side."""
    side = share * min(width, height)
    x, y = side / width / 2, side / height / 2
    return 0.5 - x, 0.5 - y, 0.5 + x, 0.5 + y


def random_box(width: int, height: int, crop: RandomResizedCrop, rng: random.Random) -> Box:
    """A random crop, anywhere in the image (Szegedy et al. 2014, Section 6).

    Ten tries; where none fits, as in a very long image, the largest crop in the center whose ratio
    is allowed.
    """
    for _ in range(10):
        area = rng.uniform(crop.scale, 1) * width * height
        ratio = math.exp(rng.uniform(-1, 1) * math.log(crop.ratio))
        w, h = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if w <= width and h <= height:
            left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
            right, bottom = min(1.0, (left + w) / width), min(1.0, (top + h) / height)
            return left / width, top / height, right, bottom
    w, h = min(width, height * crop.ratio), min(height, width * crop.ratio)
    return 0.5 - w / width / 2, 0.5 - h / height / 2, 0.5 + w / width / 2, 0.5 + h / height / 2


def crop_and_resize(image: Image.Image, box: Box, preprocessing: Preprocessing) -> np.ndarray:
    """Bytes (channels, size, size) of the part of an RGB image in `box`."""
    size, resampling = preprocessing.size, RESAMPLING[preprocessing.resampling]
    left, top, right, bottom = box
    width, height = image.size
    if preprocessing.channels == 1:
        image = image.convert("L")
    pixels = (left * width, top * height, right * width, bottom * height)
    rows = np.asarray(image.resize((size, size), resampling, box=pixels))
    return np.ascontiguousarray(rows[None] if rows.ndim == 2 else rows.transpose(2, 0, 1))
