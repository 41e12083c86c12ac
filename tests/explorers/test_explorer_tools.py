"""Claims about what every explorer does besides moving, in Python: it goes back to its first state,
saves its picture, and its line of code makes its state again.
"""

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

import xception_edu as xe
from tests.browser.explored import fresh, stops
from tests.helpers import learners_explorers
from tests.helpers.explorer_notebooks import NAMES
from xception_edu.explorers.engine.scene import CHOSEN, THEME
from xception_edu.plots import style

RNG = np.random.default_rng(0)
every = pytest.mark.parametrize("name", NAMES)


def moved(name):
    """An explorer away from its first state: the last option of every choice, another stop."""
    made = fresh(name)
    for control in made.table["controls"][1:]:
        setattr(made, control["name"], control["options"][-1])
    slider = made.table["controls"][0]["name"]
    last, first = stops(made)[-1], stops(made)[0]
    setattr(made, slider, first if getattr(made, slider) == last else last)
    return made


@every
def test_an_explorer_goes_back_to_the_state_in_which_it_was_made(name):
    made, first = moved(name), fresh(name).state()
    assert made.state() != first
    made.reset()
    assert made.state() == first


@pytest.mark.parametrize("name", ["segments_explorer", "walk_explorer"])
def test_a_picture_is_saved_as_svg_and_as_png(name, tmp_path):
    made = fresh(name)
    made.save_picture(tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.width > 800
    made.save_picture(str(tmp_path / "x.SVG"))
    text = (tmp_path / "x.SVG").read_text(encoding="utf-8")
    assert "<svg" in text
    assert text.count("<path") > 20


def test_a_picture_of_another_kind_is_refused_in_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"path is '.*x\.gif', but must be a file's name that"):
        fresh("walk_explorer").save_picture(tmp_path / "x.gif")


# ---- the line of code ----------------------------------------------------------------------------


def shown(made):
    """What an explorer shows: its picture as data, or as a file."""
    return (made.view(), made.shapes()) if hasattr(made, "view") else made.readouts()


@every
def test_the_line_of_code_makes_the_state_again_wherever_it_is_pasted(name):
    made = moved(name)
    again = eval(repr(made), {"xe": xe})
    assert again.state() == made.state()
    assert shown(again) == shown(made)


def test_a_line_of_code_with_something_of_the_learners_names_what_to_supply(tmp_path):
    picture, run = RNG.random((8, 8)), learners_explorers.run()
    file = tmp_path / "run.json"
    file.write_text(json.dumps(run), encoding="utf-8")
    names = {
        "module": learners_explorers.convolution(),
        "picture": picture,
        "weight": RNG.normal(size=(4, 2, 3, 3)),
        "model": {"mine": RNG.normal(size=(30, 4, 4))},
        "measurements": learners_explorers.of_one_thread(),
        "run": run,
    }
    made = {
        ("module", "picture"): xe.kernel_explorer(names["module"], picture, position=3),
        ("weight",): xe.separability_explorer(names["weight"], multiplier=2),
        ("model",): xe.kernels_explorer(names["model"]),
        ("measurements",): xe.roofline_explorer(measurements=names["measurements"]),
        ("run",): xe.playback_explorer(run=run, epoch=1),
        (): xe.playback_explorer(run=file, epoch=1),
    }
    for own, explorer in made.items():
        comment = repr(explorer).partition("  # supply your own ")[2]
        assert comment == " and ".join(own)
        again = eval(repr(explorer), {"xe": xe} | {name: names[name] for name in own})
        assert shown(again) == shown(explorer)


# ---- one meaning a color -------------------------------------------------------------------------


def test_what_is_selected_has_no_color_but_ink():
    assert CHOSEN in THEME


@pytest.mark.parametrize("name", ["kernel", "kernels", "playback", "separability"])
def test_numbers_in_heat_maps_have_the_colors_of_their_signs(name):
    made = fresh(f"{name}_explorer")
    cells = [shape for shapes in made.shapes() for shape in shapes if shape[0] == "cells"]
    assert cells
    assert {color for _, colors, *_ in cells for color in colors} <= set(style.SIGNS)


@pytest.mark.parametrize("name", set(NAMES) - {"segments_explorer", "walk_explorer"})
def test_no_explorer_shows_by_the_color_of_a_kind_of_layer_what_is_selected(name):
    """What is painted at another stop in another color is no kind's: but for the towers, whose
    layers are others at every step.
    """
    made = fresh(name)
    slider = made.table["controls"][0]["name"]
    first, second = stops(made)[:2]
    counts = []
    for stop in (first, second):
        setattr(made, slider, stop)
        counts.append(Counter(s[1] for shapes in made.shapes() for s in shapes if is_mark(s)))
    kinds = {kind for kind in style.COLORS if counts[0][kind] != counts[1][kind]}
    assert not kinds or name == "towers_explorer"


def is_mark(shape):
    """Dots and bars: what a selection could color."""
    return shape[0] in ("dot", "rect", "line")
