"""Charts of what is counted by hand: a module over the number of segments, and what Xception's
parameters and MACs are.

Each `draw_` function takes plain data and draws; the functions above it make the data through
`costs`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from xception_edu import costs, paper
from xception_edu.architectures import (
    STEM,
    Layers,
    ModuleConfig,
    XceptionConfig,
    block_of,
    module,
    regular_convolution,
    role_of,
    stage_of,
    xception,
)
from xception_edu.costs import Cost
from xception_edu.plots import style
from xception_edu.specs import Shape, Spec, kind

MILLION = 1_000_000
# for annotations
QUIET = {
    "fontsize": style.SMALL,
    "color": style.QUIET,
    "textcoords": "offset points",
    "va": "center",
}

# Kinds of layers, in the order in which they are stacked, with the concept whose color they have.
KINDS = {
    "pointwise 1×1": "pointwise",
    "depthwise 3×3": "depthwise",
    "3×3 over segments": "spatial",
    "plain convolutions": "spatial",
    "classifier": "linear",
    "batch normalization": "elementwise",
}


# ---- data ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SegmentsCurve:
    """What the paper's module costs for every number of segments, and what it is held against."""

    channels: int
    side: int
    segments: tuple[int, ...]
    module: tuple[Cost, ...]  # 1x1 and segmented 3x3, a Cost for each of `segments`
    pointwise: Cost  # the 1x1 alone
    regular: Cost  # a regular 3x3 alone, without the 1x1
    separable: Cost  # a depthwise separable convolution


def segments_curve(channels: int, side: int) -> SegmentsCurve:
    """Costs of the module with `channels` in and out on maps of side x side, for every integer from
    1 to `channels`.
    """
    shape = Shape(channels, side, side)
    segments = tuple(range(1, channels + 1))
    separable = ModuleConfig(channels, channels, channels, order="spatial_first")
    return SegmentsCurve(
        channels,
        side,
        segments,
        tuple(costs.total(module(ModuleConfig(channels, channels, s), shape)) for s in segments),
        costs.total(regular_convolution(channels, channels, shape, kernel_size=1)),
        costs.total(regular_convolution(channels, channels, shape)),
        costs.total(module(separable, shape)),
    )


@dataclass(frozen=True)
class XceptionShares:
    """Where a network's parameters and MACs are: parameters by kind of layer, MACs by stage and
    kind.
    """

    params: dict[str, int]
    macs: dict[str, dict[str, int]]


def share_of(spec: Spec) -> str | None:
    """The key of KINDS that a layer of Xception counts under; None for layers without parameters
    and MACs.

    The strided 1x1 projections count as plain convolutions: they belong to no separable
    convolution.
    """
    match kind(spec), role_of(spec.name):
        case "linear", _:
            return "classifier"
        case "batch norm", _:
            return "batch normalization"
        case _, "pointwise":
            return "pointwise 1×1"
        case "depthwise", "spatial":
            return "depthwise 3×3"
        case _, "spatial":
            return "3×3 over segments"
        case "pointwise" | "regular", _:
            return "plain convolutions"
    return None


def params_by_kind(layers: Layers) -> dict[str, int]:
    """Parameters of a network under each kind that it has, in the order of KINDS."""
    counts: Counter[str] = Counter()
    for spec, shape in layers:
        if share := share_of(spec):
            counts[share] += costs.cost_of(spec, shape).params
    return {share: counts[share] for share in KINDS if share in counts}


def xception_shares(layers: Layers) -> XceptionShares:
    """Parameters by kind, and MACs by stage (stem, the three flows, classifier) and kind."""
    macs: dict[str, Counter[str]] = {}
    for spec, shape in layers:
        if count := costs.cost_of(spec, shape).macs:
            macs.setdefault(_stage(spec), Counter())[str(share_of(spec))] += count
    return XceptionShares(
        params_by_kind(layers), {stage: dict(counts) for stage, counts in macs.items()}
    )


def _stage(spec: Spec) -> str:
    """A stage of Xception in the chart's words."""
    if block_of(spec.name) in STEM:
        return "stem"
    flows = {"entry": "entry flow", "middle": "middle flow", "exit": "exit flow"}
    return flows.get(stage_of(spec.name), "classifier")


def xception_over_segments(
    segments: Sequence[int | str], config: XceptionConfig
) -> dict[int | str, dict[str, int]]:
    """Parameters by kind of the whole network at its own widths, for each number of segments in all
    separable layers.
    """
    return {s: params_by_kind(xception(replace(config, segments=s))) for s in segments}


# ---- drawing -------------------------------------------------------------------------------------


class Quantity(NamedTuple):
    """What a panel shows: its title with the unit, the value of a Cost, the unit's size, decimals
    for labels.
    """

    title: str
    of: Callable[[Cost], float]
    unit: int
    decimals: int


QUANTITIES = (
    Quantity("Parameters, millions", lambda cost: cost.params, MILLION, 2),
    Quantity("MACs an image, millions", lambda cost: cost.macs, MILLION, 0),
    Quantity(
        "Activations an image, millions of elements", lambda cost: cost.activations, MILLION, 2
    ),
    Quantity(
        "Arithmetic intensity, MACs a byte (one image, float32)",
        lambda cost: cost.intensity(),
        1,
        0,
    ),
)


def draw_cost_curves(axes: np.ndarray, curves: Sequence[SegmentsCurve]) -> np.ndarray:
    """What each module (a column) costs over its number of segments, a row for each of
    QUANTITIES.
    """
    for column, curve in zip(axes.T, curves, strict=True):
        for ax, quantity in zip(column, QUANTITIES, strict=True):
            _draw_curve(ax, curve, quantity)
        _share_of_1x1(column, curve)
        head = f"{curve.channels} channels, maps of {curve.side}×{curve.side}"
        look = {"fontsize": style.TEXT, "fontweight": "bold", "textcoords": "offset points"}
        column[0].annotate(head, (0, 1), (0, 26), xycoords="axes fraction", **look)
        column[0].annotate(
            "Inception", (4, 0.93), (4, 0), xycoords=("data", "axes fraction"), **QUIET
        )
        column[-1].set_xlabel("segments S; S = 1 is a 1×1 and a regular 3×3")
    return axes


def _draw_curve(ax: Axes, curve: SegmentsCurve, quantity: Quantity) -> None:
    """One quantity over S, with the regular convolution as a dashed line and the separable one as a
    point.
    """
    y, regular, separable = (
        [quantity.of(c) for c in curve.module],
        quantity.of(curve.regular),
        quantity.of(curve.separable),
    )
    ax.set(xscale="log", xlim=(0.93, curve.channels * 1.08), ylim=(0, 1.2 * max(*y, regular)))
    ax.set_title(quantity.title, loc="left", fontsize=style.MEDIUM, color=style.QUIET, pad=5)
    ax.axvspan(*paper.INCEPTION_SEGMENTS, color="#DDDDDD", linewidth=0, zorder=0)
    ax.plot(curve.segments, y, color=style.INK, linewidth=1.8, path_effects=style.halo())
    ax.axhline(regular, color=style.QUIET, linewidth=1.2, linestyle=(0, (4, 3)))
    ax.plot(
        curve.channels,
        separable,
        "o",
        color=style.COLORS["depthwise"],
        markersize=7,
        clip_on=False,
        zorder=4,
    )
    label = "{} {:,.{}f}".format
    values = ((regular, "regular 3×3 alone:", style.QUIET), (separable, "separable:", style.INK))
    for value, name, color in values:
        text = label(name, value / quantity.unit, quantity.decimals)
        place = {"xytext": (-8, 9), "textcoords": "offset points", "ha": "right", "va": "center"}
        ax.annotate(text, (curve.channels, value), fontsize=style.SMALL, color=color, **place)
    ticks = [s for s in (1, *paper.INCEPTION_SEGMENTS, 8, 32, 128) if 1.5 * s < curve.channels] + [
        curve.channels
    ]
    ax.set_xticks(ticks, map(str, ticks))
    ax.set_xticks([], minor=True)
    ax.yaxis.set_major_locator(MaxNLocator(3))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value / quantity.unit:,g}")


def _share_of_1x1(column: Sequence[Axes], curve: SegmentsCurve) -> None:
    """In the panels whose quantity adds up over layers, the area of the 1x1 below and of the 3x3
    above it.
    """
    # the line has every S; its areas need fewer
    at = np.unique(np.geomspace(1, curve.channels, 100).round()).astype(int)
    for ax, quantity in list(zip(column, QUANTITIES, strict=True))[:3]:
        y, base = [quantity.of(curve.module[s - 1]) for s in at], quantity.of(curve.pointwise)
        ax.fill_between(
            at, base, color=style.tint(style.COLORS["pointwise"], 0.3), linewidth=0, zorder=0.5
        )
        ax.fill_between(
            at, base, y, color=style.tint(style.COLORS["spatial"], 0.3), linewidth=0, zorder=0.5
        )
        for name, value in (("1×1", base / 2), ("3×3", (base + y[0]) / 2)):
            ax.annotate(
                name,
                (1, value),
                (5, 0),
                fontsize=style.SMALL,
                textcoords="offset points",
                va="center",
            )


def draw_xception_shares(axes: Sequence[Axes], shares: XceptionShares) -> Sequence[Axes]:
    """Left: parameters by kind of layer; right: MACs by stage, each bar divided by kind in the same
    colors.
    """
    total = sum(shares.params.values())
    params = dict(sorted(shares.params.items(), key=itemgetter(1), reverse=True))
    labels = [f"{count:,} ({_percent(count / total)})" for count in params.values()]
    _draw_bars(axes[0], {name: {name: count} for name, count in params.items()}, labels)
    axes[0].set_title(
        f"Parameters by kind of layer; {total:,} in all", loc="left", fontsize=style.TEXT, pad=10
    )
    work = {stage: sum(counts.values()) for stage, counts in shares.macs.items()}
    labels = [
        f"{count / MILLION:,.0f} ({_percent(count / sum(work.values()))})"
        for count in work.values()
    ]
    _draw_bars(axes[1], shares.macs, labels)
    millions = sum(work.values()) / MILLION
    axes[1].set_title(
        f"MACs an image, millions; {millions:,.0f} in all", loc="left", fontsize=style.TEXT, pad=10
    )
    return axes


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 else "under 0.1 %"


def _draw_bars(ax: Axes, rows: dict[str, dict[str, int]], labels: Sequence[str]) -> None:
    """Horizontal bars from the top, each divided by kind, with a label behind each."""
    for i, (counts, label) in enumerate(zip(rows.values(), labels, strict=True)):
        end = 0
        for name in (name for name in KINDS if name in counts):
            ax.barh(i, counts[name], left=end, height=0.62, color=style.COLORS[KINDS[name]])
            end += counts[name]
        ax.annotate(label, (end, i), (6, 0), **QUIET)
    ax.set_yticks(range(len(rows)), rows, color=style.INK)
    ax.set(xticks=[], ylim=(len(rows) - 0.5, -0.5))
    ax.tick_params(length=0)
    ax.spines["bottom"].set_visible(False)


def draw_xception_over_segments(ax: Axes, data: dict[int | str, dict[str, int]]) -> Axes:
    """A bar for each number of segments: the 3x3 on the 1x1, which stays, on all that has nothing
    to do with segments.
    """
    for i, counts in enumerate(data.values()):
        pointwise, segmented = counts["pointwise 1×1"], counts.get("3×3 over segments", 0)
        spatial = segmented + counts.get("depthwise 3×3", 0)
        total = sum(counts.values())
        heights = (total - pointwise - spatial, pointwise, spatial)
        colors = ("elementwise", "pointwise", "spatial" if segmented else "depthwise")
        ends = np.cumsum((0, *heights))
        ax.bar([i] * 3, heights, 0.72, ends[:3], color=[style.COLORS[color] for color in colors])
        ax.annotate(
            f"{total / MILLION:.1f}",
            (i, total),
            (0, 9),
            **QUIET | {"color": style.INK, "ha": "center"},
        )
        if i == 0:
            for name, j, color in (("1×1", 1, style.PAPER), ("3×3", 2, style.INK)):
                ax.text(
                    i,
                    (ends[j] + ends[j + 1]) / 2,
                    name,
                    ha="center",
                    va="center",
                    fontsize=style.TEXT,
                    color=color,
                )
    ax.set_xticks(range(len(data)), ["one a\nchannel" if s == "channels" else str(s) for s in data])
    ax.tick_params(axis="x", length=0)
    ax.set_xlabel("segments of the 3×3 in each separable layer", labelpad=8)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value / MILLION:,g}")
    ax.margins(y=0.1)
    ax.set_title("Parameters, millions", loc="left", fontsize=style.MEDIUM, color=style.QUIET)
    return ax
