"""Exercises as cells of notebooks: made from their data, put into a notebook, and taken out again.

A notebook is a dictionary, as its JSON is. Each cell of an exercise has the tag "exercise" and one
more that says which it is: "task", "stub", "check" or "solution". Putting cells in twice changes
nothing.
"""

from collections.abc import Callable, Iterable
from typing import Any

from xception_edu.exercises.exercise import Exercise, Verdict, judged

Cell = dict[str, Any]
Notebook = dict[str, Any]

QUESTIONS = "## Five questions"  # the section of every notebook that the exercises stand before
MINUTES = 5  # of one exercise, as the heading counts them


def tags(cell: Cell) -> set[str]:
    """The tags of a cell."""
    return set(cell["metadata"].get("tags", ()))


def is_exercise(cell: Cell) -> bool:
    """Whether a cell was made here."""
    return "exercise" in tags(cell)


def section(exercises: Iterable[Exercise]) -> list[Cell]:
    """All cells of a notebook's exercises, under one heading."""
    chosen = list(exercises)
    cells = [_markdown("exercises", "heading", _heading(chosen))]
    for one in chosen:
        cells.append(_markdown(f"task-{one.name}", "task", _task(one)))
        cells.append(_code(f"stub-{one.name}", "stub", one.stub, []))
        cells.append(check_cell(one, judged(one, ...)))
        cells.append(_markdown(f"solution-{one.name}", "solution", _solution(one)))
    return cells


def check_cell(one: Exercise, verdict: Verdict) -> Cell:
    """The cell that checks, with the output that it has for this verdict."""
    data = {"text/markdown": _lines(verdict._repr_markdown_()), "text/plain": _lines(repr(verdict))}
    output = {
        "data": data,
        "execution_count": None,
        "metadata": {},
        "output_type": "execute_result",
    }
    return _code(f"check-{one.name}", "check", f'xe.check("{one.name}", {one.answer})', [output])


def put(notebook: Notebook, exercises: Iterable[Exercise]) -> None:
    """Put the exercises before the last section, in place of those that are there."""
    chosen = list(exercises)
    take(notebook, is_exercise)
    if chosen:
        place = _before_questions(notebook["cells"])
        notebook["cells"][place:place] = section(chosen)
    number(notebook)


def take(notebook: Notebook, unwanted: Callable[[Cell], bool]) -> None:
    """Take out the cells that are not wanted."""
    notebook["cells"] = [cell for cell in notebook["cells"] if not unwanted(cell)]


def number(notebook: Notebook) -> None:
    """Count the code cells that were run, as one run of the whole notebook would."""
    code = (cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    for count, cell in enumerate(code, 1):
        cell["execution_count"] = count
        for output in cell["outputs"]:
            if output["output_type"] == "execute_result":
                output["execution_count"] = count


def _before_questions(cells: list[Cell]) -> int:
    """The place of the last section; what stands in one cell with it gets a cell of its own."""
    place = next(i for i, cell in enumerate(cells) if QUESTIONS in "".join(cell["source"]))
    before, heading, questions = "".join(cells[place]["source"]).partition(QUESTIONS)
    if before.strip():
        rest = _markdown("five-questions", "questions", heading + questions)
        rest["metadata"] = {}
        cells[place]["source"] = _lines(before.rstrip())
        cells.insert(place + 1, rest)
        return place + 1
    return place


def _heading(exercises: list[Exercise]) -> str:
    count = len(exercises)
    return (
        "## Exercises\n\n"
        f"{count} exercises, about {count * MINUTES} minutes. Put your answer in the place of `...`"
        " and run the cell below it: it says whether that is right, and if not, what people think"
        " who answer so. `xe.hint(name)` gives one hint at a time; `xe.progress()` draws what you"
        " have done, which is kept in one file beside the notebooks and sent nowhere."
    )


def _task(one: Exercise) -> str:
    hints = "a hint" if len(one.hints) == 1 else f"{len(one.hints)} hints"
    return f'### {one.title}\n\n{one.task}\n\nThere are {hints}: `xe.hint("{one.name}")`'


def _solution(one: Exercise) -> str:
    code = "\n\n".join(f"```python\n{way}\n```" for way in one.solutions)
    return f"<details><summary>Solution</summary>\n\n{code}\n\n{one.reason}\n\n</details>"


def _markdown(name: str, tag: str, source: str) -> Cell:
    return {
        "cell_type": "markdown",
        "id": name,
        "metadata": {"tags": ["exercise", tag]},
        "source": _lines(source),
    }


def _code(name: str, tag: str, source: str, outputs: list[Cell]) -> Cell:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {"tags": ["exercise", tag]},
        "outputs": outputs,
        "source": _lines(source),
    }


def _lines(text: str) -> list[str]:
    """A text as a notebook's JSON has it: lines with their ends."""
    return text.splitlines(keepends=True)
