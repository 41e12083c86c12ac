"""Chart of the small sweeps beside the line: the paper's ablations, kernels that do not learn, and
images whose color and shape belong together more or less.
"""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from xception_edu.benchmark.records import Record, read_record
from xception_edu.plots import style
from xception_edu.plots.sweep_chart import mean_with_interval

# Where the paper asks it, by the sweep that asks it in small
ASKED = {
    "ablation_residual": "Figure 9",
    "ablation_activation": "Figure 10",
    "ablation_inception_like": "Table 1",
    "ablation_order": "Section 1.2",
    "ablation_training": "Section 4.2",
    "frozen_kernels": "not asked",
}
DIALS = ("entangled_0", "entangled_025", "entangled_05", "entangled_075", "entangled_1")
RECORDS = tuple(f"sweep_{name}" for name in (*ASKED, *DIALS))


def read_ablations() -> dict[str, Record]:
    """The records of these sweeps by their names."""
    return {name: read_record(name) for name in RECORDS}


def draw_ablations(axes: Sequence[Axes], records: Mapping[str, Record]) -> Sequence[Axes]:
    """Two panels: differences from the network as the paper has it, with their intervals, a row a
    change; and the separable end less the regular one, over the entanglement of the data.
    """
    _draw_changes(axes[0], records)
    _draw_dials(axes[1], [records[f"sweep_{name}"] for name in DIALS])
    return axes


def separable_less_regular(record: Record) -> Record:
    """The comparison of the two ends as one segment per channel less one segment."""
    (row,) = record["comparisons"]
    if row["point"] == "channels":
        return row
    turned = {"mean": -row["mean"], "low": -row["high"], "high": -row["low"]}
    return {**row, **turned}


def _draw_changes(ax: Axes, records: Mapping[str, Record]) -> None:
    rows = [(name, row) for name in ASKED for row in records[f"sweep_{name}"]["comparisons"]]
    for y, (_, row) in enumerate(rows):
        shown = row["p_holm"] < 0.05
        mean_with_interval(ax, y, row, style.INK if shown else style.QUIET, across=True)
    effect = 100 * records["sweep_ablation_residual"]["plan"]["smallest_effect"]
    ax.axvline(0, color=style.QUIET, linewidth=0.8)
    for x in (-effect, effect):
        ax.axvline(x, color=style.QUIET, linewidth=0.8, linestyle=(0, (3, 3)))
    ax.set_yticks(range(len(rows)), [f"{row['point']}  ({ASKED[name]})" for name, row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel("points; dashed: would matter; gray: not significant")
    ax.set_title("Change, less the network as it is", loc="left", fontsize=style.MEDIUM)


def _draw_dials(ax: Axes, records: Sequence[Record]) -> None:
    for record in records:
        dial = record["plan"]["recipe"].get("entanglement", 0)
        mean_with_interval(ax, dial, separable_less_regular(record), style.INK)
    ax.axhline(0, color=style.QUIET, linewidth=0.8)
    ax.set_xlim(-0.12, 1.12)
    ax.set_xlabel("entanglement of color and shape")
    ax.set_title("Separable less regular, by the data", loc="left", fontsize=style.MEDIUM)
