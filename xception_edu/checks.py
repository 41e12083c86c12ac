"""Answers to wrong arguments: one sentence with name, value and what would be right."""

import difflib
import importlib
import math
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from types import ModuleType


def shown(value: object) -> str:
    """A value as a message shows it: as Python writes it, and only both ends of a long one."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:40]}...{text[-30:]}"


def printable(text: str) -> str:
    """A text without control characters: a space stands for each."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def line(message: str) -> str:
    """A message as one line of at most 400 characters, without control characters."""
    said = printable(message)
    return said if len(said) < 400 else f"{said[:250]} ... {said[-140:]}"


class DetailedError(ValueError):
    """A ValueError in one line, with the whole list behind it: what --verbose shows."""

    def __init__(self, message: str, details: Iterable[str] = ()):
        super().__init__(line(message))
        self.details = tuple(details)


def details_of(error: BaseException | None) -> Iterator[str]:
    """What the messages of an error, and of those that it came from, leave out."""
    while error is not None:
        yield from getattr(error, "details", ())
        error = error.__cause__


def in_words(error: BaseException) -> str:
    """An error as a message says it: an OSError with its file, one that no check foresaw with its
    type.
    """
    if isinstance(error, OSError) and error.strerror:
        where = (
            f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        )
        return f"{where}{error.strerror}"
    said = " ".join(str(error).split())
    return said if isinstance(error, ValueError) else f"{type(error).__name__}: {said}"


def nearest(word: str, known: Collection[str]) -> str:
    """The end of a sentence about a word that is not known: which known one looks like it."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; the nearest is {close[0]}" if close else ""


def integer(
    name: str, value: object, *, at_least: int = 1, at_most: int | None = None, because: str = ""
) -> int:
    """Return `value` if it is an integer within the bounds, both included; ValueError otherwise.

    A bool is no integer.
    """
    if type(value) is not int or value < at_least or (at_most is not None and value > at_most):
        right = integers_within(at_least, at_most) + (because and f" ({because})")
        raise ValueError(f"{name} is {shown(value)}, but must be {right}")
    return value


def integers_within(at_least: int, at_most: int | None) -> str:
    """What `integer` accepts, in words."""
    if at_most is None:
        return f"an integer of at least {at_least}"
    return f"an integer from {at_least} to {at_most}"


def odd(name: str, value: object) -> int:
    """Return `value` if it is an odd integer of at least 1; ValueError otherwise."""
    if integer(name, value) % 2 == 0:
        right = "odd: half of it is the padding that keeps height and width"
        raise ValueError(f"{name} is {shown(value)}, but must be {right}")
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
    """Return `value` if it is a finite real number within the bounds, `above` and `below` excluded.

    ValueError otherwise. A bool is no number.
    """
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    finite = real and abs(value) <= sys.float_info.max  # type: ignore[arg-type]
    if not finite or not (above < value < below and at_least <= value <= at_most):  # type: ignore[operator]
        right = numbers_within(above, at_least, below, at_most)
        raise ValueError(f"{name} is {shown(value)}, but must be {right}")
    return value  # type: ignore[return-value]


def numbers_within(above: float, at_least: float, below: float, at_most: float) -> str:
    """What `number` accepts, in words."""
    bounds = [f"above {above:g}"] * (above > -math.inf)
    bounds += [f"of at least {at_least:g}"] * (at_least > -math.inf)
    bounds += [f"below {below:g}"] * (below < math.inf)
    bounds += [f"of at most {at_most:g}"] * (at_most < math.inf)
    return f"a finite number {' and '.join(bounds)}".rstrip()


def boolean(name: str, value: object) -> bool:
    """Return `value` if it is True or False; ValueError otherwise."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {shown(value)}, but must be True or False")
    return value


def text(name: str, value: object) -> str:
    """Return `value` if it is a string; ValueError otherwise."""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {shown(value)}, but must be a string")
    return value


def one_of(name: str, value: object, options: Collection[object]) -> None:
    """Raise ValueError unless `value` is one of `options` (True does not pass for 1)."""
    for option in options:
        if value is option or (type(value) is type(option) and value == option):
            return
    right = ", ".join(map(repr, options))
    raise ValueError(f"{name} is {shown(value)}, but must be one of {right}")


def integers(
    name: str, value: object, *, length: int | None = None, shortest: int = 0
) -> tuple[int, ...]:
    """Return `value` as a tuple of integers of at least 1; ValueError otherwise.

    `length` is how many there must be, or else `shortest` how many at least.
    """
    size = f"{length} integers" if length is not None else f"{shortest} integers or more"
    if not isinstance(value, (tuple, list)):
        raise ValueError(f"{name} is {shown(value)}, but must be a tuple of {size}")
    if len(value) != length if length is not None else len(value) < shortest:
        raise ValueError(f"{name} is {shown(value)}, but must be a tuple of {size}")
    return tuple(integer(f"{name}[{i}]", v) for i, v in enumerate(value))


def pair(name: str, value: object, *, at_least: int = 1) -> tuple[int, int]:
    """Return (height, width) from one integer for both or from a pair; ValueError otherwise."""
    if not isinstance(value, (tuple, list)):
        return (integer(name, value, at_least=at_least),) * 2
    if len(value) != 2:
        right = "an integer or a pair (height, width)"
        raise ValueError(f"{name} is {shown(value)}, but must be {right}")
    height = integer(f"{name}[0]", value[0], at_least=at_least)
    width = integer(f"{name}[1]", value[1], at_least=at_least)
    return height, width


def segments(value: object, in_channels: int, out_channels: int) -> int:
    """Return `value` if the channels can be cut into so many segments, none of them empty.

    More segments than output channels would leave input segments that no output sees: the smaller
    count bounds both. ValueError otherwise.
    """
    channels = f"in_channels is {in_channels}, out_channels is {out_channels}"
    because = f"{channels}; a segment needs one of each"
    return integer("segments", value, at_most=min(in_channels, out_channels), because=because)


def extra(package: str, extra: str, what: str) -> ModuleType:
    """An optional package that `what` needs, imported; ValueError with the extra that has it."""
    try:
        return importlib.import_module(package)
    except ImportError:
        raise ValueError(f'{what} needs {package}: pip install "xception_edu[{extra}]"') from None
