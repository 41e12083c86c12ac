"""What an element of a tensor depends on: how many pixels of the image, and along which axes of the
tensor its places lie; operator by operator.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

from torch import Tensor

from xception_edu.receptive_field import Field

ATTENTION = "attention"  # why there is no field: each element depends on all, weighted by values
MOVED = "places that were moved"
WINDOWS = {"max_pool2d_with_indices", "max_pool2d", "avg_pool2d"}
WHOLE_POOLS = {"_adaptive_avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"}
REDUCTIONS = {"mean", "sum", "amax", "amin", "var", "std", "var_mean", "max", "min", "logsumexp"}
PRODUCTS = {"mm", "addmm", "bmm", "baddbmm", "linear", "matmul"}
# Operators that put places elsewhere, or values of several places into one.
MOVES = {"roll", "flip", "gather", "index", "index_select", "grid_sampler_2d", "im2col", "col2im"}
MOVES |= {"pixel_shuffle", "pixel_unshuffle", "sort", "topk", "cumsum", "embedding"}


class Seen(NamedTuple):
    """The pixels that an element of a tensor sees: None where no rectangle says it, then `why`.

    `sides` are the places, down and across, that still lie along the tensor's `axes`; these are
    two where each has its own, and others where a reshape has laid them into one.
    """

    field: Field | None
    sides: tuple[int, int]
    axes: tuple[int, ...]
    why: str = ""

    def unknown(self, why: str) -> "Seen":
        """What it is behind an operator that leaves no rectangle; the first reason stays."""
        return self._replace(field=None, why=self.why or why)

    def window(self, kernel: Sequence[int], stride: Sequence[int], out: Tensor) -> "Seen":
        """Behind a window of these sides that slides over the places."""
        if self.field is None or self.axes != (2, 3):
            return self.unknown(MOVED)._replace(axes=(2, 3))
        height, width, jump = self.field
        field = Field(
            height + (kernel[0] - 1) * jump, width + (kernel[1] - 1) * jump, jump * stride[0]
        )
        return Seen(field, (out.shape[2], out.shape[3]), self.axes)

    def whole(self, out: Tensor) -> "Seen":
        """Behind something that looks at all places at once."""
        field = self.field
        if field is not None:
            rows, columns = self.sides
            field = Field(
                field.height + (rows - 1) * field.jump,
                field.width + (columns - 1) * field.jump,
                field.jump,
            )
        axes = (2, 3) if out.dim() == 4 else ()
        return Seen(field, (1, 1), axes, self.why)


def image_seen(image: Tensor) -> Seen:
    """Of the image itself: every pixel sees itself."""
    return Seen(Field(), (image.shape[2], image.shape[3]), (2, 3))


def joined(seen: Sequence[Seen]) -> Seen:
    """What several maps together see, as a sum or a concatenation does: the widest."""
    first = max(seen, key=lambda one: prod(one.sides))
    lost = next((one for one in seen if one.field is None), None)
    if lost is not None:
        return first.unknown(lost.why)
    field = Field(*map(max, zip(*(one.field for one in seen), strict=True)))
    return first._replace(field=field)


def after(
    operator: str, args: Sequence[Any], read: Sequence[tuple[Tensor, Seen]], out: Any
) -> Seen:
    """What an element of `out` sees, of what the maps that the operator has read do."""
    (tensor, _), seen = read[0], joined([one for _, one in read])
    if not isinstance(out, Tensor):
        out = out[0]
    if operator == "convolution":
        return _convolved(args, seen, out)
    if operator in WINDOWS:
        kernel, stride = _pair(args[1]), _pair((args[2] if len(args) > 2 else 0) or args[1])
        return seen.window(kernel, stride, out)
    if operator in WHOLE_POOLS:
        return _pooled(seen, out)
    if operator in PRODUCTS:
        return _multiplied(operator, args, read, seen, out)
    if "attention" in operator or (operator.endswith("softmax") and _axis(args, tensor, seen)):
        return seen.unknown(ATTENTION)
    if operator in MOVES or "upsample" in operator:
        return seen.unknown(operator.replace("_", " "))
    if operator in REDUCTIONS:
        return _reduced(args, tensor, seen, out)
    if operator in ("native_group_norm", "native_layer_norm"):
        return _normed(operator, args, tensor, seen, out)
    return _placed(operator, args, tensor, seen, out)


def _convolved(args: Sequence[Any], seen: Seen, out: Tensor) -> Seen:
    weight, stride, dilation, transposed = args[1], args[3], args[5], args[6]
    if transposed or weight.dim() != 4:
        return seen.unknown("upsampling")._replace(axes=(2, 3))
    kernel = [(k - 1) * gap + 1 for k, gap in zip(weight.shape[2:], _pair(dilation), strict=True)]
    return seen.window(kernel, _pair(stride), out)


def _pooled(seen: Seen, out: Tensor) -> Seen:
    """Pooling to a given size: windows that may overlap by one where it does not divide."""
    sides, new = seen.sides, out.shape[-2:]
    kernel = [-(-a // b) + bool(a % b) for a, b in zip(sides, new, strict=True)]
    kernel = [min(k, side) for k, side in zip(kernel, sides, strict=True)]
    return seen.window(kernel, [max(a // b, 1) for a, b in zip(sides, new, strict=True)], out)


def _multiplied(
    operator: str,
    args: Sequence[Any],
    read: Sequence[tuple[Tensor, Seen]],
    seen: Seen,
    out: Tensor,
) -> Seen:
    """A product of matrices: with weights it is a layer, of two maps it is attention."""
    left = args[1] if operator in ("addmm", "baddbmm") else args[0]
    maps = [tensor for tensor, _ in read]
    if len(maps) > 1 or maps[0] is not left:
        return seen.unknown(ATTENTION)
    return seen.whole(out) if left.dim() - 1 in seen.axes else seen


def _axis(args: Sequence[Any], tensor: Tensor, seen: Seen) -> bool:
    """Whether the axis that is the operator's second argument has places."""
    return args[1] % tensor.dim() in seen.axes and prod(seen.sides) > 1


def _reduced(args: Sequence[Any], tensor: Tensor, seen: Seen, out: Tensor) -> Seen:
    """A mean or a maximum: over places, over others, or over all."""
    given = args[1] if len(args) > 1 and args[1] is not None else range(tensor.dim())
    axes = [axis % tensor.dim() for axis in ([given] if isinstance(given, int) else given)]
    if set(axes) & set(seen.axes):
        return seen.whole(out)
    if out.dim() == tensor.dim():
        return seen
    left = [axis for axis in range(tensor.dim()) if axis not in axes]
    return seen._replace(axes=tuple(left.index(axis) for axis in seen.axes))


def _normed(operator: str, args: Sequence[Any], tensor: Tensor, seen: Seen, out: Tensor) -> Seen:
    """A norm whose statistics are of this very map; of places only where it takes them in."""
    if operator == "native_group_norm":
        return seen.whole(out)._replace(sides=seen.sides, axes=seen.axes)
    first = tensor.dim() - len(args[1])
    if any(axis >= first for axis in seen.axes):
        return seen.whole(out)._replace(sides=seen.sides, axes=seen.axes)
    return seen


def _placed(operator: str, args: Sequence[Any], tensor: Tensor, seen: Seen, out: Tensor) -> Seen:
    """What changes no values, or every one alone: only the axes may move."""
    if operator == "permute":
        order = [axis % tensor.dim() for axis in args[1]]
        return seen._replace(axes=tuple(order.index(axis) for axis in seen.axes))
    if operator in ("transpose", "t"):
        a, b = (axis % tensor.dim() for axis in args[1:3]) if len(args) > 2 else (0, 1)
        swap = {a: b, b: a}
        return seen._replace(axes=tuple(swap.get(axis, axis) for axis in seen.axes))
    if out.shape == tensor.shape:
        return seen
    if operator in ("select", "unbind"):
        gone = (args[1] if len(args) > 1 else 0) % tensor.dim()
        if gone not in seen.axes:
            return seen._replace(axes=tuple(axis - (axis > gone) for axis in seen.axes))
    if out.numel() != tensor.numel():
        return _cropped(operator, tensor, seen, out)
    return seen._replace(axes=_reshaped_axes(tensor.shape, out.shape, seen))


def _cropped(operator: str, tensor: Tensor, seen: Seen, out: Tensor) -> Seen:
    """Axes that stay; a part of the places, or more of them, is said."""
    if out.dim() == tensor.dim() and all(out.shape[a] == tensor.shape[a] for a in seen.axes):
        return seen  # some of the channels
    if out.dim() != tensor.dim() or len(seen.axes) != 2:
        return seen if prod(seen.sides) == 1 or "cat" in operator else seen.unknown(MOVED)
    sides = (out.shape[seen.axes[0]], out.shape[seen.axes[1]])
    if operator in ("slice", "select") and sides != seen.sides:
        return seen.unknown("a slice of the map")
    return seen._replace(sides=sides)


def _reshaped_axes(old: Sequence[int], new: Sequence[int], seen: Seen) -> tuple[int, ...]:
    """Where the places lie after a reshape: along two axes if the new shape has them as they were,
    else along all that share them.
    """
    axes: list[int] = []
    for olds, news in _groups(old, new):
        if set(olds) & set(seen.axes):
            axes += news
    for first, second in pairwise(axes):
        if second == first + 1 and (new[first], new[second]) == seen.sides:
            return first, second
    return tuple(axes)


def _groups(old: Sequence[int], new: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Axes of two shapes of one size, in the smallest groups that have as many elements."""
    groups, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        olds, news = [i] if i < len(old) else [], [j] if j < len(new) else []
        i, j = i + 1, j + 1
        while prod(old[n] for n in olds) != prod(new[n] for n in news):
            if prod(old[n] for n in olds) < prod(new[n] for n in news):
                olds.append(i)
                i += 1
            else:
                news.append(j)
                j += 1
        groups.append((olds, news))
    return groups


def _pair(value: Any) -> tuple[int, int]:
    """Both sides of an argument that may have one number for both."""
    if isinstance(value, int):
        return value, value
    return (value[0], value[0]) if len(value) == 1 else (value[0], value[1])
