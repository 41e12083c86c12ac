"""Answers to wrong arguments: one sentence with the argument's name, its value and what would be
right.
"""

import importlib
import math
from collections.abc import Collection
from types import ModuleType


def integer(
    name: str, value: object, *, at_least: int = 1, at_most: int | None = None, because: str = ""
) -> int:
    """Return `value` if it is an integer within the bounds (both included); ValueError otherwise. A
    bool is no integer.
    """
    if type(value) is not int or value < at_least or (at_most is not None and value > at_most):
        bounds = f"of at least {at_least}" if at_most is None else f"from {at_least} to {at_most}"
        raise ValueError(
            f"{name} is {value!r}, but must be an integer {bounds}{because and f' ({because})'}"
        )
    return value


def odd(name: str, value: object) -> int:
    """Return `value` if it is an odd integer of at least 1: half of it as padding keeps the sides;
    ValueError otherwise.
    """
    if integer(name, value) % 2 == 0:
        raise ValueError(
            f"{name} is {value!r}, but must be odd: half of it is the padding that keeps height and"
            " width"
        )
    return value  # type: ignore[return-value]


def number(
    name: str,
    value: object,
    *,
    above: float = -math.inf,
    at_least: float = -math.inf,
    below: float = math.inf,
    at_most: float = math.inf,
) -> float:
    """Return `value` if it is a finite real number with above < value < below, at_least <= value <=
    at_most; or ValueError.
    """
    real = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not real or not (above < value < below and at_least <= value <= at_most):  # type: ignore[operator]
        bounds = [f"above {above:g}"] * (above > -math.inf) + [f"of at least {at_least:g}"] * (
            at_least > -math.inf
        )
        bounds += [f"below {below:g}"] * (below < math.inf) + [f"of at most {at_most:g}"] * (
            at_most < math.inf
        )
        raise ValueError(
            f"{name} is {value!r}, but must be a finite number {' and '.join(bounds)}".rstrip()
        )
    return value  # type: ignore[return-value]


def boolean(name: str, value: object) -> bool:
    """Return `value` if it is True or False; ValueError otherwise."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}, but must be True or False")
    return value


def text(name: str, value: object) -> str:
    """Return `value` if it is a string; ValueError otherwise."""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, but must be a string")
    return value


def one_of(name: str, value: object, options: Collection[object]) -> None:
    """Raise ValueError unless `value` is one of `options` (True does not pass for 1)."""
    if not any(
        value is option or (type(value) is type(option) and value == option) for option in options
    ):
        raise ValueError(f"{name} is {value!r}, but must be one of {', '.join(map(repr, options))}")


def integers(
    name: str, value: object, *, length: int | None = None, shortest: int = 0
) -> tuple[int, ...]:
    """Return `value` as a tuple of integers of at least 1, of the given (or shortest) length;
    ValueError otherwise.
    """
    size = f"{length} integers" if length is not None else f"{shortest} integers or more"
    if not isinstance(value, (tuple, list)) or (
        len(value) != length if length is not None else len(value) < shortest
    ):
        raise ValueError(f"{name} is {value!r}, but must be a tuple of {size}")
    return tuple(integer(f"{name}[{i}]", v) for i, v in enumerate(value))


def pair(name: str, value: object, *, at_least: int = 1) -> tuple[int, int]:
    """Return (height, width) from one integer for both or from a pair; ValueError otherwise."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(
                f"{name} is {value!r}, but must be an integer or a pair (height, width)"
            )
        return integer(f"{name}[0]", value[0], at_least=at_least), integer(
            f"{name}[1]", value[1], at_least=at_least
        )
    return (integer(name, value, at_least=at_least),) * 2


def segments(value: object, in_channels: int, out_channels: int) -> int:
    """Return `value` if the channels can be cut into so many pieces, none of them empty; ValueError
    otherwise.

    More segments than output channels would leave input pieces that no output sees, so the smaller
    count bounds both.
    """
    because = (
        f"in_channels is {in_channels}, out_channels is {out_channels}; a segment needs one of each"
    )
    return integer("segments", value, at_most=min(in_channels, out_channels), because=because)


def extra(package: str, extra: str, what: str) -> ModuleType:
    """An optional package that `what` needs, imported; ValueError with the extra that has it."""
    try:
        return importlib.import_module(package)
    except ImportError:
        raise ValueError(f'{what} needs {package}: pip install "xception_edu[{extra}]"') from None
