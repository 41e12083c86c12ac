"""A dry run: what it prints, that it writes nothing, and its estimate of memory against what a step
took.
"""

import re
from dataclasses import replace

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from tests.helpers.refusals import refused
from tests.helpers.tiny import TINY, TINY_FLAGS
from xception_edu.__main__ import main
from xception_edu.data.load import load_dataset
from xception_edu.recipes import IMAGENET, PHOTOS
from xception_edu.recipes.schedule import learning_rate
from xception_edu.training import dry_run
from xception_edu.training.steps import make_model, make_optimizer, train_step, training_batch


def test_it_says_what_would_be_and_writes_nothing(tmp_path, capsys):
    flags = [
        "--recipe",
        "digits",
        *TINY_FLAGS,
        "--batch-size",
        "128",
        "--lr-rule",
        "linear",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main(["train", "--dry-run", *flags, "--max-steps", "7"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"parameters: [\d,]+, counted by hand and by machine", said)
    assert re.search(r"MACs: [\d,]+ an image of 8 pixels", said)
    assert "images an epoch: 1,280" in said
    assert "steps: 20, 10 an epoch, 128 images each; --max-steps leaves the run after 7" in said
    assert "learning rate 0.2 for 128 images a step: by the rule linear, 0.1 x 128/64" in said
    assert re.search(r"memory: about .* weights, .* gradients, .* sgd state, .* activations", said)
    assert re.search(
        r"time: about \d+:\d\d:\d\d \(hours:minutes:seconds\), [\d.e+]+ images/s", said
    )
    assert not list(tmp_path.iterdir())


def test_the_full_network_is_counted_as_in_the_paper_and_does_not_fit_a_small_machine(monkeypatch):
    monkeypatch.setattr(dry_run, "memory_of", lambda device: 2**30)
    said = dry_run.report(replace(IMAGENET, steps_per_epoch=667))
    assert "parameters: 22,855,952" in said
    assert "MACs: 8,357,403,496" in said
    assert "but there are only 1.0 GiB on cpu: a larger --accumulate" in said
    assert "time: not measured" in said
    assert "averaged weights look back some" not in said
    short = replace(TINY, polyak_decay=IMAGENET.polyak_decay)
    assert "averaged weights look back some 10,000 steps" in dry_run.report(short)
    rate = learning_rate(IMAGENET, 90 + 0.5 / 667, 667 * 1920)
    assert f"91: {rate:.4g}" in said


def test_without_data_it_says_what_is_missing(capsys):
    assert "data" in refused(["train", "--dry-run", "--recipe", "imagefolder"], capsys)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_estimate_of_memory_is_within_a_third_of_what_a_step_takes(precision):
    """Against the highest sum of living tensors in a real step, as torch's profiler sees them come
    and go.
    """
    recipe = replace(PHOTOS, batch_size=32, precision=precision, threads=1)
    data, model = load_dataset(recipe), make_model(recipe)
    optimizer = make_optimizer(model, recipe)
    batch = training_batch(data, recipe, 0)
    # the optimizer's state is there after the first step
    train_step(model, *batch, optimizer, precision=precision)
    lasting = sum(p.numel() * p.element_size() for p in [*model.parameters(), *model.buffers()])
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        train_step(model, *batch, optimizer, precision=precision)
    living = highest = 0
    for event in sorted(
        profiled.profiler.kineto_results.events(), key=lambda event: event.start_ns()
    ):
        if event.name() == "[memory]":
            living += event.nbytes()
            highest = max(highest, living)
    # Weights and momentum, which were there before, and the gradients that zero_grad let go at the
    # start of the step.
    measured = highest + 3 * lasting
    estimate = sum(
        count for name, count in dry_run.memory_needed(recipe).items() if name != "averaged weights"
    )
    assert measured / 1.33 < estimate < measured * 1.33, (measured, estimate)


def test_more_accumulation_needs_less_memory_by_activations_only():
    whole, parts = (dry_run.memory_needed(replace(PHOTOS, accumulate=n)) for n in (1, 4))
    assert parts["activations"] == pytest.approx(whole["activations"] / 4, rel=0.02)
    assert {k: v for k, v in whole.items() if k != "activations"} == {
        k: v for k, v in parts.items() if k != "activations"
    }


def test_a_step_is_measured_on_more_images_until_it_takes_long_enough(monkeypatch):
    recipe = replace(PHOTOS, batch_size=12, accumulate=2, threads=1)
    monkeypatch.setattr(dry_run, "MEASURED_SECONDS", float("inf"))
    assert dry_run.measured_step(recipe, torch.device("cpu"))[0] == 6
    monkeypatch.setattr(dry_run, "MEASURED_SECONDS", 1e-9)
    assert dry_run.measured_step(recipe, torch.device("cpu"))[0] == 2


def test_bytes_are_said_for_a_reader():
    assert [dry_run.gib(n) for n in (2**19, 3 * 2**29)] == ["0.5 MiB", "1.5 GiB"]
    assert dry_run.memory_of(torch.device("cpu")) > 2**28
