"""A learner's convolution and picture as numpy arrays, or a clear answer why they cannot be shown;
never torch.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from xception_edu import checks
from xception_edu.data.images import load_image
from xception_edu.specs import ConvSpec, Shape, segment_sizes


@dataclass(frozen=True)
class Convolution:
    """A convolution as numbers: `weight` (out, in, k, k) with zeros where nothing is connected,
    `bias` (out,).
    """

    spec: ConvSpec
    weight: np.ndarray
    bias: np.ndarray

    def pieces(self) -> list[tuple[range, range]]:
        """The output channels and the input channels of every segment."""
        counts = (self.spec.out_channels, self.spec.in_channels)
        ends = [[0, *accumulate(segment_sizes(n, self.spec.segments))] for n in counts]
        return [(range(*a), range(*b)) for a, b in zip(*map(pairwise, ends), strict=True)]

    def padded(self, maps: np.ndarray) -> np.ndarray:
        """(in, height, width) with the ring of zeros that the spec says."""
        high, wide = self.spec.padding  # type: ignore[misc]
        return np.pad(maps, ((0, 0), (high, high), (wide, wide)))

    def windows(self, maps: np.ndarray) -> np.ndarray:
        """What the kernel lies on at every position: (out height, out width, in, k, k)."""
        down, right = self.spec.stride  # type: ignore[misc]
        views = sliding_window_view(self.padded(maps), self.spec.kernel_size, axis=(1, 2))
        return views[:, ::down, ::right].transpose(1, 2, 0, 3, 4)

    def products(self, maps: np.ndarray) -> np.ndarray:
        """Every weight times its input, at every position: (out height, out width, out, in,
        k, k).
        """
        return self.windows(maps)[:, :, None] * self.weight


def convolution(module: object) -> Convolution:
    """A `SegmentedConv2d` or torch's own `nn.Conv2d`, by what it has; ValueError for other modules
    and other settings.
    """
    name = type(module).__name__
    if hasattr(module, "dense_weight"):
        weight, segments = numbers("module.dense_weight()", module.dense_weight()), module.segments  # type: ignore[attr-defined]
    elif (
        getattr(module, "transposed", True)
        or not hasattr(module, "groups")
        or numbers("", module.weight).ndim != 4
    ):
        raise ValueError(
            f"module is {name}, but must be one convolution over maps: a SegmentedConv2d or an"
            f" nn.Conv2d{_parts(module)}"
        )
    else:
        weight, segments = numbers("module.weight", module.weight), module.groups  # type: ignore[attr-defined]
        weight = _dense(weight, segments)
    for setting, right in (("dilation", (1, 1)), ("padding_mode", "zeros")):
        if getattr(module, setting, right) != right:
            raise ValueError(
                f"module.{setting} is {getattr(module, setting)!r}, but must be {right!r} to be"
                " shown"
            )
    out, channels, *kernel = weight.shape
    bias = getattr(module, "bias", None)
    spec = ConvSpec(
        channels,
        out,
        tuple(kernel),
        segments=segments,
        stride=module.stride,  # type: ignore[attr-defined]
        padding=_padding(module.padding, kernel),  # type: ignore[attr-defined]
        bias=bias is not None,
    )
    return Convolution(
        spec, weight, np.zeros(out) if bias is None else numbers("module.bias", bias)
    )


def _parts(module: object) -> str:
    """The convolutions in a module that is none itself, as a hint."""
    named = getattr(module, "named_modules", lambda: [])()
    found = [
        name
        for name, part in named
        if name and (hasattr(part, "dense_weight") or hasattr(part, "groups"))
    ]
    return f", such as its .{found[0]}" if found else ""


def _dense(weight: np.ndarray, groups: int) -> np.ndarray:
    """What torch keeps, (out, in / groups, k, k) with zeros where a group sees no input: (out, in,
    k, k).
    """
    out, seen, *kernel = weight.shape
    dense = np.zeros((out, seen * groups, *kernel))
    for o in range(out):
        first = o * groups // out * seen
        dense[o, first : first + seen] = weight[o]
    return dense


def _padding(padding: object, kernel: Sequence[int]) -> object:
    """Pixels of padding, also where torch has a word for it."""
    if padding == "same" and not all(k % 2 for k in kernel):
        raise ValueError(
            f"module.padding is 'same', but must be a number for the even kernel {tuple(kernel)}"
        )
    words = {"valid": (0, 0), "same": tuple(k // 2 for k in kernel)}
    return words[padding] if isinstance(padding, str) else padding


def numbers(name: str, values: object) -> np.ndarray:
    """An array or a tensor, of any device and type, as float64; ValueError if it holds something
    that is no finite number.
    """
    if hasattr(values, "detach"):  # a tensor: numpy knows no bfloat16 and no device
        values = values.detach().cpu().double()
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} is {type(values).__name__}, but must be an array of numbers"
        ) from None
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite values, but must be finite")
    return array


# ---- pictures ------------------------------------------------------------------------------------


def maps_of(picture: object, channels: int) -> np.ndarray:
    """A picture as maps (channels, height, width): a file, an image of pillow's, or an array; bytes
    become 0 to 1.
    """
    if isinstance(picture, str | os.PathLike):
        picture = _opened(checks.path("picture", picture, "a picture file"), channels)
    if isinstance(picture, Image.Image):
        picture = np.asarray(picture)
    whole = hasattr(picture, "dtype") and "uint8" in str(picture.dtype)
    array = numbers("picture", picture)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or not array.size:
        raise ValueError(
            f"picture has shape {np.shape(picture)}, but must be (height, width) or (height, width,"
            " channels)"
        )
    if array.shape[2] != channels:
        turn = (
            "; channels come last, so move the first axis to the end"
            if array.shape[0] == channels
            else ""
        )
        raise ValueError(
            f"picture has {array.shape[2]} channels, but must have {channels}, as many as"
            f" enter{turn}"
        )
    return array.transpose(2, 0, 1) / (255 if whole else 1)


def _opened(path: Path, channels: int) -> np.ndarray:
    modes = {1: "L", 3: "RGB"}
    if channels not in modes:
        said = f"picture is the file {path.name}, but must be an array (height, width, {channels}):"
        raise ValueError(checks.line(f"{said} a file has 1 or 3"))
    try:
        return np.asarray(load_image(path).convert(modes[channels]))
    except ValueError as error:
        right = f"a picture file that can be read: {error.__cause__ or error}"
        raise checks.wrong("picture", str(path), right) from None


def reduced(maps: np.ndarray, longest: int) -> np.ndarray:
    """Maps whose longer side is `longest` at most: every value is the mean of those in its
    place.
    """
    height, width = maps.shape[1:]
    scale = longest / max(height, width)
    if scale >= 1:
        return maps
    size = max(1, round(width * scale)), max(1, round(height * scale))
    images = [Image.fromarray(one.astype(np.float32)) for one in maps]
    return np.stack(
        [np.asarray(image.resize(size, Image.Resampling.BOX), dtype=np.float64) for image in images]
    )


def longest_side(spec: ConvSpec, height: int, width: int, positions: int, at_most: int) -> int:
    """How long the longer side of a picture may be if there is room for so many output positions;
    at least one fits.
    """
    for longest in range(min(at_most, max(height, width)), 0, -1):
        scale = min(1.0, longest / max(height, width))
        shape = Shape(spec.in_channels, max(1, round(height * scale)), max(1, round(width * scale)))
        try:
            out = spec.output_shape(shape)
        except ValueError:
            break
        if out.height * out.width <= positions:
            return longest
    kernel = "x".join(map(str, spec.kernel_size))  # type: ignore[arg-type]
    raise ValueError(
        f"picture is {height}x{width}, but must be no smaller than the {kernel} kernel, and about"
        f" square: it is shown with {at_most} pixels a side and {positions} output positions at"
        " most"
    )
