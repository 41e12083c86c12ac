"""Image files opened, turned upright and made RGB: one way for training and predicting.

A file may be from a stranger: only regular files are read, only formats that Pillow decodes by
itself, and up to a number of bytes and pixels.
"""

import argparse
import functools
import io
import os
import stat
import struct
from typing import Any, cast

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from xception_edu import checks

try:
    import simplejpeg  # type: ignore[import-untyped]
except ImportError:  # Pillow decodes, to the same pixels but more slowly
    simplejpeg = None

# What Pillow decodes by itself, in the order in which it is tried. What is missing: EPS and WMF
# would start a program, such as Ghostscript, on a stranger's file; the rest are no photographs.
FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000", "DIB", "ICO", "ICNS"),
    *("PSD", "QOI", "DDS", "SGI", "PCX", "DCX", "SUN", "MSP", "IM", "XBM", "XPM", "TGA"),
)
JPEG = ("JPEG", "MPO")  # what Pillow calls an opened JPEG; an MPO is several in a row
MAX_PIXELS = 250_000_000  # of an image; photographs of 200 megapixels are taken by telephones
MOST_PIXELS = 10**12  # that this bound may be raised to: more than any file has
MAX_BYTES = 2**30  # of a file

ORIENTATION = 0x0112  # EXIF
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def add_max_pixels(parser: argparse.ArgumentParser) -> None:
    """Add the flag that raises the bound of pixels."""
    parser.add_argument(
        "--max-pixels",
        type=int,
        default=MAX_PIXELS,
        help=f"of an image; one of more is refused, since it would fill the memory (default"
        f" {MAX_PIXELS})",
    )


@functools.cache
def image_suffixes() -> frozenset[str]:
    """The ends of the names of files in one of FORMATS, as Pillow lists them."""
    Image.init()
    kinds = {kind for kind in FORMATS if kind in Image.OPEN} | {"MPO"}
    return frozenset(
        suffix for suffix, kind in Image.registered_extensions().items() if kind in kinds
    )


def read_regular(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a file on a disk: a pipe or a device, which may never end, is a ValueError."""
    with open(os.fspath(path), "rb", opener=_opened_at_once) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no regular file")
        if status.st_size > max_bytes:
            raise ValueError(
                f"it has {status.st_size:,} bytes, but must have {max_bytes:,} or less"
            )
        return file.read(status.st_size)


def _opened_at_once(path: str, flags: int) -> int:
    """The descriptor of a file; a pipe without a writer would be waited for otherwise."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def check_max_pixels(max_pixels: object) -> int:
    """The bound of pixels; ValueError where it is none."""
    return checks.integer("max_pixels", max_pixels, at_most=MOST_PIXELS)


def open_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The image of a file's bytes in one of FORMATS; of a JPEG only the header is read so far.

    Of other formats some have their notes, such as the orientation, behind the pixels.
    """
    if not data:
        raise ValueError("it is empty (0 bytes)")
    image = _opened(data)
    if image.width * image.height > max_pixels:
        raise ValueError(
            f"it has {image.width} x {image.height} pixels, but must have {max_pixels:,} or less;"
            " --max-pixels raises that"
        )
    if image.format not in JPEG:
        image.load()
    return image


def _opened(data: bytes) -> Image.Image:
    """As PIL.Image.open, whose bound of pixels is one for the whole process."""
    Image.init()
    stream = io.BytesIO(data)
    for name in FORMATS:
        factory, accept = Image.OPEN.get(name, (None, None))
        accepted = accept(data[:16]) if accept else True
        if factory is None or not accepted or isinstance(accepted, str):
            continue
        stream.seek(0)
        try:
            return factory(stream, "")
        except (SyntaxError, IndexError, TypeError, struct.error):
            continue  # is of another format
    raise UnidentifiedImageError


def orientation_of(image: Image.Image) -> int:
    """How an opened image must be turned, a key of TURNS, or 1: by its EXIF, or else its XMP.

    Notes that cannot be read turn nothing.
    """
    try:
        value = image.getexif().get(ORIENTATION, 1)
        return int(value) if value in TURNS else 1
    except Exception:  # what parsers raise on broken notes; the pixels are none the worse
        return 1


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image as it is to be seen."""
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def decoded(image: Image.Image, times: int = 1) -> Image.Image:
    """An opened image in RGB; a JPEG that may be `times` smaller is, at 1/2, 1/4 or 1/8."""
    if times > 1:
        image.draft(None, (image.width // times, image.height // times))
    image.load()
    return _to_rgb(image)


def fast_jpeg(data: bytes) -> Image.Image | None:
    """The same pixels as Pillow's, sooner; None where Pillow must try."""
    if simplejpeg is None:
        return None
    try:
        colors = simplejpeg.decode_jpeg_header(data)[2]
        if colors not in ("YCbCr", "Gray"):
            return None
        return Image.fromarray(simplejpeg.decode_jpeg(data))
    except ValueError:
        return None


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
    """Gray of more than 8 bits, scaled by the range of the file's type.

    Pillow's own conversion would clip it at 255. ValueError if a value is no number, or most are
    above the range: such files are meant otherwise.
    """
    gray, white = np.asarray(image).astype(np.float32), white_of(image)
    if not np.isfinite(gray).all():
        raise ValueError("some of its values are not finite")
    if (gray > white).mean() > 0.5:
        raise ValueError(
            f"its values are taken as gray from 0 to {white} (16 bits: to 65535, floats: to 1,"
            " integers of 32 bits: to 255), but more than half of them are above"
        )
    gray = gray.clip(0, white) * (255 / white)
    if _tiff_tag(image, TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 1) == 0:
        gray = 255 - gray  # "white is zero", which Pillow minds with 8 bits only
    return Image.fromarray(gray.round().astype(np.uint8)).convert("RGB")


def white_of(image: Image.Image) -> int:
    """The value that means white in a deep gray image, by the type of its file alone.

    That of floats is 1. Integers of 32 bits mean 255, as to Pillow, where they are those of a TIFF;
    in other files they hold gray of 16 bits.
    """
    if image.mode == "F":
        return 1
    if image.mode == "I":
        return 255 if image.format in ("TIFF", "IM") else 65535
    bits = _tiff_tag(image, TiffImagePlugin.BITSPERSAMPLE, (16,))
    return 2 ** int(bits[0]) - 1


def _tiff_tag(image: Image.Image, tag: int, default: Any) -> Any:
    return getattr(image, "tag_v2", {}).get(tag, default)


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return cast(Image.Image, ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB"))
