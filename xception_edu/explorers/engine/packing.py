"""Lists of short texts as they are sent: each text once in a lexicon, where it was two letters."""

from collections.abc import Iterator, Sequence
from typing import Any

# letters of a place in the lexicon; scene.js has the same
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%()*+,-.:;=?@^_{|}~"
LISTS_AT = {"words": 6, "rest": 1}  # place of the list in a shape


def packed(shape: list[Any], lexicon: dict[str, int]) -> list[Any]:
    """A shape with its list of texts as pairs of letters; new ones are added to `lexicon`. As it is
    where it has no list, or where that would not fit.
    """
    at = LISTS_AT.get(shape[0])
    if at is None or len(lexicon) + len(set(shape[at])) > len(LETTERS) ** 2:
        return shape
    pairs = (divmod(lexicon.setdefault(words, len(lexicon)), len(LETTERS)) for words in shape[at])
    return [*shape[:at], "".join(LETTERS[i] + LETTERS[j] for i, j in pairs), *shape[at + 1 :]]


def unpacked(shape: list[Any], lexicon: Sequence[str]) -> list[Any]:
    """The shape again, of what `packed` made of it."""
    at = LISTS_AT.get(shape[0])
    if at is None or not isinstance(shape[at], str):
        return shape
    return [*shape[:at], [lexicon[place] for place in _places(shape[at])], *shape[at + 1 :]]


def _places(letters: str) -> Iterator[int]:
    for first, second in zip(letters[::2], letters[1::2], strict=True):
        yield LETTERS.index(first) * len(LETTERS) + LETTERS.index(second)
