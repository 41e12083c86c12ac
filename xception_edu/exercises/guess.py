"""A guess before the answer: a field that keeps what a learner thought, and then shows both."""

import html

import ipywidgets

from xception_edu import checks
from xception_edu.exercises import progress_file


class Guess(ipywidgets.VBox):
    """A question, a field for a number, and a button that keeps it; then the answer beside it.

    The guess is kept with the learner's progress, under its name, and is there again the next time.
    The first one counts: a guess that was made after the answer is none.
    """

    def __init__(self, name: str, question: str, answer: float):
        self.name, self.answer = checks.text("name", name), checks.number("answer", answer)
        self.field = ipywidgets.FloatText(description="my guess", step=None)
        self.button = ipywidgets.Button(description="keep it", button_style="primary")
        self.result = ipywidgets.HTML()
        self.button.on_click(lambda _: self.keep(self.field.value))
        asked = ipywidgets.HTML(html.escape(checks.text("question", question)))
        row = ipywidgets.HBox([self.field, self.button])
        super().__init__([asked, row, self.result])
        self._show(progress_file.guess(name))

    def keep(self, value: float) -> None:
        """Keep a guess, unless there is one, and show it beside the answer."""
        before = progress_file.guess(self.name)
        if before is None:
            progress_file.keep_guess(self.name, checks.number("guess", value))
        self._show(value if before is None else before)

    def _show(self, value: float | None) -> None:
        """Both numbers, once there is a guess; until then nothing tells the answer."""
        if value is None:
            return
        self.field.value, self.field.disabled, self.button.disabled = value, True, True
        self.result.value = f"you guessed <b>{value:g}</b>; it is <b>{self.answer:.4g}</b>"

    def __repr__(self) -> str:
        kept = progress_file.guess(self.name)
        if kept is None:
            return f"{self.name}: no guess yet"
        return f"{self.name}: you guessed {kept:g}; it is {self.answer:.4g}"


def guess(name: str, question: str, answer: float) -> Guess:
    """A field for a guess, which is kept and then shown beside the answer.

    Args:
        name: under which it is kept, such as "08-faster".
        question: what is asked for.
        answer: the right number, computed in the notebook; it is hidden until there is a guess.
    """
    return Guess(name, question, answer)
