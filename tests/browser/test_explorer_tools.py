"""Claims about the widths of every explorer, and about the buttons of a few, which all have alike, on
a page without a kernel.
"""

import io
import re
from xml.etree import ElementTree

import pytest
from PIL import Image

from tests.browser import explored
from tests.helpers.explorer_notebooks import NAMES

every = pytest.mark.parametrize("name", NAMES)
a_few = pytest.mark.parametrize("name", explored.A_FEW)
SVG = "{http://www.w3.org/2000/svg}"


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def saved(page, kind):
    """The bytes of the file that a button saves, and its name."""
    with page.expect_download() as download:
        press(page, f"Save {kind}")
    return download.value.path().read_bytes(), download.value.suggested_filename


# ---- pin, reset and save -------------------------------------------------------------------------


@a_few
def test_a_pinned_state_stays_beside_the_moving_one_until_it_is_let_go(static, name):
    made = explored.new(name)
    page = static(made, width=1280)
    root = page.locator(".xe")
    first, now = root.get_attribute("data-state"), explored.stops(made)
    picture = page.locator(".xe-now").inner_html()
    press(page, "Pin")
    slider = root.locator(explored.SLIDER)
    slider.press("End" if next(iter(made.state().values())) != now[-1] else "Home")
    assert root.get_attribute("data-state") != first
    kept = page.locator(".xe-kept .xe-now").inner_html()
    places = r'<rect class="xe-(click|rest)".*?</rect>|<div class="xe-tip".*?</div>'
    assert kept == re.sub(places, "", picture)
    assert page.locator(".xe-now").last.inner_html() != picture
    rows = page.locator(".xe-compared tbody tr").evaluate_all(
        "rows => rows.map((row) => [row.className, ...[...row.cells].map((c) => c.textContent)])"
    )
    for css, _, before, after, way in rows:
        assert (css == "xe-differs") == (before != after) == bool(way)
    assert any(css for css, *_ in rows)
    boxes = [page.locator(place).bounding_box() for place in (".xe-kept", ".xe-stage > .xe-now")]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"], "side by side where there is room"
    text, file = saved(page, "SVG")  # while both are shown
    assert file == f"{name}.svg"
    tree = ElementTree.fromstring(text)
    assert len(tree.findall(f"{SVG}svg")) == page.locator(".xe-stage svg").count()
    words = {element.text for element in tree.iter(f"{SVG}text")}
    assert page.locator(".xe-code code").text_content() in words
    assert b"var(" not in text
    press(page, "Unpin")
    assert page.locator(".xe-kept").count() == 0
    assert not page.locator(".xe-compared").is_visible()
    press(page, "Reset")
    assert root.get_attribute("data-state") == first
    reset = page.get_by_role("button", name="Reset", exact=True)
    assert reset.get_attribute("aria-disabled") == "true"


def test_a_saved_png_has_the_colors_of_the_page(static):
    page = static(explored.new("segments_explorer"))
    data, file = saved(page, "PNG")
    image = Image.open(io.BytesIO(data)).convert("RGB")
    assert file == "segments_explorer.png"
    assert image.width == 2 * page.evaluate(
        "Math.floor(document.querySelector('.xe-stage').getBoundingClientRect().width + 24)"
    )
    colors = dict(map(reversed, image.getcolors(maxcolors=2**24)))
    assert colors[(0, 0x72, 0xB2)] > 1000


# ---- play ----------------------------------------------------------------------------------------


def test_play_walks_to_the_end_and_pause_and_a_hand_stop_it(static):
    made = explored.new("towers_explorer")
    page = static(made)
    slider = page.locator(explored.SLIDER)
    live = page.locator("output")
    press(page, "Play")
    page.wait_for_function("document.querySelector('.xe input[type=range]').valueAsNumber > 2")
    assert live.get_attribute("aria-live") == "off"
    press(page, "Pause")
    at = slider.input_value()
    page.wait_for_timeout(400)
    assert slider.input_value() == at
    assert live.get_attribute("aria-live") == "polite"
    press(page, "Play")
    slider.press("End")
    assert page.get_by_role("button", name="Play", exact=True).count() == 1
    slider.press("ArrowLeft")
    press(page, "Play")
    page.get_by_role("button", name="Play", exact=True).wait_for()  # at its end by itself
    assert slider.input_value() == slider.get_attribute("max")
    press(page, "Play")  # and from the first stop again
    page.wait_for_function("document.querySelector('.xe input[type=range]').valueAsNumber < 4")


def test_who_prefers_reduced_motion_gets_still_pictures_one_by_one(static):
    page = static(explored.new("towers_explorer"))
    page.emulate_media(reduced_motion="reduce")
    press(page, "Play")
    page.wait_for_timeout(700)
    assert page.locator(explored.SLIDER).input_value() == "1"
    page.wait_for_function("document.querySelector('.xe input[type=range]').valueAsNumber === 2")


# ---- the width that there is ---------------------------------------------------------------------

# The part of the page's width that the pictures take, and where the last of the first row ends.
USED = """() => {
  const boxes = [...document.querySelectorAll('.xe-panel svg, .xe-body svg, .xe-costs')].map((e) => e.getBoundingClientRect());
  const rows = Map.groupBy(boxes, (box) => Math.round(box.top / 40));
  const used = [...rows.values()].map((row) => row.reduce((sum, box) => sum + box.width, 0) / innerWidth);
  return { used: Math.max(...used), bottom: Math.min(...[...rows.values()].map((row) => Math.max(...row.map((box) => box.bottom)))) };
}"""


@every
def test_the_pictures_use_the_width_there_is_and_the_slider_stays_beside_them(static, name):
    page = static(explored.new(name))
    for width, least in ((1400, 0.8), (900, 0.8), (400, 0.8)):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("(width) => innerWidth === width", arg=width)
        found = page.evaluate(USED)
        assert found["used"] >= least, width
        if width > 400:
            assert found["bottom"] <= 900, "slider and result are seen together"
    page.evaluate("scrollTo(0, document.body.scrollHeight / 3)")
    slider = page.locator(".xe-slider").bounding_box()
    assert 0 <= slider["y"] < 60
