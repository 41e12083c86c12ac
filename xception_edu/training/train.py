"""Training, to be read from top to bottom: what a run is, and the loop that loses nothing.

    python -m xception_edu train --recipe digits --out runs/digits
    torchrun --nproc-per-node 8 -m xception_edu train --recipe imagenet_modern
        --data FOLDER --out runs/modern

Time and accuracy over 3 seeds are in results/train_digits.json and results/train_photos.json. All
randomness is a function of the recipe's seed and the number of the step, so a run continues from a
checkpoint bit for bit without saving random states; on a CPU two runs of one recipe give the same
bits (on a GPU that is not promised: some of its sums have no fixed order).

What a step is, is in steps.py; several processes are in parallel.py.
"""

import argparse
import logging
import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from xception_edu import checks
from xception_edu.benchmark import devices
from xception_edu.benchmark.allocator import keep_freed_memory
from xception_edu.benchmark.devices import pick_device
from xception_edu.data.dataset import Images
from xception_edu.data.load import load_dataset
from xception_edu.data.order import seed_everything
from xception_edu.recipes.recipe import Recipe, averaging_hint, learning_rate, rate_rule
from xception_edu.training import flags, parallel
from xception_edu.training.checkpoints import (
    checkpoint_path,
    load_newest,
    restore_state,
    save_checkpoint,
    state_tensors,
)
from xception_edu.training.evaluate import evaluate, images_at_once, trained_model
from xception_edu.training.run_folder import (
    append_line,
    check_free,
    check_resumable,
    drop_lines_after,
    made_with,
    read_metrics,
    start_folder,
)
from xception_edu.training.steps import make_model, make_optimizer, train_step, training_batch
from xception_edu.training.stopping import Interrupted, in_one_line, noted_signals
from xception_edu.training.tensorboard import Events, is_wanted

__all__ = [
    "Run",
    "evaluate",
    "make_model",
    "make_optimizer",
    "train",
    "train_step",
    "trained_model",
    "training_batch",
]

log = logging.getLogger(__name__)


@dataclass
class Run:
    """A run between two steps: everything that changes, and where it is saved."""

    recipe: Recipe
    out: Path
    model: nn.Module  # what is saved
    # what a step calls: the same, in several processes averaging its gradients, or compiled
    net: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    average: AveragedModel | None
    steps_an_epoch: int
    # saved with every checkpoint: where the data were, the classes' names
    facts: dict[str, Any] = field(default_factory=dict)
    events: Events | None = None
    step: int = 0  # steps done
    loss_sum: float = 0.0  # over the steps of the running epoch
    seconds: float = 0.0  # that this process has spent in `timed_steps` steps of the running epoch
    timed_steps: int = 0
    saved: Path | None = None  # the newest checkpoint
    saved_at: float = field(default_factory=time.monotonic)

    @property
    def lr(self) -> float:
        """Learning rate of the next step, read off the schedule in the middle of it."""
        epoch_images = self.steps_an_epoch * self.recipe.batch_size
        return learning_rate(self.recipe, (self.step + 0.5) / self.steps_an_epoch, epoch_images)

    def seed(self, part: int) -> None:
        """Set the random numbers of dropout for a part of this rank's batch: other ranks and parts
        have others.
        """
        seed_everything(
            self.recipe.seed, "dropout", self.step, parallel.rank() * self.recipe.accumulate + part
        )

    def count(self, loss: float, seconds: float) -> None:
        """Count a step that was taken; FloatingPointError if its loss was not finite."""
        if not math.isfinite(loss):
            raise self.diverged(f"loss is {loss}", self.step + 1)
        if self.scaler.is_enabled() and self.scaler.get_scale() < 1:
            raise self.diverged(
                "a gradient overflows fp16, even of a loss that is not scaled up,", self.step + 1
            )
        self.step, self.loss_sum = self.step + 1, self.loss_sum + loss
        self.seconds, self.timed_steps = self.seconds + seconds, self.timed_steps + 1
        if self.events:
            self.events.step(self.step, loss, self.optimizer.param_groups[0]["lr"])

    def line(self) -> dict[str, Any]:
        """What metrics.jsonl says of the running epoch so far: one at its end is a whole number,
        else a fraction.
        """
        epochs, taken = divmod(self.step, self.steps_an_epoch)
        line: dict[str, Any] = {
            "step": self.step,
            "epoch": epochs if not taken else self.step / self.steps_an_epoch,
        }
        line |= {
            "loss": self.loss_sum / (taken or self.steps_an_epoch),
            "lr": self.optimizer.param_groups[0]["lr"],
        }
        line["images_per_second"] = round(
            self.timed_steps * self.recipe.batch_size / self.seconds, 1
        )
        return line | devices.use(next(self.model.parameters()).device)

    def end_epoch(self, data: Images) -> dict[str, Any]:
        """Evaluate if it is time, write a line of metrics and a checkpoint; the line."""
        line = self.line()
        epoch = line["epoch"]
        if epoch % self.recipe.evaluate_every == 0 or epoch == self.recipe.epochs:
            size = self.recipe.image_size
            batches = data.validation_batches(
                images_at_once(size), rank=parallel.rank(), world_size=parallel.ranks()
            )
            how = {"precision": self.recipe.precision, "class_weights": data.class_weights}
            found = evaluate(self.average or self.model, batches, size, **how)
            line |= {
                "held_out_loss" if key == "loss" else key: value
                for key, value in found.items()
                if key != "images"
            }
        self.loss_sum, self.seconds, self.timed_steps = 0.0, 0.0, 0
        if parallel.rank() == 0:
            append_line(self.out / "metrics.jsonl", line)
        if self.events:
            self.events.epoch(line)
        self.save()
        return line

    def save(self) -> None:
        """Write a checkpoint; FloatingPointError if a weight is not finite, since then the one
        before is the last good one.
        """
        tensors = state_tensors(self.model, self.optimizer, self.average)
        if not all(t.isfinite().all() for t in tensors.values()):
            raise self.diverged("a weight is not finite", self.step)
        progress = {
            "loss_sum": self.loss_sum,
            "scaler": self.scaler.state_dict(),
            "recipe": self.recipe.to_dict(),
        }
        folder = self.out / "checkpoints"
        if parallel.rank() == 0:
            save_checkpoint(
                folder, self.step, tensors, progress | self.facts, keep=self.recipe.keep_checkpoints
            )
        self.saved, self.saved_at = checkpoint_path(folder, self.step), time.monotonic()

    def restore(self) -> None:
        """Go back to the newest whole checkpoint; a run that was killed before its first one starts
        over.
        """
        checkpoint = load_newest(self.out / "checkpoints")
        if checkpoint is None:
            log.warning("%s has no checkpoint yet: the run starts over", self.out)
            return
        restore_state(checkpoint.tensors, self.model, self.optimizer, self.average)
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(checkpoint.progress["scaler"])
        self.step, self.loss_sum = checkpoint.progress["step"], checkpoint.progress["loss_sum"]
        self.saved = checkpoint.path

    def diverged(self, what: str, step: int) -> FloatingPointError:
        """The error that says where, how fast, and what is left."""
        last = (
            f"the last good checkpoint is {self.saved}"
            if self.saved
            else "there is no checkpoint yet"
        )
        lr = self.optimizer.param_groups[0]["lr"]
        return FloatingPointError(
            f"{what} at step {step} with learning rate {lr:.6g}, which should be lower; {last}"
        )


def start(recipe: Recipe, out: Path, data: Images, device: torch.device) -> Run:
    """A run before its first step: network, optimizer and average on the device, the network as the
    recipe wraps it.
    """
    model = make_model(recipe)
    if recipe.sync_bn:
        model = parallel.synchronize_bn(model, device)
    model = model.to(device)
    ema = get_ema_multi_avg_fn(recipe.polyak_decay)
    average = (
        AveragedModel(model, multi_avg_fn=ema, use_buffers=True) if recipe.polyak_decay else None
    )
    net = parallel.distribute(model, device)
    if recipe.compile:
        net.compile()
    scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
    steps_an_epoch = recipe.steps_per_epoch or data.train_size // recipe.batch_size
    return Run(
        recipe, out, model, net, make_optimizer(model, recipe), scaler, average, steps_an_epoch
    )


def train(
    recipe: Recipe,
    out: str | Path,
    *,
    resume: bool = False,
    device: str | None = None,
    data: str | None = None,
    skip_corrupt: bool = False,
    max_steps: int | None = None,
    checkpoint_minutes: float = 10.0,
    tensorboard: bool | None = None,
) -> dict[str, Any] | None:
    """Train by the recipe into the folder `out`; the last line of its metrics.jsonl, None if there
    is none.

    `out` gets config.json, metrics.jsonl (a line an epoch), checkpoints/ and, if `tensorboard` is
    True (None: if the package is installed), tensorboard/. With `resume` the run that is there goes
    on. `data` and `skip_corrupt` are for load_dataset. After `max_steps` steps in all the run is
    saved and left, with a line about the epoch so far. A checkpoint is written at the end of every
    epoch, and whenever so many minutes have passed.

    Raises ValueError for wrong arguments, FloatingPointError if the loss or a weight is no longer
    finite, and Interrupted, a KeyboardInterrupt, if SIGINT or SIGTERM came: the run was saved then.
    """
    out = Path(out)
    checks.number("checkpoint_minutes", checkpoint_minutes, at_least=0)
    write_events = is_wanted(tensorboard)
    if max_steps is not None:
        checks.integer("max_steps", max_steps)
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    with noted_signals() as signals, parallel.process_group(pick_device(device)) as chosen:
        resume = resume or (parallel.was_restarted() and (out / "config.json").exists())
        if resume:
            check_resumable(recipe, out)
            data = data or made_with(out).get("data")
        elif parallel.rank() == 0:
            check_free(out)
        parallel.check_parts(recipe.batch_size, recipe.accumulate)
        dataset = load_dataset(recipe, data, skip_corrupt=skip_corrupt).to(chosen)
        run = start(recipe, out, dataset, chosen)
        run.facts = {"data": data, "classes": list(dataset.classes)}
        if resume:
            run.restore()
        parallel.wait_for_rank_0()  # nobody writes before all have read
        if parallel.rank() == 0:
            if resume:
                drop_lines_after(run.step, out / "metrics.jsonl")
            else:
                facts = {
                    "device": str(chosen),
                    "threads": torch.get_num_threads(),
                    "processes": parallel.ranks(),
                }
                facts |= devices.name(chosen) | {"batch_size_rule": rate_rule(recipe)} | run.facts
                start_folder(recipe, out, facts)
            run.events = Events(out, run.step, run.steps_an_epoch, wanted=write_events)
        try:
            loop(run, dataset, signals, max_steps=max_steps, checkpoint_minutes=checkpoint_minutes)
        finally:
            if run.events:
                run.events.close()
    return (read_metrics(out / "metrics.jsonl") or [None])[-1]


def loop(
    run: Run,
    data: Images,
    signals: Sequence[int],
    *,
    max_steps: int | None = None,
    checkpoint_minutes: float = 10.0,
) -> None:
    """Step after step to the end of the recipe, to `max_steps`, or until a signal is noted in one
    of the processes.
    """
    recipe, size = run.recipe, run.recipe.batch_size
    steps = recipe.epochs * run.steps_an_epoch
    last = min(steps, max_steps or steps)
    how = {
        "label_smoothing": recipe.label_smoothing,
        "precision": recipe.precision,
        "scaler": run.scaler,
    }
    how |= {"accumulate": recipe.accumulate, "clip_norm": recipe.clip_norm, "seed": run.seed}
    signum = parallel.signal_of_any(signals)
    with progress_bar(run, last) as bar:
        while run.step < last and not signum:
            started = time.perf_counter()
            for group in run.optimizer.param_groups:
                group["lr"] = run.lr
            images, labels = training_batch(data, recipe, run.step)
            loss = train_step(run.net, images, labels, run.optimizer, **how)
            if run.average is not None:
                run.average.update_parameters(run.model)
            mean_loss, signum = parallel.mean_and_signal(loss, signals)
            run.count(mean_loss, time.perf_counter() - started)
            bar.update(size)
            if run.step % run.steps_an_epoch == 0:
                line = run.end_epoch(data)
                bar.set_postfix_str(
                    ", ".join(
                        f"{key} {line[key]:.4g}" for key in ("epoch", "loss", "top1") if key in line
                    )
                )
            elif (
                signum
                or run.step == last
                or time.monotonic() - run.saved_at >= 60 * checkpoint_minutes
            ):
                if run.step == last and parallel.rank() == 0:
                    append_line(run.out / "metrics.jsonl", run.line())
                run.save()
    if signum and run.step < last:
        if not run.step:
            run.save()
        name = signal.Signals(signum).name
        raise Interrupted(
            f"{name}: stopped after step {run.step} of {steps}, {run.saved} is saved; --resume"
            " goes on",
            signum,
        )


def progress_bar(run: Run, last: int) -> tqdm:
    """Images done, images a second and time left; on rank 0, and not where TQDM_DISABLE is set.

    Above it stands what another batch size did to the learning rate, and whether there are too few
    steps for the averaging.
    """
    # tqdm reads the variable itself, but not in a notebook.
    quiet, size = "TQDM_DISABLE" in os.environ or parallel.rank() > 0, run.recipe.batch_size
    done = {"total": last * size, "initial": run.step * size}
    bar = tqdm(**done, unit=" images", desc=run.recipe.name, smoothing=0.05, disable=quiet)
    hints = [rate_rule(run.recipe)] if size != run.recipe.reference_batch_size else []
    hints += filter(None, [averaging_hint(run.recipe, run.recipe.epochs * run.steps_an_epoch)])
    for hint in hints if not bar.disable else ():
        bar.write(hint, file=sys.stderr)
    return bar


# ---- the command ---------------------------------------------------------------------------------


def command(_: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Run `train` by its flags: exit status 0, or 128 and a signal's number; ValueError, of one
    line, if anything is wrong.
    """
    rank = int(os.environ.get("RANK", "0"))
    try:
        with in_one_line():
            recipe, options = flags.parse(argv)
            if options.dry_run:
                from xception_edu.training import dry_run

                print(
                    dry_run.report(
                        recipe,
                        device=options.device,
                        data=options.data,
                        max_steps=options.max_steps,
                    )
                )
                return 0
            if pick_device(options.device).type == "cpu":
                keep_freed_memory()
            last = train(recipe, options.out, **flags.arguments_of_train(options))
    except Interrupted as stopped:
        if rank == 0:
            print(stopped, file=sys.stderr)
        return 128 + stopped.signum
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    if rank == 0:
        print(summary(last, options))
    return 0


def summary(last: dict[str, Any] | None, options: Any) -> str:
    """The last line of metrics in words, and where the rest is."""
    if last is None:
        return f"no epoch has ended; the run is in {options.out}, and --resume goes on"
    if last["epoch"] % 1:
        said = (
            f"loss {last['loss']:.4f}, {last['images_per_second']} images/s after step"
            f" {last['step']}"
        )
        return (
            f"{said}, in the middle of an epoch; the run is in {options.out}, and --resume goes on"
        )
    good = (
        f"{last['top1']:.2%} top-1 on held-out images"
        if "top1" in last
        else f"loss {last['loss']:.4f}"
    )
    return f"{good} after epoch {last['epoch']}; all of it is in {options.out}"
