"""Which algorithm computes a convolution fastest: rules from measurements, functions of numbers.

A segmented convolution has three algorithms, which compute the same values:

    grouped_nchw           torch's grouped convolution, the map in NCHW
    grouped_channels_last  the same in channels_last (the channels of a position side by side)
    dense                  a regular convolution with zeros in its weight, in the map's own layout

A map that lies otherwise than its algorithm wants is copied first. A device is "cpu", "cuda" or any
other of torch's types; a dtype is that of the arithmetic (autocast's where it is on), by torch's
name; a layout is "nchw" or "channels_last". results/segments_latency.json has all cases on a CPU
with AVX-512, results/gpu/segments_latency.json those on an H200.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from xception_edu import checks

# The algorithm that needs no copy of a map in a layout.
GROUPED = {"nchw": "grouped_nchw", "channels_last": "grouped_channels_last"}

# Channels that oneDNN's kernels for NCHW take at once.
CHANNEL_BLOCK = {"float32": 8, "bfloat16": 16}
HALF_PRECISION = ("bfloat16", "float16")

# Positions of a map up to which a 1x1 in float32 is a product of matrices on a CPU.
PRODUCT_POSITIONS = 2**14


class Segmentation(NamedTuple):
    """What the rules need to know of a segmented convolution.

    `width` is one number for the channels of a segment: where segments are unequal, it goes by the
    block of equal segments with most input channels, and is the greatest common divisor of what
    they have in and out. `equal` says whether all segments are of one size.
    """

    in_channels: int
    out_channels: int
    segments: int
    width: int
    equal: bool


def segmentation(blocks: Sequence[tuple[int, int, int]]) -> Segmentation:
    """Of blocks of equal segments: (segments, in_channels of each, out_channels of each)."""
    _, *widths = max(blocks, key=lambda block: block[0] * block[1])
    return Segmentation(
        in_channels=sum(segments * ins for segments, ins, _ in blocks),
        out_channels=sum(segments * outs for segments, _, outs in blocks),
        segments=sum(segments for segments, _, _ in blocks),
        width=math.gcd(*widths),
        equal=len(blocks) == 1,
    )


def has_rule(device: str, layout: str) -> bool:
    """Whether any map in `layout` is convolved otherwise than it lies on such a device."""
    return device == "cuda" or (device == "cpu" and layout == "nchw")


def choose(conv: Segmentation, *, device: str, dtype: str, layout: str, gradients: bool) -> str:
    """The algorithm that is fastest for a segmented convolution of a map that lies in `layout`.

    `gradients` says whether a backward pass follows. Where there is no rule the map stays in its
    layout: on other devices, in other dtypes, and on CPUs in channels_last or with one segment,
    which is a regular convolution.
    """
    if layout not in GROUPED:
        checks.one_of("layout", layout, GROUPED)
    if not has_rule(device, layout):
        return GROUPED[layout]
    if device == "cpu" and conv.segments > 1 and dtype in CHANNEL_BLOCK:
        return _on_cpu(conv, dtype, gradients)
    if device == "cuda" and dtype in HALF_PRECISION:
        return _on_gpu(conv, layout, gradients)
    return GROUPED[layout]


def _on_cpu(conv: Segmentation, dtype: str, gradients: bool) -> str:
    """For a map in NCHW; one in channels_last stays so.

    oneDNN's NCHW kernels work on blocks of 8 channels (bfloat16: 16). Segments whose width is not
    a multiple of the block fall back to slow kernels, which need up to three times as long as
    channels_last, the copy included (2 segments of 364 channels, say). Then copying the map pays.
    Segments of one channel have a kernel of their own, and so have 4 and 8 in the forward pass,
    which a copy would only delay; of unequal segments the width of most channels decides, in
    float32. With gradients three convolutions gain from one copy, and only multiples of the block
    are better off without (in a network of depthwise ones the first copy is the last: all maps
    after it are in channels_last).
    """
    multiple = conv.width % CHANNEL_BLOCK[dtype] == 0
    if gradients:
        fast_in_nchw = conv.equal and multiple
    elif conv.equal:
        fast_in_nchw = multiple or conv.width in (1, 4, 8)
    else:
        fast_in_nchw = dtype == "float32" and (multiple or conv.width == 4)
    return "grouped_nchw" if fast_in_nchw else "grouped_channels_last"


def _on_gpu(conv: Segmentation, layout: str, gradients: bool) -> str:
    """For half precision (float32 has no rule: what is faster depends on TF32).

    cuDNN's grouped kernels fit its matrix units for segments of 4 to 64 channels, a power of two,
    and have one of their own for one channel: those in channels_last, where copying the map pays
    if there are gradients; so it does for one segment. Most others are so slow that a regular
    convolution with zeros in it, up to a hundred times the MACs, needs a third of the time: on
    maps of up to 256 channels (there for segments of 4, too), and with gradients for 3 to 5
    segments of any. What is left is faster in NCHW; but a forward pass alone on a map in
    channels_last gains from a copy only if segments are equal, and narrow or a multiple of 8.
    """
    width, small = conv.width, conv.in_channels * conv.out_channels <= 256 * 256
    fits_matrix_units = width in (8, 16, 32, 64) or (width == 4 and not small)
    if conv.equal and (fits_matrix_units or width == 1 or conv.segments == 1):
        return "grouped_channels_last" if gradients or width == 1 else GROUPED[layout]
    if small or (gradients and 3 <= conv.segments <= 5):
        return "dense"
    copy_pays = conv.equal and (width <= 28 or width % 8 == 0)
    if layout == "channels_last" and not gradients and not copy_pays:
        return "dense"
    return "grouped_nchw"


def choose_pointwise(
    *, device: str, dtype: str, layout: str, strided: bool, positions: float, out_channels: int
) -> str:
    """The algorithm that is fastest for a 1x1: "convolution", or "matmul", a product of matrices.

    `positions` are those of the output, over the batch. In channels_last a map is a matrix
    already, a row a position. On CPUs in float32 the product and its two gradients are faster on
    all but the largest maps; in bfloat16 where there are fewer positions than output channels.
    With a stride the product gathers its rows, which is faster in bfloat16 and about equal in
    float32; there oneDNN's gradient of a strided 1x1 of 8 channels ends the process (torch 2.13,
    maps of 100x100 and more). results/pointwise_latency.json has the cases.
    """
    most = {"float32": PRODUCT_POSITIONS, "bfloat16": out_channels}
    if device != "cpu" or layout != "channels_last" or dtype not in most:
        return "convolution"
    # Positions last: comparing a symbolic size ties a compiled network to it.
    return "matmul" if strided or positions <= most[dtype] else "convolution"
