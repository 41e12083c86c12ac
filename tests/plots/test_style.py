"""Claims about the look that figures and explorers share: pictures of few colors, and palettes."""

import io
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
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


# ---- one meaning a color -------------------------------------------------------------------------

MEANINGS = {
    "kind of layer": [color for name, color in style.COLORS.items() if name != "join"],  # lines
    "sign": [*style.SIGNS.values()],
    "segment": [*style.HUES],
    "selected": [style.INK],
    "selected on a dark page": ["#FFFFFF"],
}
# what people see whose eyes lack a kind of cone: Machado, Oliveira and Fernandes 2009, linear RGB
SEEN = {
    "with all cones": np.eye(3),
    "without the long ones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "without the middle ones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "without the short ones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(color):
    share = np.array(rgb(color)) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def oklab(color, seen):
    """A color as OKLab has it (Ottosson 2020): where distances are those that people see."""
    cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    light = np.clip(np.array(SEEN[seen]) @ linear(color), 0, 1)
    return np.array(lab) @ np.cbrt(np.array(cones) @ light)


def distance(one, other, seen):
    """In hundredths: about 2 can just be told apart side by side."""
    return 100 * float(np.linalg.norm(oklab(one, seen) - oklab(other, seen)))


@pytest.mark.parametrize("seen", SEEN)
def test_colors_of_different_meaning_are_apart_also_for_those_who_see_fewer(seen):
    least = 12 if seen == "with all cones" else 6
    for (one, some), (other, others) in combinations(MEANINGS.items(), 2):
        for a in some:
            for b in others:
                assert distance(a, b, seen) > least, (one, a, other, b)


@pytest.mark.parametrize("seen", SEEN)
def test_colors_of_one_meaning_are_apart_too(seen):
    for colors in MEANINGS.values():
        for a, b in combinations(colors, 2):
            assert distance(a, b, seen) > (10 if seen == "with all cones" else 5.5), (a, b)


def test_distances_are_known_ones():
    assert distance("#000000", "#FFFFFF", "with all cones") == pytest.approx(100, abs=0.01)
    assert distance("#FF0000", "#00FF00", "with all cones") == pytest.approx(52.0, abs=0.1)
    assert distance("#FF0000", "#00FF00", "without the middle ones") < 30


def contrast(one, other):
    """As WCAG has it."""
    light = [0.05 + np.dot((0.2126, 0.7152, 0.0722), linear(color)) for color in (one, other)]
    return max(light) / min(light)


@pytest.mark.parametrize("page", ["#FFFFFF", "#111111", "#16181B"])
def test_signs_are_seen_on_white_and_on_dark_pages(page):
    assert all(contrast(color, page) >= 3 for color in style.SIGNS.values())


def test_black_is_read_on_every_segment():
    assert all(contrast(color, "#111111") >= 4.5 for color in style.HUES)


def test_styles_and_scripts_of_explorers_have_no_color_of_their_own():
    folder = Path(style.__file__).parents[1] / "explorers"
    known = {*style.COLORS.values(), *style.HUES, *style.SIGNS.values(), "#111"}
    for file in [*folder.rglob("*.css"), *folder.rglob("*.js")]:
        found = re.findall(r"#[0-9a-fA-F]{3,6}\b", file.read_text(encoding="utf-8"))
        assert {color.upper() for color in found} <= {color.upper() for color in known}, file.name


# ---- what is around them -------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
AROUND = {
    "field for a guess": ROOT / "xception_edu" / "exercises" / "guess.css",
    "site": ROOT / "site" / "site.css",
    "library": ROOT / "site" / "api" / "custom.css",
}


@pytest.mark.parametrize("name", AROUND)
def test_buttons_and_fields_have_no_color_that_means_something_else(name):
    meaning = {color.lower() for color in (*style.COLORS.values(), *style.HUES)}
    meaning |= {color.lower() for color in style.SIGNS.values()}
    found = re.findall(r"#[0-9a-f]{3,6}\b", AROUND[name].read_text(encoding="utf-8").lower())
    assert not meaning & set(found)
    assert name != "field for a guess" or found == []  # the theme's alone


@pytest.mark.parametrize("theme", ["", '[data-theme="dark"]'])
def test_the_site_is_read_in_both_themes(theme):
    """Text and links on paper and on blocks; buttons are paper on ink. Half of ink, a guess's bar,
    is seen.
    """
    css = AROUND["site"].read_text(encoding="utf-8")
    block = css.partition(f":root{theme} {{")[2].partition("}")[0]
    colors = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
    for ground in ("paper", "block"):
        assert contrast(colors["ink"], colors[ground]) > 12
        assert contrast(colors["quiet"], colors[ground]) > 6
        assert contrast(colors["link"], colors[ground]) > 6
    ink, paper = (np.array(rgb(colors[name])) for name in ("ink", "paper"))
    bar = "#" + bytes(np.rint(0.55 * ink + 0.45 * paper).astype(np.uint8).tolist()).hex()
    assert contrast(bar, colors["paper"]) > 3
    assert contrast(bar, colors["ink"]) > 2  # the answer's bar, below it
