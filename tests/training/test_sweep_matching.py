"""Widths by measured time, with a clock that is made up: a step takes as its MACs say."""

import itertools

import pytest
import torch

from tests.helpers.tiny_sweep import tiny_plan
from xception_edu import architectures
from xception_edu.costs import total
from xception_edu.training.sweep import matching
from xception_edu.training.sweep.plan import recipe_of
from xception_edu.training.sweep.sweep import open_sweep


def milliseconds(recipe, device):
    return total(architectures.xception(recipe.model, recipe.image_size)).macs / 1e4


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(matching, "step_milliseconds", milliseconds)


def wide():
    recipe = dict(tiny_plan().recipe)
    recipe["model"] = recipe["model"] | {
        "entry_widths": [16, 32, 64],
        "exit_widths": [64, 96, 128],
    }
    return tiny_plan(budget="step_time", recipe=recipe)


@pytest.mark.usefixtures("clock")
def test_networks_matched_by_time_take_equally_long(tmp_path):
    plan = wide()
    widths = matching.measured_widths(plan, tmp_path, torch.device("cpu"))
    times = [milliseconds(recipe_of(plan, point, widths), "cpu") for point in plan.points]
    assert max(times) / min(times) < 1.1
    assert widths["1"] < widths["4"] < 1


@pytest.mark.usefixtures("clock")
def test_the_reference_is_as_wide_as_it_is(tmp_path):
    assert list(matching.measured_widths(wide(), tmp_path, torch.device("cpu"))) == ["1", "4"]


def test_one_slow_moment_decides_nothing(tmp_path, monkeypatch):
    calls = itertools.count()

    def hiccups(recipe, device):
        return milliseconds(recipe, device) * (5 if next(calls) % 7 == 0 else 1)

    monkeypatch.setattr(matching, "step_milliseconds", milliseconds)
    quiet = matching.measured_widths(wide(), tmp_path / "quiet", torch.device("cpu"))
    monkeypatch.setattr(matching, "step_milliseconds", hiccups)
    assert matching.measured_widths(wide(), tmp_path / "busy", torch.device("cpu")) == quiet


def test_of_the_widths_that_were_tried_the_nearest_in_time_is_taken(tmp_path, monkeypatch):
    """A clock on which almost every width is slow: halving alone would end beside the one that is
    not.
    """
    seen = []

    def uneven(recipe, device):
        seen.append(recipe.model.width)
        fast = recipe.model.width in (1, seen[0])
        return 100 if fast else 130

    monkeypatch.setattr(matching, "step_milliseconds", uneven)
    widths = matching.measured_widths(wide(), tmp_path, torch.device("cpu"))
    assert widths["1"] == seen[0]


@pytest.mark.usefixtures("clock")
def test_what_was_measured_is_kept(tmp_path, monkeypatch):
    found = open_sweep(wide(), tmp_path, device="cpu")
    monkeypatch.setattr(matching, "step_milliseconds", None)  # nothing is measured again
    assert open_sweep(wide(), tmp_path, device="cpu").widths == found.widths
    assert len(found.pending) == 6


def test_counted_budgets_are_not_measured(tmp_path):
    assert matching.measured_widths(tiny_plan(), tmp_path, torch.device("cpu")) == {}
    assert list(tmp_path.iterdir()) == []
