"""What is on a photograph: any image file to the network's input, and the likeliest classes."""

import argparse
import codecs
import importlib.resources
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from xception_edu import checks
from xception_edu.data.augment import prepare
from xception_edu.data.decoding import preprocessing_of
from xception_edu.data.image_files import MAX_PIXELS, add_max_pixels, read_regular
from xception_edu.data.images import load_array, load_image
from xception_edu.recipes.recipe import Recipe
from xception_edu.training.checkpoints import is_checkpoint, load_checkpoint
from xception_edu.training.evaluate import model_of
from xception_edu.weights.load import import_weights, load_pretrained
from xception_edu.weights.published import NAMES, SHIPPED, shipped_notes

CROP = 299
RESIZED = 333  # 299 / 0.8975, the crop fraction of the published weights
LABELS_BYTES = 2**24  # of a file of class names
LONGEST = 8  # times the shorter side: what lies beyond cannot reach the center crop


def preprocess(image: Image.Image, size: int = CROP) -> Tensor:
    """An RGB image as (3, size, size) from -1 to 1, as Keras and timm do it.

    The shorter side becomes size / 0.8975 (333 for 299), bicubic, then the center is cropped. Mean
    and standard deviation are 0.5 for every channel.
    """
    checks.integer("size", size)
    box = middle(image.width, image.height)
    short = RESIZED if size == CROP else int(size / 0.8975)
    width, height = box[2] - box[0], box[3] - box[1]
    scale = short / min(width, height)
    resized = (short, int(height * scale)) if width <= height else (int(width * scale), short)
    image = image.resize(resized, Image.Resampling.BICUBIC, box=box)
    left, top = (round((side - size) / 2) for side in resized)
    pixels = np.array(image.crop((left, top, left + size, top + size)))
    return torch.from_numpy(pixels).permute(2, 0, 1).float().div(255).sub(0.5).div(0.5)


def middle(width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a very long image without its ends, else of all of it.

    The ends cost memory, and would be cropped away anyway.
    """
    longest = LONGEST * min(width, height)
    left, top = max(width - longest, 0) // 2, max(height - longest, 0) // 2
    return left, top, width - left, height - top


def class_names(num_classes: int, labels: str | os.PathLike[str] | None = None) -> list[str]:
    """A name for each class: from a file with one a line, or ImageNet's, or "class 0" and so on.

    ImageNet's are those of 1000 classes.
    """
    if labels is not None:
        names = _lines(labels)
        if len(names) != num_classes:
            raise ValueError(
                f"{os.fspath(labels)}: has {len(names)} lines, but the network has {num_classes}"
                " classes"
            )
        return names
    if num_classes != 1000:
        return [f"class {i}" for i in range(num_classes)]
    path = importlib.resources.files(__package__) / "imagenet_classes.txt"
    text = path.read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def _lines(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a text file in UTF-8, or UTF-16 as of Windows, without blank ones at its end."""
    try:
        content = read_regular(path, LABELS_BYTES)
        is_utf16 = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except (OSError, ValueError) as error:
        raise ValueError(
            checks.line(f"{os.fspath(path)}: cannot be read as class names: {error}")
        ) from error
    return [line.strip() for line in text.rstrip().splitlines()]


class Classifier(NamedTuple):
    """A trained network, and what it needs around it."""

    model: nn.Module
    classes: Sequence[str] | None  # their names, where it brings them
    preprocess: Callable[[str], Tensor]  # a file to the input (channels, size, size)
    multi_label: bool = False  # whether an image may have several classes


def load_classifier(weights: str, max_pixels: int = MAX_PIXELS) -> Classifier:
    """The network of that name, of a weight file, or of a checkpoint of `train`."""
    if weights in SHIPPED:
        notes = shipped_notes(weights)
        size = notes["recipe"]["image_size"]
        model = load_pretrained(weights)
        return Classifier(
            model,
            notes["classes"],
            lambda path: preprocess(load_image(path, max_pixels=max_pixels), size),
        )
    if weights not in NAMES and is_checkpoint(Path(weights)):
        return _trained(Path(weights), max_pixels)
    model = load_pretrained(weights) if weights in NAMES else import_weights(weights)
    if model.config.in_channels != 3:
        raise ValueError(f"{weights}: takes {model.config.in_channels} channels, but images have 3")
    return Classifier(model, None, lambda path: preprocess(load_image(path, max_pixels=max_pixels)))


def _trained(path: Path, max_pixels: int) -> Classifier:
    """The network of a checkpoint, which sees a file as it saw the images of its validation."""
    checkpoint = load_checkpoint(path)
    recipe = Recipe.from_dict(checkpoint.progress["recipe"])
    preprocessing, classes = (
        preprocessing_of(recipe, max_pixels),
        checkpoint.progress.get("classes"),
    )

    def preprocess_file(file: str) -> Tensor:
        images = torch.from_numpy(load_array(file, file, preprocessing))[None]
        return prepare(images, preprocessing.size)[0]

    return Classifier(model_of(checkpoint), classes, preprocess_file, recipe.labels == "many")


@torch.no_grad()
def predict(
    model: nn.Module, images: Tensor, top: int = 5, *, multi_label: bool = False
) -> list[list[tuple[int, float]]]:
    """For each image the likeliest classes first, as (index, probability).

    Args:
        model: any network that classifies.
        images: (N, 3, H, W), as `preprocess` makes them.
        top: how many classes are given for each.
        multi_label: the probabilities of an image are each by itself, and do not add up to 1.
    """
    logits = model(images)
    probabilities = logits.sigmoid() if multi_label else logits.softmax(dim=1)
    values, classes = probabilities.topk(min(top, probabilities.shape[1]))
    rows = zip(classes.tolist(), values.tolist(), strict=True)
    return [list(zip(*row, strict=True)) for row in rows]


def command(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """`python -m xception_edu predict`: print the five likeliest classes of every image.

    Exit status 1 if one could not be read.
    """
    args = _arguments(parser).parse_args(argv)
    classifier = load_classifier(args.weights, args.max_pixels)
    names = None if args.labels else classifier.classes
    names = names or class_names(classifier.model.config.num_classes, args.labels)
    results, failed = [], 0
    for path in args.images:
        try:
            results.append(_result(classifier, path, names))
        except ValueError as error:
            print(checks.line(f"{parser.prog}: error: {error}"), file=sys.stderr)
            failed = 1
    if args.format == "json":
        print(json.dumps(results, indent=2))
    else:
        print("\n".join(map(_as_text, results)))
    return failed


def _arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
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
    add_max_pixels(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text")
    return parser


def _result(classifier: Classifier, path: str, names: Sequence[str]) -> dict[str, Any]:
    """The likeliest classes of an image file; ValueError if it cannot be read."""
    images = classifier.preprocess(path)[None]
    [top] = predict(classifier.model, images, multi_label=classifier.multi_label)
    guesses = [{"class": i, "name": names[i], "probability": p} for i, p in top]
    return {"file": path, "top": guesses}


def _as_text(result: dict[str, Any]) -> str:
    guesses = [f"  {guess['probability']:.4f}  {guess['name']}" for guess in result["top"]]
    return "\n".join([result["file"], *guesses])
