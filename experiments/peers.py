"""The peers, with weights that a parity test can see: He kernels, random gamma and beta, BN
statistics of real images.
"""

import dataclasses
import importlib
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import numpy as np
import torch
from sklearn.datasets import load_sample_images
from torch import Tensor, nn
from torch.nn import functional as F

from xception_edu.layers import he_init
from xception_edu.weights.load import timm_state_dict
from xception_edu.weights.names import WEIGHTS, xception_layers
from xception_edu.xception import Xception

SIZES = ((299, 299), (224, 224), (300, 300), (331, 331), (299, 224))
_schemas = []


def define_torchvision_operators() -> None:
    """Let torchvision import beside a torch that it was not built for: it asks for the schemas of
    two operators.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError:  # operator torchvision::nms does not exist
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _schemas.append(library)  # the schemas live as long as the library
        importlib.import_module("torchvision")


def photographs(height: int, width: int, count: int = 1) -> Tensor:
    """Crops of scikit-learn's two photographs, (count, 3, height, width) from -1 to 1."""
    photos = [
        torch.tensor(image).permute(2, 0, 1)[None].float() / 127.5 - 1
        for image in load_sample_images().images
    ]
    crops = [
        photo[:, :, 20 * i : 400 + 20 * i, 20 * i : 400 + 20 * i]
        for i in range((count + 1) // 2)
        for photo in photos
    ]
    return torch.cat([F.interpolate(crop, (height, width), mode="area") for crop in crops[:count]])


@torch.no_grad()
def calibrate(model: Xception, seed: int = 0) -> Xception:
    """He kernels, random gamma, beta and classifier, BN statistics of photographs, logits scaled to
    a deviation near 1.4.
    """
    torch.manual_seed(seed)
    model.apply(he_init)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.uniform_(0.8, 1.2)
        norm.bias.normal_(std=0.1)
        norm.reset_running_stats()
        norm.momentum = None  # a plain average
    images = photographs(299, 299, count=4)
    model.train()(images)
    for norm in norms:
        norm.momentum = 0.01
    model.eval()
    logits = model(images)
    model.classifier.weight.mul_(1.4 / logits.std())
    model.classifier.bias.normal_(std=0.1)
    return model


def with_config(model: Xception, **dials) -> Xception:
    """The same weights under other dials."""
    other = Xception(dataclasses.replace(model.config, **dials))
    other.load_state_dict(model.state_dict())
    return other.eval()


def timm_xception(model: Xception) -> nn.Module:
    """Timm's legacy_xception with the weights of ours, which must have timm's padding and
    epsilon.
    """
    define_torchvision_operators()
    import timm

    peer = timm.create_model("legacy_xception", pretrained=False)
    peer.load_state_dict(timm_state_dict(model), strict=True)
    return peer.eval()


def keras_xception(model: Xception, size: tuple[int, int] = (299, 299), policy: str = "float32"):
    """Keras' Xception for images of one size, without softmax, with the weights of ours, and of a
    dtype policy: that of its weights and maps.
    """
    import keras

    keras.config.set_dtype_policy(policy)
    peer = keras.applications.Xception(
        weights=None, classifier_activation=None, input_shape=(*size, 3)
    )
    keras.config.set_dtype_policy("float32")
    layers = xception_layers()
    named = {layer.keras: layer for layer in layers}
    unnamed = {
        kind: iter([x for x in layers if x.kind == kind and not x.keras])
        for kind in ("conv", "batch_norm")
    }
    state = model.state_dict()
    for layer in peer.layers:
        if not layer.weights:
            continue
        ours = named.get(layer.name) or next(
            unnamed["conv" if len(layer.weights) == 1 else "batch_norm"]
        )
        layer.set_weights(
            [_as_keras(state[f"{ours.ours}.{name}"], name) for name, _, _ in WEIGHTS[ours.kind]]
        )
    return peer


def _as_keras(tensor: Tensor, name: str) -> np.ndarray:
    if tensor.dim() == 4:
        tensor = (
            tensor.permute(2, 3, 0, 1)
            if name.startswith("depthwise")
            else tensor.permute(2, 3, 1, 0)
        )
    return (tensor.t() if tensor.dim() == 2 else tensor).numpy()


@torch.no_grad()
def keras_logits(peer, images: Tensor) -> Tensor:
    """What Keras says to (N, 3, H, W) images, which it wants as (N, H, W, 3)."""
    return peer(images.permute(0, 2, 3, 1).contiguous(), training=False)
