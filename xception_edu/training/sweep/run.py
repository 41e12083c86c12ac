"""One run of a sweep, from its job to its line of results."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from xception_edu import architectures
from xception_edu.benchmark import devices, machine
from xception_edu.benchmark.devices import pick_device
from xception_edu.costs import total
from xception_edu.data.augment import augment, prepare
from xception_edu.data.dataset import Dataset
from xception_edu.recipes.recipe import Recipe
from xception_edu.training.checkpoints import load_newest
from xception_edu.training.evaluate import eval_batch_size, evaluate, model_of
from xception_edu.training.run_folder import read_metrics, write_atomically
from xception_edu.training.steps import make_model, make_optimizer, train_step
from xception_edu.training.sweep.images import load_images
from xception_edu.training.sweep.plan import Job
from xception_edu.training.train import train

TIMED_STEPS = 9


def run_job(
    job: Job, folder: Path, *, data: str | None, device: str | None = None
) -> dict[str, Any]:
    """Train, or go on where the run was left, and measure; the line of results, which also lies
    in the run's folder then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    finished = folder / "line.json"
    with held(folder / "lock"):
        if finished.exists():
            return dict(json.loads(finished.read_text(encoding="utf-8")))
        line = _trained(job, folder, data, device)
        write_atomically(finished, (json.dumps(line) + "\n").encode())
        return line


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Wait until no other process holds the file, and hold it.

    A sweep that was killed may have left a run that is just saving itself.
    """
    if os.name != "posix":
        yield
        return
    import fcntl

    with open(path, "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # given back when the file is closed, or the process dies
        yield


def _diverged(
    recipe: Recipe, folder: Path, learned: Dataset, resume: bool, device: str | None
) -> bool:
    """Train; whether the loss or a weight became infinite on the way."""
    try:
        train(recipe, folder, resume=resume, device=device, images=learned, tensorboard=False)
    except FloatingPointError:
        return True
    return False


def _trained(job: Job, folder: Path, data: str | None, device: str | None) -> dict[str, Any]:
    images = load_images(_images_only(job.recipe), data, job.validation_images)
    chosen, started = pick_device(device), time.monotonic()
    resume = (folder / "config.json").exists()
    diverged = _diverged(job.recipe, folder, images.learned, resume, device)
    seconds = None if resume else round(time.monotonic() - started, 1)
    tested = None if diverged or job.purpose == "rate" else tested_on(images.test, folder, chosen)
    cost = total(architectures.xception(job.recipe.model, job.recipe.image_size))
    curve = [_short(line) for line in read_metrics(folder / "metrics.jsonl")]
    last = {} if diverged else curve[-1]
    return {
        "key": job.key,
        "purpose": job.purpose,
        "seed": job.recipe.seed,
        "segments": job.recipe.model.segments,
        "width": job.recipe.model.width,
        "params": cost.params,
        "macs": cost.macs,
        "learning_rate": job.recipe.learning_rate,
        "steps": job.steps,
        "diverged": diverged,
        "validation_top1": last.get("top1"),
        "validation_loss": last.get("val_loss"),
        "test_top1": tested and tested["top1"],
        "test_loss": tested and round(tested["loss"], 6),
        "data": job.data,
        "validation_images": job.validation_images,
        "curve": curve,
        "recipe": job.recipe.to_dict(),
        "measured": {
            "step_ms": step_milliseconds(job.recipe, chosen),
            "seconds": seconds,  # from beginning to end; None if the run was interrupted
            "device": str(chosen),
            **devices.name(chosen),
            "threads": torch.get_num_threads(),
            "machine": machine.facts("torch"),
        },
    }


def _images_only(recipe: Recipe) -> Recipe:
    """The recipe with everything as it is by default that does not decide what the images are, so
    that one copy in memory serves all runs.
    """
    model = replace(recipe.model, width=1.0, segments="channels", activation=None, residual=True)
    return Recipe(
        name=recipe.name,
        dataset=recipe.dataset,
        entanglement=recipe.entanglement,
        model=model,
        image_size=recipe.image_size,
        batch_size=recipe.batch_size,
        resampling=recipe.resampling,
        workers=recipe.workers,
        threads=recipe.threads,
    )


def _short(line: dict[str, Any]) -> dict[str, Any]:
    """What a curve keeps of a line of metrics, and not how fast it was."""
    numbers = {key: line.get(key) for key in ("step", "loss", "top1", "val_loss")}
    return {
        key: round(value, 5) if isinstance(value, float) else value
        for key, value in numbers.items()
        if value is not None
    }


def tested_on(images: Dataset, folder: Path, device: torch.device) -> dict[str, float]:
    """What the run's last weights, averaged where the recipe averages, find on the test images."""
    checkpoint = load_newest(folder / "checkpoints")
    assert checkpoint is not None  # the end of every epoch writes one
    recipe = Recipe.from_dict(checkpoint.progress["recipe"])
    model = model_of(checkpoint)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = images.to(device).validation_batches(eval_batch_size(recipe.image_size))
    return evaluate(model, batches, recipe.image_size, precision=recipe.precision)


def step_milliseconds(recipe: Recipe, device: torch.device) -> float:
    """Median time of a training step on random images, with augmentation.

    On a CPU it is the process' own time, which other programs disturb less than the clock's.
    """
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    model = make_model(recipe).to(device)
    optimizer = make_optimizer(model, recipe)
    side = recipe.image_size
    shape = (recipe.batch_size, recipe.model.in_channels, side, side)
    images = torch.randint(256, shape, dtype=torch.uint8).to(device)
    labels = torch.randint(recipe.model.num_classes, (recipe.batch_size,)).to(device)
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    seconds = []
    for _ in range(TIMED_STEPS):
        started = clock()
        batch = augment(prepare(images, side), recipe)
        train_step(model, batch, labels, optimizer, precision=recipe.precision).item()
        seconds.append(clock() - started)
    return round(median(seconds[1:]) * 1000, 2)
