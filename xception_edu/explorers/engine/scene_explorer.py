"""Explorers whose picture is a scene: a function gives the views of a slider, all else is shared;
`playback.py` is an example.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Any

import traitlets as t
from matplotlib.figure import Figure

from xception_edu import checks
from xception_edu.explorers.engine import scene_picture
from xception_edu.explorers.engine.base import TableExplorer
from xception_edu.explorers.engine.packing import packed, unpacked
from xception_edu.explorers.engine.readouts import named
from xception_edu.explorers.engine.scene import (
    Scene,
    in_language,
    palette,
    stands_still,
    texts_of,
)
from xception_edu.plots import style


@dataclass(frozen=True, kw_only=True)
class View:
    """What is shown at one stop of the slider: a number, and beside it `short`; above the pictures
    a title and a note.
    """

    stop: int
    short: str  # beside the slider, with its unit
    title: str
    note: str = ""
    values: Sequence[str]  # one for each column, formatted
    scenes: Sequence[Scene]
    alts: Sequence[str]  # what each scene shows, for those who do not see it


class SceneExplorer(TableExplorer):
    """The widget of an explorer with scenes; its dials are traits, which Python and the browser
    both may set.
    """

    files = "scene"
    picture_width = style.WIDTH

    @property
    def _slider(self) -> str:
        name: str = self.table["controls"][0]["name"]
        return name

    def _key(self) -> str:
        return key({c["name"]: getattr(self, c["name"]) for c in self.table["controls"][1:]})

    def _check_choice(self, proposal: dict[str, Any]) -> object:
        value: object = proposal["value"]
        self.check_option(proposal["trait"].name, value)
        return value

    def _check_stop(self, proposal: dict[str, Any]) -> object:
        value: object = proposal["value"]
        check_stop(self._slider, value, self.table["stops"][self._key()])
        return value

    def _stay_on_a_stop(self, change: dict[str, Any]) -> None:
        value = getattr(self, self._slider)
        if value is not None:  # as shell.js does: the nearest one below
            stops = self.table["stops"][self._key()]
            setattr(self, self._slider, max((s for s in stops if s <= value), default=stops[0]))

    def _sent(self, table: dict[str, Any]) -> dict[str, Any]:
        return packed(table)

    def view(self) -> dict[str, Any]:
        """What is shown now: a row of the table."""
        key = self._key()
        stop = self.table["stops"][key].index(getattr(self, self._slider))
        row: dict[str, Any] = self.table["views"][key][stop]
        return row

    def readouts(self) -> dict[str, object]:
        """The texts below the pictures, by name."""
        return named(self.table["columns"], self.view()["values"])

    def shapes(self) -> list[list[list[Any]]]:
        """The shapes of each panel, as they are painted now."""
        stills = self.table["stills"][self._key()]
        return [
            [*still, *moving] for still, moving in zip(stills, self.view()["shapes"], strict=True)
        ]

    def figure(self) -> Figure:
        """The current state as matplotlib draws it: title, panels and readouts."""
        view = self.view()
        words = {name: self.say(view[name]) for name in ("title", "note")}
        return scene_picture.draw(
            words | {"values": list(map(self.say, view["values"]))},
            [in_language(shapes, self.say) for shapes in self.shapes()],
            self.table["panels"],
            [(self.say(label), self.say(unit)) for label, unit in self.table["columns"]],
            self.table["palette"],
            self.say(scene_picture.FOOTNOTE),
        )

    @staticmethod
    def texts(sent: dict[str, Any]) -> Iterator[str]:
        """Every text of a table that is shown: of controls, readouts, views and drawings."""
        for control in sent["controls"]:
            yield from (control["label"], *control.get("words", ()))
        for column in sent["columns"]:
            yield from column
        table = unpacked(sent)
        for row in chain.from_iterable(table["views"].values()):
            yield from (row["short"], row["title"], row["note"], *row["values"], *row["alts"])
            yield from chain.from_iterable(map(texts_of, row["shapes"]))
        for drawing in chain.from_iterable(table["stills"].values()):
            yield from texts_of(drawing)


def scene_explorer(
    call: str,
    slider: tuple[str, str],
    choices: Mapping[str, tuple[str, Mapping[object, str]]],
    columns: Sequence[tuple[str, str]],
    views: Callable[..., Sequence[View]],
    state: Mapping[str, object],
    arguments: str = "",
) -> SceneExplorer:
    """An explorer, `call` being the function that learners call and `arguments` what they gave it
    besides the state.

    `slider` is its name and label; `choices` are the others by name, each with a label and its
    options with their words; `columns` are the readouts, a label and a unit. `views(**choices)`
    gives the views of all stops, ascending, of one combination of choices. `state` has a value for
    each control; ValueError if one is none of its options.
    """
    name = slider[0]
    chosen = {}
    for choice, (_, options) in choices.items():
        chosen[choice] = checks.one_of(choice, state[choice], list(options))
    own = views(**chosen)
    stop = check_stop(name, state[name], [view.stop for view in own])
    table = tabulate(choices, lambda **others: own if others == chosen else views(**others))
    dials = [
        {"name": n, "label": label, "options": list(o), "words": list(o.values())}
        for n, (label, o) in choices.items()
    ]
    table |= {
        "call": [f"xe.{call}(", f"{arguments}){to_supply(arguments)}"],
        "controls": [{"name": name, "label": slider[1]}, *dials],
        "columns": [list(column) for column in columns],
        "palette": palette(),
        "start": {name: state[name] for name in (slider[0], *choices)},
    }
    return _widget_class(name, tuple(choices))(table=table, **{name: stop}, **chosen)


def as_arguments(given: Mapping[str, object]) -> str:
    """What a learner gave besides the state, for the line of code: short values as they are, others
    by name, and nothing for None.
    """
    known = {name: value for name, value in given.items() if value is not None}
    return "".join(f", {name}={_in_code(name, value)}" for name, value in known.items())


def _in_code(name: str, value: object) -> str:
    """A text, a file's name, a number or a shape as code; of anything else the name."""
    if isinstance(value, str | os.PathLike):
        return repr(os.fspath(value))
    if isinstance(value, tuple) and all(isinstance(side, int) for side in value):
        return repr(tuple(value))
    return repr(value) if isinstance(value, int) else name


def to_supply(arguments: str) -> str:
    """What stands behind the line of code: which names in it the reader has to make first, as a
    comment; nothing where the line is whole.
    """
    names = re.findall(r", (\w+)=\1(?=,|$)", arguments)
    return f"  # supply your own {' and '.join(names)}" if names else ""


def _widget_class(slider: str, choices: tuple[str, ...]) -> type[SceneExplorer]:
    """SceneExplorer with a trait for each control: of no type of traitlets', since the table says
    what is right.
    """
    members: dict[str, Any] = {
        name: t.TraitType(None).tag(sync=True) for name in (slider, *choices)
    }
    members["_stop_is_checked"] = t.validate(slider)(SceneExplorer._check_stop)
    if choices:
        members["_choices_are_checked"] = t.validate(*choices)(SceneExplorer._check_choice)
        members["_stop_follows"] = t.observe(*choices)(SceneExplorer._stay_on_a_stop)
    return type("SceneExplorer", (SceneExplorer,), members)


def key(choices: Mapping[str, object]) -> str:
    """The table's key of a combination of choices, as scene.js writes it."""
    return " ".join(str(value) for value in choices.values())


def check_stop(name: str, value: object, stops: Sequence[int]) -> int:
    """The stop of the slider that `value` is; ValueError where it is none: a run of integers is
    named by its ends.
    """
    if list(stops) == list(range(stops[0], stops[-1] + 1)):
        checks.integer(name, value, at_least=stops[0], at_most=stops[-1])
    stop: int = checks.one_of(name, value, stops)
    return stop


def tabulate(
    choices: Mapping[str, tuple[str, Mapping[object, str]]], views: Callable[..., Sequence[View]]
) -> dict[str, Any]:
    """Every view as plain data, under the key of its choices; what all views of a key begin with is
    kept once, in `stills`.
    """
    table: dict[str, Any] = {"stops": {}, "views": {}, "stills": {}}
    for options in product(*(options for _, options in choices.values())):
        chosen = dict(zip(choices, options, strict=True))
        rows, where = views(**chosen), key(chosen)
        table["stops"][where] = [row.stop for row in rows]
        panels = zip(*(row.scenes for row in rows), strict=True)
        shared = list(map(stands_still, panels))
        first = zip(rows[0].scenes, shared, strict=True)
        table["stills"][where] = [scene.shapes[:count] for scene, count in first]
        table["views"][where] = [_row(row, shared) for row in rows]
        table["panels"] = [[scene.width, scene.height] for scene in rows[0].scenes]
    return table


def _row(view: View, shared: Sequence[int]) -> dict[str, Any]:
    shapes = [scene.after(count) for scene, count in zip(view.scenes, shared, strict=True)]
    words: dict[str, Any] = {"short": view.short, "title": view.title, "note": view.note}
    return words | {"values": list(view.values), "alts": list(view.alts), "shapes": shapes}
