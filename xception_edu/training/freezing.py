"""What learns and what stays: parts of a network with somebody's weights, or spatial kernels."""

import torch
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


# What the depthwise kernels of the Xception that was trained on ImageNet nearly are, as a column
# times a row: a box, a Gaussian, the identity, differences to the neighbors above, below, left and
# right, and two columns.
BOX, BELL, ONE, BEFORE, AFTER, PAIR = (
    (1.0, 1.0, 1.0),
    (1.0, 2.0, 1.0),
    (0.0, 1.0, 0.0),
    (1.0, -1.0, 0.0),
    (0.0, 1.0, -1.0),
    (1.0, 1.0, 0.0),
)
PATTERNS = (
    (BOX, BOX),
    (BELL, BELL),
    (ONE, ONE),
    (BEFORE, BELL),
    (AFTER, BELL),
    (BELL, BEFORE),
    (BELL, AFTER),
    (BELL, PAIR),
)


def patterns() -> Tensor:
    """The eight patterns (8, 3, 3), as large as He weights of a depthwise kernel are on average."""
    kernels = torch.stack([torch.outer(torch.tensor(a), torch.tensor(b)) for a, b in PATTERNS])
    norms = kernels.flatten(1).norm(dim=1)
    scaled: Tensor = kernels / norms.view(-1, 1, 1) * 2**0.5
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
    chosen = patterns()[torch.arange(channels) % len(PATTERNS)] * signs
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
