"""The parity table: how far our logits are from Keras', timm's and torchvision's, and what each
planted fault would move.

`make parity` prints it and stores it in results/parity.json.
"""

import importlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import inception_peers
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.peers import (
    SIZES,
    calibrate,
    keras_logits,
    keras_xception,
    photographs,
    timm_xception,
    with_config,
)
from xception_edu import layers
from xception_edu.configs import InceptionV3Config, XceptionConfig
from xception_edu.inception_v3 import InceptionV3
from xception_edu.xception import Xception

network = importlib.import_module("xception_edu.xception")  # the package's own name is a function

TOLERANCE = 5e-5
FAULT_SIZE = (224, 224)  # two pools see the padding here, at 299 one
TIMM_DIALS = {"padding": "symmetric", "bn_eps": 1e-5}


@torch.no_grad()
def difference(ours: Tensor, theirs: Tensor) -> dict[str, float]:
    """Largest absolute difference of the logits, and the deviation of theirs to hold it against."""
    return {"max_difference": (ours - theirs).abs().max().item(), "logit_std": theirs.std().item()}


@torch.no_grad()
def compare(model: Xception, peer: str, size: tuple[int, int]) -> dict[str, float]:
    """Ours against "keras" or "timm" with the same weights, on photographs of `size`."""
    images = photographs(*size)
    if peer == "keras":
        return difference(model(images), keras_logits(keras_xception(model, size), images))
    model = with_config(model, **TIMM_DIALS)
    return difference(model(images), timm_xception(model)(images))


@torch.no_grad()
def compare_inception(model: InceptionV3, peer: str, size: tuple[int, int]) -> dict[str, float]:
    """Inception V3 against "keras" or "torchvision" with the same weights, on photographs of
    `size`.
    """
    images = inception_peers.photographs(*size)[::3]
    if peer == "keras":
        return difference(
            model(images), keras_logits(inception_peers.keras_twin(model, *size), images)
        )
    return difference(model(images), inception_peers.torchvision_twin(model)(images))


# ---- planted faults ------------------------------------------------------------------------------


@contextmanager
def replaced(owner: object, name: str, value: object) -> Iterator[None]:
    """An attribute replaced for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _pointwise_first(self: layers.SeparableConv2d, x: Tensor) -> Tensor:
    # elsewhere the shapes would show it
    if self.pointwise.in_channels == self.pointwise.out_channels:
        return self.depthwise(self.pointwise(x))
    return self.pointwise(self.depthwise(x))


def _without_skip_norms(model: Xception) -> Xception:
    model = with_config(model)
    for block in (*model.entry, model.exit):
        block.skip_bn = nn.Identity()
    return model


def _with_swapped_norms(model: Xception) -> Xception:
    model = with_config(model)
    for block in (*model.entry, model.exit):
        block.skip_bn, block.sep2.bn = block.sep2.bn, block.skip_bn
    return model


def _relu_before_sep3(model: Xception) -> Xception:
    model = with_config(model)
    model.exit.register_forward_hook(lambda module, args, out: F.relu(out))
    return model


def _in_place(model: Xception, images: Tensor) -> Tensor:
    with replaced(
        network, "F", SimpleNamespace(relu=torch.relu_, relu_=F.relu_, max_pool2d=F.max_pool2d)
    ):
        return model(images)


def _order(model: Xception, images: Tensor) -> Tensor:
    with replaced(layers.SeparableConv2d, "forward", _pointwise_first):
        return model(images)


FAULTS: dict[str, Callable[[Xception, Tensor], Tensor]] = {
    "pooling padded symmetrically": lambda model, images: with_config(model, padding="symmetric")(
        images
    ),
    "BN epsilon 1e-5": lambda model, images: with_config(model, bn_eps=1e-5)(images),
    "ReLU in place before the skip": _in_place,
    "no BN on the skips": lambda model, images: _without_skip_norms(model)(images),
    "BN of skip and main path swapped": lambda model, images: _with_swapped_norms(model)(images),
    "ReLU between depthwise and pointwise": lambda model, images: with_config(
        model, activation="relu"
    )(images),
    "pointwise before depthwise": _order,
    "ReLU before Sep 1536": lambda model, images: _relu_before_sep3(model)(images),
}


# ---- the table -----------------------------------------------------------------------------------


@torch.no_grad()
def table() -> dict:
    """Every size against every peer, every fault against Keras, and where it was measured."""
    model = calibrate(Xception(XceptionConfig()))
    rows = [
        {"network": "xception", "size": list(size), "peer": peer} | compare(model, peer, size)
        for peer in ("keras", "timm")
        for size in SIZES
    ]
    dials = {"keras": {"bn_scale": False}, "torchvision": {"padding_counted": True, "aux": True}}
    for peer, chosen in dials.items():
        inception = inception_peers.calibrated(InceptionV3Config(**chosen))
        facts = {"network": "inception_v3", "peer": peer}
        rows += [
            facts | {"size": list(size)} | compare_inception(inception, peer, size)
            for size in SIZES
        ]
    images = photographs(*FAULT_SIZE)
    right = keras_logits(keras_xception(model, FAULT_SIZE), images)
    faults = [
        {"fault": name} | difference(plant(model, images), right) for name, plant in FAULTS.items()
    ]
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    return {
        "command": "make parity",
        "commit": commit,
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "system": platform.system(),
        },
        "versions": {name: version(name) for name in ("torch", "keras", "timm", "torchvision")},
        "seed": 0,
        "dtype": "float32",
        "tolerance": TOLERANCE,
        "parity": rows,
        "faults_at_224_against_keras": faults,
    }


def main(path: str) -> None:
    """Print the table and store it."""
    result = table()
    print(f"{'network':12}  {'size':>9}  {'peer':11}  max difference  logit std")
    for row in result["parity"]:
        size = "x".join(map(str, row["size"]))
        print(
            f"{row['network']:12}  {size:>9}  {row['peer']:11}  {row['max_difference']:14.1e} "
            f" {row['logit_std']:9.2f}"
        )
    print("\nplanted fault                         max difference")
    for row in result["faults_at_224_against_keras"]:
        print(f"{row['fault']:36}  {row['max_difference']:14.2g}")
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
