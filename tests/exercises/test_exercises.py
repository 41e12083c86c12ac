"""Every check lets right answers pass, names every misconception, and survives anything else."""

import copy
import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import xception_edu as xe
from tests.helpers.mutants import mutants
from xception_edu import exercises
from xception_edu.exercises import EXERCISES, guard, progress_file, reading
from xception_edu.exercises.exercise import cases_of, judged, unseen_cases

ALL = list(EXERCISES.values())
MISCONCEPTIONS = [(one, wrong) for one in ALL for wrong in one.misconceptions]
SOLUTIONS = [(one, code) for one in ALL for code in one.solutions]
each = pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
WITH_REFERENCE = [one for one in ALL if one.reference is not None]
FUNCTIONS = [one for one in WITH_REFERENCE if cases_of(one) != [()]]
SEEDS = (0, 1, 2)  # of the trials: learners' answers get those of 0


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("XCEPTION_EDU_PROGRESS", str(tmp_path / "progress.json"))


# ---- what there is -------------------------------------------------------------------------------


def test_there_are_thirty_exercises_and_three_misconceptions_each():
    assert len(ALL) >= 30
    assert all(len(one.misconceptions) >= 3 for one in ALL)
    assert all(len(one.solutions) >= 2 and one.hints and one.reason for one in ALL)
    names = [wrong.name for one, wrong in MISCONCEPTIONS]
    assert len(set(zip([one.name for one, _ in MISCONCEPTIONS], names, strict=True))) == len(names)


def test_every_notebook_has_two_or_more():
    numbers = [one.notebook for one in ALL]
    wanted = ("01", "02", "03", "04", "04b", "05", "06", "07", "08", "09", "11", "12", "13")
    assert all(numbers.count(number) >= 2 for number in wanted)
    assert set(numbers) == set(wanted)


# ---- right, and wrong for a reason ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "code"), SOLUTIONS, ids=[f"{one.name}-{i}" for i, (one, _) in enumerate(SOLUTIONS)]
)
def test_every_way_of_writing_it_right_passes(one, code):
    for seed in SEEDS:
        verdict = judged(one, one.answer_of(code), seed)
        assert verdict.right, verdict
        assert verdict.text == f"Right. {one.reason}"


@pytest.mark.parametrize(
    ("one", "wrong"), MISCONCEPTIONS, ids=[f"{one.name}-{w.name}" for one, w in MISCONCEPTIONS]
)
def test_every_misconception_gets_its_name(one, wrong):
    for seed in SEEDS:
        verdict = judged(one, one.answer_of(wrong.code), seed)
        assert not verdict.right
        assert verdict.misconception == wrong.name
        assert verdict.text == wrong.says
        assert len(verdict.text) <= 400


@each
def test_a_stub_is_not_filled_in_and_no_failure(one):
    verdict = judged(one, one.answer_of(one.stub))
    assert (verdict.right, verdict.filled) == (False, False)
    assert verdict.text.startswith("Not filled in yet")


def larger(value):
    return [*value, value[-1]] if isinstance(value, list | tuple) else value * 1.5 + 1


def smaller(value):
    return value[:-1] if isinstance(value, list | tuple) else value * 0.9


@pytest.mark.parametrize("change", [larger, smaller])
@pytest.mark.parametrize("one", WITH_REFERENCE, ids=lambda one: one.name)
def test_a_check_fails_when_its_reference_is_changed(one, change):
    """The planted fault: a reference that gives something else lets no right answer pass."""
    changed = replace(one, reference=lambda *args: change(one.reference(*args)))
    assert not any(judged(changed, one.answer_of(code)).right for code in one.solutions)


# What is still right with something changed: how many runs are timed, what is counted as one.
STILL_RIGHT = {
    "04b-multiplier": "len([3 for _ in range(kernel) for _ in range(kernel)])",
    "08-timing": "for _ in range(7):",
}


def tried(one, code):
    """What is said of the code; None where it cannot even be run."""
    try:
        answer = one.answer_of(code)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None
    return judged(one, answer)


@each
def test_a_right_answer_with_one_thing_changed_is_wrong(one):
    passed = []
    for code in one.solutions:
        found = {mutant: tried(one, mutant) for mutant in mutants(code)}
        passed += [mutant for mutant, verdict in found.items() if verdict and verdict.right]
    known = STILL_RIGHT.get(one.name)
    assert not [code for code in passed if known is None or known not in code]


# ---- random shapes -------------------------------------------------------------------------------


@pytest.mark.parametrize("one", FUNCTIONS, ids=lambda one: one.name)
def test_trials_are_drawn_and_are_the_same_each_time(one):
    drawn = [repr(cases_of(one, seed)) for seed in SEEDS]
    assert repr(cases_of(one)) == drawn[0]
    assert len({*drawn, repr(unseen_cases(one))}) == len(SEEDS) + 1
    assert len(unseen_cases(one)) == len(cases_of(one)) >= 4


@pytest.mark.parametrize("one", FUNCTIONS, ids=lambda one: one.name)
def test_a_table_of_all_answers_that_messages_show_does_not_pass(one):
    cases = cases_of(one)
    rows = [(repr(case), one.reference(*copy.deepcopy(case))) for case in cases]
    table = dict(rows)
    verdict = judged(one, lambda *args: table.get(repr(args), rows[0][1]))
    assert not verdict.right
    assert not verdict.misconception
    assert verdict.text.startswith("It is right for the trials that a check shows, but not for ")


def test_a_number_that_fits_one_gpu_is_no_measurement():
    assert not judged(EXERCISES["08-timing"], lambda *args: 2.0).right


# ---- sentences that slip -------------------------------------------------------------------------


def test_the_sentences_that_slip_are_those_that_the_layers_contradict():
    names = [spec.name for spec, _ in xe.architectures.xception()]
    additions = [spec for spec, _ in xe.architectures.xception() if isinstance(spec, xe.AddSpec)]
    behind = {b for a, b in itertools.pairwise(names) if a.endswith("_spatial")}
    sizes = xe.paper.IMAGENET_SIZE
    assert all(name.endswith("_pointwise") for name in behind)
    assert len(additions) == xe.paper.RESIDUAL_MODULES == xe.paper.MODULES - 2
    assert sizes["Xception"].params != sizes["Inception V3"].params
    assert judged(EXERCISES["06-slips"], set(reading.SLIPS)).right
    fewer = 100 * (1 - sizes["Xception"].params / sizes["Inception V3"].params)
    assert judged(EXERCISES["06-corrected"], [xe.paper.GPUS, fewer, 0, 2]).right


def test_a_sentence_that_holds_is_named_to_who_calls_it_wrong():
    verdict = judged(EXERCISES["06-slips"], "aceh")
    assert not verdict.right
    assert verdict.text.startswith("The paper does say h.")
    assert judged(EXERCISES["06-slips"], "a, c, e, f").right


# ---- anything else -------------------------------------------------------------------------------


class Hostile:
    """An object all of whose answers are errors."""

    def __eq__(self, other):
        raise RuntimeError("no")

    __hash__ = None
    __repr__ = __float__ = __len__ = __iter__ = __eq__


def endless(*args):
    while True:
        pass


def raising(*args):
    return args[99]


def leaving(*args):
    raise SystemExit(3)


NONSENSE = (
    [], {}, "", "nan", 0, -1, 10**400, float("nan"), float("inf"), True, b"x", object(), Hostile(),
    np.zeros(3), np.float64(2), torch.tensor([]), torch.randn(2, 2), (1, (2, (3,))), [[[]]], {1, 2},
    lambda: 1, lambda *args: Hostile(), lambda *args: float("nan"), lambda *args: args,
    lambda *args: "x" * 10**6, lambda a: a, print, len, int, Exception, raising, leaving,
)  # fmt: skip


@each
def test_no_nonsense_passes_or_raises(one):
    for answer in NONSENSE:
        verdict = judged(one, answer)
        assert not verdict.right, answer
        assert len(verdict.text) <= 400
        assert "\n" not in verdict.text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
        max_leaves=6,
    )
)
@settings(max_examples=30)
def test_no_generated_value_passes_for_a_function(value):
    verdict = judged(EXERCISES["03-groups"], value)
    assert not verdict.right


def test_an_endless_answer_is_ended_soon():
    started = time.monotonic()
    verdict = judged(EXERCISES["03-groups"], endless)
    assert "does not come to an end" in verdict.text
    assert time.monotonic() - started < guard.SECONDS


def test_one_that_waits_is_left_behind(monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 0.2)
    verdict = judged(EXERCISES["03-groups"], lambda *args: time.sleep(2))
    assert "does not come to an end" in verdict.text


def test_an_error_is_named_with_its_line():
    space = {}
    exec("def parameters(channels, segments):\n    half = channels / 0\n    return half", space)
    verdict = judged(EXERCISES["03-groups"], space["parameters"])
    assert "in line 2" in verdict.text
    assert "ZeroDivisionError" in verdict.text


def test_an_answer_that_changes_its_arguments_is_told_so():
    def split(x, segments):
        pieces = [piece.clone() for piece in x.chunk(segments, dim=1)]
        x.zero_()
        return pieces

    verdict = judged(EXERCISES["02-split"], split)
    assert not verdict.right
    assert "it changes its arguments" in verdict.text


def test_an_answer_that_remembers_earlier_calls_is_told_so():
    one, seen = EXERCISES["03-groups"], []
    trials = len(cases_of(one)) + len(unseen_cases(one))

    def parameters(channels, segments):
        seen.append(channels)
        return one.reference(channels, segments) if len(seen) <= trials else 0

    verdict = judged(one, parameters)
    assert not verdict.right
    assert "it remembers" in verdict.text


def test_a_wrong_function_is_told_where_it_differs_and_a_wrong_number_is_not_told_the_right_one():
    said = judged(EXERCISES["01-parameters"], lambda i, o, k: 7).text
    assert (
        "For in_channels = 3, out_channels = 4, kernel = 3 it gives 7, but should give 112" in said
    )
    said = judged(EXERCISES["02-count"], 17).text
    assert said.startswith("Not yet. A hint: ")
    assert "9,216" not in said
    assert "9216" not in said


# ---- as learners use it --------------------------------------------------------------------------


def test_hints_come_in_steps_and_end_with_the_solution():
    name = "03-shape"
    exercises._hints_given.clear()
    hints = EXERCISES[name].hints
    said = [str(xe.hint(name)) for _ in range(len(hints) + 1)]
    assert all(hint in text for hint, text in zip(hints, said, strict=False))
    assert f'xe.solution("{name}")' in said[-1]
    assert all(code in xe.solution(name) for code in EXERCISES[name].solutions)


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(ValueError, match=r"name is '03-group', but .* the nearest is 03-groups"):
        xe.check("03-group", 1)
    with pytest.raises(ValueError, match="name is 3, but must be the name of an exercise"):
        xe.hint(3)


def test_progress_remembers_what_is_done_and_what_was_tried():
    xe.check("02-count", 9216)
    xe.check("02-count", 1)
    xe.check("03-module", 1)
    xe.check("03-groups", ...)
    found = xe.progress()
    marks = {one.name: found.mark(one) for one in ALL}
    assert (marks["02-count"], marks["03-module"], marks["03-groups"]) == ("●", "◐", "○")
    assert repr(found).startswith(f"1 of {len(ALL)} exercises are done")
    assert "Parameters of a segmented 3×3" in found._repr_html_()


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"02-count": 3}', '{"02-count": {"tries": []}}']
)
def test_a_damaged_file_of_progress_is_begun_again(content):
    progress_file.path().write_text(content)
    xe.check("02-count", 9216)
    assert xe.progress().done == 1


def test_a_folder_that_cannot_be_written_loses_no_verdict(monkeypatch):
    monkeypatch.setenv("XCEPTION_EDU_PROGRESS", "/no/such/folder/progress.json")
    assert xe.check("02-count", 9216).right
