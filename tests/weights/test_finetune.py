"""A trained base with a new classifier: what learns, what stays, and what is kept."""

import json
import signal
from dataclasses import replace

import pytest
import torch

from tests.helpers.image_files import write_folder
from tests.helpers.refusals import refused
from tests.helpers.runs import metrics
from xception_edu.__main__ import main
from xception_edu.configs import XceptionConfig
from xception_edu.recipes import FINETUNE
from xception_edu.training.evaluate import evaluate_file, trained_model
from xception_edu.training.stopping import Interrupted
from xception_edu.weights import features as kept_features
from xception_edu.weights import load_pretrained, save_weights
from xception_edu.weights.finetune import begin, finetune
from xception_edu.xception import xception

BASE = XceptionConfig(
    num_classes=7,
    entry_widths=(4, 4, 8),
    middle_blocks=1,
    exit_widths=(8, 8, 8),
    stem_stride=1,
)
IMAGES = 24


@pytest.fixture
def photographs(tmp_path):
    """A folder of 24 photographs for training and 8 for validation, of two classes."""
    write_folder(tmp_path / "data", range(IMAGES), "train")
    write_folder(tmp_path / "data", range(IMAGES, IMAGES + 8), "val")
    return str(tmp_path / "data")


@pytest.fixture
def recipe(tmp_path):
    """The recipe, small, on a base with weights and statistics of its own."""
    torch.manual_seed(0)
    base = xception(BASE)
    for name, buffer in base.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    save_weights(base, tmp_path / "base.safetensors")
    return replace(
        FINETUNE,
        init=str(tmp_path / "base.safetensors"),
        image_size=16,
        batch_size=8,
        reference_batch_size=8,
        head_epochs=3,
        epochs=2,
        learning_rate=1e-2,
    )


def trained(recipe, photographs, out, **how):
    """The state of the network that comes out, and that of the base it began with."""
    finetune(recipe, out, data=photographs, features=out.parent / "store", tensorboard=False, **how)
    newest = max((out / "checkpoints").glob("*.safetensors"))
    before = begin(recipe, photographs).model.state_dict()
    return trained_model(newest).state_dict(), before, newest


def changed(after, before):
    """First parts of the names of the weights that differ."""
    return {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}


PARTS = {
    "none": {"classifier"},
    "exit": {"exit", "sep3", "sep4", "classifier"},
    "all": {
        "conv1",
        "bn1",
        "conv2",
        "bn2",
        "entry",
        "middle",
        "exit",
        "sep3",
        "sep4",
        "classifier",
    },
}


@pytest.mark.parametrize("unfreeze", PARTS)
def test_only_what_is_unfrozen_learns(recipe, photographs, tmp_path, unfreeze):
    after, before, _ = trained(
        replace(recipe, unfreeze=unfreeze), photographs, tmp_path / "run", device="cpu"
    )
    assert changed(after, before) == PARTS[unfreeze]


@pytest.mark.parametrize("statistics", ["fixed", "batch"])
def test_fixed_statistics_of_bn_stay_those_of_the_weights(
    recipe, photographs, tmp_path, statistics
):
    recipe = replace(recipe, unfreeze="all", bn_statistics=statistics)
    after, before, _ = trained(recipe, photographs, tmp_path / "run")
    same = [torch.equal(after[name], before[name]) for name in after if "running" in name]
    assert all(same) if statistics == "fixed" else not any(same)


def test_the_classifier_reaches_on_features_what_evaluate_finds(recipe, photographs, tmp_path):
    _, _, newest = trained(recipe, photographs, tmp_path / "run")
    last = metrics(tmp_path / "run")[-1]
    found = evaluate_file(newest)
    assert last["epoch"] == recipe.head_epochs
    assert last["top1"] == found["top1"]
    assert last["val_loss"] == pytest.approx(found["loss"], rel=1e-5)


def test_a_resumed_run_that_is_over_only_says_how_it_went(recipe, photographs, tmp_path):
    _, _, newest = trained(recipe, photographs, tmp_path / "run")
    content = newest.read_bytes()
    assert finetune(recipe, tmp_path / "run", resume=True) == metrics(tmp_path / "run")[-1]
    assert newest.read_bytes() == content


def test_an_unfrozen_run_that_was_left_goes_on_to_the_same_weights(recipe, photographs, tmp_path):
    recipe = replace(recipe, unfreeze="exit")
    whole, _, _ = trained(recipe, photographs, tmp_path / "whole")
    trained(recipe, photographs, tmp_path / "left", max_steps=4)
    finetune(recipe, tmp_path / "left", resume=True, tensorboard=False)
    newest = max((tmp_path / "left" / "checkpoints").glob("*.safetensors"))
    assert not changed(trained_model(newest).state_dict(), whole)
    lines = (tmp_path / "left" / "classifier.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]


# ---- features ------------------------------------------------------------------------------------


def computed(monkeypatch):
    """Batches whose features were computed, and not found, from now on."""
    batches, real = [], kept_features.compute_features
    monkeypatch.setattr(
        kept_features, "compute_features", lambda *args: batches.append(len(args[1])) or real(*args)
    )
    return batches


def test_features_are_computed_once_and_found_by_another_run(
    recipe, photographs, tmp_path, monkeypatch
):
    batches = computed(monkeypatch)
    trained(recipe, photographs, tmp_path / "run")
    assert batches == [24, 8]
    trained(replace(recipe, seed=1), photographs, tmp_path / "other")
    assert batches == [24, 8]


def test_features_of_other_weights_pixels_or_sizes_are_never_taken(
    recipe, photographs, tmp_path, monkeypatch
):
    batches = computed(monkeypatch)
    trained(recipe, photographs, tmp_path / "run")
    trained(replace(recipe, image_size=20), photographs, tmp_path / "size")
    torch.manual_seed(1)
    save_weights(xception(BASE), tmp_path / "base.safetensors")
    trained(recipe, photographs, tmp_path / "weights")
    write_folder(tmp_path / "data", range(IMAGES, IMAGES + 2), "train")
    trained(recipe, photographs, tmp_path / "pixels")
    assert batches == [24, 8, 24, 8, 24, 8, 26]


def test_what_was_computed_before_an_interruption_is_kept(
    recipe, photographs, tmp_path, monkeypatch
):
    batches, real = computed(monkeypatch), kept_features.compute_features
    monkeypatch.setattr(kept_features, "BATCH", 8)

    def interrupted(*args):
        if len(batches) == 2:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(kept_features, "compute_features", interrupted)
    with pytest.raises(Interrupted, match="are kept in .*store, and the same command") as caught:
        trained(recipe, photographs, tmp_path / "run")
    assert caught.value.signum == signal.SIGINT
    monkeypatch.setattr(kept_features, "compute_features", real)
    trained(recipe, photographs, tmp_path / "run")
    assert batches == [8, 8, 8, 8]


# ---- as a user has it ----------------------------------------------------------------------------


def test_the_command_takes_our_own_weights_by_name_and_names_the_classes(
    photographs, tmp_path, capsys
):
    out = tmp_path / "run"
    flags = ["--image-size", "32", "--batch-size", "8", "--features", str(tmp_path / "store")]
    train = ["train", "--recipe", "finetune", "--init", "cifar10", "--data", photographs]
    assert main([*train, "--out", str(out), *flags]) == 0
    assert f"{metrics(out)[-1]['top1']:.2%} top-1" in capsys.readouterr().out
    newest = str(max((out / "checkpoints").glob("*.safetensors")))
    image = f"{photographs}/val/flower/025.jpg"
    assert main(["predict", image, "--weights", newest, "--format", "json"]) == 0
    [result] = json.loads(capsys.readouterr().out)
    assert {guess["name"] for guess in result["top"]} == {"china", "flower"}
    base, model = load_pretrained("cifar10").state_dict(), trained_model(newest).state_dict()
    assert changed(model, base | {k: v for k, v in model.items() if k.startswith("cl")}) == set()


def test_a_dry_run_says_what_learns_and_leaves_nothing(photographs, tmp_path, capsys):
    train = ["train", "--recipe", "finetune", "--init", "cifar10", "--data", photographs]
    flags = ["--image-size", "32", "--batch-size", "8", "--features", str(tmp_path / "store")]
    assert main([*train, *flags, "--dry-run"]) == 0
    said = capsys.readouterr().out
    total = sum(p.numel() for p in load_pretrained("cifar10").parameters()) - 8 * 513
    assert f"parameters: {total:,}, of which {2 * 513:,} learn (unfreeze none)" in said
    assert "24 training images" in said
    assert not (tmp_path / "store").exists()
    assert main([*train, *flags, "--dry-run", "--unfreeze", "exit"]) == 0
    assert "steps: 15, 3 an epoch" in capsys.readouterr().out


WRONG = {
    "of another network": (["--model.width", "2"], "model.width is 2.0, but must be 1.0"),
    "other classes": (["--model.num-classes", "3"], "model.num_classes is 3, but must be 2"),
    "no such weights": (["--init", "imagenett"], "imagenett"),
    "nothing learns": (["--head-epochs", "0"], "head_epochs is 0, but must be 1 or more"),
    "random weights": (["--init", "null"], "head_epochs is 30, but must be 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_the_weights_is_refused(case, photographs, tmp_path, capsys):
    flags, words = WRONG[case]
    train = ["train", "--recipe", "finetune", "--init", "cifar10", "--data", photographs]
    train += ["--batch-size", "8"]
    assert words in refused([*train, "--out", str(tmp_path / "run"), *flags], capsys)


def test_features_are_for_recipes_that_begin_with_weights(tmp_path, capsys):
    train = ["train", "--recipe", "digits", "--out", str(tmp_path / "run"), "--features", "here"]
    assert "features" in refused(train, capsys)
