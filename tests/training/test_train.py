"""Training: the step by hand, the same bits again, and nothing lost by signals, crashes and damaged
files.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from tests.helpers.refusals import refused
from tests.helpers.tiny import MODEL, TINY, TINY_FLAGS
from xception_edu.__main__ import main
from xception_edu.data import builtin
from xception_edu.data.augment import prepare
from xception_edu.data.builtin import load_digits
from xception_edu.data.dataset import Dataset
from xception_edu.data.load import load_dataset
from xception_edu.data.order import epoch_order
from xception_edu.recipes import DIGITS, PHOTOS, Recipe
from xception_edu.training import checkpoints, run, run_folder, train
from xception_edu.training.evaluate import evaluate, trained_model
from xception_edu.training.steps import make_model, make_optimizer, training_batch
from xception_edu.training.stopping import one_line_errors

KINDS = {
    "sgd": TINY,
    "adamw, averaged": replace(TINY, optimizer="adamw", learning_rate=0.01, polyak_decay=0.7),
}
KEYS = {"step", "epoch", "loss", "lr", "top1", "top5", "val_loss", "images_per_second"}


@pytest.fixture(scope="module", autouse=True)
def digits_are_read_once():
    digits = load_digits()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "load_dataset", lambda recipe, *_, **__: digits)
        yield


@pytest.fixture(scope="module", params=KINDS)
def uninterrupted(request, tmp_path_factory):
    """A recipe and the folder of its run from beginning to end."""
    out = tmp_path_factory.mktemp("uninterrupted")
    train.train(KINDS[request.param], out)
    return KINDS[request.param], out


def made_by(out):
    """Everything that a run computed: the newest checkpoint's bytes, and the metrics without the
    speed.
    """
    lines = [{k: v for k, v in line.items() if k != "images_per_second"} for line in metrics(out)]
    return newest(out).read_bytes(), lines


def metrics(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def newest(out):
    return max((out / "checkpoints").glob("*.safetensors"))


def at_step(number, act, monkeypatch):
    """Call `act` in the middle of the step with that number, from 1."""
    taken, real = [], train.train_step

    def step(*args, **kwargs):
        taken.append(None)
        if len(taken) == number:
            act()
        return real(*args, **kwargs)

    monkeypatch.setattr(train, "train_step", step)


def interrupt(signum=signal.SIGINT):
    return lambda: signal.raise_signal(signum)


# ---- the step ------------------------------------------------------------------------------------


def test_a_step_of_plain_sgd_is_the_weights_minus_rate_times_gradient():
    model, images, labels = (
        nn.Sequential(nn.Flatten(), nn.Linear(4, 3)),
        torch.rand(5, 1, 2, 2),
        torch.tensor([0, 1, 2, 0, 1]),
    )
    loss = F.cross_entropy(model(images), labels)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    expected = [p - 0.5 * g for p, g in zip(model.parameters(), gradients, strict=True)]
    returned = train.train_step(model, images, labels, torch.optim.SGD(model.parameters(), 0.5))
    torch.testing.assert_close(returned, loss.detach())
    torch.testing.assert_close(
        [p.detach() for p in model.parameters()], [e.detach() for e in expected]
    )


def test_a_step_trains_even_after_an_evaluation():
    model = make_model(TINY)
    evaluate(model, [(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]))], 8)
    assert not model.training
    train.train_step(
        model, torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 3]), make_optimizer(model, TINY)
    )
    assert model.training
    assert model.bn1.num_batches_tracked == 1


class Shown(nn.Module):
    """A "model" whose logits are written in the image's first row."""

    def forward(self, x):
        return x[:, 0, 0]


def test_top1_and_top5_by_hand():
    logits = torch.tensor([[90, 80, 70, 60, 50, 40, 30, 20]] * 4, dtype=torch.uint8)
    images = logits[:, None, None].expand(4, 1, 8, 8).contiguous()
    labels = torch.tensor([0, 1, 4, 5])  # first guess, among five, the fifth, not among five
    for batch_size in (1, 3, 4, 250):
        batches = zip(images.split(batch_size), labels.split(batch_size), strict=True)
        found = evaluate(Shown(), batches, 8)
        assert (found["top1"], found["top5"], found["images"]) == (0.25, 0.75, 4)
        assert found["loss"] == pytest.approx(
            F.cross_entropy(prepare(images, 8)[:, 0, 0], labels).item(), rel=1e-6
        )


def test_kernels_decay_and_biases_and_bn_do_not():
    model = make_model(TINY)
    for kind in KINDS.values():
        decaying, others = make_optimizer(model, kind).param_groups
        assert (decaying["weight_decay"], others["weight_decay"]) == (kind.weight_decay, 0)
        assert {id(p) for p in decaying["params"]} == {
            id(m.weight) for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))
        } | {id(w) for m in model.modules() if hasattr(m, "weights") for w in m.weights}
        assert len(decaying["params"]) + len(others["params"]) == len(list(model.parameters()))


def test_batch_normalization_averages_as_the_recipe_says():
    model = make_model(replace(TINY, bn_momentum=0.3))
    assert {m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {0.3}


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 3), st.integers(0, 9))
def test_an_epoch_shows_each_image_at_most_once(images, batch_size, epoch, seed):
    batch_size = min(images, batch_size)
    labels = torch.arange(images)
    data = Dataset(
        torch.zeros(images, 1, 8, 8, dtype=torch.uint8), labels, *[torch.empty(0)] * 2, ()
    )
    recipe = replace(TINY, batch_size=batch_size, seed=seed)
    steps = images // batch_size
    seen = torch.cat([training_batch(data, recipe, epoch * steps + i)[1] for i in range(steps)])
    assert len(set(seen.tolist())) == len(seen) == steps * batch_size


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {
        tuple(epoch_order(seed, epoch, 50).tolist()) for seed in range(3) for epoch in range(3)
    }
    assert len(orders) == 9


# ---- what a run leaves ---------------------------------------------------------------------------


def test_metrics_have_a_line_an_epoch_with_all_keys(uninterrupted):
    recipe, out = uninterrupted
    lines = metrics(out)
    assert [(line["step"], line["epoch"]) for line in lines] == [(5, 1), (10, 2)]
    for line in lines:
        assert set(line) == KEYS
        assert 0 < line["lr"] <= recipe.learning_rate
        assert 0 <= line["top1"] <= line["top5"] <= 1
        assert line["loss"] > 0
        assert line["images_per_second"] > 0


def test_the_configuration_is_saved_beside_what_it_made(uninterrupted):
    recipe, out = uninterrupted
    config = json.loads((out / "config.json").read_text())
    assert Recipe.from_dict(config["recipe"]) == recipe
    assert config["torch"] == torch.__version__
    assert {"python", "xception_edu", "device", "threads"} <= set(config)


def test_a_saved_network_guesses_as_it_did_in_training(uninterrupted):
    recipe, out = uninterrupted
    digits = load_digits()
    found = evaluate(trained_model(newest(out)), digits.validation_batches(250), recipe.image_size)
    assert found["top1"] == metrics(out)[-1]["top1"]


def test_the_default_recipe_learns_within_two_epochs(tmp_path):
    last = train.train(replace(DIGITS, epochs=2), tmp_path)
    assert last["top1"] > 0.5  # one in ten by chance


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    train.train(replace(TINY, epochs=4, keep_checkpoints=3), tmp_path)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == [
        f"step-{step:08d}.safetensors" for step in (10, 15, 20)
    ]


# ---- the same bits -------------------------------------------------------------------------------


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


# ---- damage --------------------------------------------------------------------------------------


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


class quiet(train.tqdm):
    """A progress bar that shows nothing, however the tests are started."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs | {"disable": True})


# ---- divergence ----------------------------------------------------------------------------------


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


# ---- the command ---------------------------------------------------------------------------------


def test_the_command_trains_and_says_how_well(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(train, "tqdm", quiet)
    out = tmp_path / "deep" / "folder"
    assert (
        main(
            [
                "train",
                "--recipe",
                "digits",
                "--out",
                str(out),
                *TINY_FLAGS,
                "--model.segments",
                "2",
                "--seed=7",
            ]
        )
        == 0
    )
    assert f"{metrics(out)[-1]['top1']:.2%} top-1" in capsys.readouterr().out
    recipe = Recipe.from_dict(json.loads((out / "config.json").read_text())["recipe"])
    assert (recipe.name, recipe.seed, recipe.epochs, recipe.model.segments) == ("digits", 7, 2, 2)
    assert recipe.model.entry_widths == (4, 4, 8)


def test_resume_takes_the_recipe_from_the_folder(uninterrupted, capsys):
    _, out = uninterrupted
    assert main(["train", "--out", str(out), "--resume"]) == 0
    assert (
        main(["train", "--recipe", "digits", "--out", str(out), "--resume", "--epochs", "2"]) == 0
    )


def test_a_changed_recipe_is_not_resumed_and_the_changes_are_named(uninterrupted, capsys):
    _, out = uninterrupted
    line = refused(
        ["train", "--out", str(out), "--resume", "--epochs", "3", "--model.dropout", "0.5"], capsys
    )
    assert "epochs is 2 and 3" in line
    assert "model.dropout is 0.2 and 0.5" in line
    assert "'photos'" in refused(
        ["train", "--recipe", "photos", "--out", str(out), "--resume"], capsys
    )


def test_a_folder_with_a_run_is_not_overwritten(uninterrupted, capsys):
    _, out = uninterrupted
    before = made_by(out)
    assert "--resume" in refused(["train", "--recipe", "digits", "--out", str(out)], capsys)
    assert made_by(out) == before


def test_an_interrupted_command_says_how_to_go_on_and_loses_nothing(tmp_path):
    """A real process, stopped by a real SIGINT in the middle of an epoch."""
    out = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "xception_edu",
        "train",
        "--recipe",
        "digits",
        "--out",
        str(out),
        *TINY_FLAGS,
    ]
    command += ["--epochs", "100000"]
    environment = os.environ | {"TQDM_DISABLE": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 120
        while (
            not (out / "metrics.jsonl").exists()
            and process.poll() is None
            and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=60)
    assert (process.returncode, printed) == (130, "")
    assert re.fullmatch(
        r"SIGINT: stopped after step (\d+) of 500000, .* is saved; --resume goes on\n", said
    ), said
    saved = checkpoints.load_newest(out / "checkpoints")
    assert f"after step {saved.progress['step']} of" in said
    assert str(saved.path) in said


@pytest.mark.parametrize("name", ["model.num_classes", "batch_size"])
def test_what_does_not_fit_the_images_is_one_line_and_leaves_no_folder(
    name, tmp_path, capsys, monkeypatch
):
    monkeypatch.undo()
    out = tmp_path / "run"
    from xception_edu.data.load import load_dataset

    monkeypatch.setattr(train, "load_dataset", load_dataset)
    assert name in refused(
        ["train", "--recipe", "digits", "--out", str(out), f"--{name}", "1500"], capsys
    )
    assert not out.exists()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("something")
    assert "must be a folder" in refused(
        ["train", "--recipe", "digits", "--out", str(file)], capsys
    )
    assert "out" in refused(
        ["train", "--recipe", "digits", "--out", str(file / "under"), *TINY_FLAGS], capsys
    )
    assert file.read_text() == "something"


def test_a_damaged_configuration_is_refused(tmp_path, capsys):
    (tmp_path / "config.json").write_text('{"recipe": {"name": "digits"')
    assert "config.json is damaged" in refused(
        ["train", "--out", str(tmp_path), "--resume"], capsys
    )


def test_photos_train_too(tmp_path, monkeypatch):
    monkeypatch.setattr(builtin, "PATCHES_A_PHOTO", 8)
    monkeypatch.setattr(builtin, "LATTICE", 2)
    monkeypatch.setattr(train, "load_dataset", load_dataset)
    model = replace(MODEL, in_channels=3, stem_stride=2)
    last = train.train(
        replace(PHOTOS, model=model, image_size=32, batch_size=40, epochs=1, random_shift=4),
        tmp_path,
    )
    assert set(last) == KEYS


# ---- options of a run ----------------------------------------------------------------------------


def scalars(out):
    """What TensorBoard would draw: (step, value) by name, read back with its own reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    return {
        name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]
    }


def test_tensorboard_gets_what_the_metrics_have_and_the_steps_between(uninterrupted):
    _, out = uninterrupted
    found = scalars(out)
    for key in KEYS - {"step"}:
        assert found[f"epoch/{key}"] == [
            (line["step"], pytest.approx(line[key], rel=1e-6)) for line in metrics(out)
        ]
    assert [step for step, _ in found["step/loss"]] == list(range(1, 11))
    mean = sum(value for _, value in found["step/loss"][:5]) / 5
    assert mean == pytest.approx(metrics(out)[0]["loss"], rel=1e-6)


def test_tensorboards_curves_go_on_where_the_run_does(tmp_path):
    train.train(TINY, tmp_path, max_steps=8)
    for later in list((tmp_path / "checkpoints").glob("*8.safetensors")):
        later.unlink()  # as if the last steps were lost
    train.train(TINY, tmp_path, resume=True)
    found = scalars(tmp_path)
    assert [step for step, _ in found["step/loss"]] == list(range(1, 11))
    assert [step for step, _ in found["epoch/top1"]] == [5, 10]


def test_without_tensorboard_there_are_no_events(tmp_path):
    train.train(TINY, tmp_path, max_steps=1, tensorboard=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoints",
        "config.json",
        "metrics.jsonl",
    ]


def test_a_run_left_after_some_steps_goes_on_bit_for_bit(uninterrupted, tmp_path):
    recipe, out = uninterrupted
    train.train(recipe, tmp_path, max_steps=3)
    assert newest(tmp_path).name == "step-00000003.safetensors"
    train.train(recipe, tmp_path, resume=True, max_steps=7)
    assert [line["step"] for line in metrics(tmp_path)] == [5, 7]
    train.train(recipe, tmp_path, resume=True)
    assert made_by(tmp_path) == made_by(out)


def test_a_run_left_within_an_epoch_says_how_it_went_so_far(tmp_path, capsys, monkeypatch):
    losses, real = [], train.train_step
    monkeypatch.setattr(
        train, "train_step", lambda *args, **how: losses.append(real(*args, **how)) or losses[-1]
    )
    out = tmp_path / "run"
    flags = [*TINY_FLAGS, "--max-steps", "7", "--tensorboard", "false"]
    assert main(["train", "--recipe", "digits", "--out", str(out), *flags]) == 0
    line = metrics(out)[-1]
    assert line == {"step": 7, "epoch": 1.4} | {
        key: line[key] for key in ("loss", "lr", "images_per_second")
    }
    assert line["loss"] == pytest.approx(torch.stack(losses[5:]).mean().item())
    said = (
        f"loss {line['loss']:.4f}, {line['images_per_second']} images/s after step 7, in the middle"
        " of an epoch"
    )
    assert said in capsys.readouterr().out


def test_another_batch_size_says_which_rule_the_learning_rate_follows(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    said = "learning rate 0.4 for 256 images a step: by the rule linear, 0.1 x 256/64"
    train.train(replace(TINY, lr_rule="linear"), tmp_path / "other", max_steps=1, tensorboard=False)
    assert said in capsys.readouterr().err.splitlines()
    assert json.loads((tmp_path / "other" / "config.json").read_text())["batch_size_rule"] == said
    same = replace(TINY, reference_batch_size=256, polyak_decay=0.99)
    train.train(same, tmp_path / "same", max_steps=1, tensorboard=False)
    hint = capsys.readouterr().err
    assert "averaged weights look back some 100 steps, and the run has 10" in hint
    assert "learning rate" not in hint


def test_a_checkpoint_is_written_whenever_the_minutes_are_over(tmp_path, monkeypatch):
    steps, real = [], run.save_checkpoint
    monkeypatch.setattr(
        run,
        "save_checkpoint",
        lambda folder, step, *args, **how: steps.append(step) or real(folder, step, *args, **how),
    )
    train.train(TINY, tmp_path, max_steps=7, checkpoint_minutes=0)
    assert steps == [1, 2, 3, 4, 5, 6, 7]


def test_between_evaluations_a_line_has_the_loss_only_and_the_last_epoch_is_evaluated(tmp_path):
    train.train(replace(TINY, epochs=3, evaluate_every=2), tmp_path, tensorboard=False)
    assert ["top1" in line for line in metrics(tmp_path)] == [False, True, True]


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
