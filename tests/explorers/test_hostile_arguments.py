"""Every explorer answers a hostile argument with one line that names the argument."""

import pytest

import xception_edu as xe
from tests.helpers.hostile_calls import wrong_answers

EXPLORERS = [name for name in xe.__all__ if name.endswith("_explorer")]


@pytest.mark.parametrize("name", EXPLORERS)
def test_hostile_arguments_are_answered_in_one_line(name):
    assert wrong_answers(getattr(xe, name), dict) == []
