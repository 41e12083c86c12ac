"""Checks of arguments, by type and bounds: the value, or ValueError in one sentence."""

import contextlib
import importlib
import math
import operator
import os
import sys
from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import Any

from xception_edu.checks.words import (
    plain,
    wrong,
)

# What a size may be at most: torch and its GPU kernels count positions in 32 bits.
LARGEST = 2**31 - 1
LARGEST_COUNT = 2**200  # of weights, multiply-adds, images: products of sizes
LONGEST = 1000  # entries of a list of sizes
LONGEST_NAME, LONGEST_PATH = 255, 4095  # bytes of a file's name, and of a path, on usual disks


def integer(
    name: str, value: object, *, at_least: int = 1, at_most: int | None = None, because: str = ""
) -> int:
    """Return `value` as an int if it is an integer within the bounds, both included.

    Integers are what `operator.index` takes, those of numpy and torch among them; a bool is none.
    Without `at_most` the bound is LARGEST, more than any machine holds. ValueError otherwise.
    """
    number = _index(value)
    if number is not None and at_least <= number <= (LARGEST if at_most is None else at_most):
        return number
    if number is not None and number > LARGEST and at_most is None:
        at_most = LARGEST
    right = integers_within(at_least, at_most) + (because and f" ({because})")
    raise wrong(name, value, right)


def _index(value: object) -> int | None:
    """What `operator.index` makes of a value; None where it is no integer."""
    if type(value) is int:
        return value
    value = plain(value)
    try:
        return None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except Exception:  # whatever a foreign __index__ raises: it is no integer
        return None


def count(name: str, value: object, *, at_least: int = 1) -> int:
    """The same for a number of weights, multiply-adds or images, a product of sizes."""
    return integer(name, value, at_least=at_least, at_most=LARGEST_COUNT)


def integers_within(at_least: int, at_most: int | None) -> str:
    """What `integer` accepts, in words."""
    if at_most is None or at_most == LARGEST_COUNT:
        return f"an integer of at least {at_least}"
    return f"an integer from {at_least} to {at_most}"


def odd(name: str, value: object) -> int:
    """Return `value` as an int if it is an odd integer of at least 1; ValueError otherwise."""
    number = integer(name, value)
    if number % 2 == 0:
        right = "odd: half of it is the padding that keeps height and width"
        raise wrong(name, value, right)
    return number


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

    Python's own, or one of numpy or torch, which becomes Python's. A bool is no number. ValueError
    otherwise.
    """
    own = plain(value)
    if isinstance(own, (int, float)) and not isinstance(own, bool):
        finite = abs(own) <= sys.float_info.max
        if finite and above < own < below and at_least <= own <= at_most:
            return own
    raise wrong(name, value, numbers_within(above, at_least, below, at_most))


def numbers_within(above: float, at_least: float, below: float, at_most: float) -> str:
    """What `number` accepts, in words."""
    bounds = [f"above {above:g}"] * (above > -math.inf)
    bounds += [f"of at least {at_least:g}"] * (at_least > -math.inf)
    bounds += [f"below {below:g}"] * (below < math.inf)
    bounds += [f"of at most {at_most:g}"] * (at_most < math.inf)
    return f"a finite number {' and '.join(bounds)}".rstrip()


def boolean(name: str, value: object) -> bool:
    """Return `value` as Python's True or False, numpy's included; ValueError otherwise."""
    own = plain(value)
    if not isinstance(own, bool):
        raise wrong(name, value, "True or False")
    return own


def text(name: str, value: object) -> str:
    """Return `value` if it is a string; ValueError otherwise."""
    if not isinstance(value, str):
        raise wrong(name, value, "a string")
    return value


def one_of(name: str, value: object, options: Collection[object]) -> Any:
    """The one of `options` that `value` is (True does not pass for 1); ValueError otherwise."""
    own = plain(value)
    for option in options:
        if own is option or (type(own) is type(option) and own == option):
            return option
    raise wrong(name, value, f"one of {', '.join(map(repr, options))}")


def instance(name: str, value: object, kinds: type | tuple[type, ...], right: str) -> Any:
    """Return `value` if it is of one of the classes, which `right` says in words."""
    if not isinstance(value, kinds):
        raise wrong(name, value, right)
    return value


def path(name: str, value: object, right: str = "the path of a file") -> Path:
    """Return `value`, a string or a path, as a path that a disk can have; ValueError otherwise."""
    written = os.fspath(instance(name, value, (str, os.PathLike), right))
    try:
        encoded = os.fsencode(written)
    except UnicodeEncodeError:
        raise wrong(name, value, f"{right}, in letters that a disk takes") from None
    if not isinstance(written, str) or b"\0" in encoded:
        raise wrong(name, value, right)
    if len(encoded) > LONGEST_PATH or len(max(encoded.split(b"/"), key=len)) > LONGEST_NAME:
        said = f"{right}, of at most {LONGEST_PATH} bytes, and {LONGEST_NAME} a name"
        raise wrong(name, value, said)
    return Path(written)


def function(name: str, value: object) -> Any:
    """Return `value` if it can be called; ValueError otherwise."""
    if not callable(value):
        raise wrong(name, value, "a function")
    return value


def sequence(name: str, value: object, right: str) -> tuple[Any, ...]:
    """The entries of a tuple, list, range, or array of one dimension; ValueError otherwise."""
    if isinstance(value, (tuple, list, range)):
        if len(value) > LONGEST:
            raise wrong(name, value, f"of at most {LONGEST} entries, it has {len(value)}")
        return tuple(value)
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and len(shape) == 1 and shape[0] <= LONGEST:
        with contextlib.suppress(Exception):  # a foreign tolist; then it is no sequence
            return tuple(value.tolist())  # type: ignore[attr-defined]
    raise wrong(name, value, right)


def integers(
    name: str, value: object, *, length: int | None = None, shortest: int = 0
) -> tuple[int, ...]:
    """Return `value` as a tuple of integers of at least 1; ValueError otherwise.

    `length` is how many there must be, or else `shortest` how many at least.
    """
    size = f"{length} integers" if length is not None else f"{shortest} integers or more"
    entries = sequence(name, value, f"a tuple of {size}")
    if len(entries) != length if length is not None else len(entries) < shortest:
        raise wrong(name, value, f"a tuple of {size}")
    return tuple(integer(f"{name}[{i}]", v) for i, v in enumerate(entries))


def pair(name: str, value: object, *, at_least: int = 1) -> tuple[int, int]:
    """Return (height, width) from one integer for both or from a pair; ValueError otherwise."""
    if _index(value) is not None:
        return (integer(name, value, at_least=at_least),) * 2
    if not isinstance(value, (tuple, list)) and not hasattr(value, "shape"):
        return (integer(name, value, at_least=at_least),) * 2  # which says what is wrong
    right = "an integer or a pair (height, width)"
    entries = sequence(name, value, right)
    if len(entries) != 2:
        raise wrong(name, value, right)
    height = integer(f"{name}[0]", entries[0], at_least=at_least)
    width = integer(f"{name}[1]", entries[1], at_least=at_least)
    return height, width


def fits(name: str, value: object, weights: int) -> None:
    """ValueError unless so many weights of 4 bytes fit this machine's memory."""
    room = memory()
    if weights * 4 > room:
        taken = f"{weights:,} weights" if weights < 10**15 else "so many weights"
        room_in_words = f"the {room / 2**30:.0f} GiB of this machine's memory"
        raise wrong(name, value, f"smaller: {taken} do not fit {room_in_words}")


def memory() -> int:
    """Bytes of this machine's memory; 1 TiB where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 2**40


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
