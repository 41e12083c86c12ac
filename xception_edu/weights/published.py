"""Trained weights by name: the author's for ImageNet, downloaded once, and a small network of our
own that comes with us.
"""

import hashlib
import json
import os
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import torch

from xception_edu import checks
from xception_edu.weights.files import read_weight_file

# The author's own release, as Keras downloads it. Keras knows it by MD5
# 0a58e3b7378bc2990ea3b43d5981f1f6.
PUBLISHED = {
    "imagenet": {
        "url": (
            "https://storage.googleapis.com/tensorflow/keras-applications/xception/"
            "xception_weights_tf_dim_ordering_tf_kernels.h5"
        ),
        "sha256": "c5bf1c05b020c4177164039b854c3ef92b16b73384734647c1f0ad5cf79f6975",
        "bytes": 91_884_032,
    },
}

# Trained here by the recipe of the same name; written by experiments/train_seeds.py, which also
# measured what they reach.
SHIPPED = {"cifar10": Path(__file__).with_name("cifar10.safetensors")}

NAMES = (*PUBLISHED, *SHIPPED)


def weights_path(name: str) -> Path:
    """The file of the weights of that name: of ours where it lies, of the author's in torch's
    folder, downloaded if need be.

    Raises ValueError where it cannot be downloaded, or is not what was published, and says how to
    bring it there by hand.
    """
    checks.one_of("name", name, NAMES)
    if name in SHIPPED:
        return SHIPPED[name]
    published = PUBLISHED[name]
    path = Path(torch.hub.get_dir()) / "checkpoints" / published["url"].rsplit("/", 1)[-1]
    if not path.is_file() or sha256(path) != published["sha256"]:
        _download(published, path)
    return path


def shipped_notes(name: str) -> dict[str, Any]:
    """What the file of our own weights says of itself: `recipe` (a dictionary), `classes` (names)
    and `result`.

    The result was measured with the weights as they are stored, rounded to 16 bits: `data`,
    `images`, `top1`, `top5`, `seed`.
    """
    checks.one_of("name", name, SHIPPED)
    notes = read_weight_file(SHIPPED[name]).notes
    return {key: json.loads(notes[key]) for key in ("recipe", "classes", "result")}


def sha256(path: Path) -> str:
    """The file's SHA-256, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(published: dict, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    by_hand = f"on a machine with internet download {published['url']}, and put it at {path}"
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder) / "part"
        try:
            with (
                urllib.request.urlopen(published["url"], timeout=30) as reply,
                part.open("wb") as file,
            ):
                while file.tell() <= published["bytes"] and (block := reply.read(2**20)):
                    file.write(block)
        except OSError as error:
            raise ValueError(
                f"the published weights cannot be downloaded ({error}): {by_hand}"
            ) from error
        if sha256(part) != published["sha256"]:
            raise ValueError(
                f"{published['url']} has SHA-256 {sha256(part)}, but must have"
                f" {published['sha256']}"
            )
        os.replace(part, path)
