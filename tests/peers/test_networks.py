"""Claims about the benchmark of whole networks: it times one computation in several forms, and its ratios are its rounds'."""

import importlib.util
from pathlib import Path

import pytest
import torch

from xception_edu import timing

FILE = Path(__file__).parents[2] / "benchmarks" / "networks.py"
spec = importlib.util.spec_from_file_location("networks", FILE)
networks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(networks)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(networks, "SIDE", 75)


def test_steps_of_ours_and_timms_have_the_same_losses():
    losses = {}
    for who in ("ours", "timm"):
        step = networks.contender(who, "channels_last", "training", torch.float32, 2, CPU)
        losses[who] = [float(step()) for _ in range(3)]
    assert losses["ours"] == pytest.approx(losses["timm"], rel=1e-3)
    assert losses["ours"][2] != pytest.approx(losses["ours"][0], rel=0.01)  # it learns, so it is a step


def test_logits_in_inference_form_are_the_peers():
    logits = {who: networks.contender(who, "channels_last", "inference", torch.float32, 2, CPU)() for who in ("ours", "timm")}
    assert torch.allclose(logits["ours"], logits["timm"], rtol=1e-3, atol=1e-3 * float(logits["timm"].abs().max()))


@pytest.mark.parametrize("mode", networks.MODES)
def test_keras_takes_the_same_images(mode):
    found = networks.contender("keras", "channels_last", mode, torch.bfloat16, 2, CPU)()
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
    a = timing.Ceilings(macs_per_second={"float32": 2.0, "bfloat16": 3.0}, memory=5.0, cache=6.0)
    b = timing.Ceilings(macs_per_second={"float32": 1.0, "bfloat16": 4.0}, memory=7.0, cache=2.0)
    assert networks.higher(a, b) == timing.Ceilings(macs_per_second={"float32": 2.0, "bfloat16": 4.0}, memory=7.0, cache=6.0)
