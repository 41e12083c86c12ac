"""What is wrong with an answer that no misconception explains, in a sentence that helps to find it.

What all trials have in common says more than any of them: half as much each time, one too many, the
sign turned around. Of tensors and lists it says which part is right already.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from xception_edu import checks
from xception_edu.exercises.draws import Case
from xception_edu.exercises.same import TOLERANCE, kind_of, same

FEW = 8  # entries of a list that are written one by one


def difference(
    names: Sequence[str],
    cases: Sequence[Case],
    found: Sequence[Any],
    right: Sequence[Any],
    tolerance: float = TOLERANCE,
) -> str | None:
    """Sentences about the first case that is wrong, and what all have in common; None if all are
    right.

    Args:
        names: of the arguments, as the stub has them.
        cases: the arguments of each trial.
        found: what the answer gives for each.
        right: what it should give.
        tolerance: relative, of numbers.
    """
    trials = list(zip(cases, found, right, strict=False))
    wrong = [trial for trial in trials if not same(trial[1], trial[2], tolerance)]
    if not wrong:
        return None
    case, value, wanted = wrong[0]
    if kind_of(value) != kind_of(wanted):
        return f"It is {kind_of(value)}, but should be {kind_of(wanted)}."
    common = _in_common(*zip(*[trial[1:] for trial in trials], strict=True))
    return f"{_of_one(names, case, value, wanted, tolerance)}{common}"


def _of_one(names: Sequence[str], case: Case, value: Any, wanted: Any, tolerance: float) -> str:
    """What is wrong in one trial."""
    place = f"For {arguments(names, case)}"
    if kind_of(wanted) == "a tensor":
        return f"{place} {_of_tensors(value, wanted)}."
    if kind_of(wanted) == "a list or tuple":
        return f"{place} {_of_lists(value, wanted, tolerance)}."
    given, should = in_words(value), in_words(wanted)
    if given == should:
        given, should = checks.shown(value), checks.shown(wanted)
    return f"{place} it gives {given}, but should give {should}."


def _of_tensors(value: Any, wanted: Any) -> str:
    """Which of shape and numbers differs, and by how much."""
    a, b = torch.as_tensor(value), torch.as_tensor(wanted)
    if a.shape != b.shape:
        return f"its shape is {tuple(a.shape)}, but should be {tuple(b.shape)}"
    a, b = a.double(), b.double()
    there = int((a - b).abs().argmax())
    place = [int(i) for i in np.unravel_index(there, a.shape)]
    return (
        f"the shape is right, the numbers are not: at {place} stands"
        f" {in_words(a[*place])}, but should stand {in_words(b[*place])}"
    )


def _of_lists(value: Any, wanted: Any, tolerance: float) -> str:
    """How many entries there should be, which of them are right, and whether only their order is
    wrong.
    """
    if len(value) != len(wanted):
        return f"it has length {len(value)}, but should have {len(wanted)}"
    left = list(value)
    for entry in wanted:
        match = next((i for i, one in enumerate(left) if same(one, entry, tolerance)), None)
        if match is not None:
            del left[match]
    if not left:
        return "the entries are right, but in another order"
    right = [i for i, pair in enumerate(zip(value, wanted, strict=True)) if same(*pair, tolerance)]
    if any(kind_of(entry) == "a tensor" for entry in wanted):
        which = ", ".join(f"[{i}]" for i in right)
        return f"of its {len(wanted)} entries {f'only {which}' if right else 'none'} is right"
    return f"it gives {in_words(value)}, but should give {in_words(wanted)}"


# ---- what all trials have in common --------------------------------------------------------------


def _in_common(found: Sequence[Any], right: Sequence[Any]) -> str:
    """A sentence about all trials at once; empty if there is none to be said."""
    parts = [_flat(value, wanted) for value, wanted in zip(found, right, strict=True)]
    if any(part is None for part in parts):
        return ""
    a, b = map(np.concatenate, zip(*filter(None, parts), strict=True))
    if len(a) < 3 or not np.isfinite(a).all() or _equal(b):
        return ""
    if _equal(a):
        return " It is the same whatever the arguments."
    if np.allclose(a, b, rtol=1e-3):  # nearly right: what is lacking is no factor
        return ""
    if (b != 0).all() and _equal(a / b):
        return f" Each time it is {_times(float((a / b)[0]))}."
    if _equal(a * b) and math.isclose(a[0] * b[0], 1, rel_tol=1e-4):
        return " Each time it is 1 divided by what it should be."
    if _equal(a - b):
        amount = float((a - b)[0])
        return f" Each time it is {in_words(abs(amount))} too {'much' if amount > 0 else 'little'}."
    return ""


def _flat(value: Any, wanted: Any) -> tuple[Any, Any] | None:
    """All numbers of an answer and of the right one; None if they do not stand side by side."""
    if kind_of(value) != kind_of(wanted) or kind_of(wanted) not in ("a number", "a tensor"):
        return None
    try:
        a, b = (np.asarray(one, dtype=float) for one in (value, wanted))
    except (OverflowError, RuntimeError, TypeError, ValueError):  # too large, or with a gradient
        return None
    return (a.ravel(), b.ravel()) if a.shape == b.shape else None


def _equal(numbers: Any) -> bool:
    """Whether all numbers are one, but for their last digits."""
    return bool(np.allclose(numbers, numbers[0], rtol=1e-4, atol=1e-9))


def _times(ratio: float) -> str:
    """A ratio in words."""
    known = {0.5: "half of what it should be", 2.0: "twice what it should be"}
    for number, words in known.items():
        if math.isclose(ratio, number, rel_tol=1e-4):
            return words
    if math.isclose(ratio, -1, rel_tol=1e-4):
        return "minus what it should be"
    return f"{in_words(ratio)} times what it should be"


# ---- values in words -----------------------------------------------------------------------------


def arguments(names: Sequence[str], case: Case) -> str:
    """The arguments of a trial with their names; of tensors the shape."""
    return ", ".join(
        f"{name} of shape {tuple(value.shape)}"
        if isinstance(value, torch.Tensor) and value.dim()
        else f"{name} = {in_words(value)}"
        for name, value in zip(names, case, strict=True)
    )


def in_words(value: Any) -> str:
    """A value, with no more digits than help."""
    value = checks.plain(value)
    if type(value) in (int, float) and 1e5 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    if type(value) is float:
        return f"{value:.5g}"
    if type(value) in (list, tuple) and 0 < len(value) <= FEW and all(map(_is_number, value)):
        return f"[{', '.join(map(in_words, value))}]"
    return checks.shown(value)


def _is_number(value: Any) -> bool:
    return kind_of(value) == "a number"
