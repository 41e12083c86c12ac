"""The two convolutions of the paper: over any number of channel segments, and 1x1.

Each computes what torch's does. Which algorithm is fastest is a question of its own, answered in
`conv_algorithms`; the functions at the end ask it, and lay maps and weights as it says, which
changes no value. Tensors are (N, C, H, W).
"""

import itertools
import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xception_edu import checks, conv_algorithms

MEMORY_FORMATS = {
    "nchw": torch.contiguous_format,
    "channels_last": torch.channels_last,
    "grouped_nchw": torch.contiguous_format,
    "grouped_channels_last": torch.channels_last,
}
DTYPE_NAMES = {
    torch.float32: "float32",
    torch.bfloat16: "bfloat16",
    torch.float16: "float16",
    torch.float64: "float64",
}


def segment_sizes(channels: int, segments: int) -> list[int]:
    """Channels of each segment, larger ones first: as if dealt out one by one, like cards."""
    return [len(range(first, channels, segments)) for first in range(segments)]


class SegmentBlock(NamedTuple):
    """A block of equal segments side by side: how many, and the channels of each."""

    segments: int
    in_channels: int
    out_channels: int


def segment_blocks(in_channels: int, out_channels: int, segments: int) -> list[SegmentBlock]:
    """The segments as blocks of equal ones: at most three, one where `segments` divides both."""
    ins, outs = segment_sizes(in_channels, segments), segment_sizes(out_channels, segments)
    blocks = itertools.groupby(zip(ins, outs, strict=True))
    return [SegmentBlock(len(list(equal)), *sizes) for sizes, equal in blocks]


class SegmentedConv2d(nn.Module):
    """Convolution in which segment i of the output sees only segment i of the input (Section 1.2).

    Channels are cut into contiguous segments, as equal as can be. Each of the `blocks` of equal
    segments, at most three, is one of torch's grouped convolutions, with its own of `weights`:
    (out_channels of the block, in_channels of one segment, k, k).

    Shape: (N, in_channels, H, W) to (N, out_channels, H', W').

    Args:
        in_channels: of all segments together.
        out_channels: of all segments together.
        kernel_size: k, or (height, width).
        segments: from 1, a regular convolution, to the smaller channel count, or ValueError: a
            further segment would have no channel.
        stride: of the kernel over the image, or (height, width).
        padding: zeros on each side, or (height, width); None: half the kernel.
        bias: whether a value is added to each output channel.
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
    ) -> None:
        super().__init__()
        self.in_channels = checks.integer("in_channels", in_channels)
        self.out_channels = checks.integer("out_channels", out_channels)
        self.kernel_size = checks.pair("kernel_size", kernel_size)
        in_channels, out_channels = self.in_channels, self.out_channels
        self.segments = segments = checks.segments(segments, in_channels, out_channels)
        connected = in_channels // segments * out_channels
        checks.fits("in_channels", in_channels, connected * math.prod(self.kernel_size))
        self.stride = checks.pair("stride", stride)
        half = (self.kernel_size[0] // 2, self.kernel_size[1] // 2)
        self.padding = half if padding is None else checks.pair("padding", padding, at_least=0)
        self.blocks = segment_blocks(in_channels, out_channels, segments)
        self.segmentation = conv_algorithms.segmentation(self.blocks)
        has_bias = checks.boolean("bias", bias)
        self.bias = nn.Parameter(torch.empty(out_channels)) if has_bias else None
        self.weights = nn.ParameterList(
            empty_weight(self.segmentation, (n * outs, ins, *self.kernel_size))
            for n, ins, outs in self.blocks
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """He initialization by the fan-in of one segment, equal in any layout; zero bias."""
        for weight in self.weights:
            values = torch.empty_like(weight, memory_format=torch.contiguous_format)
            with torch.no_grad():
                weight.copy_(nn.init.kaiming_normal_(values, nonlinearity="relu"))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H', W')."""
        check_map(x, self.in_channels)
        layout = layout_of(x)
        algorithm = choose_algorithm(self.segmentation, x, layout)
        if algorithm == "dense":  # all segments at once, with zeros between them
            weight = self.dense_weight(memory_format=MEMORY_FORMATS[layout])
            return F.conv2d(x, weight, self.bias, self.stride, self.padding)
        outputs = []
        for segments, channels, weight, bias in block_by_block(self, x):
            channels, weight = arranged(channels, weight, layout, algorithm)
            outputs.append(
                F.conv2d(channels, weight, bias, self.stride, self.padding, groups=segments)
            )
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)

    def dense_weight(
        self, *, memory_format: torch.memory_format = torch.contiguous_format
    ) -> Tensor:
        """The block-diagonal (out_channels, in_channels, k, k) weight of a regular convolution."""
        shape = (self.out_channels, self.in_channels, *self.kernel_size)
        return block_diagonal(self.weights, self.blocks, shape, memory_format)

    def algorithm_for(self, x: Tensor) -> str:
        """How `forward` would convolve a map now; when exported, without a copy."""
        return choose_algorithm(self.segmentation, x, layout_of(x))

    @property
    def algorithm(self) -> str:
        """`algorithm_for` a map in NCHW, of the weights' dtype and on their device."""
        return self.algorithm_for(self.weights[0].new_empty(1, self.in_channels, 2, 2))

    def extra_repr(self) -> str:
        """What print shows between the parentheses."""
        sizes = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        channels = f"{self.in_channels}, {self.out_channels}, segments={self.segments}"
        return f"{channels}, {sizes}, algorithm={self.algorithm!r}"


def check_map(x: Tensor, in_channels: int) -> None:
    """ValueError unless x is (N, in_channels, H, W)."""
    if x.dim() != 4 or x.shape[1] != in_channels:
        needed = f"(N, {in_channels}, H, W)"
        raise ValueError(f"x has shape {tuple(x.shape)}, but must be {needed}")


def block_by_block(
    conv: SegmentedConv2d, x: Tensor
) -> Iterable[tuple[int, Tensor, Tensor, Tensor | None]]:
    """Of each block of equal segments: how many, their channels of x, their weight and bias."""
    if len(conv.blocks) == 1:  # weights[0] is 1 us slower than getattr: small maps show it
        return [(conv.segments, x, getattr(conv.weights, "0"), conv.bias)]
    maps = x.split_with_sizes([n * ins for n, ins, _ in conv.blocks], dim=1)
    biases: Iterable[Tensor | None] = itertools.repeat(None, len(conv.blocks))
    if conv.bias is not None:
        biases = conv.bias.split_with_sizes([n * outs for n, _, outs in conv.blocks])
    counts = [block.segments for block in conv.blocks]
    return zip(counts, maps, conv.weights, biases, strict=True)


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution: at every `stride`-th position the same matrix over the channels.

    Shape: (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).

    Args:
        in_channels: columns of the matrix.
        out_channels: rows of the matrix.
        stride: every which position is computed, along both sides.
        bias: whether a value is added to each output channel.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, bias: bool = False
    ) -> None:
        in_channels = checks.integer("in_channels", in_channels)
        out_channels = checks.integer("out_channels", out_channels)
        checks.fits("in_channels", in_channels, in_channels * out_channels)
        stride, bias = checks.integer("stride", stride), checks.boolean("bias", bias)
        super().__init__(in_channels, out_channels, 1, stride=stride, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        if choose_pointwise_algorithm(x, self.stride, self.out_channels) == "convolution":
            return super().forward(x)
        return self.product(x)

    def product(self, x: Tensor) -> Tensor:
        """The same as a product of matrices: a row a position, a column a channel."""
        rows = x.permute(0, 2, 3, 1)[:, :: self.stride[0], :: self.stride[1]]
        matrix = self.weight.permute(0, 2, 3, 1).flatten(1)  # a view: its gradient is channels_last
        return F.linear(rows, matrix, self.bias).permute(0, 3, 1, 2)


# ---- how maps and weights lie in memory ----------------------------------------------------------


def layout_of(x: Tensor) -> str:
    """How a map lies in memory: "nchw" or "channels_last"."""
    channels_last = x.is_contiguous(memory_format=torch.channels_last)
    return "channels_last" if channels_last else "nchw"


def device_of(x: Tensor) -> str:
    """The type of a map's device: "cpu", "cuda" or another."""
    return "cpu" if x.is_cpu else x.device.type  # `is_cpu` is quick, which small maps show


def dtype_of(x: Tensor, device: str) -> str:
    """The dtype in which a map is convolved, by name: autocast's where it is on."""
    dtype = x.dtype
    if device in ("cpu", "cuda") and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    return DTYPE_NAMES.get(dtype, "other")


def choose_algorithm(conv: conv_algorithms.Segmentation, x: Tensor, layout: str) -> str:
    """The algorithm for a map that lies in `layout`; an exported network copies no map."""
    device = device_of(x)
    if torch.compiler.is_exporting() or not conv_algorithms.has_rule(device, layout):
        return conv_algorithms.GROUPED[layout]
    return conv_algorithms.choose(
        conv,
        device=device,
        dtype=dtype_of(x, device),
        layout=layout,
        gradients=torch.is_grad_enabled(),
    )


def choose_pointwise_algorithm(x: Tensor, stride: tuple[int, ...], out_channels: int) -> str:
    """The algorithm of a 1x1: "convolution", or "matmul", which only a map in channels_last can."""
    layout = layout_of(x)
    if layout == "nchw" or torch.compiler.is_exporting():
        return "convolution"
    device = device_of(x)
    return conv_algorithms.choose_pointwise(
        device=device,
        dtype=dtype_of(x, device),
        layout=layout,
        strided=max(stride) > 1,
        positions=x.numel() / (x.shape[1] * stride[0] * stride[1]),
        out_channels=out_channels,
    )


def arranged(x: Tensor, weight: Tensor, layout: str, algorithm: str) -> tuple[Tensor, Tensor]:
    """A map and a weight as a grouped algorithm wants them, copied where they lie otherwise."""
    if algorithm != conv_algorithms.GROUPED[layout]:
        x = x.contiguous(memory_format=MEMORY_FORMATS[algorithm])
    if algorithm == "grouped_nchw" and not torch.compiler.is_exporting():
        weight = weight.contiguous()  # torch would go by the weight's layout, and turn the map
    return x, weight


def empty_weight(conv: conv_algorithms.Segmentation, shape: tuple[int, ...]) -> Tensor:
    """In channels_last where maps in NCHW go that way: oneDNN would else turn it every call."""
    algorithm = conv_algorithms.choose(
        conv, device="cpu", dtype="float32", layout="nchw", gradients=False
    )
    return torch.empty(shape, memory_format=MEMORY_FORMATS[algorithm])


def block_diagonal(
    weights: nn.ParameterList,
    blocks: Iterable[tuple[int, int, int]],
    shape: tuple[int, ...],
    memory_format: torch.memory_format,
) -> Tensor:
    """The weights of blocks of equal segments on the diagonal of one weight, zeros elsewhere."""
    like = next(iter(weights))
    dense = torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=memory_format)
    dense.zero_()
    top = left = 0
    for weight, (segments, ins, outs) in zip(weights, blocks, strict=True):
        rows, columns = segments * outs, segments * ins
        cells = dense[top : top + rows, left : left + columns]
        cells = cells.view(segments, outs, segments, ins, *shape[2:])
        kernels = weight.view(segments, outs, ins, *shape[2:])
        cells.diagonal(dim1=0, dim2=2).copy_(kernels.movedim(0, -1))
        top, left = top + rows, left + columns
    return dense
