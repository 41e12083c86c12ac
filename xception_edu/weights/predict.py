"""What is on a photograph: any image file to the network's input, and the likeliest classes."""

import argparse
import codecs
import importlib.resources
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from xception_edu import checks
from xception_edu.data.augment import prepare
from xception_edu.data.decoding import preprocessing_of
from xception_edu.data.image_files import (
    MAX_PIXELS,
    add_max_pixels,
    check_max_pixels,
    read_regular,
)
from xception_edu.data.images import load_array, load_image
from xception_edu.recipes.recipe import Recipe
from xception_edu.weights.load import read_weights
from xception_edu.weights.published import NAMES, weights_path

CROP = 299
RESIZED = 333  # 299 / 0.8975, the crop fraction of the published weights
LABELS_BYTES = 2**24  # of a file of class names
LARGEST_IMAGE, MOST_CLASSES = 16384, 10**7
LONGEST = 8  # times the shorter side: what lies beyond cannot reach the center crop


def preprocess(image: Image.Image, size: int | tuple[int, int] = CROP) -> Tensor:
    """An RGB image as (3, height, width) from -1 to 1, as Keras and timm do it.

    `size` is a side or (height, width). The shorter side becomes size / 0.8975 (333 for 299),
    bicubic, then the center is cropped. Mean and standard deviation are 0.5 for every channel.
    """
    high, wide = checks.pair("size", size)
    if max(high, wide) > LARGEST_IMAGE:
        raise checks.wrong("size", size, f"at most {LARGEST_IMAGE}")
    checks.instance("image", image, Image.Image, "a PIL image in RGB")
    if image.mode != "RGB":
        raise checks.wrong("image", image, "a PIL image in RGB: image.convert('RGB')")
    box = middle(image.width, image.height)
    width, height = box[2] - box[0], box[3] - box[1]
    to_wide, to_high = (RESIZED if side == CROP else int(side / 0.8975) for side in (wide, high))
    if to_wide / width >= to_high / height:
        resized = (to_wide, int(height * to_wide / width))
    else:
        resized = (int(width * to_high / height), to_high)
    image = image.resize(resized, Image.Resampling.BICUBIC, box=box)
    left, top = (round((side - crop) / 2) for side, crop in zip(resized, (wide, high), strict=True))
    pixels = np.array(image.crop((left, top, left + wide, top + high)))
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
    num_classes = checks.integer("num_classes", num_classes, at_most=MOST_CLASSES)
    if labels is not None:
        path = checks.path("labels", labels, "the path of a text file")
        names = _lines(path)
        if len(names) != num_classes:
            said = f"has {len(names)} lines, but the network has {num_classes} classes"
            raise ValueError(checks.line(f"labels: {path}: {said}"))
        return names
    if num_classes != 1000:
        return [f"class {i}" for i in range(num_classes)]
    path = importlib.resources.files(__package__) / "imagenet_classes.txt"
    text = path.read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def _lines(path: Path) -> list[str]:
    """The lines of a text file in UTF-8, or UTF-16 as of Windows, without blank ones at its end."""
    try:
        content = read_regular(path, LABELS_BYTES)
        is_utf16 = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except (OSError, ValueError) as error:
        said = f"labels: {path}: cannot be read as class names: {checks.in_words(error)}"
        raise ValueError(checks.line(said)) from error
    return [line.strip() for line in text.rstrip().splitlines()]


class Classifier(NamedTuple):
    """A trained network, and what it needs around it."""

    model: nn.Module
    classes: Sequence[str] | None  # their names, where it brings them
    preprocess: Callable[[str], Tensor]  # a file to the input (channels, height, width)
    multi_label: bool = False  # whether an image may have several classes


def load_classifier(
    weights: str,
    max_pixels: int = MAX_PIXELS,
    *,
    image_size: int | None = None,
    ema: bool = False,
) -> Classifier:
    """The network of that name, of a weight file, or of a checkpoint of `train`.

    Size and scale of the images are those that the file says; where it says nothing, 299 pixels
    from -1 to 1.

    Args:
        weights: a name, or a file of any kind that `import_weights` reads.
        max_pixels: of an image; more are refused.
        image_size: the side to which images are prepared, instead of the file's.
        ema: takes the average of the weights, where the file has one beside them.
    """
    check_max_pixels(max_pixels)
    model, notes = read_weights(weights_path(weights) if weights in NAMES else weights, ema=ema)
    multi_label = notes.multi_label or model.config.num_classes == 1
    if image_size is not None:
        checks.integer("image_size", image_size, at_least=model.config.smallest_input)
    if notes.recipe is not None:
        seen = _as_trained(notes.recipe, image_size, max_pixels)
        return Classifier(model, notes.classes, seen, multi_label)
    if model.config.in_channels != 3:
        raise ValueError(f"{weights}: takes {model.config.in_channels} channels, but images have 3")
    size = image_size or notes.image_size or CROP

    def preprocess_file(file: str) -> Tensor:
        return notes.scaled(preprocess(load_image(file, max_pixels=max_pixels), size))

    return Classifier(model, notes.classes, preprocess_file, multi_label)


def _as_trained(recipe: Recipe, image_size: int | None, max_pixels: int) -> Callable[[str], Tensor]:
    """What makes of a file what the network saw of the images of its validation."""
    if image_size is not None:
        recipe = replace(recipe, image_size=image_size)
    preprocessing = preprocessing_of(recipe, max_pixels)

    def preprocess_file(file: str) -> Tensor:
        images = torch.from_numpy(load_array(file, file, preprocessing))[None]
        return prepare(images, preprocessing.size)[0]

    return preprocess_file


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
    checks.instance("model", model, nn.Module, "a torch.nn.Module")
    if not isinstance(images, Tensor) or images.dim() != 4:
        raise checks.wrong("images", images, "a tensor (N, 3, H, W)")
    top, multi_label = checks.integer("top", top), checks.boolean("multi_label", multi_label)
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
    classifier = load_classifier(
        args.weights, args.max_pixels, image_size=args.image_size, ema=args.ema
    )
    names = names_for(classifier, args.labels)
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


def names_for(classifier: Classifier, labels: str | None) -> Sequence[str]:
    """A name for each class: those that the weights bring, or those of a file.

    ValueError if both are there and differ: what the network calls its classes is not changed by a
    file in another order.
    """
    classes = classifier.model.config.num_classes
    if classifier.classes is None:
        return class_names(classes, labels)
    if labels is not None:
        given, own = set(class_names(classes, labels)), set(classifier.classes)
        if given != own:
            wrong = [
                f"{what} {', '.join(map(checks.shown, sorted(some)[:2]))}"
                for what, some in (("lacks", own - given), ("adds", given - own))
                if some
            ]
            raise ValueError(
                f"labels: {labels} differs from the names that the weights bring: it"
                f" {' and '.join(wrong)}"
            )
    return classifier.classes


def _arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="photographs of any size and mode"
    )
    parser.add_argument(
        "--weights",
        required=True,
        help=(
            "weight file of any kind that import-weights reads, a checkpoint of `train` among them;"
            " or `imagenet` to download; or `cifar10`, which is here and looks at 32x32 pixels."
            " Where a file does not say how images are prepared: 299 pixels, from -1 to 1"
        ),
    )
    parser.add_argument(
        "--labels",
        help="text file with one class name a line (default: the weights' own, or for 1000 classes"
        " ImageNet's)",
    )
    parser.add_argument(
        "--image-size",
        type=int,
        help="pixels a side that the network sees (default: as the weights say, or 299)",
    )
    parser.add_argument("--ema", action="store_true", help="take the file's average of the weights")
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
    return "\n".join(map(checks.escaped, [result["file"], *guesses]))
