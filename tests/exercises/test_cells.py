"""Exercises in the notebooks: they agree with their data, and editions have what they should."""

import ast
import builtins
import copy
import json
import subprocess
import sys

import pytest

from tests.helpers.course import COURSE, ROOT
from xception_edu.commands import notebooks
from xception_edu.exercises import EXERCISES, cells, editions
from xception_edu.exercises.exercise import judged

each = pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def exercises_of(path):
    number = path.stem.partition("_")[0]
    return [one for one in EXERCISES.values() if one.notebook == number]


def tagged(notebook, tag):
    return [cell for cell in notebook["cells"] if tag in cells.tags(cell)]


def source(cell):
    return "".join(cell["source"])


def test_notebooks_and_the_page_of_misconceptions_agree_with_the_data():
    command = [sys.executable, ROOT / "experiments/put_exercises.py", "--check"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (run.returncode, run.stdout) == (0, ""), "run python experiments/put_exercises.py"


@each
def test_putting_exercises_in_twice_changes_nothing_and_without_them_nothing_is_left(path):
    notebook = read(path)
    again = copy.deepcopy(notebook)
    cells.put(again, exercises_of(path))
    assert again == notebook
    cells.put(again, [])
    assert not [cell for cell in again["cells"] if cells.is_exercise(cell)]
    others = [cell["id"] for cell in notebook["cells"] if not cells.is_exercise(cell)]
    assert [cell["id"] for cell in again["cells"]] == others


@each
def test_a_stub_overwrites_no_name_that_a_later_cell_of_the_notebook_needs(path):
    notebook = read(path)
    first = next((i for i, c in enumerate(notebook["cells"]) if cells.is_exercise(c)), None)
    after = notebook["cells"][first:] if first is not None else []
    assert not [c for c in after if c["cell_type"] == "code" and not cells.is_exercise(c)]


def bound(tree):
    """The names that a piece of code binds: imports, functions, arguments and variables."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import() | ast.ImportFrom():
                found |= {alias.asname or alias.name for alias in node.names}
            case ast.FunctionDef() | ast.ClassDef():
                found.add(node.name)
            case ast.arg():
                found.add(node.arg)
            case ast.Name(ctx=ast.Store()):
                found.add(node.id)
    return found


def free(tree):
    """The names that a piece of code uses and does not bind."""
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    return used - bound(tree) - set(dir(builtins))


@each
def test_a_solution_needs_no_name_that_its_notebook_or_its_stub_lacks(path):
    code = [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]
    there = bound(ast.parse("\n".join(map(source, code))))
    for one in exercises_of(path):
        for solution in one.solutions:
            assert free(ast.parse(solution)) <= there, one.name


def test_every_exercise_of_a_notebook_that_is_there_stands_in_it():
    numbers = {path.stem.partition("_")[0] for path in COURSE}
    wanted = [name for name, one in EXERCISES.items() if one.notebook in numbers]
    found = [cell["id"] for path in COURSE for cell in tagged(read(path), "stub")]
    assert sorted(found) == sorted(f"stub-{name}" for name in wanted)
    assert len(found) >= 30


# ---- for students, and for teachers --------------------------------------------------------------


@pytest.fixture(params=editions.EDITIONS)
def edition(request, tmp_path):
    out = tmp_path / request.param
    notebooks.write(out, edition=request.param)
    return request.param, {path.name: read(path) for path in out.glob("*.ipynb")}


def test_an_edition_has_every_notebook_with_its_exercises(edition, tmp_path):
    name, written = edition
    folder = tmp_path / name
    assert sorted(written) == [path.name for path in notebooks.shipped()]
    beside = {"students": set(), "teachers": {"misconceptions.md", "nbgrader_config.py"}}
    assert {p.name for p in folder.iterdir()} - set(written) == beside[name]
    for path in COURSE:
        assert len(tagged(written[path.name], "stub")) == len(exercises_of(path))


def test_students_get_no_output_and_no_solution(edition):
    name, written = edition
    if name != "students":
        return
    for notebook in written.values():
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
        assert "widgets" not in notebook["metadata"]
        assert not tagged(notebook, "solution")
        assert not any(editions.BEGIN in source(cell) for cell in code)


def test_teachers_get_every_solution_filled_in_and_checked(edition):
    name, written = edition
    if name != "teachers":
        return
    for notebook in written.values():
        for stub, check in zip(tagged(notebook, "stub"), tagged(notebook, "check"), strict=True):
            one = EXERCISES[stub["id"].removeprefix("stub-")]
            assert source(stub).startswith(f"{one.stub}\n")
            assert judged(one, one.answer_of(source(stub))).right
            assert "Right. " in "".join(check["outputs"][0]["data"]["text/plain"])


def test_nbgrader_finds_an_answer_and_a_point_for_each_exercise(edition):
    name, written = edition
    if name != "teachers":
        return
    marks = [
        cell["metadata"]["nbgrader"]
        for notebook in written.values()
        for cell in notebook["cells"]
        if "nbgrader" in cell["metadata"]
    ]
    assert len({mark["grade_id"] for mark in marks}) == len(marks)
    found = sum(mark.get("points", 0) for mark in marks)
    assert found == len([m for m in marks if m["solution"]]) == len(marks) / 2 >= 30


def test_what_an_edition_keeps_is_the_same_twice(tmp_path):
    notebooks.write(tmp_path, edition="students")
    assert notebooks.write(tmp_path, edition="students") == ([], [])
    _, kept = notebooks.write(tmp_path)
    assert kept  # a learner's file is not overwritten by another edition
