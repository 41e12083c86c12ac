"""A wrong answer that nobody foresaw is told what is wrong with it, truly and usefully."""

import statistics

import pytest
import torch
from scipy import stats

from xception_edu.exercises import EXERCISES
from xception_edu.exercises.differences import difference, in_words
from xception_edu.exercises.exercise import judged


def said(name, answer):
    verdict = judged(EXERCISES[name], answer)
    assert not verdict.right
    assert not verdict.misconception
    return verdict.text


# ---- what all trials have in common --------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda k: 3 * k**2, "Each time it is 3 times what it should be."),
        (lambda k: k**2 / 2, "Each time it is half of what it should be."),
        (lambda k: 2 * k**2, "Each time it is twice what it should be."),
        (lambda k: -(k**2), "Each time it is minus what it should be."),
        (lambda k: 1 / k**2, "Each time it is 1 divided by what it should be."),
        (lambda k: k**2 + 4, "Each time it is 4 too much."),
        (lambda k: k**2 - 5, "Each time it is 5 too little."),
        (lambda k: 25, "It is the same whatever the arguments."),
    ],
)
def test_what_all_trials_have_in_common_is_said(answer, words):
    assert words in said("04b-multiplier", answer)


@pytest.mark.parametrize(
    "answer",
    [lambda k: k**3, lambda k: k**2 * (1 + 1e-4), lambda k: 10**400],
    ids=["another power", "nearly right", "too large"],
)
def test_what_they_do_not_have_in_common_is_not(answer):
    text = said("04b-multiplier", answer)
    assert "Each time" not in text.replace("It is the same whatever the arguments.", "")


def test_a_factor_holds_for_tensors_too():
    solution = EXERCISES["04b-composed"].answer_of(EXERCISES["04b-composed"].solutions[0])
    text = said("04b-composed", lambda depthwise, pointwise: 2 * solution(depthwise, pointwise))
    assert "the shape is right, the numbers are not: at [" in text
    assert "Each time it is twice what it should be." in text


# ---- one trial -----------------------------------------------------------------------------------


def test_arguments_have_their_names_and_numbers_few_digits():
    text = said("13-interval", lambda scores: stats.t.ppf(0.95, len(scores) - 1))
    assert text.startswith("For scores = [0.81, 0.79, 0.83] it gives 2.92, but should give 0.0496")
    text = said("09-ring", lambda size, workers: 3 * size)
    assert text.startswith("For size = 91,000,000, workers = 60 it gives 273,000,000, but should ")


def test_numbers_that_would_look_alike_have_all_their_digits():
    text = said("04b-multiplier", lambda k: 9 if k == 3 else k**2 * (1 + 1.2e-5))
    assert text.startswith("For kernel = 5 it gives 25.000299")


def test_a_tensor_is_told_its_shape_and_a_list_its_length():
    text = said("04b-composed", lambda depthwise, pointwise: depthwise)
    assert "its shape is (4, 1, 3, 3), but should be (4, 4, 3, 3)" in text
    text = said("13-holm", lambda p_values: p_values[:-1])
    assert "it has length 2, but should have 3" in text


def test_of_several_results_the_right_ones_are_named():
    def twice_the_step(weight, velocity, gradient, rate, momentum):
        velocity = momentum * velocity + gradient
        return weight - 2 * rate * velocity, velocity

    assert "of its 2 entries only [1] is right" in said("07-momentum", twice_the_step)
    assert "of its 2 entries none is right" in said("07-momentum", lambda w, v, *_: (v, w))


def test_right_entries_in_another_order_are_told_so():
    right, found = [[3.0, 1.0, 2.0]] * 3, [[1.0, 2.0, 3.0]] * 3
    text = difference(["n"], [(1,), (2,), (3,)], found, right)
    assert text == "For n = 1 the entries are right, but in another order."


def test_what_is_right_has_no_difference():
    assert difference(["n"], [(1,), (2,)], [1, 2.0], [1, 2]) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3, "3"),
        (12345678, "12,345,678"),
        (0.123456789, "0.12346"),
        (torch.tensor(2.0), "2"),
        ([0.123456789, 2], "[0.12346, 2]"),
        (float("nan"), "nan"),
        (True, "True"),
        ("a", "'a'"),
    ],
)
def test_values_have_no_more_digits_than_help(value, words):
    assert in_words(value) == words


# ---- measuring -----------------------------------------------------------------------------------


def waited_for_nothing(launch, synchronize, clock):
    launch()
    started = clock()
    launch()
    synchronize()
    return clock() - started


def two_runs(launch, synchronize, clock):
    launch()
    synchronize()
    started = clock()
    launch()
    launch()
    synchronize()
    return clock() - started


def looked_before_the_end(launch, synchronize, clock):
    launch()
    synchronize()
    started = clock()
    launch()
    ended = clock()
    synchronize()
    return ended - started


def half_of_it(launch, synchronize, clock):
    launch()
    synchronize()
    started = clock()
    launch()
    synchronize()
    return (clock() - started) / 2


def median_with_the_first(launch, synchronize, clock):
    times = []
    for _ in range(5):
        started = clock()
        launch()
        synchronize()
        times.append(clock() - started)
    return statistics.median(times)


@pytest.mark.parametrize(
    ("measured", "name"),
    [
        (waited_for_nothing, "warm-up measured too"),
        (two_runs, "all runs for one"),
        (looked_before_the_end, "synchronization forgotten"),
        (lambda *_: 2.0, "the clock not read around a run"),
        (half_of_it, ""),
    ],
)
def test_a_wrong_time_is_told_how_it_came_about(measured, name):
    verdict = judged(EXERCISES["08-timing"], measured)
    assert not verdict.right
    assert verdict.misconception == name
    if not name:
        assert verdict.text.startswith("It says ")


def test_the_median_may_have_the_first_run_in_it():
    assert judged(EXERCISES["08-timing"], median_with_the_first).right


# ---- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [("Validation", "Test"), ["val", " test"]], ids=str)
def test_words_may_be_capitalized_or_short(answer):
    assert judged(EXERCISES["07-choose"], answer).right


def test_other_answers_than_two_of_the_words_are_told_so():
    assert "two words" in said("07-choose", ("validation",))
    assert "two words" in said("07-choose", "validation, test")
    assert "one of `train`" in said("07-choose", ("dev", "test"))
