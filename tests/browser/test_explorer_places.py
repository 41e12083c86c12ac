"""Claims about the notebooks with explorers: saved and run in JupyterLab, in Notebook 7 and in
Voila, all move. Of a saved one the page shows what Python says; of one that was run, its slider leads
to another picture and back.
"""

import json
import re
from functools import partial
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import TimeoutError

from tests.browser import explored, servers
from tests.browser.conftest import open_page
from tests.helpers.explorer_notebooks import EVERY_EXPLORER, explorers_of, restored

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
WITH_EXPLORERS = [path for path in NOTEBOOKS if explorers_of(nbformat.read(path, 4))]
# Whose cells are run in JupyterLab, too, in which other tests run every explorer's: the one that
# draws what a learner did. All cells of all notebooks are run by nbval.
ATTACHED = re.compile(r"attachment:|ERR_UNKNOWN_URL_SCHEME")
RUN = [path for path in WITH_EXPLORERS if path.name.startswith("13")]
SAVED = [path for path in WITH_EXPLORERS if path not in RUN]


# What goes wrong on a page of theirs with nothing but 1 + 1 in it. Voila's template asks for icons
# and MathJax from outside, which fails here, and cannot load Notebook 7's extension; Notebook 7
# stumbles over a setting, a command and a font of its own. The console does not name what failed to
# load: the request does, and is another problem in the list. JupyterLab's debugger says it where a
# notebook is closed before its kernel has answered.
THEIR_OWN = {
    "lab": ("Could not restore the debugger state: Canceled future",),
    "voila": (
        "fortawesome",
        "mathjax",
        "Failed to load resource: net::ERR",
        "@jupyter-notebook/lab-extension",
        "@jupyter/nbgrader",
    ),
    "notebook": (
        "reading 'schema'",
        "Command 'filebrowser:open-path'",
        ".woff2",
        "Failed to load resource: the server",
    ),
}


def ours(problems, place):
    """The problems of a page that are not the place's own."""
    return [
        problem for problem in problems if not any(words in problem for words in THEIR_OWN[place])
    ]


# ipywidgets looks for a saved explorer's model every 100 ms for 2 s, the last time before they are
# over, and then asks whether all models are restored. Those that came in between, which on a busy
# machine may be seconds, are never shown: it says this, until the learner opens the notebook again.
MISSED = "Error displaying widget: model not found"


def wait_for_explorers(page, count, again):
    """Wait until the saved explorers are there, on a busy machine for minutes, and open the page
    `again` where ipywidgets missed them; else say what stands there.
    """
    explorers, missed = page.locator(".xe"), page.get_by_text(MISSED)
    for _ in range(3):
        try:
            explorers.nth(count - 1).or_(missed.first).first.wait_for(timeout=180_000)
        except TimeoutError:
            break
        if not missed.count():
            return
        page.problems[:] = [said for said in page.problems if "widget model not found" not in said]
        again()
    there = f"{explorers.count()} of {count} explorers"
    pytest.fail(f"{there}; {page.evaluate(servers.LOOK)}; {page.problems} {page.late}")


def moves(page, saved, again):
    """Move each explorer of a page by key and by mouse; what it shows is what the table that it was
    saved with says.
    """
    wait_for_explorers(page, len(saved), again)
    roots = page.locator(".xe")
    for i, made in enumerate(map(restored, saved)):
        root = roots.nth(i)
        dial, stops = next(iter(made.state())), explored.stops(made)
        explored.check(root, made)
        slider = root.locator(explored.SLIDER)
        for key, stop in (("End", stops[-1]), ("ArrowLeft", stops[-2]), ("Home", stops[0])):
            slider.press(key)
            explored.go(made, made.state() | {dial: stop})
            explored.check(root, made)
        root.locator(".xe-slider button").last.click()
        explored.go(made, made.state() | {dial: stops[1]})
        explored.check(root, made)
        track = slider.bounding_box()
        page.mouse.click(track["x"] + track["width"] - 3, track["y"] + track["height"] / 2)
        explored.go(made, made.state() | {dial: stops[-1]})
        explored.check(root, made)


def run_all(page, jupyter, count):
    """Run all cells, an error in none, and wait until as many new explorers stand where the saved
    ones stood.
    """
    page.evaluate("document.querySelectorAll('.xe').forEach((root) => root.classList.add('saved'))")
    jupyter.run(page)
    page.wait_for_function(f"document.querySelectorAll('.xe:not(.saved)').length === {count}")


@pytest.fixture(scope="module")
def lab(browser, jupyter):
    """A JupyterLab: it loads for longer than the notebooks, which are opened in it one by one."""
    with open_page(browser) as page:
        jupyter.enter(page)
        yield page


@pytest.fixture
def shown(lab, jupyter, path):
    """JupyterLab with a saved and trusted notebook, which is closed afterwards."""
    lab.problems.clear()
    lab.late.clear()
    try:
        lab.again = partial(jupyter.show_again, lab, jupyter.trust(path))
        jupyter.show(lab, path.stem)
        yield lab
    finally:
        jupyter.close(lab)


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_a_saved_and_trusted_notebook_moves_in_jupyterlab_before_a_cell_is_run(shown, path):
    notebook = nbformat.read(path, 4)
    moves(shown, explorers_of(notebook), shown.again)
    for _ in [cell for cell in notebook.cells if cell.get("attachments")]:
        shown.wait_for_selector("img[src^='data:image/webp']", state="attached")
    # JupyterLab asks the browser for an attachment by that name, and then puts it in
    assert [said for said in ours(shown.problems, "lab") if not ATTACHED.search(said)] == []


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.stem)
def test_a_notebook_moves_in_jupyterlab_before_a_cell_is_run_and_after_all_are(
    shown, jupyter, path
):
    saved = explorers_of(nbformat.read(path, 4))
    moves(shown, saved, shown.again)
    run_all(shown, jupyter, len(saved))
    for root in shown.locator(".xe").all():
        by_key_and_by_mouse(shown, root)
    assert ours(shown.problems, "lab") == []


def by_key_and_by_mouse(page, root):
    """An explorer in any state: its slider goes to the last stop and to the first, and shows
    another picture there.
    """
    slider = root.locator(explored.SLIDER)
    picture = "(root) => [...root.querySelectorAll('svg')].map((svg) => svg.outerHTML).join()"
    slider.press("Home")
    first = root.evaluate(picture)
    slider.press("End")
    assert slider.input_value() == slider.get_attribute("max")
    assert root.evaluate(picture) != first
    track = slider.bounding_box()
    page.mouse.click(track["x"] + 3, track["y"] + track["height"] / 2)
    assert slider.input_value() == "1"
    assert root.evaluate(picture) == first


def as_python_says(page, saved):
    """Explorers of cells that were run, in the state in which the last cell left them and in another:
    they move, and show what the tables say that the notebook has saved.
    """
    for root, made in zip(page.locator(".xe").all(), map(restored, saved), strict=True):
        shows(root, made)
        by_key_and_by_mouse(page, root)
        shows(root, made)


def shows(root, made):
    """In the state that the page has, it shows what Python says."""
    explored.go(made, json.loads(root.get_attribute("data-state")))
    explored.check(root, made)


def test_all_explorers_run_and_move_in_notebook_7(browser, jupyter):
    with open_page(browser) as page:
        again = partial(jupyter.open, page, jupyter.trust(EVERY_EXPLORER), "notebook")
        again()
        saved = explorers_of(nbformat.read(EVERY_EXPLORER, 4))
        moves(page, saved, again)
        run_all(page, jupyter, len(saved))
        as_python_says(page, saved)
        assert ours(page.problems, "notebook") == []
        jupyter.shut_down(page)


def test_all_explorers_run_and_move_in_voila(browser, jupyter):
    """It runs the notebook before it shows it."""
    with open_page(browser) as page:
        again = partial(jupyter.open, page, jupyter.trust(EVERY_EXPLORER), "voila")
        again()
        saved = explorers_of(nbformat.read(EVERY_EXPLORER, 4))
        wait_for_explorers(page, len(saved), again)
        as_python_says(page, saved)
        assert ours(page.problems, "voila") == []
