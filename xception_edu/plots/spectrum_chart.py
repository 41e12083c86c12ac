"""Chart of what training says about the spectrum: accuracy over segments, and with an activation
between the two steps.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes

from xception_edu.benchmark.records import Record
from xception_edu.plots import style

BETWEEN = {None: "none", "relu": "ReLU", "elu": "ELU"}


def draw_spectrum(axes: Sequence[Axes], record: Record) -> Sequence[Axes]:
    """Two panels of results/spectrum.json: validation images that are right, a dot a seed; mean and
    standard deviation.
    """
    segments = [
        "all" if row["segments"] == "channels" else f"{row['segments']}" for row in record["points"]
    ]
    _draw_rows(
        axes[0], record["points"], segments, "segments, at equal parameters (all: one a channel)"
    )
    between = [BETWEEN[row["activation"]] for row in record["between"]]
    _draw_rows(axes[1], record["between"], between, "between depthwise and 1×1")
    values = [
        100 * value for row in (*record["points"], *record["between"]) for value in row["top1"]
    ]
    for ax in axes:
        ax.set_ylim(min(values) - 1, max(values) + 1)
    return axes


def _draw_rows(ax: Axes, rows: Sequence[Record], names: Sequence[str], below: str) -> None:
    """A panel: a column a row."""
    for x, row in enumerate(rows):
        ax.plot(
            [x - 0.16] * len(row["top1"]),
            [100 * v for v in row["top1"]],
            "o",
            color=style.QUIET,
            markersize=3,
        )
        look = {"color": style.COLORS["depthwise"], "capsize": 4, "markersize": 6, "linewidth": 1.6}
        ax.errorbar([x + 0.08], [100 * row["mean"]], [100 * row["std"]], fmt="o", **look)
    ax.set_xticks(range(len(rows)), names)
    ax.set_xlim(-0.6, len(rows) - 0.4)
    ax.set_xlabel(below)
    ax.set_title(
        "Held-out images that are right, %", loc="left", fontsize=style.MEDIUM, color=style.QUIET
    )
