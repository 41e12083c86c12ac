"""Two convolutions that know how to be fast: over any number of channel segments, and 1x1.

Each computes what torch's does; which kernels do it depends on device, number type and layout, by
rules that say why. Tensors are (N, C, H, W).
"""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xception_edu import checks


def piece_sizes(channels: int, segments: int) -> list[int]:
    """Sizes that torch.tensor_split gives `segments` pieces of `channels`: the larger ones
    first.
    """
    return [len(piece) for piece in torch.arange(channels, device="cpu").tensor_split(segments)]


FORMATS = {"grouped_nchw": torch.contiguous_format, "grouped_channels_last": torch.channels_last}


def _comes_as(x: Tensor) -> str:
    """The form whose layout a map has."""
    return (
        "grouped_channels_last"
        if x.is_contiguous(memory_format=torch.channels_last)
        else "grouped_nchw"
    )


def _as_maps(weight: Tensor, form: str) -> Tensor:
    """The weight in NCHW where the maps are: torch would go by the weight's layout, and turn
    them.
    """
    return (
        weight.contiguous()
        if form == "grouped_nchw" and not torch.compiler.is_exporting()
        else weight
    )


def _computes_in(x: Tensor) -> torch.dtype:
    """The number type in which a convolution of a map computes: autocast's where it is on."""
    device = x.device.type
    if device in ("cpu", "cuda") and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return x.dtype


class SegmentedConv2d(nn.Module):
    """Convolution in which piece i of the output channels sees only piece i of the input channels
    (Section 1.2).

    Channels are cut into `segments` contiguous pieces, as equal as can be. Neighboring pieces of
    equal size are one grouped convolution ("run"); there are at most three runs, and one wherever
    `segments` divides both channel counts.

    Shape: (N, in_channels, H, W) to (N, out_channels, H', W'). `kernel_size`, `stride`, `padding`
    are one integer or (height, width); padding None is half the kernel. `weights` holds a tensor a
    run: (out of the run, in of one piece, k, k), in channels_last where maps in NCHW go that way
    too (oneDNN would turn weights in NCHW in every call).

    A map may be laid out anew first, or the convolution be a regular one with zeros in it, where
    that is faster: `form_of` says which of the three it is, `_on_cpu` and `_on_gpu` why. The values
    are the same; the strides are those of the form.

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
    ):
        super().__init__()
        self.in_channels = checks.integer("in_channels", in_channels)
        self.out_channels = checks.integer("out_channels", out_channels)
        self.kernel_size = checks.pair("kernel_size", kernel_size)
        self.segments = checks.segments(segments, in_channels, out_channels)
        self.stride = checks.pair("stride", stride)
        half = (self.kernel_size[0] // 2, self.kernel_size[1] // 2)
        self.padding = half if padding is None else checks.pair("padding", padding, at_least=0)
        pieces = zip(
            piece_sizes(in_channels, segments), piece_sizes(out_channels, segments), strict=True
        )
        # (pieces, in, out of each)
        self.runs = [(len(list(same)), *sizes) for sizes, same in itertools.groupby(pieces)]
        self.bias = (
            nn.Parameter(torch.empty(out_channels)) if checks.boolean("bias", bias) else None
        )
        _, *widths = max(self.runs, key=lambda run: run[0] * run[1])
        # channels of a piece, in and out, in the run that has most of them
        self._width = math.gcd(*widths)
        with torch.no_grad():
            layout = FORMATS[self.form_for("grouped_nchw", device="cpu", dtype=torch.float32)]
        self.weights = nn.ParameterList(
            torch.empty(n * piece_out, piece_in, *self.kernel_size, memory_format=layout)
            for n, piece_in, piece_out in self.runs
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """He initialization by the fan-in of one piece, the same values in any layout; zero
        bias.
        """
        for weight in self.weights:
            values = torch.empty_like(weight, memory_format=torch.contiguous_format)
            with torch.no_grad():
                weight.copy_(nn.init.kaiming_normal_(values, nonlinearity="relu"))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H', W')."""
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"x has shape {tuple(x.shape)}, but must be (N, {self.in_channels}, H, W)"
            )
        form = self.form_of(x)
        if form == "dense":
            weight = self.dense_weight(memory_format=FORMATS[_comes_as(x)])
            return F.conv2d(x, weight, self.bias, self.stride, self.padding)
        layout = None if form == _comes_as(x) else FORMATS[form]
        if len(self.runs) == 1:
            x = x if layout is None else x.contiguous(memory_format=layout)
            # weights[0] takes 2 us longer, which shows beside a small convolution
            weight = getattr(self.weights, "0")
            return F.conv2d(
                x,
                _as_maps(weight, form),
                self.bias,
                self.stride,
                self.padding,
                groups=self.segments,
            )
        xs = x.split([n * piece_in for n, piece_in, _ in self.runs], dim=1)
        if layout is not None:
            xs = [part.contiguous(memory_format=layout) for part in xs]
        weights = [_as_maps(weight, form) for weight in self.weights]
        outs = [n * piece_out for n, _, piece_out in self.runs]
        biases = self.bias.split(outs) if self.bias is not None else [None] * len(outs)
        runs = zip(xs, weights, biases, self.runs, strict=True)
        return torch.cat(
            [F.conv2d(x, w, b, self.stride, self.padding, groups=n) for x, w, b, (n, _, _) in runs],
            dim=1,
        )

    def form_of(self, x: Tensor) -> str:
        """How a map would be convolved now: `form_for` its layout, device and dtype."""
        comes, device = _comes_as(x), x.device.type
        # the rule for all dtypes; asking for one takes a microsecond
        if device == "cpu" and comes == "grouped_channels_last":
            return comes
        return self.form_for(comes, device=device, dtype=_computes_in(x))

    def form_for(self, comes: str, *, device: str, dtype: torch.dtype) -> str:
        """How a map would be convolved that comes as "grouped_nchw" or "grouped_channels_last"
        says, with gradients if they are on: in one of these two, or as "dense", a regular
        convolution with `dense_weight` in the map's own layout.
        """
        if torch.compiler.is_exporting() or (
            device == "cpu" and (self.segments == 1 or comes == "grouped_channels_last")
        ):
            return comes
        if device == "cpu" and dtype in (torch.float32, torch.bfloat16):
            return self._on_cpu(dtype)
        if device == "cuda" and dtype in (torch.bfloat16, torch.float16):
            return self._on_gpu(comes)
        return comes

    def _on_cpu(self, dtype: torch.dtype) -> str:
        """For a map in NCHW; one in channels_last stays so.

        oneDNN's NCHW kernels work on blocks of 8 channels (bf16: 16); pieces that are no whole
        blocks fall to slow ones, which take up to three times as long as in channels_last, the copy
        included (2 segments of 364 channels, say). Then copying the map pays. Pieces of one channel
        have a kernel of their own, and so have 4 and 8 in the forward pass, which a copy would only
        delay; of uneven pieces the run with most channels decides, in float32. With gradients three
        convolutions gain from one copy, and only whole blocks are better off without (in a network
        of depthwise ones the first copy is the last: all maps after it come in channels_last).
        results/segments_latency.json has all cases, measured with AVX-512.
        """
        width, even, single = self._width, len(self.runs) == 1, dtype == torch.float32
        blocks = width % (8 if single else 16) == 0
        if torch.is_grad_enabled():
            keeps = even and blocks
        elif even:
            keeps = width in (1, 4, 8) or blocks
        else:
            keeps = single and (width == 4 or blocks)
        return "grouped_nchw" if keeps else "grouped_channels_last"

    def _on_gpu(self, comes: str) -> str:
        """In half precision. float32 stays as it comes: wide pieces are faster in channels_last
        without TF32, in NCHW with it.

        cuDNN's grouped kernels fit its matrix units for pieces of 4 to 64 channels, a power of two,
        and have one of their own for one channel: those in channels_last, where copying the map
        pays if there are gradients; so it does for one segment. Most others are so slow that a
        regular convolution with zeros in it, up to a hundred times the MACs, takes a third of the
        time: on maps of up to 256 channels (there for pieces of 4, too), and with gradients for 3
        to 5 segments of any. What is left is faster in NCHW; but a forward pass alone on a map in
        channels_last gains from a copy only if pieces are even, and narrow or whole blocks of 8.
        results/gpu/segments_latency.json has all cases, measured on an H200.
        """
        width, even, gradients = self._width, len(self.runs) == 1, torch.is_grad_enabled()
        small = self.in_channels * self.out_channels <= 256 * 256
        if even and (
            width in (1, 8, 16, 32, 64) or self.segments == 1 or (width == 4 and not small)
        ):
            return "grouped_channels_last" if gradients or width == 1 else comes
        if small or (gradients and 3 <= self.segments <= 5):
            return "dense"
        slow = not even or (width > 28 and width % 8)
        return (
            "dense"
            if comes == "grouped_channels_last" and slow and not gradients
            else "grouped_nchw"
        )

    @property
    def form(self) -> str:
        """`form_of` a map in NCHW, of the weights' dtype and on their device."""
        return self.form_of(self.weights[0].new_empty(1, self.in_channels, 2, 2))

    def dense_weight(
        self, *, memory_format: torch.memory_format = torch.contiguous_format
    ) -> Tensor:
        """The block-diagonal (out_channels, in_channels, k, k) tensor with which a regular
        convolution does the same.
        """
        shape = (self.out_channels, self.in_channels, *self.kernel_size)
        about = {"dtype": self.weights[0].dtype, "device": self.weights[0].device}
        dense = torch.empty(shape, **about, memory_format=memory_format).zero_()
        top = left = 0
        for weight, (n, piece_in, piece_out) in zip(self.weights, self.runs, strict=True):
            rows, columns = n * piece_out, n * piece_in
            blocks = (
                dense[top : top + rows, left : left + columns]
                .unflatten(1, (n, piece_in))
                .unflatten(0, (n, piece_out))
            )
            blocks.diagonal(dim1=0, dim2=2).copy_(
                weight.unflatten(0, (n, piece_out)).movedim(0, -1)
            )
            top, left = top + rows, left + columns
        return dense

    def extra_repr(self) -> str:
        """What print shows between the parentheses."""
        sizes = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        return (
            f"{self.in_channels}, {self.out_channels}, segments={self.segments}, {sizes},"
            f" form={self.form!r}"
        )


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution: at every position, or every `stride`-th, the same matrix from in_channels
    to out_channels.

    Shape: (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, bias: bool = False):
        super().__init__(in_channels, out_channels, 1, stride=stride, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        if not self._is_a_product(x):
            return super().forward(x)
        rows = x.permute(0, 2, 3, 1)[:, :: self.stride[0], :: self.stride[1]]
        # a view, and its gradient comes back in channels_last
        matrix = self.weight.permute(0, 2, 3, 1).flatten(1)
        return F.linear(rows, matrix, self.bias).permute(0, 3, 1, 2)

    def _is_a_product(self, x: Tensor) -> bool:
        """Whether to multiply matrices instead: in channels_last a map is one already, a row a
        position.

        On CPUs in bfloat16 that is the faster way for fewer positions than output channels: at
        10x10 and batch 4 it takes 0.8 of the time of oneDNN's convolution. At 19x19 the two are
        equal, and in float32 the convolution is faster.
        """
        if (
            x.device.type != "cpu"
            or not x.is_contiguous(memory_format=torch.channels_last)
            or torch.compiler.is_exporting()
        ):
            return False
        positions = x.shape[0] * x.shape[2] * x.shape[3] / (self.stride[0] * self.stride[1])
        return positions <= self.out_channels and _computes_in(x) == torch.bfloat16
