"""Training, to be read from top to bottom: a batch, a step, an evaluation, and the loop that loses nothing.

    python -m xception_edu train --recipe digits --out runs/digits

Time and accuracy over 3 seeds are in results/train_digits.json and results/train_photos.json. All randomness is a function of
the recipe's seed and the number of the step, so a run continues from a checkpoint bit for bit without saving random states;
on a CPU two runs of one recipe give the same bits (on a GPU that is not promised: some of its sums have no fixed order).
"""

import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from xception_edu import flags
from xception_edu.checkpoints import (
    append_line,
    check_free,
    check_resumable,
    drop_lines_after,
    load_checkpoint,
    load_newest,
    read_metrics,
    restore_state,
    save_checkpoint,
    start_folder,
    state_tensors,
)
from xception_edu.data import Dataset, augment, load_dataset, pick_device, prepare
from xception_edu.order import seed_everything
from xception_edu.recipes import Recipe, learning_rate
from xception_edu.xception import Xception, xception

log = logging.getLogger(__name__)


class Interrupted(KeyboardInterrupt):
    """A signal stopped the run, after it was saved."""

    def __init__(self, message: str, signum: int):
        super().__init__(message)
        self.signum = signum


# ---- what a step is -------------------------------------------------------------------------------------------------


def make_model(recipe: Recipe) -> Xception:
    """The recipe's network with He weights by its seed, on the CPU."""
    seed_everything(recipe.seed, "weights")
    model = xception(recipe.model).to(memory_format=torch.channels_last)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = recipe.bn_momentum
    return model


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD with momentum, or AdamW; biases, and gamma and beta of BN, do not decay."""
    groups = [
        {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, recipe.learning_rate, betas=(recipe.momentum, 0.999))
    return torch.optim.SGD(
        groups, recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov and recipe.momentum > 0
    )


def training_batch(data: Dataset, recipe: Recipe, step: int) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) and labels (N,) of step 0, 1, ...; every epoch is a new order, less the last, incomplete batch."""
    images, labels = data.training_images(recipe, step)
    seed_everything(recipe.seed, "step", step)  # for the augmentation, and for dropout after it
    return augment(prepare(images, recipe.image_size), recipe), labels


def train_step(
    model: nn.Module, images: Tensor, labels: Tensor, optimizer: torch.optim.Optimizer, *, label_smoothing: float = 0.0
) -> Tensor:
    """One step down the gradient; the mean loss of the batch, before the step."""
    model.train()
    loss = F.cross_entropy(model(images), labels, label_smoothing=label_smoothing)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


@torch.no_grad()
def evaluate(model: nn.Module, images: Tensor, labels: Tensor, image_size: int, *, batch_size: int = 250) -> dict[str, float]:
    """Share of images (bytes, as a Dataset has them) whose label is the model's first guess, and one of its first five."""
    model.eval()
    right = {"top1": 0, "top5": 0}
    for batch, truth in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        logits = model(prepare(batch, image_size))
        guesses = logits.topk(min(5, logits.shape[1])).indices  # (N, 5), best first
        hits = guesses == truth[:, None]
        right["top1"] += int(hits[:, 0].sum())
        right["top5"] += int(hits.any(dim=1).sum())
    return {name: count / len(images) for name, count in right.items()}


# ---- the loop -------------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """A run between two steps: everything that changes, and where it is saved."""

    recipe: Recipe
    out: Path
    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedModel | None
    steps_an_epoch: int
    step: int = 0  # steps done
    loss_sum: float = 0.0  # over the steps of the running epoch
    seconds: float = 0.0  # that this process has spent in `timed_steps` steps of the running epoch
    timed_steps: int = 0
    saved: Path | None = None  # the newest checkpoint

    @property
    def lr(self) -> float:
        """Learning rate of the next step, read off the schedule in the middle of it."""
        return learning_rate(self.recipe, (self.step + 0.5) / self.steps_an_epoch)

    def count(self, loss: float, seconds: float) -> None:
        """Count a step that was taken; FloatingPointError if its loss was not finite."""
        if not math.isfinite(loss):
            raise self.diverged(f"loss is {loss}", self.step + 1)
        self.step, self.loss_sum = self.step + 1, self.loss_sum + loss
        self.seconds, self.timed_steps = self.seconds + seconds, self.timed_steps + 1

    def end_epoch(self, data: Dataset) -> dict[str, Any]:
        """Evaluate, write a line of metrics and a checkpoint; the line."""
        line: dict[str, Any] = {"step": self.step, "epoch": self.step // self.steps_an_epoch}
        line |= {"loss": self.loss_sum / self.steps_an_epoch, "lr": self.optimizer.param_groups[0]["lr"]}
        line |= evaluate(self.average or self.model, data.test_images, data.test_labels, self.recipe.image_size)
        line["images_per_second"] = round(self.timed_steps * self.recipe.batch_size / self.seconds, 1)
        self.loss_sum, self.seconds, self.timed_steps = 0.0, 0.0, 0
        append_line(self.out / "metrics.jsonl", line)
        self.save()
        return line

    def save(self) -> None:
        """Write a checkpoint; FloatingPointError if a weight is not finite, since then the one before is the last good one."""
        tensors = state_tensors(self.model, self.optimizer, self.average)
        if not all(t.isfinite().all() for t in tensors.values()):
            raise self.diverged("a weight is not finite", self.step)
        folder, progress = self.out / "checkpoints", {"loss_sum": self.loss_sum, "recipe": self.recipe.to_dict()}
        self.saved = save_checkpoint(folder, self.step, tensors, progress, keep=self.recipe.keep_checkpoints)

    def restore(self) -> None:
        """Go back to the newest whole checkpoint; a run that was killed before its first one starts over."""
        checkpoint = load_newest(self.out / "checkpoints")
        if checkpoint is None:
            log.warning("%s has no checkpoint yet: the run starts over", self.out)
            return
        restore_state(checkpoint.tensors, self.model, self.optimizer, self.average)
        self.step, self.loss_sum = checkpoint.progress["step"], checkpoint.progress["loss_sum"]
        self.saved = checkpoint.path

    def diverged(self, what: str, step: int) -> FloatingPointError:
        """The error that says where, how fast, and what is left."""
        last = f"the last good checkpoint is {self.saved}" if self.saved else "there is no checkpoint yet"
        lr = self.optimizer.param_groups[0]["lr"]
        return FloatingPointError(f"{what} at step {step} with learning rate {lr:.6g}, which should be lower; {last}")


def train(recipe: Recipe, out: str | Path, *, resume: bool = False, device: str | None = None) -> dict[str, Any]:
    """Train by the recipe into the folder `out`; the last line of its metrics.jsonl.

    `out` gets config.json, metrics.jsonl (a line an epoch) and checkpoints/. With `resume` the run that is there goes on.
    Raises ValueError for wrong arguments, FloatingPointError if the loss or a weight is no longer finite, and Interrupted,
    a KeyboardInterrupt, if SIGINT or SIGTERM came: the run was saved then.
    """
    out, chosen = Path(out), pick_device(device)
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    with noted_signals() as signals:
        check_resumable(recipe, out) if resume else check_free(out)
        data = load_dataset(recipe).to(chosen)
        model = make_model(recipe).to(chosen)
        ema = get_ema_multi_avg_fn(recipe.polyak_decay)
        average = AveragedModel(model, multi_avg_fn=ema, use_buffers=True) if recipe.polyak_decay else None
        steps_an_epoch = len(data.train_images) // recipe.batch_size
        run = Run(recipe, out, model, make_optimizer(model, recipe), average, steps_an_epoch)
        if resume:
            run.restore()
            drop_lines_after(run.step, out / "metrics.jsonl")
        else:
            start_folder(recipe, out, {"device": str(chosen), "threads": torch.get_num_threads()})
        loop(run, data, signals)
    return read_metrics(out / "metrics.jsonl")[-1]


def loop(run: Run, data: Dataset, signals: list[int]) -> None:
    """Step after step to the end of the recipe, or until a signal is noted."""
    recipe, steps, size = run.recipe, run.recipe.epochs * run.steps_an_epoch, run.recipe.batch_size
    quiet = "TQDM_DISABLE" in os.environ  # tqdm reads it itself, but not in a notebook
    done = run.step * size
    with tqdm(total=steps * size, initial=done, unit=" images", desc=recipe.name, smoothing=0.05, disable=quiet) as bar:
        while run.step < steps and not signals:
            started = time.perf_counter()
            for group in run.optimizer.param_groups:
                group["lr"] = run.lr
            images, labels = training_batch(data, recipe, run.step)
            loss = train_step(run.model, images, labels, run.optimizer, label_smoothing=recipe.label_smoothing)
            if run.average is not None:
                run.average.update_parameters(run.model)
            run.count(loss.item(), time.perf_counter() - started)
            bar.update(size)
            if run.step % run.steps_an_epoch == 0:
                line = run.end_epoch(data)
                bar.set_postfix_str(f"epoch {line['epoch']}, loss {line['loss']:.3f}, top-1 {line['top1']:.2%}")
    if run.step < steps:
        run.save()
        name = signal.Signals(signals[0]).name
        raise Interrupted(
            f"{name}: stopped after step {run.step} of {steps}, {run.saved} is saved; --resume goes on", signals[0]
        )


def trained_model(path: str | Path) -> Xception:
    """The network in a checkpoint file, ready to infer on the CPU: with averaged weights where the recipe averages."""
    checkpoint = load_checkpoint(Path(path))
    prefix = "average.module." if "average.n_averaged" in checkpoint.tensors else "model."
    model = xception(Recipe.from_dict(checkpoint.progress["recipe"]).model)
    model.load_state_dict({name.removeprefix(prefix): t for name, t in checkpoint.tensors.items() if name.startswith(prefix)})
    return model.eval()


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """Note SIGINT and SIGTERM, instead of dying in the middle of a step; a second one acts as ever. Main thread only."""
    noted: list[int] = []
    before: dict[int, Any] = {}

    def note(signum: int, frame: Any) -> None:
        noted.append(signum)
        signal.signal(signum, before[signum])

    if threading.current_thread() is threading.main_thread():
        for signum in (signal.SIGINT, signal.SIGTERM):
            before[signum] = signal.getsignal(signum) or signal.SIG_DFL
            signal.signal(signum, note)
    try:
        yield noted
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


# ---- the command ----------------------------------------------------------------------------------------------------


def command(argv: Sequence[str]) -> int:
    """Run `train` by its flags: exit status 0, or 128 and a signal's number; ValueError, of one line, if anything is wrong."""
    try:
        recipe, options = flags.parse(argv)
        last = train(recipe, options.out, resume=options.resume, device=options.device)
    except Interrupted as stopped:
        print(stopped, file=sys.stderr)
        return 128 + stopped.signum
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise ValueError(f"out cannot be used: {error.strerror or error}{where}") from None
    except (ValueError, FloatingPointError) as error:
        raise ValueError(" ".join(str(error).splitlines())) from None
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        raise ValueError("model and batch_size need more memory than there is: make one of them smaller") from None
    print(f"{last['top1']:.2%} top-1 on held-out images after epoch {last['epoch']}; all of it is in {options.out}")
    return 0
