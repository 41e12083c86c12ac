"""What is on a photograph: any image file to the network's input, and the five likeliest classes."""

import argparse
import importlib.resources
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from xception_edu import checks
from xception_edu.images import load_image
from xception_edu.published import NAMES, SHIPPED, shipped_notes
from xception_edu.weights import import_weights, load_pretrained

CROP = 299
RESIZED = 333  # 299 / 0.8975, the crop fraction of the published weights
TALLEST = 8  # times the shorter side: what lies beyond cannot reach the center crop


def preprocess(image: Image.Image, size: int = CROP) -> Tensor:
    """RGB image to (3, size, size) from -1 to 1: shorter side to size / 0.8975, bicubic, then the center (Keras' and timm's).

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
    """Cut the ends of a very long image, which would cost memory and be cropped away in any case."""
    width, height = image.size
    most = TALLEST * min(width, height)
    cut_x, cut_y = max(width - most, 0) // 2, max(height - most, 0) // 2
    return image.crop((cut_x, cut_y, width - cut_x, height - cut_y)) if cut_x or cut_y else image


def class_names(num_classes: int, labels: str | os.PathLike[str] | None = None) -> list[str]:
    """A name for each class: from a file with one a line; else ImageNet's for 1000 classes; else "class 0" and so on."""
    if labels is not None:
        try:
            names = Path(labels).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{os.fspath(labels)}: cannot be read as class names: {error}") from error
        if len(names) != num_classes:
            raise ValueError(f"{os.fspath(labels)}: has {len(names)} lines, but the network has {num_classes} classes")
        return names
    if num_classes != 1000:
        return [f"class {i}" for i in range(num_classes)]
    text = (importlib.resources.files("xception_edu") / "imagenet_classes.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, top: int = 5) -> list[list[tuple[int, float]]]:
    """For each of (N, 3, H, W) images the likeliest classes, most likely first, as (index, probability)."""
    probabilities = model(images).softmax(dim=1)
    values, classes = probabilities.topk(min(top, probabilities.shape[1]))
    return [list(zip(c, v, strict=True)) for c, v in zip(classes.tolist(), values.tolist(), strict=True)]


def command(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """`python -m xception_edu predict`: print the top five of every image; exit status 1 if one could not be read."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="photographs of any size and mode")
    parser.add_argument(
        "--weights",
        required=True,
        help="weight file of any supported kind, for images from -1 to 1 as Keras and torchvision publish them; "
        "or `imagenet` to download; or `cifar10`, which is here and looks at 32x32 pixels",
    )
    parser.add_argument("--labels", help="text file with one class name a line (default for 1000 classes: ImageNet's)")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    args = parser.parse_args(argv)
    model = load_pretrained(args.weights) if args.weights in NAMES else import_weights(args.weights)
    if model.config.in_channels != 3:
        raise ValueError(f"{args.weights}: takes {model.config.in_channels} channels, but images have 3")
    names, size = class_names(model.config.num_classes, args.labels), CROP
    if args.weights in SHIPPED:
        notes = shipped_notes(args.weights)
        names, size = names if args.labels else notes["classes"], notes["recipe"]["image_size"]
    results, failed = [], 0
    for path in args.images:
        try:
            [top] = predict(model, preprocess(load_image(path), size)[None])
        except ValueError as error:
            print(f"{parser.prog}: error: {error}", file=sys.stderr)
            failed = 1
            continue
        results.append({"file": path, "top": [{"class": i, "name": names[i], "probability": p} for i, p in top]})
    print(json.dumps(results, indent=2) if args.format == "json" else "\n".join(map(_as_text, results)))
    return failed


def _as_text(result: dict) -> str:
    return "\n".join([result["file"], *(f"  {guess['probability']:.4f}  {guess['name']}" for guess in result["top"])])
