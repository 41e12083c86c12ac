"""What a run would be, before it is one: size, memory, steps, time and learning rates. Nothing is
trained or written.
"""

import copy
import os
import time
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.optim.swa_utils import AveragedModel

from xception_edu import architectures, costs
from xception_edu.benchmark.devices import pick_device
from xception_edu.data.augment import augment, prepare
from xception_edu.data.load import load_dataset
from xception_edu.data.order import seed_everything
from xception_edu.measure import measured_cost
from xception_edu.recipes.recipe import Recipe, averaging_hint, learning_rate, rate_rule
from xception_edu.training import parallel
from xception_edu.training.steps import autocast, loss_of, make_model, make_optimizer, train_step
from xception_edu.xception import xception

OPTIMIZER_COPIES = {
    "sgd": 1,
    "rmsprop": 2,
    "adamw": 2,
}  # tensors of the size of the weights that it keeps; sgd's is its momentum
# what a measured step should take at least; then the part of a batch is large enough
MEASURED_SECONDS = 2.0


def report(
    recipe: Recipe,
    *,
    device: str | None = None,
    data: str | None = None,
    max_steps: int | None = None,
) -> str:
    """What `train` would do with these arguments, in lines of text. ValueError as from `train`."""
    chosen = pick_device(device)
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    parallel.check_parts(recipe.batch_size, recipe.accumulate)
    images, source = epoch_images(recipe, data)
    steps_an_epoch = recipe.steps_per_epoch or images // recipe.batch_size
    steps = recipe.epochs * steps_an_epoch
    memory, there = memory_needed(recipe), memory_of(chosen)
    lines = [
        f"recipe {recipe.name} on {chosen}, {recipe.precision}; nothing is trained or written",
        *size(recipe),
        f"images an epoch: {steps_an_epoch * recipe.batch_size:,} ({source})",
        f"steps: {steps:,}, {steps_an_epoch:,} an epoch, {recipe.batch_size} images each"
        + (
            f"; --max-steps leaves the run after {max_steps:,}"
            if max_steps is not None and max_steps < steps
            else ""
        ),
        rate_rule(recipe),
        *rates(recipe, steps_an_epoch),
        *filter(None, [averaging_hint(recipe, steps)]),
        "memory: about " + ", ".join(f"{gib(count)} {name}" for name, count in memory.items()),
        fits(sum(memory.values()), there, chosen),
    ]
    if there is not None and sum(memory.values()) > there:
        return "\n".join([*lines, "time: not measured, since the step would not fit"])
    part, seconds = seconds_an_image(recipe, chosen)
    total = seconds * recipe.batch_size * min(steps, max_steps or steps)
    how = (
        f"a step of {part} random images was measured; reading images and evaluation are not in it"
    )
    return "\n".join([*lines, f"time: about {duration(total)}, {1 / seconds:.4g} images/s ({how})"])


def size(recipe: Recipe) -> list[str]:
    """Parameters and MACs, counted by hand and by machine; ValueError should they differ."""
    layers = architectures.xception(recipe.model, recipe.image_size)
    by_hand = costs.total(layers)
    with torch.device("meta"):
        by_machine = measured_cost(
            xception(recipe.model), (recipe.model.in_channels, recipe.image_size, recipe.image_size)
        )
    for name in ("params", "macs"):
        if getattr(by_hand, name) != getattr(by_machine, name):
            raise ValueError(
                f"{name} by hand is {getattr(by_hand, name)}, but by machine"
                f" {getattr(by_machine, name)}"
            )
    return [
        f"parameters: {by_hand.params:,}, counted by hand and by machine",
        (
            f"MACs: {by_hand.macs:,} an image of {recipe.image_size} pixels a side, likewise; about"
            " 3 times that in a step"
        ),
    ]


def epoch_images(recipe: Recipe, data: str | None) -> tuple[int, str]:
    """Training images an epoch, and who says so."""
    if recipe.steps_per_epoch is not None:
        return recipe.steps_per_epoch * recipe.batch_size, "as steps_per_epoch says"
    return load_dataset(recipe, data).train_size, "counted; an incomplete last batch is left out"


def rates(recipe: Recipe, steps_an_epoch: int) -> list[str]:
    """Learning rates in the middle of the first step of some epochs, from the first to the last."""
    epochs = sorted(
        {
            min(recipe.epochs - 1, round(recipe.epochs * share))
            for share in (0, 0.1, 0.25, 0.5, 0.75, 1)
        }
    )
    at = [
        (
            epoch,
            learning_rate(recipe, epoch + 0.5 / steps_an_epoch, steps_an_epoch * recipe.batch_size),
        )
        for epoch in epochs
    ]
    return [
        "learning rate at the start of epoch "
        + ", ".join(f"{epoch + 1}: {rate:.4g}" for epoch, rate in at)
    ]


# ---- memory --------------------------------------------------------------------------------------


def memory_needed(recipe: Recipe) -> dict[str, int]:
    """Bytes that the largest part of a step holds at once, by what they are for; estimated, without
    taking the step.

    What backward needs of the forward pass is added up tensor by tensor in a run without values
    (torch's fake tensors), on the part of a batch that one process takes at once. Not in it: the
    data set where it is kept in memory, what torch itself takes (about 0.3 GiB; on a GPU 0.5 GiB),
    and workspace of the convolutions.
    """
    part = recipe.batch_size // parallel.ranks() // recipe.accumulate
    with FakeTensorMode():
        model = xception(recipe.model)
        weights = sum(p.numel() * p.element_size() for p in [*model.parameters(), *model.buffers()])
        kept = kept_for_backward(model, recipe, part)
    copies = OPTIMIZER_COPIES[recipe.optimizer] - (
        recipe.optimizer != "adamw" and not recipe.momentum
    )
    average = weights * bool(recipe.polyak_decay)
    needed = {
        "weights": weights,
        "gradients": weights,
        f"{recipe.optimizer} state": weights * copies,
    }
    return {
        name: count
        for name, count in (needed | {"averaged weights": average, "activations": kept}).items()
        if count
    }


def kept_for_backward(model: nn.Module, recipe: Recipe, part: int) -> int:
    """Bytes of the tensors that backward keeps of a forward pass on `part` images, and of the
    images; weights left out.
    """
    weights = {id(p) for p in model.parameters()}
    kept: dict[int, Any] = {}

    def pack(t: torch.Tensor) -> torch.Tensor:
        if id(t) not in weights:
            kept[t.untyped_storage()._cdata] = t
        return t

    shape = (part, recipe.model.in_channels, recipe.image_size, recipe.image_size)
    images = torch.empty(shape).contiguous(memory_format=torch.channels_last)
    many = recipe.labels == "many"
    labels = (
        torch.zeros(part, recipe.model.num_classes)
        if many
        else torch.zeros(part, dtype=torch.int64)
    )
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t),
        autocast(images.device, recipe.precision),
    ):
        loss = loss_of(model.train()(images), labels)
    kept[images.untyped_storage()._cdata] = images
    del loss
    return sum(t.untyped_storage().nbytes() for t in kept.values())


def memory_of(device: torch.device) -> int | None:
    """Bytes of the device's memory, where the system tells."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def fits(needed: int, there: int | None, device: torch.device) -> str:
    """One line: what is needed against what is there."""
    if there is None:
        return f"  {gib(needed)} together; how much {device} has, this system does not tell"
    verdict = "of" if needed <= there else "but there are only"
    hint = (
        "" if needed <= there else ": a larger --accumulate, or a smaller --batch-size, needs less"
    )
    return f"  {gib(needed)} together, {verdict} {gib(there)} on {device}{hint}"


def gib(count: float) -> str:
    """Bytes for a reader."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


# ---- time ----------------------------------------------------------------------------------------


def seconds_an_image(recipe: Recipe, device: torch.device) -> tuple[int, float]:
    """Seconds that one image takes in a step, augmentation included, and how many random images the
    measured step had.

    The part of a batch grows, doubling, from 2 until its step takes long enough to be timed, or it
    is what is taken at once.
    """
    seed_everything(recipe.seed, "dry run")
    model = make_model(recipe).to(device)
    optimizer = make_optimizer(model, recipe)
    average = AveragedModel(copy.deepcopy(model)) if recipe.polyak_decay else None
    largest = recipe.batch_size // parallel.ranks() // recipe.accumulate
    scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
    part = min(2, largest)
    while True:
        # warms up: memory, and choice of algorithms
        one_step(model, optimizer, average, scaler, recipe, part, device)
        started = time.perf_counter()
        one_step(model, optimizer, average, scaler, recipe, part, device)
        seconds = time.perf_counter() - started
        if part == largest or seconds > MEASURED_SECONDS:
            return part, seconds / part
        part = min(2 * part, largest)


def one_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: AveragedModel | None,
    scaler: torch.amp.GradScaler,
    recipe: Recipe,
    part: int,
    device: torch.device,
) -> None:
    """A step on `part` random images, with a learning rate of 0, to its end on the device."""
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    side, channels, classes = recipe.image_size, recipe.model.in_channels, recipe.model.num_classes
    images = torch.randint(256, (part, channels, side, side), dtype=torch.uint8).to(device)
    labels = (
        torch.zeros(part, classes) if recipe.labels == "many" else torch.randint(classes, (part,))
    )
    images = augment(prepare(images, side), replace(recipe, batch_size=part, accumulate=1))
    loss = train_step(
        model, images, labels.to(device), optimizer, precision=recipe.precision, scaler=scaler
    )
    if average is not None:
        average.update_parameters(model)
    loss.item()


def duration(seconds: float) -> str:
    """Seconds for a reader."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} seconds"
