"""Claims about every explorer on a page without a kernel: its names, its data table, narrow and
wide columns.
"""

import json

import pytest

from tests.browser import explored
from tests.browser.explored import OVERLAPS
from tests.helpers.explorer_notebooks import NAMES

every = pytest.mark.parametrize("name", NAMES)
a_few = pytest.mark.parametrize("name", explored.A_FEW)


@every
def test_controls_and_pictures_are_named(static, name):
    made = explored.new(name)
    root = static(made).locator(".xe")
    slider, *choices = made.table["controls"]
    assert root.get_by_role("slider", name=slider["label"], exact=True).count() == 1
    for word in ("previous", "next"):
        assert (
            root.get_by_role("button", name=f"{slider['label']}: {word}", exact=True).count() == 1
        )
    for choice in choices:
        options = root.get_by_role("group", name=choice["label"], exact=True).get_by_role("radio")
        assert options.count() == len(choice["options"])
    assert root.locator("output").get_attribute("aria-live") == "polite"
    pictures = root.get_by_role("img")
    assert pictures.count() == root.locator("svg").count() >= 1
    for picture in pictures.all():
        assert len(picture.get_attribute("aria-label")) > 20


@every
def test_the_data_table_lists_every_position(static, name):
    made = explored.new(name)
    page = static(made)
    now = explored.stops(made)
    page.get_by_text(f"Table of all {len(now)} positions").click()
    rows = page.locator(".xe-scroll tbody tr")
    rows.first.wait_for()
    texts = rows.evaluate_all(
        "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    dial, marked = next(iter(made.state())), now.index(next(iter(made.state().values())))
    for stop, row in zip(now, texts, strict=True):
        setattr(made, dial, stop)
        values = (
            list(made.view()["values"])
            if hasattr(made, "view")
            else explored.segments(made)["count"]
        )
        assert row[0] == f"{stop:,}"
        assert row[-len(values) :] == values
    assert (
        rows.evaluate_all(
            "rows => rows.findIndex((row) => row.getAttribute('aria-current') === 'true')"
        )
        == marked
    )


@every
def test_nothing_is_cut_or_overlaps_or_jumps_at_any_width(static, name):
    page = static(explored.new(name))
    for width in (400, 620, 860, 1100, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("(width) => innerWidth === width", arg=width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for places in json.loads(page.evaluate(SWEEP)):
            assert places == json.loads(page.evaluate(PLACES)), f"{width} pixels"
        assert page.locator(".xe").evaluate(OVERLAPS) == [], f"{width} pixels"


# Where the slider, the pictures and the code are: upper edges, of the slider also its ends.
PLACES = """() => {
  const box = (element) => element.getBoundingClientRect();
  const slider = box(document.querySelector('.xe input[type=range]'));
  const tops = [...document.querySelectorAll('.xe svg, .xe-data')].map((element) => Math.round(box(element).top));
  return JSON.stringify([slider.left, slider.right, slider.top, ...tops].map(Math.round));
}"""
SWEEP = """() => {
  const slider = document.querySelector('.xe input[type=range]'), places = PLACES, seen = new Set();
  for (let at = 1; at <= Number(slider.max); at += Math.max(1, Math.floor(slider.max / 12))) {
    slider.value = at;
    slider.dispatchEvent(new Event('input'));
    seen.add(places());
  }
  return JSON.stringify([...seen].map((one) => JSON.parse(one)));
}""".replace("PLACES", PLACES)


@a_few
def test_the_page_follows_the_table_and_knows_no_formula(static, name):
    made = explored.fresh(name)
    if not hasattr(made, "view"):
        return  # test_segments_explorer.py has its own
    table = json.loads(json.dumps(made.table))
    where = made._key()
    view = table["views"][where][table["stops"][where].index(next(iter(made.state().values())))]
    view["values"] = [f"value {i}" for i, _ in enumerate(view["values"])]
    view["shapes"][0].append(
        ["text", "ink", 5, 5, '<planted> & "quoted"', "small", "start", False, False, False]
    )
    made.table = table
    page = static(made)
    assert page.locator(".xe-readouts strong").all_text_contents() == view["values"]
    assert page.locator(".xe-panel text", has_text='<planted> & "quoted"').count() == 1


@a_few
def test_a_closed_view_listens_no_more(static, name):
    made = explored.new(name)
    page = static(made)
    dial, stop = next(iter(made.state())), explored.stops(made)[-1]
    page.evaluate("([dial, stop]) => { leave(); model.set(dial, stop); }", [dial, stop])
    explored.check(page.locator(".xe"), made)
