"""Decoding and cropping: every kind of file, crops inside the image, and the same pixels whichever
library decodes.
"""

import random
import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from tests.helpers.image_files import PHOTOS, encoded, photograph
from xception_edu.data.image_files import decoded, fast_jpeg, open_image
from xception_edu.data.images import (
    BadImageError,
    Preprocessing,
    RandomResizedCrop,
    center_box,
    load_array,
    load_image,
    random_box,
)

sides = st.integers(1, 5000)
PHOTO = photograph(1, (64, 48))


def shown(content, side=48, **options):
    return load_array(content, "x", Preprocessing(side, **options))


# ---- crops ---------------------------------------------------------------------------------------


@given(sides, sides, st.floats(0.01, 1), st.floats(1, 4), st.integers(0, 99))
def test_a_random_crop_lies_in_the_image_and_has_area_and_ratio_as_allowed(
    width, height, area, ratio, seed
):
    left, top, right, bottom = random_box(
        width, height, RandomResizedCrop(area, ratio), random.Random(seed)
    )
    assert -1e-9 <= left < right <= 1 + 1e-9
    assert -1e-9 <= top < bottom <= 1 + 1e-9
    w, h = (right - left) * width, (bottom - top) * height
    assert 1 / ratio - 1e-6 <= w / h <= ratio + 1e-6
    # of the ratios that are allowed, the one nearest to the image's own
    largest = max(1 / ratio, min(ratio, width / height))
    fits = min(width, height * largest) * min(height, width / largest) / (width * height)
    assert (right - left) * (bottom - top) >= min(area, fits) - 1e-6


def test_random_crops_reach_every_corner_and_every_area():
    boxes = np.array(
        [
            random_box(300, 200, RandomResizedCrop(0.1, 4 / 3), random.Random(seed))
            for seed in range(2000)
        ]
    )
    assert boxes[:, :2].min() < 0.01
    assert boxes[:, 2:].max() > 0.99
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    assert areas.min() < 0.12
    assert areas.max() > 0.8
    # even, where every shape fits
    assert areas[areas < 0.6].mean() == pytest.approx(0.35, abs=0.02)


@given(sides, sides, st.floats(0.1, 1))
def test_the_center_crop_is_a_square_in_the_center(width, height, share):
    left, top, right, bottom = center_box(width, height, share)
    assert (right - left) * width == pytest.approx(share * min(width, height))
    assert (bottom - top) * height == pytest.approx(share * min(width, height))
    assert left + right == pytest.approx(1)
    assert top + bottom == pytest.approx(1)


def test_the_same_rng_crops_the_same_and_another_another():
    content, crop = encoded(PHOTO), RandomResizedCrop(0.2)
    one, same, other = (
        load_array(content, "x", Preprocessing(16), crop, random.Random(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_center_crop_of_the_same_side_is_the_pixels_themselves():
    expected = np.asarray(PHOTO)[:, 8:56].transpose(2, 0, 1)
    assert np.array_equal(shown(encoded(PHOTO, "PNG")), expected)


# ---- every kind ----------------------------------------------------------------------------------

SIXTEEN_BITS = Image.fromarray(np.asarray(PHOTO.convert("L")).astype(np.uint16) * 257)
EXIF = Image.Exif()
EXIF[0x0112] = 6
GRAY = PHOTO.convert("L").convert("RGB")


@pytest.mark.parametrize(
    ("content", "expected", "most"),
    [
        (encoded(PHOTO, "PNG"), PHOTO, 0),
        (encoded(PHOTO, "JPEG", quality=95), PHOTO, 4),
        (encoded(PHOTO, "WEBP"), PHOTO, 8),
        (encoded(PHOTO.convert("CMYK"), "JPEG", quality=95), PHOTO, 5),
        (encoded(PHOTO.convert("CMYK"), "TIFF"), PHOTO, 1),
        (encoded(SIXTEEN_BITS, "PNG"), GRAY, 1),
        (encoded(PHOTO.convert("L"), "JPEG", quality=95), GRAY, 3),
        (encoded(PHOTO.quantize(256), "PNG"), PHOTO, 7),
        (encoded(PHOTO.convert("RGBA"), "PNG"), PHOTO, 0),
        (encoded(PHOTO.rotate(90, expand=True), "JPEG", quality=95, exif=EXIF), PHOTO, 4),
        (encoded(PHOTO.rotate(90, expand=True), "PNG", exif=EXIF), PHOTO, 0),
    ],
    ids=[
        "png",
        "jpeg",
        "webp",
        "cmyk jpeg",
        "cmyk tiff",
        "16 bits",
        "gray",
        "palette",
        "alpha",
        "turned",
        "turned png",
    ],
)
def test_every_kind_shows_the_same_photograph(content, expected, most):
    wanted = np.asarray(expected)[:, 8:56].transpose(2, 0, 1).astype(float)
    assert np.abs(shown(content) - wanted).mean() <= most


def test_gray_has_one_channel_if_the_network_has():
    assert shown(encoded(PHOTO), channels=1).shape == (1, 48, 48)
    assert np.array_equal(
        shown(encoded(PHOTO, "PNG"), channels=1)[0], np.asarray(PHOTO.convert("L"))[:, 8:56]
    )


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    "options", [{"subsampling": s} for s in (0, 1, 2)] + [{"progressive": True}, {"quality": 30}]
)
@pytest.mark.parametrize("size", [(64, 48), (33, 17), (1, 1)])
def test_the_fast_decoder_gives_pillows_pixels(mode, options, size):
    content = encoded(PHOTO.resize(size).convert(mode), "JPEG", **options)
    fast = fast_jpeg(content)
    assert fast is not None
    assert np.array_equal(np.asarray(fast), np.asarray(decoded(open_image(content))))


def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(monkeypatch):
    content = encoded(PHOTOS[0], "JPEG", quality=95)  # 640 x 427
    quick = shown(content, 32)
    monkeypatch.setattr(JpegImageFile, "draft", lambda *_: None)
    assert 0 < np.abs(quick.astype(float) - shown(content, 32)).mean() < 2


# ---- what cannot be read -------------------------------------------------------------------------


def cut_short(kind):
    content = encoded(PHOTOS[0].resize((160, 120)), kind)
    return content[: len(content) * 2 // 3]


BAD = {
    "empty": (b"", "it is empty \\(0 bytes\\)"),
    "text": (b"no image at all", "its bytes are of no kind of image"),
    "short jpeg": (cut_short("JPEG"), "truncated"),
    "short png": (cut_short("PNG"), "truncated|broken"),
    "header only": (encoded(PHOTO)[:20], "."),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("how", ["bytes", "file"])
def test_what_cannot_be_read_is_named_with_its_reason(kind, how, tmp_path):
    content, reason = BAD[kind]
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    with pytest.raises(BadImageError, match=rf"^row 7: cannot be read as an image: .*({reason})"):
        load_array(content if how == "bytes" else path, "row 7", Preprocessing(16))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadImageError, match="gone.jpg: cannot be read as an image: .*No such file"):
        load_array(tmp_path / "gone.jpg", "gone.jpg", Preprocessing(16))


@given(st.binary(max_size=300), st.integers(0, 999), st.integers(0, 255))
def test_damage_is_read_or_named_and_nothing_else(noise, place, value):
    content = bytearray(encoded(PHOTO))
    content[place % len(content)] = value
    for data in (noise, noise + bytes(content), bytes(content)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                said, shape = "", load_array(data, "x", Preprocessing(8)).shape
            except BadImageError as error:
                said, shape = str(error), None
        assert shape == (3, 8, 8) or re.fullmatch("x: cannot be read as an image: .+", said)


def test_a_file_loads_as_its_bytes_do(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(encoded(PHOTO, "PNG"))
    assert np.array_equal(np.asarray(load_image(path)), np.asarray(PHOTO))
