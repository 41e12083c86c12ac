"""Claims about every explorer with scenes, at every position of its controls: what is sent, drawn
and said is whole.
"""

import inspect
import io
import json
from functools import cache, partial
from itertools import product

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

import xception_edu as xe
from tests.helpers import processor
from tests.helpers.scene_explorers import SCENE_EXPLORERS
from xception_edu import explorers
from xception_edu.explorers.engine.packing import unpacked
from xception_edu.explorers.engine.scene import (
    LEVELS,
    THEME,
    Scene,
    palette,
    shared_start,
    stands_still,
)
from xception_edu.explorers.engine.scene_explorer import key
from xception_edu.plots import style

LARGEST = 700_000  # characters of a table; a notebook with all explorers stays below 5.2 MB


@cache
def explorer(name):
    return getattr(explorers, name)(**SCENE_EXPLORERS[name])


def states(made):
    """Every combination of controls."""
    slider, *choices = made.table["controls"]
    for options in product(*(c["options"] for c in choices)):
        chosen = dict(zip([c["name"] for c in choices], options, strict=True))
        for stop in made.table["stops"][key(chosen)]:
            yield chosen | {slider["name"]: stop}


def go(made, state):
    with made.hold_trait_notifications():
        for name, value in state.items():
            setattr(made, name, value)


every = pytest.mark.parametrize("name", SCENE_EXPLORERS)


def test_every_explorer_is_tested():
    assert set(SCENE_EXPLORERS) | {"segments_explorer"} == set(explorers.__all__)


@every
def test_the_first_state_is_shown_without_arguments_for_the_controls(name):
    made = explorer(name)
    required = [
        p
        for p in inspect.signature(getattr(explorers, name)).parameters.values()
        if p.default is p.empty
    ]
    assert not {p.name for p in required} & set(made.state())


@every
def test_the_table_is_small(name):
    assert len(explorer(name)._table) <= LARGEST


@pytest.mark.parametrize("name", explorers.__all__)
def test_an_explorer_is_made_within_half_a_second_of_processor_time(name):
    """Of the 1.5 s to the first picture, on a processor that is quiet. Not in the first try alone,
    which loads libraries.
    """
    make = partial(getattr(explorers, name), **SCENE_EXPLORERS.get(name, {}))
    assert any(processor.seconds(make) < 0.5 * processor.slowness() for _ in range(3))


@every
def test_every_shape_of_every_state_is_on_its_page_in_a_color_that_there_is(name):
    made = explorer(name)
    for state in states(made):
        go(made, state)
        for shapes, (width, height) in zip(made.shapes(), made.table["panels"], strict=True):
            for shape in shapes:
                check_shape(shape, width, height)


def check_shape(shape, width, height):
    kind, color, *values = shape
    boxes = {
        "rect": lambda x, y, w, h, *_: [x, y, x + w, y + h],
        "line": lambda runs, *_: [n for run in runs for n in run],
        "area": lambda run, *_: run,
        "dot": lambda x, y, r, *_: [x - r, y - r, x + r, y + r],
        "text": lambda x, y, *_: [x, y],
        "cells": lambda x, y, pitch, columns, codes, _: [
            x,
            y,
            x + columns * pitch,
            y - (-len(codes) // columns) * pitch,
        ],
        "image": lambda x, y, w, h: [x, y, x + w, y + h],
        "click": lambda x, y, w, h, *_: [x, y, x + w, y + h],
        "rest": lambda x, y, pitch, columns: [x, y, x + columns * pitch, y + pitch],
        "words": lambda x, y, pitch, columns, words: [
            x,
            y,
            x + (columns - 1) * pitch,
            y + (len(words) - 1) // columns * pitch,
        ],
    }
    ends = boxes[kind](*values)
    assert all(-1 <= x <= width + 1 for x in ends[::2]), shape
    assert all(-1 <= y <= height + 1 for y in ends[1::2]), shape
    if kind not in ("image", "click", "rest"):
        assert set([color] if isinstance(color, str) else color) <= {*palette(), *THEME}, shape


@every
def test_every_click_leads_to_a_stop_or_to_an_option(name):
    made = explorer(name)
    options = {control["name"]: control.get("options") for control in made.table["controls"]}
    for state in states(made):
        go(made, state)
        stops = made.table["stops"][made._key()]
        for _, stop, *_, words in clicks(made):
            choices = words if isinstance(words, dict) else {}
            assert stop in stops or (stop is None and choices)
            assert all(value in options[name] for name, value in choices.items())


def clicks(made):
    return [shape for shapes in made.shapes() for shape in shapes if shape[0] == "click"]


@every
def test_words_fit_their_page_and_the_picture(name):
    made = explorer(name)
    for state in sample(made):
        go(made, state)
        assert words_outside(made) == [], state


def words_outside(made):
    """Words of the picture that do not fit: beyond the edge of their panel or of the page."""
    with style.context():
        figure = made.figure()
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()  # places the words, and paints nothing
        page = figure.axes[0]
        found = []
        for ax in (page, *page.child_axes):
            frame = ax.get_window_extent().padded(2)
            for label in ax.texts:
                box = label.get_window_extent()
                if box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0 or box.y1 > frame.y1:
                    found.append(label.get_text())
        return found


@every
def test_every_state_says_what_it_is(name):
    """A readout for each column, a sentence for each panel, and no two states that say the same."""
    made = explorer(name)
    said = set()
    for state in states(made):
        go(made, state)
        view = made.view()
        assert len(view["values"]) == len(made.table["columns"])
        assert len(view["alts"]) == len(view["shapes"]) == len(made.table["panels"])
        assert all(view[word] for word in ("short", "title"))
        assert all(len(alt) > 20 for alt in view["alts"])
        said.add(json.dumps([state, view["title"], view["note"], view["values"], view["alts"]]))
    assert len(said) == len(list(states(made)))


@every
def test_the_line_of_code_makes_the_state_again(name):
    made = explorer(name)
    names = {"xe": xe} | SCENE_EXPLORERS[name].get("names", {})
    for state in covering(made):
        go(made, state)
        if not SCENE_EXPLORERS[name]:
            assert eval(repr(made), names).state() == state


@every
def test_the_picture_is_a_png_that_never_changes_by_itself(name):
    made = explorer(name)
    go(made, next(states(made)))
    picture = made.picture()
    assert Image.open(io.BytesIO(picture)).format == "PNG"
    assert picture == made.picture()
    assert len(picture) < 120_000


@every
def test_a_wrong_value_of_a_control_is_refused_with_its_name(name):
    made = explorer(name)
    go(made, next(states(made)))
    for control in made.table["controls"]:
        before = made.state()
        for wrong in ("no such thing", None, -5, 2.5, True):
            with pytest.raises(ValueError, match=control["name"]):
                setattr(made, control["name"], wrong)
        assert made.state() == before


def sample(made, count=12):
    """Some states: the first, the last, and others evenly between."""
    all_of_them = list(states(made))
    step = max(1, (len(all_of_them) - 1) // (count - 1))
    return all_of_them[::step] + all_of_them[-1:]


def covering(made):
    """The first state, the last, and others until every option of every choice was there."""
    all_of_them, seen, chosen = list(states(made)), set(), []
    choices = [control["name"] for control in made.table["controls"][1:]]
    for state in (all_of_them[0], all_of_them[-1], *all_of_them):
        options = {(name, state[name]) for name in choices}
        if len(chosen) < 2 or options - seen:
            chosen.append(state)
            seen |= options
    return chosen


@every
def test_what_is_sent_is_the_table(name):
    made = explorer(name)
    assert unpacked(json.loads(made._table)) == json.loads(json.dumps(made.table))


# ---- the mechanism -------------------------------------------------------------------------------


def test_a_copy_keeps_what_it_began_with_whatever_is_drawn_on_either():
    scene = Scene(9, 9)
    scene.dot("ink", 1, 1, 1)
    first, second = scene.copy(), scene.copy()
    scene.dot("ink", 2, 2, 1)
    first.dot("ink", 3, 3, 1)
    assert [shape[2] for shape in scene.shapes] == [1, 2]
    assert [shape[2] for shape in first.shapes] == [1, 3]
    assert [shape[2] for shape in second.shapes] == [1]
    for several in ([first, second], [first, scene, second], [first, scene.copy(), second]):
        assert stands_still(several) == 1
        assert [len(one.after(1)) for one in several] == [len(one.shapes) - 1 for one in several]
    assert [shape[2] for shape in scene.copy().after(1)] == [2]


def test_shapes_that_all_drawings_begin_with_are_counted():
    assert shared_start([[1, 2, 3], [1, 2, 4], [1, 2]]) == 2
    assert shared_start([[1], [2]]) == 0
    assert shared_start([[1, 2]]) == 2


def test_cells_are_one_character_of_color_and_one_of_strength_each():
    scene = Scene(10, 10)
    scene.cells(0, 0, 4, 2, ["hue0", "hue1", "hue0"], [0, 0.5, 1])
    assert scene.shapes == [["cells", ["hue0", "hue1"], 0, 0, 4, 2, "010", f"0{LEVELS[18]}z"]]


def test_a_color_that_is_not_there_is_refused():
    scene = Scene(10, 10)
    for paint in (
        lambda: scene.rect("blue", 0, 0, 1, 1),
        lambda: scene.cells(0, 0, 1, 1, ["blue"], [1]),
    ):
        with pytest.raises(ValueError, match="color is 'blue', but must be one of"):
            paint()
