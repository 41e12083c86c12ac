"""Pictures for notebooks: figures and images, sharp on any screen, with words for those who cannot
see them.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from xception_edu import checks
from xception_edu.plots import gallery, style
from xception_edu.plots.descriptions import PICTURES, WORDS

LETTERS_IN_A_ROW = 90  # as many fit across a chart of lines
# of lines over something: colors would say what kind of layer they mean
LINES: tuple[dict[str, Any], ...] = (
    {"color": style.INK, "linestyle": "-", "marker": "o"},
    {"color": style.QUIET, "linestyle": (0, (5, 2)), "marker": "s"},
    {"color": style.INK, "linestyle": (0, (1, 1.5)), "marker": "^"},
    {"color": style.QUIET, "linestyle": (0, (6, 2, 1, 2)), "marker": "D"},
)


class Picture:
    """A figure as a notebook shows it: a PNG, and as text the sentence that says what is to be
    seen.

    `sharpness` is the number of the PNG's pixels a pixel of the page: 2 for lines and letters, 1
    for photographs.
    """

    def __init__(self, figure: Figure, words: str, *, sharpness: int = 2):
        self.figure, self.words, self.sharpness = figure, words, sharpness

    def __repr__(self) -> str:
        return f"Picture: {self.words}"

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        file = io.BytesIO()
        with style.context():
            self.figure.savefig(
                file, format="png", dpi=self.sharpness * style.DPI, metadata={"Software": None}
            )
        width, height = (round(inches * style.DPI) for inches in self.figure.get_size_inches())
        return file.getvalue(), {"width": width, "height": height}


def show(name: str, data: object = None, *, words: str = "") -> Picture:
    """A figure of the gallery, from its own data or from `data`.

    `words` say what it shows, where that is not what the gallery says of it. ValueError for a name
    that the gallery does not have.
    """
    words = checks.text("words", words)
    try:
        figure = gallery.figure(name, data)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        if data is None or name not in gallery.FIGURES:
            raise
        right = f"what the figure {name} draws: {checks.in_words(error)}"
        raise checks.wrong("data", data, right) from error
    return Picture(figure, words or WORDS[name])


def words_of(name: str, words: str, titles: Sequence[str]) -> str:
    """What a picture shows: `words`, or what `descriptions` says of its name, or else its titles.

    ValueError for a name that has no description.
    """
    if words or not name:
        return words or "; ".join(title for title in titles if title)
    checks.one_of("name", name, list(PICTURES))
    return PICTURES[name]


def show_images(
    images: Sequence[np.ndarray],
    titles: Sequence[str],
    *,
    name: str = "",
    words: str = "",
    columns: int = 4,
) -> Picture:
    """Images side by side, each from its own darkest to its own brightest value.

    Args:
        images: arrays (H, W, 3), shown in color, or (H, W), shown in gray.
        titles: what stands above each.
        name: whose description in `descriptions` says what is to be seen, for those who do not
            see it.
        words: that description itself, of a picture of yours.
        columns: how many images a row has.
    """
    _check_images(images)
    titles = _texts("titles", titles)
    columns = checks.integer("columns", columns, at_most=checks.LONGEST)
    checks.text("words", words), checks.text("name", name)
    rows = -(-len(images) // columns)
    cell = style.WIDTH / columns
    height, width = images[0].shape[:2]
    with style.context():
        figure = Figure(
            figsize=(style.WIDTH / style.DPI, rows * (cell * height / width + 24) / style.DPI),
            layout="constrained",
        )
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax in axes:
            ax.set_axis_off()
        for ax, image, title in zip(axes, images, titles, strict=False):
            ax.imshow(
                image,
                cmap="gray",
                interpolation="nearest" if max(image.shape) < 64 else "antialiased",
            )
            ax.set_title(title, fontsize=style.TEXT)
    return Picture(figure, words_of(name, words, titles), sharpness=1)


def _check_images(images: object) -> None:
    """ValueError unless these are arrays of one image each."""
    right = "a list of arrays (H, W) or (H, W, 3), one or more"
    is_list = isinstance(images, (list, tuple)) or len(getattr(images, "shape", ())) > 1
    if not is_list or not len(images):  # type: ignore[arg-type]
        raise checks.wrong("images", images, right)
    for image in images:  # type: ignore[attr-defined]
        if not hasattr(image, "__array__"):  # a tensor has it, too
            raise checks.wrong("an entry of images", image, right)
        array = np.asarray(image)
        plain = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
        if not plain or not array.size or array.dtype.kind not in "biuf":
            raise checks.wrong("an entry of images", image, right)


def _texts(name: str, values: object) -> tuple[str, ...]:
    """Strings; ValueError where one is none."""
    texts = checks.sequence(name, values, "a list of strings")
    return tuple(checks.text(f"{name}[{i}]", text) for i, text in enumerate(texts))


def _points(name: str, values: object) -> tuple[float, ...]:
    """One or more numbers."""
    numbers = checks.sequence(name, values, "a list of numbers")
    if not numbers:
        raise checks.wrong(name, values, "a list of numbers, one or more")
    return tuple(checks.number(f"{name}[{i}]", v) for i, v in enumerate(numbers))


def _places(values: object) -> tuple[object, ...]:
    """One or more numbers, or names, along an axis."""
    places = checks.sequence("x", values, "a list of numbers or names")
    if places and all(isinstance(place, str) for place in places):
        return tuple(places)
    return _points("x", places)


def _lines(lines: object, count: int) -> dict[str, tuple[float, ...]]:
    """Each line's values, as many as there are places."""
    right = f"a dict of {count} numbers a line, one line or more"
    if not isinstance(lines, Mapping) or not lines:
        raise checks.wrong("lines", lines, right)
    found = {checks.text("a name of lines", name): _points("lines", y) for name, y in lines.items()}
    if {len(y) for y in found.values()} != {count}:
        raise checks.wrong("lines", lines, right)
    return found


def show_lines(
    x: Sequence[float | str],
    lines: dict[str, Sequence[float]],
    *,
    title: str,
    x_label: str,
    name: str = "",
    words: str = "",
) -> Picture:
    """Lines over `x`, which has a tick at every value, from zero upward.

    Each bears its name above where it begins; or, where several begin at one point, its end.

    Args:
        x: the places of the points, numbers or names, all of which get a tick.
        lines: a value for each place, by the line's name; at most four lines.
        title: what the values are.
        x_label: what the places are.
        name: whose description in `descriptions` says what is to be seen, for those who do not
            see it.
        words: that description itself, of a picture of yours.
    """
    x, lines = _places(x), _lines(lines, len(x))
    checks.text("title", title), checks.text("x_label", x_label)
    checks.text("words", words), checks.text("name", name)
    apart = len({y[0] for y in lines.values()}) == len(lines)
    at, side, shift = (0, "left", 8) if apart else (-1, "right", -8)
    with style.context():
        figure, ax = style.charts(1, 1, height=300, left=50, top=44, right=24, bottom=46)
        for look, (label, y) in zip(LINES, lines.items(), strict=False):
            ax.plot(x, y, markersize=5, linewidth=1.8, clip_on=False, **look)
            place = {"xytext": (shift, 6), "textcoords": "offset points", "ha": side}
            # above all of the line that runs along the name
            along = np.linspace(0, len(label) / LETTERS_IN_A_ROW, 20) * (len(y) - 1)
            height = np.interp(along if apart else len(y) - 1 - along, range(len(y)), y).max()
            ax.annotate(
                label, (x[at], height), fontsize=style.TEXT, path_effects=style.halo(), **place
            )
        ax.set_title(title, loc="left", fontsize=style.TEXT, pad=14)
        ax.set(xlabel=x_label, xticks=x)
        ax.set_ylim(0, 1.1 * max(max(y) for y in lines.values()))
    return Picture(figure, words_of(name, words, [title]))
