"""What `benchmark` writes: complete, in its declared shape, and true to what it timed. No test
looks at a time.
"""

import json
import math
import time

import pytest
import torch
from torch.nn import functional as F
from tqdm import tqdm

from xception_edu.__main__ import main
from xception_edu.benchmark import command, layers, machine, mistakes, peaks, segments, timing
from xception_edu.benchmark.roofline import Roofline
from xception_edu.benchmark.segment_case import Setting
from xception_edu.benchmark.timing import Effort
from xception_edu.costs import total
from xception_edu.layers import SegmentedConv2d
from xception_edu.specs import Shape

ROOFLINE = Roofline(macs_per_second={"float32": 1e7, "bfloat16": 4e7}, memory=1e6, cache=5e6)
TIMES = {"median_ms", "q1_ms", "q3_ms", "rounds", "preempted"}
COSTS = {"macs", "bytes", "intensity", "attainable_ms", "fraction"}


@pytest.fixture
def quick_machine(monkeypatch):
    """A roofline at once, and maps so small that all takes no time: what is computed stays."""
    monkeypatch.setattr(peaks, "measure_roofline", lambda **_: ROOFLINE)
    monkeypatch.setattr(segments, "MAPS", {16: 3, 6: 4})
    monkeypatch.setattr(segments, "UNEVEN", {16: (3, 5), 6: (4, 5)})
    monkeypatch.setattr(segments, "QUICK", (1, 3, 16, 6))
    monkeypatch.setattr(segments, "FIRST_LOOK", Effort(rounds=3))
    monkeypatch.setattr(segments, "EFFORT", {"cpu": Effort(rounds=3)})


def run_command(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(["benchmark", *arguments])
    return stop.value.code


def test_without_a_name_all_are_listed(capsys):
    assert main(["benchmark"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(command.BENCHMARKS)
    assert list(command.BENCHMARKS) == ["roofline", "layers", "segments", "mistakes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rooflines"], "argument name: invalid choice: 'rooflines'"),
        (["roofline", "--threads", "0"], "threads is 0, but must be an integer of at least 1"),
        (["roofline", "--threads", "two"], "argument --threads: invalid int value: 'two'"),
        (
            ["roofline", "--device", "abacus"],
            "device is 'abacus', but must be one that is here (cpu",
        ),
        (["roofline", "--out", "{file}"], "but must be a folder that can be written: "),
        (["roofline", "--quik"], "unrecognized arguments: --quik"),
    ],
)
def test_a_wrong_argument_is_one_line_and_status_2(arguments, message, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert run_command(*(a.format(file=tmp_path / "file") for a in arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err


def test_all_runs_every_benchmark(capsys, monkeypatch, tmp_path):
    for module in command.BENCHMARKS.values():
        monkeypatch.setattr(module, "measure", lambda **_: {"rows": [1, 2]})
    assert main(["benchmark", "all", "--out", str(tmp_path / "new"), "--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition("/")[2] for line in lines] == [
        module.FILE for module in command.BENCHMARKS.values()
    ]


def test_a_record_says_where_when_and_how_it_was_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(peaks, "measure_roofline", lambda **_: ROOFLINE)
    assert main(["benchmark", "roofline", "--quick", "--out", str(tmp_path), "--threads", "1"]) == 0
    record = json.loads((tmp_path / "roofline.json").read_text())
    assert list(record)[:7] == [
        "benchmark",
        "command",
        "quick",
        "device",
        "threads",
        "machine",
        "load",
    ]
    assert record["command"] == "python -m xception_edu benchmark roofline --quick --threads 1"
    assert (record["quick"], record["device"], record["threads"]) == (True, "cpu", 1)
    assert set(record["machine"]) == {
        "processor",
        "system",
        "cores",
        "python",
        "versions",
        "commit",
    }
    assert record["machine"]["versions"]["torch"] == torch.__version__
    assert set(record["load"]) == {"wall_seconds", "share_of_others"}
    assert record["ceilings"] == {
        "macs_per_second": {"float32": 1e7, "bfloat16": 4e7},
        "memory": 1e6,
        "cache": 5e6,
    }
    assert record["ridge"] == {"float32": 10.0, "bfloat16": 40.0}


@pytest.mark.parametrize("network", layers.NETWORKS)
def test_the_different_layers_with_their_counts_are_the_network(network):
    rows = layers.different_layers(network)
    assert total(pair for row, *pair in rows for _ in range(row["count"])) == total(
        layers.NETWORKS[network]()
    )
    names = [spec.name for spec, _ in layers.NETWORKS[network]()]
    assert all(row["name"] in names for row, *_ in rows)
    stages = {row["stage"] for row, *_ in rows}
    assert stages == {
        "xception": {"entry", "middle", "exit", "head"},
        "inception_v3": {"stem", "head", *(f"mixed{i}" for i in range(11))},
    }.get(network)
    kinds = {row["kind"] for row, *_ in rows}
    assert kinds <= {
        "depthwise",
        "pointwise",
        "regular",
        "batch norm",
        "ReLU",
        "pooling",
        "add",
        "fully connected",
        "global average pool",
    }


@pytest.mark.parametrize("layout", layers.LAYOUTS)
def test_what_is_timed_has_the_shape_that_the_list_says(layout):
    """Every different layer of both networks, on a map of the same channels; sides where it keeps
    19 small ones.
    """
    for network in layers.NETWORKS:
        for row, spec, shape in layers.different_layers(network):
            small = (
                shape
                if shape.height == 1 or row["kind"] == "fully connected"
                else Shape(shape.channels, 9, 10)
            )
            run = layers.runner(spec, small, 2, "float32", layout, device=timing.CPU)
            with torch.inference_mode():
                assert run().flatten(1).shape == (2, spec.output_shape(small).elements), row


def test_a_row_of_layers_is_in_its_declared_shape(quick_machine):
    _, spec, shape = layers.different_layers("xception")[0]
    small = Shape(shape.channels, 9, 9)
    found = layers.measure_layer(
        spec, small, 2, "bfloat16", ROOFLINE, Effort(rounds=3), device=timing.CPU
    )
    assert set(found) == TIMES | COSTS | {"batch", "dtype", "layout", "other_layout_ms"}
    assert found["macs"] == 2 * 32 * 3 * 9 * 4 * 4
    assert found["bytes"] == 2 * (2 * (3 * 81 + 32 * 16) + 864)
    assert found["median_ms"] <= found["other_layout_ms"]
    assert found["attainable_ms"] == pytest.approx(
        1e3 * max(found["macs"] / 4e7, found["bytes"] / 1e6), abs=1e-4
    )


def test_the_segments_that_are_measured_are_all_divisors_and_ten_others():
    for channels in (728, 128):
        counts = segments.counts(channels, quick=False)
        assert [n for n in counts if channels % n == 0] == [
            n for n in range(1, channels + 1) if channels % n == 0
        ]
        assert len([n for n in counts if channels % n]) == 10
        assert counts == sorted(set(counts))


@pytest.mark.parametrize("quick", [True, False])
def test_the_record_of_segments_is_complete(quick_machine, quick):
    with tqdm(disable=True) as progress:
        record = segments.measure(quick=quick, device=timing.CPU, progress=progress)
    cases = {
        (c["channels"], c["segments"], c["dtype"], c["mode"], c["layout"]): c
        for c in record["cases"]
    }
    wanted = {
        16: (1, 3, 16) if quick else (1, 2, 3, 4, 5, 8, 16),
        6: (1, 3, 6) if quick else (1, 2, 3, 4, 5, 6),
    }
    assert len(cases) == len(record["cases"]) == 8 * sum(map(len, wanted.values()))
    assert {key[:2] for key in cases} == {
        (channels, n) for channels, counts in wanted.items() for n in counts
    }
    for case in record["cases"]:
        assert set(case["forms"]) == {*segments.FORMS, "ours"}
        assert all(set(times) - {"takes", "repeated"} == TIMES for times in case["forms"].values())
        assert {*COSTS, "divides", "params", "best", "ratio", "ratio_converted"} <= set(case)
        with torch.set_grad_enabled(case["mode"] == "training"):
            conv = SegmentedConv2d(case["channels"], case["channels"], segments=case["segments"])
            form = conv.to(getattr(torch, case["dtype"])).algorithm
        assert case["forms"]["ours"]["takes"] == (
            form if case["layout"] == "nchw" else "grouped_channels_last"
        )
        fastest = min(
            case["forms"][form]["median_ms"]
            for form in segments.FORMS
            if "repeated" not in case["forms"][form]
        )
        assert case["forms"][case["best"]]["median_ms"] == fastest
        assert case["divides"] == (case["channels"] % case["segments"] == 0)
        assert all(
            math.isfinite(case[key]) and case[key] > 0
            for key in (*COSTS, "ratio", "ratio_converted")
        )
    assert {(p["channels"], p["dtype"], p["mode"], p["layout"]) for p in record["pointwise"]} == {
        (channels, dtype, mode, layout)
        for channels in wanted
        for dtype in segments.DTYPES
        for mode in segments.MODES
        for layout in segments.LAYOUTS
    }


@pytest.mark.parametrize("count", [1, 2, 5, 16])
def test_all_forms_compute_the_same(count):
    ours = SegmentedConv2d(16, 16, segments=count)
    x = torch.randn(2, 16, 5, 5)
    for form in segments.FORMS:
        compute, weights = segments.FORM[form](ours)
        assert torch.allclose(compute(x, weights), ours(x), atol=1e-5), form
    assert torch.allclose(F.conv2d(x, ours.dense_weight(), padding=1), ours(x), atol=1e-5)


def test_what_seems_slow_is_looked_at_again_after_all_others_and_no_round_is_left_out(
    quick_machine, monkeypatch
):
    """In the first look ours takes twice as long with three segments, later as long: the median
    over all rounds says so.
    """
    order = []

    def alternate(functions, **_):
        first = order.count(current) < segments.PLACES
        slow = current[-1] == 3 and first
        order.append(current)
        return {
            key: timing.Timing((2.0,) if key[1] == "ours" and slow else (1.0,)) for key in functions
        }

    look = segments.Case.look

    def looked(case, places):
        nonlocal current
        current = (case.bench.setting, case.segments)
        look(case, places)

    current = ()
    monkeypatch.setattr(segments.Bench, "pointwise", lambda _: [])
    monkeypatch.setattr(timing, "alternate", alternate)
    monkeypatch.setattr(segments.Case, "look", looked)
    with tqdm(disable=True, total=0) as progress:
        record = segments.measure(quick=True, device=timing.CPU, progress=progress)
    found = {
        (row["segments"], row["ratio"], row["forms"]["ours"]["rounds"]) for row in record["cases"]
    }
    assert found == {(1, 1.0, 2), (3, 1.0, 6), (6, 1.0, 2), (16, 1.0, 2)}
    first, again = order[: -4 * 8], order[-4 * 8 :]
    assert [count for *_, count in again] == [3] * 4 * 8
    assert all(first.count(case) == segments.PLACES for case in first)


def test_the_tensors_lie_at_another_place_in_each_part_of_a_measurement(quick_machine, monkeypatch):
    places = []

    def alternate(functions, **_):
        places.append(bench.maps["nchw"].data_ptr())
        return dict.fromkeys(functions, timing.Timing((1.0,)))

    monkeypatch.setattr(timing, "alternate", alternate)
    setting = Setting(channels=128, side=56, dtype="float32", mode="forward")
    bench = segments.Bench(setting, ROOFLINE, timing.CPU, Effort(rounds=1))
    for count in (2, 4, 8):
        segments.Case(bench, count).look(segments.PLACES)
    assert len(set(places)) > 1


def test_load_and_facts_of_the_machine():
    with machine.background_load() as load:
        sum(range(10**5))
    assert load["wall_seconds"] >= 0
    assert load["share_of_others"] is None or 0 <= load["share_of_others"] <= 1
    assert machine.version("no_such_package") is None
    assert "no_such_package" not in machine.facts("no_such_package")["versions"]


def test_a_process_that_was_started_and_ended_is_no_other(monkeypatch):
    seconds = iter([10.0, 14.0])  # of all processors, before and after: four between
    monkeypatch.setattr(machine, "busy_seconds", lambda: next(seconds))
    # 1.5 of its own, 2 of its children
    times = iter([(1.0, 0.0, 0.0, 0.0, 5.0), (2.0, 0.5, 1.5, 0.5, 7.0)])
    monkeypatch.setattr(machine.os, "times", lambda: next(times))
    clock = iter([5.0, 7.0])
    monkeypatch.setattr(machine.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 2)
    with machine.background_load() as load:
        pass
    assert load == {"wall_seconds": 2.0, "share_of_others": 0.125}


def test_without_git_the_commit_is_unknown(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    assert machine.commit() == "unknown"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.commit() == "unknown"


@pytest.mark.parametrize("name", ["segments", "layers"])
def test_ctrl_c_keeps_what_was_measured_and_says_how_much_is_left_out(
    name, quick_machine, monkeypatch, capsys, tmp_path
):
    module, real, taken = command.BENCHMARKS[name], timing.alternate, []

    def interrupted_at_the_third(*args, **kwargs):
        taken.append(None)
        if len(taken) == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs | {"rounds": 1, "min_ms": 0})

    monkeypatch.setattr(timing, "alternate", interrupted_at_the_third)
    monkeypatch.setattr(segments, "SLOWER", float("inf"))
    monkeypatch.setattr(segments, "PLACES", 1)
    assert main(["benchmark", name, "--quick", "--out", str(tmp_path)]) == 130
    record = json.loads((tmp_path / module.FILE).read_text())
    # A 1x1 comes before the segments of its map; a case is both layouts.
    measured, wanted = (
        (2, 2 * (3 + 3) * 4) if name == "segments" else (2, len(list(every_sixth_layer())))
    )
    assert len(record["cases" if name == "segments" else "layers"]) == measured
    assert record["left_out"] == wanted - measured
    assert (
        f"interrupted: {wanted - measured} cases of {name} are left out" in capsys.readouterr().err
    )


def every_sixth_layer():
    return [row for network in layers.NETWORKS for row in layers.different_layers(network)][::6]


@pytest.mark.parametrize("name", mistakes.MISTAKES)
def test_a_mistake_is_timed_beside_the_right_way_and_leaves_threads_as_they_were(name, monkeypatch):
    for sizes in ("REGULAR", "POOLED", "NEW"):
        monkeypatch.setattr(mistakes, sizes, (5, 7))
    monkeypatch.setattr(mistakes, "MISTAKES", {name: mistakes.MISTAKES[name]})
    before = torch.get_num_threads()
    with tqdm(disable=True) as progress:
        (row,) = mistakes.measure(quick=True, device=timing.CPU, progress=progress)["mistakes"]
    assert (row["mistake"], torch.get_num_threads()) == (name, before)
    assert set(row["wrong"]) == set(row["right"]) == TIMES
    assert row["wrong"]["rounds"] == row["right"]["rounds"] == 5
    assert row["times_as_long"] > 0


def test_without_synchronization_the_clock_stops_before_the_work_is_done(monkeypatch):
    monkeypatch.setattr(mistakes, "convolution", lambda *_: (lambda _: time.sleep(0.2), None))
    _, wrong, right = mistakes.no_synchronization(timing.CPU, 3)
    assert min(right.milliseconds) >= 200 > wrong.median


def test_a_new_layer_each_round_and_its_first_call_against_its_third(monkeypatch):
    seen = []
    monkeypatch.setattr(mistakes, "convolution", lambda channels, *_: (seen.append, channels))
    mistakes.no_warm_up(timing.CPU, 3)
    first = mistakes.NEW[0]
    assert seen == [
        channels for channels in (first, first + 2, first + 4, first + 6) for _ in range(3)
    ]
