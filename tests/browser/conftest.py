"""A real browser, one Jupyter for all tests, a page in JupyterLab with every explorer, and pages
without a kernel.
"""

import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.browser import explored, servers
from tests.helpers.explorer_notebooks import FIRST_CELL, NAMES, code_of

ROOT = Path(__file__).parents[2]
WINDOW = {"width": 1280, "height": 900}
# What anywidget throws after 2 s, also of a model that a busy machine still loads: the tests wait
# for the explorer itself.
LATE = "[anywidget] Failed to initialize model."
NO_BROWSER = (
    "no Chromium found, so nothing was moved in a browser: `apt-get install chromium` (Debian,"
    " Ubuntu) or `python -m playwright install chromium`, or set the environment variable CHROMIUM"
    " to its path"
)


def chromium(playwright):
    """Path of a Chromium: the one named by CHROMIUM, the system's, or Playwright's own. None where
    there is none. First the one without windows, as Playwright's own is: its pages start sooner.
    """
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
    found = [
        os.environ.get("CHROMIUM"),
        *map(shutil.which, names),
        playwright.chromium.executable_path,
    ]
    return next((path for path in found if path and Path(path).exists()), None)


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        path = chromium(playwright)
        if path is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(NO_BROWSER)
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@contextmanager
def open_page(browser, viewport=WINDOW, **options):
    """A page that keeps what went wrong: `page.problems` has console errors, exceptions, failed and
    foreign requests; `page.late` what LATE says. Options are those of Playwright's new_context.
    """
    context = browser.new_context(viewport=viewport, **options)
    page = context.new_page()
    page.problems, page.late = [], []
    page.on(
        "console",
        lambda message: page.problems.append(message.text) if message.type == "error" else None,
    )
    page.on(
        "pageerror",
        lambda error: (page.late if LATE in str(error) else page.problems).append(str(error)),
    )
    page.on("requestfailed", lambda request: page.problems.append(f"failed: {request.url}"))
    page.on(
        "response",
        lambda reply: (
            page.problems.append(f"{reply.status}: {reply.url}") if reply.status >= 400 else None
        ),
    )
    page.on(
        "request",
        lambda request: (
            None if _is_local(request.url) else page.problems.append(f"foreign: {request.url}")
        ),
    )
    yield page
    context.close()


@pytest.fixture
def page(browser):
    with open_page(browser) as page:
        yield page


def _is_local(url):
    return url.startswith((f"{servers.HERE}:", "ws://127.0.0.1:", "file:", "blob:", "data:"))


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory):
    course = tmp_path_factory.mktemp("course")
    shutil.copytree(ROOT / "results", course / "results")  # which notebooks read
    (course / "notebooks").mkdir()
    with servers.jupyter(tmp_path_factory.mktemp("home"), course / "notebooks") as server:
        yield server


@pytest.fixture(scope="session")
def lab_page(browser, jupyter):
    """A notebook in JupyterLab with all explorers, one cell each after the first cell."""
    jupyter.write("explorers", FIRST_CELL, *map(code_of, NAMES))
    with open_page(browser) as page:
        jupyter.open(page, "explorers")
        jupyter.run(page)
        page.locator(".xe").nth(len(NAMES) - 1).wait_for()
        yield page
        jupyter.shut_down(page)


# A page from disk with no kernel: the saved state of one explorer, and the few lines that anywidget
# would be.
HOST = """<!doctype html><html lang="en"><meta charset="utf-8"><title>explorer</title><body style="margin: 8px"><main></main>
<script type="module">
const state = %s, listeners = {};
window.model = {
  get: (name) => state[name],
  set(name, value) {
    if (state[name] === value) return;
    state[name] = value;
    (listeners[`change:${name}`] ?? []).forEach((tell) => tell());
  },
  on(event, tell) { (listeners[event] ??= []).push(tell); },
  off(event, tell) { listeners[event] = (listeners[event] ?? []).filter((other) => other !== tell); },
  save_changes() {},
};
const style = document.createElement("style");
style.textContent = state._css;
document.head.append(style);
const { default: widget } = await import(URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" })));
window.leave = widget.render({ model, el: document.querySelector("main") });
</script>"""


@pytest.fixture
def static(page, tmp_path):
    """Function that shows an explorer's saved state on a page from disk, with no kernel."""

    def show(explorer, width=860):
        names = ("_table", "_esm", "_css", *explorer.state())
        state = json.dumps({name: getattr(explorer, name) for name in names}).replace("</", "<\\/")
        file = tmp_path / "page.html"
        file.write_text(HOST % state, encoding="utf-8")
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(file.as_uri())
        page.locator(f".xe {explored.SLIDER}").wait_for()
        return page

    yield show
    assert page.problems == []
