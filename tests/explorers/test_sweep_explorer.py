"""Claims about the sweep explorer: what it shows is what was measured, and a learner's run is drawn
among it.
"""

import json
from functools import cache

import pytest

import xception_edu as xe
from xception_edu import architectures
from xception_edu.benchmark import records
from xception_edu.costs import total
from xception_edu.explorers import sweep as module
from xception_edu.explorers import sweep_explorer
from xception_edu.training.sweep.findings import accuracies, findings
from xception_edu.training.sweep.plan import Plan, recipe_of

RECORD = records.read_record("sweep_spectrum_params")
PLAN = Plan.from_dict(RECORD["plan"])


@cache
def made():
    return sweep_explorer()


def views(show="curves"):
    explorer = made()
    for stop in explorer.table["stops"][f"params {show}"]:
        with explorer.hold_trait_notifications():
            explorer.show, explorer.segments = show, stop
        yield stop, explorer.view(), explorer.shapes()


def row_of(stop):
    """The record's row of a stop."""
    rows = {row["segments"]: row for row in RECORD["points"]}
    return rows.get(stop, rows["channels"])


def test_every_point_shows_its_mean_and_its_interval():
    for stop, view, _ in views():
        row = row_of(stop)
        assert view["values"][0] == f"{row['mean']:.1%}"
        assert view["values"][1] == f"{row['low']:.1%} to {row['high']:.1%}"
        assert f"{len(row['top1'])} seeds" in view["title"]


def test_differences_are_those_of_the_record_with_holms_p():
    for stop, view, _ in views():
        found = [row for row in RECORD["comparisons"] if row["point"] == str(stop)]
        for row, value in zip(found, view["values"][2:4], strict=False):
            assert value.startswith(f"{100 * row['mean']:+.1f} points (p ".replace("-", "−"))
        if not found:  # an end is not compared with itself, nor with the other
            itself = [str(stop) == "1", view["short"] == "one per channel"]
            assert sum(itself) == 1
            assert view["values"][2:4] == [
                "– (this end itself)" if one else "– (not tested)" for one in itself
            ]


def test_every_seed_of_every_point_is_a_dot():
    _, _, shapes = next(views())
    dots = [shape for shape in shapes[0] if shape[0] == "dot" and shape[4] == 2]
    assert len(dots) == len(RECORD["points"]) * len(RECORD["seeds"])


def test_the_widths_are_those_of_networks_with_as_many_parameters():
    for stop, _, shapes in views("widths"):
        row = row_of(stop)
        model = recipe_of(PLAN, PLAN.point(row["point"]), {}).model
        words = [shape[4] for shape in shapes[1] if shape[0] == "text"]
        for channels in (*model.scaled_entry_widths, *model.scaled_exit_widths):
            assert f"{channels}" in words
        cost = total(architectures.xception(model, PLAN.base.image_size))
        assert (cost.params, cost.macs) == (row["params"], row["macs"])
        assert abs(cost.params - RECORD["size"]["params"]) <= 0.005 * RECORD["size"]["params"]


@pytest.mark.parametrize("budget", module.BUDGETS)
def test_at_every_budget_the_widths_are_those_that_were_trained(budget):
    record = records.read_record(f"sweep_spectrum_{budget}")
    explorer = sweep_explorer(budget=budget, show="widths")
    for row, stop in zip(
        record["points"], explorer.table["stops"][f"{budget} widths"], strict=True
    ):
        with explorer.hold_trait_notifications():
            explorer.segments = stop
        assert explorer.view()["values"][0] == f"{row['mean']:.1%}"
        assert f"{row['params']:,} parameters, {row['macs']:,} MACs" in explorer.view()["note"]


def test_the_record_is_what_its_runs_say():
    lines = [run | {"measured": {"step_ms": run["step_ms"]}} for run in RECORD["runs"]]
    assert findings(PLAN, lines) == {
        name: RECORD[name]
        for name in ("seeds", "points", "rates", "comparisons", "power", "verdict")
    }
    assert list(accuracies(PLAN, lines, RECORD["seeds"])) == [p.name for p in PLAN.points]


@pytest.fixture
def own(tmp_path):
    """A learner's sweep: one point that we did not train, and a seed of one that we did."""
    like = next(run for run in RECORD["runs"] if run["point"] == "4" and run["test_top1"])
    lines = [
        like | {"point": "5", "segments": 5, "test_top1": 0.5, "key": "a"},
        like | {"seed": 77, "test_top1": 0.55, "key": "b"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "spectrum_params.jsonl").write_text(text)
    (tmp_path / "spectrum_params.plan.json").write_text(json.dumps(RECORD["plan"]))
    return tmp_path


def test_a_run_of_the_learner_is_drawn_among_ours(own):
    explorer = sweep_explorer(segments=5, runs=own)
    view = explorer.view()
    assert view["values"][:2] == ["50.0%", "–"]  # one seed has no interval
    yours = [shape for shape in explorer.shapes()[0] if shape[:2] == ["dot", "paper"]]
    assert len(yours) == 2 + 1  # and one in the legend
    assert f"runs={str(own)!r}" in explorer.table["call"][1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[" * 10**5, "damaged in line 1: "),
        ("null", "damaged in line 1: "),
        ('{"point": "6"}', "damaged in line 1: "),
        ('{"point": "6", "purpose": "result"}', "runs is .* as `sweep` writes it: KeyError"),
    ],
)
def test_a_sweep_that_was_edited_gets_one_line(own, line, message):
    path = own / "spectrum_params.jsonl"
    path.write_text(f"{line}\n{path.read_text()}")
    with pytest.raises(ValueError, match=message) as error:
        sweep_explorer(runs=own)
    assert len(str(error.value)) <= 400


def test_a_guess_is_drawn_where_it_points_to():
    explorer = sweep_explorer(guess=8)
    words = [shape[4] for shape in explorer.shapes()[0] if shape[0] == "text"]
    assert "your guess" in words
    assert "your guess" not in [s[4] for s in made().shapes()[0] if s[0] == "text"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"budget": "size"}, "budget is 'size', but must be one of 'params'"),
        ({"segments": 5}, "segments is 5, but must be one of 1, "),
        ({"guess": "many"}, "guess is 'many', but must be an integer of at least 1"),
        ({"runs": "nowhere"}, "runs is 'nowhere', but must be a folder with spectrum_params.jsonl"),
        ({"runs": 3}, "runs is 3, but must be the folder of a sweep"),
        ({"show": "all"}, "show is 'all', but must be one of 'curves', 'widths', 'rates'"),
    ],
)
def test_a_wrong_argument_gets_one_line(wrong, message):
    with pytest.raises(ValueError, match=message):
        xe.sweep_explorer(**wrong)


def test_without_a_sweep_the_explorer_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(records, "REPOSITORY", tmp_path)
    monkeypatch.setattr(records, "INSTALLED", tmp_path / "none")
    with pytest.raises(ValueError, match="no sweep lies beside this package"):
        module.measured()
