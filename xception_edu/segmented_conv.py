"""The two convolutions of the paper: over any number of channel segments, and 1x1.

Each computes what torch's does. Which algorithm is fastest is a question of its own, answered in
`conv_algorithms`; nothing else here depends on it. Tensors are (N, C, H, W).
"""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xception_edu import checks, conv_algorithms

MEMORY_FORMATS = {
    "grouped_nchw": torch.contiguous_format,
    "grouped_channels_last": torch.channels_last,
}
DTYPE_NAMES = {
    torch.float32: "float32",
    torch.bfloat16: "bfloat16",
    torch.float16: "float16",
    torch.float64: "float64",
}


def layout_of(x: Tensor) -> str:
    """How a map lies in memory: "nchw" or "channels_last"."""
    channels_last = x.is_contiguous(memory_format=torch.channels_last)
    return "channels_last" if channels_last else "nchw"


def arithmetic_of(x: Tensor) -> tuple[str, str]:
    """Device and dtype in which a map is convolved, by name: autocast's dtype where it is on."""
    device = "cpu" if x.is_cpu else x.device.type  # `is_cpu` is quick, which small maps show
    dtype = x.dtype
    if device in ("cpu", "cuda") and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    return device, DTYPE_NAMES.get(dtype, "other")


def segment_sizes(channels: int, segments: int) -> list[int]:
    """Channels of each segment, larger ones first (as torch.tensor_split cuts)."""
    return [len(part) for part in torch.arange(channels, device="cpu").tensor_split(segments)]


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
    segments, at most three, is one of torch's grouped convolutions.

    Shape: (N, in_channels, H, W) to (N, out_channels, H', W'). `kernel_size`, `stride`, `padding`
    are one integer or (height, width); padding None is half the kernel. `weights` holds a tensor a
    block: (out_channels of the block, in_channels of one segment, k, k).

    The values are the same whichever algorithm is chosen; the output has that algorithm's layout.

    Raises ValueError if segments is not from 1 to the smaller channel count: a further segment
    would have no channel.
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
        self.segments = checks.segments(segments, in_channels, out_channels)
        self.stride = checks.pair("stride", stride)
        half = (self.kernel_size[0] // 2, self.kernel_size[1] // 2)
        self.padding = half if padding is None else checks.pair("padding", padding, at_least=0)
        self.blocks = segment_blocks(in_channels, out_channels, segments)
        self._ins = [block.segments * block.in_channels for block in self.blocks]
        self._outs = [block.segments * block.out_channels for block in self.blocks]
        self.segmentation = conv_algorithms.segmentation(self.blocks)
        has_bias = checks.boolean("bias", bias)
        self.bias = nn.Parameter(torch.empty(out_channels)) if has_bias else None
        self.weights = nn.ParameterList(self._empty_weight(block) for block in self.blocks)
        self.reset_parameters()

    def _empty_weight(self, block: SegmentBlock) -> Tensor:
        """In channels_last where maps in NCHW go that way: oneDNN would else turn it every call."""
        algorithm = conv_algorithms.choose(
            self.segmentation, device="cpu", dtype="float32", layout="nchw", gradients=False
        )
        shape = (block.segments * block.out_channels, block.in_channels, *self.kernel_size)
        return torch.empty(shape, memory_format=MEMORY_FORMATS[algorithm])

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
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            needed = f"(N, {self.in_channels}, H, W)"
            raise ValueError(f"x has shape {tuple(x.shape)}, but must be {needed}")
        layout = layout_of(x)
        algorithm = self._algorithm_for(x, layout)
        if algorithm == "dense":
            return self._regular(x, layout)
        copied = algorithm != conv_algorithms.GROUPED[layout]
        if len(self.blocks) == 1:
            weight = getattr(self.weights, "0")  # weights[0] is 1 us slower: small maps show it
            return self._grouped(x, weight, self.bias, self.segments, algorithm, copied)
        maps = x.split_with_sizes(self._ins, dim=1)
        biases = [None] * len(maps) if self.bias is None else self.bias.split_with_sizes(self._outs)
        blocks = zip(maps, self.weights, biases, self.blocks, strict=True)
        outputs = [
            self._grouped(part, weight, bias, block.segments, algorithm, copied)
            for part, weight, bias, block in blocks
        ]
        return torch.cat(outputs, dim=1)

    def _grouped(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        segments: int,
        algorithm: str,
        copied: bool,
    ) -> Tensor:
        """A block of equal segments, which torch calls groups, in the algorithm's layout."""
        if copied:
            x = x.contiguous(memory_format=MEMORY_FORMATS[algorithm])
        if algorithm == "grouped_nchw" and not torch.compiler.is_exporting():
            weight = weight.contiguous()  # torch would go by the weight's layout, and turn the map
        return F.conv2d(x, weight, bias, self.stride, self.padding, groups=segments)

    def _regular(self, x: Tensor, layout: str) -> Tensor:
        """All segments at once, by a regular convolution with zeros between them."""
        weight = self.dense_weight(memory_format=MEMORY_FORMATS[conv_algorithms.GROUPED[layout]])
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)

    def dense_weight(
        self, *, memory_format: torch.memory_format = torch.contiguous_format
    ) -> Tensor:
        """The block-diagonal (out_channels, in_channels, k, k) weight of `_regular`."""
        first = self.weights[0]
        dense = torch.empty(
            (self.out_channels, self.in_channels, *self.kernel_size),
            dtype=first.dtype,
            device=first.device,
            memory_format=memory_format,
        ).zero_()
        top = left = 0
        for weight, (segments, ins, outs) in zip(self.weights, self.blocks, strict=True):
            rows, columns = segments * outs, segments * ins
            block = dense[top : top + rows, left : left + columns]
            cells = block.unflatten(1, (segments, ins)).unflatten(0, (segments, outs))  # type: ignore[no-untyped-call]
            kernels = weight.unflatten(0, (segments, outs))
            cells.diagonal(dim1=0, dim2=2).copy_(kernels.movedim(0, -1))
            top, left = top + rows, left + columns
        return dense

    def algorithm_for(self, x: Tensor) -> str:
        """How `forward` would convolve a map now; when exported, without a copy."""
        return self._algorithm_for(x, layout_of(x))

    def _algorithm_for(self, x: Tensor, layout: str) -> str:
        if torch.compiler.is_exporting():
            return conv_algorithms.GROUPED[layout]
        device, dtype = arithmetic_of(x)
        gradients = torch.is_grad_enabled()
        return conv_algorithms.choose(
            self.segmentation, device=device, dtype=dtype, layout=layout, gradients=gradients
        )

    @property
    def algorithm(self) -> str:
        """`algorithm_for` a map in NCHW, of the weights' dtype and on their device."""
        return self.algorithm_for(self.weights[0].new_empty(1, self.in_channels, 2, 2))

    def extra_repr(self) -> str:
        """What print shows between the parentheses."""
        sizes = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        channels = f"{self.in_channels}, {self.out_channels}, segments={self.segments}"
        return f"{channels}, {sizes}, algorithm={self.algorithm!r}"


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution: at every `stride`-th position the same matrix over the channels.

    Shape: (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, bias: bool = False
    ) -> None:
        super().__init__(in_channels, out_channels, 1, stride=stride, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        if self._algorithm_for(x) == "convolution":
            return super().forward(x)
        rows = x.permute(0, 2, 3, 1)[:, :: self.stride[0], :: self.stride[1]]
        matrix = self.weight.permute(0, 2, 3, 1).flatten(1)  # a view: its gradient is channels_last
        return F.linear(rows, matrix, self.bias).permute(0, 3, 1, 2)

    def _algorithm_for(self, x: Tensor) -> str:
        layout = layout_of(x)
        if layout == "nchw" or torch.compiler.is_exporting():  # in NCHW a map is no matrix
            return "convolution"
        device, dtype = arithmetic_of(x)
        return conv_algorithms.choose_pointwise(
            device=device,
            dtype=dtype,
            layout=layout,
            positions=x.numel() / (self.in_channels * self.stride[0] * self.stride[1]),
            out_channels=self.out_channels,
        )
