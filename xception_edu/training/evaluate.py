"""How good a network is on images that it was not trained on.

python -m xception_edu evaluate --checkpoint runs/digits/checkpoints/step-00000300.safetensors
"""

import argparse
import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xception_edu import checks
from xception_edu.benchmark.devices import pick_device
from xception_edu.data.augment import prepare
from xception_edu.data.image_files import MAX_PIXELS, add_max_pixels
from xception_edu.data.load import load_dataset
from xception_edu.recipes.recipe import Recipe
from xception_edu.training import metrics, parallel
from xception_edu.training.checkpoints import (
    Checkpoint,
    check_fit,
    load_checkpoint,
    tensors_of,
)
from xception_edu.training.classes import by_name
from xception_edu.training.steps import DTYPES, autocast, loss_of
from xception_edu.training.stopping import one_line_errors
from xception_edu.training.strangers import class_names
from xception_edu.xception import Xception, xception


def eval_batch_size(image_size: int) -> int:
    """How many images are evaluated together: 250 of up to 96 pixels a side, of larger ones fewer,
    so that memory suffices.
    """
    return max(1, min(250, 250 * 96**2 // image_size**2))


def _batch(batch: object) -> tuple[Tensor, Tensor]:
    """Images and labels; ValueError where it is something else."""
    pair = batch if isinstance(batch, (tuple, list)) and len(batch) == 2 else (None, None)
    if not all(isinstance(part, Tensor) for part in pair):
        raise checks.wrong("a batch of batches", batch, "a pair of tensors (images, labels)")
    return pair[0], pair[1]  # type: ignore[return-value]


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    image_size: int,
    *,
    precision: str = "fp32",
    class_weights: Tensor | None = None,
) -> dict[str, float]:
    """Top-1, top-5 and mean loss (no label smoothing) over batches of (uint8 images, labels).

    top1 and top5: the model's first guess, or one of its first five, is right: the image's label,
    or one of its labels. Where images have several, also map100, with the classes' weights, over
    the images that have any. Each rank evaluates its batches, and all get the numbers of all.

    Args:
        model: is set to eval mode.
        batches: of (uint8 images, labels), as a data set gives them.
        image_size: the side to which images are prepared.
        precision: of convolutions and matrix products: "fp32", "bf16" or "fp16".
        class_weights: one for each class, for map100.
    """
    checks.instance("model", model, nn.Module, "a torch.nn.Module")
    checks.instance(
        "batches", batches, Iterable, "pairs (images, labels), as a data set gives them"
    )
    image_size = checks.integer("image_size", image_size)
    checks.one_of("precision", precision, DTYPES)
    if class_weights is not None:
        checks.instance("class_weights", class_weights, Tensor, "a tensor, or None")
    model.eval()
    parallel.broadcast_buffers(model)
    sums: dict[str, float] = {}
    for images, labels in map(_batch, batches):
        with autocast(images.device, precision):
            logits = model(prepare(images, image_size))
        batch = {"images": torch.tensor(len(images)), "loss": loss_of(logits, labels) * len(images)}
        for k in (1, 5):
            batch[f"top{k}"] = metrics.top_k_hits(logits, labels, k).sum()
        if labels.is_floating_point():
            precisions = metrics.average_precision(logits.float(), labels, class_weights)
            batch["map100"] = precisions.nansum()
            batch["labeled"] = (~precisions.isnan()).sum()
        # Added up as Python's numbers, which are float64: not every device has that (MPS).
        for name, value in batch.items():
            sums[name] = sums.get(name, 0.0) + value.item()
    totals = parallel.total(sums)
    if not totals:
        raise checks.wrong("batches", batches, "one or more pairs (images, labels)")
    shares = {name: totals[name] / totals["images"] for name in ("top1", "top5", "loss")}
    if "map100" in totals:
        shares["map100"] = totals["map100"] / max(1, totals["labeled"])
    return shares | {"images": int(totals["images"])}


def trained_model(path: str | Path) -> Xception:
    """The network in a checkpoint file, ready to infer on the CPU: with averaged weights where the
    recipe averages.
    """
    checks.instance("path", path, (str, os.PathLike), "the path of a checkpoint")
    return model_of(load_checkpoint(Path(path)))


def model_of(checkpoint: Checkpoint) -> Xception:
    """The same, of a checkpoint that was read."""
    prefix = "average.module." if "average.n_averaged" in checkpoint.tensors else "model."
    tensors = tensors_of(checkpoint.tensors, prefix)
    config = Recipe.from_dict(checkpoint.progress["recipe"]).model
    what = f"checkpoint {checkpoint.path} is damaged"
    blocks = sum(name.startswith("middle.") and name.endswith("bn.bias") for name in tensors)
    if blocks != 3 * config.middle_blocks:  # said before so many blocks are made
        held = f"{blocks} layers of the middle flow, but must hold {3 * config.middle_blocks}"
        raise ValueError(f"{what}: it holds {held}")
    with torch.device("meta"):
        check_fit(tensors, xception(config).state_dict(), what)
    model = xception(config)
    model.load_state_dict(tensors)
    return model.eval()


def command(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Print top-1, top-5, loss, images and seconds of a checkpoint on validation images; exit
    status 0.
    """
    parser.add_argument(
        "--checkpoint",
        required=True,
        help="step-NUMBER.safetensors, in the folder checkpoints/ of a run",
    )
    parser.add_argument(
        "--data", help="as for train; by default that of the run, or what the recipe comes with"
    )
    parser.add_argument(
        "--skip-corrupt",
        action="store_true",
        help="leave out images that cannot be read, and count them",
    )
    add_max_pixels(parser)
    parser.add_argument("--device", help="such as cpu or cuda; by default the GPU if there is one")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    args = parser.parse_args(argv)
    with one_line_errors("checkpoint or data"):
        found = evaluate_file(
            Path(args.checkpoint),
            data=args.data,
            skip_corrupt=args.skip_corrupt,
            max_pixels=args.max_pixels,
            device=args.device,
        )
    print(json.dumps(found) if args.format == "json" else as_text(found))
    return 0


def evaluate_file(
    path: Path,
    *,
    data: str | None = None,
    skip_corrupt: bool = False,
    max_pixels: int = MAX_PIXELS,
    device: str | None = None,
) -> dict[str, Any]:
    """What `evaluate` finds for the network in a checkpoint file, the checkpoint's step, and the
    seconds that it took.
    """
    chosen, checkpoint = pick_device(device), load_checkpoint(path)
    recipe = Recipe.from_dict(checkpoint.progress["recipe"])
    model = model_of(checkpoint)
    classes = class_names(checkpoint.progress.get("classes"))
    found_data = load_dataset(
        recipe,
        data or checkpoint.progress.get("data"),
        skip_corrupt=skip_corrupt,
        max_pixels=max_pixels,
        any_classes=classes is not None,  # their names are compared, which says more
    )
    dataset = by_name(found_data, classes, "the checkpoint").to(chosen)
    model.to(chosen, memory_format=torch.channels_last)  # type: ignore[call-overload]
    started = time.perf_counter()
    found = evaluate(
        model,
        dataset.validation_batches(eval_batch_size(recipe.image_size)),
        recipe.image_size,
        precision=recipe.precision,
        class_weights=dataset.class_weights,
    )
    seconds = round(time.perf_counter() - started, 3)
    return {"step": checkpoint.progress["step"], **found, "seconds": seconds}


def as_text(found: dict[str, Any]) -> str:
    """One line for a reader."""
    names = {"top1": "top-1", "top5": "top-5", "map100": "MAP@100"}
    shares = ", ".join(f"{found[key]:.2%} {name}" for key, name in names.items() if key in found)
    return (
        f"{shares}, loss {found['loss']:.4f} on {found['images']} validation images in"
        f" {found['seconds']} s"
    )
