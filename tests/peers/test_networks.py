"""Claims about the benchmark of whole networks: it times one computation in several forms, and its
ratios are its rounds'.
"""

import importlib.util
from pathlib import Path

import pytest
import torch

from xception_edu.benchmark import timing
from xception_edu.benchmark.roofline import Roofline


def program(name):
    """A program of experiments/ as a module."""
    spec = importlib.util.spec_from_file_location(
        name, Path(__file__).parents[2] / "experiments" / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


networks, contender = program("networks"), program("contender")
CPU = torch.device("cpu")
SMALL = {"batch": 2, "device": CPU, "side": 75}


def test_steps_of_ours_and_timms_have_the_same_losses():
    losses = {}
    for who in ("ours", "timm"):
        step = contender.contender(who, "channels_last", "training", torch.float32, **SMALL)
        losses[who] = [float(step()) for _ in range(3)]
    assert losses["ours"] == pytest.approx(losses["timm"], rel=1e-3)
    # it learns, so it is a step
    assert losses["ours"][2] != pytest.approx(losses["ours"][0], rel=0.01)


def test_logits_in_inference_form_are_the_peers():
    logits = {
        who: contender.contender(who, "channels_last", "inference", torch.float32, **SMALL)()
        for who in ("ours", "timm")
    }
    assert torch.allclose(
        logits["ours"], logits["timm"], rtol=1e-3, atol=1e-3 * float(logits["timm"].abs().max())
    )


@pytest.mark.parametrize("mode", networks.MODES)
def test_keras_takes_the_same_images(mode):
    found = contender.contender("keras", "channels_last", mode, torch.bfloat16, **SMALL)()
    assert found.shape == (() if mode == "training" else (2, 1000))
    assert found.isfinite().all()


def test_a_row_has_the_median_of_its_rounds_ratios():
    class Runner:
        who, form = "ours", "channels_last"

        def __init__(self, *milliseconds):
            self.timing = timing.Timing(milliseconds)

    row = networks.row(Runner(10.0, 20.0, 30.0), Runner(20.0, 30.0, 33.0), 4, {"peak_bytes": 1})
    assert (row["median_ms"], row["ratio"], row["images_per_second"]) == (20.0, 1.5, 200.0)


def test_the_roof_is_the_higher_of_two_measurements_of_each_ceiling():
    a = Roofline(macs_per_second={"float32": 2.0, "bfloat16": 3.0}, memory=5.0, cache=6.0)
    b = Roofline(macs_per_second={"float32": 1.0, "bfloat16": 4.0}, memory=7.0, cache=2.0)
    assert networks.higher(a, b) == Roofline(
        macs_per_second={"float32": 2.0, "bfloat16": 4.0}, memory=7.0, cache=6.0
    )


def test_what_was_measured_before_an_interruption_is_kept(monkeypatch):
    ceilings = Roofline(macs_per_second={"float32": 2.0, "bfloat16": 3.0}, memory=5.0, cache=6.0)
    monkeypatch.setattr(networks.peaks, "measure_roofline", lambda **_: ceilings)
    monkeypatch.setattr(networks, "losses", lambda *_: {"largest_difference": 0.0})
    asked = []

    def race(*case):
        asked.append(case[:3])
        if len(asked) == 3:
            raise KeyboardInterrupt
        mode, batch, dtype, _ = case
        about = {
            "mode": mode,
            "batch": batch,
            "dtype": dtype,
            "throughput_ratio": 1.0,
            "best_peer": "timm eager",
        }
        return about | {"rows": [{"median_ms": 5.0}]}

    monkeypatch.setattr(networks, "race", race)
    arguments = networks.argparse.Namespace(batches=[4, 8], dtypes=networks.DTYPES, device="cpu")
    saved = []
    found = networks.measure(arguments, CPU, saved.append)
    assert [(len(record["cases"]), record["left_out"]) for record in saved] == [(1, 5), (2, 4)]
    assert asked == [
        ("training", 4, "float32"),
        ("training", 4, "bfloat16"),
        ("training", 8, "bfloat16"),
    ]
    assert (len(found["cases"]), found["left_out"]) == (2, 4)
    assert all(row["fraction"] > 0 for case in found["cases"] for row in case["rows"])


def test_a_case_that_memory_does_not_hold_is_named_and_not_left_out(monkeypatch):
    ceilings = Roofline(macs_per_second={"float32": 2.0, "bfloat16": 3.0}, memory=5.0, cache=6.0)
    monkeypatch.setattr(networks.peaks, "measure_roofline", lambda **_: ceilings)
    monkeypatch.setattr(networks, "losses", lambda *_: {"largest_difference": 0.0})

    def race(mode, batch, dtype, _):
        about = {
            "mode": mode,
            "batch": batch,
            "dtype": dtype,
            "throughput_ratio": 1.0,
            "best_peer": "timm eager",
        }
        return {} if (mode, batch) == ("training", 256) else about | {"rows": [{"median_ms": 5.0}]}

    monkeypatch.setattr(networks, "race", race)
    found = networks.measure(
        networks.argparse.Namespace(batches=[64, 256], dtypes=["bfloat16"], device="cuda"),
        CPU,
        print,
    )
    assert found["too_large"] == ["training, batch 256, bfloat16"]
    assert len(found["cases"]) == 3
    assert "left_out" not in found


def test_a_contender_that_ends_is_named_and_the_others_end_too(monkeypatch):
    started, real = [], networks.Contender
    monkeypatch.setattr(
        networks, "Contender", lambda *order: started.append(real(*order)) or started[-1]
    )
    orders = [
        ("ours", "channels_last", "training", dtype, 1, "cpu") for dtype in ("float32", "float33")
    ]
    with (
        pytest.raises(RuntimeError, match="ours channels_last ended with status 1"),
        networks.contenders(orders),
    ):
        pytest.fail("one of them cannot be ready")
    assert [one.process.poll() for one in started] in ([-9, 1], [0, 1])


def arguments(device, **others):
    return networks.argparse.Namespace(
        batches=[4, 8], peers=networks.PEERS, device=device, compile=None, rounds=2, **others
    )


@pytest.mark.parametrize(
    ("device", "batch", "whose"), [("cpu", 8, []), ("cuda", 8, ["ours", "timm"])]
)
def test_compiled_forms_are_those_of_the_first_batch_and_on_a_gpu_all_but_keras(
    device, batch, whose
):
    def compiled(batch):
        orders = networks.orders("training", batch, "bfloat16", arguments(device))
        return [who for who, form, *_ in orders if form == networks.COMPILED]

    assert compiled(4) == ["ours", "timm", "keras"]
    assert compiled(batch) == whose


class Small:
    """A contender that finds too little memory for a step, if it is Keras."""

    def __init__(self, who, form, *_):
        self.who, self.form, self.rounds = who, form, []
        self.process = self

    timing = networks.Contender.timing

    def tell(self, what):
        pass

    def answer(self):
        return self.ask("step")

    def ask(self, what):
        if self.who == "keras":
            return networks.OUT_OF_MEMORY
        return {"step": (5.0, None), "memory": {"peak_bytes": 1}, "profile": []}[what]

    def leave(self):
        pass


@pytest.mark.parametrize("peers", [("timm", "keras"), ("keras",)])
def test_a_contender_that_memory_does_not_hold_is_named_and_the_others_race(peers, monkeypatch):
    monkeypatch.setattr(networks, "Contender", Small)
    wanted = arguments("cuda")
    wanted.peers = peers
    case = networks.race("training", 8, "bfloat16", wanted)
    if peers == ("keras",):
        assert case == {}, "there is nothing to compare"
    else:
        assert case["out_of_memory"] == ["keras channels_last"]
        assert [row["who"] for row in case["rows"]] == ["ours", "ours", "timm", "timm", "timm"]


def test_a_contender_that_runs_out_of_memory_later_is_an_error_that_names_it(monkeypatch):
    monkeypatch.setattr(networks.Contender, "tell", lambda self, what: None)
    monkeypatch.setattr(networks.Contender, "answer", lambda self: networks.OUT_OF_MEMORY)
    late = object.__new__(networks.Contender)
    late.who, late.form = "timm", "eager"
    with pytest.raises(
        RuntimeError, match="timm eager ran out of memory at 'losses': smaller --batches need less"
    ):
        late.ask("losses")


def test_a_step_that_runs_out_of_memory_says_so_and_the_next_line_is_read(monkeypatch, capsys):
    def step():
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(contender, "contender", lambda *_: step)
    monkeypatch.setattr(contender.sys, "stdin", ["step\n", "losses\n"])
    contender.work("timm", "eager", "training", "float32", 2, "cpu")
    assert (
        capsys.readouterr().out.splitlines() == ['"ready"'] + [f'"{contender.OUT_OF_MEMORY}"'] * 2
    )
