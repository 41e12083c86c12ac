"""The same bits again: of the same seed, and of a run that was stopped and goes on."""

import signal
from dataclasses import replace

import pytest
import torch

from tests.helpers.runs import at_step, interrupt, made_by, metrics, newest
from tests.helpers.tiny import TINY
from xception_edu.data.builtin import load_digits
from xception_edu.training import run, train

pytestmark = pytest.mark.usefixtures("digits_are_read_once")


def test_the_same_seed_gives_the_same_bits(uninterrupted, tmp_path):
    recipe, out = uninterrupted
    torch.manual_seed(12345)  # whatever ran before
    train.train(recipe, tmp_path)
    assert made_by(tmp_path) == made_by(out)


def test_another_seed_gives_another_network(uninterrupted, tmp_path):
    recipe, out = uninterrupted
    train.train(replace(recipe, seed=1), tmp_path)
    assert made_by(tmp_path)[1] != made_by(out)[1]


@pytest.mark.parametrize("stop_in", [1, 3, 5, 6])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_run_stopped_in_any_step_goes_on_bit_for_bit(uninterrupted, tmp_path, stop_in, signum):
    recipe, out = uninterrupted
    with pytest.MonkeyPatch.context() as patch:
        at_step(stop_in, interrupt(signum), patch)
        with pytest.raises(
            train.Interrupted, match=f"stopped after step {stop_in} of 10"
        ) as stopped:
            train.train(recipe, tmp_path)
    assert stopped.value.signum == signum
    assert newest(tmp_path).name == f"step-{stop_in:08d}.safetensors"
    train.train(recipe, tmp_path, resume=True)
    assert made_by(tmp_path) == made_by(out)


def test_a_signal_before_the_first_step_loses_nothing_either(uninterrupted, tmp_path):
    recipe, out = uninterrupted
    digits = load_digits()

    def load(recipe, *_, **__):
        signal.raise_signal(signal.SIGINT)
        return digits

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "load_dataset", load)
        with pytest.raises(train.Interrupted, match="stopped after step 0 of 10"):
            train.train(recipe, tmp_path)
    train.train(recipe, tmp_path, resume=True)
    assert made_by(tmp_path) == made_by(out)


def test_a_run_without_a_checkpoint_starts_over(uninterrupted, tmp_path, caplog):
    """As after SIGKILL in the first epoch."""
    recipe, out = uninterrupted
    (tmp_path / "config.json").write_bytes((out / "config.json").read_bytes())
    train.train(recipe, tmp_path, resume=True)
    assert made_by(tmp_path) == made_by(out)
    assert "no checkpoint yet" in caplog.text


def test_a_run_left_after_some_steps_goes_on_bit_for_bit(uninterrupted, tmp_path):
    recipe, out = uninterrupted
    train.train(recipe, tmp_path, max_steps=3)
    assert newest(tmp_path).name == "step-00000003.safetensors"
    train.train(recipe, tmp_path, resume=True, max_steps=7)
    assert [line["step"] for line in metrics(tmp_path)] == [5, 7]
    train.train(recipe, tmp_path, resume=True)
    assert made_by(tmp_path) == made_by(out)


def test_signals_act_as_before_once_training_is_over(tmp_path, monkeypatch):
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    at_step(2, interrupt(), monkeypatch)
    with pytest.raises(train.Interrupted):
        train.train(TINY, tmp_path)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_interrupt_acts_at_once(tmp_path, monkeypatch):
    at_step(2, lambda: (interrupt()(), interrupt()()), monkeypatch)
    # a shell starts its background jobs without one
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt) as stopped:
            train.train(TINY, tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not isinstance(stopped.value, train.Interrupted)


@pytest.mark.parametrize("function", ["append_line", "save_checkpoint"])
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_crash_between_metrics_and_checkpoint_leaves_no_line_twice(
    uninterrupted, tmp_path, function, epoch
):
    """As after SIGKILL at that place: nothing that comes after is done."""
    recipe, out = uninterrupted
    real, calls = getattr(run, function), []

    def crash(*args, **kwargs):
        calls.append(None)
        if len(calls) == epoch:
            raise SystemError("killed")
        return real(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, function, crash)
        with pytest.raises(SystemError):
            train.train(recipe, tmp_path)
    train.train(recipe, tmp_path, resume=True)
    assert made_by(tmp_path) == made_by(out)


def test_resuming_a_finished_run_changes_nothing(uninterrupted):
    recipe, out = uninterrupted
    before = made_by(out)
    assert train.train(recipe, out, resume=True) == metrics(out)[-1]
    assert made_by(out) == before
