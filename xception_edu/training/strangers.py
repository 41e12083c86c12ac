"""Files of a run that anybody may have written or edited: what is read is small, flat and of the
types that a run writes, or ValueError says what it is instead.
"""

import json
import math
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from xception_edu import checks
from xception_edu.recipes.recipe import Recipe

LARGEST_TEXT = 64 * 2**20  # bytes of a config.json or a metrics.jsonl
DEEPEST = 8  # brackets within brackets; a run writes three
KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def check_file(name: str, path: Path, right: str, *, at_most: int | None = None) -> None:
    """ValueError, naming the argument, unless `path` is a file of at most so many bytes (by
    default, as many as the machine's memory has).
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        absent = "a link to nothing" if os.path.islink(path) else "not there"
        raise _not_right(name, path, absent, right) from None
    except (OSError, ValueError) as error:  # such as a loop of links, or a null character
        raise _not_right(name, path, getattr(error, "strerror", str(error)), right) from None
    for is_kind, kind in KINDS:
        if is_kind(found.st_mode):
            raise _not_right(name, path, kind, right)
    most = checks.memory() if at_most is None else at_most
    if found.st_size > most:
        raise _not_right(name, path, f"{found.st_size:,} bytes", f"a file of at most {most:,}")


def _not_right(name: str, path: Path, found: str, right: str) -> ValueError:
    where = checks.shown(str(path))
    return ValueError(checks.line(f"{name} is {where}, which is {found}, but must be {right}"))


def read_text(name: str, path: Path) -> str:
    """The text of a small file; ValueError if it is none."""
    check_file(name, path, "a file", at_most=LARGEST_TEXT)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is damaged: it is no text in UTF-8") from None


def json_object(text: object) -> dict[str, Any]:
    """The object that a JSON text is; ValueError if it is none, or nested too deeply."""
    if not isinstance(text, str):
        raise ValueError(f"{checks.shown(text)} is no text")
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"{checks.shown(found)} is no object")
    _check_depth(found)
    return found


def _check_depth(found: object) -> None:
    layer = [found]
    for _ in range(DEEPEST):
        inner: list[object] = []
        for value in layer:
            if isinstance(value, (dict, list)):
                inner.extend(value.values() if isinstance(value, dict) else value)
        layer = inner
    if layer:
        raise ValueError("it is nested too deeply")


def class_names(value: object) -> tuple[str, ...] | None:
    """The names of classes in a checkpoint or a config; None where it has none."""
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"classes is {checks.shown(value)}, but must be a list of names")
    if len(set(value)) < len(value):
        raise ValueError(f"classes is {checks.shown(value)}, but must be different names")
    return tuple(value)


def recipe_of(value: object) -> Recipe:
    """The recipe in a checkpoint or a config; ValueError, with the field's name, if it is none."""
    if not isinstance(value, dict):
        raise checks.wrong("recipe", value, "an object with a recipe's fields")
    try:
        return Recipe.from_dict(value)
    except ValueError as error:
        raise ValueError(f"recipe.{error}") from None


def place(value: object) -> str | None:
    """Where the images were: a text, or None."""
    return None if value is None else checks.text("data", value)


def finite(name: str, value: object) -> float:
    """A number of metrics, which JSON may write as NaN: a loss that is no longer finite is none of
    the reader's business.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return value
    return checks.number(name, value)


def refuse_differences(what: str, differing: Sequence[str], right: str) -> NoReturn:
    """ValueError with the first three of the differences, their number, and all in its details."""
    shown = [checks.line(one)[:100] for one in differing[:3]]
    more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
    raise checks.DetailedError(f"{what}: {'; '.join(shown)}{more}; {right}", differing)
