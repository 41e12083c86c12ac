"""The statistics of a sweep, by scipy: means with intervals, paired tests, Holm, power.

A seed gives one number for every point, and the same images in the same order to all of them, so
that points are compared by their differences within a seed. All tests are t-tests, two-sided; they
take the differences as normal, which so few seeds can neither show nor refute.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy
import scipy  # type: ignore[import-untyped]  # its parts are loaded when they are used

from xception_edu import checks

LEVEL = 0.95  # of all intervals; tests are made at 1 - LEVEL
LARGEST_STD = 1e100  # whose square a float holds
QUANTILES = 4000  # of the spread, over which power is averaged


class Interval(NamedTuple):
    """A mean, and the bounds of its interval of Student's t."""

    mean: float
    low: float
    high: float


def interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Mean of two or more values with its interval; ValueError for fewer, which have none."""
    values = _numbers("values", values)
    level = checks.number("level", level, above=0, below=1)
    if len(set(values)) == 1:  # without a spread, which scipy warns of
        return Interval(values[0], values[0], values[0])
    found = scipy.stats.ttest_1samp(values, 0.0)
    low, high = found.confidence_interval(level)
    return Interval(float(sum(values) / len(values)), float(low), float(high))


def p_value(differences: Sequence[float]) -> float:
    """How often differences at least as far from 0 would come, were their true mean 0.

    Differences that are all alike say 0, or 1 where they are all 0.
    """
    differences = _numbers("differences", differences)
    if len(set(differences)) == 1:
        return 0.0 if differences[0] else 1.0
    return float(scipy.stats.ttest_1samp(differences, 0.0).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order of the p-values.

    At most 5 % of families in which some differences are truly 0 then have one of those below
    0.05, whatever the tests have to do with each other. scipy has no such function: the smallest is
    multiplied by how many there are, the next by one less, and none may be below the one before.
    """
    p_values = _numbers("p_values", p_values, fewest=0, at_least=0, at_most=1)
    adjusted = [0.0] * len(p_values)
    before = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        before = max(before, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = before
    return adjusted


def deviation(values: Sequence[float]) -> float:
    """Sample standard deviation of two or more values."""
    values = _numbers("values", values)
    return float(scipy.stats.tstd(values)) if len(set(values)) > 1 else 0.0


def power(effect: float, std: float, count: int, alpha: float = 1 - LEVEL) -> float:
    """How often a paired t-test over `count` seeds would show a true difference, 0 to 1.

    Args:
        effect: the true mean of the differences.
        std: their standard deviation from seed to seed, above 0.
        count: how many seeds there are, two or more.
        alpha: the level of the test; for Holm's smallest p-value, 5 % over the number of tests.
    """
    effect, std = checks.number("effect", effect), checks.number("std", std, above=0)
    count = checks.integer("count", count, at_least=2)
    alpha = checks.number("alpha", alpha, above=0, below=1)
    critical = scipy.stats.t.ppf(1 - alpha / 2, count - 1)
    # The spread that the seeds happen to show, as a multiple of `std`, at evenly spaced quantiles.
    # scipy's noncentral t (1.17) would be shorter, but gives NaN for few seeds and large effects.
    shares = (numpy.arange(QUANTILES) + 0.5) / QUANTILES
    spreads = numpy.sqrt(scipy.stats.chi2.ppf(shares, count - 1) / (count - 1))
    shift = effect / std * count**0.5
    normal = scipy.stats.norm
    shown = normal.sf(critical * spreads - shift) + normal.cdf(-critical * spreads - shift)
    return float(shown.mean())


def detectable(std: float, count: int, alpha: float = 1 - LEVEL, wanted: float = 0.8) -> float:
    """The smallest true difference that a test over `count` seeds shows with the wanted power.

    Args:
        std: standard deviation of the paired differences.
        count: seeds.
        alpha: level of the test.
        wanted: the power, from 0 to 1.
    """
    std = checks.number("std", std, above=0, at_most=LARGEST_STD)
    wanted = checks.number("wanted", wanted, at_least=0, below=1)

    def missing(effect: float) -> float:
        return power(effect, std, count, alpha) - wanted

    largest = std
    if missing(0.0) >= 0:  # a test shows it by chance as often as wanted
        return 0.0
    while missing(largest) < 0:
        largest *= 2
    return float(scipy.optimize.brentq(missing, 0.0, largest, xtol=std * 1e-6))


def _numbers(
    name: str,
    values: object,
    *,
    fewest: int = 2,
    at_least: float = -LARGEST_STD,
    at_most: float = LARGEST_STD,
) -> tuple[float, ...]:
    """The numbers of a list; ValueError where there are fewer, or one is none."""
    found = checks.sequence(name, values, "a list of numbers")
    if len(found) < fewest:
        raise ValueError(
            f"{name} has {len(found)}, but must have {fewest} or more: a spread needs them"
        )
    return tuple(
        checks.number(f"{name}[{i}]", value, at_least=at_least, at_most=at_most)
        for i, value in enumerate(found)
    )
