"""What an error says: a value as a message shows it, and a message in one line."""

import ctypes
import difflib
import os
import reprlib
import threading
from collections.abc import Collection, Iterable, Iterator

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
