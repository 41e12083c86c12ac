"""Fields of a dataclass whose annotations hold type, meaning and bounds. Standard library only.

    epochs: Annotated[int, "passes over the training images"] = 15
    momentum: Annotated[float, "of SGD and RMSprop", Bounds(at_least=0, below=1)] = 0.9

`check` holds the values against them; the command line makes its flags and their help from them.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from xception_edu import checks


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Between which values a number lies; `above` and `below` are excluded.

    An integer without `at_least` is at least 1.
    """

    above: float = -math.inf
    at_least: float = -math.inf
    below: float = math.inf
    at_most: float = math.inf

    @property
    def of_integers(self) -> tuple[int, int | None]:
        """The smallest and the largest integer that are right; None where there is no largest."""
        smallest = int(self.at_least) if math.isfinite(self.at_least) else 1
        return smallest, int(self.at_most) if math.isfinite(self.at_most) else None


@dataclass(frozen=True)
class Field:
    """One field, as its annotation describes it."""

    name: str
    kind: Any  # Literal, bool, int, float, str, or another class
    options: tuple[object, ...]  # of a Literal
    optional: bool  # None is right, too
    meaning: str
    bounds: Bounds

    def check(self, value: object) -> object:
        """The value as Python's own, if it is right, and ValueError otherwise; other kinds are left
        to their class.
        """
        if value is None and self.optional:
            return value
        if self.kind is Literal:
            return checks.one_of(self.name, value, self.options)
        if self.kind is bool:
            return checks.boolean(self.name, value)
        if self.kind is int:
            at_least, at_most = self.bounds.of_integers
            return checks.integer(self.name, value, at_least=at_least, at_most=at_most)
        if self.kind is float:
            b = self.bounds
            return checks.number(
                self.name,
                value,
                above=b.above,
                at_least=b.at_least,
                below=b.below,
                at_most=b.at_most,
            )
        return checks.text(self.name, value) if self.kind is str else value

    @property
    def right(self) -> str:
        """What `check` accepts, in words; of other kinds, nothing."""
        words = ""
        if self.kind is Literal:
            words = "one of " + ", ".join("null" if o is None else str(o) for o in self.options)
        elif self.kind is bool:
            words = "true or false"
        elif self.kind is int:
            words = checks.integers_within(*self.bounds.of_integers)
        elif self.kind is float:
            b = self.bounds
            words = checks.numbers_within(b.above, b.at_least, b.below, b.at_most)
        return f"{words} or null" if words and self.optional else words


@functools.cache
def fields_of(cls: Any) -> tuple[Field, ...]:
    """Every field of a dataclass; one without Annotated has no meaning and no bounds."""
    hints = get_type_hints(cls, include_extras=True)
    return tuple(_described(name, hints[name]) for name in cls.__dataclass_fields__)


def _described(name: str, hint: Any) -> Field:
    notes: tuple[Any, ...] = getattr(hint, "__metadata__", ())
    if notes:
        hint = hint.__origin__
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    optional = len(kinds) == 1 and len(get_args(hint)) == 2  # `int | None`
    if optional:
        hint = kinds[0]
    literal = get_origin(hint) is Literal
    options = get_args(hint) if literal else ()
    bounds = notes[1] if len(notes) > 1 else Bounds()
    return Field(
        name, Literal if literal else hint, options, optional, notes[0] if notes else "", bounds
    )


def check(instance: Any) -> None:
    """Raise ValueError, with name, value and what would be right, for the first wrong field; the
    others get Python's own numbers in place of numpy's and torch's.
    """
    cls: Any = type(instance)
    for field in fields_of(cls):
        settle(instance, **{field.name: field.check(getattr(instance, field.name))})


def settle(instance: Any, **values: object) -> None:
    """Give the fields of a frozen dataclass, while it is being made, the values as checked."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)
