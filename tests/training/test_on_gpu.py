"""What only a GPU can show. Without one these are left out, and pytest says so; `pytest
tests/test_on_gpu.py` runs them.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.helpers.tiny import TINY, TINY_FLAGS
from xception_edu.__main__ import main
from xception_edu.benchmark import command, layers, segments, timing
from xception_edu.benchmark.roofline import Roofline
from xception_edu.layers import SegmentedConv2d
from xception_edu.training import train
from xception_edu.xception import XceptionConfig, xception

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
ROOT = Path(__file__).parents[2]
CUDA = torch.device("cuda")
MIB = 2**20


@pytest.fixture(autouse=True)
def exact():
    """float32 is float32 and not TF32."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


@pytest.mark.parametrize("layout", segments.LAYOUTS)
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 12, 23, 24])
def test_segments_compute_there_what_they_do_here_and_so_do_their_gradients(count, layout):
    torch.manual_seed(count)
    here = SegmentedConv2d(24, 24, segments=count, bias=True)
    there = SegmentedConv2d(24, 24, segments=count, bias=True).to(CUDA)
    there.load_state_dict(here.state_dict())
    x = torch.randn(2, 24, 9, 9).contiguous(memory_format=segments.LAYOUTS[layout])
    found = []
    for conv, image in ((here, x.clone().requires_grad_()), (there, x.to(CUDA).requires_grad_())):
        out = conv(image)
        (out * out.detach().sign()).sum().backward()
        found.append([out, image.grad, *(weight.grad for weight in conv.parameters())])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(b.cpu(), a, rtol=1e-3, atol=1e-3)
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cuda", dtype), torch.no_grad():
            half = there(x.to(CUDA))
        assert half.dtype == dtype
        torch.testing.assert_close(half.cpu().float(), found[0][0].detach(), rtol=0.02, atol=0.05)


def test_the_network_says_there_what_it_says_here():
    model = xception(XceptionConfig(num_classes=10, width=0.125)).eval()
    images = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        here = model(images)
        torch.testing.assert_close(
            model.to(CUDA)(images.to(CUDA)).cpu(), here, rtol=1e-3, atol=1e-4
        )


def losses(out, **options):
    """The loss of every epoch of a run of the tiny recipe."""
    how = {key: options.pop(key) for key in ("device", "resume", "max_steps") if key in options}
    train.train(replace(TINY, **options), out, tensorboard=False, **how)
    return [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_a_run_there_is_a_run_here_but_for_rounding(tmp_path):
    still = {"model": replace(TINY.model, dropout=0.0)}  # dropout's numbers are the device's own
    here = losses(tmp_path / "here", device="cpu", **still)
    assert losses(tmp_path / "there", device="cuda", **still) == pytest.approx(here, rel=1e-3)


@pytest.mark.parametrize(
    "options",
    [{"precision": "bf16"}, {"precision": "fp16"}, {"compile": True, "polyak_decay": 0.9}],
)
def test_mixed_precision_and_compiling_learn_as_well(options, tmp_path):
    plain, other = losses(tmp_path / "plain"), losses(tmp_path / "other", **options)
    assert other == pytest.approx(plain, rel=0.05)
    line = json.loads((tmp_path / "other" / "metrics.jsonl").read_text().splitlines()[-1])
    assert line["gpu_memory_gib"] > 0


def test_a_stopped_run_goes_on_there(tmp_path):
    whole = losses(tmp_path / "whole")
    losses(tmp_path / "parts", max_steps=7)
    assert losses(tmp_path / "parts", resume=True)[-1] == pytest.approx(whole[-1], rel=1e-3)


def test_one_process_of_torchrun_trains_by_nccl_with_synchronized_bn(tmp_path):
    order = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "1",
        "-m",
        "xception_edu",
    ]
    order += [
        "train",
        "--recipe",
        "digits",
        "--sync-bn",
        "true",
        "--out",
        str(tmp_path / "run"),
        *TINY_FLAGS,
    ]
    run = subprocess.run(
        order,
        cwd=ROOT,
        env=os.environ | {"TQDM_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "run" / "config.json").read_text())["device"].startswith("cuda")


def test_the_gpus_own_clock_waits_for_its_work():
    a = torch.randn(4096, 4096, device=CUDA)

    def work(times):
        for _ in range(times):
            a @ a

    times = timing.alternate({n: lambda n=n: work(n) for n in (1, 10)}, rounds=5, device=CUDA)
    assert 7 < timing.ratio(times[10], times[1]) < 13


def test_the_first_call_does_not_decide_how_many_fill_a_round():
    """It finds kernels and memory, and takes a hundred times as long as the others."""
    calls = []
    conv = SegmentedConv2d(24, 24, segments=3).to(CUDA)
    x = torch.randn(1, 24, 8, 8, device=CUDA)

    def call():
        calls.append(None)
        conv(x)

    timing.alternate({"conv": call}, rounds=1, min_ms=5, device=CUDA)
    assert len(calls) > 20


@pytest.mark.parametrize("tensors", [0, 1, 3])
def test_peak_memory_there_is_what_was_alive_at_once(tensors):
    assert (
        timing.peak_memory(
            lambda: [torch.empty(MIB, device=CUDA) for _ in range(tensors)], device=CUDA
        )
        == 4 * MIB * tensors
    )


@pytest.mark.parametrize("name", ["segments", "mistakes", "roofline"])
def test_the_benchmarks_run_there(name, tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "MAPS", {16: 9})
    monkeypatch.setattr(segments, "UNEVEN", {16: (3,)})
    monkeypatch.setattr(segments, "QUICK", (1, 3, 16))
    main(["benchmark", name, "--quick", "--device", "cuda", "--out", str(tmp_path)])
    record = json.loads((tmp_path / command.BENCHMARKS[name].FILE).read_text())
    assert record["device"] == torch.cuda.get_device_name(0)


def test_a_layer_is_timed_there():
    (about, spec, shape), *_ = layers.different_layers("xception")
    roofline = Roofline(
        macs_per_second={"float32": 1e13, "bfloat16": 1e14}, memory=1e12, cache=1e12
    )
    found = layers.measure_layer(
        spec, shape, 2, "bfloat16", roofline, timing.Effort(rounds=3, min_ms=1), device=CUDA
    )
    assert found["median_ms"] > 0
    assert about["name"]
