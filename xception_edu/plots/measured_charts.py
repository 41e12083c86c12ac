"""Charts of what was measured: latency beside MACs, the roofline, intensity, and where the time
goes.

Each `draw_` function takes the records that `python -m xception_edu benchmark` writes, as they were
read.
"""

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from matplotlib.transforms import offset_copy

from xception_edu import checks
from xception_edu.benchmark.records import (
    Record,
    maps_of,
    measured_at,
    milliseconds,
    over_segments,
)
from xception_edu.benchmark.roofline import Roofline
from xception_edu.plots import style
from xception_edu.plots.pieces import counted

TYPES = {"float32": "fp32", "bfloat16": "bf16"}
NETWORKS = {"xception": "Xception", "inception_v3": "Inception V3"}
KINDS = {  # of layers: their color's concept, and their name
    "regular": ("spatial", "k×k"),
    "pointwise": ("pointwise", "1×1"),
    "depthwise": ("depthwise", "depthwise"),
    "fully connected": ("linear", "classifier"),
    "batch norm": ("elementwise", "batch norm"),
    "ReLU": ("elementwise", "ReLU"),
    "add": ("elementwise", "addition"),
    "pooling": ("pooling", "pooling"),
    "global average pool": ("pooling", "global mean"),
}
ROOF = {"color": style.INK, "linewidth": 1.4}
LABEL = {"fontsize": style.SMALL, "textcoords": "offset points", "va": "center"}


# ---- over segments -------------------------------------------------------------------------------


def draw_latency_beside_macs(axes: Sequence[Axes], record: Record) -> Sequence[Axes]:
    """A panel a map: MACs and time of the 3x3 over its segments, as shares of one segment's,
    forward in float32.
    """
    for ax, (channels, side) in zip(axes, maps_of(record), strict=True):
        cases = over_segments(record, channels=channels, side=side, dtype="float32", mode="forward")
        first = cases[1]
        shares = {
            "MACs": [case["macs"] / first["macs"] for case in cases.values()],
            "time": [milliseconds(case) / milliseconds(first) for case in cases.values()],
        }
        ax.plot([*cases], shares["MACs"], color=style.QUIET, linewidth=1.4)
        ax.plot(
            [*cases],
            shares["time"],
            color=style.INK,
            linewidth=1.8,
            marker="o",
            markersize=3,
        )
        segments_axis(ax, channels, side, cases)
        label_ends(ax, {name: (channels, values[-1]) for name, values in shares.items()})
        ax.set_title(
            "Share of one segment's MACs and time",
            loc="left",
            fontsize=style.MEDIUM,
            color=style.QUIET,
        )
        ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    return axes


def draw_intensity_over_segments(axes: Sequence[Axes], record: Record) -> Sequence[Axes]:
    """A panel a map: MACs for each byte of the 3x3 over its segments, and what the measured machine
    would need.
    """
    roofline = Roofline.of(record)
    for ax, (channels, side) in zip(axes, maps_of(record), strict=True):
        ends = {}
        for dtype, name in TYPES.items():
            look = {
                "color": style.INK,
                "linestyle": "-" if dtype == "float32" else (0, (4, 2)),
            }
            cases = over_segments(record, channels=channels, side=side, dtype=dtype, mode="forward")
            if cases:
                ax.plot(
                    [*cases], [case["intensity"] for case in cases.values()], linewidth=1.8, **look
                )
                ends[name] = (channels, cases[channels]["intensity"])
            ridge = roofline.ridge(dtype)
            ax.axhline(ridge, linewidth=1.2, linestyle=look["linestyle"], color=style.QUIET)
            ax.annotate(f"enough for {name}", (1, ridge), (2, 7), **LABEL)
        segments_axis(ax, channels, side, over_segments(record, channels=channels, side=side))
        label_ends(ax, ends)
        ax.set_title(
            "MACs for each byte that moves", loc="left", fontsize=style.MEDIUM, color=style.QUIET
        )
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return axes


def draw_half_precision(axes: Sequence[Axes], record: Record) -> Sequence[Axes]:
    """A panel a map: how many times as fast bf16 is as fp32, over segments, forward and in
    training; 1 is no gain.
    """
    for ax, (channels, side) in zip(axes, maps_of(record), strict=True):
        ends = {}
        for mode, words, width in (("forward", "forward", 1.8), ("training", "with backward", 1.0)):
            gains = gains_of_half_precision(record, channels=channels, side=side, mode=mode)
            if gains:
                ax.plot(
                    [*gains],
                    [*gains.values()],
                    color=style.INK,
                    linewidth=width,
                    marker="o",
                    markersize=3,
                )
                ends[words] = (channels, gains[channels])
        ax.axhline(1, color=style.QUIET, linewidth=1.2, linestyle=(0, (4, 3)))
        segments_axis(
            ax, channels, side, over_segments(record, channels=channels, side=side), height="linear"
        )
        ax.set_ylim(0, None)
        label_ends(ax, ends)
        ax.set_title(
            "Times as fast in bf16 as in fp32", loc="left", fontsize=style.MEDIUM, color=style.QUIET
        )
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return axes


def gains_of_half_precision(
    record: Record, *, channels: int, side: int, mode: str
) -> dict[int, float]:
    """Times as fast in bfloat16 as in float32, by number of segments; empty where only one of them
    was measured.

    Args:
        record: of segments_latency.
        channels: of the map.
        side: height and width of the map.
        mode: "forward" or "training".
    """
    channels, side = checks.integer("channels", channels), checks.integer("side", side)
    checks.text("mode", mode)
    single, half = (
        over_segments(record, channels=channels, side=side, mode=mode, dtype=dtype)
        for dtype in TYPES
    )
    return {
        segments: milliseconds(single[segments]) / milliseconds(half[segments])
        for segments in single
        if segments in half
    }


def segments_axis(
    ax: Axes, channels: int, side: int, measured: Iterable[int], height: str = "log"
) -> None:
    """Ticks at measured numbers of segments that are a factor of two or more apart, beginning with
    the last.
    """
    ticks = [channels]
    for segments in sorted(measured, reverse=True):
        if 2 * segments <= ticks[-1]:
            ticks.append(segments)
    ax.set(xscale="log", yscale=height, xlim=(0.93, channels * 1.08))
    _no_minor_ticks(ax)
    ax.set_xticks(ticks, map(str, ticks))
    ax.set_xlabel(f"segments of the 3×3 ({channels} channels, maps of {side}×{side})")


def _no_minor_ticks(ax: Axes) -> None:
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_locator(NullLocator())


def label_ends(ax: Axes, ends: Mapping[str, tuple[float, float]]) -> None:
    """Each line's name right of its end, on axes whose limits are final; names that would overlap
    are moved apart.
    """
    ax.get_ylim()  # matplotlib settles them when asked
    free = float("-inf")  # pixels, above the last name
    for name in sorted(ends, key=lambda name: ends[name][1]):
        height = float(ax.transData.transform(ends[name])[1])
        place = max(height, free)
        ax.annotate(name, ends[name], (7, (place - height) * 72 / style.DPI), **LABEL)
        free = place + 14


# ---- layers of networks --------------------------------------------------------------------------


def draw_roofline(axes: Sequence[Axes], record: Record) -> Sequence[Axes]:
    """A panel a network: MACs a second over MACs a byte, every layer a point under the machine's
    roof; float32.

    Layers without multiplications have no place here.
    """
    roofline = Roofline.of(record)
    peak, ridge = roofline.peak(), roofline.ridge()
    points = [(layer, row) for layer, row in measured_at(record) if row["macs"]]
    for ax, (network, name) in zip(axes, NETWORKS.items(), strict=True):
        for kind, (color, _) in KINDS.items():
            of_kind = {"network": network, "kind": kind}
            some = [row for layer, row in points if layer.items() >= of_kind.items()]
            speeds = [1e3 * row["macs"] / row["median_ms"] for row in some]
            look = {
                "color": style.COLORS[color],
                "markersize": 5,
                "markeredgecolor": style.INK,
                "markeredgewidth": 0.4,
            }
            ax.plot([row["intensity"] for row in some], speeds, "o", **look)
        intensities = [row["intensity"] for _, row in points]
        low, high = min(*intensities, ridge) / 1.5, max(*intensities, ridge) * 1.5
        ax.plot([low, ridge, high], [low * roofline.memory, peak, peak], **ROOF)
        ax.set(xscale="log", yscale="log", xlim=(low, high))
        _no_minor_ticks(ax)
        ax.set_title(
            f"{name}: billion MACs a second", loc="left", fontsize=style.MEDIUM, color=style.QUIET
        )
        ax.set_xlabel("MACs for each byte that moves; fp32")
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.yaxis.set_major_formatter(lambda value, _: f"{value / 1e9:g}")
    lowest = min(1e3 * row["macs"] / row["median_ms"] for _, row in points)
    for ax in axes:
        ax.set_ylim(lowest / 2, peak * 2)
    shown = {layer["kind"] for layer, _ in points}
    key_above(axes[0], [KINDS[kind] for kind in KINDS if kind in shown])
    return axes


def draw_time_lost(axes: Sequence[Axes], record: Record) -> Sequence[Axes]:
    """A panel a network: milliseconds of all its layers by kind; gray what the roof allows,
    black what is lost beyond it.
    """
    for ax, (network, name) in zip(axes, NETWORKS.items(), strict=True):
        times = time_by_kind(record, network)
        batch = max(row["batch"] for _, row in measured_at(record))
        for i, (whole, lost) in enumerate(times.values()):
            ax.barh(i, whole - lost, height=0.62, color="#BBBBBB")
            ax.barh(i, lost, left=whole - lost, height=0.62, color=style.INK)
            ax.annotate(f"{lost:,.1f} of {whole:,.1f}", (whole, i), (6, 0), **LABEL)
        ax.set_yticks(range(len(times)), [KINDS[kind][1] for kind in times], color=style.INK)
        ax.set(
            ylim=(len(times) - 0.5, -0.5),
            xlim=(0, max(whole for whole, _ in times.values()) * 1.45),
        )
        ax.tick_params(axis="y", length=0)
        ax.set_title(f"{name}: lost, of all", loc="left", fontsize=style.MEDIUM, color=style.QUIET)
        ax.set_xlabel(f"ms for {counted(batch, 'image')}, forward; fp32")
    return axes


def time_by_kind(
    record: Record, network: str, dtype: str = "float32"
) -> dict[str, tuple[float, float]]:
    """Milliseconds of all measured layers of a kind, and how many of them are beyond the roof; the
    largest loss first.

    A layer that beats the roof, because its maps came from the cache, has lost nothing and gives
    nothing to the others.
    """
    checks.text("network", network)
    times: dict[str, tuple[float, float]] = {}
    for layer, row in measured_at(record, dtype):
        if layer["network"] == network:
            whole, lost = times.get(layer["kind"], (0.0, 0.0))
            beyond = max(0.0, row["median_ms"] - row["attainable_ms"])
            times[layer["kind"]] = (
                whole + layer["count"] * row["median_ms"],
                lost + layer["count"] * beyond,
            )
    return dict(sorted(times.items(), key=lambda item: -item[1][1]))


def key_above(ax: Axes, entries: Sequence[tuple[str, str]]) -> None:
    """A dot and a word for each color, in a row above the axes and their title."""
    at = 4.0  # points
    for color, word in entries:
        place = offset_copy(ax.transAxes, ax.figure, x=at, y=34, units="points")
        ax.plot(0, 1, "o", color=style.COLORS[color], markersize=6, transform=place, clip_on=False)
        ax.annotate(word, (0, 1), (at + 7, 34), xycoords="axes fraction", **LABEL)
        at += 24 + 5.2 * len(word)
