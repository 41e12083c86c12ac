"""nbgrader grades the teachers' edition: a released assignment, one right answer and one wrong."""

import json
import os
import subprocess
import sys

import pytest

from xception_edu.commands import notebooks
from xception_edu.exercises import EXERCISES, editions

pytest.importorskip("nbgrader", reason="nbgrader is not installed here: pip install nbgrader")

NAME = "02_inception_splits_the_work.ipynb"
ANSWERS = {"02-towers": EXERCISES["02-towers"].solutions[-1], "02-count": "parameters = 17"}


def nbgrader(folder, *arguments):
    """One command of nbgrader in the course's folder; it finds alembic beside its Python."""
    places = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    command = [sys.executable, "-m", "nbgrader", *arguments]
    environment = os.environ | {"PATH": places}
    run = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]


def test_a_right_answer_gets_its_point_and_a_wrong_one_none(tmp_path):
    from nbgrader.api import Gradebook

    source, submitted = tmp_path / "source/ch", tmp_path / "submitted/alice/ch"
    for folder in (source, submitted):
        folder.mkdir(parents=True)
    shipped = next(path for path in notebooks.shipped() if path.name == NAME)
    (source / NAME).write_bytes(notebooks.content_of(shipped, "teachers"))
    nbgrader(tmp_path, "generate_assignment", "ch")
    released = json.loads((tmp_path / "release/ch" / NAME).read_text(encoding="utf-8"))
    assert editions.BEGIN not in json.dumps(released)
    for cell in released["cells"]:
        answer = ANSWERS.get(cell["id"].removeprefix("stub-"))
        if answer is not None and "stub" in cell["metadata"].get("tags", []):
            cell["source"] = answer
    (submitted / NAME).write_text(json.dumps(released), encoding="utf-8")
    nbgrader(tmp_path, "autograde", "ch")
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as book:
        (submission,) = book.assignment_submissions("ch")
        points = {grade.name: grade.auto_score for grade in submission.notebooks[0].grades}
    assert points == {"test-02-towers": 1, "test-02-count": 0, "test-02-split": 0}
