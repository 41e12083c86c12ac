"""Exercises that tell a learner what was misunderstood.

    xe.check("03-groups", answer)    # right, or which misconception leads there
    xe.hint("03-groups")             # one step further each time
    xe.solution("03-groups")         # more than one way, with the reason
    xe.progress()                    # what is done

An exercise is data (exercise.py): task, stub, reference, and the wrong answers that people give.
"""

from collections import Counter

from xception_edu import checks
from xception_edu.exercises import (
    continuum,
    inside,
    networks,
    progress_file,
    reading,
    regular,
    scale,
    separable,
    speed,
    training,
    yours_and_seeds,
)
from xception_edu.exercises.exercise import Exercise, Verdict, judged
from xception_edu.exercises.guess import guess as guess

PARTS = (
    regular,
    continuum,
    separable,
    networks,
    reading,
    training,
    speed,
    scale,
    inside,
    yours_and_seeds,
)
EXERCISES = {one.name: one for part in PARTS for one in part.EXERCISES}
_hints_given: Counter[str] = Counter()


class Words(str):
    """A text that a notebook shows as Markdown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        return str(self)


def named(name: object) -> Exercise:
    """The exercise of that name; ValueError that tells the nearest one."""
    if not isinstance(name, str) or name not in EXERCISES:
        near = checks.nearest(checks.shown(name)[:40].strip("'"), EXERCISES)
        right = f"the name of an exercise, such as {next(iter(EXERCISES))!r}"
        raise ValueError(f"name is {checks.shown(name)}, but must be {right}{near}")
    return EXERCISES[name]


def check(name: str, answer: object) -> Verdict:
    """Whether `answer` is right for the exercise of that name; if not, why people answer so."""
    verdict = judged(named(name), answer)
    progress_file.note(verdict)
    return verdict


def hint(name: str) -> Words:
    """The next hint; after the last one, that there is a solution."""
    exercise, given = named(name), _hints_given[name]
    _hints_given[name] += 1
    if given >= len(exercise.hints):
        return Words(f'That was the last hint; `xe.solution("{name}")` has the answer.')
    return Words(f"Hint {given + 1} of {len(exercise.hints)}: {exercise.hints[given]}")


def solution(name: str) -> Words:
    """Every way of writing the answer that is known here, and the reason."""
    exercise = named(name)
    ways = "\n\nor\n\n".join(f"```python\n{code}\n```" for code in exercise.solutions)
    return Words(f"{ways}\n\n{exercise.reason}")


def progress() -> progress_file.Progress:
    """What is done of all exercises, as a table."""
    return progress_file.Progress(EXERCISES.values())
