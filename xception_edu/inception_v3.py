"""Inception V3 (Szegedy et al., arXiv 1512.00567) in torch.

The network that the paper builds on and compares with.

Module names are those of the Inception papers (A at side 35, B at 17, C at 8, reductions between).
Tensors are (N, C, H, W); shapes in comments are for a 299x299 image.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xception_edu import checks
from xception_edu.configs import InceptionV3Config
from xception_edu.layers import he_init


class WithAux(NamedTuple):
    """Logits of the classifier and of the auxiliary tower, each (N, num_classes)."""

    logits: Tensor
    aux_logits: Tensor


class ConvUnit(nn.Module):
    """Convolution, BN, ReLU; in variant "paper_count" convolution with bias, ReLU, BN.

    Shape: (N, in_channels, H, W) to (N, out_channels, H', W'). padding None is half the kernel.
    """

    def __init__(
        self,
        config: InceptionV3Config,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | None = None,
    ):
        super().__init__()
        self.relu_before_bn = config.variant == "paper_count"
        kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        half = (kernel[0] // 2, kernel[1] // 2)
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            stride,
            half if padding is None else padding,
            bias=self.relu_before_bn,
        )
        # torch's 0.01 is Keras' 0.99
        self.bn = nn.BatchNorm2d(out_channels, eps=config.bn_eps, momentum=0.01)
        if not config.bn_scale:
            self.bn.weight = None  # type: ignore[assignment]  # no gamma: not in the state

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H', W')."""
        if self.relu_before_bn:
            y: Tensor = self.bn(F.relu(self.conv(x)))
            return y
        return F.relu(self.bn(self.conv(x)))


class InceptionA(nn.Module):
    """Figure 1 at side 35, with one 5x5 where the figure draws a 3x3.

    Shape: (N, C, H, W) to (N, 224 + pool, H, W).
    """

    def __init__(self, config: InceptionV3Config, channels: int, pool: int):
        super().__init__()
        self.padding_counted = config.padding_counted
        self.tower1 = ConvUnit(config, channels, 64, 1)
        self.tower2 = nn.Sequential(ConvUnit(config, channels, 48, 1), ConvUnit(config, 48, 64, 5))
        self.tower3 = nn.Sequential(
            ConvUnit(config, channels, 64, 1),
            ConvUnit(config, 64, 96, 3),
            ConvUnit(config, 96, 96, 3),
        )
        self.tower4 = ConvUnit(config, channels, pool, 1)  # behind the average pool
        self.out_channels = 64 + 64 + 96 + pool

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, out_channels, H, W)."""
        towers = [
            self.tower1(x),
            self.tower2(x),
            self.tower3(x),
            self.tower4(average_pool(x, self.padding_counted)),
        ]
        return torch.cat(towers, dim=1)


class ReductionA(nn.Module):
    """Side 35 to 17 by strides without padding.

    Shape: (N, C, H, W) to (N, 480 + C, (H - 1) // 2, (W - 1) // 2).
    """

    def __init__(self, config: InceptionV3Config, channels: int):
        super().__init__()
        self.tower1 = ConvUnit(config, channels, 384, 3, stride=2, padding=0)
        self.tower2 = nn.Sequential(
            ConvUnit(config, channels, 64, 1),
            ConvUnit(config, 64, 96, 3),
            ConvUnit(config, 96, 96, 3, stride=2, padding=0),
        )
        self.out_channels = 384 + 96 + channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, out_channels, (H - 1) // 2, (W - 1) // 2)."""
        return torch.cat([self.tower1(x), self.tower2(x), F.max_pool2d(x, 3, stride=2)], dim=1)


class InceptionB(nn.Module):
    """Side 17: 7x7 convolutions as 1x7 and 7x1, `width` wide inside.

    `double` is where the tower with two 7x7 starts.

    Shape: (N, C, H, W) to (N, 768, H, W).
    """

    out_channels = 4 * 192

    def __init__(self, config: InceptionV3Config, channels: int, width: int, double: int):
        super().__init__()
        self.padding_counted = config.padding_counted
        self.tower1 = ConvUnit(config, channels, 192, 1)
        self.tower2 = nn.Sequential(
            ConvUnit(config, channels, width, 1),
            ConvUnit(config, width, width, (1, 7)),
            ConvUnit(config, width, 192, (7, 1)),
        )
        self.tower3 = nn.Sequential(
            ConvUnit(config, channels, double, 1),
            ConvUnit(config, double, width, (7, 1)),
            ConvUnit(config, width, width, (1, 7)),
            ConvUnit(config, width, width, (7, 1)),
            ConvUnit(config, width, 192, (1, 7)),
        )
        self.tower4 = ConvUnit(config, channels, 192, 1)  # behind the average pool

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, 768, H, W)."""
        towers = [
            self.tower1(x),
            self.tower2(x),
            self.tower3(x),
            self.tower4(average_pool(x, self.padding_counted)),
        ]
        return torch.cat(towers, dim=1)


class ReductionB(nn.Module):
    """Side 17 to 8 by strides without padding.

    Shape: (N, C, H, W) to (N, 512 + C, (H - 1) // 2, (W - 1) // 2).
    """

    def __init__(self, config: InceptionV3Config, channels: int):
        super().__init__()
        self.averaged = config.last_reduction_pool == "average"
        self.tower1 = nn.Sequential(
            ConvUnit(config, channels, 192, 1), ConvUnit(config, 192, 320, 3, stride=2, padding=0)
        )
        self.tower2 = nn.Sequential(
            ConvUnit(config, channels, 192, 1),
            ConvUnit(config, 192, 192, (1, 7)),
            ConvUnit(config, 192, 192, (7, 1)),
            ConvUnit(config, 192, 192, 3, stride=2, padding=0),
        )
        self.out_channels = 320 + 192 + channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, out_channels, (H - 1) // 2, (W - 1) // 2)."""
        pool = F.avg_pool2d if self.averaged else F.max_pool2d
        return torch.cat([self.tower1(x), self.tower2(x), pool(x, 3, stride=2)], dim=1)


class Fork(nn.Module):
    """A 1x3 and a 3x1 side by side, the end of InceptionC's towers.

    Shape: (N, in_channels, H, W) to (N, 768, H, W).
    """

    def __init__(self, config: InceptionV3Config, in_channels: int):
        super().__init__()
        self.row = ConvUnit(config, in_channels, 384, (1, 3))
        self.column = ConvUnit(config, in_channels, 384, (3, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, 768, H, W)."""
        return torch.cat([self.row(x), self.column(x)], dim=1)


class InceptionC(nn.Module):
    """Side 8: wide towers that fork at their end. Shape: (N, C, H, W) to (N, 2048, H, W)."""

    out_channels = 320 + 768 + 768 + 192

    def __init__(self, config: InceptionV3Config, channels: int):
        super().__init__()
        self.padding_counted = config.padding_counted
        self.tower1 = ConvUnit(config, channels, 320, 1)
        self.tower2 = nn.Sequential(ConvUnit(config, channels, 384, 1), Fork(config, 384))
        self.tower3 = nn.Sequential(
            ConvUnit(config, channels, 448, 1), ConvUnit(config, 448, 384, 3), Fork(config, 384)
        )
        self.tower4 = ConvUnit(config, channels, 192, 1)  # behind the average pool

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, 2048, H, W)."""
        towers = [
            self.tower1(x),
            self.tower2(x),
            self.tower3(x),
            self.tower4(average_pool(x, self.padding_counted)),
        ]
        return torch.cat(towers, dim=1)


class AuxiliaryTower(nn.Module):
    """A second classifier on the last map of side 17, to help training.

    Shape: (N, C, 17, 17) to logits (N, num_classes).
    """

    def __init__(self, config: InceptionV3Config, channels: int):
        super().__init__()
        self.conv1 = ConvUnit(config, channels, 128, 1)
        self.conv2 = ConvUnit(config, 128, 768, 5, padding=0)
        self.classifier = nn.Linear(768, config.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, 17, 17) to logits (N, num_classes)."""
        x = F.avg_pool2d(x, 5, stride=3)  # (N, 768, 5, 5)
        x = self.conv2(self.conv1(x))  # (N, 768, 1, 1)
        logits: Tensor = self.classifier(x.mean(dim=(2, 3)))
        return logits


class InceptionV3(nn.Module):
    """The network that `config` says.

    Shape: (N, in_channels, H, W) to logits (N, num_classes).

    Sides of the maps at 299: 149, 147, 147, 73, 73, 71, 35 (A), 17 (B), 8 (C). `aux` is None
    without auxiliary tower.
    """

    def __init__(self, config: InceptionV3Config = InceptionV3Config()):
        super().__init__()
        self.config = checks.instance("config", config, InceptionV3Config, "an InceptionV3Config")
        checks.fits("num_classes", config.num_classes, 2048 * config.num_classes)
        checks.fits("in_channels", config.in_channels, 288 * config.in_channels)
        self.conv1 = ConvUnit(config, config.in_channels, 32, 3, stride=2, padding=0)
        self.conv2 = ConvUnit(config, 32, 32, 3, padding=0)
        self.conv3 = ConvUnit(config, 32, 64, 3)
        self.conv4 = ConvUnit(config, 64, 80, 1)
        self.conv5 = ConvUnit(config, 80, 192, 3, padding=0)
        first, second, third = config.pool_projections
        self.mixed0 = InceptionA(config, 192, first)
        self.mixed1 = InceptionA(config, self.mixed0.out_channels, second)
        self.mixed2 = InceptionA(config, self.mixed1.out_channels, third)
        self.mixed3 = ReductionA(config, self.mixed2.out_channels)
        self.mixed4 = InceptionB(config, self.mixed3.out_channels, 128, 128)
        self.mixed5 = InceptionB(config, 768, 160, 160)
        self.mixed6 = InceptionB(config, 768, 160, 160)
        self.mixed7 = InceptionB(config, 768, 192, config.last_double_7x7)
        self.mixed8 = ReductionB(config, 768)
        self.mixed9 = InceptionC(config, self.mixed8.out_channels)
        self.mixed10 = InceptionC(config, 2048)
        self.fc = nn.Sequential()
        for width_in, width in zip([2048, *config.fc_widths], config.fc_widths, strict=False):
            self.fc.extend([nn.Linear(width_in, width), nn.ReLU()])
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear([2048, *config.fc_widths][-1], config.num_classes)
        self.aux = AuxiliaryTower(config, 768) if config.aux else None
        self.apply(he_init)

    def forward_middle(self, x: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) to the last map of side 17, (N, 768, 17, 17).

        The auxiliary tower sees this map.
        """
        self._check(x, smallest=75)
        x = self.conv1(x)  # (N, 32, 149, 149)
        x = self.conv2(x)  # (N, 32, 147, 147)
        x = F.max_pool2d(self.conv3(x), 3, stride=2)  # (N, 64, 73, 73)
        x = self.conv4(x)  # (N, 80, 73, 73)
        x = F.max_pool2d(self.conv5(x), 3, stride=2)  # (N, 192, 35, 35)
        x = self.mixed2(self.mixed1(self.mixed0(x)))  # (N, 288, 35, 35)
        x = self.mixed3(x)  # (N, 768, 17, 17)
        x = self.mixed5(self.mixed4(x))
        y: Tensor = self.mixed7(self.mixed6(x))
        return y

    def forward_features(self, x: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) to the last feature map, (N, 2048, 8, 8)."""
        return self._forward_end(self.forward_middle(x))

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) to logits (N, num_classes)."""
        return self._classify(self.forward_features(x))

    def forward_with_aux(self, x: Tensor) -> WithAux:
        """Images (N, in_channels, H, W), 299 pixels a side or more, to both logits.

        Raises ValueError without auxiliary tower.
        """
        if self.aux is None:
            raise ValueError(
                "aux is False in the network's config, but must be True: it has no auxiliary tower"
            )
        self._check(x, smallest=299)
        middle = self.forward_middle(x)
        return WithAux(self._classify(self._forward_end(middle)), self.aux(middle))

    def _forward_end(self, x: Tensor) -> Tensor:
        x = self.mixed8(x)  # (N, 1280, 8, 8)
        y: Tensor = self.mixed10(self.mixed9(x))  # (N, 2048, 8, 8)
        return y

    def _classify(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.dropout(self.fc(x.mean(dim=(2, 3)))))
        return logits

    def _check(self, x: Tensor, smallest: int) -> None:
        channels = self.config.in_channels
        if x.dim() != 4 or x.shape[1] != channels or min(x.shape[2:]) < smallest:
            raise ValueError(
                f"x has shape {tuple(x.shape)}, but must be (N, {channels}, H, W) with H and W at"
                f" least {smallest}"
            )


def inception_v3(
    config: InceptionV3Config = InceptionV3Config(),
) -> InceptionV3:
    """Build the network that `config` says, with He weights."""
    return InceptionV3(config)


def average_pool(x: Tensor, padding_counted: bool) -> Tensor:
    """3x3 average pooling at stride 1, sides kept.

    At the border TensorFlow divides by what lies inside, torchvision by 9.
    """
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=padding_counted)
