"""Which device is picked, and what a GPU tells of itself, where there is one; these tests run
without.
"""

import json
import subprocess
from types import SimpleNamespace

import pytest
import torch

from tests.helpers.tiny import TINY
from xception_edu.benchmark import devices
from xception_edu.training import train

CUDA = torch.device("cuda", 1)


@pytest.fixture
def card(monkeypatch):
    """A GPU that had given out 3 GiB; the list of what was done with it."""
    done = []
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**30)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", done.append)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="1234-56")
    )
    return done


@pytest.mark.parametrize("found", ["cuda", "mps", "xpu", None])
def test_the_accelerator_that_torch_finds_is_picked_else_the_cpu(found, monkeypatch):
    device = torch.device(found) if found else None
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: device)
    assert devices.pick_device() == torch.device(found or "cpu")
    assert devices.pick_device("cpu") == torch.device("cpu")
    here = f"cpu, {found}" if found else "cpu"
    with pytest.raises(ValueError, match=rf"^device is 'abacus', but must be .* \({here}\): "):
        devices.pick_device("abacus")


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", "meta:0", "", "xpu"])
def test_a_device_that_is_not_here_is_refused(device):
    with pytest.raises(ValueError, match="device is"):
        devices.pick_device(device)


def test_a_processor_has_nothing_to_say():
    assert devices.use(torch.device("cpu")) == {}


def test_memory_since_the_last_call_and_the_share_of_busy_time(card, monkeypatch):
    asked = []

    def run(command, **how):
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, stdout="87\n")

    monkeypatch.setattr(subprocess, "run", run)
    assert devices.use(CUDA) == {"gpu_memory_gib": 3.0, "gpu_busy": 0.87}
    assert card == [CUDA]
    assert "--id=GPU-1234-56" in asked[0]


@pytest.mark.parametrize(
    "answer",
    [
        OSError("no nvidia-smi"),
        subprocess.CalledProcessError(6, "nvidia-smi"),
        subprocess.TimeoutExpired("x", 10),
    ],
)
def test_where_nvidia_smi_does_not_say_it_is_left_out(card, monkeypatch, answer):
    def run(command, **how):
        raise answer

    monkeypatch.setattr(subprocess, "run", run)
    assert devices.use(CUDA) == {"gpu_memory_gib": 3.0}


def test_an_answer_that_is_no_number_is_left_out(card, monkeypatch):
    monkeypatch.setattr(
        subprocess, "run", lambda command, **how: subprocess.CompletedProcess(command, 0, "[N/A]\n")
    )
    assert devices.use(CUDA) == {"gpu_memory_gib": 3.0}


def test_it_stands_in_every_line_of_the_metrics(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "use", lambda device: {"gpu_memory_gib": 1.5, "gpu_busy": 0.5})
    train.train(TINY, tmp_path, tensorboard=False)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["gpu_memory_gib"], line["gpu_busy"]) for line in lines] == [(1.5, 0.5)] * 2
