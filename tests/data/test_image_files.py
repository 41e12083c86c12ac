"""Files from strangers: opened in one way for training and predicting, or refused in one line."""

import io
import os
import random
import re
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image, TiffImagePlugin

from tests.helpers.image_files import encoded, photograph
from xception_edu.data import images
from xception_edu.data.image_files import (
    TURNS,
    image_suffixes,
    open_image,
    read_regular,
    white_of,
)
from xception_edu.data.images import (
    BadImageError,
    Preprocessing,
    center_box,
    crop_and_resize,
    load_array,
    load_image,
)

PHOTO = photograph(1, (64, 48))
SIDE = 40
PROFILE = b"i" * 65000  # twice in front of the notes: longer than what a hasty reader looks at
XMP = (
    "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF"
    " xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description"
    " xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation=\"{}\"/></rdf:RDF></x:xmpmeta>"
)


def exif(orientation):
    notes = Image.Exif()
    notes[0x0112] = orientation
    return notes


def with_segment(jpeg, marker, payload):
    """A JPEG with one more segment of notes, before all others."""
    head = bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2)
    return jpeg[:2] + head + payload + jpeg[2:]


def turned(image, orientation):
    """The image as a camera stores it with that orientation: upright again when it is undone."""
    undo = {6: 8, 8: 6}.get(orientation, orientation)
    return image.transpose(TURNS[undo]) if undo in TURNS else image


def file_of(kind, image, orientation):
    """The bytes of an image file whose notes give its orientation in the way of that kind."""
    if kind == "tiff":
        return encoded(image, "TIFF", tiffinfo={0x0112: orientation})
    if kind == "xmp jpeg":
        notes = b"http://ns.adobe.com/xap/1.0/\0" + XMP.format(orientation).encode()
        return with_segment(encoded(image, "JPEG", quality=95), 0xE1, notes)
    if kind == "xmp webp":
        return encoded(image, "WEBP", lossless=True, xmp=XMP.format(orientation).encode())
    if kind == "profile jpeg":
        jpeg = encoded(image, "JPEG", quality=95, exif=exif(orientation))
        for number in (1, 2):
            jpeg = with_segment(jpeg, 0xE2, b"ICC_PROFILE\0" + bytes([number, 2]) + PROFILE)
        return jpeg
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}.get(kind, {})
    return encoded(image, kind, exif=exif(orientation), **options)


KINDS = ["JPEG", "PNG", "WEBP", "AVIF", "tiff", "xmp jpeg", "xmp webp", "profile jpeg"]


# ---- one way for both ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_training_and_predicting_see_the_same_upright_picture(kind, tmp_path):
    for orientation in range(10):
        content = file_of(kind, turned(PHOTO, orientation), orientation)
        (tmp_path / "x").write_bytes(content)
        predicted, preprocessing = load_image(tmp_path / "x"), Preprocessing(SIDE)
        seen = load_array(content, "x", preprocessing)
        assert predicted.size == PHOTO.size
        assert np.array_equal(
            seen, crop_and_resize(predicted, center_box(*PHOTO.size), preprocessing)
        )
        assert np.abs(np.asarray(predicted, float) - np.asarray(PHOTO, float)).mean() < 8


def test_notes_that_are_broken_turn_nothing():
    content = encoded(PHOTO, "JPEG", quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seen = load_array(content, "x", Preprocessing(SIDE))
    assert np.array_equal(
        seen, load_array(encoded(PHOTO, "JPEG", quality=95), "x", Preprocessing(SIDE))
    )


@given(st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "F"]))
def test_every_mode_that_a_tiff_holds_is_the_same_both_ways(tmp_path_factory, mode):
    path = tmp_path_factory.mktemp("mode") / "x.tif"
    if mode in ("I;16", "F"):
        gray = np.asarray(PHOTO.convert("L"))
        deep = gray.astype(np.uint16) * 257 if mode == "I;16" else gray.astype(np.float32) / 255
        Image.fromarray(deep).save(path)
    else:
        image = PHOTO if mode == "LAB" else PHOTO.convert(mode)
        image.save(path)
    expected = crop_and_resize(load_image(path), center_box(*PHOTO.size), Preprocessing(SIDE))
    assert np.array_equal(load_array(path, "x", Preprocessing(SIDE)), expected)


# ---- deep gray -----------------------------------------------------------------------------------


def test_white_is_what_the_type_of_the_file_says():
    whites = {
        encoded(Image.new("I;16", (2, 2)), "TIFF"): 65535,
        encoded(Image.new("I;16", (2, 2)), "PNG"): 65535,
        encoded(Image.new("I;16", (2, 2)), "PPM"): 65535,
        encoded(Image.new("I", (2, 2)), "TIFF"): 255,
        encoded(Image.new("F", (2, 2)), "TIFF"): 1,
    }
    assert {content: white_of(open_image(content)) for content in whites} == whites


def test_white_may_be_zero_in_a_tiff():
    gray = Image.fromarray(np.full((40, 40), 60000, np.uint16))
    tags = {TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: 0}
    content = bytearray(encoded(gray, "TIFF"))
    entry = struct.pack("<HHI", 262, 3, 1)
    place = content.index(entry) + len(entry)
    content[place : place + 2] = struct.pack("<H", tags[262])
    assert load_array(bytes(content), "x", Preprocessing(8)).max() == 255 - round(60000 / 257)


# ---- what is no file of an image -----------------------------------------------------------------


def test_no_program_is_started_for_an_eps_that_is_called_a_jpeg(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: started.append(1))
    path = tmp_path / "a.jpg"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 48 40\n%%EndComments\nshowpage\n"
    )
    with pytest.raises(BadImageError, match="its bytes are of no kind of image that is read here"):
        load_image(path)
    assert not started


def test_suffixes_are_those_that_pillow_reads_without_a_program():
    suffixes = image_suffixes()
    assert {".jpg", ".jfif", ".png", ".avif", ".jp2", ".webp", ".tif", ".pgm", ".mpo"} <= suffixes
    assert not {".eps", ".ps", ".wmf", ".pdf", ".svg", ".mpg", ".h5"} & suffixes


def irregular(kind, folder):
    path = folder / "x.jpg"
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "an endless device":
        path.symlink_to("/dev/zero")
    elif kind == "a link to nothing":
        path.symlink_to(folder / "gone")
    else:
        with open(path, "wb") as file:
            file.truncate(2**40)
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes and devices are Unix's")
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("a pipe", "it is no regular file"),
        ("a folder", "Is a directory"),
        ("an endless device", "it is no regular file"),
        ("a link to nothing", "No such file"),
        ("a terabyte", "must have 1,073,741,824 or less"),
    ],
)
def test_only_regular_files_of_a_bounded_size_are_read(kind, says, tmp_path):
    path = irregular(kind, tmp_path)
    for read in (load_image, lambda path: load_array(path, str(path), Preprocessing(8))):
        with pytest.raises(BadImageError, match=rf"x\.jpg: cannot be read as an image: .*{says}"):
            read(path)


def test_a_file_is_read_whole(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert read_regular(tmp_path / "x", 3) == b"abc"
    with pytest.raises(ValueError, match="it has 3 bytes, but must have 2 or less"):
        read_regular(tmp_path / "x", 2)


# ---- sizes ---------------------------------------------------------------------------------------


def test_the_bound_of_pixels_is_stated_and_may_be_raised(tmp_path):
    content = encoded(PHOTO, "PNG")
    (tmp_path / "x.png").write_bytes(content)
    says = "it has 64 x 48 pixels, but must have 3,071 or less; --max-pixels raises that"
    with pytest.raises(BadImageError, match=says):
        load_array(content, "x", Preprocessing(8, max_pixels=64 * 48 - 1))
    with pytest.raises(BadImageError, match=says):
        load_image(tmp_path / "x.png", max_pixels=64 * 48 - 1)
    assert load_array(content, "x", Preprocessing(8, max_pixels=64 * 48)).shape == (3, 8, 8)


def test_a_photograph_beyond_pillows_own_bound_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr(images, "LARGE", 1000)
    PHOTO.save(tmp_path / "x.jpg")
    PHOTO.save(tmp_path / "x.png")
    assert load_image(tmp_path / "x.png").size == (64, 48)
    assert load_image(tmp_path / "x.jpg").size == (32, 24)  # 1/2 and not less: 768 pixels


# ---- mutations -----------------------------------------------------------------------------------

SEEDS = [file_of(kind, PHOTO.resize((20, 14)), 6) for kind in KINDS] + [
    encoded(PHOTO.resize((20, 14)), kind)
    for kind in ("GIF", "BMP", "PPM", "JPEG2000", "TGA", "PCX")
]


def mutated(rng):
    """An image file with some bytes changed, cut, doubled or from another file."""
    content = bytearray(rng.choice(SEEDS))
    for _ in range(rng.randint(1, 8)):
        place = min(int(rng.expovariate(1 / 60)), len(content) - 1)  # mostly of the header
        change = rng.randrange(4)
        if change == 0:
            content[place] = rng.randrange(256)
        elif change == 1:
            content[place : place + 4] = rng.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"])
        elif change == 2:
            del content[place : place + rng.randint(1, 40)]
        else:
            content[place:place] = rng.choice(SEEDS)[: rng.randint(1, 60)]
        if not content:
            content = bytearray(b"\n")
    return bytes(content)


def outcome(read):
    """What a reader gives, or says of what it cannot read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read()
        except BadImageError as error:
            return str(error)


def test_500_mutated_images_are_read_or_named_in_one_line(tmp_path):
    rng, refused = random.Random(0), 0
    path = tmp_path / "a\nb\x1b[31m.jpg"
    for _ in range(500):
        path.write_bytes(mutated(rng))
        trained = outcome(lambda: load_array(path, str(path), Preprocessing(8)).shape)
        assert trained == outcome(lambda: load_image(path).size and (3, 8, 8))
        if isinstance(trained, str):
            refused += 1
            assert trained.isprintable()
            assert len(trained) <= 400
    assert 100 < refused < 450


@settings(max_examples=30)
@given(st.text(min_size=1, max_size=3000))
def test_whatever_a_file_is_called_the_line_is_short_and_clean(name):
    with pytest.raises(BadImageError) as error:
        load_array(b"none", name, Preprocessing(8))
    assert len(str(error.value)) <= 400
    assert str(error.value).isprintable()
    assert re.search("cannot be read as an image: its bytes are of no kind", str(error.value))


def test_an_animation_gives_its_first_frame():
    frames = [photograph(number, (32, 32)) for number in range(3)]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    first = encoded(frames[0], "GIF")
    assert np.array_equal(
        load_array(content.getvalue(), "x", Preprocessing(32)),
        load_array(first, "x", Preprocessing(32)),
    )
