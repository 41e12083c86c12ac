"""Claims about explorers in JupyterLab: by key, by mouse and from Python, the page shows what Python
says. Of every explorer: its keys, choices, places to click, colors and pictures. Of a few, since all
share the code: dragging, the focus, and a state that Python and the page share.

XCEPTION_EDU_SHOTS=1 writes a picture of each explorer at three positions of its slider to
test-artifacts/.
"""

import json
import os
from pathlib import Path

import pytest

from tests.browser import explored
from tests.browser.explored import OVERLAPS, SLIDER, check, go, stops
from tests.helpers.explorer_notebooks import NAMES

SHOTS = Path("test-artifacts")
every = pytest.mark.parametrize("name", NAMES)
a_few = pytest.mark.parametrize("name", explored.A_FEW)


class Shown:
    """An explorer in JupyterLab, `root` its element there, and its like in this process, `made`."""

    def __init__(self, page, name):
        self.page, self.name, self.made = page, name, explored.explorer(name)
        self.root = page.locator(".xe").nth(NAMES.index(name))
        self.slider = self.root.locator(SLIDER)
        self.first = dict(self.made.table["start"])

    def in_kernel(self, code):
        """What code prints in the notebook's kernel, where `e` is the explorer."""
        return self.page.evaluate(
            "(code) => run_in_kernel(code)", f"e = made[{json.dumps(self.name)}]\n{code}"
        )

    def set_from_python(self, state):
        """Set the state in the kernel, the choices first, and wait until the page shows it."""
        names = [*list(state)[1:], next(iter(state))]
        self.in_kernel("\n".join(f"e.{name} = {state[name]!r}" for name in names))
        explored.wait_for(self.root, state, seconds=30)

    def check(self, **change):
        """The page shows the state that it had when last checked, but for the changes."""
        for name, value in change.items():
            # with another choice, the slider goes to the nearest stop below
            setattr(self.made, name, value)
        return check(self.root, self.made)

    def stop(self):
        """The stop at which the slider of the page is."""
        return stops(self.made)[int(self.slider.input_value()) - 1]

    @property
    def dial(self):
        """The name of the slider."""
        return next(iter(self.first))


@pytest.fixture
def shown(lab_page, name):
    """An explorer in its first state, the slider in focus."""
    shown = Shown(lab_page, name)
    shown.in_kernel("")  # whatever the browser had to tell has arrived
    shown.set_from_python(shown.first)
    go(shown.made, shown.first)
    shown.slider.focus()
    yield shown
    assert lab_page.problems == []


@every
def test_every_key_of_the_slider_moves_it_and_the_picture_is_pythons(shown):
    keys, now = shown.page.keyboard, stops(shown.made)
    last = len(now) - 1
    keys.press("Home")
    for at in range(min(3, last)):
        shown.check(**{shown.dial: now[at]})
        keys.press("ArrowRight")
    moves = [
        ("End", last),
        ("ArrowLeft", last - 1),
        ("ArrowDown", last - 2),
        ("ArrowUp", last - 1),
        ("Home", 0),
        ("ArrowUp", 1),
    ]
    for key, at in moves:
        keys.press(key)
        shown.check(**{shown.dial: now[max(at, 0)]})
    keys.press("Home")
    keys.press("PageUp")
    farther = shown.stop()
    assert farther > now[0]
    shown.check(**{shown.dial: farther})
    keys.press("PageDown")
    assert shown.stop() < farther
    shown.check(**{shown.dial: shown.stop()})


@every
def test_the_keys_of_a_choice_go_through_its_options(shown):
    for control in shown.made.table["controls"][1:]:
        options, group = (
            control["options"],
            shown.root.get_by_role("group", name=control["label"], exact=True),
        )
        group.locator("input:checked").focus()
        start = options.index(shown.first[control["name"]])
        # from the last option on to the first again
        for option in [*options[start + 1 :], *options[: start + 1]]:
            shown.page.keyboard.press("ArrowRight")
            shown.check(**{control["name"]: option})


@a_few
def test_jupyterlab_takes_no_key_and_the_focus_is_always_seen(shown):
    page, cells = shown.page, "jupyterapp.shell.currentWidget.content"
    # of radio buttons, Tab stops at the one that is chosen
    first = shown.root.locator("input:checked, button").first
    first.focus()
    page.keyboard.press("Tab")
    # back, by key, so that the focus is seen, and never out of the explorer
    page.keyboard.press("Shift+Tab")
    assert first.evaluate("control => control === document.activeElement")
    before = page.evaluate(f"[{cells}.widgets.length, {cells}.activeCellIndex]")
    seen = []
    while focus := shown.root.evaluate(FOCUS):
        seen.append(focus["role"])
        assert focus["name"], focus
        assert (focus["style"], focus["width"]) == ("solid", "3px"), focus
        state = shown.root.get_attribute("data-state")
        # JupyterLab's own: delete, cut, insert, into Markdown
        for key in ("d", "d", "x", "a", "b", "m"):
            page.keyboard.press(key)
        assert shown.root.get_attribute("data-state") == state
        assert page.evaluate(f"[{cells}.widgets.length, {cells}.activeCellIndex]") == before
        page.keyboard.press("Tab")
        assert len(seen) < 20, "the Tab key never leaves"
    assert {"button", "range", "summary"} | ({"radio"} if len(shown.first) > 1 else set()) == set(
        seen
    )


# The element with the focus: what it is, its name, and the line around it or, of a radio button,
# around its words.
FOCUS = """(root) => {
  const e = document.activeElement, style = getComputedStyle(e.type === 'radio' ? e.nextElementSibling : e);
  if (!root.contains(e)) return null;
  const name = e.getAttribute('aria-label') ?? (e.labels?.length ? [...e.labels] : [e]).map((one) => one.textContent).join();
  return { role: e.type ?? e.localName, name, style: style.outlineStyle, width: style.outlineWidth };
}"""


@a_few
def test_the_mouse_drags_the_slider_and_presses_its_buttons(shown):
    page, now = shown.page, stops(shown.made)
    track = shown.slider.bounding_box()
    y = track["y"] + track["height"] / 2
    page.mouse.move(track["x"] + track["width"] / 2, y)
    page.mouse.down()
    seen = set()
    for part in (0.03, 0.35, 0.65, 0.97):  # a drag shows each position on its way
        page.mouse.move(track["x"] + track["width"] * part, y)
        seen.add(shown.stop())
        shown.check(**{shown.dial: shown.stop()})
    page.mouse.up()
    assert len(seen) == min(4, len(now))
    shown.slider.focus()
    page.keyboard.press("Home")
    for name, at in (("next", 1), ("previous", 0), ("previous", 0)):
        shown.root.get_by_role("button", name=name).click(force=True)
        shown.check(**{shown.dial: now[at]})
    button = shown.root.get_by_role("button", name="previous")
    assert button.get_attribute("aria-disabled") == "true"
    # else the next key would be JupyterLab's
    assert button.evaluate("button => button === document.activeElement")
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    shown.check(**{shown.dial: now[-1]})
    assert shown.root.get_by_role("button", name="next").get_attribute("aria-disabled") == "true"


@every
def test_the_mouse_picks_every_option_of_every_choice(shown):
    for control in shown.made.table["controls"][1:]:
        group = shown.root.get_by_role("group", name=control["label"], exact=True)
        for i in [*range(1, len(control["options"])), 0]:
            group.locator("label").nth(i).click()
            shown.check(**{control["name"]: control["options"][i]})


@every
def test_a_click_in_the_picture_goes_there_and_the_keys_go_on_from_it(shown):
    places = shown.root.locator(".xe-click")
    for i in sorted({0, places.count() // 2, places.count() - 1} - {-1} if places.count() else ()):
        place = shown.root.locator(".xe-click").nth(i)
        stop, choices = map(place.get_attribute, ("data-stop", "data-choices"))
        place.click()
        shown.check(**({shown.dial: int(stop)} if stop else {}), **json.loads(choices or "{}"))
        assert shown.slider.evaluate("slider => slider === document.activeElement")
    shown.page.keyboard.press("Home")
    shown.check(**{shown.dial: stops(shown.made)[0]})


@a_few
def test_python_and_the_page_share_the_state(shown):
    last = {control["name"]: control["options"][-1] for control in shown.made.table["controls"][1:]}
    for name, value in last.items():
        setattr(shown.made, name, value)
    shown.set_from_python(shown.made.state() | {shown.dial: stops(shown.made)[0]})
    shown.check(**{shown.dial: stops(shown.made)[0]})
    shown.slider.focus()
    shown.page.keyboard.press("End")
    shown.check(**{shown.dial: stops(shown.made)[-1]})
    told = json.dumps(f"{shown.made!r}\n")
    code = json.dumps(f"print(made[{json.dumps(shown.name)}])")
    shown.page.wait_for_function(f"async () => await run_in_kernel({code}) === {told}")


@every
def test_colors_and_letters_are_those_of_the_shapes_also_beside_other_explorers(shown):
    shown.page.mouse.move(0, 0)  # a place to click that is under the mouse has an outline
    if hasattr(shown.made, "view"):
        assert shown.root.evaluate(STYLES, shown.made.table["palette"]) == []
    else:
        blocks = (
            "e => [...e.querySelectorAll('.xe-matrix .xe-moving rect')].map((b) =>"
            " getComputedStyle(b).fill)"
        )
        assert len(set(shown.root.evaluate(blocks))) == 4


# Elements whose color, outline or letters are not what their attributes say.
STYLES = """(root, palette) => {
  const sizes = { 'xe-words-small': '11px', 'xe-words-text': '12px', 'xe-words-title': '15px' };
  const probe = root.appendChild(document.createElement('i'));
  const rgb = (paint) => {
    const name = paint?.match(/^var\\(--(.*)\\)$/)?.[1];
    if (!name) return paint ?? 'none';
    probe.style.color = palette[name] ?? paint;
    return getComputedStyle(probe).color;
  };
  const clear = { transparent: 'rgba(0, 0, 0, 0)' };
  const wrong = [...root.querySelectorAll('.xe-panel g > *')].filter((e) => {
    const style = getComputedStyle(e), text = e.localName === 'text', words = text && e.classList[1];
    const fill = rgb(e.getAttribute('fill')), stroke = rgb(e.getAttribute('stroke'));
    return (e.localName !== 'image' && style.fill !== (clear[fill] ?? fill))
      || (!e.classList.contains('xe-halo') && style.stroke !== stroke)
      || (text && (style.textAnchor !== e.getAttribute('text-anchor') || style.fontSize !== sizes[words]));
  }).map((e) => `${e.outerHTML} has ${getComputedStyle(e).fill} ${getComputedStyle(e).stroke}`);
  probe.remove();
  return wrong;
}"""


@every
def test_three_positions_are_three_pictures_and_nothing_lies_on_anything_else(shown):
    now = stops(shown.made)
    pictures = set()
    for stop in (now[0], now[len(now) // 2], now[-1]):
        shown.set_from_python(shown.made.state() | {shown.dial: stop})
        go(shown.made, shown.made.state() | {shown.dial: stop})
        assert shown.root.evaluate(OVERLAPS) == []
        pictures.add(picture := shown.root.screenshot())
        if os.environ.get("XCEPTION_EDU_SHOTS"):
            SHOTS.mkdir(exist_ok=True)
            (SHOTS / f"{shown.name}-{stop}.png").write_bytes(picture)
    assert len(pictures) == min(3, len(now))
