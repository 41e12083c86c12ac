"""What is on a photograph: any image file to the network's input, and the five likeliest
classes.
"""

import argparse
import importlib.resources
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from xception_edu import checks
from xception_edu.data.augment import prepare
from xception_edu.data.decoding import view_of
from xception_edu.data.images import load_image, view
from xception_edu.recipes.recipe import Recipe
from xception_edu.training.checkpoints import is_checkpoint, load_checkpoint
from xception_edu.training.evaluate import model_of
from xception_edu.weights.load import import_weights, load_pretrained
from xception_edu.weights.published import NAMES, SHIPPED, shipped_notes

CROP = 299
RESIZED = 333  # 299 / 0.8975, the crop fraction of the published weights
TALLEST = 8  # times the shorter side: what lies beyond cannot reach the center crop


def preprocess(image: Image.Image, size: int = CROP) -> Tensor:
    """RGB image to (3, size, size) from -1 to 1: shorter side to size / 0.8975, bicubic, then the
    center (Keras' and timm's).

    For 299 the shorter side becomes 333. Mean and standard deviation are 0.5 for every channel.
    """
    checks.integer("size", size)
    image = _without_ends(image)
    short = RESIZED if size == CROP else int(size / 0.8975)
    width, height = image.size
    scale = short / min(width, height)
    resized = (short, int(height * scale)) if width <= height else (int(width * scale), short)
    image = image.resize(resized, Image.Resampling.BICUBIC)
    left, top = (round((side - size) / 2) for side in resized)
    pixels = np.array(image.crop((left, top, left + size, top + size)))
    return torch.from_numpy(pixels).permute(2, 0, 1).float().div(255).sub(0.5).div(0.5)


def _without_ends(image: Image.Image) -> Image.Image:
    """Cut the ends of a very long image, which would cost memory and be cropped away in any
    case.
    """
    width, height = image.size
    most = TALLEST * min(width, height)
    cut_x, cut_y = max(width - most, 0) // 2, max(height - most, 0) // 2
    return image.crop((cut_x, cut_y, width - cut_x, height - cut_y)) if cut_x or cut_y else image


def class_names(num_classes: int, labels: str | os.PathLike[str] | None = None) -> list[str]:
    """A name for each class: from a file with one a line; else ImageNet's for 1000 classes; else
    "class 0" and so on.
    """
    if labels is not None:
        try:
            names = Path(labels).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{os.fspath(labels)}: cannot be read as class names: {error}"
            ) from error
        if len(names) != num_classes:
            raise ValueError(
                f"{os.fspath(labels)}: has {len(names)} lines, but the network has {num_classes}"
                " classes"
            )
        return names
    if num_classes != 1000:
        return [f"class {i}" for i in range(num_classes)]
    text = (importlib.resources.files(__package__) / "imagenet_classes.txt").read_text(
        encoding="utf-8"
    )
    return [line for line in text.splitlines() if not line.startswith("#")]


class Known(NamedTuple):
    """A trained network: its classes' names where it brings them, and how a file becomes its input
    (channels, side, side).
    """

    model: nn.Module
    classes: Sequence[str] | None
    see: Callable[[str], Tensor]
    many: bool = False  # whether an image may have several classes


def known(weights: str) -> Known:
    """The network of that name, of a weight file of any supported kind, or of a checkpoint of
    `train`.
    """
    if weights in SHIPPED:
        notes = shipped_notes(weights)
        size = notes["recipe"]["image_size"]
        return Known(
            load_pretrained(weights),
            notes["classes"],
            lambda path: preprocess(load_image(path), size),
        )
    if weights not in NAMES and is_checkpoint(Path(weights)):
        return _trained(Path(weights))
    model = load_pretrained(weights) if weights in NAMES else import_weights(weights)
    if model.config.in_channels != 3:
        raise ValueError(f"{weights}: takes {model.config.in_channels} channels, but images have 3")
    return Known(model, None, lambda path: preprocess(load_image(path)))


def _trained(path: Path) -> Known:
    """The network of a checkpoint, which sees a file as it saw held-out images."""
    checkpoint = load_checkpoint(path)
    recipe = Recipe.from_dict(checkpoint.progress["recipe"])
    how = view_of(recipe)

    def see(file: str) -> Tensor:
        return prepare(torch.from_numpy(view(file, file, how))[None], how.side)[0]

    return Known(
        model_of(checkpoint), checkpoint.progress.get("classes"), see, recipe.labels == "many"
    )


@torch.no_grad()
def predict(
    model: nn.Module, images: Tensor, top: int = 5, *, many: bool = False
) -> list[list[tuple[int, float]]]:
    """For each of (N, 3, H, W) images the likeliest classes, most likely first, as (index,
    probability).

    Of a network for `many` classes an image each probability is by itself; otherwise all of them
    add up to 1.
    """
    logits = model(images)
    probabilities = logits.sigmoid() if many else logits.softmax(dim=1)
    values, classes = probabilities.topk(min(top, probabilities.shape[1]))
    return [
        list(zip(c, v, strict=True)) for c, v in zip(classes.tolist(), values.tolist(), strict=True)
    ]


def command(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """`python -m xception_edu predict`: print the top five of every image; exit status 1 if one
    could not be read.
    """
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="photographs of any size and mode"
    )
    parser.add_argument(
        "--weights",
        required=True,
        help=(
            "weight file of any supported kind, for images from -1 to 1 as Keras and torchvision"
            " publish them; or `imagenet` to download; or `cifar10`, which is here and looks at"
            " 32x32 pixels; or a checkpoint of `train`"
        ),
    )
    parser.add_argument(
        "--labels",
        help="text file with one class name a line (default for 1000 classes: ImageNet's)",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    args = parser.parse_args(argv)
    network = known(args.weights)
    given = None if args.labels else network.classes
    names = given or class_names(network.model.config.num_classes, args.labels)
    results, failed = [], 0
    for path in args.images:
        try:
            [top] = predict(network.model, network.see(path)[None], many=network.many)
        except ValueError as error:
            print(f"{parser.prog}: error: {error}", file=sys.stderr)
            failed = 1
            continue
        results.append(
            {
                "file": path,
                "top": [{"class": i, "name": names[i], "probability": p} for i, p in top],
            }
        )
    print(
        json.dumps(results, indent=2)
        if args.format == "json"
        else "\n".join(map(_as_text, results))
    )
    return failed


def _as_text(result: dict) -> str:
    return "\n".join(
        [
            result["file"],
            *(f"  {guess['probability']:.4f}  {guess['name']}" for guess in result["top"]),
        ]
    )
