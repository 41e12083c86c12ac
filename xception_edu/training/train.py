"""Training, to be read from top to bottom: the loop that loses nothing.

    python -m xception_edu train --recipe digits --out runs/digits
    torchrun --nproc-per-node 8 -m xception_edu train --recipe imagenet_modern
        --data FOLDER --out runs/modern

Time and accuracy over 3 seeds are in results/train_digits.json and results/train_photos.json. All
randomness is a function of the recipe's seed and the number of the step, so a run continues from a
checkpoint bit for bit without saving random states; on a CPU two runs of one recipe give the same
bits (on a GPU that is not promised: some of its sums have no fixed order).

What a step is, is in steps.py; what a run is, and how it is saved, in run.py; several processes are
in parallel.py.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm  # type: ignore[import-untyped]

from xception_edu import checks
from xception_edu.benchmark import devices
from xception_edu.benchmark.devices import pick_device
from xception_edu.data.dataset import Images
from xception_edu.data.image_files import MAX_PIXELS, check_max_pixels
from xception_edu.data.load import load_dataset
from xception_edu.recipes.recipe import Recipe
from xception_edu.recipes.schedule import averaging_hint, rate_rule
from xception_edu.training import parallel
from xception_edu.training.checkpoints import has_checkpoint
from xception_edu.training.classes import by_name
from xception_edu.training.epoch_metrics import EpochMetrics
from xception_edu.training.run import Run, start
from xception_edu.training.run_folder import (
    check_free,
    check_resumable,
    note_changes,
    read_config,
    read_metrics,
    start_folder,
    truncate_metrics,
)
from xception_edu.training.steps import train_step, training_batch
from xception_edu.training.stopping import Interrupted, deferred_signals
from xception_edu.training.strangers import class_names
from xception_edu.training.tensorboard import Events, is_wanted


def train(
    recipe: Recipe,
    out: str | Path,
    *,
    resume: bool = False,
    device: str | None = None,
    data: str | None = None,
    images: Images | None = None,
    skip_corrupt: bool = False,
    max_pixels: int = MAX_PIXELS,
    max_steps: int | None = None,
    checkpoint_minutes: float = 10.0,
    tensorboard: bool | None = None,
    initial: Mapping[str, Tensor] | None = None,
) -> dict[str, Any] | None:
    """Train by the recipe into a folder; the last line of its metrics.jsonl, None without one.

    Args:
        recipe: what is computed: nothing below changes that.
        out: the run's folder, which gets config.json, metrics.jsonl (a line an epoch), checkpoints/
            and tensorboard/.
        resume: go on with the run that is in `out`.
        device: such as "cpu" or "cuda"; by default the GPU if there is one.
        data: where the images are, for load_dataset; a resumed run knows its own.
        images: a data set that is there already, instead of the one at `data`.
        skip_corrupt: leave out images that cannot be read, and count them.
        max_pixels: of an image; one of more is refused.
        max_steps: save and leave the run after so many steps in all, with a line of metrics about
            the epoch so far.
        checkpoint_minutes: write a checkpoint whenever so many minutes have passed, and not only at
            the end of every epoch.
        tensorboard: write events for TensorBoard; None: if it is installed.
        initial: the weights that the network begins with, by its names, where `recipe.init` says
            whose they are; `weights.finetune` reads them and calls this.

    Raises:
        ValueError: an argument is wrong.
        FloatingPointError: the loss or a weight is no longer finite.
        Interrupted: SIGINT or SIGTERM came, and the run was saved. It is a KeyboardInterrupt.
    """
    out = check_arguments(recipe, out, data, resume, max_steps, checkpoint_minutes)
    check_images(images, skip_corrupt, max_pixels)
    check_initial(recipe, initial, goes_on=resume and has_checkpoint(out))
    write_events = is_wanted(tensorboard)
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    with deferred_signals() as signals, parallel.process_group(pick_device(device)) as chosen:
        # After a process was killed, torchrun starts all of them again with the same arguments.
        resume = resume or (parallel.was_restarted() and (out / "config.json").exists())
        saved: dict[str, Any] = {}
        if resume:
            check_resumable(recipe, out)
            saved = read_config(out)
        elif parallel.rank() == 0:
            check_free(out)
        parallel.check_parts(recipe.batch_size, recipe.accumulate)
        data, classes = data or saved.get("data"), class_names(saved.get("classes"))
        if images is None:
            named = classes is not None  # their names are compared, which says more
            images = load_dataset(
                recipe, data, skip_corrupt=skip_corrupt, max_pixels=max_pixels, any_classes=named
            )
        dataset = (by_name(images, classes, "the run") if classes else images).to(chosen)
        run = start(recipe, out, dataset, chosen, initial)
        run.facts = {"data": data, "classes": list(dataset.classes)}
        if resume:
            run.restore()
        parallel.wait_for_rank_0()  # nobody writes before all have read
        if parallel.rank() == 0:
            open_folder(run, chosen, resume=resume)
            run.events = Events(out, run.step, run.steps_an_epoch, wanted=write_events)
        try:
            loop(run, dataset, signals, max_steps=max_steps, checkpoint_minutes=checkpoint_minutes)
        finally:
            run.let_go()
    lines = read_metrics(out / "metrics.jsonl")
    return lines[-1] if lines else None


def check_arguments(
    recipe: Recipe,
    out: str | Path,
    data: str | None,
    resume: bool,
    max_steps: int | None,
    checkpoint_minutes: float,
) -> Path:
    """The folder of a run; ValueError for arguments with which none could begin."""
    checks.instance("recipe", recipe, Recipe, "a Recipe, such as xe.DIGITS")
    folder = checks.path("out", out, "the path of a folder")
    if data is not None:
        checks.instance("data", data, (str, os.PathLike), "where the images are")
    checks.boolean("resume", resume)
    checks.number("checkpoint_minutes", checkpoint_minutes, at_least=0)
    if max_steps is not None:
        checks.integer("max_steps", max_steps)
    return folder


def check_images(images: Images | None, skip_corrupt: bool, max_pixels: int) -> None:
    """ValueError unless these say how images are read, or are some that were."""
    if images is not None and not hasattr(images, "training_images"):
        raise checks.wrong("images", images, "images as load_dataset gives them")
    checks.boolean("skip_corrupt", skip_corrupt)
    check_max_pixels(max_pixels)


def check_initial(recipe: Recipe, initial: Mapping[str, Tensor] | None, *, goes_on: bool) -> None:
    """ValueError unless a run has the weights that its recipe says it begins with."""
    if recipe.init is not None and initial is None and not goes_on:
        right = "None, or the run be begun by xe.finetune, which reads weights"
        raise checks.wrong("init", recipe.init, right)
    if initial is not None:
        right = "the weights of the recipe's network, by their names"
        checks.instance("initial", initial, Mapping, right)
        if not all(isinstance(value, Tensor) for value in initial.values()):
            raise checks.wrong("initial", initial, right)


def open_folder(run: Run, device: torch.device, *, resume: bool) -> None:
    """Make a new run's folder, or take what a resumed one will write again out of its metrics."""
    if resume:
        note_changes(run.recipe, run.out, run.facts["data"])
        epochs = run.step // run.steps_an_epoch
        truncate_metrics(run.step, run.out / "metrics.jsonl", epochs)
        return
    facts: dict[str, Any] = {
        "device": str(device),
        "threads": torch.get_num_threads(),
        "processes": parallel.world_size(),
        **devices.name(device),
        "batch_size_rule": rate_rule(run.recipe),
        **run.facts,
    }
    start_folder(run.recipe, run.out, facts)


def loop(
    run: Run,
    data: Images,
    signals: Sequence[int],
    *,
    max_steps: int | None = None,
    checkpoint_minutes: float = 10.0,
) -> None:
    """Step after step to the end of the recipe, to `max_steps`, or until one of the processes was
    sent a signal, which is then in its `signals`.
    """
    steps = run.recipe.epochs * run.steps_an_epoch
    last = min(steps, max_steps or steps)
    signum = parallel.signal_of_any(signals)
    with progress_bar(run, last) as bar:
        while run.step < last and not signum:
            started = time.perf_counter()
            images, labels = training_batch(data, run.recipe, run.step)
            loss = take_step(run, images, labels)
            mean_loss, signum = parallel.mean_and_signal(loss, signals)
            run.count(mean_loss, time.perf_counter() - started)
            bar.update(run.recipe.batch_size)
            if run.step % run.steps_an_epoch == 0:
                bar.set_postfix_str(in_short(run.end_epoch(data)))
            elif signum or run.step == last or run.minutes_since_save() >= checkpoint_minutes:
                if run.step == last:
                    run.write_metrics(run.metrics())
                run.save()
    if signum and run.step < last:
        if not run.step:
            run.save()
        stopped = f"{signal.Signals(signum).name}: stopped after step {run.step} of {steps}"
        raise Interrupted(f"{stopped}, {run.saved} is saved; --resume goes on", signum)


def take_step(run: Run, images: Tensor, labels: Tensor) -> Tensor:
    """A step of the run, at the rate of its schedule; the mean loss of the batch before it."""
    for group in run.optimizer.param_groups:
        group["lr"] = run.lr
    loss = train_step(
        run.net,
        images,
        labels,
        run.optimizer,
        label_smoothing=run.recipe.label_smoothing,
        precision=run.recipe.precision,
        scaler=run.scaler,
        accumulate=run.recipe.accumulate,
        clip_norm=run.recipe.clip_norm,
        seed=run.seed,
    )
    if run.average is not None:
        run.average.update_parameters(run.model)
    return loss


def progress_bar(run: Run, last: int) -> tqdm:
    """Images done, images a second and time left; on rank 0, and not where TQDM_DISABLE is set.

    Above it stands what another batch size did to the learning rate, and whether there are too few
    steps for the averaging.
    """
    recipe = run.recipe
    bar = tqdm(
        total=last * recipe.batch_size,
        initial=run.step * recipe.batch_size,
        unit=" images",
        desc=recipe.name,
        smoothing=0.05,
        # tqdm reads the variable itself, but not in a notebook.
        disable="TQDM_DISABLE" in os.environ or parallel.rank() > 0,
    )
    hints = [averaging_hint(recipe, recipe.epochs * run.steps_an_epoch)]
    if recipe.batch_size != recipe.reference_batch_size:
        hints.insert(0, rate_rule(recipe))
    for hint in hints:
        if hint and not bar.disable:
            bar.write(hint, file=sys.stderr)
    return bar


def in_short(metrics: EpochMetrics) -> str:
    """A line of metrics for the progress bar."""
    text = f"epoch {metrics.epoch:.4g}, loss {metrics.loss:.4g}"
    return text if metrics.top1 is None else f"{text}, top1 {metrics.top1:.4g}"
