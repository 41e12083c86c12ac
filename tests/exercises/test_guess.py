"""A guess is kept beside the notebook and shown beside the answer, which it waits for."""

import json
import re

import pytest

import xception_edu as xe
from tests.helpers.course import COURSE, cells_of
from xception_edu.exercises import progress_file


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("XCEPTION_EDU_PROGRESS", str(tmp_path / "progress.json"))


def asked():
    return xe.guess("08-faster", "How many times as fast?", 7.4)


def test_the_answer_is_hidden_until_there_is_a_guess():
    widget = asked()
    data, _ = widget._repr_mimebundle_()
    assert data["text/plain"].startswith("How many times as fast? (no guess yet: ")
    assert "7.4" not in data["text/plain"]
    widget.guess = 9  # as the browser sets it
    assert repr(widget) == "How many times as fast? You guessed 9; it is 7.4."


def test_a_guess_is_there_again_the_next_time_and_the_first_one_counts():
    asked().keep(9)
    again = asked()
    assert again.guess == 9
    again.keep(7.4)
    assert progress_file.guess("08-faster") == again.guess == 9


def test_guesses_and_exercises_are_kept_in_one_file_and_do_not_count_as_each_other():
    asked().keep(9)
    xe.check("02-count", 9216)
    kept = json.loads(progress_file.path().read_text(encoding="utf-8"))
    assert kept["guesses"] == {"08-faster": 9}
    assert xe.progress().done == 1
    assert progress_file.guess("08-faster") == 9


@pytest.mark.parametrize("content", ['{"guesses": 3}', '{"guesses": {"08-faster": "x"}}', "["])
def test_a_damaged_file_has_no_guess(content):
    progress_file.path().write_text(content)
    assert progress_file.guess("08-faster") is None
    asked().keep(2)
    assert progress_file.guess("08-faster") == 2


def test_a_guess_is_a_number():
    with pytest.raises(ValueError, match="guess is nan, but must be a finite number"):
        asked().keep(float("nan"))
    with pytest.raises(ValueError, match="answer is 'seven', but must be"):
        xe.guess("08-faster", "How many?", "seven")


# ---- in the notebooks ----------------------------------------------------------------------------


def guesses_of(path):
    return [cell for cell in cells_of(path) if "xe.guess(" in cell.source]


def test_every_notebook_asks_for_a_guess():
    without = [path.name[:2] for path in COURSE if not guesses_of(path)]
    assert without == ["10"]  # which shows explorers, and asks for none
    names = re.findall(r'xe\.guess\(\s*"([\w-]+)"', "\n".join(map(str, map(guesses_of, COURSE))))
    assert len(names) == len(set(names)) >= 13


@pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
def test_a_guess_is_short_and_its_saved_output_tells_no_answer(path):
    for cell in guesses_of(path):
        name = re.search(r'xe\.guess\(\s*"([\w-]+)"', cell.source)[1]
        assert cell.id == f"guess-{name}"
        assert name.startswith(path.name.partition("_")[0])
        assert len(cell.source.splitlines()) <= 6
        (output,) = cell.outputs
        assert output.data["text/plain"].endswith("(no guess yet: run the cell, and keep one)")
