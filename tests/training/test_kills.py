"""A run that is killed at any moment, resumed until it is done, ends with the weights of one that
was never stopped.
"""

import os
import random
import signal
from dataclasses import replace

import pytest

from tests.helpers.forked import PROCESSES
from tests.helpers.tiny import TINY
from xception_edu.training import checkpoints, run_folder, train

RECIPE = replace(TINY, epochs=16, polyak_decay=0.9, threads=1)  # 80 steps
# killed in its fourth save if not before, so that twenty runs, looked at late, cannot end
AT_THE_LATEST = ("replace", 4)


def go_on(out, die=None):
    """Train, or go on training, with a checkpoint after every step; `die` says at which call of
    what to be killed.
    """
    os.environ["TQDM_DISABLE"] = "1"
    if die:
        kill_at(*die)
    train.train(
        RECIPE,
        out,
        resume=(out / "config.json").exists(),
        checkpoint_minutes=0.0,
        tensorboard=False,
    )


def kill_at(where, count):
    """Have this process killed at a certain call: of `os.fsync`, say, which lies in the middle of a
    save.
    """
    module, name = {
        "fsync": (os, "fsync"),
        "replace": (os, "replace"),
        "prune": (checkpoints, "_prune"),
    }[where]
    real, calls = getattr(module, name), []

    def call(*args, **kwargs):
        calls.append(None)
        if len(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(module, name, call)


def in_a_process(out, die=None, kill_after=None):
    """Run `go_on` in a process of its own, killed once `kill_after` returns; its exit status, -9 if
    it was killed.
    """
    process = PROCESSES.Process(target=go_on, args=(out, die))
    process.start()
    if kill_after:
        kill_after(process)
        process.kill()
    process.join()
    return process.exitcode


def steps_done(out):
    """Step of the newest checkpoint, 0 without one."""
    return max(
        (int(path.stem.removeprefix("step-")) for path in out.glob("checkpoints/*.safetensors")),
        default=0,
    )


def a_moment(out, moments):
    """Something that waits for a random moment: of the start, or some steps on, in a step or in the
    save after it.
    """
    if moments.random() < 0.25:
        return lambda process: process.join(moments.uniform(0, 0.5))
    goal, more = steps_done(out) + moments.randint(1, 3), moments.uniform(0, 0.02)

    def wait(process):
        while steps_done(out) < goal and process.is_alive():
            process.join(0.001)
        process.join(more)

    return wait


def last_bytes(out):
    return max((out / "checkpoints").glob("*.safetensors")).read_bytes()


def lines(out):
    return [
        {k: v for k, v in line.items() if k != "images_per_second"}
        for line in run_folder.read_metrics(out / "metrics.jsonl")
    ]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The folder of a run from beginning to end."""
    out = tmp_path_factory.mktemp("uninterrupted")
    assert in_a_process(out) == 0
    return out


def test_killed_at_twenty_random_moments_the_end_is_the_same(uninterrupted, tmp_path):
    moments, at = random.Random(0), []
    for killed in range(20):
        status = in_a_process(tmp_path, die=AT_THE_LATEST, kill_after=a_moment(tmp_path, moments))
        assert status == -signal.SIGKILL, f"after {killed} kills the run ended with status {status}"
        at.append(steps_done(tmp_path))
    assert in_a_process(tmp_path) == 0
    assert at == sorted(at), "what was saved is never lost"
    assert len(set(at)) > 8
    assert last_bytes(tmp_path) == last_bytes(uninterrupted)
    assert lines(tmp_path) == lines(uninterrupted)
    assert not list(tmp_path.glob("checkpoints/*.tmp"))


@pytest.mark.parametrize("where", ["fsync", "replace", "prune"])
def test_killed_in_the_middle_of_a_save_the_end_is_the_same(uninterrupted, tmp_path, where):
    for count in (3, 10, 31):
        assert in_a_process(tmp_path, die=(where, count)) == -signal.SIGKILL
    assert in_a_process(tmp_path) == 0
    assert last_bytes(tmp_path) == last_bytes(uninterrupted)
    assert lines(tmp_path) == lines(uninterrupted)
    assert not list(tmp_path.glob("checkpoints/*.tmp"))
