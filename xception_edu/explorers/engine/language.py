"""The language of explorers: what they show is written in English where it is drawn, and one table,
`explorers/korean.toml`, has each sentence in Korean.

A row of the table is an English sentence and its Korean one. What differs from place to place is a
field in braces: `{count}` stands for a number, `{layer:name}` for a name that stays as it is, and
`{note:words}` for a text that has a row of its own.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from string import Formatter

from xception_edu import checks

LANGUAGES = ("en", "ko")
TABLE = Path(__file__).parents[1] / "korean.toml"
SCRIPTS = "scripts"  # the rows that the browser's scripts fill in, which are always sent
NUMBER = r"[+−<]?\d(?:[\d,.]*\d)?%?(?:×\d(?:[\d,]*\d)?)*|–"
KINDS = {"": NUMBER, "name": r".+?", "words": r".+?"}
PLAIN = re.compile(r"[^A-Za-z]*")  # numbers and signs are the same in both languages


@dataclass
class _Chosen:
    """The language of explorers that are made from now on."""

    name: str = "en"


_chosen = _Chosen()


def language(name: str | None = None) -> str:
    """The language of explorers that are made afterwards: "en" or "ko"; without a name, says which.

    Titles, notes, labels and what screen readers say change; names in code do not:
    `explorer["MACs"]` and `explorer.view()` are English in both. ValueError for another name.
    """
    if name is not None:
        _chosen.name = checks.one_of("name", name, LANGUAGES)
    return _chosen.name


@dataclass(frozen=True)
class Row:
    """An English sentence with fields, and its Korean one with the same."""

    english: str
    korean: str
    section: str = field(default="", compare=False)

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Kind of each field, by its name."""
        parts = Formatter().parse(self.english)
        return {name: kind or "" for _, name, kind, _ in parts if name is not None}

    @cached_property
    def literals(self) -> list[str]:
        """What stands between the fields."""
        return [literal for literal, *_ in Formatter().parse(self.english)]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches texts that were written by this row."""
        found = ""
        for literal, name, kind, _ in Formatter().parse(self.english):
            found += re.escape(literal)
            if name is not None:  # a name that stands twice is the same twice
                again = f"(?P<{name}>" in found
                found += f"(?P={name})" if again else f"(?P<{name}>{KINDS[kind or '']})"
        return re.compile(found)

    def fields_of(self, text: str) -> dict[str, str] | None:
        """What stands in the fields, if this row wrote the text."""
        if not all(literal in text for literal in self.literals):
            return None
        match = self.pattern.fullmatch(text)
        return match.groupdict() if match else None


@cache
def rows() -> dict[str, Row]:
    """The table, by English sentence; ValueError if one stands in it twice."""
    found: dict[str, Row] = {}
    for section, sentences in tomllib.loads(TABLE.read_text(encoding="utf-8")).items():
        for english, korean in sentences.items():
            if english in found:
                raise ValueError(f"{TABLE.name} has {english!r} twice, but must have it once")
            found[english] = Row(english, korean, section)
    return found


@cache
def _templates() -> list[Row]:
    """Rows with fields; of two that both match, the one that says more comes first."""
    with_fields = [row for row in rows().values() if row.kinds]
    return sorted(with_fields, key=lambda row: -sum(map(len, row.literals)))


@cache
def written_by(text: str) -> tuple[Row, dict[str, str]] | None:
    """The row that wrote an English text, and what stands in its fields; None where none did."""
    if text in rows():
        return rows()[text], {}
    for row in _templates():
        fields = row.fields_of(text)
        if fields is None:
            continue
        if all(
            in_korean(fields[n]) is not None for n, kind in row.kinds.items() if kind == "words"
        ):
            return row, fields
    return None


@cache
def in_korean(text: str) -> str | None:
    """An English text of an explorer in Korean; None where the table does not have it."""
    if PLAIN.fullmatch(text):
        return text
    found = written_by(text)
    if found is None:
        return None
    row, fields = found
    said = {n: in_korean(v) if row.kinds[n] == "words" else v for n, v in fields.items()}
    return row.korean.format(**said)


def say(text: str, name: str) -> str:
    """An English text in the language of that name; as it is, where the table does not have it."""
    return text if name == "en" else (in_korean(text) or text)


def words_of(texts: Iterable[str]) -> Mapping[str, str]:
    """What a browser looks up to show these texts in Korean: each by its English, where they
    differ, and the sentences that scripts fill in.
    """
    said = {text: in_korean(text) for text in dict.fromkeys(texts)}
    found = {text: korean for text, korean in said.items() if korean not in (None, text)}
    for row in rows().values():
        if row.section == SCRIPTS:
            found[row.english] = row.korean
    return found
