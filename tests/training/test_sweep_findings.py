"""What made-up results would have been found to say: yes, no and undecided, as the plan has it."""

import pytest

from tests.helpers.tiny_sweep import tiny_plan
from xception_edu.training.sweep.findings import comparisons, complete_seeds, findings, verdict
from xception_edu.training.sweep.plan import Plan
from xception_edu.training.sweep.record import record_of

SEEDS = (0, 1, 2, 3, 4)
WIGGLE = (0.0, 0.002, -0.001, 0.001, -0.002)  # from seed to seed, the same for all points
OWN = {"1": (0, 1, -1, 2, -2), "4": (1, -1, 0, -2, 2), "channels": (-1, 0, 2, 1, -2)}  # 1 / 10,000


def line(point, seed, top1, **changed):
    """A line of results, with what findings read of it."""
    made = {
        "purpose": "result",
        "point": point,
        "seed": seed,
        "diverged": False,
        "test_top1": top1,
        "segments": point,
        "width": 1.0,
        "params": 10,
        "macs": 20,
        "learning_rate": 0.1,
        "measured": {"step_ms": 3.0},
    }
    return made | changed


def results(means, seeds=SEEDS, scale=1e-4):
    """Lines of every point and seed around these means."""
    return [
        line(name, seed, mean + WIGGLE[seed] + OWN[name][seed] * scale)
        for name, mean in means.items()
        for seed in seeds
    ]


def plan(**changed):
    return tiny_plan(**{"seeds": SEEDS} | changed)


@pytest.mark.parametrize(
    ("means", "scale", "answer"),
    [
        ({"1": 0.60, "4": 0.65, "channels": 0.62}, 1e-4, "yes"),
        ({"1": 0.60, "4": 0.61, "channels": 0.62}, 1e-4, "no"),
        ({"1": 0.60, "4": 0.625, "channels": 0.62}, 1e-2, "undecided"),
        ({"1": 0.60, "4": 0.602, "channels": 0.601}, 1e-4, "yes"),
    ],
    ids=["above both", "between", "noise", "a little above"],
)
def test_the_verdict_is_the_one_that_the_plan_stated(means, scale, answer):
    found = findings(plan(), results(means, scale=scale))
    assert found["verdict"] == answer


def test_above_one_end_only_is_not_yes():
    found = findings(plan(), results({"1": 0.60, "4": 0.615, "channels": 0.62}))
    shown = {row["end"]: row["p_holm"] < 0.05 and row["mean"] > 0 for row in found["comparisons"]}
    assert shown == {"1": True, "channels": False}
    assert found["verdict"] == "no"


def test_differences_are_within_a_seed():
    found = findings(plan(), results({"1": 0.6, "4": 0.61, "channels": 0.6}, scale=0.0))
    assert {row["std"] for row in found["comparisons"]} == {0.0}  # what seeds share is gone
    assert {round(row["mean"], 6) for row in found["comparisons"]} == {0.01}
    [four] = [point for point in found["points"] if point["point"] == "4"]
    assert four["low"] < 0.61 < four["high"]  # but not from the point's own interval


def test_seeds_that_lack_a_point_are_in_no_test():
    lines = results({"1": 0.6, "4": 0.61, "channels": 0.62})
    lines = [entry for entry in lines if (entry["point"], entry["seed"]) != ("4", 3)]
    lines = [entry | {"diverged": entry["seed"] == 4} for entry in lines]
    assert complete_seeds(plan(), lines) == [0, 1, 2]
    assert [len(point["top1"]) for point in findings(plan(), lines)["points"]] == [3, 3, 3]


def test_one_seed_supports_nothing():
    with pytest.raises(ValueError, match="have 1 seeds .* but must have 2 or more"):
        findings(plan(), results({"1": 0.6, "4": 0.61, "channels": 0.62}, seeds=(0,)))


def test_a_small_effect_under_much_noise_has_little_power():
    means = {"1": 0.6, "4": 0.61, "channels": 0.62}
    loud = findings(plan(), results(means, scale=1e-2))["power"]
    quiet = findings(plan(), results(means))["power"]
    assert loud["one_test"] < 0.3 < 0.99 < quiet["one_test"]
    assert loud["first_of_holm"] < loud["one_test"]
    assert loud["detectable"] < loud["detectable_first_of_holm"]


@pytest.mark.parametrize(
    ("means", "scale", "answer"),
    [
        ({"1": 0.60, "4": 0.58, "channels": 0.60}, 1e-4, "yes"),
        ({"1": 0.60, "4": 0.60, "channels": 0.60}, 1e-4, "no"),
        ({"1": 0.60, "4": 0.60, "channels": 0.60}, 1e-2, "undecided"),
        ({"1": 0.60, "4": 0.65, "channels": 0.60}, 1e-4, "no"),
    ],
    ids=["below", "alike", "noise", "above"],
)
def test_a_plan_may_claim_that_its_points_are_worse(means, scale, answer):
    found = findings(plan(claim="all below"), results(means, scale=scale))
    assert found["verdict"] == answer


@pytest.mark.parametrize(
    ("means", "scale", "answer"),
    [
        ({"1": 0.60, "4": 0.601, "channels": 0.60}, 1e-4, "yes"),
        ({"1": 0.60, "4": 0.62, "channels": 0.60}, 1e-4, "no"),
        ({"1": 0.60, "4": 0.60, "channels": 0.60}, 1e-2, "undecided"),
    ],
    ids=["alike", "apart", "noise"],
)
def test_a_plan_may_claim_that_a_choice_does_not_matter(means, scale, answer):
    found = findings(plan(claim="all alike"), results(means, scale=scale))
    assert found["verdict"] == answer


def test_a_record_counts_what_is_there_and_what_is_missing():
    lines = results({"1": 0.6, "4": 0.61, "channels": 0.62}, seeds=(0, 1, 2))
    machine = {"machine": {"commit": "abc"}, "device": "cpu", "threads": 1, "seconds": 2.0}
    lines = [
        entry | {"measured": entry["measured"] | machine, "recipe": {}, "plan": "tiny"}
        for entry in lines
    ]
    record = record_of(plan(), lines[:-1])
    assert record["seeds"] == [0, 1]
    assert record["missing"] == {"runs": 7, "of": 15}
    assert record["commits"] == ["abc"]
    assert len(record["runs"]) == 8
    assert "recipe" not in record["runs"][0]
    assert Plan.from_dict(record["plan"]) == plan()


def test_holm_goes_over_all_comparisons_together():
    top1 = {"1": [0.6, 0.61, 0.6], "2": [0.62, 0.61, 0.63], "4": [0.63, 0.62, 0.64]}
    top1["channels"] = [0.61, 0.62, 0.6]
    rows = comparisons(plan(points=[1, 2, 4, "channels"]), top1)
    assert len(rows) == 4
    smallest = min(rows, key=lambda row: row["p"])
    assert smallest["p_holm"] == pytest.approx(4 * smallest["p"])
    assert verdict(plan(), rows) in ("yes", "no", "undecided")
