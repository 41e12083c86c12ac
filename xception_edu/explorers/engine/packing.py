"""The table of an explorer with scenes as it is sent: what repeats stands in it once, and elsewhere
its number. scene.js unpacks it as `unpacked` does.

    texts     every text and every picture
    lexicon   every text of a list of texts
    forms     what shapes have in common: a shape with a mark in place of all that differs (MARKS)
    shapes    every shape: the number of its form, then what fills its marks
    drawings  every drawing of a panel: numbers of shapes
    series    what all stops of the slider have in turn: numbers of texts, or of drawings
    stills    by choices: of each panel the drawing that stands still
    views     by choices: the series of short, title, note, each value, each alt, each panel
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, product
from typing import Any

from xception_edu.explorers.engine.scene import LEVELS

Shape = list[Any]
# for numbers that are shorter so; scene.js has the same
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%()*+,-.:;=?@^_{|}~"
PAIRS = ["".join(pair) for pair in product(LETTERS, repeat=2)]
AS_IT_IS = "#"
# the number of a text; of a list of texts, two letters each: its number in the lexicon; a letter a
# cell: color and strength; of rectangles that are outlined, two corners each
TEXT, TEXTS, CELLS, FRAMES = "#text", "#texts", "#cells", "#frames"
MARKS = {  # by place, in a shape of each kind
    "rect": dict.fromkeys((2, 3, 4, 5), AS_IT_IS),
    "line": {2: AS_IT_IS},
    "area": {2: AS_IT_IS},
    "dot": dict.fromkeys((2, 3, 4), AS_IT_IS),
    "text": {2: AS_IT_IS, 3: AS_IT_IS, 4: TEXT},
    "words": {6: TEXTS},
    "cells": {6: AS_IT_IS, 7: AS_IT_IS},
    "image": {1: TEXT, **dict.fromkeys((2, 3, 4, 5), AS_IT_IS)},
    "rest": {1: TEXTS},
    "click": {**dict.fromkeys((1, 2, 3, 4, 5), AS_IT_IS), 6: TEXT},
}
CELL = {  # of two colors that there may be, and of all strengths
    code + level: LETTERS[i * len(LEVELS) + j]
    for i, code in enumerate("01")
    for j, level in enumerate(LEVELS)
}
WORDS = ("short", "title", "note")  # of a row
PARTS = ("texts", "lexicon", "forms", "shapes", "drawings", "series")


class _Numbers(dict[str, int]):
    """Of each text its number, in the order in which they came."""

    def __missing__(self, text: str) -> int:
        return self.setdefault(text, len(self))


class _Once:
    """Different values, and their numbers."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers = _Numbers()

    def number(self, value: object) -> int:
        number = self._numbers[repr(value)]
        if number == len(self.values):
            self.values.append(value)
        return number


# ---- packed --------------------------------------------------------------------------------------


def packed(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table as it is sent."""
    pack = _Packing()
    stills = {key: list(map(pack.drawing, panels)) for key, panels in table["stills"].items()}
    views = {key: pack.view(rows) for key, rows in table["views"].items()}
    return {**table, "stills": stills, "views": views, **pack.sent()}


class _Packing:
    """What is sent once."""

    def __init__(self) -> None:
        self._texts, self._lexicon = _Numbers(), _Numbers()
        self._forms, self._shapes, self._drawings, self._series = (_Once() for _ in PARTS[2:])
        self._write: dict[str, Callable[[Any], Any]] = {
            TEXT: self._texts.__getitem__,
            TEXTS: self._pairs,
            CELLS: _letters,
            FRAMES: _corners,
        }
        self._seen: dict[int, int] = {}  # numbers of shapes by their identity, which is quicker

    def sent(self) -> dict[str, list[Any]]:
        """All parts by name."""
        once = (self._forms, self._shapes, self._drawings, self._series)
        values = (list(self._texts), list(self._lexicon), *(one.values for one in once))
        return dict(zip(PARTS, values, strict=True))

    def view(self, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """The rows of a choice, as series."""
        texts = zip(*(self._row(row) for row in rows), strict=True)
        drawings = zip(*(map(self.drawing, row["shapes"]) for row in rows), strict=True)
        return [self._series.number(series) for series in chain(texts, drawings)]

    def _row(self, row: Mapping[str, Any]) -> list[int]:
        words = [row[name] for name in WORDS]
        return [self._texts[text] for text in (*words, *row["values"], *row["alts"])]

    def drawing(self, shapes: Iterable[Shape]) -> int:
        """The number of a panel's drawing."""
        return self._drawings.number(list(map(self._shape, shapes)))

    def _shape(self, shape: Shape) -> int:
        if id(shape) not in self._seen:
            self._seen[id(shape)] = self._shapes.number(self._parted(shape))
        return self._seen[id(shape)]

    def _parted(self, shape: Shape) -> list[Any]:
        """The number of a shape's form, and what fills its marks."""
        kind, marks = shape[0], MARKS[shape[0]]
        if kind == "cells" and len(shape[1]) <= 2:
            shape, marks = [*shape[:6], shape[6:]], {6: CELLS}
        if kind == "line" and all(map(_is_frame, shape[2])):
            marks = {2: FRAMES}
        form, values = [*shape], []
        for place, mark in marks.items():
            form[place] = mark
            values.append(shape[place] if mark is AS_IT_IS else self._write[mark](shape[place]))
        return [self._forms.number(form), *values]

    def _pairs(self, words: Iterable[str]) -> str | list[int]:
        """Two letters a text; numbers, where there are more than letters can say."""
        numbers = list(map(self._lexicon.__getitem__, words))
        if max(numbers, default=0) >= len(PAIRS):
            return numbers
        return "".join([PAIRS[number] for number in numbers])


def _letters(cells: Sequence[str]) -> str:
    return "".join([CELL[code + level] for code, level in zip(*cells, strict=True)])


def _is_frame(run: Sequence[float]) -> bool:
    """Whether a run of points is the outline of a rectangle, as `tiles.frame` has it."""
    return len(run) == 10 and list(run) == _outline(*_ends(run))


def _corners(runs: Iterable[Sequence[float]]) -> list[float]:
    return list(chain.from_iterable(map(_ends, runs)))


def _ends(run: Sequence[float]) -> Sequence[float]:
    """The upper left and the lower right corner of an outline."""
    return run[0], run[1], run[4], run[5]


def _outline(x: float, y: float, right: float, bottom: float) -> list[float]:
    return [x, y, right, y, right, bottom, x, bottom, x, y]


# ---- unpacked ------------------------------------------------------------------------------------


def unpacked(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The table again, of what `packed` made of it."""
    read = _readers(sent["texts"], sent["lexicon"])
    shapes = [_shape(sent["forms"][form], values, read) for form, *values in sent["shapes"]]
    drawings = [list(map(shapes.__getitem__, drawing)) for drawing in sent["drawings"]]
    stills = {k: list(map(drawings.__getitem__, panels)) for k, panels in sent["stills"].items()}
    views = {key: list(_rows(sent, series, drawings)) for key, series in sent["views"].items()}
    rest = {key: value for key, value in sent.items() if key not in PARTS}
    return rest | {"stills": stills, "views": views}


def _readers(texts: Sequence[str], lexicon: Sequence[str]) -> dict[str, Callable[[Any], list[Any]]]:
    """For every mark what takes its place in a shape, of the value that fills it."""
    place = {pair: number for number, pair in enumerate(PAIRS)}
    cell = {letter: both for both, letter in CELL.items()}

    def listed(value: str | list[int]) -> list[int]:
        if isinstance(value, list):
            return value
        return [place[value[i : i + 2]] for i in range(0, len(value), 2)]

    def colored(letters: str) -> list[str]:
        both = [cell[letter] for letter in letters]
        return ["".join(code for code, _ in both), "".join(level for _, level in both)]

    return {
        AS_IT_IS: lambda value: [value],
        TEXT: lambda number: [texts[number]],
        TEXTS: lambda value: [[lexicon[number] for number in listed(value)]],
        CELLS: colored,
        FRAMES: lambda ends: [[_outline(*ends[i : i + 4]) for i in range(0, len(ends), 4)]],
    }


def _shape(
    form: Shape, values: Iterable[Any], read: Mapping[str, Callable[[Any], list[Any]]]
) -> Shape:
    left = iter(values)
    parts = (read[part](next(left)) if str(part) in read else [part] for part in form)
    return list(chain.from_iterable(parts))


def _rows(
    sent: Mapping[str, Any], series: Sequence[int], drawings: Sequence[list[Shape]]
) -> Iterator[dict[str, Any]]:
    """The rows of a choice, of its series."""
    panels, columns = len(sent["panels"]), len(sent["columns"])
    for numbers in zip(*(sent["series"][number] for number in series), strict=True):
        texts = [sent["texts"][number] for number in numbers[:-panels]]
        first, last = len(WORDS), len(WORDS) + columns
        row: dict[str, Any] = dict(zip(WORDS, texts, strict=False))
        row |= {"values": texts[first:last], "alts": texts[last:]}
        yield row | {"shapes": [drawings[number] for number in numbers[-panels:]]}
