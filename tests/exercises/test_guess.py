"""A guess is kept beside the notebook and shown beside the answer, which it waits for."""

import json

import pytest

import xception_edu as xe
from xception_edu.exercises import progress_file


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("XCEPTION_EDU_PROGRESS", str(tmp_path / "progress.json"))


def shown(widget):
    return [child.value for child in widget.children if hasattr(child, "value")]


def asked():
    return xe.guess("08-faster", "How many times as fast?", 7.4)


def test_the_answer_is_hidden_until_there_is_a_guess():
    widget = asked()
    assert "7.4" not in repr(widget) + " ".join(shown(widget))
    assert shown(widget) == ["How many times as fast?", ""]
    widget.field.value = 9
    widget.button.click()
    assert shown(widget)[1] == "you guessed <b>9</b>; it is <b>7.4</b>"
    assert widget.field.disabled


def test_a_guess_is_there_again_the_next_time_and_the_first_one_counts():
    asked().keep(9)
    again = asked()
    assert repr(again) == "08-faster: you guessed 9; it is 7.4"
    again.keep(7.4)
    assert progress_file.guess("08-faster") == 9


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
