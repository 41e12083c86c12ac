"""Answers to wrong arguments: one sentence with name, value and what would be right."""

import contextlib
import ctypes
import difflib
import importlib
import math
import operator
import os
import reprlib
import sys
import threading
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

# What a size may be at most: torch and its GPU kernels count positions in 32 bits.
LARGEST = 2**31 - 1
LARGEST_COUNT = 2**200  # of weights, multiply-adds, images: products of sizes
LONGEST = 1000  # entries of a list of sizes
LONGEST_NAME, LONGEST_PATH = 255, 4095  # bytes of a file's name, and of a path, on usual disks
PATIENCE = 1.0  # seconds that a value has to say what it is
AT_ONCE = (bool, int, float, complex, str, bytes, type(None))  # types whose repr always ends


def shown(value: object) -> str:
    """A value as a message shows it: as Python writes it, and only both ends of a long one.

    Of one whose repr fails, or takes longer than PATIENCE, the type's name.
    """
    text = _written(value) if type(value) in AT_ONCE else _written_in_time(value)
    return text if len(text) <= 80 else f"{text[:40]}...{text[-30:]}"


class _Ends(reprlib.Repr):
    """A repr that reads no more of a long value than both of its ends."""

    def __init__(self) -> None:
        super().__init__()
        self.maxtuple = self.maxlist = self.maxarray = self.maxdict = 30
        self.maxset = self.maxfrozenset = self.maxdeque = 30
        self.maxlevel, self.maxother = 6, 200

    def repr_str(self, x: str, level: int) -> str:
        """The text in quotes; of one of more than 200 letters its ends."""
        return repr(x) if len(x) <= 200 else f"{repr(x[:60])[:60]}...{repr(x[-60:])[-60:]}"

    def repr_bytes(self, x: bytes, level: int) -> str:
        """The bytes likewise."""
        return repr(x) if len(x) <= 200 else f"{repr(x[:60])[:60]}...{repr(x[-60:])[-60:]}"

    repr_bytearray = repr_bytes

    def repr_instance(self, x: object, level: int) -> str:
        """What the value says of itself; where it cannot, the type's name."""
        try:
            return repr(x)
        except Exception as error:  # whatever a foreign repr raises; the message names it
            return f"<{type(x).__name__} whose repr raises {type(error).__name__}>"

    def repr_int(self, x: int, level: int) -> str:
        """The digits; where they are too many for Python to write, how many bits."""
        return repr(x) if x.bit_length() < 4000 else f"an integer of {x.bit_length()} bits"


def _written(value: object) -> str:
    try:
        return str(_Ends().repr(value))
    except BaseException as error:  # a foreign repr may raise anything; the message names it
        return f"<{type(value).__name__} whose repr raises {type(error).__name__}>"


def _written_in_time(value: object) -> str:
    """The same from a thread, which is given up when it takes too long."""
    written: list[str] = []
    writer = threading.Thread(target=lambda: written.append(_written(value)), daemon=True)
    writer.start()
    writer.join(PATIENCE)
    if writer.is_alive() and writer.ident is not None:  # so that it does not run on for ever
        stop = ctypes.py_object(TimeoutError)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(writer.ident), stop)
        return f"<{type(value).__name__} whose repr does not end>"
    return written[0] if written else f"<{type(value).__name__}>"


def wrong(name: str, value: object, right: str) -> ValueError:
    """The error about an argument: its name, its value and what would be right, in one line."""
    return ValueError(line(f"{name} is {shown(value)}, but must be {right}"))


def plain(value: object) -> object:
    """A scalar of numpy or torch as Python's own number, bool or string; anything else as it is."""
    try:
        scalar = getattr(value, "shape", None) == () and hasattr(value, "dtype")
        return value.item() if scalar else value  # type: ignore[attr-defined]
    except Exception:  # such as a tensor without content: then it is no number
        return value


def printable(text: str) -> str:
    """A text without control characters: a space stands for each."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def escaped(text: str) -> str:
    """A text in which control characters are written as Python writes them, so that none is lost:
    the name of a file, say, that is to be found again.
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


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
