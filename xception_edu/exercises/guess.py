"""A guess before the answer: a field that keeps what a learner thought, and then shows both."""

from importlib import resources
from typing import Any

import anywidget
import traitlets as t

from xception_edu import checks
from xception_edu.exercises import progress_file


class Guess(anywidget.AnyWidget):
    """A question, a field for a number, and a button that keeps it; then the answer beside it.

    The guess is kept with the learner's progress, under its name, and is there again the next time.
    The first one counts: a guess that was made after the answer is none. Where no Python runs, on
    the site say, the same field shows the same, and keeps it as long as the page is open.
    """

    question = t.Unicode().tag(sync=True)
    answer = t.Float().tag(sync=True)
    guess = t.Float(None, allow_none=True).tag(sync=True)
    # traits with defaults, so that files are read when one is made, not at import
    _esm = t.Unicode().tag(sync=True)
    _css = t.Unicode().tag(sync=True)

    def __init__(self, name: str, question: str, answer: float):
        self.name = checks.text("name", name)
        super().__init__(
            question=checks.text("question", question),
            answer=checks.number("answer", answer),
            guess=progress_file.guess(name),
        )
        self.observe(lambda change: self.keep(change["new"]), "guess")

    @t.default("_esm")
    def _script(self) -> str:
        return _file("guess.js")

    @t.default("_css")
    def _style(self) -> str:
        return _file("guess.css")

    def keep(self, value: float) -> None:
        """Keep a guess, unless there is one, and show it beside the answer."""
        before = progress_file.guess(self.name)
        if before is None:
            progress_file.keep_guess(self.name, checks.number("guess", value))
        self.guess = value if before is None else before

    def __repr__(self) -> str:
        if self.guess is None:
            return f"{self.question} (no guess yet: run the cell, and keep one)"
        return f"{self.question} You guessed {self.guess:g}; it is {self.answer:.4g}."

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = super()._repr_mimebundle_(**kwargs)
        assert bundle is not None  # only a widget without a view has none
        data, metadata = bundle
        return {**data, "text/plain": repr(self)}, metadata


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def guess(name: str, question: str, answer: float) -> Guess:
    """A field for a guess, which is kept and then shown beside the answer.

    Args:
        name: under which it is kept, such as "08-faster".
        question: what is asked for.
        answer: the right number, computed in the notebook; it is hidden until there is a guess.
    """
    return Guess(name, question, answer)
