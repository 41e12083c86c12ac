"""The notebooks for students, without outputs and solutions, and for teachers, with both.

A teacher's notebook is also a source notebook of nbgrader: each exercise is an answer of the
learner's, the stub and behind it the solution between nbgrader's marks, and a test of one point
that asks the check. `nbgrader generate_assignment` takes the solutions out and leaves the stubs,
`nbgrader autograde` gives the points. The notebooks belong into the course's `source/NAME`, and
nbgrader_config.py, which is written beside them, into the course's own folder.
"""

from xception_edu.exercises import EXERCISES
from xception_edu.exercises.cells import Cell, Notebook, check_cell, is_exercise, number, tags, take
from xception_edu.exercises.exercise import Exercise, judged

EDITIONS = ("students", "teachers")
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
SCHEMA_VERSION = 3  # of nbgrader's metadata
# By itself nbgrader puts a `raise` where a solution was, below the stub that learners fill in.
NBGRADER_CONFIG = """\
c = get_config()  # noqa: F821
c.ClearSolutions.code_stub = {"python": "# your answer stands above, in the place of ..."}
"""


def for_students(notebook: Notebook) -> None:
    """Take out solutions, and what every cell gave."""
    take(notebook, lambda cell: "solution" in tags(cell))
    notebook["metadata"].pop("widgets", None)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)


def for_teachers(notebook: Notebook) -> None:
    """Fill in the solutions, with what the checks say of them, and mark all for nbgrader."""
    cells: list[Cell] = []
    for cell in notebook["cells"]:
        cells += _with_solution(cell)
    notebook["cells"] = cells
    number(notebook)


def _with_solution(cell: Cell) -> list[Cell]:
    """A cell as a teacher has it; a check is followed by the test that gives the point."""
    if not is_exercise(cell):
        return [cell]
    one = EXERCISES.get(cell["id"].partition("-")[2])
    if one is not None and "stub" in tags(cell):
        imports = [line for line in one.environment if line != "import xception_edu as xe"]
        code = "\n".join([one.stub, "", BEGIN, *imports, one.solutions[0], END])
        _mark(cell, one, grade=False)
        cell["source"] = code.splitlines(keepends=True)
        return [cell]
    if one is None or "check" not in tags(cell):
        return [cell]
    right = check_cell(one, judged(one, one.answer_of(one.solutions[0])))
    return [right, _test_cell(one)]


def _test_cell(one: Exercise) -> Cell:
    """The cell that fails unless the answer is right."""
    cell: Cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": f"test-{one.name}",
        "metadata": {"tags": ["exercise", "test"]},
        "outputs": [],
        "source": [f'assert xe.check("{one.name}", {one.answer}).right'],
    }
    _mark(cell, one, grade=True)
    return cell


def _mark(cell: Cell, one: Exercise, *, grade: bool) -> None:
    """Write nbgrader's metadata: an answer of the learner's, or a test of one point."""
    marks: dict[str, object] = {
        "grade": grade,
        "grade_id": f"{'test' if grade else 'answer'}-{one.name}",
        "locked": grade,
        "schema_version": SCHEMA_VERSION,
        "solution": not grade,
        "task": False,
    }
    if grade:
        marks["points"] = 1
    cell["metadata"]["nbgrader"] = marks
