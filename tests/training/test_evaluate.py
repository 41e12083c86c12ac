"""Evaluating a checkpoint: the numbers that training saw, for one label an image and for several;
and wrong arguments.
"""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.helpers.refusals import refused
from tests.helpers.tiny import MODEL, TINY
from xception_edu.__main__ import main
from xception_edu.data.augment import prepare
from xception_edu.recipes import JFT
from xception_edu.training import metrics, train
from xception_edu.training.evaluate import eval_batch_size, evaluate
from xception_edu.training.steps import make_model, make_optimizer, train_step


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of one epoch, with averaged weights."""
    out = tmp_path_factory.mktemp("run")
    train.train(replace(TINY, epochs=1, polyak_decay=0.7), out, tensorboard=False)
    return out


def last(out):
    return str(max((out / "checkpoints").glob("*.safetensors")))


def test_the_command_finds_what_training_found(run, capsys):
    line = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert main(["evaluate", "--checkpoint", last(run), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"step", "top1", "top5", "loss", "images", "seconds"}
    assert (found["top1"], found["top5"], found["images"], found["step"]) == (
        line["top1"],
        line["top5"],
        500,
        5,
    )
    assert found["loss"] == pytest.approx(line["val_loss"], rel=1e-6)
    assert main(["evaluate", "--checkpoint", last(run)]) == 0
    assert f"{line['top1']:.2%} top-1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        ([], ["--checkpoint"]),
        (["--checkpoint", "NONE"], ["checkpoint", "NONE", "step-NUMBER.safetensors"]),
        (["--checkpoint", "FOLDER"], ["checkpoint", "must be a file"]),
        (["--checkpoint", "TEXT"], ["TEXT", "damaged"]),
        (["--checkpoint", "RUN", "--device", "gpu"], ["device", "'gpu'"]),
        (["--checkpoint", "RUN", "--data", "x"], ["data", "'x'"]),
        (["--checkpoint", "RUN", "--format", "xml"], ["--format", "'xml'"]),
    ],
)
def test_a_wrong_argument_is_one_line(argv, parts, run, tmp_path, capsys):
    text = tmp_path / "TEXT"
    text.write_text("no checkpoint")
    names = {
        "NONE": str(tmp_path / "NONE"),
        "FOLDER": str(tmp_path),
        "TEXT": str(text),
        "RUN": last(run),
    }
    line = refused(["evaluate", *(names.get(word, word) for word in argv)], capsys)
    assert all(part in line for part in parts), line


def test_large_images_are_evaluated_a_few_at_once():
    assert [eval_batch_size(side) for side in (8, 96, 299, 5000)] == [250, 250, 25, 1]


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


def test_several_labels_have_map100_weighted_by_class_and_unlabeled_images_are_left_out():
    scores = torch.randint(
        256, (6, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    labels = (torch.rand(6, 8, generator=torch.Generator().manual_seed(1)) < 0.4).float()
    labels[2] = 0
    weights = torch.linspace(0.1, 1, 8)
    images = scores[:, None, None].expand(6, 1, 8, 8).contiguous()
    expected = metrics.average_precision(scores.float(), labels, weights)
    found = evaluate(
        Shown(), zip(images.split(4), labels.split(4), strict=True), 8, class_weights=weights
    )
    assert found["map100"] == pytest.approx(expected[~expected.isnan()].mean().item(), rel=1e-6)
    assert found["top1"] == pytest.approx(
        metrics.top_k_hits(scores.float(), labels, 1).float().mean().item()
    )
    assert found["images"] == 6


def test_images_with_several_labels_train_with_rmsprop_and_report_map100(tmp_path, capsys):
    """The recipe jft on its stand-in, small."""
    model = replace(MODEL, in_channels=3, num_classes=JFT.model.num_classes, stem_stride=2)
    recipe = replace(
        JFT,
        model=model,
        image_size=32,
        batch_size=64,
        reference_batch_size=64,
        epochs=1,
        steps_per_epoch=4,
    )
    line = train.train(recipe, tmp_path, tensorboard=False)
    assert 0 < line["map100"] <= 1
    assert 0 < line["loss"] < 2  # a mean over sigmoids, each about log 2 at the start
    assert main(["evaluate", "--checkpoint", last(tmp_path)]) == 0
    assert f"{line['map100']:.2%} MAP@100" in capsys.readouterr().out


class NoDouble(TorchDispatchMode):
    """A device without float64, such as MPS: no operation may make any."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **kwargs or {})
        for made in tree_leaves(out):
            if isinstance(made, torch.Tensor) and made.dtype == torch.float64:
                raise TypeError(f"{function} makes float64")
        return out


@pytest.mark.parametrize("multi_label", [False, True])
def test_training_and_evaluating_need_no_float64(multi_label):
    model = make_model(TINY)
    optimizer = make_optimizer(model, TINY)
    images, labels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 2, 3])
    if multi_label:
        labels = F.one_hot(labels, 10).float()
    with NoDouble():
        train_step(model, prepare(images, 8), labels, optimizer, clip_norm=1.0)
        found = evaluate(model, [(images, labels)] * 2, 8)
    assert found["images"] == 8
