"""One size for every point of the continuum: the width at which a network with any number of
segments meets a budget.

At fixed widths, fewer segments mean a larger network; a comparison of segments that does not match
parameters or MACs by width compares sizes.
"""

from bisect import bisect_left
from dataclasses import replace

from xception_edu import checks
from xception_edu.architectures import xception
from xception_edu.configs import XceptionConfig
from xception_edu.costs import total

TOLERANCE = 0.005
_DECIMALS = 5  # of the width multipliers that are tried
_STEPS = 10**_DECIMALS
_WIDEST = 1000


def width_for(
    config: XceptionConfig,
    *,
    params: int | None = None,
    macs: int | None = None,
    input_size: int | tuple[int, int] = 299,
) -> XceptionConfig:
    """`config` with the `width` at which it comes closest to `params` parameters or `macs` MACs:
    give one of the two.

    `input_size` matters for MACs. Whatever `config.width` was is replaced. Raises ValueError,
    saying what can be reached, where no width comes within 0.5 %: the widths are whole numbers of
    channels and none may be narrower than `segments`.
    """
    if (params is None) == (macs is None):
        raise ValueError(
            f"params is {params!r} and macs is {macs!r}, but one of them must be given, and one"
            " only"
        )
    name, value = ("params", params) if macs is None else ("macs", macs)
    budget = checks.integer(name, value)

    def count(step: int) -> int:
        """What the network costs at width step / _STEPS; 0 where it is too narrow for its segments.
        Never falls.
        """
        wider = _at_width(config, step / _STEPS)
        return 0 if wider is None else getattr(total(xception(wider, input_size)), name)

    # the first width that costs so much
    above = bisect_left(range(1, _WIDEST * _STEPS), budget, key=count) + 1
    nearest = min(
        (step for step in (above - 1, above) if step and count(step)),
        key=lambda step: abs(count(step) - budget),
    )
    reached = count(nearest)
    # Many widths round to the same channels: take the one with the fewest decimals, so that the
    # whole network is width 1.
    rounded = (round(nearest, digits) for digits in range(-_DECIMALS, 1))
    nearest = next(step for step in rounded if step and count(step) == reached)
    if abs(reached - budget) > TOLERANCE * budget:
        width = nearest / _STEPS
        raise ValueError(
            f"{name} is {budget}, but must be within 0.5 % of what a width gives: {reached} at"
            f" width {width:g}"
        )
    return replace(config, width=nearest / _STEPS)


def _at_width(config: XceptionConfig, width: float) -> XceptionConfig | None:
    """The config at that width, or None where a layer would be narrower than the segments."""
    try:
        return replace(config, width=width)
    except ValueError:
        return None
