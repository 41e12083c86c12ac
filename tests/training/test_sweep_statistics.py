"""Each number by a second derivation: by formula, by simulation, or by trying every subset."""

import itertools
import math
import statistics as standard

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from xception_edu.training.sweep.statistics import (
    detectable,
    deviation,
    holm,
    interval,
    p_value,
    power,
)

VALUES = st.lists(st.integers(0, 1000).map(lambda n: n / 1000), min_size=2, max_size=10)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=6)


@given(VALUES.filter(lambda values: len(set(values)) > 1))
def test_an_interval_is_the_mean_and_so_many_standard_errors(values):
    found = interval(values)
    error = standard.stdev(values) / math.sqrt(len(values))
    half = stats.t.ppf(0.975, len(values) - 1) * error
    assert found.mean == pytest.approx(standard.mean(values))
    assert found.low == pytest.approx(found.mean - half)
    assert found.high == pytest.approx(found.mean + half)
    assert deviation(values) == pytest.approx(standard.stdev(values))


@given(VALUES.filter(lambda values: len(set(values)) > 1))
def test_a_p_value_is_below_5_percent_just_where_the_interval_leaves_out_zero(values):
    differences = [value - 0.5 for value in values]
    found = interval(differences)
    assert (p_value(differences) < 0.05) == (not found.low <= 0 <= found.high)


def test_two_seeds_a_hand_could_do():
    # differences 1 and 3: t = 2 / (1.414 / 1.414) = 2 with one degree, a Cauchy distribution
    assert p_value([1.0, 3.0]) == pytest.approx(1 - 2 * math.atan(2) / math.pi)


def test_differences_that_are_all_alike_leave_no_doubt():
    assert p_value([0.5, 0.5, 0.5]) == 0.0
    assert p_value([0.0, 0.0]) == 1.0


def closed_bonferroni(p_values):
    """Holm by the principle behind it: a difference is shown if Bonferroni refuses every subset of
    the family that has it.
    """
    found = []
    for index in range(len(p_values)):
        worst = 0.0
        for size in range(1, len(p_values) + 1):
            for subset in itertools.combinations(range(len(p_values)), size):
                if index in subset:
                    worst = max(worst, min(1.0, size * min(p_values[i] for i in subset)))
        found.append(worst)
    return found


@given(P_VALUES)
def test_holm_is_the_closed_test_of_bonferroni(p_values):
    assert holm(p_values) == pytest.approx(closed_bonferroni(p_values))


def test_power_is_what_simulation_finds():
    rng = np.random.default_rng(0)
    differences = rng.normal(0.01, 0.008, (20_000, 5))
    shown = stats.ttest_1samp(differences, 0.0, axis=1).pvalue < 0.05
    assert power(0.01, 0.008, 5) == pytest.approx(shown.mean(), abs=0.01)
    assert power(0.0, 0.008, 5) == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize("effect", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("count", [3, 5, 10])
def test_power_is_that_of_the_noncentral_t(effect, count):
    critical, shift = stats.t.ppf(0.975, count - 1), effect * count**0.5
    tails = stats.nct.sf(critical, count - 1, shift) + stats.nct.cdf(-critical, count - 1, shift)
    assert power(effect, 1.0, count) == pytest.approx(tails, abs=2e-4)


@settings(max_examples=20)
@given(st.floats(0.001, 1), st.integers(2, 30))
def test_the_detectable_difference_has_the_power_that_was_wanted(std, count):
    assert power(detectable(std, count), std, count) == pytest.approx(0.8, abs=1e-3)


def test_more_seeds_detect_less():
    found = [detectable(0.01, count) for count in (2, 3, 5, 10)]
    assert found == sorted(found, reverse=True)


def test_one_value_has_no_spread():
    with pytest.raises(ValueError, match="values has 1, but must have 2 or more"):
        interval([0.5])
