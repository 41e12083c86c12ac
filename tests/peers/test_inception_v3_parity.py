"""Our Inception V3 against torchvision's and Keras': the same weights give the same logits.

Runs in the peers' environment, which has torchvision and keras beside our own dependencies. The weights are He's with random
BN scale and shift, and BN statistics from photographs: with a peer's default weights the wrong pooling would go unseen.
"""

import functools
import os
import re

import pytest
import torch
from sklearn.datasets import load_sample_images
from torch import nn
from torch.nn import functional as F

from xception_edu.dials import InceptionV3Config
from xception_edu.inception_v3 import ConvUnit, InceptionV3, inception_v3

os.environ["KERAS_BACKEND"] = "torch"

LOGIT_STD = 1.4
TOLERANCE = 5e-5
WRONG = 0.05  # a planted fault moves some logit by at least so much
SIZES = [(299, 299), (299, 224), (224, 331)]


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
    """A network whose every layer has something to say: scale and shift at random, statistics from images.

    Shifts are about 0.5, so that most of a map passes its ReLU: around 0, a random network as deep as this one enlarges
    float32's rounding by a thousand, and right looks half wrong (1.5e-4 against Keras).
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
    """Convolutions with their BN, in the order in which peers define them too, but for the auxiliary tower, left out."""
    return [m for name, m in model.named_modules() if isinstance(m, ConvUnit) and not name.startswith("aux")]


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    assert ours.shape == theirs.shape
    assert 0.7 < ours.std() < 2.8, "logits too small or large to compare by an absolute tolerance"
    return (ours - theirs).abs().max().item()


# ---- torchvision ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")  # the schemas live as long as the library, and torchvision is imported once
def operator_schemas():
    """Two operators that torchvision's compiled part would define; its import fails without, on another build of torch."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


@pytest.fixture(scope="module")
def torchvision_pair(operator_schemas):
    """Our network, which counts the padding as torchvision does, and torchvision's with the same weights."""
    from torchvision.models import inception_v3 as build

    ours = calibrated(InceptionV3Config(padding_counted=True, aux=True))
    theirs = build(weights=None, aux_logits=True, init_weights=False, transform_input=False).eval()
    pairs = [(unit.conv, unit.bn) for unit in units(ours)] + [(u.conv, u.bn) for u in (ours.aux.conv1, ours.aux.conv2)]
    named = [(name, m) for name, m in theirs.named_modules() if type(m).__name__ == "BasicConv2d"]
    blocks = [m for name, m in named if "Aux" not in name] + [m for name, m in named if "Aux" in name]
    for (conv, norm), block in zip(pairs, blocks, strict=True):
        block.conv.load_state_dict(conv.state_dict())
        block.bn.load_state_dict(norm.state_dict())
    theirs.fc.load_state_dict(ours.classifier.state_dict())
    theirs.AuxLogits.fc.load_state_dict(ours.aux.classifier.state_dict())
    return ours, theirs


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@torch.no_grad()
def test_logits_are_torchvisions(torchvision_pair, size):
    ours, theirs = torchvision_pair
    images = photographs(*size)[::3]
    largest = difference(ours(images), theirs(images))
    print(f"{size[0]}x{size[1]} torchvision {largest:.1e}")
    assert largest <= TOLERANCE


@torch.no_grad()
def test_auxiliary_logits_are_torchvisions(torchvision_pair):
    ours, theirs = torchvision_pair
    images = photographs(299, 299)[::3]
    logits, aux_logits = ours.forward_with_aux(images)
    assert torch.equal(logits, ours(images))
    seen = []
    hook = theirs.Mixed_6e.register_forward_hook(lambda module, args, out: seen.append(out))
    theirs(images)  # gives the auxiliary logits in training only, so its tower is run on what reaches it
    hook.remove()
    largest = (aux_logits - theirs.AuxLogits(seen[0])).abs().max().item()
    assert aux_logits.std() > 0.5
    assert largest <= TOLERANCE


@torch.no_grad()
def test_uncounted_padding_is_seen_against_torchvision(torchvision_pair):
    ours, theirs = torchvision_pair
    wrong = inception_v3(InceptionV3Config(padding_counted=False, aux=True)).eval()
    wrong.load_state_dict(ours.state_dict())
    images = photographs(299, 299)[::3]
    largest = difference(wrong(images), theirs(images))
    print(f"padding not counted, torchvision {largest:.1e}")
    assert largest > WRONG


@torch.no_grad()
def test_another_epsilon_is_seen_against_torchvision(torchvision_pair):
    ours, theirs = torchvision_pair
    wrong = inception_v3(InceptionV3Config(padding_counted=True, aux=True, bn_eps=1e-5)).eval()
    wrong.load_state_dict(ours.state_dict())
    images = photographs(299, 299)[::3]
    largest = difference(wrong(images), theirs(images))
    print(f"epsilon 1e-5, torchvision {largest:.1e}")
    assert largest > WRONG


# ---- Keras ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ours_without_gamma():
    return calibrated(InceptionV3Config(bn_scale=False))


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
    for unit, conv, norm in zip(units(ours), created("Conv2D"), created("BatchNormalization"), strict=True):
        conv.set_weights([unit.conv.weight.permute(2, 3, 1, 0).numpy()])
        norm.set_weights([unit.bn.bias.numpy(), unit.bn.running_mean.numpy(), unit.bn.running_var.numpy()])
    theirs.layers[-1].set_weights([ours.classifier.weight.T.numpy(), ours.classifier.bias.numpy()])
    return theirs


@torch.no_grad()
def keras_logits(theirs, images: torch.Tensor) -> torch.Tensor:
    return theirs(images.permute(0, 2, 3, 1), training=False).cpu()


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@torch.no_grad()
def test_logits_are_keras(ours_without_gamma, size):
    images = photographs(*size)[::3]
    largest = difference(ours_without_gamma(images), keras_logits(keras_twin(ours_without_gamma, *size), images))
    print(f"{size[0]}x{size[1]} keras {largest:.1e}")
    assert largest <= TOLERANCE


@torch.no_grad()
def test_counted_padding_is_seen_against_keras(ours_without_gamma):
    wrong = inception_v3(InceptionV3Config(bn_scale=False, padding_counted=True)).eval()
    wrong.load_state_dict(ours_without_gamma.state_dict())
    images = photographs(299, 299)[::3]
    largest = difference(wrong(images), keras_logits(keras_twin(ours_without_gamma, 299, 299), images))
    print(f"padding counted, keras {largest:.1e}")
    assert largest > WRONG


@torch.no_grad()
def test_keras_counts_the_same_trained_parameters(ours_without_gamma):
    theirs = keras_twin(ours_without_gamma, 299, 299)
    assert theirs.count_params() == 23_851_784  # BN statistics included
    assert sum(p.numel() for p in ours_without_gamma.parameters()) == 23_817_352
