"""What an exercise is, and how an answer is judged.

An answer is a value or a function. Its judge is an independent reference on random shapes, always
the same ones for an exercise, some of which no message ever shows: a table of answers does not
pass. A wrong one is compared with what people who hold a misconception answer, and if it gives the
same, the misconception is named.
"""

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch

from xception_edu import checks
from xception_edu.exercises.differences import arguments, difference
from xception_edu.exercises.draws import Case, generator
from xception_edu.exercises.guard import Failed, Stopped, guarded
from xception_edu.exercises.same import TOLERANCE, kind_of, same


class Unfilled(Exception):
    """A function that is still a stub, as a judge finds when it calls it."""


@dataclass(frozen=True, kw_only=True)
class Misconception:
    """A wrong answer that people give for a reason.

    Attributes:
        name: what they take for what, in a few words.
        code: the answer that follows from it, as a learner would write it in the stub's place.
        says: the diagnosis, in one or two sentences.
    """

    name: str
    code: str
    says: str


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One exercise of a notebook.

    Attributes:
        name: as in `check(name, ...)`: the notebook's number and a word.
        title: a heading.
        task: what is asked, in Markdown.
        stub: what the learner begins with; `answer` names the variable or function that is checked.
        answer: that name.
        reference: the right answer: a function of the same arguments; for a value, of none.
        cases: draws the arguments of several trials.
        hints: steps toward the answer, the first the smallest.
        solutions: right answers as code, in more than one way of writing.
        reason: why it is so, shown with the solution.
        misconceptions: at least three.
        judge: in place of `reference`, for an answer that may be right in many ways: draws what it
            tries, and gives the name of a misconception, a sentence, or None if it is right.
        tolerance: relative, of numbers.
    """

    name: str
    title: str
    task: str
    stub: str
    answer: str
    hints: tuple[str, ...]
    solutions: tuple[str, ...]
    reason: str
    misconceptions: tuple[Misconception, ...]
    reference: Callable[..., Any] | None = None
    cases: Callable[[torch.Generator], Sequence[Case]] = lambda g: [()]
    judge: Callable[[Any, torch.Generator], str | None] | None = None
    tolerance: float = TOLERANCE
    environment: tuple[str, ...] = field(default=("import torch", "import xception_edu as xe"))

    @property
    def notebook(self) -> str:
        """The number of the notebook that it belongs to, such as "03"."""
        return self.name.partition("-")[0]

    @property
    def arguments(self) -> list[str]:
        """The names of the arguments that the stub takes; none if a value is asked for."""
        taken = re.search(rf"def {self.answer}\((.*)\)", self.stub)
        return taken[1].split(", ") if taken else []

    def answer_of(self, code: str) -> Any:
        """What `code`, written in the stub's place, leaves under the answer's name."""
        space: dict[str, Any] = {}
        exec("\n".join([*self.environment, code]), space)
        return space[self.answer]


@dataclass(frozen=True)
class Verdict:
    """What a check found: `right`, whether there was an answer at all, and what it says."""

    exercise: str
    right: bool
    text: str
    misconception: str = ""
    filled: bool = True

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        mark = "✔" if self.right else "✘"
        if not self.filled:
            mark = "…"
        return f"**{mark}** {self.text}"


def judged(exercise: Exercise, answer: Any, seed: int = 0) -> Verdict:
    """The verdict on any answer whatever; nothing that it is or does ends in a traceback.

    Another seed draws other trials; a learner's answer is tried with that of 0.
    """
    cases, right = _trials(exercise, seed)
    try:
        if exercise.judge is not None:
            return guarded(lambda: _by_judge(exercise, answer, seed))
        return guarded(lambda: _verdict(exercise, answer, cases, right))
    except (Failed, Stopped) as error:
        return Verdict(exercise.name, False, str(error))


def _verdict(
    exercise: Exercise, answer: Any, cases: Sequence[Case], right: Sequence[Any]
) -> Verdict:
    """The verdict, where the answer behaves."""
    if is_stub(answer):
        return _not_filled(exercise)
    wants_function = bool(cases[0])
    if callable(answer) and not wants_function:
        return _wrong(exercise, f"This is a function; what is asked for is {kind_of(right[0])}.")
    if wants_function and not callable(answer):
        return _wrong(exercise, f"This is {kind_of(answer)}; what is asked for is a function.")
    found = [_given(answer, case) for case in cases]
    if all(is_stub(value) for value in found):
        return _not_filled(exercise)
    if all(same(a, b, exercise.tolerance) for a, b in zip(found, right, strict=True)):
        manners = _bad_manners(exercise, answer, cases, right)
        return _wrong(exercise, manners) if manners else _right(exercise)
    for misconception in exercise.misconceptions:
        theirs = exercise.answer_of(misconception.code)
        same_as_theirs = (
            same(value, _given(theirs, case), exercise.tolerance)
            for value, case in zip(found, cases, strict=True)
        )
        if all(same_as_theirs):
            return _named(exercise, misconception)
    shown = len(cases) // 2 if wants_function else len(cases)
    where = _where(exercise, cases[:shown], found, right)
    text = where or _no_table(exercise, cases, found, right)
    return _wrong(exercise, f"{text} A hint: {exercise.hints[0]}")


def _by_judge(exercise: Exercise, answer: Any, seed: int) -> Verdict:
    """The verdict, where the exercise has a judge of its own."""
    assert exercise.judge is not None
    if is_stub(answer):
        return _not_filled(exercise)
    try:
        said = exercise.judge(answer, generator(exercise.name, seed))
    except Unfilled:
        return _not_filled(exercise)
    if said is None:
        return _right(exercise)
    for misconception in exercise.misconceptions:
        if misconception.name == said:
            return _named(exercise, misconception)
    return _wrong(exercise, said)


def is_stub(answer: Any) -> bool:
    """Whether this is what a stub leaves: `...`, or nothing at all."""
    return answer is ... or answer is None


def cases_of(exercise: Exercise, seed: int = 0) -> list[Case]:
    """The arguments of the trials that a message may show; always the same ones."""
    return list(exercise.cases(generator(exercise.name, seed)))


def unseen_cases(exercise: Exercise, seed: int = 0) -> list[Case]:
    """The arguments of trials whose right answer no message shows; none if a value is asked for."""
    drawn = list(exercise.cases(generator(exercise.name, seed, "unseen")))
    return drawn if drawn[0] else []


@lru_cache(maxsize=64)
def _trials(exercise: Exercise, seed: int) -> tuple[list[Case], list[Any]]:
    """The arguments of all trials, first those that messages may show, and the right answers."""
    cases = [*cases_of(exercise, seed), *unseen_cases(exercise, seed)]
    if exercise.reference is None:
        return cases, []
    return cases, [exercise.reference(*copy.deepcopy(case)) for case in cases]


def _given(answer: Any, case: Case) -> Any:
    """What an answer gives for a case: itself, or what it returns for a copy of the arguments."""
    return answer(*copy.deepcopy(case)) if case else answer


def _bad_manners(
    exercise: Exercise, answer: Any, cases: Sequence[Case], right: Sequence[Any]
) -> str | None:
    """What is wrong with a function whose results are right, when it is called once more."""
    for case, wanted in zip(cases, right, strict=True):
        arguments = copy.deepcopy(case)
        again = answer(*arguments) if case else answer
        if not same(again, wanted, exercise.tolerance):
            return (
                "Called again with the same arguments it gives something else: it remembers"
                " earlier calls, or draws random numbers."
            )
        if any(_differs(a, b) for a, b in zip(arguments, case, strict=True)):
            return (
                "The results are right, but it changes its arguments, which who gave them still"
                " needs: compute new values, without `+=` on a tensor, `inplace=True`, `pop`, and"
                " methods that end in `_`."
            )
    return None


def _differs(after: Any, before: Any) -> bool:
    """Whether an argument that can be changed, a tensor or a list, was."""
    comparable = kind_of(before) in ("a tensor", "a list or tuple")
    return comparable and not same(after, before)


def _where(
    exercise: Exercise, cases: Sequence[Case], found: Sequence[Any], right: Sequence[Any]
) -> str | None:
    """What is wrong in the trials that are shown; a value that was asked for stays a secret."""
    if cases[0] or kind_of(found[0]) != kind_of(right[0]):
        return difference(exercise.arguments, cases, found, right, exercise.tolerance)
    return None if same(found[0], right[0], exercise.tolerance) else "Not yet."


def _no_table(
    exercise: Exercise, cases: Sequence[Case], found: Sequence[Any], right: Sequence[Any]
) -> str:
    """A sentence about a function that is right for the trials that were shown, and no others."""
    trials = zip(cases, found, right, strict=True)
    wrong = next(case for case, a, b in trials if not same(a, b, exercise.tolerance))
    return (
        "It is right for the trials that a check shows, but not for"
        f" {arguments(exercise.arguments, wrong)}: what is asked for holds for every shape."
    )


def _right(exercise: Exercise) -> Verdict:
    return Verdict(exercise.name, True, f"Right. {exercise.reason}")


def _wrong(exercise: Exercise, text: str) -> Verdict:
    return Verdict(exercise.name, False, checks.line(text))


def _named(exercise: Exercise, misconception: Misconception) -> Verdict:
    return Verdict(exercise.name, False, misconception.says, misconception.name)


def _not_filled(exercise: Exercise) -> Verdict:
    text = (
        f"Not filled in yet: put your answer in the place of `...`, then check `{exercise.name}`."
    )
    return Verdict(exercise.name, False, text, filled=False)
