"""How maps and weights lie in memory, and what the algorithms of `conv_algorithms` ask of that.

Nothing here changes a value: `layers` says what is computed. Tensors are (N, C, H, W).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from xception_edu import conv_algorithms

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


def choose(conv: conv_algorithms.Segmentation, x: Tensor, layout: str) -> str:
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


def choose_pointwise(x: Tensor, stride: tuple[int, ...], out_channels: int) -> str:
    """The algorithm of a 1x1: "convolution", or "matmul", which only a map in channels_last can."""
    layout = layout_of(x)
    if layout == "nchw" or torch.compiler.is_exporting():
        return "convolution"
    device = device_of(x)
    return conv_algorithms.choose_pointwise(
        device=device,
        dtype=dtype_of(x, device),
        layout=layout,
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
