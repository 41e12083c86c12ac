"""What a run would be, before it is one: size, memory, steps, time and learning rates. Nothing is
trained or written.
"""

import datetime
import os
import time
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from xception_edu import architectures, costs
from xception_edu.benchmark.devices import pick_device
from xception_edu.data.augment import augment, prepare
from xception_edu.data.load import load_dataset
from xception_edu.data.order import seed_everything
from xception_edu.measure import measured_cost
from xception_edu.recipes.recipe import Recipe
from xception_edu.recipes.schedule import averaging_hint, learning_rate, rate_rule
from xception_edu.training import parallel
from xception_edu.training.steps import autocast, loss_of, make_model, make_optimizer, train_step
from xception_edu.xception import xception

OPTIMIZER_COPIES = {
    "sgd": 1,
    "rmsprop": 2,
    "adamw": 2,
}  # tensors of the size of the weights that it keeps; sgd's is its momentum
MEASURED_SECONDS = 1.0  # of a step that is long enough to be timed


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
    last = min(steps, max_steps or steps)
    memory, there = memory_needed(recipe), memory_of(chosen)
    needed = sum(memory.values())
    taken = f"steps: {steps:,}, {steps_an_epoch:,} an epoch, {recipe.batch_size} images each"
    if last < steps:
        taken += f"; --max-steps leaves the run after {last:,}"
    lines = [
        f"recipe {recipe.name} on {chosen}, {recipe.precision}; nothing is trained or written",
        *size(recipe),
        f"images an epoch: {steps_an_epoch * recipe.batch_size:,} ({source})",
        taken,
        rate_rule(recipe),
        rates(recipe, steps_an_epoch),
        averaging_hint(recipe, steps),
        "memory: about " + ", ".join(f"{gib(count)} {name}" for name, count in memory.items()),
        memory_line(needed, there, chosen),
    ]
    if there is not None and needed > there:
        lines.append("time: not measured, since the step would not fit")
    else:
        lines.append(time_line(recipe, chosen, last))
    return "\n".join(line for line in lines if line)


def size(recipe: Recipe) -> list[str]:
    """Parameters and MACs, counted by hand and by machine; ValueError should they differ."""
    model, side = recipe.model, recipe.image_size
    by_hand = costs.total(architectures.xception(model, side))
    with torch.device("meta"):
        by_machine = measured_cost(xception(model), (model.in_channels, side, side))
    for name in ("params", "macs"):
        hand, machine = getattr(by_hand, name), getattr(by_machine, name)
        if hand != machine:
            raise ValueError(f"{name} by hand is {hand}, but by machine {machine}")
    return [
        f"parameters: {by_hand.params:,}, counted by hand and by machine",
        f"MACs: {by_hand.macs:,} an image of {side} pixels a side, likewise;"
        " about 3 times that in a step",
    ]


def epoch_images(recipe: Recipe, data: str | None) -> tuple[int, str]:
    """Training images an epoch, and who says so."""
    if recipe.steps_per_epoch is not None:
        return recipe.steps_per_epoch * recipe.batch_size, "as steps_per_epoch says"
    images = load_dataset(recipe, data, any_classes=recipe.init is not None)
    return images.train_size, "counted; an incomplete last batch is left out"


def rates(recipe: Recipe, steps_an_epoch: int) -> str:
    """Learning rates in the middle of the first step of some epochs, from the first to the last."""
    shares = (0, 0.1, 0.25, 0.5, 0.75, 1)
    epochs = {min(recipe.epochs - 1, round(recipe.epochs * share)) for share in shares}
    texts = []
    for epoch in sorted(epochs):
        middle = epoch + 0.5 / steps_an_epoch
        rate = learning_rate(recipe, middle, steps_an_epoch * recipe.batch_size)
        texts.append(f"{epoch + 1}: {rate:.4g}")
    return "learning rate at the start of epoch " + ", ".join(texts)


# ---- memory --------------------------------------------------------------------------------------


def memory_needed(recipe: Recipe) -> dict[str, int]:
    """Peak bytes of one micro-batch, by purpose; estimated, without taking the step.

    What backward needs of the forward pass is added up tensor by tensor in a run without values
    (torch's fake tensors), on the part of a batch that one process takes at once. Not in it: the
    data set where it is kept in memory, what torch itself takes (about 0.3 GiB; on a GPU 0.5 GiB),
    and workspace of the convolutions.
    """
    with FakeTensorMode():
        model = xception(recipe.model)
        weights = sum(p.numel() * p.element_size() for p in [*model.parameters(), *model.buffers()])
        activations = kept_for_backward(model, recipe)
    copies = OPTIMIZER_COPIES[recipe.optimizer]
    if recipe.optimizer != "adamw" and not recipe.momentum:
        copies -= 1
    needed = {
        "weights": weights,
        "gradients": weights,
        f"{recipe.optimizer} state": weights * copies,
        "averaged weights": weights if recipe.polyak_decay else 0,
        "activations": activations,
    }
    return {name: count for name, count in needed.items() if count}


def micro_batch(recipe: Recipe) -> int:
    """Images that one process takes through the network at once."""
    return recipe.batch_size // parallel.world_size() // recipe.accumulate


def random_labels(recipe: Recipe, images: int) -> torch.Tensor:
    """Labels of the kind that the recipe's data have, (images,) or (images, classes)."""
    if recipe.labels == "many":
        return torch.zeros(images, recipe.model.num_classes)
    return torch.randint(recipe.model.num_classes, (images,))


def kept_for_backward(model: nn.Module, recipe: Recipe) -> int:
    """Bytes of the tensors that backward keeps of a forward pass on a micro-batch, and of its
    images; weights left out.
    """
    weights = {id(p) for p in model.parameters()}
    kept: dict[int, Any] = {}

    def pack(t: torch.Tensor) -> torch.Tensor:
        if id(t) not in weights:
            kept[t.untyped_storage()._cdata] = t
        return t

    part = micro_batch(recipe)
    shape = (part, recipe.model.in_channels, recipe.image_size, recipe.image_size)
    images = torch.empty(shape).contiguous(memory_format=torch.channels_last)
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t),
        autocast(images.device, recipe.precision),
    ):
        loss = loss_of(model.train()(images), random_labels(recipe, part))
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


def memory_line(needed: int, there: int | None, device: torch.device) -> str:
    """One line: what is needed against what is there."""
    together = f"  {gib(needed)} together"
    if there is None:
        return f"{together}; how much {device} has, this system does not tell"
    if needed <= there:
        return f"{together}, of {gib(there)} on {device}"
    hint = "a larger --accumulate, or a smaller --batch-size, needs less"
    return f"{together}, but there are only {gib(there)} on {device}: {hint}"


def gib(count: float) -> str:
    """Bytes for a reader."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


# ---- time ----------------------------------------------------------------------------------------


def time_line(recipe: Recipe, device: torch.device, steps: int) -> str:
    """One line: how long so many steps take, from one that was measured."""
    images, seconds = measured_step(recipe, device)
    total = datetime.timedelta(seconds=round(seconds / images * recipe.batch_size * steps))
    how = f"a step of {images} random images was measured; reading and validation are not in it"
    return f"time: about {total} (hours:minutes:seconds), {images / seconds:.4g} images/s ({how})"


def measured_step(recipe: Recipe, device: torch.device) -> tuple[int, float]:
    """Images and seconds of a step on random images, augmentation included.

    The images double from step to step, until one takes long enough to be timed, or has as many as
    are taken at once; those before it warm up memory and the choice of algorithms.
    """
    seed_everything(recipe.seed, "dry run")
    model = make_model(recipe).to(device)
    optimizer = make_optimizer(model, recipe)
    side, channels = recipe.image_size, recipe.model.in_channels
    images, seconds, most = 0, 0.0, micro_batch(recipe)
    while images < most and seconds < MEASURED_SECONDS:
        images = min(max(2, 2 * images), most)
        batch = torch.randint(256, (images, channels, side, side), dtype=torch.uint8).to(device)
        labels = random_labels(recipe, images).to(device)
        one_part = replace(recipe, batch_size=images, accumulate=1)
        started = time.perf_counter()
        batch = augment(prepare(batch, side), one_part)
        train_step(model, batch, labels, optimizer, precision=recipe.precision).item()
        seconds = time.perf_counter() - started
    return images, seconds
