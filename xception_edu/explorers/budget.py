"""The budget explorer: how wide the layers may be for one budget, segment count by segment
count.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from xception_edu.architectures import XceptionConfig
from xception_edu.benchmark import records
from xception_edu.budgets import TOLERANCE, costs_by_role, narrowest, width_for, width_near
from xception_edu.costs import Cost, cost_of, total
from xception_edu.explorers.budget_panels import MIDDLE, Point, Widths, draw_blocks
from xception_edu.explorers.engine.readouts import in_percent
from xception_edu.explorers.engine.scene_explorer import (
    SceneExplorer,
    View,
    as_arguments,
    scene_explorer,
)
from xception_edu.plots.pieces import counted
from xception_edu.specs import ConvSpec, Shape

XCEPTION = XceptionConfig()
SEGMENTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, MIDDLE)
SHARES = {25: "a quarter", 50: "half", 100: "all of it", 200: "twice"}
SIDE = 19  # of the middle flow's maps
WORDS = {"params": "parameters", "macs": "MACs", "milliseconds": "ms"}
COLUMNS = (
    ("Channels", "in the middle flow"),
    ("Width", "times Xception's"),
    ("Parameters", ""),
    ("MACs", "per image"),
    ("3×3 convolutions take", "of the budget"),
)


def budget_explorer(
    *, segments: int = 4, quantity: str = "params", share: int = 100, measurements: object = None
) -> SceneExplorer:
    """Which width does each number of segments get for the same budget, side by side, in a network
    built like Xception?

    ValueError for wrong arguments.

    Args:
        segments: 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64 or 728, which stands for one a channel;
            of milliseconds, those that were measured.
        quantity: what the budget is of: "params" or "macs" of the whole network (299x299), or
            measured "milliseconds" of one layer of the middle flow.
        share: the budget in percent of what Xception itself takes: 25, 50, 100 or 200.
        measurements: a folder or a dict, as `roofline_explorer` takes it; None: the project's own.
    """
    times = module_times(measurements)
    quantities = {"params": "Parameters", "macs": "MACs"} | (
        {"milliseconds": "Milliseconds, measured"} if times else {}
    )
    choices = {"quantity": ("Budget of", quantities), "share": ("Of what Xception takes", SHARES)}
    state = {"segments": segments, "quantity": quantity, "share": share}
    arguments = as_arguments({"measurements": measurements})

    def views(quantity: str, share: int) -> list[View]:
        return _views(quantity, share, times)

    return scene_explorer(
        "budget_explorer", ("segments", "Segments"), choices, COLUMNS, views, state, arguments
    )


# ---- parameters and MACs of the whole network ----------------------------------------------------


def network_point(segments: int, quantity: str, budget: int) -> Point:
    """A width at which the network meets the budget within `budgets.TOLERANCE`."""
    config = XceptionConfig(width=1000, segments="channels" if segments == MIDDLE else segments)
    least = getattr(total(costs_by_role(narrowest(config)).values()), quantity)
    if least > budget * (1 + TOLERANCE):
        return Point(segments=segments, needed=least)
    limits = {"params": None, "macs": None} | {quantity: budget}
    near = width_near(config, params=limits["params"], macs=limits["macs"])
    config = near or width_for(config, params=limits["params"], macs=limits["macs"])
    costs = costs_by_role(config)
    shares = {role: getattr(cost, quantity) for role, cost in costs.items()}
    channels, cost = config.scaled_entry_widths[-1], total(costs.values())
    return Point(segments=segments, width=config.width, channels=channels, parts=shares, cost=cost)


def network_points(quantity: str, share: int) -> tuple[float, list[Point]]:
    """The budget, and what every segment count gets for it."""
    budget = round(getattr(total(costs_by_role(XCEPTION).values()), quantity) * share / 100)
    return budget, [network_point(segments, quantity, budget) for segments in SEGMENTS]


# ---- measured milliseconds of one layer ----------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ModuleTimes:
    """Measured milliseconds of a layer of the middle flow."""

    pointwise: float  # of its 1x1
    spatial: dict[int, float]  # of its segmented 3x3, by the number of segments
    source: str  # for how many images, on which machine


def module_times(measurements: object) -> ModuleTimes | None:
    """Measured times of the middle flow's layer, forward in float32; None unless the ends of the
    spectrum were measured, or if nothing was given and the project's own records are not there.
    """
    if measurements is None and not records.are_there("segments_latency"):
        return None
    record = records.read_records(measurements, ["segments_latency"])["segments_latency"]
    case = {"channels": MIDDLE, "side": SIDE, "dtype": "float32", "mode": "forward"}
    one, cases = records.pointwise(record, **case), records.over_segments(record, **case)
    if one is None or not {1, MIDDLE} <= set(cases):
        return None
    return ModuleTimes(
        pointwise=one["median_ms"],
        spatial={segments: records.milliseconds(row) for segments, row in cases.items()},
        source=f"{record['batch']} images on {records.describe_machine(record)}",
    )


def module_points(share: int, times: ModuleTimes) -> tuple[float, list[Point]]:
    """The same of milliseconds: the most channels with which a layer stays within them if its times
    grow as its MACs.
    """
    budget = (times.pointwise + times.spatial[MIDDLE]) * share / 100
    return budget, [_module_point(segments, budget, times) for segments in times.spatial]


def _module_point(segments: int, budget: float, times: ModuleTimes) -> Point:
    before, ms = layer_costs(segments, MIDDLE), (times.pointwise, times.spatial[segments])

    def parts(channels: int) -> dict[str, float]:
        """Milliseconds of the 1x1 and of the 3x3 at so many channels."""
        now = layer_costs(segments, channels)
        one, three = (n.macs / b.macs * t for n, b, t in zip(now, before, ms, strict=True))
        return {"pointwise": one, "spatial": three, "rest": 0.0}

    least = 1 if segments == MIDDLE else segments
    channels = (
        least
        - 1
        + bisect_right(range(least, 20 * MIDDLE), budget, key=lambda c: sum(parts(c).values()))
    )
    if channels < least:
        return Point(segments=segments, needed=least)
    cost = total(layer_costs(segments, channels))
    return Point(
        segments=segments,
        width=channels / MIDDLE,
        channels=channels,
        parts=parts(channels),
        cost=cost,
    )


def layer_costs(segments: int, channels: int) -> tuple[Cost, Cost]:
    """Cost of the 1x1 and of the segmented 3x3 of one layer of the middle flow; 728 segments mean
    one a channel.
    """
    shape = Shape(channels, SIDE, SIDE)
    cut = channels if segments == MIDDLE else segments
    return cost_of(ConvSpec(channels, channels, 1), shape), cost_of(
        ConvSpec(channels, channels, 3, segments=cut), shape
    )


# ---- the views -----------------------------------------------------------------------------------


def _views(quantity: str, share: int, times: ModuleTimes | None) -> list[View]:
    if quantity == "milliseconds" and times is not None:
        budget, points = module_points(share, times)
        said, source = f"{budget:,.2f} ms a layer", f"; {times.source}"
        caption = f"Channels, if times grow as MACs (measured at {MIDDLE})"
    else:
        budget, points = network_points(quantity, share)
        said, source = (
            f"{budget / (1e6 if quantity == 'params' else 1e9):,.2f} {_unit(quantity)}",
            "",
        )
        caption = "Channels in the middle flow that the budget buys"
    widths = Widths(points, caption)
    return [_view(point, points, quantity, said, source, widths) for point in points]


def _unit(quantity: str) -> str:
    return {"params": "million parameters", "macs": "billion MACs"}[quantity]


def _view(
    point: Point, points: Sequence[Point], quantity: str, budget: str, source: str, widths: Widths
) -> View:
    name = count(point.segments)
    got = f"{point.channels:,} channels wide" if point.channels else "out of reach"
    taken = in_percent(point.parts["spatial"] / sum(point.parts.values())) if point.parts else "–"
    a_layer = " a layer" if quantity == "milliseconds" else ""
    layer = layer_costs(point.segments, point.channels) if point.channels else (Cost(), Cost())
    counts = (
        [f"{n:,}{a_layer}" for n in (point.cost.params, point.cost.macs)]
        if point.cost
        else ["–", "–"]
    )
    return View(
        stop=point.segments,
        short="one a channel" if point.segments == MIDDLE else str(point.segments),
        title=f"{name} for {budget}: {got}",
        note=_note(point, points[0], quantity) + source,
        values=(
            f"{point.channels:,}" if point.channels else "–",
            f"{point.width:.3f}" if point.channels else "–",
            *counts,
            taken,
        ),
        scenes=(draw_blocks(point, points, layer), widths.at(point)),
        alts=(_alt_blocks(point, layer, taken), _alt_widths(point, points)),
    )


def count(segments: int) -> str:
    """How many segments, in words."""
    return "A segment a channel" if segments == MIDDLE else counted(segments, "segment")


def _note(point: Point, one: Point, quantity: str) -> str:
    if not point.channels and quantity == "milliseconds":
        return (
            f"so little time allows fewer than {point.segments} channels, and each segment"
            " needs one"
        )
    if not point.channels:
        what = f"{point.segments} segments need {point.segments} channels in the narrowest layer"
        return f"{what}, and such a network has {point.needed:,} {WORDS[quantity]}"
    if point is one:
        return (
            "a 1×1 plus a regular 3×3, in which every channel sees every other: most of the budget"
            " goes there"
        )
    return (
        f"1 segment gets {one.channels:,} channels, this {point.channels / one.channels:.2f} times"
        " as many"
    )


def _alt_blocks(point: Point, layer: tuple[Cost, Cost], taken: str) -> str:
    if not point.channels:
        return f"No weights to show: {point.segments} segments are out of reach for this budget"
    pieces = point.channels if point.segments == MIDDLE else point.segments
    blocks = f"{pieces:,} blocks on the diagonal" if pieces > 1 else "one full block"
    return (
        f"The weight matrices of a layer, {point.channels:,} by {point.channels:,} channels: a full"
        f" one for the 1×1 with {layer[0].params:,} weights, {blocks} for the 3×3 with"
        f" {layer[1].params:,}; below, a bar of the budget, of which 3×3 convolutions take {taken}"
    )


def _alt_widths(point: Point, points: Sequence[Point]) -> str:
    some = points if len(points) <= len(SEGMENTS) else [points[0], point, points[-1]]
    got = (
        f"{count(p.segments).lower()}: {f'{p.channels:,}' if p.channels else 'out of reach'}"
        for p in some
    )
    return f"{len(points)} bars of the channels in the middle flow. " + "; ".join(got)
