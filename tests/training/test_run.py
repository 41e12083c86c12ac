"""What a run leaves in its folder: metrics, configuration and checkpoints."""

import json
from dataclasses import replace

import pytest
import torch

from tests.helpers.runs import KEYS, metrics, newest
from tests.helpers.tiny import MODEL, TINY
from xception_edu.data import builtin
from xception_edu.data.builtin import load_digits
from xception_edu.data.load import load_dataset
from xception_edu.recipes import DIGITS, PHOTOS, Recipe
from xception_edu.training import run, train
from xception_edu.training.evaluate import evaluate, trained_model

pytestmark = pytest.mark.usefixtures("digits_are_read_once")


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


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    train.train(replace(TINY, epochs=4, keep_checkpoints=3), tmp_path)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == [
        f"step-{step:08d}.safetensors" for step in (10, 15, 20)
    ]


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
