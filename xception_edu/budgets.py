"""Widths at which networks with any number of segments have one size.

At fixed widths, fewer segments mean a larger network; a comparison of segments that does not match
parameters or MACs by width compares sizes.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from xception_edu import checks
from xception_edu.architectures import role_of, stage_of, xception
from xception_edu.configs import XceptionConfig
from xception_edu.costs import Cost, cost_of, total
from xception_edu.specs import kind

TOLERANCE = 0.005
_DECIMALS = 5  # of the width multipliers that are tried
_STEPS = 10**_DECIMALS
_WIDEST = 1000
Size = int | tuple[int, int]


@lru_cache(maxsize=2048)
def costs_by_role(config: XceptionConfig, input_size: Size = 299) -> dict[str, Cost]:
    """Cost of all 1x1 ("pointwise"), the strided ones on the skips included, of the separable
    layers' k x k ("spatial"), and of the "rest".

    One middle block counts for all: they are alike.
    """
    costs: dict[str, list[Cost]] = {"pointwise": [], "spatial": [], "rest": []}
    for spec, shape in xception(replace(config, middle_blocks=1), input_size):
        role = "pointwise" if kind(spec) == "pointwise" else role_of(spec.name)
        times = config.middle_blocks if stage_of(spec.name) == "middle" else 1
        costs[role if role in costs else "rest"] += [cost_of(spec, shape)] * times
    return {role: total(of_role) for role, of_role in costs.items()}


@lru_cache(maxsize=256)
def narrowest(config: XceptionConfig) -> XceptionConfig:
    """`config` at the narrowest width, to four decimals, with a channel for each segment."""
    widths = range(1, _WIDEST * 10_000)
    first = bisect_left(widths, True, key=lambda width: _at_width(config, width / 1e4) is not None)
    return replace(config, width=(first + 1) / 10_000)


def width_near(
    config: XceptionConfig,
    *,
    params: int | None = None,
    macs: int | None = None,
    input_size: Size = 299,
) -> XceptionConfig | None:
    """`config` with a width of four decimals that comes within 0.5 % of the budget, or None.

    Found as the root of "costs grow as width²", in a few steps; `width_for` goes on to the nearest.
    """
    name, budget = _budget(params, macs)
    least = narrowest(config).width
    width = max(1.0, least)
    for _ in range(20):
        wider = replace(config, width=width)
        reached = _cost(wider, name, input_size)
        if abs(reached - budget) <= TOLERANCE * budget:
            return wider
        width = min(max(round(width * (budget / reached) ** 0.5, 4), least), _WIDEST)
    return None


def width_for(
    config: XceptionConfig,
    *,
    params: int | None = None,
    macs: int | None = None,
    input_size: Size = 299,
) -> XceptionConfig:
    """`config` with the `width` at which it comes closest to `params` parameters or `macs` MACs.

    Give one of the two; `input_size` matters for MACs. Whatever `config.width` was is replaced.
    Raises ValueError, saying what can be reached, where no width comes within 0.5 %: the widths are
    whole numbers of channels and none may be narrower than `segments`.
    """
    name, budget = _budget(params, macs)

    def count(step: int) -> int:
        """Cost at width step / _STEPS, which never falls; 0 if too narrow for the segments."""
        wider = _at_width(config, step / _STEPS)
        return 0 if wider is None else _cost(wider, name, input_size)

    near = width_near(config, params=params, macs=macs, input_size=input_size)
    above = _first_above(count, budget, None if near is None else round(near.width * _STEPS))
    reachable = [step for step in (above - 1, above) if step and count(step)]
    nearest = min(reachable, key=lambda step: abs(count(step) - budget))
    reached = count(nearest)
    width = _fewest_decimals(count, nearest) / _STEPS
    if abs(reached - budget) > TOLERANCE * budget:
        raise ValueError(
            f"{name} is {budget}, but must be within 0.5 % of what a width gives: {reached} at"
            f" width {width:g}"
        )
    return replace(config, width=width)


def _budget(params: int | None, macs: int | None) -> tuple[str, int]:
    """Name and value of the one budget that is given."""
    if (params is None) == (macs is None):
        raise ValueError(
            f"params is {checks.shown(params)} and macs is {checks.shown(macs)}, but one of them"
            " must be given, and one only"
        )
    if macs is None:
        return "params", checks.count("params", params)
    return "macs", checks.count("macs", macs)


def _cost(config: XceptionConfig, name: str, input_size: Size) -> int:
    """The network's parameters or MACs."""
    count: int = getattr(total(costs_by_role(config, input_size).values()), name)
    return count


def _at_width(config: XceptionConfig, width: float) -> XceptionConfig | None:
    """The config at that width, or None where a layer would be narrower than the segments."""
    try:
        return replace(config, width=width)
    except ValueError:
        return None


def _first_above(count: Callable[[int], int], budget: int, near: int | None) -> int:
    """The first step that costs the budget or more: around `near` if it is there, or of all."""
    steps = range(1, _WIDEST * _STEPS)
    if near is not None:
        around = range(max(1, near - near // 100 - 1), near + near // 100 + 2)
        if count(around[0]) < budget <= count(around[-1]):
            steps = around
    return bisect_left(steps, budget, key=count) + steps[0]


def _fewest_decimals(count: Callable[[int], int], nearest: int) -> int:
    """Of the steps that round to the same channels, a round one, so that a whole network is 1."""
    rounded = (round(nearest, digits) for digits in range(-_DECIMALS, 1))
    return next(step for step in rounded if step and count(step) == count(nearest))
