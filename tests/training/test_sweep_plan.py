"""Plans: what they want, in which order, and what they refuse. No run is made."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.tiny_sweep import RECIPE, tiny_plan
from xception_edu import architectures
from xception_edu.costs import total
from xception_edu.recipes.recipe import Recipe
from xception_edu.recipes.schedule import peak_learning_rate
from xception_edu.training.sweep.plan import (
    Plan,
    changed,
    jobs,
    merged,
    not_default,
    read_plan,
    recipe_of,
)

PLANS = sorted((Path(__file__).parents[2] / "experiments/plans").glob("*.json"))


def answered(plan, lines, tops):
    """Lines for all short runs that are wanted, whose accuracy is a function of the rate."""
    for job in jobs(plan, lines, {}):
        if job.purpose == "rate" and job.key not in lines:
            lines[job.key] = {"validation_top1": tops(job.recipe.learning_rate)}
    return lines


def rates_tried(plan, lines):
    found = [job for job in jobs(plan, lines, {}) if job.purpose == "rate" and job.point == "4"]
    return sorted(job.recipe.learning_rate for job in found)


def test_before_anything_ran_only_learning_rates_are_wanted():
    wanted = jobs(tiny_plan(), {}, {})
    assert [job.purpose for job in wanted] == ["rate"] * 6
    assert {job.recipe.seed for job in wanted} == {1000}
    assert {job.recipe.epochs for job in wanted} == {1}


def test_the_best_rate_is_taken_and_results_come_seed_by_seed():
    plan = tiny_plan(rates=[0.05, 0.1, 0.2])
    lines = answered(plan, {}, lambda rate: 1 - abs(rate - 0.1))
    results = [job for job in jobs(plan, lines, {}) if job.purpose == "result"]
    assert {job.recipe.learning_rate for job in results} == {0.1}
    order = [(job.recipe.seed, job.point) for job in results]
    assert order == [(seed, name) for seed in (0, 1) for name in ("1", "4", "channels")]


@pytest.mark.parametrize(
    ("tops", "tried"),
    [
        (lambda rate: rate, [0.05, 0.1, 0.2, 0.4]),
        (lambda rate: -rate, [0.0125, 0.025, 0.05, 0.1]),
        (lambda rate: None if rate > 0.1 else rate, [0.05, 0.1, 0.2]),
    ],
    ids=["up", "down", "diverged"],
)
def test_where_the_best_rate_is_the_last_another_one_is_tried(tops, tried):
    plan = tiny_plan(extensions=2)
    lines = {}
    for _ in range(3):
        answered(plan, lines, tops)
    assert rates_tried(plan, lines) == tried
    best = max(tried, key=lambda rate: -1 if tops(rate) is None else tops(rate))
    results = [job for job in jobs(plan, lines, {}) if job.purpose == "result"]
    assert {job.recipe.learning_rate for job in results} == {best}


def test_a_point_may_take_the_rate_of_another():
    points = ["channels", {"name": "relu", "model": {"activation": "relu"}, "rate_of": "channels"}]
    plan = tiny_plan(points=points, ends=["channels"])
    lines = answered(plan, {}, lambda rate: rate)
    answered(plan, lines, lambda rate: 1 - abs(rate - 0.1))
    assert {job.point for job in jobs(plan, lines, {}) if job.purpose == "rate"} == {"channels"}
    relu = [job for job in jobs(plan, lines, {}) if job.point == "relu"]
    assert {job.recipe.model.activation for job in relu} == {"relu"}


def test_short_runs_may_have_another_batch_and_the_rate_follows_the_recipes_rule():
    recipe = RECIPE | {"lr_rule": "linear", "reference_batch_size": 32, "batch_size": 16}
    plan = tiny_plan(recipe=recipe, rate_recipe={"batch_size": 32})
    short = jobs(plan, {}, {})
    assert {job.recipe.batch_size for job in short} == {32}
    results = jobs(plan, answered(plan, {}, lambda rate: rate), {})[6:]
    assert {job.recipe.batch_size for job in results} == {16}
    assert {job.recipe.learning_rate for job in results} == {0.1}
    assert {peak_learning_rate(job.recipe) for job in results} == {0.05}


def test_what_runs_compute_names_them_whatever_the_plan_and_the_point_are_called():
    first = jobs(tiny_plan(), {}, {})
    points = [{"name": "regular", "model": {"segments": 1}}, "channels"]
    second = jobs(tiny_plan(name="other", points=points, ends=["channels"]), {}, {})
    assert first[0].key == second[0].key
    assert len({job.key for job in first}) == len(first)
    assert replace(first[0], purpose="result").key != first[0].key


def test_a_field_that_recipes_get_later_leaves_the_names_of_runs_alone():
    job = jobs(tiny_plan(), {}, {})[0]
    said = not_default(job.recipe)
    assert "weight_decay" not in said
    assert said["model"]["segments"] == 1
    values = job.recipe.to_dict() | said | {"model": job.recipe.to_dict()["model"]}
    assert Recipe.from_dict(values) == job.recipe


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_every_plan_of_ours_is_readable_matched_and_says_its_test_before(path):
    plan = read_plan(path)
    assert plan.name == path.stem
    assert all(len(words) > 20 for words in (plan.question, plan.test, plan.yes, plan.no))
    assert Plan.from_dict(plan.to_dict()) == plan
    for point in plan.points:
        if plan.budget in ("params", "macs"):
            recipe = recipe_of(plan, point, {})
            cost = total(architectures.xception(recipe.model, recipe.image_size))
            budget = plan.size[plan.budget]
            assert abs(getattr(cost, plan.budget) - budget) <= 0.005 * budget


def test_plans_are_extended_by_points_and_seeds_and_by_nothing_else():
    old = tiny_plan()
    both = merged(old, tiny_plan(points=[1, 2, "channels"], seeds=[5]))
    assert {point.name for point in both.points} == {"1", "2", "4", "channels"}
    assert both.seeds == (0, 1, 5)
    with pytest.raises(ValueError, match="plan tiny differs in question from the one"):
        merged(old, tiny_plan(question="another one, asked after the runs"))
    other = tiny_plan(points=[1, {"name": "4", "model": {"segments": 2}}, "channels"])
    with pytest.raises(ValueError, match="point '4' is another one than in the results"):
        merged(old, other)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"budget": "size"}, "budget is 'size', but must be one of 'params', 'macs'"),
        ({"ends": ["1", "3"]}, "an entry of ends is '3', but must be one of '1', '4'"),
        ({"seeds": [0, 1000]}, "seeds has 1000, but must not have rate_seed's"),
        ({"points": [1, 1, "channels"]}, "but must have each name once"),
        ({"rate": [0.1]}, "rate is no field of a plan; the nearest is rates"),
        ({"recipe": {"epoch": 3}}, "epoch is no field of Recipe"),
        ({"points": [{"name": "a", "models": {}}, 1, "channels"]}, "points has 'models', but"),
        ({"smallest_effect": 0}, "smallest_effect is 0, but must be a finite number above 0"),
    ],
)
def test_a_wrong_plan_gets_one_line(wrong, message):
    with pytest.raises(ValueError, match=message) as error:
        jobs(tiny_plan(**wrong), {}, {})
    assert "\n" not in str(error.value)


def test_a_plan_without_a_file_or_a_field_gets_one_line(tmp_path):
    with pytest.raises(ValueError, match="plan is 'none.json', but must be a file"):
        read_plan("none.json")
    (tmp_path / "a.json").write_text('{"name": "a"}')
    with pytest.raises(ValueError, match="a plan lacks something"):
        read_plan(tmp_path / "a.json")


def test_a_network_that_cannot_be_matched_is_named():
    plan = tiny_plan(budget="params", points=[1, "channels"])
    with pytest.raises(ValueError, match="point '1' has no width that fits: params is"):
        recipe_of(plan, plan.point("1"), {})


def test_changes_of_a_recipe_reach_into_its_network():
    plan = tiny_plan()
    recipe = changed(plan.base, {"epochs": 7, "model": {"residual": False}})
    assert (recipe.epochs, recipe.model.residual) == (7, False)
    assert recipe.model.entry_widths == tuple(RECIPE["model"]["entry_widths"])
