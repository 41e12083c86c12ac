"""Claims about the race of whole networks: every contender has every setting, and a ratio says how
sure it is. The records of it are held to the same.
"""

import copy
import json

import pytest

from experiments import networks, race_ratios, race_settings
from experiments.race_process import shared

RECORDS = [networks.ROOT / "results" / "networks.json"]
CASES = [(mode, dtype) for mode in networks.MODES for dtype in networks.DTYPES]


def orders(mode="training", dtype="float32", batch=4, argv=()):
    return networks.orders(mode, batch, dtype, networks.arguments(list(argv)))


def recorded_cases():
    found = []
    for path in RECORDS:
        record = json.loads(path.read_text(encoding="utf-8"))
        for case in record["cases"]:
            name = f"{case['mode']}-{case['batch']}-{case['dtype']}"
            found.append(pytest.param(case, id=name))
    return found


@pytest.mark.parametrize("case", recorded_cases())
def test_no_contender_of_a_record_lacks_a_setting_that_another_has(case):
    assert race_settings.lacking(case["rows"]) == []
    assert {row["who"] for row in case["rows"]} >= {"ours", "timm"}


@pytest.mark.parametrize(("mode", "dtype"), CASES)
@pytest.mark.parametrize("batch", [4, 8])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_no_contender_of_a_planned_race_lacks_a_setting(mode, dtype, batch, device):
    plan = orders(mode, dtype, batch, ["--device", device])
    assert race_settings.lacking(plan) == []
    assert {order["who"] for order in plan} == {"ours", "timm", "keras"}


@pytest.mark.parametrize("name", race_settings.names("training", "float32", "cpu"))
def test_a_setting_that_ours_alone_has_is_found(name):
    plan = copy.deepcopy(orders())
    for order in plan:
        if order["who"] == "timm":
            order["settings"][name] = False
    assert race_settings.lacking(plan) == [f"timm: {name}"]


def test_a_missing_column_row_or_thread_is_found():
    plan = copy.deepcopy(orders())
    timms = [order for order in plan if order["who"] == "timm"]
    del timms[0]["settings"]["huge_pages"]
    assert race_settings.lacking(plan) == ["timm: huge_pages"]
    fewer = [order for order in orders() if (order["who"], order["way"]) != ("keras", "default")]
    assert race_settings.lacking(fewer) == ["keras: the row 'default'"]
    threads = copy.deepcopy(orders())
    threads[0]["settings"]["threads"] = 64
    assert "equal threads" in race_settings.lacking(threads)[0]


def test_an_unfair_race_is_not_run(monkeypatch):
    args = networks.arguments([])
    unfair = [order for order in orders() if order["who"] == "ours" or order["way"] == "default"]
    monkeypatch.setattr(networks, "orders", lambda *_: unfair)
    with pytest.raises(ValueError, match="not a fair race: keras: .*; timm: "):
        networks.race("training", 4, "float32", args)


def test_each_setting_alone_differs_from_the_default_in_that_setting():
    ways = race_settings.ways("timm", "inference", "bfloat16", "cpu", threads=2)
    for way in race_settings.names("inference", "bfloat16", "cpu"):
        changed = [name for name in ways[way] if ways[way][name] != ways["default"][name]]
        assert changed == [way]
    assert ways[race_settings.ONE_THREAD] == ways["default"] | {"threads": 1}
    assert all(ways[race_settings.COMPILED].values())


def test_contenders_share_a_process_if_they_want_the_same_of_it():
    groups = shared(orders("inference", "bfloat16"))
    assert len(groups) == 4
    for group in groups:
        wanted = {(o["settings"]["memory_kept"], o["settings"]["huge_pages"]) for o in group}
        assert len(wanted) == 1
        assert {order["who"] for order in group} >= {"ours", "timm"}
    assert len(shared(orders(argv=["--device", "cuda"]))) == 1, "a GPU's memory is torch's own"


def test_the_bounds_of_a_ratio_hold_the_median_with_95_percent():
    # ten rounds: all but the outermost hold it with 1 - 2 * (1 + 10) / 1024
    assert [race_ratios.outside(n) for n in (5, 6, 8, 9, 10, 12, 15)] == [0, 0, 0, 1, 1, 2, 3]
    slow = [1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert race_ratios.ratio(slow, [1.0] * 10) == {"ratio": 5.5, "low": 2, "high": 9}


TIMES = {
    ("ours", "default"): [10.0, 20, 30],
    ("ours", "all"): [5.0, 5, 5],
    ("timm", "default"): [20.0, 20, 30],
    ("timm", "channels_last"): [4.0, 4, 4],
    ("timm", "all"): [8.0, 8, 8],
}


def test_ours_and_a_peer_are_compared_by_default_and_each_at_its_best():
    (against,) = race_ratios.comparisons(TIMES)
    assert against["default"] == {"ratio": 1.0, "low": 1.0, "high": 2.0}
    assert against["best"] == {
        "ours": "all",
        "peer": "channels_last",
        "ratio": 0.8,
        "low": 0.8,
        "high": 0.8,
    }


def test_what_a_setting_brings_is_over_the_contenders_own_default():
    gains = race_ratios.gains(TIMES)
    assert [row["way"] for row in gains] == ["channels_last", "all"]
    assert gains[0]["timm"]["ratio"] == 5.0
    assert "ours" not in gains[0]
    assert (gains[1]["ours"]["ratio"], gains[1]["timm"]["ratio"]) == (4.0, 2.5)
