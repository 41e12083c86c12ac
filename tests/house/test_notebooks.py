"""What the committed notebooks must be, and a proof that comparing them can fail."""

import ast
import base64
import io
import pathlib
import re
import statistics
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from PIL import Image

import xception_edu as xe
from tests.helpers.compared_pictures import difference, png_images
from tests.helpers.course import tags
from tests.helpers.run_notebooks import STATE, execute, normalized
from xception_edu.commands import badges

ROOT = pathlib.Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    """The cells of code, without the one that comes with badges and installs the package."""
    code = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    return [cell for cell in code if badges.INSTALL not in tags(cell)]


def test_the_course_begins_with_notebooks_1_to_3_and_a_training():
    assert {"01", "02", "03", "07"} <= {path.name[:2] for path in NOTEBOOKS}


@each_notebook
def test_cells_are_short_and_the_first_idea_comes_early(path):
    lines = [len(cell.source.splitlines()) for cell in code_cells(path)]
    assert statistics.median(lines) <= 4
    assert max(lines) <= 12


@each_notebook
def test_the_first_cell_is_six_lines_of_imports_at_most(path):
    first = code_cells(path)[0].source
    assert len(first.splitlines()) <= 6
    assert all(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(first).body)
    assert first.endswith("import xception_edu as xe")


def within(node, kinds):
    """Whether one of `kinds` stands inside of `node`."""
    return any(isinstance(other, kinds) and other is not node for other in ast.walk(node))


def dense(source):
    """Expressions that say two things at once: a comprehension in a comprehension, or with two
    loops; a conditional in a conditional; arguments out of a dictionary.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        nested = isinstance(node, COMPREHENSIONS) and within(node, COMPREHENSIONS)
        two_loops = isinstance(node, COMPREHENSIONS) and len(node.generators) > 1
        conditionals = isinstance(node, ast.IfExp) and within(node, ast.IfExp)
        unpacked = isinstance(node, ast.keyword) and node.arg is None
        gathered = isinstance(node, ast.arguments) and node.kwarg is not None
        if nested or two_loops or conditionals or unpacked or gathered:
            found.append(ast.unparse(node))
    return found


@each_notebook
def test_cells_say_one_thing_at_a_time(path):
    for cell in code_cells(path):
        assert not dense(cell.source)


def test_what_is_dense_is_seen():
    for source in (
        "[[y for y in x] for x in z]",
        "{k: sum(v for v in x) for k, x in z}",
        "[y for x in z for y in x]",
        "1 if a else 2 if b else 3",
        "f(**how)",
        "def f(**how):\n    pass",
    ):
        assert len(dense(source)) == 1, source
    assert not dense("[x for x in z if x]\n1 if a else 2\nf(*those)\n[*x, *y]")


@each_notebook
def test_cells_define_no_class_and_hide_nothing(path):
    for cell in code_cells(path):
        tree = ast.parse(cell.source)
        assert not any(isinstance(node, ast.ClassDef) for node in ast.walk(tree)), (
            "classes belong into the library"
        )
        for word in (
            "interact(",
            "Output(",
            "clear_output",
            "%%capture",
            "warnings.",
            "except",
            "pip install",
        ):
            assert word not in cell.source
        assert not [
            output
            for output in cell.outputs
            if output.output_type == "error" or output.get("name") == "stderr"
        ]


@each_notebook
def test_numbers_are_asserted(path):
    cells = code_cells(path)
    assert sum("assert " in cell.source for cell in cells) >= len(cells) / 3


@each_notebook
def test_every_picture_and_widget_says_in_words_what_it_shows(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                assert len(output.data["text/plain"]) > 20
                assert "0x" not in output.data["text/plain"]


@each_notebook
def test_widgets_are_saved_with_their_state_and_a_picture(path):
    notebook = nbformat.read(path, 4)
    views = [
        o.data
        for c in code_cells(path)
        for o in c.outputs
        if any("widget-view" in mime for mime in o.get("data", {}))
    ]
    if views:
        # GitHub refuses a notebook whose widgets lack it
        assert notebook.metadata.widgets[STATE]["state"]
    guesses = [data for data in views if "(no guess yet: " in data["text/plain"]]
    assert all("image/png" in data for data in views if data not in guesses)


@each_notebook
def test_links_lead_somewhere(path):
    for cell in nbformat.read(path, 4).cells:
        for link in re.findall(
            r"\]\(([^)#\s]+)", cell.source if cell.cell_type == "markdown" else ""
        ):
            attached = link.removeprefix("attachment:") in cell.get("attachments", ())
            assert attached or link.startswith("https://") or (path.parent / link).exists(), link


@each_notebook
def test_a_notebook_is_small_and_names_no_machine(path):
    assert path.stat().st_size < 5_200_000
    assert not re.search(r"/(home|root|Users)/|ipykernel_\d", path.read_text(encoding="utf-8"))


def picture(value):
    file = io.BytesIO()
    Image.new("L", (8, 8), value).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def change_text(notebook):
    notebook.cells[0].outputs[0].text = "3\n"


def change_picture(notebook):
    notebook.cells[1].outputs[0].data["image/png"] = picture(103)


def drop_picture(notebook):
    notebook.cells[1].outputs = []


def strip(notebook):
    for cell in notebook.cells:
        cell.outputs, cell.execution_count = [], None


def half_run(notebook):
    notebook.cells[1].update(outputs=[], execution_count=None)


def skip(notebook):
    notebook.cells[0].metadata.tags = ["nbval-skip"]


def ignore(notebook):
    notebook.cells[0].source = "# NBVAL_IGNORE_OUTPUT\n" + notebook.cells[0].source


FAULTS = [change_text, change_picture, drop_picture, strip, half_run, skip, ignore]


@pytest.mark.slow
def test_comparing_notebooks_sees_every_planted_fault(tmp_path):
    sources = ["print(2)", "from PIL import Image\nImage.new('L', (8, 8), 100)"]
    original = tmp_path / "original.ipynb"
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources]),
        original,
    )
    original.write_text(normalized(execute(original)), encoding="utf-8")
    for fault in FAULTS:
        notebook = nbformat.read(original, 4)
        fault(notebook)
        nbformat.write(notebook, tmp_path / f"{fault.__name__}.ipynb")
    options = [
        "-p",
        "tests.helpers.strict_notebooks",
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore",
        "--continue-on-collection-errors",
    ]
    options += [
        "--nbval",
        "--nbval-current-env",
        "--nbval-sanitize-with",
        ROOT / "tests/helpers/nbval_sanitize.cfg",
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-c",
        ROOT / "pyproject.toml",
        "--rootdir",
        ROOT,
        *options,
        tmp_path,
    ]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 1, run.stdout
    failed = set(re.findall(r"^(?:FAILED|ERROR) \S*?(\w+)\.ipynb", run.stdout, flags=re.MULTILINE))
    assert failed == {fault.__name__ for fault in FAULTS}, run.stdout


@pytest.mark.slow
def test_running_a_notebook_twice_gives_the_same_bytes(tmp_path):
    path = tmp_path / "widget.ipynb"
    source = "import ipywidgets\nipywidgets.VBox([ipywidgets.IntSlider(3), ipywidgets.Button()])"
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, id="one")]), path
    )
    first, second = normalized(execute(path)), normalized(execute(path))
    assert first == second
    assert "IntSliderModel" in first


def test_one_picture_alone_depends_on_the_processor():
    asking = [
        (path.stem, cell.source)
        for path in NOTEBOOKS
        for cell in code_cells(path)
        if "picture_tolerance" in cell.metadata
    ]
    assert [name for name, _ in asking] == ["07_train_it_step_by_step"]
    assert '{"loss": losses}' in asking[0][1]


def curve(losses):
    """The one picture that may be another, of other losses."""
    words = {"title": "Loss of each batch", "x_label": "steps taken", "name": "first_losses"}
    png, _ = xe.show_lines(range(20), {"loss": list(losses)}, **words)._repr_png_()
    return png_images([{"data": {"image/png": base64.b64encode(png).decode()}}])


def test_the_curve_may_be_that_of_another_processor_and_no_other():
    losses = 0.7 + 1.8 * np.exp(-np.arange(20) / 8)
    another = losses + np.random.default_rng(0).normal(0, 0.02, 20)
    assert difference(curve(losses), curve(another)) is not None
    assert difference(curve(losses), curve(another), asked=8) is None
    for other in (losses[::-1], losses + 0.3, np.roll(losses, 2), np.full(20, 2.3)):
        assert difference(curve(losses), curve(other), asked=8) is not None
