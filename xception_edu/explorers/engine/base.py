"""What every explorer shares: a table that Python computed once, a state that both sides see, a
picture for saved notebooks.
"""

import base64
import json
import os
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t
from matplotlib.figure import Figure

from xception_edu import checks
from xception_edu.explorers.engine import language
from xception_edu.explorers.engine.readouts import Value, look_up
from xception_edu.plots import style


class TableExplorer(anywidget.AnyWidget):
    """An explorer that looks up whatever it shows in `table`, in the browser and in Python alike.

    `table["controls"]` lists its dials, each a trait: the slider with `name` and `label`, then
    choices, with `options` too. `table["call"]` is the line of code that makes it, before and after
    the values of the dials. A subclass gives the traits, `files` (its .js and .css, which follow
    the shell's), `figure()`, `readouts()` and `texts()`. `table["start"]` is the state in which it
    was made. The table is English; `language` is what the browser and the picture show.
    """

    package = __package__  # where its files are
    files = ""
    # pixels at which a page shows the picture, which is drawn larger for sharp screens
    picture_width = 0
    language = t.Unicode()  # "en" or "ko", as `xe.language()` was when it was made
    table = t.Dict()
    # the table as JSON: one line of a saved notebook, not one for each number
    _table = t.Unicode().tag(sync=True)
    # traits with defaults, so that files are read when one is made, not at import
    _esm = t.Unicode().tag(sync=True)
    _css = t.Unicode().tag(sync=True)

    @classmethod
    def source(cls, suffix: str) -> str:
        """The text of its scripts ("js") or styles ("css"): those that all explorers share, then
        its own.
        """
        files = [(__package__, "shell"), (cls.package, cls.files)]
        if suffix == "js":
            files.insert(1, (__package__, "tools"))
        return "\n".join(
            resources.files(package).joinpath(f"{name}.{suffix}").read_text("utf-8")
            for package, name in files
        )

    @t.default("_esm")
    def _script(self) -> str:
        return self.source("js")

    @t.default("_css")
    def _style(self) -> str:
        return self.source("css")

    @t.default("language")
    def _current_language(self) -> str:
        return language.language()

    @t.observe("table")
    def _send_table(self, change: dict[str, Any]) -> None:
        sent = self._sent(change["new"])
        if self.language != "en":
            sent = {**sent, "words": language.words_of(self.texts(sent))}
        self._table = as_text(sent)

    def _sent(self, table: dict[str, Any]) -> dict[str, Any]:
        """The table as the browser's script expects it."""
        return table

    def state(self) -> dict[str, int | str]:
        """Value of each control."""
        return {
            control["name"]: getattr(self, control["name"]) for control in self.table["controls"]
        }

    def reset(self) -> None:
        """Go back to the state in which it was made, as the button does."""
        first, *choices = self.table["start"].items()
        for name, value in (*choices, first):  # choices first: they say what stops there are
            setattr(self, name, value)

    def picture(self) -> bytes:
        """PNG of the current state, for places where no widget runs; the same bytes each time."""
        with style.context(*self.fonts()):
            return style.compressed(self.figure())

    def svg(self) -> bytes:
        """SVG of the current state."""
        with style.context(*self.fonts()):
            return style.svg(self.figure())

    def figure(self) -> Figure:
        """The current state as matplotlib draws it, in the style that is set."""
        raise NotImplementedError

    def save_picture(self, path: str | os.PathLike[str]) -> None:
        """Write the picture of the current state to a file, by its name an SVG or a PNG."""
        kinds = {".svg": self.svg, ".png": self.picture}
        suffix = Path(path).suffix.lower()
        if suffix not in kinds:
            raise checks.wrong("path", str(path), "a file's name that ends in .svg or .png")
        Path(path).write_bytes(kinds[suffix]())

    @staticmethod
    def texts(sent: dict[str, Any]) -> Iterable[str]:
        """Every text of a table that is shown, in English; the table as it is sent."""
        raise NotImplementedError

    def say(self, text: str) -> str:
        """A text in the language of this explorer's picture: English where no font has Korean."""
        return language.say(text, self.language if self.fonts() else "en")

    def fonts(self) -> list[str]:
        """Fonts that the picture needs besides its own."""
        return [] if self.language == "en" else style.korean_fonts()

    def readouts(self) -> dict[str, object]:
        """What the explorer shows in numbers in its current state, by name."""
        raise NotImplementedError

    def __getitem__(self, name: str) -> Value | tuple[Value, ...]:
        """The readout of that name, as `explorer["MACs"]`: a number where it is one, a tuple where
        two stand beside each other. ValueError for a name that no readout has.
        """
        return look_up(self.readouts(), name)

    def check_option(self, name: str, value: object) -> None:
        """ValueError unless `value` is one of the control's options."""
        checks.one_of(
            name, value, next(c["options"] for c in self.table["controls"] if c["name"] == name)
        )

    def __repr__(self) -> str:
        """The line of code that makes this explorer in this state."""
        before, after = self.table["call"]
        dials = ", ".join(f"{name}={json.dumps(value)}" for name, value in self.state().items())
        return f"{before}{dials}{after}"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = super()._repr_mimebundle_(**kwargs)
        assert bundle is not None  # only a widget without a view has none
        data, metadata = bundle
        picture = base64.b64encode(self.picture()).decode()
        data = {**data, "text/plain": repr(self), "image/png": picture}
        return data, {**metadata, "image/png": {"width": self.picture_width}}


def as_text(value: object) -> str:
    """JSON without blanks."""
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
