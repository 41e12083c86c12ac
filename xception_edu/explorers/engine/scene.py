"""A picture as data: shapes on a page, painted in order by the browser (scene.js) and by matplotlib
(scene_painters.py).

A shape is a list: its kind, then what its method here says; numbers are pixels from the upper left
corner, to a tenth. Colors are names from `palette()`, so that both painters, and dark pages, show
one concept in one color.
"""

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from xception_edu import checks
from xception_edu.plots import style

# of the page around: dark on light, or light on dark
THEME = ("ink", "quiet", "line", "faint", "paper")
LEVELS = "0123456789abcdefghijklmnopqrstuvwxyz"  # opacity of a cell, from none to full
MOST = len(LEVELS) - 1
SIZES = {"small": style.SMALL, "text": style.TEXT, "title": style.TITLE}  # points
ANCHORS = ("start", "middle", "end")
# place of the words in a shape, or of a list of words; scene.js has the same
WORDS_AT = {"text": 4, "words": 6, "click": 6}


def palette() -> dict[str, str]:
    """Colors by name, without the theme's: the concepts of `plots.style`, the two signs, hue0 to
    hue3 of segments, dark and light for text on them.
    """
    return {
        **style.COLORS,
        **style.SIGNS,
        **{f"hue{i}": hue for i, hue in enumerate(style.HUES)},
        "dark": "#111111",
        "light": "#FFFFFF",
    }


CHOSEN = "ink"  # of outlines around what is selected: black, or white on a dark page
COLOR_NAMES = (*THEME, *palette())


class Scene:
    """Shapes on a page of `width` x `height` pixels, in the order in which they are painted."""

    def __init__(self, width: int, height: int):
        self.width, self.height = width, height
        self._still: list[list[Any]] = []  # never changed, for copies have the same list
        self._moving: list[list[Any]] = []

    @property
    def shapes(self) -> list[list[Any]]:
        """All shapes; a new list."""
        return [*self._still, *self._moving]

    def after(self, count: int) -> list[list[Any]]:
        """The shapes without the first `count`."""
        own = count - len(self._still)
        return self._moving[own:] if own >= 0 else self.shapes[count:]

    def copy(self) -> "Scene":
        """A scene that begins with what this one has."""
        if self._moving:
            self._still, self._moving = self.shapes, []
        scene = Scene(self.width, self.height)
        scene._still = self._still
        return scene

    def add(self, other: "Scene") -> None:
        """Paint what another scene has, too."""
        self._moving += other.shapes

    def rect(
        self,
        color: str,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        opacity: float = 1,
        edge: str = "",
    ) -> None:
        """A filled rectangle, with an outline of the color `edge` if one is named."""
        self._add("rect", color, x, y, width, height, opacity, edge)

    def line(
        self,
        color: str,
        *runs: Sequence[float],
        width: float = 1,
        opacity: float = 1,
        dash: bool = False,
        halo: bool = False,
    ) -> None:
        """Lines of one color, each through the points of a run: x, y, x, y, ...; `halo` rims
        them.
        """
        self._add("line", color, list(runs), width, opacity, dash, halo)

    def area(self, color: str, run: Sequence[float], *, opacity: float = 1) -> None:
        """A filled polygon with the corners x, y, x, y, ..."""
        self._add("area", color, run, opacity)

    def dot(self, color: str, x: float, y: float, radius: float, *, edge: str = "") -> None:
        """A filled circle, with an outline of the color `edge` if one is named."""
        self._add("dot", color, x, y, radius, edge)

    def text(
        self,
        words: str,
        x: float,
        y: float,
        *,
        color: str = "ink",
        size: str = "text",
        anchor: str = "start",
        bold: bool = False,
        halo: bool = False,
        up: bool = False,
    ) -> None:
        """Words whose middle is at the height y, from, around or up to x; `halo` rims them, `up`
        turns them to read upward.
        """
        checks.one_of("size", size, SIZES)
        checks.one_of("anchor", anchor, ANCHORS)
        self._add("text", color, x, y, words, size, anchor, bold, halo, up)

    def words(
        self,
        words: Sequence[str],
        x: float,
        y: float,
        pitch: float,
        columns: int,
        *,
        color: str = "ink",
    ) -> None:
        """Small words in rows of `columns`, one every `pitch` pixels; x and y are the middle of the
        first.
        """
        self._add("words", color, x, y, pitch, columns)
        self._moving[-1].append(list(words))

    def cells(
        self,
        x: float,
        y: float,
        pitch: float,
        columns: int,
        colors: Sequence[str],
        strengths: Sequence[float],
    ) -> None:
        """Squares in rows of `columns`, one every `pitch` pixels: each with its color, the stronger
        (0 to 1) the more of it.
        """
        names = list(dict.fromkeys(colors))
        if len(names) > len(LEVELS):
            raise ValueError(
                f"colors has {len(names)} different names, but must have at most {len(LEVELS)}"
            )
        code = dict(zip(names, LEVELS, strict=False))
        codes = "".join([code[color] for color in colors])
        levels = "".join([LEVELS[round(strength * MOST)] for strength in strengths])
        for name in names:
            _check_color(name)
        self._moving.append(
            ["cells", names, _tenths(x), _tenths(y), _tenths(pitch), columns, codes, levels]
        )

    def rest(self, words: Sequence[str], x: float, y: float, pitch: float, columns: int) -> None:
        """What cells say while the mouse rests on one of them: a text each, in rows of
        `columns`.
        """
        self._moving.append(["rest", list(words), *_all_tenths((x, y, pitch)), columns])

    def image(self, png: bytes, x: float, y: float, width: float, height: float) -> None:
        """A PNG, its pixels enlarged to sharp squares."""
        self._moving.append(
            ["image", base64.b64encode(png).decode(), *_all_tenths((x, y, width, height))]
        )

    def click(
        self,
        stop: int | None,
        x: float,
        y: float,
        width: float,
        height: float,
        words: str,
        choices: Mapping[str, object] | None = None,
    ) -> None:
        """A place that takes the slider to `stop` when it is clicked (None: it stays), and makes
        `choices` by name; `words` are shown while the mouse rests there.
        """
        shape = ["click", stop, *_all_tenths((x, y, width, height)), words]
        self._moving.append([*shape, dict(choices)] if choices else shape)

    def _add(self, kind: str, color: str, *values: object) -> None:
        _check_color(color)
        self._moving.append([kind, color, *_all_tenths(values)])


def _check_color(name: str) -> None:
    if name not in COLOR_NAMES:  # said at length only where it is wrong: there are thousands
        checks.one_of("color", name, COLOR_NAMES)


def _all_tenths(values: Iterable[object]) -> list[object]:
    """Of every number its tenths, and of those in lists."""
    return [_tenths(v) if isinstance(v, (float, list, tuple)) else v for v in values]


def _tenths(value: object) -> object:
    """Numbers rounded, also those in lists: shorter to send, and equal wherever they are
    compared.
    """
    if isinstance(value, list | tuple):
        return _all_tenths(value)
    if not isinstance(value, float):
        return value
    digits = 1 if abs(value) > 1 else 3
    return int(value) if value == int(value) else round(float(value), digits)


def texts_of(shapes: Iterable[list[Any]]) -> Iterator[str]:
    """Every text in a drawing."""
    for shape in shapes:
        if shape[0] in WORDS_AT:
            words = shape[WORDS_AT[shape[0]]]
            yield from words if isinstance(words, list) else [words]


def in_language(shapes: Iterable[list[Any]], say: Callable[[str], str]) -> list[list[Any]]:
    """The drawing with its texts as `say` gives them."""
    return [_said(shape, say) for shape in shapes]


def _said(shape: list[Any], say: Callable[[str], str]) -> list[Any]:
    if shape[0] not in WORDS_AT:
        return shape
    at = WORDS_AT[shape[0]]
    words = shape[at]
    said = list(map(say, words)) if isinstance(words, list) else say(words)
    return [*shape[:at], said, *shape[at + 1 :]]


def stands_still(scenes: Sequence[Scene]) -> int:
    """How many shapes all scenes begin with: what stands still while the slider moves. Copies of
    one scene are not compared where they are the same.
    """
    still = scenes[0]._still
    if all(scene._still is still for scene in scenes):
        return len(still) + shared_start([scene._moving for scene in scenes])
    return shared_start([scene.shapes for scene in scenes])


def shared_start(drawings: Iterable[list[list[Any]]]) -> int:
    """How many shapes all drawings begin with."""
    first, *others = drawings
    count = len(first)
    for other in others:
        count = next(
            (
                i
                for i, (a, b) in enumerate(zip(first[:count], other, strict=False))
                if a is not b and a != b
            ),
            min(count, len(other)),
        )
    return count
