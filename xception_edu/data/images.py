"""Any image file to the bytes that a network sees: upright, RGB or gray, cropped and resized."""

import io
import math
import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

try:
    import simplejpeg  # type: ignore[import-untyped]
except ImportError:  # Pillow decodes, to the same pixels but more slowly
    simplejpeg = None

Content = bytes | str | os.PathLike[str]  # of a file, or where it is
Box = tuple[float, float, float, float]  # left, top, right, bottom, as shares of width and height
ORIENTATION = 0x0112  # EXIF: above 4, the image lies on its side
# A JPEG is decoded smaller only to this many times the size that is wanted, or more: less would
# show in the result.
MIN_OVERSAMPLING = 2
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class BadImageError(ValueError):
    """An image that cannot be read: the message says which, and what is wrong with it."""


class Preprocessing(NamedTuple):
    """How an image file becomes what the network sees."""

    size: int  # side in pixels
    channels: int = 3  # or 1, for gray
    center_crop: float = 1.0  # side of the center crop, as a share of the shorter side
    resampling: str = "bilinear"


class RandomResizedCrop(NamedTuple):
    """A random crop of at least `scale` of the area, its aspect ratio from 1/ratio to ratio.

    As torchvision's RandomResizedCrop with scale=(scale, 1) and ratio=(1/ratio, ratio).
    """

    scale: float
    ratio: float = 4 / 3


def load_image(path: str | os.PathLike[str]) -> Image.Image:
    """An image file as upright 8-bit RGB, whatever mode it has.

    EXIF rotation is applied, what is transparent is laid over white, and an animation gives its
    first frame. BadImageError, a ValueError, names the file if it is no image, or truncated.
    """
    with warnings.catch_warnings():
        # Pillow's about large or slightly odd files: they are read or they fail
        warnings.simplefilter("ignore")
        with _named(path, os.fspath(path)):
            return _slow_image(Path(path).read_bytes())


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
    with _named(content, name):
        data = content if isinstance(content, bytes) else Path(content).read_bytes()
        plain = _plain_jpeg_size(data)
        width, height = plain or _upright_size(data)
        if crop is None or rng is None:
            box = center_box(width, height, preprocessing.center_crop)
        else:
            box = random_box(width, height, crop, rng)
        shorter = min((box[2] - box[0]) * width, (box[3] - box[1]) * height)
        times = int(shorter / (MIN_OVERSAMPLING * preprocessing.size))
        image = _fast_jpeg(data) if plain and times < 2 else None
        return crop_and_resize(image or _slow_image(data, times), box, preprocessing)


def _plain_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG for `_fast_jpeg`; None for all other images.

    With EXIF a JPEG may be turned, so it is none of them.
    """
    if simplejpeg is None or data[:2] != b"\xff\xd8" or b"Exif\x00" in data[:65536]:
        return None
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    return (width, height) if colors in ("YCbCr", "Gray") else None


def _fast_jpeg(data: bytes) -> Image.Image | None:
    """The same pixels as Pillow's, sooner; None where Pillow must try."""
    try:
        return Image.fromarray(simplejpeg.decode_jpeg(data))
    except ValueError:
        return None


def _slow_image(data: bytes, times: int = 1) -> Image.Image:
    """Any image by Pillow; a JPEG that may be `times` smaller at 1/2, 1/4 or 1/8 of its sides."""
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
        reason = _reason(content, error)
        raise BadImageError(f"{name}: cannot be read as an image: {reason}") from error


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
    """Gray of 16 bits and more, scaled by the range that its values suggest.

    Pillow's own conversion would clip it at 255.
    """
    gray = np.nan_to_num(np.asarray(image, dtype=np.float64))
    largest = max(gray.max(), 0)
    whites = {"F": (1, 255, 65535), "I": (255, 65535)}.get(image.mode, (65535,))
    white = next((bound for bound in whites if largest <= bound), largest)
    return Image.fromarray((gray.clip(0) * (255 / white)).round().astype(np.uint8)).convert("RGB")


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return cast(Image.Image, ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB"))


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
