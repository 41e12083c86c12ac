"""Xception (Section 3, Figure 5) in torch, to be read from top to bottom beside the figure.

Tensors are (N, C, H, W). Shapes in comments are for a 299x299 image and the paper's widths.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from xception_edu import checks
from xception_edu.configs import XceptionConfig
from xception_edu.layers import SeparableConv2d, activation_layer, he_init
from xception_edu.segmented_conv import PointwiseConv2d, SegmentedConv2d


class SeparableConvBN(nn.Module):
    """A SeparableConv of Figure 5 with its BN.

    The config's `segments`, `order` and `activation` act here.

    Shape: (N, in_channels, H, W) to (N, out_channels, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int, config: XceptionConfig):
        super().__init__()
        checks.instance("config", config, XceptionConfig, "an XceptionConfig")
        if config.order == "spatial_first":
            self.conv: nn.Module = SeparableConv2d(
                in_channels, out_channels, segments=config.segments, activation=config.activation
            )
        else:
            segments = out_channels if config.segments == "channels" else config.segments
            self.conv = nn.Sequential(
                PointwiseConv2d(in_channels, out_channels),
                activation_layer(config.activation),
                SegmentedConv2d(out_channels, out_channels, segments=segments),
            )
        self.bn = _batch_norm(out_channels, config)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        y: Tensor = self.bn(self.conv(x))
        return y


class DownsamplingBlock(nn.Module):
    """[ReLU, Sep, ReLU, Sep, MaxPool 3x3/2] beside a strided 1x1.

    The three entry blocks and the first exit block.

    Shape: (N, in_channels, H, W) to (N, out_channels, ceil(H/2), ceil(W/2)).

    Args:
        in_channels: of the input.
        inner_channels: of the first separable convolution.
        out_channels: of the second one, and of the 1x1.
        config: the network's dials: segments, activation, padding and BN among them.
        leading_relu: whether it begins with a ReLU; the first block does not.
    """

    def __init__(
        self,
        in_channels: int,
        inner_channels: int,
        out_channels: int,
        config: XceptionConfig,
        *,
        leading_relu: bool,
    ):
        super().__init__()
        checks.instance("config", config, XceptionConfig, "an XceptionConfig")
        inner_channels = checks.integer("inner_channels", inner_channels)
        self.leading_relu = checks.boolean("leading_relu", leading_relu)
        self.padding = config.padding
        self.sep1 = SeparableConvBN(in_channels, inner_channels, config)
        self.sep2 = SeparableConvBN(inner_channels, out_channels, config)
        self.residual = config.residual
        if config.residual:
            self.skip = PointwiseConv2d(in_channels, out_channels, stride=2)
            self.skip_bn = _batch_norm(out_channels, config)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, ceil(H/2), ceil(W/2))."""
        inputs = x
        if self.leading_relu:
            x = F.relu(x)  # never in place: the skip reads what comes in, before this ReLU
        x = self.sep1(x)
        # in place: nobody else reads what BN gave, not even BN's own backward pass
        x = self.sep2(F.relu_(x))
        x = max_pool(x, self.padding)
        return x + self.skip_bn(self.skip(inputs)) if self.residual else x


class MiddleFlowBlock(nn.Module):
    """3 x [ReLU, Sep], added to the input. Shape: (N, channels, H, W) to the same."""

    def __init__(self, channels: int, config: XceptionConfig):
        super().__init__()
        channels = checks.integer("channels", channels)
        self.sep1 = SeparableConvBN(channels, channels, config)
        self.sep2 = SeparableConvBN(channels, channels, config)
        self.sep3 = SeparableConvBN(channels, channels, config)
        self.residual = config.residual

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same."""
        inputs = x
        x = self.sep1(F.relu(x))  # the skip reads what comes in, so this one is not in place
        x = self.sep2(F.relu_(x))
        x = self.sep3(F.relu_(x))
        return x + inputs if self.residual else x


class Xception(nn.Module):
    """The network of Figure 5, as `config` says.

    Shape: (N, in_channels, H, W) to logits (N, num_classes).
    """

    def __init__(self, config: XceptionConfig = XceptionConfig()):
        super().__init__()
        self.config = checks.instance("config", config, XceptionConfig, "an XceptionConfig")
        _check_size(config)
        first, second, *entry = config.scaled_entry_widths
        exit_block, late, last = config.scaled_exit_widths
        self.conv1 = nn.Conv2d(config.in_channels, first, 3, stride=config.stem_stride, bias=False)
        self.bn1 = _batch_norm(first, config)
        self.conv2 = nn.Conv2d(first, second, 3, bias=False)
        self.bn2 = _batch_norm(second, config)
        self.entry = nn.Sequential()
        for i, (width_in, width) in enumerate(zip([second, *entry], entry, strict=False)):
            self.entry.append(DownsamplingBlock(width_in, width, width, config, leading_relu=i > 0))
        middle = entry[-1]
        self.middle = nn.Sequential(
            *(MiddleFlowBlock(middle, config) for _ in range(config.middle_blocks))
        )
        self.exit = DownsamplingBlock(middle, middle, exit_block, config, leading_relu=True)
        self.sep3 = SeparableConvBN(exit_block, late, config)
        self.sep4 = SeparableConvBN(late, last, config)
        self.fc = nn.Sequential()
        for width_in, width in zip([last, *config.fc_widths], config.fc_widths, strict=False):
            self.fc.extend([nn.Linear(width_in, width), nn.ReLU()])
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(
            config.fc_widths[-1] if config.fc_widths else last, config.num_classes
        )
        self.apply(he_init)

    def forward_features(self, x: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) to the last feature map, (N, 2048, 10, 10)."""
        channels, smallest = self.config.in_channels, self.config.smallest_input
        if x.dim() != 4 or x.shape[1] != channels or min(x.shape[2:]) < smallest:
            raise ValueError(
                f"x has shape {tuple(x.shape)}, but must be (N, {channels}, H, W) with sides of at"
                f" least {smallest}"
            )
        x = F.relu_(self.bn1(self.conv1(x)))  # (N, 32, 149, 149)
        x = F.relu_(self.bn2(self.conv2(x)))  # (N, 64, 147, 147)
        x = self.entry(x)  # (N, 728, 19, 19)
        x = self.middle(x)
        x = self.exit(x)  # (N, 1024, 10, 10), and no ReLU between this addition and sep3
        x = F.relu_(self.sep3(x))  # (N, 1536, 10, 10)
        return F.relu_(self.sep4(x))  # (N, 2048, 10, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, in_channels, H, W) to logits (N, num_classes)."""
        x = self.forward_features(x).mean(dim=(2, 3))
        logits: Tensor = self.classifier(self.dropout(self.fc(x)))
        return logits


def xception(config: XceptionConfig = XceptionConfig()) -> Xception:
    """Build the network that `config` says, with He weights."""
    return Xception(config)


def max_pool(x: Tensor, padding: str) -> Tensor:
    """3x3 max pooling at stride 2, sides to ceil(side / 2); padding is minus infinity, never zero.

    "tensorflow": an odd side is padded (1, 1), an even one (0, 1). torch has no such rule, but
    ceil_mode lets the last window hang over the end, which is the same. "symmetric": (1, 1) always,
    as most ports have it.
    """
    checks.one_of("padding", padding, ("tensorflow", "symmetric"))
    if not isinstance(x, Tensor) or x.dim() != 4:
        raise checks.wrong("x", x, "a tensor (N, C, H, W)")
    if padding == "symmetric":
        return F.max_pool2d(x, 3, stride=2, padding=1)
    return F.max_pool2d(x, 3, stride=2, padding=(x.shape[2] % 2, x.shape[3] % 2), ceil_mode=True)


def _check_size(config: XceptionConfig) -> None:
    """ValueError where the largest layers' weights, those of the 1x1 and the fully connected ones,
    do not fit the machine's memory.
    """
    entry, out = config.scaled_entry_widths[1:], config.scaled_exit_widths
    middle = [entry[-1]] * (3 * config.middle_blocks)
    widths = [*entry, *middle, *out, *config.fc_widths, config.num_classes]
    pairs = pairwise(widths)
    checks.fits("config", config, sum(n * m for n, m in pairs))


def _batch_norm(channels: int, config: XceptionConfig) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=config.bn_eps, momentum=0.01)  # torch's 0.01 is Keras' 0.99
