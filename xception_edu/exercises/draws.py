"""Random shapes and numbers for the trials of exercises, from a generator with a known seed."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import torch

Case = tuple[Any, ...]


def generator(*names: object) -> torch.Generator:
    """A generator whose seed follows from names: the same draws on every machine."""
    text = " ".join(str(name) for name in names)
    return torch.Generator().manual_seed(zlib.crc32(text.encode()))


def integer(g: torch.Generator, low: int, high: int) -> int:
    """An integer from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=g))


def integers(g: torch.Generator, count: int, low: int, high: int) -> Case:
    """`count` of them."""
    return tuple(integer(g, low, high) for _ in range(count))


def number(g: torch.Generator, low: float, high: float) -> float:
    """A number from low to high."""
    return low + (high - low) * float(torch.rand((), generator=g, dtype=torch.float64))


def numbers(g: torch.Generator, count: int, low: float, high: float) -> list[float]:
    """`count` of them."""
    return [number(g, low, high) for _ in range(count)]


def one_of(g: torch.Generator, values: Sequence[Any]) -> Any:
    """One of the values."""
    return values[integer(g, 0, len(values) - 1)]


def kernel(g: torch.Generator) -> int:
    """The side of a kernel, which is odd."""
    return int(one_of(g, (1, 3, 5, 7)))


def segmented(g: torch.Generator) -> tuple[int, int]:
    """Channels and segments that divide them, where a segment is not as wide as they are many."""
    segments, width = integer(g, 2, 6), integer(g, 2, 6)
    return segments * (width + (width == segments)), segments


def tensors(g: torch.Generator, *shapes: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    """A tensor of normally distributed numbers for each shape."""
    return tuple(torch.randn(*shape, generator=g) for shape in shapes)


def several(g: torch.Generator, draw: Callable[[torch.Generator], Case]) -> list[Case]:
    """Four trials."""
    return [draw(g) for _ in range(4)]
