"""Claims about explorers that nobody is shut out by them, whatever their buttons show, on light pages
and on dark ones; tests of the site look at every explorer.
"""

import pytest

from tests.browser import explored
from tests.helpers.axe import AXE, findings_in

# all but the pictures
PARTS = findings_in(
    ".xe-choices",
    ".xe-slider",
    ".xe-tools",
    ".xe-tag",
    ".xe-title",
    ".xe-readouts, .xe-costs",
    ".xe-compared",
    ".xe-data summary",
    ".xe-scroll thead",
    ".xe-code",
)
# what JupyterLab's themes set that explorers read
DARK = """() => {
  document.body.dataset.jpThemeLight = 'false';
  document.body.style = 'margin: 8px; background: #111; --jp-layout-color0: #111; --jp-ui-font-color1: rgba(255, 255, 255, 0.87)';
}"""


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


@pytest.mark.parametrize("name", explored.A_FEW)
def test_axe_finds_nothing_serious_whatever_button_was_pressed(static, name):
    page = static(explored.new(name), width=1280)
    page.emulate_media(reduced_motion="reduce")  # so that it stands still while it is looked at
    page.locator(".xe-data summary").click()
    press(page, "Pin")
    page.locator(explored.SLIDER).press("End")
    press(page, "Copy")
    press(page, "Play")
    page.evaluate(AXE)
    assert page.evaluate(PARTS) == []
    assert page.get_by_role("button", name="Pause", exact=True).count() == 1
    press(page, "Pause")
    reset = page.get_by_role("button", name="Reset", exact=True)
    reset.click(force=True)  # it is at its start: it cannot be pressed again
    page.evaluate(DARK)
    assert page.evaluate(PARTS) == []
    press(page, "Unpin")


def test_axe_would_find_a_slider_without_a_name(static):
    page = static(explored.new("walk_explorer"))
    page.evaluate(AXE)
    page.evaluate("document.querySelector('.xe-slider label').remove()")
    assert "label" in [name for name, *_ in page.evaluate(PARTS)]
