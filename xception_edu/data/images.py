"""Any image file to bytes that a network sees: decoded, upright, RGB or gray, cut and resized with
Pillow.
"""

import io
import math
import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from simplejpeg import decode_jpeg, decode_jpeg_header

Content = bytes | str | os.PathLike[str]  # of a file, or where it is
Box = tuple[float, float, float, float]  # left, top, right, bottom, as shares of width and height
ORIENTATION = 0x0112  # EXIF: above 4, the image lies on its side
# times as many pixels as needed remain when a JPEG is decoded smaller: fewer would show in the
# result
GAP = 2
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class BadImageError(ValueError):
    """An image that cannot be read: the message says which, and what is wrong with it."""


class View(NamedTuple):
    """How images become what the network sees: side in pixels, channels (1 or 3), center crop and
    resampling.
    """

    side: int
    channels: int = 3
    center_crop: float = 1.0
    resampling: str = "bilinear"


class RandomCut(NamedTuple):
    """A random cut: the smallest share of the area, and how many times wider than high, or higher
    than wide, at most.
    """

    area: float
    ratio: float = 4 / 3


def load_image(path: str | os.PathLike[str]) -> Image.Image:
    """An image file as upright 8-bit RGB: any mode Pillow reads, EXIF rotation applied,
    transparency over white.

    Of an animation the first frame. Raises BadImageError, a ValueError, that names the file if it
    is no image, or cut short.
    """
    with warnings.catch_warnings():
        # Pillow's about large or slightly odd files: they are read or they fail
        warnings.simplefilter("ignore")
        with _named(path, os.fspath(path)), Image.open(path) as image:
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))


def view(
    content: Content,
    name: str,
    how: View,
    cut: RandomCut | None = None,
    chance: random.Random | None = None,
) -> np.ndarray:
    """Bytes (channels, side, side) of an image file: its center, or with `cut` a part of it that
    `chance` decides.

    BadImageError, with the `name`, if the image cannot be read. For threads, which must not touch
    the filter of warnings: Pillow's are let through.
    """
    with _named(content, name):
        data = content if isinstance(content, bytes) else Path(content).read_bytes()
        plain = _plain_jpeg_size(data)
        width, height = plain or _upright_size(data)
        box = (
            center_box(width, height, how.center_crop)
            if cut is None
            else random_box(width, height, cut, chance)
        )
        times = int(min((box[2] - box[0]) * width, (box[3] - box[1]) * height) / (GAP * how.side))
        image = _fast_jpeg(data) if plain and times < 2 else None
        return resized(image or _slow_image(data, times), box, how)


def _plain_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of an ordinary JPEG, without EXIF, that may turn it; None for all other
    images.
    """
    if data[:2] != b"\xff\xd8" or b"Exif\x00" in data[:65536]:
        return None
    try:
        height, width, colors, _ = decode_jpeg_header(data)
    except ValueError:
        return None
    return (width, height) if colors in ("YCbCr", "Gray") else None


def _fast_jpeg(data: bytes) -> Image.Image | None:
    """The same pixels as Pillow's, sooner: its objects take longer than a small image. None where
    Pillow must look.
    """
    try:
        return Image.fromarray(decode_jpeg(data))
    except ValueError:
        return None


def _slow_image(data: bytes, times: int) -> Image.Image:
    """Any image by Pillow; of a JPEG that may be `times` smaller the half, a quarter or an eighth
    is decoded.
    """
    with Image.open(io.BytesIO(data)) as image:
        if times > 1:
            image.draft(None, (image.width // times, image.height // times))
        image.load()
        return _to_rgb(ImageOps.exif_transpose(image))


def _upright_size(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as image:
        return image.size[::-1] if image.getexif().get(ORIENTATION, 1) > 4 else image.size


@contextmanager
def _named(content: Content, name: str) -> Iterator[None]:
    """Whatever goes wrong with an image as a BadImageError."""
    try:
        yield
    except Exception as error:  # decoders raise what they like on broken files
        raise BadImageError(
            f"{name}: cannot be read as an image: {_reason(content, error)}"
        ) from error


def _reason(content: Content, error: Exception) -> str:
    try:
        size = len(content) if isinstance(content, bytes) else os.path.getsize(content)
    except OSError:
        size = -1
    if size == 0:
        return "it is empty (0 bytes)"
    if isinstance(error, UnidentifiedImageError):
        return "its bytes are of no kind that Pillow knows"
    return " ".join(str(error).split()) or type(error).__name__


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep_gray(image)
    if image.has_transparency_data:
        over = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(over, image.convert("RGBA")).convert("RGB")
    if image.mode == "LAB":
        return _from_lab(image)
    return image.convert("RGB")


def _from_deep_gray(image: Image.Image) -> Image.Image:
    """Gray of 16 bits and more (which Pillow's own conversion would clip at 255), by the range that
    its values suggest.
    """
    gray = np.nan_to_num(np.asarray(image, dtype=np.float64))
    largest = max(gray.max(), 0)
    ranges = (
        (65535,)
        if image.mode.startswith("I;16")
        else (1, 255, 65535)
        if image.mode == "F"
        else (255, 65535)
    )
    white = next((bound for bound in ranges if largest <= bound), largest)
    return Image.fromarray((gray.clip(0) * (255 / white)).round().astype(np.uint8)).convert("RGB")


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    return ImageCms.profileToProfile(
        image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )


# ---- cut and resized -----------------------------------------------------------------------------


def center_box(width: int, height: int, share: float = 1.0) -> Box:
    """The square in the center whose side is `share` of the shorter side."""
    side = share * min(width, height)
    x, y = side / width / 2, side / height / 2
    return 0.5 - x, 0.5 - y, 0.5 + x, 0.5 + y


def random_box(width: int, height: int, cut: RandomCut, chance: random.Random) -> Box:
    """A part of the image of area and ratio as `cut` allows, anywhere (Szegedy et al. 2014, Section
    6).

    Ten tries; where none fits, as in a very long image, the largest part in the center whose ratio
    is allowed.
    """
    for _ in range(10):
        area = chance.uniform(cut.area, 1) * width * height
        ratio = math.exp(chance.uniform(-1, 1) * math.log(cut.ratio))
        w, h = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if w <= width and h <= height:
            left, top = chance.uniform(0, width - w), chance.uniform(0, height - h)
            return (
                left / width,
                top / height,
                min(1.0, (left + w) / width),
                min(1.0, (top + h) / height),
            )
    w, h = min(width, height * cut.ratio), min(height, width * cut.ratio)
    return 0.5 - w / width / 2, 0.5 - h / height / 2, 0.5 + w / width / 2, 0.5 + h / height / 2


def resized(image: Image.Image, box: Box, how: View) -> np.ndarray:
    """Bytes (channels, side, side) of the part of an RGB image in `box`."""
    pixels = tuple(share * length for share, length in zip(box, image.size * 2, strict=True))
    if how.channels == 1:
        image = image.convert("L")
    image = image.resize((how.side, how.side), RESAMPLING[how.resampling], box=pixels)
    rows = np.asarray(image)
    return np.ascontiguousarray(rows[None] if how.channels == 1 else rows.transpose(2, 0, 1))
