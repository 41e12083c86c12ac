"""Chart of a sweep: accuracy over the number of segments, with intervals, and what was compared."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from xception_edu.benchmark.records import Record
from xception_edu.plots import style


def draw_sweep(axes: Sequence[Axes], record: Record) -> Sequence[Axes]:
    """Two panels of results/sweep_*.json: accuracy of every point with its interval, a dot a seed;
    and its differences by seed from each end, with their intervals.
    """
    _draw_accuracies(axes[0], record)
    _draw_differences(axes[1], record)
    return axes


def _name(point: str) -> str:
    return "all" if point == "channels" else point


def _draw_accuracies(ax: Axes, record: Record) -> None:
    for x, row in enumerate(record["points"]):
        tops = [100 * value for value in row["top1"]]
        ax.plot([x - 0.16] * len(tops), tops, "o", color=style.QUIET, markersize=3)
        mean_with_interval(ax, x + 0.08, row, style.INK)
    ax.set_xticks(range(len(record["points"])), [_name(row["point"]) for row in record["points"]])
    ax.set_xlim(-0.6, len(record["points"]) - 0.4)
    ax.set_xlabel(f"segments (all: one per channel); {len(record['seeds'])} seeds")
    words = "Test images that are right, %: seeds, mean, 95 % interval"
    ax.set_title(words, loc="left", fontsize=style.MEDIUM, color=style.QUIET)


def _draw_differences(ax: Axes, record: Record) -> None:
    plan = record["plan"]
    names = list(dict.fromkeys(row["point"] for row in record["comparisons"]))
    for row in record["comparisons"]:
        place = plan["ends"].index(row["end"])
        color = style.COLORS["spatial" if place == 0 else "depthwise"]
        mean_with_interval(ax, names.index(row["point"]) - 0.12 + 0.24 * place, row, color)
    ax.axhline(0, color=style.QUIET, linewidth=0.8)
    effect = 100 * plan["smallest_effect"]
    ax.axhline(effect, color=style.QUIET, linewidth=0.8, linestyle=(0, (3, 3)))
    ax.text(len(names) - 0.4, effect, " would matter", fontsize=style.SMALL, color=style.QUIET)
    ax.set_xticks(range(len(names)), [_name(name) for name in names])
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.set_xlabel("segments; left from 1 segment, right from one per channel")
    words = "Difference by seed, points: mean, 95 % interval"
    ax.set_title(words, loc="left", fontsize=style.MEDIUM, color=style.QUIET)


def mean_with_interval(
    ax: Axes, at: float, row: Record, color: str, *, across: bool = False
) -> None:
    """A mean with its interval, in percent; `across` draws it from left to right at a height."""
    mean, low, high = (100 * row[key] for key in ("mean", "low", "high"))
    half = [[mean - low], [high - mean]]
    x, y = (mean, at) if across else (at, mean)
    ax.errorbar(
        [x],
        [y],
        xerr=half if across else None,
        yerr=None if across else half,
        fmt="o",
        color=color,
        capsize=4,
        markersize=6,
        linewidth=1.6,
    )
