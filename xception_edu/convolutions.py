"""Two convolutions that know how to be fast: over any number of channel segments, and 1x1.

Each computes what torch's does; which kernels do it depends on device, number type and layout, by rules that say why.
Tensors are (N, C, H, W).
"""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xception_edu import checks


def piece_sizes(channels: int, segments: int) -> list[int]:
    """Sizes that torch.tensor_split gives `segments` pieces of `channels`: the larger ones first."""
    return [len(piece) for piece in torch.arange(channels, device="cpu").tensor_split(segments)]


def _computes_in(x: Tensor) -> torch.dtype:
    """The number type in which a convolution of a map on a CPU computes: autocast's where it is on."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype


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
        pieces = zip(piece_sizes(in_channels, segments), piece_sizes(out_channels, segments), strict=True)
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
        dtype = _computes_in(x)
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
    """A 1x1 convolution: at every position, or every `stride`-th, the same matrix from in_channels to out_channels.

    Shape: (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, bias: bool = False):
        super().__init__(in_channels, out_channels, 1, stride=stride, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        if not self._is_a_product(x):
            return super().forward(x)
        rows = x.permute(0, 2, 3, 1)[:, :: self.stride[0], :: self.stride[1]]
        matrix = self.weight.permute(0, 2, 3, 1).flatten(1)  # a view, and its gradient comes back in channels_last
        return F.linear(rows, matrix, self.bias).permute(0, 3, 1, 2)

    def _is_a_product(self, x: Tensor) -> bool:
        """Whether to multiply matrices instead: in channels_last a map is one already, a row a position.

        On CPUs in bfloat16 that is the faster way for fewer positions than output channels: at 10x10 and batch 4 it takes 0.8
        of the time of oneDNN's convolution. At 19x19 the two are equal, and in float32 the convolution is faster.
        """
        if x.device.type != "cpu" or not x.is_contiguous(memory_format=torch.channels_last) or torch.compiler.is_exporting():
            return False
        positions = x.shape[0] * x.shape[2] * x.shape[3] / (self.stride[0] * self.stride[1])
        return positions <= self.out_channels and _computes_in(x) == torch.bfloat16
