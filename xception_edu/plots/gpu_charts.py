"""Charts of what a GPU measured: the ways to compute a segmented convolution, and what a network's
time is spent on.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes

from xception_edu import checks
from xception_edu.benchmark.records import (
    Record,
    maps_of,
    measured_at,
    over_segments,
    reading,
    rows_with,
)
from xception_edu.plots import style
from xception_edu.plots.measured_charts import (
    KINDS,
    LABEL,
    NETWORKS,
    label_ends,
    segments_axis,
    time_by_kind,
)

WAYS = {  # forms of the benchmark: the layout in which the map comes, their name, and their line
    "loop": ("channels_last", "one a piece", {"color": style.QUIET, "linewidth": 1.0}),
    "grouped_channels_last": (
        "channels_last",
        "channels last",
        {"color": style.INK, "linewidth": 1.8},
    ),
    "grouped_nchw": (
        "nchw",
        "NCHW",
        {"color": style.INK, "linewidth": 1.8, "linestyle": (0, (1, 1))},
    ),
    "dense": ("channels_last", "with zeros", {"color": style.QUIET, "linewidth": 2.2}),
}


def draw_ways_on_gpu(axes: Sequence[Axes], record: Record) -> Sequence[Axes]:
    """A panel a map: time over segments, grouped in both layouts, regular with zeros, a convolution
    a piece; bf16.
    """
    for ax, (channels, side) in zip(axes, maps_of(record), strict=True):
        ends = {}
        for form, (_, name, look) in WAYS.items():
            times = times_of(record, form, channels=channels, side=side)
            ax.plot([*times], [*times.values()], marker="o", markersize=2.5, **look)
            ends[name] = (channels, times[channels])
        cases = over_segments(
            record, channels=channels, side=side, dtype="bfloat16", mode="forward"
        )
        ax.plot(
            [*cases],
            [case["attainable_ms"] for case in cases.values()],
            color=style.QUIET,
            linestyle=(0, (4, 3)),
        )
        ends["limit"] = (channels, cases[channels]["attainable_ms"])
        segments_axis(ax, channels, side, cases)
        label_ends(ax, ends)
        what = f"ms for {record['batch']} images, forward; bf16"
        ax.set_title(what, loc="left", fontsize=style.MEDIUM, color=style.QUIET)
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return axes


def times_of(record: Record, form: str, *, channels: int, side: int) -> dict[int, float]:
    """Milliseconds of a form by number of segments, forward in bf16, when the map comes in the
    layout that it wants.

    Args:
        record: of segments_latency on a GPU.
        form: of the convolution: "dense", "loop", "grouped_nchw" or "grouped_channels_last".
        channels: of the map.
        side: height and width of the map.
    """
    checks.one_of("form", form, WAYS)
    channels, side = checks.integer("channels", channels), checks.integer("side", side)
    with reading(record):
        cases = rows_with(
            record["cases"],
            channels=channels,
            side=side,
            dtype="bfloat16",
            mode="forward",
            layout=WAYS[form][0],
        )
        cases.sort(key=lambda case: case["segments"])
        return {case["segments"]: case["forms"][form]["median_ms"] for case in cases}


def draw_macs_beside_time_on_gpu(axes: Sequence[Axes], record: Record) -> Sequence[Axes]:
    """A panel a network: each kind of layer's share of all MACs (gray), and of the time of all
    layers in bf16.
    """
    for ax, (network, name) in zip(axes, NETWORKS.items(), strict=True):
        shares = shares_by_kind(record, network)
        for i, (of_macs, of_time) in enumerate(shares.values()):
            ax.barh(i - 0.19, 100 * of_macs, height=0.36, color="#BBBBBB")
            ax.barh(i + 0.19, 100 * of_time, height=0.36, color=style.INK)
            for share, place in ((of_macs, i - 0.19), (of_time, i + 0.19)):
                ax.annotate(f"{share:.0%}" if share else "0", (100 * share, place), (4, 0), **LABEL)
        ax.set_yticks(range(len(shares)), [KINDS[kind][1] for kind in shares], color=style.INK)
        ax.set(ylim=(len(shares) - 0.5, -0.5), xlim=(0, 116))
        ax.tick_params(axis="y", length=0)
        ax.set_title(
            f"{name}: % of MACs, of time", loc="left", fontsize=style.MEDIUM, color=style.QUIET
        )
        batch = max(row["batch"] for _, row in measured_at(record, "bfloat16"))
        ax.set_xlabel(f"{batch} images, forward; bf16")
    return axes


def shares_by_kind(record: Record, network: str) -> dict[str, tuple[float, float]]:
    """Of each kind of layer the share of all MACs, and of the time of all layers timed alone; the
    longest first.
    """
    checks.text("network", network)
    macs: dict[str, int] = {}
    for layer, row in measured_at(record, "bfloat16"):
        if layer["network"] == network:
            macs[layer["kind"]] = macs.get(layer["kind"], 0) + layer["count"] * row["macs"]
    times = {kind: whole for kind, (whole, _) in time_by_kind(record, network, "bfloat16").items()}
    of_all = {
        kind: (macs[kind] / sum(macs.values()), times[kind] / sum(times.values())) for kind in times
    }
    return dict(sorted(of_all.items(), key=lambda item: -item[1][1]))
