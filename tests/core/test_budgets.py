"""The width at which a network with any number of segments meets a budget of parameters or MACs."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xception_edu import architectures
from xception_edu.budgets import costs_by_role, narrowest, width_for, width_near
from xception_edu.configs import ORDERS, XceptionConfig
from xception_edu.costs import total

# Xception at 299x299: Table 3, and counted in the project's reference
PARAMS, MACS = 22_855_952, 8_357_403_496


def cost(config, input_size=299):
    return total(architectures.xception(config, input_size))


@pytest.mark.parametrize("segments", ["channels", 1, 2, 3, 4, 5, 7, 8, 16, 23, 32, 47, 61])
@pytest.mark.parametrize(("name", "budget"), [("params", PARAMS), ("macs", MACS)])
def test_every_number_of_segments_meets_xceptions_budget_within_half_a_percent(
    segments, name, budget
):
    config = XceptionConfig(segments=segments)
    found = width_for(config, **{name: budget})
    assert abs(getattr(cost(found), name) - budget) <= 0.005 * budget
    assert found == replace(config, width=found.width), "only the width may change"


@pytest.mark.parametrize("order", ORDERS)
def test_both_orders_meet_it(order):
    found = width_for(XceptionConfig(segments=3, order=order), params=PARAMS)
    assert cost(found).params == pytest.approx(PARAMS, rel=0.005)


def test_the_whole_network_is_width_one():
    assert width_for(XceptionConfig(), params=PARAMS) == XceptionConfig()
    assert width_for(XceptionConfig(width=0.3), macs=MACS) == XceptionConfig()


def test_macs_are_those_of_the_input_size():
    found = width_for(XceptionConfig(segments=2), macs=10**9, input_size=(128, 96))
    assert cost(found, (128, 96)).macs == pytest.approx(10**9, rel=0.005)


@given(
    st.sampled_from(["channels", 1, 2, 3, 5, 7, 11]),
    st.sampled_from(ORDERS),
    st.floats(0.4, 3),
    st.floats(0.4, 3),
    st.integers(40, 90),
)
@settings(max_examples=25, deadline=None)
def test_a_wider_network_never_costs_less(segments, order, one, other, side):
    narrow, wide = sorted((one, other))
    config = XceptionConfig(segments=segments, order=order)
    less, more = (cost(replace(config, width=width), side) for width in (narrow, wide))
    assert less.params <= more.params
    assert less.macs <= more.macs


@given(
    st.sampled_from(["channels", 1, 2, 3, 5, 7, 11]),
    st.floats(0.5, 1.5),
    st.sampled_from(["params", "macs"]),
)
@settings(max_examples=15, deadline=None)
def test_a_budget_that_a_width_gives_is_found_exactly(segments, width, name):
    config = XceptionConfig(segments=segments, width=round(width, 3))
    budget = getattr(cost(config), name)
    assert getattr(cost(width_for(config, **{name: budget})), name) == budget


@pytest.mark.parametrize(
    ("segments", "budget", "reached"),
    [
        ("channels", 1_000, "2460 at width 1e-05"),
        ("channels", 10**30, "at width 1000"),
        # narrower, and the first separable layer has fewer than 64 channels
        (64, PARAMS, "24777843 at width 0.9922"),
        (64, 1_000_000, "24777843 at width 0.9922"),
    ],
)
def test_a_budget_out_of_reach_is_an_error_that_says_what_was_reached(segments, budget, reached):
    with pytest.raises(
        ValueError, match=rf"params is {budget}, but must be within 0.5 % .*{reached}"
    ):
        width_for(XceptionConfig(segments=segments), params=budget)


@pytest.mark.parametrize("value", [0, -3, 1.5, True, "9", None])
def test_a_budget_that_is_no_positive_integer_is_an_error(value):
    with pytest.raises(ValueError, match="params is"):
        width_for(XceptionConfig(), params=value)


def test_both_budgets_at_once_are_an_error():
    with pytest.raises(ValueError, match="one of them must be given, and one only"):
        width_for(XceptionConfig(), params=PARAMS, macs=MACS)


def test_an_image_too_small_is_an_error():
    with pytest.raises(ValueError, match="input_size is 3, but must be"):
        width_for(XceptionConfig(), macs=MACS, input_size=3)


@pytest.mark.parametrize("segments", ["channels", 3, 61])
def test_a_near_width_has_four_decimals_and_the_narrowest_a_channel_for_each_segment(segments):
    config = XceptionConfig(segments=segments)
    near = width_near(config, macs=MACS)
    assert abs(cost(near).macs - MACS) <= 0.005 * MACS
    assert near.width == round(near.width, 4)
    least = narrowest(config).width
    assert least <= near.width
    with pytest.raises(ValueError, match="width is|segments is"):
        replace(config, width=least - 1e-4)


def test_all_1x1_count_as_such_those_on_the_skips_included():
    costs = costs_by_role(XceptionConfig())
    assert costs["pointwise"].params == 19_552_896 + 972_800  # separable layers; four skips
    assert costs["spatial"].params == 207_432
    assert round(100 * costs["pointwise"].params / PARAMS, 1) == 89.8
    assert total(costs.values()) == cost(XceptionConfig())
