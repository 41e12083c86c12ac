"""The continuum in torch: a convolution over any number of channel segments, and the modules of Figures 2 to 4.

`segments` is the one knob: 1 is a regular convolution, in_channels is depthwise, Inception lies between (Section 1.2).
Tensors are (N, C, H, W).
"""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xception_edu import checks
from xception_edu.dials import ACTIVATIONS, ModuleConfig


def he_init(module: nn.Module) -> None:
    """He initialization (normal, fan-in) of a convolution or linear layer, for `module.apply(he_init)`.

    The fan-in is that of one segment. Rules that ignore segments make depthwise kernels so small that BN's epsilon
    shrinks what comes out.
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


def _piece_sizes(channels: int, segments: int) -> list[int]:
    """Sizes that torch.tensor_split gives `segments` pieces of `channels`: the larger ones first."""
    return [len(piece) for piece in torch.arange(channels, device="cpu").tensor_split(segments)]


class SegmentedConv2d(nn.Module):
    """Convolution in which piece i of the output channels sees only piece i of the input channels (Section 1.2).

    Channels are cut into `segments` contiguous pieces, as equal as can be. Neighboring pieces of equal size are one grouped
    convolution ("run"); there are at most three runs, and one wherever `segments` divides both channel counts.

    Shape: (N, in_channels, H, W) to (N, out_channels, H', W'). `kernel_size`, `stride`, `padding` are one integer or
    (height, width); padding None is half the kernel. `weights` holds a tensor a run: (out of the run, in of one piece, k, k).

    On a CPU, a map in NCHW is laid out as channels_last first where that is faster (`form` says where, `_keeps_layout` why);
    what comes out is then channels_last too, the same values at other strides.

    Raises ValueError if segments is not from 1 to the smaller channel count: a further segment would have no channel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        *,
        segments: int,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | None = None,
        bias: bool = False,
    ):
        super().__init__()
        self.in_channels = checks.integer("in_channels", in_channels)
        self.out_channels = checks.integer("out_channels", out_channels)
        self.kernel_size = checks.pair("kernel_size", kernel_size)
        self.segments = checks.segments(segments, in_channels, out_channels)
        self.stride = checks.pair("stride", stride)
        half = (self.kernel_size[0] // 2, self.kernel_size[1] // 2)
        self.padding = half if padding is None else checks.pair("padding", padding, at_least=0)
        pieces = zip(_piece_sizes(in_channels, segments), _piece_sizes(out_channels, segments), strict=True)
        self.runs = [(len(list(same)), *sizes) for sizes, same in itertools.groupby(pieces)]  # (pieces, in, out of each)
        self.weights = nn.ParameterList(
            torch.empty(n * piece_out, piece_in, *self.kernel_size) for n, piece_in, piece_out in self.runs
        )
        self.bias = nn.Parameter(torch.empty(out_channels)) if checks.boolean("bias", bias) else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """He initialization by the fan-in of one piece; zero bias."""
        for weight in self.weights:
            nn.init.kaiming_normal_(weight, nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H', W')."""
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise ValueError(f"x has shape {tuple(x.shape)}, but must be (N, {self.in_channels}, H, W)")
        if len(self.runs) == 1:
            x = x if self._keeps_layout(x) else x.contiguous(memory_format=torch.channels_last)
            return F.conv2d(x, self.weights[0], self.bias, self.stride, self.padding, groups=self.segments)
        xs = x.split([n * piece_in for n, piece_in, _ in self.runs], dim=1)
        if not self._keeps_layout(x):
            xs = [part.contiguous(memory_format=torch.channels_last) for part in xs]
        outs = [n * piece_out for n, _, piece_out in self.runs]
        biases = self.bias.split(outs) if self.bias is not None else [None] * len(outs)
        runs = zip(xs, self.weights, biases, self.runs, strict=True)
        return torch.cat([F.conv2d(x, w, b, self.stride, self.padding, groups=n) for x, w, b, (n, _, _) in runs], dim=1)

    def _keeps_layout(self, x: Tensor) -> bool:
        """Whether a map is convolved as it comes: always but on a CPU in NCHW, where this rule decides.

        oneDNN's NCHW kernels work on blocks of 8 channels (bf16: 16); pieces that are no whole blocks fall to slow ones, which
        take two or three times as long as in channels_last (2 segments of 364 channels, say). Then copying the map pays.
        Pieces of one channel have a kernel of their own, and so have 4 and 8 in the forward pass, which a copy would only
        delay. With gradients three convolutions gain from one copy, and only whole blocks in float32 are better off without
        (a network in NCHW takes 0.85 times as long, since all its maps are channels_last from the first copy on).
        results/segments_latency.json has all cases, measured with AVX-512.
        """
        if x.is_contiguous(memory_format=torch.channels_last) or self.segments == 1 or x.device.type != "cpu":
            return True
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        if dtype not in (torch.float32, torch.bfloat16) or torch.compiler.is_exporting():
            return True
        width = math.gcd(*self.runs[0][1:])
        if len(self.runs) > 1 or torch.is_grad_enabled():
            return len(self.runs) == 1 and width % 8 == 0 and dtype == torch.float32
        return width % (16 if dtype == torch.bfloat16 else 8) == 0 or width in (1, 4, 8)

    @property
    def form(self) -> str:
        """How an NCHW map would be convolved now, by dtype, device and whether gradients are on: "grouped_nchw" or
        "grouped_channels_last". In channels_last a map stays as it is.
        """
        x = self.weights[0].new_empty(1, self.in_channels, 2, 2)
        return "grouped_nchw" if self._keeps_layout(x) else "grouped_channels_last"

    def dense_weight(self) -> Tensor:
        """The block-diagonal (out_channels, in_channels, k, k) tensor with which a regular convolution does the same."""
        blocks = [block for w, (n, _, _) in zip(self.weights, self.runs, strict=True) for block in w.chunk(n)]
        rows, first = [], 0
        for block in blocks:
            after = self.in_channels - first - block.shape[1]
            rows.append(F.pad(block, (0, 0, 0, 0, first, after)))
            first += block.shape[1]
        return torch.cat(rows)

    def extra_repr(self) -> str:
        """What print shows between the parentheses."""
        sizes = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        return f"{self.in_channels}, {self.out_channels}, segments={self.segments}, {sizes}, form={self.form!r}"


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution: at every position the same matrix, from in_channels to out_channels.

    Shape: (N, in_channels, H, W) to (N, out_channels, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = False):
        super().__init__(in_channels, out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W).

        In channels_last a map is a matrix already, a row a position. On CPUs its plain product is the faster one where rows are
        few and long: at 1536 to 2048 channels oneDNN's convolution takes 1.8 times as long for the weights' gradient.
        """
        rows_at_hand = x.device.type == "cpu" and x.is_contiguous(memory_format=torch.channels_last)
        if rows_at_hand and self.out_channels >= 1024 and not torch.compiler.is_exporting():
            matrix = self.weight.permute(0, 2, 3, 1).flatten(1)  # a view, and its gradient comes back in channels_last
            return F.linear(x.permute(0, 2, 3, 1), matrix, self.bias).permute(0, 3, 1, 2)
        return super().forward(x)


class SeparableConv2d(nn.Module):
    """Depthwise k x k, then pointwise 1x1; no activation and no BN between the two unless asked for (Sections 1.2, 4.7).

    depth_multiplier is the number of kernels a channel; from k*k on, the pair can be any regular convolution. `segments`
    other than "channels" widens each k x k to a piece of several channels, along the paper's spectrum.

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
        self.depthwise = SegmentedConv2d(in_channels, middle, kernel_size, segments=pieces, stride=stride, padding=padding)
        self.activation = activation_layer(activation)
        checks.integer("out_channels", out_channels)
        self.pointwise = PointwiseConv2d(middle, out_channels, bias=checks.boolean("bias", bias))
        he_init(self.pointwise)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H', W')."""
        return self.pointwise(self.activation(self.depthwise(x)))


class _Inception(nn.Module):
    """What the forms of Figures 2 to 4 have in common: their arguments, checked and kept in `form`.

    Each is a 1x1 and a spatial convolution in `segments` pieces of out_channels; BN and activation follow both where asked for.
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
        return self._finished(nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False))

    def _finished(self, conv: nn.Module) -> nn.Sequential:
        norm = nn.BatchNorm2d(conv.out_channels, eps=1e-3) if self.form["batch_norm"] else nn.Identity()
        he_init(conv)
        return nn.Sequential(conv, norm, activation_layer(self.form["activation"]))


class SimplifiedInception(_Inception):
    """Figure 2: `segments` separate towers, each its own 1x1 and then its own k x k; outputs are concatenated."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, **form):
        super().__init__(in_channels, out_channels, kernel_size, **form)
        self.towers = nn.ModuleList(
            nn.Sequential(self._step(in_channels, n, 1), self._step(n, n, kernel_size))
            for n in _piece_sizes(out_channels, self.form["segments"])
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        return torch.cat([tower(x) for tower in self.towers], dim=1)


class ReformulatedInception(_Inception):
    """Figure 3, drawn as code: one large 1x1, then a k x k over each of `segments` non-overlapping pieces of its output."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, **form):
        super().__init__(in_channels, out_channels, kernel_size, **form)
        self.sizes = _piece_sizes(out_channels, self.form["segments"])
        self.pointwise = self._step(in_channels, out_channels, 1)
        self.spatial = nn.ModuleList(self._step(n, n, kernel_size) for n in self.sizes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        pieces = self.pointwise(x).split(self.sizes, dim=1)
        return torch.cat([conv(piece) for conv, piece in zip(self.spatial, pieces, strict=True)], dim=1)


class SegmentedInception(_Inception):
    """Figures 3 and 4 as one 1x1 and one SegmentedConv2d: the paper's whole spectrum by the one argument `segments`."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, **form):
        super().__init__(in_channels, out_channels, kernel_size, **form)
        self.pointwise = self._step(in_channels, out_channels, 1)
        self.spatial = self._finished(SegmentedConv2d(out_channels, out_channels, kernel_size, segments=self.form["segments"]))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        return self.spatial(self.pointwise(x))


class ExtremeInception(SegmentedInception):
    """Figure 4: a 1x1, then one k x k a channel of its output; a separable convolution has the two the other way round."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, **form):
        super().__init__(in_channels, out_channels, kernel_size, segments=out_channels, **form)


class SpatiallySeparableConv2d(nn.Module):
    """k x 1, then 1 x k, both over all channels: "separable" as image processing means it, and the paper does not."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3):
        super().__init__()
        checks.integer("in_channels", in_channels)
        checks.integer("out_channels", out_channels)
        half = checks.odd("kernel_size", kernel_size) // 2
        self.vertical = nn.Conv2d(in_channels, out_channels, (kernel_size, 1), padding=(half, 0), bias=False)
        self.horizontal = nn.Conv2d(out_channels, out_channels, (1, kernel_size), padding=(0, half), bias=False)
        self.apply(he_init)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        return self.horizontal(self.vertical(x))


def segmented_module(config: ModuleConfig) -> nn.Sequential:
    """The torch twin of `architectures.module`: a 1x1 and a segmented k x k in the order that `config` says."""
    pointwise = nn.Conv2d(config.in_channels, config.out_channels, 1, bias=False)
    he_init(pointwise)
    width = config.spatial_channels
    spatial = SegmentedConv2d(width, width, config.kernel_size, segments=config.segments)
    steps = [pointwise, spatial] if config.order == "pointwise_first" else [spatial, pointwise]
    return nn.Sequential(steps[0], activation_layer(config.activation), steps[1])
