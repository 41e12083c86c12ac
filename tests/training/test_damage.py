"""Damaged files, full disks and divergence: what was good is kept, and it is said."""

import re

import pytest

from tests.helpers.refusals import refused
from tests.helpers.runs import at_step, made_by, newest, quiet
from tests.helpers.tiny import TINY, TINY_FLAGS
from xception_edu.__main__ import main
from xception_edu.training import run, run_folder, train
from xception_edu.training.stopping import one_line_errors

pytestmark = pytest.mark.usefixtures("digits_are_read_once")


def cut_short(content):
    return content[: len(content) * 2 // 3]


def bit_flipped(content):
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def emptied(content):
    return b""


@pytest.mark.parametrize("damage", [cut_short, bit_flipped, emptied])
def test_behind_a_damaged_checkpoint_the_one_before_is_used_and_said(
    uninterrupted, tmp_path, damage, caplog
):
    recipe, out = uninterrupted
    train.train(recipe, tmp_path)
    path = newest(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    train.train(recipe, tmp_path, resume=True)
    assert made_by(tmp_path) == made_by(out)
    assert re.search(
        r"step-00000010.safetensors is damaged: .*; the one before it is tried", caplog.text
    )


def test_when_all_checkpoints_are_damaged_it_says_so(tmp_path):
    train.train(TINY, tmp_path)
    for path in (tmp_path / "checkpoints").iterdir():
        path.write_bytes(cut_short(path.read_bytes()))
    with pytest.raises(
        ValueError, match=r"all damaged: step-00000005.safetensors, step-00000010.safetensors"
    ):
        train.train(TINY, tmp_path, resume=True)


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path, monkeypatch):
    path = tmp_path / "file"
    run_folder.write_atomically(path, b"old")

    def disk_full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_folder.os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        run_folder.write_atomically(path, b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]


def test_a_full_disk_is_one_line_and_the_run_goes_on_later(uninterrupted, tmp_path, capsys):
    recipe, out = uninterrupted
    flags = [
        "train",
        "--recipe",
        "digits",
        "--out",
        str(tmp_path),
        *TINY_FLAGS,
        "--model.dropout",
        "0.2",
    ]
    flags += [
        "--optimizer",
        recipe.optimizer,
        f"--learning_rate={recipe.learning_rate}",
        f"--polyak-decay={recipe.polyak_decay}",
    ]

    def disk_full(*_, **__):
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        at_step(6, lambda: patch.setattr(run, "save_checkpoint", disk_full), patch)
        patch.setenv("TQDM_DISABLE", "1")
        patch.setattr(train, "tqdm", quiet)
        assert "No space left on device" in refused(flags, capsys)
    assert main([*flags, "--resume"]) == 0
    assert made_by(tmp_path) == made_by(out)


def test_a_file_that_may_not_grow_is_one_line_and_the_checkpoint_before_it_stays(
    uninterrupted, tmp_path
):
    """The system itself refuses to write: files of more than 3 KB, as a full disk or a quota
    would.
    """
    import resource  # of Unix

    recipe, out = uninterrupted
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.MonkeyPatch.context() as patch:
        at_step(7, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard)), patch)
        try:
            with (
                pytest.raises(ValueError, match="^out cannot be used: File too large") as error,
                one_line_errors(),
            ):
                train.train(recipe, tmp_path, tensorboard=False)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(error.value)
    assert newest(tmp_path).name == "step-00000005.safetensors"
    assert not list(tmp_path.glob("checkpoints/*.tmp"))
    train.train(recipe, tmp_path, resume=True, tensorboard=False)
    assert made_by(tmp_path) == made_by(out)


def test_a_loss_that_is_not_finite_stops_with_step_rate_and_checkpoint(tmp_path, monkeypatch):
    real, calls = train.train_step, []

    def step(*args, **kwargs):
        calls.append(None)
        return real(*args, **kwargs) * (float("nan") if len(calls) == 8 else 1)

    monkeypatch.setattr(train, "train_step", step)
    with pytest.raises(
        FloatingPointError, match=r"loss is nan at step 8 with learning rate 0\.0\d+"
    ) as error:
        train.train(TINY, tmp_path)
    assert f"the last good checkpoint is {newest(tmp_path)}" in str(error.value)
    assert newest(tmp_path).name == "step-00000005.safetensors"


def test_weights_that_are_not_finite_are_never_saved(tmp_path, monkeypatch):
    real, calls = train.train_step, []

    def step(model, *args, **kwargs):
        loss = real(model, *args, **kwargs)
        calls.append(None)
        if len(calls) == 5:
            model.classifier.bias.data[0] = float("inf")
        return loss

    monkeypatch.setattr(train, "train_step", step)
    with pytest.raises(
        FloatingPointError, match="a weight is not finite at step 5 .* there is no checkpoint yet"
    ):
        train.train(TINY, tmp_path)
    assert not list(tmp_path.glob("checkpoints/*"))


def test_a_learning_rate_far_too_high_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train, "tqdm", quiet)
    flags = [
        "train",
        "--recipe",
        "digits",
        "--out",
        str(tmp_path),
        *TINY_FLAGS,
        "--learning-rate",
        "1e38",
    ]
    line = refused(flags, capsys)
    assert "not finite" in line or "loss is" in line
    assert "there is no checkpoint yet" in line
