"""VGG-style networks in torch: plain stacks of 3x3 convolutions (Section 2).

Tensors are (N, C, H, W).
"""

from itertools import pairwise

from torch import Tensor, nn

from xception_edu import checks
from xception_edu.configs import VGGConfig
from xception_edu.layers import he_init


class VGG(nn.Module):
    """A VGG-style network; VGG-16 by default.

    Stages of [3x3 convolution, ReLU], each closed by 2x2 max pooling, then fully connected layers.

    Shape: (N, in_channels, input_size, input_size) to logits (N, num_classes).
    """

    def __init__(self, config: VGGConfig = VGGConfig()):
        super().__init__()
        self.config = checks.instance("config", config, VGGConfig, "a VGGConfig")
        _check_size(config)
        self.features = nn.Sequential()
        channels, side = config.in_channels, config.input_size
        for width, depth in zip(config.widths, config.depths, strict=True):
            for _ in range(depth):
                self.features.extend([nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()])
                channels = width
            self.features.append(nn.MaxPool2d(2))
            side //= 2
        self.classifier = nn.Sequential()
        features = channels * side * side
        for width in config.fc_widths:
            self.classifier.extend([nn.Linear(features, width), nn.ReLU()])
            features = width
        self.classifier.append(nn.Linear(features, config.num_classes))
        self.apply(he_init)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, in_channels, input_size, input_size) to logits (N, num_classes)."""
        expected = (self.config.in_channels, self.config.input_size, self.config.input_size)
        if x.dim() != 4 or tuple(x.shape[1:]) != expected:
            raise ValueError(
                f"x has shape {tuple(x.shape)}, but must be (N, {', '.join(map(str, expected))})"
            )
        logits: Tensor = self.classifier(self.features(x).flatten(1))
        return logits


def _check_size(config: VGGConfig) -> None:
    """ValueError where the weights do not fit the machine's memory."""
    weights, channels = 0, config.in_channels
    for width, depth in zip(config.widths, config.depths, strict=True):
        weights += 9 * width * (channels + (depth - 1) * width)
        channels = width
    features = channels * (config.input_size >> len(config.widths)) ** 2
    widths = [features, *config.fc_widths, config.num_classes]
    weights += sum(n * m for n, m in pairwise(widths))
    checks.fits("config", config, weights)


def vgg(config: VGGConfig = VGGConfig()) -> VGG:
    """Build the network that `config` says, with He weights."""
    return VGG(config)
