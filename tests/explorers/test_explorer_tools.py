"""Claims about what every explorer does besides moving, in Python: it goes back to its first state,
saves its picture, and its line of code makes its state again.
"""

import pytest
from PIL import Image

from tests.browser.explored import new, stops
from tests.helpers.explorer_notebooks import NAMES

every = pytest.mark.parametrize("name", NAMES)


def moved(name):
    """An explorer away from its first state: the last option of every choice, another stop."""
    made = new(name)
    for control in made.table["controls"][1:]:
        setattr(made, control["name"], control["options"][-1])
    slider = made.table["controls"][0]["name"]
    last, first = stops(made)[-1], stops(made)[0]
    setattr(made, slider, first if getattr(made, slider) == last else last)
    return made


@every
def test_an_explorer_goes_back_to_the_state_in_which_it_was_made(name):
    made, first = moved(name), new(name).state()
    assert made.state() != first
    made.reset()
    assert made.state() == first


@pytest.mark.parametrize("name", ["segments_explorer", "walk_explorer"])
def test_a_picture_is_saved_as_svg_and_as_png(name, tmp_path):
    made = new(name)
    made.save_picture(tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.width > 800
    made.save_picture(str(tmp_path / "x.SVG"))
    text = (tmp_path / "x.SVG").read_text(encoding="utf-8")
    assert "<svg" in text
    assert text.count("<path") > 20


def test_a_picture_of_another_kind_is_refused_in_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"path is '.*x\.gif', but must be a file's name that"):
        new("walk_explorer").save_picture(tmp_path / "x.gif")
