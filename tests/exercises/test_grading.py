"""nbgrader grades the teachers' edition: every exercise of the course, by two learners."""

import json
import os
import sys
import warnings

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

from tests.helpers.course import COURSE
from xception_edu.commands import notebooks
from xception_edu.exercises import EXERCISES, cells, editions

ANSWERS = {
    "alice": {name: one.solutions[-1] for name, one in EXERCISES.items()},
    # half of them wrong, the others as he was given them
    "bob": {name: EXERCISES[name].misconceptions[0].code for name in list(EXERCISES)[::2]},
}
NAME = "exercises.ipynb"


def imports(name):
    """What an answer to the exercise needs, above it."""
    return "\n".join(EXERCISES[name].environment)


def all_exercises():
    """The teachers' edition of the whole course, without what lies between the exercises."""
    editions_of = [json.loads(notebooks.content_of(path, "teachers")) for path in COURSE]
    chosen = [cell for notebook in editions_of for cell in notebook["cells"]]
    kept = [cell for cell in chosen if cells.is_exercise(cell) and cell["cell_type"] == "code"]
    start = next(cell for cell in chosen if cell["cell_type"] == "code")
    return {**editions_of[0], "cells": [{**start, "source": "import xception_edu as xe"}, *kept]}


def handed_in(released, answers):
    """The released notebook with a learner's answers in the stubs' places."""
    submission = json.loads(json.dumps(released))
    for cell in submission["cells"]:
        name = cell["id"].removeprefix("stub-")
        if name in answers:
            cell["source"] = f"{imports(name)}\n{answers[name]}"
    return submission


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course of nbgrader whose one assignment was released, handed in and graded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbgrader's, of its own libraries
        return graded_course(tmp_path_factory.mktemp("course"))


def graded_course(root):
    """The course's folder, and the assignment as it is released."""
    space = {"get_config": Config}
    exec(editions.NBGRADER_CONFIG, space)
    config = space["c"]
    config.CourseDirectory.root = str(root)
    write(root / "source/ch" / NAME, all_exercises())
    place, path = os.getcwd(), os.environ["PATH"]
    os.chdir(root)
    # nbgrader calls alembic by its name, which lies beside its Python
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), path])
    try:
        api = NbGraderAPI(config=config)
        assert api.generate_assignment("ch")["success"]
        released = json.loads((root / "release/ch" / NAME).read_text(encoding="utf-8"))
        for learner, answers in ANSWERS.items():
            write(root / "submitted" / learner / "ch" / NAME, handed_in(released, answers))
            graded = api.autograde("ch", learner)
            assert graded["success"], graded["error"] + graded["log"]
    finally:
        os.chdir(place)
        os.environ["PATH"] = path
    return root, released


def write(path, notebook):
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")


def points(root, learner):
    """What a learner got for each test."""
    with Gradebook(f"sqlite:///{root}/gradebook.db") as book:
        (notebook,) = book.find_submission("ch", learner).notebooks
        return {grade.name: grade.auto_score for grade in notebook.grades}


@pytest.mark.parametrize(("learner", "each"), [("alice", 1), ("bob", 0)])
def test_right_answers_get_their_points_and_wrong_and_missing_ones_none(course, learner, each):
    root, _ = course
    assert points(root, learner) == {f"test-{name}": each for name in EXERCISES}


def test_what_learners_get_has_the_stubs_and_no_solution(course):
    _, released = course
    stubs = [cell for cell in released["cells"] if "stub" in cells.tags(cell)]
    assert len(stubs) == len(EXERCISES)
    for cell in stubs:
        one = EXERCISES[cell["id"].removeprefix("stub-")]
        source = "".join(cell["source"])
        assert source.startswith(one.stub)
        assert not any(code in source for code in one.solutions)
        assert "raise" not in source
