"""Claims about the look that figures and explorers share: pictures of few colors, and palettes."""

import io

import numpy as np
from PIL import Image

from xception_edu.explorers import kernel_explorer
from xception_edu.plots import style


def pixels_of(png):
    """The pixels of a PNG as bytes (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def colors_of(pixels):
    return {tuple(color) for color in np.unique(pixels.reshape(-1, 3), axis=0).tolist()}


def rgb(color):
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))


def many_colors():
    """A picture of 40,000 colors, and a 3 x 3 in pure red."""
    red, green = np.meshgrid(np.arange(200), np.arange(200))
    pixels = np.stack((red, green, (red + green) // 2), axis=-1).astype(np.uint8)
    pixels[100:103, 100:103] = (255, 0, 0)
    return pixels


def test_a_few_red_pixels_among_many_colors_stay_red():
    pixels = many_colors()
    shown = pixels_of(style.few_colors(pixels))
    assert (shown[100:103, 100:103] == (255, 0, 0)).all()
    assert len(colors_of(shown)) == 256
    assert colors_of(shown) <= colors_of(pixels)
    assert np.abs(shown.astype(int) - pixels).max() < 20


def test_a_picture_of_256_colors_is_kept_to_the_byte():
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    pixels = np.stack((gray, gray, 255 - gray), axis=-1)
    assert (pixels_of(style.few_colors(pixels)) == pixels).all()


def test_the_same_pixels_give_the_same_bytes():
    assert style.few_colors(many_colors()) == style.few_colors(many_colors())


def test_the_legend_of_the_microscope_is_saved_in_its_colors():
    explorer = kernel_explorer(channel=1, segments=1)
    squares = {shape[1] for shape in explorer.shapes()[1] if shape[0] == "rect"}
    assert squares >= {"plus", "minus"}
    shown = colors_of(pixels_of(explorer.picture()))
    assert {rgb(explorer.table["palette"][name]) for name in ("plus", "minus")} <= shown
