"""What learns and what stays: parts of a network with somebody's weights, or spatial kernels."""

from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from xception_edu.recipes.recipe import Recipe
from xception_edu.segmented_conv import SegmentedConv2d
from xception_edu.xception import Xception

CLASSIFIER = ("fc", "classifier")
EXIT = ("exit", "sep3", "sep4", *CLASSIFIER)


class FixedStatisticsBN(nn.BatchNorm2d):
    """Batch normalization that normalizes with its running statistics, in training too.

    Gamma and beta learn like other weights. Keras does the same to a layer whose `trainable` is
    false, and to a base that is called with `training=False`.
    """

    def train(self, mode: bool = True) -> "FixedStatisticsBN":
        """Stay in eval mode, whatever is asked for."""
        super().train(False)
        return self


# Written by `experiments/ship_imagenet_kernels.py`.
PUBLISHED = Path(__file__).parents[1] / "weights" / "imagenet_kernels.safetensors"


def patterns() -> Tensor:
    """The eight patterns (8, 3, 3) that the kernels of an Xception trained on ImageNet nearly are,
    as large as He weights of a depthwise kernel are on average.
    """
    with safe_open(PUBLISHED, framework="pt") as file:
        kernels: Tensor = file.get_tensor("patterns").float()
    scaled: Tensor = kernels / kernels.flatten(1).norm(dim=1).view(-1, 1, 1) * 2**0.5
    return scaled


def freeze_spatial_kernels(model: Xception, kind: str) -> None:
    """Let the segmented kernels of the separable layers stay as they begin, where `kind` is not
    "trained"; "patterns" sets channel i's to pattern i modulo 8, with a sign at random.
    """
    if kind == "trained":
        return
    for module in model.modules():
        if isinstance(module, SegmentedConv2d):
            for weight in module.weights:
                weight.requires_grad_(False)
                if kind == "patterns":
                    _set_patterns(weight)


def _set_patterns(weight: Tensor) -> None:
    """Set depthwise kernels (channels, 1, 3, 3)."""
    channels = len(weight)
    signs = torch.randint(2, (channels, 1, 1)) * 2.0 - 1
    known = patterns()
    chosen = known[torch.arange(channels) % len(known)] * signs
    with torch.no_grad():
        weight.copy_(chosen[:, None])


def freeze(model: Xception, recipe: Recipe) -> None:
    """Let only that learn which `recipe.unfreeze` names, and fix BN's statistics if it says so.

    "exit" is the exit flow of Figure 5 with the classifier, "none" the classifier alone.
    """
    learning = {"none": CLASSIFIER, "exit": EXIT}.get(recipe.unfreeze)
    for name, part in model.named_children():
        part.requires_grad_(learning is None or name in learning)
    freeze_spatial_kernels(model, recipe.spatial_kernels)
    if recipe.bn_statistics == "fixed":
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.__class__ = FixedStatisticsBN  # the same layer, with another `train`
