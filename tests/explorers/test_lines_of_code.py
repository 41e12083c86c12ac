"""The line below an explorer of a learner's own, pasted where nothing but `xe` and what it asks for
is known, makes what is shown: the same state, picture and numbers.
"""

import re
from importlib.resources import files

import numpy as np
import pytest

import xception_edu as xe
from tests.helpers import learners_explorers as own
from tests.helpers import recorded
from xception_edu import explorers

RNG = np.random.default_rng(0)
COLOR, GRAY = RNG.random((9, 8, 3)), RNG.random((9, 8))
PHOTO = str(files("skimage").joinpath("data/coffee.png"))
OWN = {  # by a number where there are several; what the line asks for has the argument's name
    "budget_explorer": lambda: {"measurements": recorded.everything()},
    "kernel_explorer": lambda: {"module": own.convolution(), "picture": GRAY},
    "kernel_explorer 2": lambda: {"module": own.convolution(), "picture": PHOTO},
    "kernel_explorer 3": lambda: {"picture": RNG.random((7, 7, 6))},
    "kernels_explorer": lambda: {"model": {"a": RNG.normal(size=(30, 4, 4))}, "picture": GRAY},
    "kernels_explorer 2": lambda: {"picture": PHOTO},
    "order_explorer": lambda: {"picture": COLOR},
    "order_explorer 2": lambda: {"picture": PHOTO},
    "playback_explorer": lambda: {"run": own.run()},
    "roofline_explorer": lambda: {"measurements": own.of_one_thread()},
    "segments_explorer": lambda: {"channels": 30, "channel_choices": (6, 10), "kernel_size": 7},
    "separability_explorer": lambda: {"weight": RNG.normal(size=(4, 2, 3, 3))},
    "swap_explorer": lambda: {"module": own.one_layer()},
    "swap_explorer 2": lambda: {"module": "inception_v3", "measurements": recorded.everything()},
    "sweep_explorer": lambda: {"guess": 4},
    "walk_explorer": lambda: {"module": own.one_layer()},
    "walk_explorer 2": lambda: {"module": "vgg16", "input_size": (3, 224, 224)},
}


def move(made):
    """Go to another state than the first: the last option of each choice, then a stop near the
    end.
    """
    slider, *choices = made.table["controls"]
    for choice in choices:
        setattr(made, choice["name"], choice["options"][-1])
    stops = made.table["stops"][made._key()] if "stops" in made.table else range(1, 6)
    setattr(made, slider["name"], stops[-2 if len(stops) > 1 else -1])


def shown(made):
    """What is painted, and the numbers below."""
    return made.shapes() if hasattr(made, "shapes") else None, made.readouts()


@pytest.mark.parametrize("name", OWN)
def test_the_line_makes_the_picture_again_in_a_fresh_namespace(name):
    call = name.partition(" ")[0]
    given = OWN[name]()
    made = getattr(explorers, call)(**given)
    move(made)
    line = repr(made)
    asked = re.findall(r"\w+", line.partition("# supply your own ")[2].replace(" and ", " "))
    again = eval(line, {"xe": xe} | {argument: given[argument] for argument in asked})
    assert again.state() == made.state() == again.table["start"]
    assert shown(again) == shown(made)
    assert repr(again) == line
    assert not asked or set(asked) <= set(given)


def test_a_folder_of_runs_is_named_in_the_line(tmp_path):
    made = explorers.sweep_explorer(guess=4, runs=own.own_sweep(tmp_path))
    assert f"runs={str(tmp_path)!r}" in repr(made)
    assert shown(eval(repr(made), {"xe": xe})) == shown(made)


def test_every_explorer_that_takes_something_is_tested_with_it():
    names = {name.partition(" ")[0] for name in OWN}
    assert names | {"towers_explorer"} == set(explorers.__all__)
