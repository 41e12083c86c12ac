"""Claims about notebooks with explorers, as files: small, saved whole, and nothing in them that VS
Code or Colab lack.
"""

import base64
import io
import pathlib
import re

import anywidget
import nbformat
import pytest
from PIL import Image

from tests.helpers.explorer_notebooks import EVERY_EXPLORER, NAMES, explorers_of, restored
from tests.helpers.run_notebooks import STATE, VIEW, move_back
from xception_edu.explorers import order_explorer

ROOT = pathlib.Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SCRIPTS = sorted((ROOT / "xception_edu" / "explorers").rglob("*.js"))
STYLES = sorted((ROOT / "xception_edu" / "explorers").rglob("*.css"))
MODULES = {
    "anywidget",
    "@jupyter-widgets/base",
    "@jupyter-widgets/controls",
    "@jupyter-widgets/output",
}
LARGEST = 5_200_000  # bytes


def test_the_notebook_with_every_explorer_has_them_all():
    saved = explorers_of(nbformat.read(EVERY_EXPLORER, 4))
    made = [repr(restored(state)).partition("(")[0] for state in saved]
    assert sorted(made) == sorted(f"xe.{name}" for name in NAMES)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_is_small_and_has_what_other_places_need(path):
    assert path.stat().st_size < LARGEST
    check_elsewhere(nbformat.read(path, 4))


def check_elsewhere(notebook):
    """Widgets that are anywidgets or ipywidgets' own, their state whole, a picture and words beside
    each.
    """
    saved = notebook.metadata.get("widgets", {}).get(STATE, {"state": {}})
    assert {model["model_module"] for model in saved["state"].values()} <= MODULES
    for cell in notebook.cells:
        for data in (output.get("data", {}) for output in cell.get("outputs", [])):
            if VIEW in data:
                assert data[VIEW]["model_id"] in saved["state"]
                assert (saved["version_major"], data[VIEW]["version_major"]) == (2, 2)
                assert data["text/plain"].partition("  # ")[0].endswith(")")
                if "(no guess yet: " in data["text/plain"]:
                    continue  # a guess is words: it has no picture
                assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).format == "PNG"
    outputs = [
        output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])
    ]
    lines = [
        data["text/plain"]
        for data in outputs
        if VIEW in data and "_explorer(" in data["text/plain"]
    ]
    assert [repr(restored(state)) for state in explorers_of(notebook)] == lines, (
        "where a cell showed it, not where it went"
    )
    for state in explorers_of(notebook):
        assert re.search(r"export default", state["_esm"])
        check_script(state["_esm"])
        check_style(state["_css"])


def check_script(text):
    """A script that is one module of its own, and knows no place by its name."""
    for word in (
        "http:",
        "https:",
        "import ",
        "import(",
        "require(",
        "jupyterapp",
        "google",
        "vscode",
        "fetch(",
    ):
        assert word not in text, word


def check_style(text):
    """A style that asks for nothing, and has another color where JupyterLab's is missing."""
    assert "url(" not in text
    assert "@import" not in text
    assert not re.search(r"var\(--jp-[\w-]+\)", text), "without a color for other places"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_the_scripts_load_nothing(path):
    check_script(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_the_styles_of_an_explorer_are_its_own(path):
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL).strip()
    check_style(text)
    if path.name != "shell.css":  # else two explorers on a page would take each other's
        assert re.match(r"\.xe-\w+ \{", text)
        depth = [text[:i].count("{") - text[:i].count("}") for i in range(len(text))]
        assert all(depth[text.index("{") + 1 : len(text) - 1])
        name = re.match(r"\.xe-(\w+)", text)[1]
        assert f'name: "{name}"' in path.with_suffix(".js").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_saved_explorers_have_the_scripts_of_today(path):
    for state in explorers_of(nbformat.read(path, 4)):
        explorer = restored(state)
        assert state["_esm"] == explorer.source("js"), "run `make notebooks` and commit"
        assert state["_css"] == explorer.source("css"), "run `make notebooks` and commit"


def test_an_explorer_is_saved_where_its_cell_showed_it_and_not_where_later_cells_left_it():
    made = order_explorer(mixing=30, activation="elu")
    line, state = repr(made), {"_table": made._table} | made.state()
    moved = state | {"mixing": 100, "activation": "none", "kernels": "same"}
    move_back(moved, line)
    assert moved == state
    slider = {"value": 3}
    move_back(slider, "IntSlider(value=0)")
    assert slider == {"value": 3}


def test_colab_needs_nothing_but_the_package_and_the_readme_says_so():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "In Colab, install the package first" in " ".join(readme.split())
    assert callable(anywidget._util.enable_custom_widget_manager_once)  # which every widget calls


def test_a_planted_fault_is_seen():
    for text in (
        'import x from "https://cdn.example/x.js"',
        "fetch('data.json')",
        "jupyterapp.commands",
    ):
        with pytest.raises(AssertionError):
            check_script(text)
    for text in ("i { background: url(x.png) }", "i { color: var(--jp-ui-font-color1); }"):
        with pytest.raises(AssertionError):
            check_style(text)
