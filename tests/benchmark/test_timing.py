"""Times, memory and rooflines: the arithmetic is tested, never a time itself."""

import itertools
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from xception_edu.benchmark import timing
from xception_edu.benchmark.timing import (
    Timing,
    alternate,
    latency,
    peak_memory,
    pinned,
    ratio,
    with_backward,
)

milliseconds = st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=12)


@given(milliseconds)
def test_median_and_quartiles_enclose_each_other_and_lie_among_the_rounds(times):
    timing_ = Timing(tuple(times))
    first, third = timing_.quartiles
    assert min(times) <= first <= timing_.median <= third <= max(times)


def test_quartiles_of_five_rounds_are_the_second_and_the_fourth():
    assert Timing((5.0, 1.0, 4.0, 2.0, 3.0)).quartiles == (2.0, 4.0)
    assert Timing((5.0, 1.0, 4.0, 2.0, 3.0)).median == 3.0


def test_a_record_shows_the_preempted_rounds_and_leaves_none_out():
    slow = Timing((1.0, 9.0, 1.0, 1.0), (0, 3, None, 0))
    assert slow.record() == {
        "median_ms": 1.0,
        "q1_ms": 1.0,
        "q3_ms": 3.0,
        "rounds": 4,
        "preempted": 1,
    }


def test_two_timings_together_have_the_rounds_of_both():
    assert Timing((1.0, 2.0), (0, None)) + Timing((5.0,), (3,)) == Timing(
        (1.0, 2.0, 5.0), (0, None, 3)
    )


def test_a_ratio_is_the_median_over_rounds_and_not_the_ratio_of_medians():
    # The machine is ten times slower from the third round on; a always takes twice as long as b.
    a, b = Timing((2.0, 2.2, 20.0, 22.0, 24.0)), Timing((1.0, 1.1, 10.0, 11.0, 12.0))
    assert ratio(a, b) == pytest.approx(2.0)
    slowed = Timing((*a.milliseconds[:4], 240.0))
    assert ratio(slowed, b) == pytest.approx(2.0)


@given(st.integers(1, 4), st.integers(1, 5))
def test_rounds_alternate_after_the_warm_up(functions, rounds):
    calls = []
    named = {name: lambda name=name: calls.append(name) for name in range(functions)}
    times = alternate(named, rounds=rounds)
    assert len(calls) == functions * (rounds + 1)
    turns = [calls[i : i + functions] for i in range(0, len(calls), functions)]
    assert all(sorted(turn) == list(range(functions)) for turn in turns)
    assert all(len(t.milliseconds) == len(t.preemptions) == rounds for t in times.values())


@given(st.integers(2, 12))
def test_every_function_comes_right_after_every_other_equally_often(functions):
    calls = []
    rounds = functions * (1 + functions % 2)
    alternate(
        {name: lambda name=name: calls.append(name) for name in range(functions)}, rounds=rounds
    )
    # after the warm-up
    turns = [calls[i : i + functions] for i in range(functions, len(calls), functions)]
    followed = Counter(pair for turn in turns for pair in itertools.pairwise(turn))
    assert len(followed) == functions * (functions - 1)
    assert set(followed.values()) == {1 + functions % 2}


def test_when_time_is_up_three_rounds_are_enough():
    assert len(latency(lambda: None, rounds=50).milliseconds) == 50
    assert len(alternate({"f": lambda: None}, rounds=50, seconds=0)["f"].milliseconds) == 3


def test_a_function_that_raises_is_named_and_threads_are_as_before():
    before = torch.get_num_threads()

    def fails():
        raise RuntimeError("no such kernel")

    with pytest.raises(RuntimeError, match="no such kernel") as error:
        alternate({"good": lambda: None, "bad": fails}, threads=before + 1)
    assert error.value.__notes__ == ["while timing 'bad'"]
    assert torch.get_num_threads() == before


def test_threads_are_pinned_inside():
    before = torch.get_num_threads()
    seen = []
    latency(lambda: seen.append(torch.get_num_threads()), rounds=2, threads=before + 1)
    assert set(seen) == {before + 1}
    with pinned(None) as threads:
        assert threads == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rounds": 0}, "rounds is 0, but must be an integer of at least 1"),
        ({"rounds": 2.5}, "rounds is 2.5"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_wrong_numbers_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        latency(lambda: None, **arguments)


def test_nothing_to_time_and_nothing_to_derive_are_refused():
    with pytest.raises(ValueError, match="functions is empty"):
        alternate({})
    with pytest.raises(ValueError, match="seconds is nan"):
        alternate({"f": lambda: None}, seconds=float("nan"))
    with pytest.raises(ValueError, match="requires_grad=True"):
        with_backward(lambda: torch.zeros(1), [torch.zeros(1)])


def test_with_backward_returns_the_gradients_of_all_inputs_and_keeps_none():
    x, w = torch.randn(2, 3, 5, 5, requires_grad=True), torch.randn(4, 3, 3, 3, requires_grad=True)
    step = with_backward(lambda: F.conv2d(x, w), [x, w])
    first, second = step(), step()
    assert [g.shape for g in first] == [x.shape, w.shape]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert x.grad is None
    assert w.grad is None


MIB = 2**20


ALLOCATIONS = {
    "none": (lambda: None, 0),
    "one": (lambda: torch.empty(MIB), 4 * MIB),
    "three at once": (lambda: [torch.empty(MIB) for _ in range(3)], 12 * MIB),
    "three, one after another": (
        lambda: [None for _ in range(3) if torch.empty(MIB) is None],
        4 * MIB,
    ),
}


@pytest.mark.parametrize("name", ALLOCATIONS)
def test_peak_memory_of_a_few_allocations(name):
    function, peak = ALLOCATIONS[name]
    assert peak_memory(function) == peak


def test_peak_memory_is_what_is_alive_at_once_and_not_what_was_there_before():
    x = torch.ones(MIB)

    def chain():  # each step needs its input and its output, and x is no part of it
        y = x
        for _ in range(5):
            y = torch.relu(y)

    assert peak_memory(chain) == 8 * MIB


def test_peak_memory_sees_what_is_kept_for_the_backward_pass():
    x = torch.ones(MIB, requires_grad=True)

    def layers():
        y = x
        for _ in range(5):
            y = torch.sigmoid(y)  # keeps its output
        return y

    with torch.no_grad():
        assert peak_memory(layers) == 8 * MIB
    assert peak_memory(layers) == 20 * MIB


def test_peak_memory_of_a_function_that_raises_comes_through():
    with pytest.raises(ZeroDivisionError):
        peak_memory(lambda: 1 / 0)


def test_a_short_function_fills_a_round_with_calls_and_a_long_one_is_called_once(monkeypatch):
    clock, calls = [0.0], Counter()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])

    def call(name, seconds):
        calls[name] += 1
        # the first one finds kernels and memory
        clock[0] += seconds * (100 if calls[name] == 1 else 1)

    functions = {"short": lambda: call("short", 0.0005), "long": lambda: call("long", 0.03)}
    times = alternate(functions, rounds=2, min_ms=10)
    assert calls["long"] == 2 + 2
    # of the warm-up; then 20 in each round, after one that is not timed
    assert calls["short"] == 2 + 2 * (1 + 20)
    assert times["short"].median == pytest.approx(0.5)  # of one call, not of all
