"""Claims about the segments explorer's own picture, on a page without a kernel; what all share is
in test_explorers.py.
"""

import json
from itertools import product

import pytest

from tests.browser import explored
from xception_edu.architectures import ORDERS
from xception_edu.explorers import segments_explorer


def test_every_position_of_every_choice_shows_what_costs_counts(static):
    made = segments_explorer()
    page = static(made)
    options = {
        "channels": (48, 24, 12),
        "kernel_size": (1, 3, 5),
        "input_side": (8, 19, 37),
        "order": ORDERS,
    }
    for values in product(*options.values()):
        choices = dict(zip(options, values, strict=True))
        for name, value in choices.items() - made.state().items():
            page.locator(f".xe-choice input[name*='{name}'][value='{value}']").check()
        for segments, shown in enumerate(map(json.loads, page.evaluate(SWEEP)), 1):
            explored.go(made, {"segments": segments} | choices)
            wanted = explored.expected(made) | explored.segments(made)
            told = shown | shown["segments"]
            assert {key: told[key] for key in wanted} == wanted


# What is shown at each position of the slider, from the first to the last.
SWEEP = """() => {
  const slider = document.querySelector('.xe input[type=range]'), read = READ, root = document.querySelector('.xe');
  return Array.from({ length: Number(slider.max) }, (_, i) => {
    slider.value = i + 1;
    slider.dispatchEvent(new Event('input'));
    return read(root);
  });
}""".replace("READ", explored.READ)


def test_the_page_follows_the_table_and_knows_no_formula(static):
    explorer = segments_explorer(segments=5)
    table = json.loads(json.dumps(explorer.table))
    table["costs"]["48 3 19 pointwise_first"][4][0] = 123_456_789
    table["costs"]["48 3 19 pointwise_first"][4][5] = 1.234
    table["pieces"]["48"][4]["edges"] = [0, 1, 48]
    explorer.table = table
    page = static(explorer)
    assert page.locator(".xe-count").first.text_content() == "123,456,789"
    assert page.locator(".xe-ratio").first.text_content() == "1.234×"
    bar, track = (
        page.locator(f".xe-bar{name}").first.bounding_box()["width"] for name in (" .xe-all", "")
    )
    assert bar / track == pytest.approx(1.234 / 2, abs=0.01)
    shown = json.loads(page.locator(".xe").evaluate(explored.READ))
    assert shown["segments"]["blocks"] == [6, 282]
