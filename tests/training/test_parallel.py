"""Several processes train as one would: the same steps, stopped together, and started again if one
is killed.
"""

import json
import os
import pathlib
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.helpers import forked, parallel_worker
from tests.helpers.parallel_worker import RECIPE, in_double
from tests.helpers.tiny import TINY, TINY_FLAGS
from xception_edu.training import parallel, train
from xception_edu.training.checkpoints import load_checkpoint
from xception_edu.training.steps import make_model

ROOT = pathlib.Path(__file__).parents[2]


def torchrun(what, out, *options):
    """Run tests/helpers/parallel_worker.py in two processes; what torchrun answered."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        *options,
    ]
    command += ["-m", "tests.helpers.parallel_worker", what, str(out)]
    environment = os.environ | {"TQDM_DISABLE": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory):
    """The folder of a run by two processes, in float64."""
    out = tmp_path_factory.mktemp("two_ranks")
    assert forked.two_ranks(parallel_worker.main, "train", out) == [0, 0]
    return out


def weights(path):
    """Tensors of a checkpoint that were learned: no counters, and not BN's running statistics."""
    names = ("running_mean", "running_var", "num_batches_tracked", "n_averaged")
    return {
        name: t for name, t in load_checkpoint(path).tensors.items() if not name.endswith(names)
    }


def checkpoint(out, step):
    return out / "checkpoints" / f"step-{step:08d}.safetensors"


def test_two_ranks_take_the_steps_of_one_process_at_the_same_batch(two_ranks, tmp_path):
    """With the batch in two parts, so that BN sees the same images; then five steps, and ten, are
    the same to 1e-6.
    """
    with in_double():
        train.train(replace(RECIPE, accumulate=2), tmp_path, tensorboard=False)
    for step in (5, 10):
        one, two = weights(checkpoint(tmp_path, step)), weights(checkpoint(two_ranks, step))
        assert one.keys() == two.keys()
        assert {t.dtype for t in one.values()} == {torch.float64}
        for name in one:
            torch.testing.assert_close(
                two[name],
                one[name],
                rtol=0,
                atol=1e-6,
                msg=lambda text, name=name: f"{name}: {text}",
            )


def test_running_statistics_are_those_of_rank_0(two_ranks, tmp_path):
    """What is said to differ from one process: that has seen both parts, and rank 0 only its
    own.
    """
    with in_double():
        train.train(replace(RECIPE, accumulate=2), tmp_path, max_steps=5, tensorboard=False)
    one, two = (load_checkpoint(checkpoint(out, 5)).tensors for out in (tmp_path, two_ranks))
    assert (one["model.bn1.num_batches_tracked"], two["model.bn1.num_batches_tracked"]) == (10, 5)
    assert not torch.allclose(
        one["model.bn1.running_mean"], two["model.bn1.running_mean"], rtol=1e-3
    )


def test_all_ranks_evaluate_together_and_rank_0_writes(two_ranks):
    lines = [json.loads(line) for line in (two_ranks / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [5, 10]
    assert all((line["top1"] * 500).is_integer() for line in lines)  # of all 500 validation digits
    assert json.loads((two_ranks / "config.json").read_text())["processes"] == 2


def test_after_a_rank_was_killed_torchrun_starts_again_and_the_end_is_the_same(two_ranks, tmp_path):
    run = torchrun("killed", tmp_path, "--max-restarts", "1")
    assert run.returncode == 0, run.stderr
    assert "SIGKILL" in run.stderr or "exitcode: -9" in run.stderr, run.stderr
    assert checkpoint(tmp_path, 10).read_bytes() == checkpoint(two_ranks, 10).read_bytes()


def test_a_signal_to_one_rank_stops_all_after_the_same_step(tmp_path):
    assert forked.two_ranks(parallel_worker.main, "signaled", tmp_path) == [0, 0]
    for rank in (0, 1):
        assert "SIGTERM: stopped after step 3 of 10" in (tmp_path / f"rank-{rank}.txt").read_text()
    assert load_checkpoint(checkpoint(tmp_path, 3)).progress["step"] == 3


def test_a_notebook_is_told_why_the_processes_that_it_started_failed(two_ranks):
    """Notebook 9 starts two that do not."""
    flags = ["--recipe", "digits", "--out", str(two_ranks), *TINY_FLAGS]
    with pytest.raises(
        RuntimeError, match="in 1 processes failed: .* it has a run, which --resume would continue"
    ):
        parallel.launch(flags, processes=1)


def test_a_batch_that_cannot_be_shared_out_is_refused(monkeypatch):
    monkeypatch.setattr(parallel, "world_size", lambda: 3)
    with pytest.raises(
        ValueError, match="batch_size is 256, but must be a multiple of 6: 3 ranks, 2 parts each"
    ):
        parallel.check_parts(256, 2)


def test_bn_is_synchronized_on_gpus_only_and_keeps_its_names(monkeypatch):
    model = make_model(TINY)
    names = set(model.state_dict())
    # one process: nothing to do
    assert parallel.synchronize_bn(model, torch.device("cpu")) is model
    monkeypatch.setattr(parallel, "world_size", lambda: 2)
    with pytest.raises(ValueError, match="sync_bn is True, but must be False on a CPU"):
        parallel.synchronize_bn(model, torch.device("cpu"))
    converted = parallel.synchronize_bn(model, torch.device("cuda", 0))
    assert {type(m) for m in converted.modules() if "BatchNorm" in type(m).__name__} == {
        nn.SyncBatchNorm
    }
    assert set(converted.state_dict()) == names


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("LOCAL_RANK", "3")
    with (
        pytest.raises(ValueError, match="--nproc-per-node is more than 3, but must be at most 2"),
        parallel.process_group(torch.device("cuda")),
    ):
        pass


def test_one_process_exchanges_nothing():
    assert (parallel.rank(), parallel.world_size()) == (0, 1)
    assert parallel.mean_and_signal(torch.tensor(0.5), [15]) == (0.5, 15)
    assert parallel.total({"images": 2.0}) == {"images": 2.0}
