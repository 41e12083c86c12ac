"""Claims about the budget explorer: what it shows at every position is what a network of that width
costs.
"""

from dataclasses import replace
from functools import cache

import pytest

from tests.helpers import recorded
from xception_edu import architectures
from xception_edu.budgets import TOLERANCE, costs_by_role, width_for
from xception_edu.configs import XceptionConfig
from xception_edu.costs import total
from xception_edu.explorers import budget, budget_explorer
from xception_edu.explorers.budget_panels import BAR_TOP, HIGH
from xception_edu.measure import measured_cost
from xception_edu.specs import segment_sizes
from xception_edu.xception import xception

# Xception's: Table 3, and counted in the project's reference
BUDGETS = {"params": 22_855_952, "macs": 8_357_403_496}
NETWORKS = [(quantity, share) for quantity in BUDGETS for share in budget.SHARES]


@cache
def made():
    return budget_explorer(measurements=recorded.everything())


def shown(quantity, share):
    """Each stop of a choice with its view and, panel by panel, its shapes."""
    explorer, key = made(), f"{quantity} {share}"
    for stop, view in zip(explorer.table["stops"][key], explorer.table["views"][key], strict=True):
        with explorer.hold_trait_notifications():
            explorer.quantity, explorer.share, explorer.segments = quantity, share, stop
        yield stop, view, explorer.shapes()


def config_of(point):
    return XceptionConfig(
        segments="channels" if point.segments == 728 else point.segments, width=point.width
    )


@pytest.mark.parametrize(("quantity", "share"), NETWORKS)
def test_every_network_shown_costs_what_is_said_and_meets_the_budget(quantity, share):
    wanted = BUDGETS[quantity] * share / 100
    _, points = budget.network_points(quantity, share)
    for (stop, view, _), point in zip(shown(quantity, share), points, strict=True):
        assert stop == point.segments
        if not point.channels:
            assert view["values"] == ["–"] * 5
            continue
        cost = total(architectures.xception(config_of(point)))
        assert view["values"][2:4] == [f"{cost.params:,}", f"{cost.macs:,}"]
        assert view["values"][0] == f"{round(728 * point.width):,}"
        assert abs(getattr(cost, quantity) - wanted) <= TOLERANCE * wanted
        assert sum(point.parts.values()) == getattr(cost, quantity)


def test_torch_counts_the_same():
    for segments in (3, 728):
        point = budget.network_point(segments, "macs", BUDGETS["macs"] // 4)
        cost = measured_cost(xception(replace(config_of(point), middle_blocks=1)), (3, 299, 299))
        one = costs_by_role(replace(config_of(point), middle_blocks=1))
        assert (cost.params, cost.macs) == (total(one.values()).params, total(one.values()).macs)


@pytest.mark.parametrize("quantity", BUDGETS)
def test_the_widths_are_those_of_width_for_and_out_of_reach_is_what_it_refuses(quantity):
    for point in budget.network_points(quantity, 100)[1]:
        config = XceptionConfig(segments="channels" if point.segments == 728 else point.segments)
        if point.channels:
            assert width_for(config, **{quantity: BUDGETS[quantity]}).width == pytest.approx(
                point.width, rel=0.006
            )
        else:
            with pytest.raises(ValueError, match=f"of what a width gives: {point.needed} at"):
                width_for(config, **{quantity: BUDGETS[quantity]})


@pytest.mark.parametrize(("quantity", "share"), NETWORKS)
def test_out_of_reach_is_where_the_narrowest_network_that_can_be_cut_costs_more(quantity, share):
    for point in budget.network_points(quantity, share)[1]:
        if point.channels:
            continue
        narrowest = next(
            w / 10**4 for w in range(1, 10**5) if round(64 * w / 10**4) >= point.segments
        )
        cost = total(
            architectures.xception(XceptionConfig(segments=point.segments, width=narrowest))
        )
        assert point.needed == getattr(cost, quantity) > BUDGETS[quantity] * share / 100
        with pytest.raises(ValueError, match="segments is"):
            XceptionConfig(segments=point.segments, width=narrowest - 1e-4)


@pytest.mark.parametrize(("quantity", "share"), NETWORKS)
def test_more_segments_buy_wider_layers(quantity, share):
    widths = [
        point.channels for point in budget.network_points(quantity, share)[1] if point.channels
    ]
    assert widths == sorted(set(widths))


@pytest.mark.parametrize("share", budget.SHARES)
def test_the_widest_layer_within_the_milliseconds_is_shown(share):
    times = budget.module_times(recorded.everything())
    wanted, points = budget.module_points(share, times)
    assert wanted == pytest.approx((times.pointwise + times.spatial[728]) * share / 100)
    for (_, view, _), point in zip(shown("milliseconds", share), points, strict=True):
        if point.channels:
            assert milliseconds(times, point.segments, point.channels) <= wanted
            weights = 9 * sum(n * n for n in cut(point)) + point.channels**2
            assert view["values"][2:4] == [f"{weights:,} a layer", f"{weights * 19 * 19:,} a layer"]
        assert (
            milliseconds(times, point.segments, (point.channels or point.segments - 1) + 1) > wanted
        )


def _products(channels, segments):
    return sum(n * n for n in segment_sizes(channels, segments))


def milliseconds(times, segments, channels):
    """Times of 728 channels, scaled by the number of weights, each of which multiplies once at
    every position.
    """
    now, before = (_products(c, c if segments == 728 else segments) for c in (channels, 728))
    return times.pointwise * channels**2 / 728**2 + times.spatial[segments] * now / before


def cut(point):
    return segment_sizes(
        point.channels, point.channels if point.segments == 728 else point.segments
    )


@pytest.mark.parametrize(("quantity", "share"), [*NETWORKS, ("milliseconds", 100)])
def test_matrices_blocks_and_bars_are_drawn_to_scale(quantity, share):
    if quantity == "milliseconds":
        points = budget.module_points(share, budget.module_times(recorded.everything()))[1]
    else:
        points = budget.network_points(quantity, share)[1]
    most = max(point.channels for point in points)
    for (_, view, (left, right)), point in zip(shown(quantity, share), points, strict=True):
        if not point.channels:
            assert "out of reach" in view["title"]
            continue
        full, *_, spent, fixed, rest = [
            s for s in left if s[0] == "rect" and s[1] in ("pointwise", "spatial", "elementwise")
        ][:1] + [s for s in left if s[0] == "rect" and s[3] == BAR_TOP]
        assert full[4] == full[5] == pytest.approx(172 * point.channels / most, abs=0.06)
        assert [s[4] / 370 for s in (spent, fixed, rest)] == pytest.approx(
            [point.parts[k] / sum(point.parts.values()) for k in ("pointwise", "spatial", "rest")],
            abs=0.001,
        )
        blocks = [s for s in left if s[0] == "rect" and s[1].startswith("hue")]
        if point.segments <= 64:
            assert [s[4] for s in blocks] == pytest.approx(
                [n / most * 172 for n in cut(point)], abs=0.06
            )
        else:
            assert not blocks
        heights = [s[5] for s in right if s[0] == "rect" and s[1] == "quiet"]
        assert heights == pytest.approx(
            [p.channels / most * HIGH for p in points if p.channels], abs=0.06
        )
        assert f"{point.channels:,}" in (right[-2][4], right[-1][4])


def test_without_measured_times_milliseconds_cannot_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setattr("xception_edu.benchmark.records.REPOSITORY", tmp_path)
    explorer = budget_explorer()
    assert explorer.table["controls"][1]["options"] == ["params", "macs"]
    with pytest.raises(
        ValueError, match="quantity is 'milliseconds', but must be one of 'params', 'macs'"
    ):
        budget_explorer(quantity="milliseconds")


def test_too_few_measured_segments_give_no_milliseconds():
    records = recorded.everything()
    rows = records["segments_latency"]["cases"]
    records["segments_latency"]["cases"] = [row for row in rows if row["segments"] != 728]
    assert budget_explorer(measurements=records).table["controls"][1]["options"] == [
        "params",
        "macs",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"segments": 5}, "segments is 5, but must be one of 1, 2, 3, 4, 6, "),
        ({"quantity": "bytes"}, "quantity is 'bytes', but must be one of 'params', "),
        ({"share": 150}, "share is 150, but must be one of 25, 50, 100, 200"),
        (
            {"measurements": 3},
            "measurements is 3, but must be a folder, or a dict with segments_latency",
        ),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match="but must be") as error:
        budget_explorer(**arguments)
    assert str(error.value).startswith(message)
