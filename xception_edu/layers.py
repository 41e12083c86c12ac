"""The continuum in torch: a convolution over any number of channel segments, and the modules of
Figures 2 to 4.

`segments` is the one knob: 1 is a regular convolution, in_channels is depthwise, Inception lies
between (Section 1.2). Tensors are (N, C, H, W).
"""

import torch
from torch import Tensor, nn

from xception_edu import checks
from xception_edu.configs import ACTIVATIONS, ModuleConfig
from xception_edu.convolutions import PointwiseConv2d, SegmentedConv2d, piece_sizes


def he_init(module: nn.Module) -> None:
    """He initialization (normal, fan-in) of a convolution or linear layer, for
    `module.apply(he_init)`.

    The fan-in is that of one segment. Rules that ignore segments make depthwise kernels so small
    that BN's epsilon shrinks what comes out.
    """
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, SegmentedConv2d):
        module.reset_parameters()


def activation_layer(activation: str | None) -> nn.Module:
    """ReLU, ELU, or for None the identity."""
    checks.one_of("activation", activation, ACTIVATIONS)
    return {None: nn.Identity, "relu": nn.ReLU, "elu": nn.ELU}[activation]()


class SeparableConv2d(nn.Module):
    """Depthwise k x k, then pointwise 1x1; no activation and no BN between the two unless asked for
    (Sections 1.2, 4.7).

    depth_multiplier is the number of kernels a channel; from k*k on, the pair can be any regular
    convolution. `segments` other than "channels" widens each k x k to a piece of several channels,
    along the paper's spectrum.

    Shape: (N, in_channels, H, W) to (N, out_channels, H', W').
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        depth_multiplier: int = 1,
        segments: int | str = "channels",
        activation: str | None = None,
        stride: int = 1,
        padding: int | None = None,
        bias: bool = False,
    ):
        super().__init__()
        checks.integer("in_channels", in_channels)
        checks.integer("depth_multiplier", depth_multiplier)
        pieces = in_channels if segments == "channels" else segments
        middle = in_channels * depth_multiplier
        self.depthwise = SegmentedConv2d(
            in_channels, middle, kernel_size, segments=pieces, stride=stride, padding=padding
        )
        self.activation = activation_layer(activation)
        checks.integer("out_channels", out_channels)
        self.pointwise = PointwiseConv2d(middle, out_channels, bias=checks.boolean("bias", bias))
        he_init(self.pointwise)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H', W')."""
        return self.pointwise(self.activation(self.depthwise(x)))


class _Inception(nn.Module):
    """What the forms of Figures 2 to 4 have in common: their arguments, checked and kept in `form`.

    Each is a 1x1 and a spatial convolution in `segments` pieces of out_channels; BN and activation
    follow both where asked for. Shape: (N, in_channels, H, W) to (N, out_channels, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        segments: int,
        batch_norm: bool = False,
        activation: str | None = None,
    ):
        super().__init__()
        self.form = {
            "in_channels": checks.integer("in_channels", in_channels),
            "out_channels": checks.integer("out_channels", out_channels),
            "kernel_size": checks.odd("kernel_size", kernel_size),
            "segments": checks.segments(segments, out_channels, out_channels),
            "batch_norm": checks.boolean("batch_norm", batch_norm),
            "activation": activation,
        }
        checks.one_of("activation", activation, ACTIVATIONS)

    def _step(self, in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
        """A regular convolution with its BN and activation."""
        return self._finished(
            nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
        )

    def _finished(self, conv: nn.Module) -> nn.Sequential:
        norm = (
            nn.BatchNorm2d(conv.out_channels, eps=1e-3)
            if self.form["batch_norm"]
            else nn.Identity()
        )
        he_init(conv)
        return nn.Sequential(conv, norm, activation_layer(self.form["activation"]))


class SimplifiedInception(_Inception):
    """Figure 2: `segments` separate towers, each its own 1x1 and then its own k x k; outputs are
    concatenated.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, **form):
        super().__init__(in_channels, out_channels, kernel_size, **form)
        self.towers = nn.ModuleList(
            nn.Sequential(self._step(in_channels, n, 1), self._step(n, n, kernel_size))
            for n in piece_sizes(out_channels, self.form["segments"])
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        return torch.cat([tower(x) for tower in self.towers], dim=1)


class ReformulatedInception(_Inception):
    """Figure 3, drawn as code: one large 1x1, then a k x k over each of `segments` non-overlapping
    pieces of its output.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, **form):
        super().__init__(in_channels, out_channels, kernel_size, **form)
        self.sizes = piece_sizes(out_channels, self.form["segments"])
        self.pointwise = self._step(in_channels, out_channels, 1)
        self.spatial = nn.ModuleList(self._step(n, n, kernel_size) for n in self.sizes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        pieces = self.pointwise(x).split(self.sizes, dim=1)
        return torch.cat(
            [conv(piece) for conv, piece in zip(self.spatial, pieces, strict=True)], dim=1
        )


class SegmentedInception(_Inception):
    """Figures 3 and 4 as one 1x1 and one SegmentedConv2d: the paper's whole spectrum by the one
    argument `segments`.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, **form):
        super().__init__(in_channels, out_channels, kernel_size, **form)
        self.pointwise = self._step(in_channels, out_channels, 1)
        self.spatial = self._finished(
            SegmentedConv2d(out_channels, out_channels, kernel_size, segments=self.form["segments"])
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        return self.spatial(self.pointwise(x))


class ExtremeInception(SegmentedInception):
    """Figure 4: a 1x1, then one k x k a channel of its output; a separable convolution has the two
    the other way round.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, **form):
        super().__init__(in_channels, out_channels, kernel_size, segments=out_channels, **form)


class SpatiallySeparableConv2d(nn.Module):
    """k x 1, then 1 x k, both over all channels: "separable" as image processing means it, and the
    paper does not.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3):
        super().__init__()
        checks.integer("in_channels", in_channels)
        checks.integer("out_channels", out_channels)
        half = checks.odd("kernel_size", kernel_size) // 2
        self.vertical = nn.Conv2d(
            in_channels, out_channels, (kernel_size, 1), padding=(half, 0), bias=False
        )
        self.horizontal = nn.Conv2d(
            out_channels, out_channels, (1, kernel_size), padding=(0, half), bias=False
        )
        self.apply(he_init)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        return self.horizontal(self.vertical(x))


def segmented_module(config: ModuleConfig) -> nn.Sequential:
    """The torch twin of `architectures.module`: a 1x1 and a segmented k x k in the order that
    `config` says.
    """
    pointwise = nn.Conv2d(config.in_channels, config.out_channels, 1, bias=False)
    he_init(pointwise)
    width = config.spatial_channels
    spatial = SegmentedConv2d(width, width, config.kernel_size, segments=config.segments)
    steps = [pointwise, spatial] if config.order == "pointwise_first" else [spatial, pointwise]
    return nn.Sequential(steps[0], activation_layer(config.activation), steps[1])
