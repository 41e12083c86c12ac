"""How good a network is on images that it was not trained on.

    python -m xception_edu evaluate --checkpoint runs/digits/checkpoints/step-00000300.safetensors
"""

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xception_edu import parallel
from xception_edu.checkpoints import Checkpoint, load_checkpoint
from xception_edu.data import load_dataset, pick_device, prepare
from xception_edu.recipe import Recipe
from xception_edu.steps import autocast, loss_of
from xception_edu.stopping import in_one_line
from xception_edu.xception import Xception, xception

BATCH_SIZE = 250


@torch.no_grad()
def evaluate(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], image_size: int, *, precision: str = "fp32"
) -> dict[str, float]:
    """Shares of images, and the mean loss, without label smoothing, over batches of (bytes, labels) as a data set gives them.

    top1 and top5: the model's first guess, or one of its first five, is right: the image's label, or one of its labels. Each
    rank evaluates its batches, and all get the numbers of all.
    """
    model.eval()
    parallel.same_buffers(model)
    counts: Tensor | None = None
    for images, labels in batches:
        with autocast(images.device, precision):
            logits = model(prepare(images, image_size))
        guesses = logits.topk(min(5, logits.shape[1])).indices  # (N, 5), best first
        hits = labels.gather(1, guesses) > 0 if labels.is_floating_point() else guesses == labels[:, None]
        loss = loss_of(logits, labels).double() * len(images)
        found = torch.stack([hits[:, 0].sum().double(), hits.any(dim=1).sum().double(), loss, torch.ones_like(loss) * len(images)])
        counts = found if counts is None else counts + found
    if counts is None:  # more ranks than batches
        counts = torch.zeros(4, dtype=torch.float64, device=parallel.device())
    top1, top5, loss_sum, seen = parallel.total(counts).tolist()
    return {"top1": top1 / seen, "top5": top5 / seen, "loss": loss_sum / seen, "images": int(seen)}


def trained_model(path: str | Path) -> Xception:
    """The network in a checkpoint file, ready to infer on the CPU: with averaged weights where the recipe averages."""
    return model_of(load_checkpoint(Path(path)))


def model_of(checkpoint: Checkpoint) -> Xception:
    """The same, of a checkpoint that was read."""
    prefix = "average.module." if "average.n_averaged" in checkpoint.tensors else "model."
    model = xception(Recipe.from_dict(checkpoint.progress["recipe"]).model)
    model.load_state_dict({name.removeprefix(prefix): t for name, t in checkpoint.tensors.items() if name.startswith(prefix)})
    return model.eval()


def command(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Print top-1, top-5, loss, images and seconds of a checkpoint on held-out images; exit status 0."""
    parser.add_argument("--checkpoint", required=True, help="step-NUMBER.safetensors, in the folder checkpoints/ of a run")
    parser.add_argument("--data", help="as for train; by default that of the run, or what the recipe comes with")
    parser.add_argument("--skip-corrupt", action="store_true", help="leave out images that cannot be read, and count them")
    parser.add_argument("--device", help="such as cpu or cuda; by default the GPU if there is one")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    args = parser.parse_args(argv)
    with in_one_line():
        found = evaluate_file(Path(args.checkpoint), data=args.data, skip_corrupt=args.skip_corrupt, device=args.device)
    print(json.dumps(found) if args.format == "json" else as_text(found))
    return 0


def evaluate_file(
    path: Path, *, data: str | None = None, skip_corrupt: bool = False, device: str | None = None
) -> dict[str, Any]:
    """What `evaluate` finds for the network in a checkpoint file, the checkpoint's step, and the seconds that it took."""
    if not path.is_file():
        raise ValueError(f"checkpoint is {str(path)!r}, but must be a file, step-NUMBER.safetensors in a run's checkpoints/")
    chosen, checkpoint = pick_device(device), load_checkpoint(path)
    recipe = Recipe.from_dict(checkpoint.progress["recipe"])
    dataset = load_dataset(recipe, data or checkpoint.progress.get("data"), skip_corrupt=skip_corrupt).to(chosen)
    model = model_of(checkpoint).to(chosen, memory_format=torch.channels_last)
    started = time.perf_counter()
    found = evaluate(model, dataset.held_out(BATCH_SIZE), recipe.image_size, precision=recipe.precision)
    return {"step": checkpoint.progress["step"]} | found | {"seconds": round(time.perf_counter() - started, 3)}


def as_text(found: dict[str, Any]) -> str:
    """One line for a reader."""
    shares = ", ".join(f"{found[key]:.2%} {name}" for key, name in (("top1", "top-1"), ("top5", "top-5")))
    return f"{shares}, loss {found['loss']:.4f} on {found['images']} held-out images in {found['seconds']} s"
