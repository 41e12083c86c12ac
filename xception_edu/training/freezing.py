"""What learns and what stays, where a network begins with somebody's weights."""

from torch import nn

from xception_edu.recipes.recipe import Recipe
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


def freeze(model: Xception, recipe: Recipe) -> None:
    """Let only that learn which `recipe.unfreeze` names, and fix BN's statistics if it says so.

    "exit" is the exit flow of Figure 5 with the classifier, "none" the classifier alone.
    """
    learning = {"none": CLASSIFIER, "exit": EXIT}.get(recipe.unfreeze)
    for name, part in model.named_children():
        part.requires_grad_(learning is None or name in learning)
    if recipe.bn_statistics == "fixed":
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.__class__ = FixedStatisticsBN  # the same layer, with another `train`
