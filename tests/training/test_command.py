"""The command `train`: what it prints, and one line for what it refuses."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

from tests.helpers.refusals import refused
from tests.helpers.runs import made_by, metrics, quiet
from tests.helpers.tiny import TINY_FLAGS
from xception_edu.__main__ import main
from xception_edu.data.load import load_dataset
from xception_edu.recipes import Recipe
from xception_edu.training import checkpoints, train

pytestmark = pytest.mark.usefixtures("digits_are_read_once")


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
