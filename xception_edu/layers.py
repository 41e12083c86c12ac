"""The continuum in torch: separable convolutions, and the modules of Figures 2 to 4.

`segments` is the one knob: 1 is a regular convolution, in_channels is depthwise, Inception lies
between (Section 1.2). Tensors are (N, C, H, W).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xception_edu import checks
from xception_edu.configs import ACTIVATIONS, ModuleConfig
from xception_edu.segmented_conv import PointwiseConv2d, SegmentedConv2d, segment_sizes


def he_init(module: nn.Module) -> None:
    """He initialization (normal, fan-in) of a convolution or linear layer.

    Use it as `module.apply(he_init)`. The fan-in is that of one segment: rules that ignore segments
    make depthwise kernels so small that BN's epsilon shrinks what comes out.
    """
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, SegmentedConv2d):
        module.reset_parameters()


def activation_layer(activation: str | None) -> nn.Module:
    """ReLU, ELU, or for None the identity."""
    activation = checks.one_of("activation", activation, ACTIVATIONS)
    if activation is None:
        return nn.Identity()
    return nn.ReLU() if activation == "relu" else nn.ELU()


class SeparableConv2d(nn.Module):
    """Depthwise k x k, then pointwise 1x1 (Section 1.2), without BN between the two.

    There is no activation between them either unless asked for (Section 4.7).

    Shape: (N, in_channels, H, W) to (N, out_channels, H', W').

    Args:
        in_channels: of the input.
        out_channels: of the 1x1.
        kernel_size: k, odd.
        depth_multiplier: kernels a channel; from k*k on, the pair can be any regular convolution.
        segments: "channels", or how many pieces the k x k is cut into, along the paper's spectrum.
        activation: between the two: None, "relu" or "elu".
        stride: of the k x k.
        padding: of the k x k; None: half the kernel.
        bias: of the 1x1.
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
    ) -> None:
        super().__init__()
        in_channels = checks.integer("in_channels", in_channels)
        depth_multiplier = checks.integer("depth_multiplier", depth_multiplier)
        out_channels = checks.integer("out_channels", out_channels)
        segments = in_channels if isinstance(segments, str) and segments == "channels" else segments
        middle = in_channels * depth_multiplier
        self.depthwise = SegmentedConv2d(
            in_channels,
            middle,
            kernel_size,
            segments=segments,  # type: ignore[arg-type]  # SegmentedConv2d refuses other strings
            stride=stride,
            padding=padding,
        )
        self.activation = activation_layer(activation)
        self.pointwise = PointwiseConv2d(middle, out_channels, bias=checks.boolean("bias", bias))
        he_init(self.pointwise)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H', W')."""
        y: Tensor = self.pointwise(self.activation(self.depthwise(x)))
        return y


@dataclass(frozen=True)
class InceptionArguments:
    """What a module of Figures 2 to 4 was made with."""

    in_channels: int
    out_channels: int
    kernel_size: int
    segments: int
    batch_norm: bool
    activation: str | None


class _Inception(nn.Module):
    """What Figures 2 to 4 have in common: a 1x1 and a k x k in `segments` segments of out_channels.

    BN and activation follow both where asked for. The arguments are kept.
    Shape: (N, in_channels, H, W) to (N, out_channels, H, W).
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
    ) -> None:
        super().__init__()
        out_channels = checks.integer("out_channels", out_channels)
        self.arguments = InceptionArguments(
            checks.integer("in_channels", in_channels),
            out_channels,
            checks.odd("kernel_size", kernel_size),
            checks.segments(segments, out_channels, out_channels),
            checks.boolean("batch_norm", batch_norm),
            checks.one_of("activation", activation, ACTIVATIONS),
        )
        self._check_size(self.arguments)
        self._build(self.arguments)

    @staticmethod
    def _check_size(arguments: InceptionArguments) -> None:
        """ValueError where the two convolutions' weights do not fit the machine's memory."""
        width = arguments.out_channels
        connected = width // arguments.segments * width * arguments.kernel_size**2
        checks.fits("out_channels", width, arguments.in_channels * width + connected)

    def _build(self, arguments: InceptionArguments) -> None:
        """Make the figure's convolutions."""
        raise NotImplementedError

    def _step(self, in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
        """A regular convolution with its BN and activation."""
        half = kernel_size // 2
        return self._finished(
            nn.Conv2d(in_channels, out_channels, kernel_size, padding=half, bias=False)
        )

    def _finished(self, conv: nn.Conv2d | SegmentedConv2d) -> nn.Sequential:
        norm = (
            nn.BatchNorm2d(conv.out_channels, eps=1e-3)
            if self.arguments.batch_norm
            else nn.Identity()
        )
        he_init(conv)
        return nn.Sequential(conv, norm, activation_layer(self.arguments.activation))


class SimplifiedInception(_Inception):
    """Figure 2: `segments` separate towers, each its own 1x1 and then its own k x k.

    Their outputs are concatenated.

    Args:
        in_channels: of the input.
        out_channels: of the 1x1 and of the k x k.
        kernel_size: k, odd.
        segments: of the k x k, from 1 to `out_channels`.
        batch_norm: whether BN follows both convolutions.
        activation: what follows both, behind BN: None, "relu" or "elu".
    """

    def _build(self, arguments: InceptionArguments) -> None:
        self.towers = nn.ModuleList(
            nn.Sequential(
                self._step(arguments.in_channels, n, 1), self._step(n, n, arguments.kernel_size)
            )
            for n in segment_sizes(arguments.out_channels, arguments.segments)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        return torch.cat([tower(x) for tower in self.towers], dim=1)


class ReformulatedInception(_Inception):
    """Figure 3, drawn as code: one large 1x1, then a k x k over each segment of its output.

    Args:
        in_channels: of the input.
        out_channels: of the 1x1 and of the k x k.
        kernel_size: k, odd.
        segments: of the k x k, from 1 to `out_channels`.
        batch_norm: whether BN follows both convolutions.
        activation: what follows both, behind BN: None, "relu" or "elu".
    """

    def _build(self, arguments: InceptionArguments) -> None:
        self.sizes = segment_sizes(arguments.out_channels, arguments.segments)
        self.pointwise = self._step(arguments.in_channels, arguments.out_channels, 1)
        self.spatial = nn.ModuleList(self._step(n, n, arguments.kernel_size) for n in self.sizes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        segments = self.pointwise(x).split(self.sizes, dim=1)
        convolved = [conv(part) for conv, part in zip(self.spatial, segments, strict=True)]
        return torch.cat(convolved, dim=1)


class SegmentedInception(_Inception):
    """Figures 3 and 4 as one 1x1 and one SegmentedConv2d: the whole spectrum, by `segments`.

    Args:
        in_channels: of the input.
        out_channels: of the 1x1 and of the k x k.
        kernel_size: k, odd.
        segments: of the k x k, from 1 to `out_channels`.
        batch_norm: whether BN follows both convolutions.
        activation: what follows both, behind BN: None, "relu" or "elu".
    """

    def _build(self, arguments: InceptionArguments) -> None:
        self.pointwise = self._step(arguments.in_channels, arguments.out_channels, 1)
        self.spatial = self._finished(
            SegmentedConv2d(
                arguments.out_channels,
                arguments.out_channels,
                arguments.kernel_size,
                segments=arguments.segments,
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        y: Tensor = self.spatial(self.pointwise(x))
        return y


class ExtremeInception(SegmentedInception):
    """Figure 4: a 1x1, then one k x k a channel of its output.

    A separable convolution has the two the other way round.

    Args:
        in_channels: of the input.
        out_channels: of the 1x1 and of the k x k.
        kernel_size: k, odd.
        batch_norm: whether BN follows both convolutions.
        activation: what follows both, behind BN: None, "relu" or "elu".
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        batch_norm: bool = False,
        activation: str | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            segments=out_channels,
            batch_norm=batch_norm,
            activation=activation,
        )


class SpatiallySeparableConv2d(nn.Module):
    """k x 1, then 1 x k, both over all channels.

    "Separable" as image processing means it, and the paper does not.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        in_channels = checks.integer("in_channels", in_channels)
        out_channels = checks.integer("out_channels", out_channels)
        kernel_size = checks.odd("kernel_size", kernel_size)
        widest = max(in_channels, out_channels)
        checks.fits("out_channels", out_channels, kernel_size * widest * out_channels)
        half = kernel_size // 2
        self.vertical = nn.Conv2d(
            in_channels, out_channels, (kernel_size, 1), padding=(half, 0), bias=False
        )
        self.horizontal = nn.Conv2d(
            out_channels, out_channels, (1, kernel_size), padding=(0, half), bias=False
        )
        self.apply(he_init)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        y: Tensor = self.horizontal(self.vertical(x))
        return y


def segmented_module(config: ModuleConfig) -> nn.Sequential:
    """The torch twin of `architectures.module`: 1x1 and segmented k x k in the config's order."""
    checks.instance("config", config, ModuleConfig, "a ModuleConfig")
    pointwise = PointwiseConv2d(config.in_channels, config.out_channels)
    he_init(pointwise)
    width = config.spatial_channels
    spatial = SegmentedConv2d(width, width, config.kernel_size, segments=config.segments)
    steps = [pointwise, spatial] if config.order == "pointwise_first" else [spatial, pointwise]
    return nn.Sequential(steps[0], activation_layer(config.activation), steps[1])
