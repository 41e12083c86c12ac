"""Claims about the race of whole networks: it times one computation with many settings, each
contender busy before its time is taken.
"""

import json

import pytest
import torch

from experiments import contender, networks, race_process, race_settings
from xception_edu.benchmark.roofline import Roofline

CPU = torch.device("cpu")


def step_of(who, way, mode, dtype):
    """A contender's step on small images."""
    settings = race_settings.ways(who, mode, dtype, "cpu", threads=1)[way]
    return contender.contender(
        who=who, settings=settings, mode=mode, dtype=dtype, batch=2, device="cpu", side=75
    )


@pytest.fixture(autouse=True)
def own_networks():
    """Networks of earlier tests have been trained."""
    contender.network.cache_clear()


def test_steps_of_ours_and_timms_have_the_same_losses_by_default_and_with_all_settings():
    losses = {}
    for who in ("ours", "timm"):
        for way in race_settings.SHORT:
            step = step_of(who, way, "training", "float32")
            losses[who, way] = [float(step()) for _ in range(2)]
            contender.network.cache_clear()
    for taken in losses.values():
        assert taken == pytest.approx(losses["ours", "default"], rel=1e-3)
    # it learns, so it is a step
    first, second = losses["ours", "default"]
    assert second != pytest.approx(first, rel=0.01)


@pytest.mark.parametrize("way", ["channels_last", "batch_norm_folded", "all"])
def test_logits_are_the_same_with_and_without_a_setting(way):
    plain = step_of("timm", "default", "inference", "float32")()
    tolerance = 1e-3 * float(plain.abs().max())
    for who in ("ours", "timm"):
        logits = step_of(who, way, "inference", "float32")()
        assert torch.allclose(logits, plain, rtol=1e-3, atol=tolerance)


@pytest.mark.parametrize("mode", networks.MODES)
@pytest.mark.parametrize("way", race_settings.SHORT)
def test_keras_takes_the_same_images(mode, way):
    found = step_of("keras", way, mode, "bfloat16")()
    assert found.shape == (() if mode == "training" else (2, 1000))
    assert found.isfinite().all()


def test_weights_that_one_contender_casts_are_not_those_of_another():
    plain = step_of("timm", "default", "inference", "bfloat16")
    assert step_of("timm", "weights_in_bfloat16", "inference", "bfloat16")().dtype == torch.bfloat16
    network = contender.network("timm", 75, torch.contiguous_format, CPU, "inference", "float32")
    assert network.conv1.weight.dtype == torch.float32
    assert plain().isfinite().all()


def test_a_block_is_timed_behind_steps_that_are_not(monkeypatch):
    clock, calls = [0.0], []

    def step():
        calls.append(clock[0])
        clock[0] += 5.0 if len(calls) == 1 else 0.5

    monkeypatch.setattr(contender.time, "perf_counter", lambda: clock[0])
    found = contender.block(step, 2.0, 3.0, CPU)
    # the first step is longer than 2 s; one step of 5 s would fill 3 s, so one is timed
    assert (len(calls), found["ms"], found["steps"]) == (2, 500.0, 1)
    calls += [0.0]
    found = contender.block(step, 2.0, 3.0, CPU)
    assert (len(calls), found["ms"], found["steps"]) == (3 + 4 + 6, 500.0, 6)


def test_the_roof_is_the_higher_of_two_measurements_of_each_ceiling():
    a = Roofline(macs_per_second={"float32": 2.0, "bfloat16": 3.0}, memory=5.0, cache=6.0)
    b = Roofline(macs_per_second={"float32": 1.0, "bfloat16": 4.0}, memory=7.0, cache=2.0)
    assert networks.higher(a, b) == Roofline(
        macs_per_second={"float32": 2.0, "bfloat16": 4.0}, memory=7.0, cache=6.0
    )


def fake_race(mode, batch, dtype, _):
    """A case as `race` gives it, where memory does not hold batch 256 in training."""
    key = {"mode": mode, "batch": batch, "dtype": dtype}
    rows = {"rows": [{"who": "ours", "way": "default", "median_ms": 5.0}], "against": []}
    return key if (mode, batch) == ("training", 256) else key | rows


@pytest.fixture
def quick(monkeypatch):
    """Races and rooflines that take no time."""
    ceilings = Roofline(macs_per_second={"float32": 2.0, "bfloat16": 3.0}, memory=5.0, cache=6.0)
    monkeypatch.setattr(networks.peaks, "measure_roofline", lambda **_: ceilings)
    monkeypatch.setattr(networks, "losses", lambda dtype, *_: {"dtype": dtype})
    monkeypatch.setattr(networks, "race", fake_race)


def test_what_was_measured_before_an_interruption_is_kept_and_gone_on_from(
    quick, monkeypatch, tmp_path, capsys
):
    asked = []

    def race(*case):
        asked.append(case[:3])
        if len(asked) == 3:
            raise KeyboardInterrupt
        return fake_race(*case)

    monkeypatch.setattr(networks, "race", race)
    assert networks.main(["--out", str(tmp_path)]) == 130
    assert "interrupted" in capsys.readouterr().err

    def cases():
        record = json.loads((tmp_path / "networks.json").read_text())
        return [(case["mode"], case["batch"], case["dtype"]) for case in record["cases"]]

    first = [("training", 4, "float32"), ("training", 4, "bfloat16")]
    assert cases() == first
    assert networks.main(["--out", str(tmp_path), "--modes", "inference", "--batches", "8"]) == 0
    assert cases() == [*first, ("inference", 8, "float32"), ("inference", 8, "bfloat16")]


def test_a_case_that_memory_does_not_hold_is_named(quick, tmp_path):
    argv = ["--out", str(tmp_path), "--batches", "64", "256", "--dtypes", "bfloat16"]
    assert networks.main(argv) == 0
    record = json.loads((tmp_path / "networks.json").read_text())
    assert record["too_large"] == ["training, batch 256, bfloat16"]
    assert len(record["cases"]) == 3
    assert all(row["fraction"] > 0 for case in record["cases"] for row in case["rows"])


def test_a_process_that_ends_is_named_and_the_others_end_too(monkeypatch):
    started, real = [], race_process.Process
    monkeypatch.setattr(
        race_process, "Process", lambda group: started.append(real(group)) or started[-1]
    )
    default = race_settings.ways("ours", "training", "float32", "cpu", 1)["default"]
    plan = [
        {"who": "ours", "way": way, "settings": default | {"memory_kept": kept}}
        | {"mode": "training", "dtype": dtype, "batch": 1, "device": "cpu"}
        for way, kept, dtype in (("default", False, "float32"), ("other", True, "float33"))
    ]
    with (
        pytest.raises(RuntimeError, match="process of ours, other ended with status 1"),
        race_process.contenders(plan),
    ):
        pytest.fail("one of them cannot be ready")
    assert [one.process.poll() for one in started] in ([-9, 1], [0, 1])


class Small:
    """A process in which a step of Keras finds too little memory."""

    def __init__(self, group):
        self.group, self.process = group, self

    def tell(self, what):
        word, place, *_ = what.split()
        keras = self.group[int(place)]["who"] == "keras"
        block = {"ms": 5.0, "steps": 1, "faults": 0, "preempted": 0}
        answers = {"block": block, "memory": {"peak_bytes": 1}, "profile": []}
        self.said = race_process.OUT_OF_MEMORY if keras else answers[word]

    def answer(self):
        return getattr(self, "said", "ready")

    def leave(self):
        pass


@pytest.mark.parametrize("peers", [("timm", "keras"), ("keras",)])
def test_a_contender_that_memory_does_not_hold_is_named_and_the_others_race(peers, monkeypatch):
    monkeypatch.setattr(race_process, "Process", Small)
    args = networks.arguments(["--device", "cuda", "--batches", "4", "8", "--peers", *peers])
    case = networks.race("training", 8, "bfloat16", args)
    if peers == ("keras",):
        assert "rows" not in case, "there is nothing to compare"
    else:
        assert case["out_of_memory"] == ["keras, default", "keras, all"]
        assert {row["who"] for row in case["rows"]} == {"ours", "timm"}


def test_a_contender_that_runs_out_of_memory_later_is_an_error_that_names_it():
    group = [{"who": "keras", "way": "all", "settings": {}}]
    late = race_process.Contender(group[0], Small(group), 0)
    late.blocks.append({})
    with pytest.raises(RuntimeError, match="keras, all ran out of memory at 'losses': smaller"):
        late.ask("losses")


def test_a_step_that_runs_out_of_memory_says_so_and_the_next_line_is_read(monkeypatch, capsys):
    def step():
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(contender, "contender", lambda **_: step)
    monkeypatch.setattr(contender.sys, "stdin", ["block 0 1 1\n", "losses 0\n"])
    contender.work([{"device": "cpu", "way": "default", "settings": {}}])
    lines = capsys.readouterr().out.splitlines()
    out_of_memory = f'"{race_process.OUT_OF_MEMORY}"'
    assert lines == ['"ready"', out_of_memory, out_of_memory]
