"""Trained weights by name: the author's for ImageNet, downloaded once, and a small one of ours."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import torch

from xception_edu import checks
from xception_edu.weights.files import read_weight_file

log = logging.getLogger(__name__)

# The author's own release, as Keras downloads it. Keras knows it by MD5
# 0a58e3b7378bc2990ea3b43d5981f1f6.
PUBLISHED = {
    "imagenet": {
        "url": (
            "https://storage.googleapis.com/tensorflow/keras-applications/xception/"
            "xception_weights_tf_dim_ordering_tf_kernels.h5"
        ),
        "sha256": "c5bf1c05b020c4177164039b854c3ef92b16b73384734647c1f0ad5cf79f6975",
    },
}

# Trained here by the recipe of the same name; written by experiments/ship_weights.py, which also
# measured what they reach as they are stored.
SHIPPED = {name: Path(__file__).with_name(f"{name}.safetensors") for name in ("digits", "cifar10")}

NAMES = (*PUBLISHED, *SHIPPED)

# Where a file lay in earlier versions, and scripts may still look for it.
MOVED = {Path(__file__).parents[1] / "cifar10.safetensors": SHIPPED["cifar10"]}


def weights_path(name: str) -> Path:
    """The file of the weights of that name: of ours where it lies, else in torch's folder.

    There it is downloaded if need be. ValueError where it cannot be, or is not what was published,
    says how to bring it there by hand.
    """
    checks.one_of("name", name, NAMES)
    if name in SHIPPED:
        return SHIPPED[name]
    url, sha256 = PUBLISHED[name]["url"], PUBLISHED[name]["sha256"]
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if path.is_file():
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"the folder of downloaded weights, {path.parent}, cannot be made ({error.strerror}):"
            " TORCH_HOME names another"
        ) from error
    try:
        torch.hub.download_url_to_file(url, str(path), hash_prefix=sha256)
    except (OSError, RuntimeError) as error:
        reason = "the file has another SHA-256" if isinstance(error, RuntimeError) else error
        raise ValueError(
            f"the published weights cannot be downloaded ({reason}): on a machine with internet"
            f" download {url}, and put it at {path}"
        ) from error
    return path


def moved(path: Path) -> Path:
    """The path of a file, or of ours where it lies now, with a line that says so."""
    if path.exists() or path.absolute() not in MOVED:
        return path
    new = MOVED[path.absolute()]
    log.warning("%s", checks.line(f"{path} has moved: {new} is read, as --weights {new.stem} does"))
    return new


def shipped_notes(name: str) -> dict[str, Any]:
    """What the file of our own weights says of itself: `recipe`, `classes` and `result`.

    The recipe is a dictionary, the classes are names. The result was measured with the weights as
    they are stored, rounded to 16 bits: `data`, `images`, `top1`, `top5`, `seed`.
    """
    checks.one_of("name", name, SHIPPED)
    notes = read_weight_file(SHIPPED[name]).notes
    return {key: json.loads(notes[key]) for key in ("recipe", "classes", "result")}
