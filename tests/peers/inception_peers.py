"""Inception V3 beside torchvision's and Keras': calibrated weights, photographs, and the peers'
networks with our weights.
"""

import functools
import re

import torch
from sklearn.datasets import load_sample_images
from torch import nn
from torch.nn import functional as F

from experiments.peers import define_torchvision_operators
from xception_edu.configs import InceptionV3Config
from xception_edu.inception_v3 import ConvUnit, InceptionV3, inception_v3

LOGIT_STD = 1.4


def photographs(height: int, width: int) -> torch.Tensor:
    """Eight crops of two photographs, (8, 3, height, width), from -1 to 1."""
    crops = []
    for photo in load_sample_images().images:
        image = torch.tensor(photo).permute(2, 0, 1)[None] / 127.5 - 1
        for i in range(4):
            crop = image[:, :, 20 * i : 340 + 20 * i, 60 * i : 400 + 60 * i]
            crops.append(F.interpolate(crop, (height, width), mode="bilinear", align_corners=False))
    return torch.cat(crops)


@torch.no_grad()
def calibrated(config: InceptionV3Config) -> InceptionV3:
    """A network whose every layer has something to say: scale and shift at random, statistics from
    images.

    Shifts are about 0.5, so that most of a map passes its ReLU: around 0, a random network as deep
    as this one enlarges float32's rounding by a thousand, and right looks half wrong (1.5e-4
    against Keras).
    """
    torch.manual_seed(0)
    model = inception_v3(config)
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        if norm.weight is not None:
            norm.weight.uniform_(0.5, 1.5)
        norm.bias.normal_(0.5, 0.2)
        norm.momentum = None  # the statistics of one batch, whole
    images = photographs(299, 299)
    if config.aux:
        model.train().forward_with_aux(images)
    logits = model.train()(images)
    model.classifier.weight *= LOGIT_STD / logits.std()
    return model.eval()


def units(model: InceptionV3) -> list[ConvUnit]:
    """Convolutions with their BN, in the order in which peers define them too, but for the
    auxiliary tower, left out.
    """
    return [
        m
        for name, m in model.named_modules()
        if isinstance(m, ConvUnit) and not name.startswith("aux")
    ]


def torchvision_twin(ours: InceptionV3) -> nn.Module:
    """torchvision's network with the weights of ours, which has an auxiliary tower and counts the
    padding, as theirs does.
    """
    define_torchvision_operators()
    from torchvision.models import inception_v3 as build

    theirs = build(weights=None, aux_logits=True, init_weights=False, transform_input=False).eval()
    pairs = [(unit.conv, unit.bn) for unit in units(ours)] + [
        (u.conv, u.bn) for u in (ours.aux.conv1, ours.aux.conv2)
    ]
    named = [(name, m) for name, m in theirs.named_modules() if type(m).__name__ == "BasicConv2d"]
    blocks = [m for name, m in named if "Aux" not in name] + [
        m for name, m in named if "Aux" in name
    ]
    for (conv, norm), block in zip(pairs, blocks, strict=True):
        block.conv.load_state_dict(conv.state_dict())
        block.bn.load_state_dict(norm.state_dict())
    theirs.fc.load_state_dict(ours.classifier.state_dict())
    theirs.AuxLogits.fc.load_state_dict(ours.aux.classifier.state_dict())
    return theirs


@functools.cache
def keras_twin(ours: InceptionV3, height: int, width: int):
    """Keras' network for one size of image with our weights."""
    from keras.applications import InceptionV3 as Build

    theirs = Build(weights=None, input_shape=(height, width, 3), classifier_activation=None)

    def created(kind: str) -> list:
        # Keras numbers layers as they are made; `layers` stands in another order.
        layers = [layer for layer in theirs.layers if type(layer).__name__ == kind]
        return sorted(layers, key=lambda layer: int(re.search(r"(\d*)$", layer.name)[0] or 0))

    assert len(created("Conv2D")) == len(created("BatchNormalization"))
    for unit, conv, norm in zip(
        units(ours), created("Conv2D"), created("BatchNormalization"), strict=True
    ):
        conv.set_weights([unit.conv.weight.permute(2, 3, 1, 0).numpy()])
        norm.set_weights(
            [unit.bn.bias.numpy(), unit.bn.running_mean.numpy(), unit.bn.running_var.numpy()]
        )
    theirs.layers[-1].set_weights([ours.classifier.weight.T.numpy(), ours.classifier.bias.numpy()])
    return theirs
