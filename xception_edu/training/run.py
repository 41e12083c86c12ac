"""A run between two steps: what changes in it, and how that is saved and restored."""

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from xception_edu import checks
from xception_edu.benchmark import devices
from xception_edu.data.dataset import Images
from xception_edu.data.order import seed_everything
from xception_edu.recipes.recipe import Recipe
from xception_edu.recipes.schedule import learning_rate
from xception_edu.training import parallel
from xception_edu.training.checkpoints import (
    Checkpoint,
    checkpoint_path,
    load_newest,
    restore_state,
    save_checkpoint,
    state_tensors,
)
from xception_edu.training.epoch_metrics import EpochMetrics
from xception_edu.training.evaluate import eval_batch_size, evaluate
from xception_edu.training.run_folder import append_line, differences_in_result
from xception_edu.training.steps import make_model, make_optimizer
from xception_edu.training.strangers import refuse_differences
from xception_edu.training.tensorboard import Events

log = logging.getLogger(__name__)


@dataclass
class Run:
    """A run between two steps: everything that changes, and where it is saved."""

    recipe: Recipe
    out: Path
    model: nn.Module  # what is saved
    net: nn.Module  # `model`, DDP-wrapped and/or compiled: what a step calls
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
        """Set the random numbers of dropout for a part of this rank's batch: each part of each rank
        has its own.
        """
        place = parallel.rank() * self.recipe.accumulate + part
        seed_everything(self.recipe.seed, "dropout", self.step, place)

    def count(self, loss: float, seconds: float) -> None:
        """Count a step that was taken; FloatingPointError if its loss was not finite."""
        if not math.isfinite(loss):
            raise self.diverged(f"loss is {loss}", self.step + 1)
        if self.scaler.is_enabled() and self.scaler.get_scale() < 1:
            what = "a gradient overflows fp16, even of a loss that is not scaled up,"
            raise self.diverged(what, self.step + 1)
        self.step += 1
        self.loss_sum += loss
        self.seconds += seconds
        self.timed_steps += 1
        if self.events:
            self.events.step(self.step, loss, self.optimizer.param_groups[0]["lr"])

    def metrics(self) -> EpochMetrics:
        """What metrics.jsonl says of the training in the running epoch so far."""
        epochs, taken = divmod(self.step, self.steps_an_epoch)
        images = self.timed_steps * self.recipe.batch_size
        gpu = devices.use(next(self.model.parameters()).device)
        return EpochMetrics(
            step=self.step,
            epoch=self.step / self.steps_an_epoch if taken else epochs,
            loss=self.loss_sum / (taken or self.steps_an_epoch),
            lr=self.optimizer.param_groups[0]["lr"],
            images_per_second=round(images / self.seconds, 1),
            gpu_memory_gib=gpu.get("gpu_memory_gib"),
            gpu_busy=gpu.get("gpu_busy"),
        )

    def write_metrics(self, metrics: EpochMetrics) -> None:
        """Append a line to metrics.jsonl; rank 0 does it for all."""
        if parallel.rank() == 0:
            append_line(self.out / "metrics.jsonl", metrics.to_dict())

    def end_epoch(self, data: Images) -> EpochMetrics:
        """Validate if it is time, write a line of metrics and a checkpoint; the line."""
        metrics = self.metrics()
        epoch = self.step // self.steps_an_epoch
        if epoch % self.recipe.evaluate_every == 0 or epoch == self.recipe.epochs:
            found = self.validate(data)
            metrics = replace(
                metrics,
                top1=found["top1"],
                top5=found["top5"],
                val_loss=found["loss"],
                map100=found.get("map100"),
            )
        self.loss_sum, self.seconds, self.timed_steps = 0.0, 0.0, 0
        self.write_metrics(metrics)
        if self.events:
            self.events.epoch(metrics.to_dict())
        self.save()
        return metrics

    def validate(self, data: Images) -> dict[str, float]:
        """What `evaluate` finds on the validation images, with averaged weights if there are any;
        each rank evaluates its part, and all get the same numbers.
        """
        size = self.recipe.image_size
        batches = data.validation_batches(
            eval_batch_size(size), rank=parallel.rank(), world_size=parallel.world_size()
        )
        return evaluate(
            self.average or self.model,
            batches,
            size,
            precision=self.recipe.precision,
            class_weights=data.class_weights,
        )

    def minutes_since_save(self) -> float:
        """Minutes since the newest checkpoint was written, or since the start."""
        return (time.monotonic() - self.saved_at) / 60

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
            keep = self.recipe.keep_checkpoints
            save_checkpoint(folder, self.step, tensors, progress | self.facts, keep=keep)
        self.saved, self.saved_at = checkpoint_path(folder, self.step), time.monotonic()

    def restore(self) -> None:
        """Go back to the newest whole checkpoint; a run that was killed before its first one starts
        over.
        """
        checkpoint = load_newest(self.out / "checkpoints")
        if checkpoint is None:
            log.warning("%s has no checkpoint yet: the run starts over", self.out)
            return
        self._check_own(checkpoint)
        restore_state(checkpoint.tensors, self.model, self.optimizer, self.average)
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(checkpoint.progress["scaler"])
        self.step, self.loss_sum = checkpoint.progress["step"], checkpoint.progress["loss_sum"]
        self.saved = checkpoint.path

    def _check_own(self, checkpoint: Checkpoint) -> None:
        """ValueError if a checkpoint is another run's, or config.json was edited since."""
        there = Recipe.from_dict(checkpoint.progress["recipe"])
        differing = differences_in_result(there, self.recipe)
        classes, own = checkpoint.progress.get("classes"), self.facts.get("classes")
        if classes is not None and own is not None and list(classes) != list(own):
            differing.append(f"classes is {checks.shown(classes)} and {checks.shown(own)}")
        where = checks.shown(str(checkpoint.path))
        before, here = checkpoint.progress.get("data"), self.facts.get("data")
        if before != here and parallel.rank() == 0:
            said = f"data is {checks.shown(here)}, but checkpoint {where} was trained on"
            log.warning("%s", checks.line(f"{said} {checks.shown(before)}"))
        if differing:
            what = f"checkpoint {where} is not of this run: there and in config.json"
            refuse_differences(what, differing, "put back the file that was changed")

    def let_go(self) -> None:
        """Close the events, and let go of the wrapped network, which holds on to the group of
        processes.
        """
        self.net = self.model
        if self.events:
            self.events.close()

    def diverged(self, what: str, step: int) -> FloatingPointError:
        """The error that says where, how fast, and what is left."""
        last = "there is no checkpoint yet"
        if self.saved:
            last = f"the last good checkpoint is {self.saved}"
        lr = self.optimizer.param_groups[0]["lr"]
        return FloatingPointError(
            f"{what} at step {step} with learning rate {lr:.6g}, which should be lower; {last}"
        )


def start(
    recipe: Recipe,
    out: Path,
    data: Images,
    device: torch.device,
    initial: Mapping[str, Tensor] | None = None,
) -> Run:
    """A run before its first step: network, optimizer and average on the device, the network as the
    recipe wraps it.

    `initial` are the weights that the network begins with, by its names; else they are random.
    """
    model: nn.Module = make_model(recipe)
    if initial is not None:
        try:
            model.load_state_dict(initial)
        except RuntimeError as error:
            right = f"the weights of the recipe's network: {checks.in_words(error)}"
            raise checks.wrong("initial", list(initial), right) from error
    if recipe.sync_bn:
        model = parallel.synchronize_bn(model, device)
    model = model.to(device)
    average = None
    if recipe.polyak_decay:
        ema = get_ema_multi_avg_fn(recipe.polyak_decay)  # type: ignore[no-untyped-call]
        average = AveragedModel(model, multi_avg_fn=ema, use_buffers=True)
    net = parallel.distribute(model, device)
    if recipe.compile:
        net.compile()
    return Run(
        recipe=recipe,
        out=out,
        model=model,
        net=net,
        optimizer=make_optimizer(model, recipe),
        scaler=torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16"),
        average=average,
        steps_an_epoch=recipe.steps_per_epoch or data.train_size // recipe.batch_size,
    )
