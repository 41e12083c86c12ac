"""A trained network for images of yours: its base frozen, a new classifier, and then more of it.

    python -m xception_edu train --recipe finetune --init imagenet --data DATA --out runs/mine

First only the classifier learns, on features of the frozen base that are computed once (features.py
keeps them). With `unfreeze="none"` that is all. Otherwise the exit flow, or all of the network,
goes on by the ordinary loop of training/train.py at a small learning rate, while BN keeps its
statistics (training/freezing.py).
"""

import dataclasses
import functools
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from xception_edu import checks
from xception_edu.benchmark.devices import pick_device
from xception_edu.configs import XceptionConfig
from xception_edu.data.dataset import Images
from xception_edu.data.image_files import MAX_PIXELS
from xception_edu.data.load import load_dataset
from xception_edu.data.order import batch_indices, seed_everything
from xception_edu.recipes.recipe import Recipe
from xception_edu.recipes.schedule import learning_rate
from xception_edu.training import metrics
from xception_edu.training.checkpoints import has_checkpoint, is_checkpoint
from xception_edu.training.epoch_metrics import EpochMetrics
from xception_edu.training.evaluate import trained_model
from xception_edu.training.run import start
from xception_edu.training.run_folder import (
    append_line,
    check_free,
    check_resumable,
    read_config,
    read_metrics,
    saved_recipe,
)
from xception_edu.training.steps import loss_of, make_model, make_optimizer, train_step
from xception_edu.training.stopping import Interrupted
from xception_edu.training.tensorboard import is_wanted
from xception_edu.training.train import check_arguments, check_images, open_folder, train
from xception_edu.weights.features import (
    BATCH,
    all_features,
    as_validation,
    compute_features,
    default_store,
)
from xception_edu.weights.load import import_weights, load_pretrained
from xception_edu.weights.published import NAMES
from xception_edu.xception import Xception

# What a recipe may choose of its network where the weights say the rest.
CHOSEN = ("num_classes", "dropout", "fc_widths")


class Start(NamedTuple):
    """A run before its first step: the recipe with the network of the weights, network, images."""

    recipe: Recipe
    model: Xception  # the trained base with a new classifier, on the device
    images: Images  # without augmentation, on the device


def finetune(
    recipe: Recipe,
    out: str | Path,
    *,
    data: str | None = None,
    resume: bool = False,
    device: str | None = None,
    skip_corrupt: bool = False,
    max_pixels: int = MAX_PIXELS,
    features: str | Path | None = None,
    max_steps: int | None = None,
    checkpoint_minutes: float = 10.0,
    tensorboard: bool | None = None,
) -> dict[str, Any] | None:
    """Train by a recipe that begins with weights; the last line of its metrics.jsonl.

    The run's folder is that of `train`. How the classifier learned is in metrics.jsonl where
    nothing learns after it, and in classifier.jsonl where something does.

    Args:
        recipe: what is computed; its `init` says whose weights, its model's other fields than
            num_classes, dropout and fc_widths must be left alone.
        out: the run's folder.
        data: file, folder or name on the hub, for load_dataset.
        resume: go on with the run that is in `out`.
        device: such as "cpu" or "cuda"; by default the GPU if there is one.
        skip_corrupt: leave out images that cannot be read, and count them.
        max_pixels: of an image; one of more is refused.
        features: folder in which features are kept; by default beside torch's downloaded weights.
        max_steps: save and leave the run after so many steps behind the classifier's.
        checkpoint_minutes: as for `train`.
        tensorboard: as for `train`.

    Raises:
        ValueError: an argument is wrong.
        Interrupted: SIGINT came; what was computed is kept. It is a KeyboardInterrupt.
    """
    out = check_arguments(recipe, out, data, resume, max_steps, checkpoint_minutes)
    check_images(None, skip_corrupt, max_pixels)
    is_wanted(tensorboard)
    store = default_store()
    if features is not None:
        store = checks.path("features", features, "the path of a folder")
    go_on = functools.partial(
        train,
        device=device,
        skip_corrupt=skip_corrupt,
        max_pixels=max_pixels,
        max_steps=max_steps,
        checkpoint_minutes=checkpoint_minutes,
        tensorboard=tensorboard,
    )
    if resume:
        recipe = as_begun(recipe, out)
        check_resumable(recipe, out)
        data = data or read_config(out).get("data")
        if has_checkpoint(out) and recipe.unfreeze == "none":
            return read_metrics(out / "metrics.jsonl")[-1]
        if has_checkpoint(out):
            return go_on(recipe, out, resume=True, data=data)
    else:
        check_free(out)
    begun = begin(recipe, data, device=device, skip_corrupt=skip_corrupt, max_pixels=max_pixels)
    lines = fit_classifier(begun, store) if recipe.head_epochs else []
    if recipe.unfreeze == "none":
        return keep_classifier(begun, out, data, lines, resume=resume)
    out.mkdir(parents=True, exist_ok=True)
    (out / "classifier.jsonl").unlink(missing_ok=True)
    for line in lines:
        append_line(out / "classifier.jsonl", line.to_dict())
    initial = begun.model.state_dict()
    return go_on(begun.recipe, out, resume=resume, data=data, initial=initial)


def begin(
    recipe: Recipe,
    data: str | None,
    *,
    device: str | None = None,
    skip_corrupt: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> Start:
    """The network of `recipe.init` with a classifier for the classes of `data`, and the images."""
    if recipe.init is None:
        raise ValueError("init is None, but must be the name or the file of trained weights")
    chosen, base = pick_device(device), base_of(recipe.init)
    unchanged = replace(recipe, random_crop_area=1.0, model=network_of(recipe, base.config))
    images = load_dataset(
        unchanged, data, skip_corrupt=skip_corrupt, max_pixels=max_pixels, any_classes=True
    ).to(chosen)
    classes = len(images.classes)
    if recipe.model.num_classes not in (XceptionConfig().num_classes, classes):
        asked = recipe.model.num_classes
        raise ValueError(f"model.num_classes is {asked}, but must be {classes}, as the data have")
    recipe = replace(recipe, model=replace(unchanged.model, num_classes=classes))
    model = make_model(recipe)
    trained = base.state_dict()
    for name in list(trained):
        if name.startswith(("fc.", "classifier.")):
            del trained[name]
    model.load_state_dict(model.state_dict() | trained)
    return Start(recipe, model.to(chosen), images)


def as_begun(recipe: Recipe, out: Path) -> Recipe:
    """The recipe with the network of the run in `out`, where it leaves that to weights and data."""
    begun = saved_recipe(out).model
    model = network_of(recipe, begun)
    if model.num_classes == XceptionConfig().num_classes:
        model = replace(model, num_classes=begun.num_classes)
    return replace(recipe, model=model)


def base_of(init: str) -> Xception:
    """The trained network of that name, of a weight file, or of a checkpoint of `train`."""
    if init in NAMES:
        return load_pretrained(init, include_top=False)
    if is_checkpoint(Path(init)):
        return trained_model(init)
    try:
        base = import_weights(init, include_top=False)
    except (ValueError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        right = f"one of {', '.join(NAMES)}, or a file of weights"
        raise ValueError(f"init is {checks.shown(init)}, but must be {right}: {reason}") from None
    if not isinstance(base, Xception):
        raise ValueError(f"init is {init!r}, but must be weights of an Xception")
    return base


def network_of(recipe: Recipe, trained: XceptionConfig) -> XceptionConfig:
    """The config of the weights, with what the recipe may choose.

    ValueError if the recipe asks for another network than theirs.
    """
    usual = XceptionConfig()
    for field in dataclasses.fields(XceptionConfig):
        asked, right = getattr(recipe.model, field.name), getattr(trained, field.name)
        if field.name not in CHOSEN and asked not in (right, getattr(usual, field.name)):
            raise ValueError(
                f"model.{field.name} is {asked!r}, but must be {right!r}, as the weights of"
                f" {recipe.init} have it"
            )
    chosen = recipe.model
    return replace(
        trained,
        num_classes=chosen.num_classes,
        dropout=chosen.dropout,
        fc_widths=chosen.fc_widths,
    )


def plan(recipe: Recipe, data: str | None, *, device: str | None = None) -> tuple[Recipe, str]:
    """The recipe with the network of the weights, and what `finetune` would do first, in lines.

    One batch of features is timed, none is kept.
    """
    begun = begin(recipe, data, device=device)
    recipe, model, images = begun
    sizes = [p.numel() for p in model.parameters()]
    learning = [p.numel() for p in model.parameters() if p.requires_grad]
    batch, _ = next(images.validation_batches(BATCH))
    started = time.perf_counter()
    compute_features(model.eval(), batch, recipe.image_size, recipe.precision)
    speed = len(batch) / (time.perf_counter() - started)
    lines = [
        f"the network of {recipe.init} for {len(images.classes)} classes; nothing is trained or"
        " written",
        f"parameters: {sum(sizes):,}, of which {sum(learning):,} learn (unfreeze"
        f" {recipe.unfreeze})",
        f"features: once, {speed:.1f} images/s (one batch was measured); {images.train_size:,}"
        f" training images take {images.train_size / speed:,.0f} s, validation images likewise",
        f"classifier: {recipe.head_epochs} epochs on these features",
    ]
    return recipe, "\n".join(lines)


# ---- the classifier on frozen features -----------------------------------------------------------


def fit_classifier(begun: Start, store: Path) -> list[EpochMetrics]:
    """Let the classifier of `begun.model` learn on features of the rest; a line an epoch.

    Raises Interrupted if SIGINT comes while features are computed; those that are there are kept.
    """
    recipe, model, images = begun
    parts = {"training": as_validation(images), "validation": images}
    found = []
    try:
        for what, part in parts.items():
            found.append(
                all_features(
                    model,
                    part,
                    recipe.image_size,
                    store=store,
                    precision=recipe.precision,
                    what=f"features, {what}",
                )
            )
    except KeyboardInterrupt:
        kept = f"stopped; features so far are kept in {store}, and the same command goes on"
        raise Interrupted(kept, signal.SIGINT) from None
    head = nn.Sequential(model.fc, model.dropout, model.classifier)
    return list(epochs_on_features(head, *found[0], *found[1], recipe))


def epochs_on_features(
    head: nn.Module,
    features: Tensor,
    labels: Tensor,
    validation_features: Tensor,
    validation_labels: Tensor,
    recipe: Recipe,
) -> Iterator[EpochMetrics]:
    """Train `head` for `recipe.head_epochs`, with the steps of the ordinary loop; a line an epoch.

    Args:
        head: features (N, channels) to logits (N, classes).
        features: of the training images, (N, channels).
        labels: their classes, (N,).
        validation_features: of the validation images.
        validation_labels: their classes.
        recipe: its optimizer, batch size, seed and smoothing; its `head_learning_rate`.
    """
    rates = replace(
        recipe,
        epochs=recipe.head_epochs,
        learning_rate=recipe.head_learning_rate,
        schedule="cosine",
        warmup_epochs=0.0,
    )
    optimizer = make_optimizer(head, rates)
    steps_an_epoch = len(labels) // recipe.batch_size
    losses, started = [], time.perf_counter()
    for step in range(recipe.head_epochs * steps_an_epoch):
        rate = learning_rate(rates, (step + 0.5) / steps_an_epoch)
        for group in optimizer.param_groups:
            group["lr"] = rate
        index = batch_indices(recipe.seed, len(labels), recipe.batch_size, step).to(labels.device)
        seed_everything(recipe.seed, "head", step)  # for dropout
        losses.append(
            train_step(
                head,
                features[index],
                labels[index],
                optimizer,
                label_smoothing=recipe.label_smoothing,
                clip_norm=recipe.clip_norm,
            )
        )
        if len(losses) == steps_an_epoch:
            seconds = time.perf_counter() - started
            yield EpochMetrics(
                step=step + 1,
                epoch=(step + 1) // steps_an_epoch,
                loss=torch.stack(losses).mean().item(),
                lr=rate,
                images_per_second=round(steps_an_epoch * recipe.batch_size / seconds, 1),
                **judged(head, validation_features, validation_labels),
            )
            losses, started = [], time.perf_counter()


@torch.no_grad()
def judged(head: nn.Module, features: Tensor, labels: Tensor) -> dict[str, float]:
    """top1, top5 and val_loss of the classifier on features (N, channels) and labels (N,)."""
    head.eval()
    logits = head(features)
    return {
        "top1": metrics.top_k_hits(logits, labels, 1).double().mean().item(),
        "top5": metrics.top_k_hits(logits, labels, 5).double().mean().item(),
        "val_loss": loss_of(logits, labels).item(),
    }


def keep_classifier(
    begun: Start, out: Path, data: str | None, lines: list[EpochMetrics], *, resume: bool
) -> dict[str, Any]:
    """Write the folder of a run in which only the classifier learned; its last line of metrics."""
    device = next(begun.model.parameters()).device
    run = start(begun.recipe, out, begun.images, device, begun.model.state_dict())
    run.facts = {"data": data, "classes": list(begun.images.classes)}
    run.step = lines[-1].step
    open_folder(run, device, resume=resume)
    (out / "metrics.jsonl").unlink(missing_ok=True)
    for line in lines:
        run.write_metrics(line)
    run.save()
    return lines[-1].to_dict()
