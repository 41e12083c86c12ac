"""Charts of a network that others trained, on photographs of one's own: which classes it takes for
which, and how many photographs it needs.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from xception_edu.benchmark.records import Record
from xception_edu.plots import style


def draw_confusion(ax: Axes, record: Record) -> Axes:
    """A confusion matrix: rows are the classes, columns the guesses, a number each.

    `record` has `classes`, their names, and `confusion`, a row of counts for each class. The darker
    a cell, the larger its share of the row.
    """
    counts = np.array(record["confusion"])
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1.2)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = style.PAPER if shares[row, column] > 0.6 else style.INK
            ax.text(
                column, row, f"{count}", ha="center", va="center", color=color, fontsize=style.SMALL
            )
    names = [name.replace("_", " ") for name in record["classes"]]
    ax.set_xticks(range(len(names)), names, rotation=90)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0)
    ax.set(xlabel="guessed", ylabel="is")
    ax.spines[:].set_visible(False)
    return ax


def draw_images_a_class(ax: Axes, record: Record) -> Axes:
    """Accuracy over the number of training photographs a class, of results/finetune.json.

    Dots are seeds, bars 95 % intervals of their mean; the line below is the same network that began
    with random weights and had all photographs and the same time.
    """
    rows = record["images_a_class"]
    for row in rows:
        _dots_and_interval(ax, row["images"], row["top1"], row)
    ax.plot(
        [row["images"] for row in rows],
        [100 * row["mean"] for row in rows],
        "-",
        color=style.INK,
        linewidth=1.4,
    )
    scratch = record["scratch"]
    ax.axhspan(100 * scratch["low"], 100 * scratch["high"], color=style.QUIET, alpha=0.2, lw=0)
    ax.axhline(100 * scratch["mean"], color=style.QUIET, linewidth=1.4)
    images = record["images"]["train"]
    ax.annotate(
        f"random weights, all {images:,} photographs, the same time",
        (rows[-1]["images"], 100 * scratch["high"]),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right",
        color=style.QUIET,
        fontsize=style.TEXT,
    )
    ax.set_xscale("log")
    counts = [row["images"] for row in rows]
    ax.set_xticks(counts, [f"{count}" for count in counts])
    ax.minorticks_off()
    ax.set_ylim(0, 100)
    ax.set_xlabel("training photographs a class")
    ax.set_title(
        "Validation photographs that are right, %",
        loc="left",
        fontsize=style.MEDIUM,
        color=style.QUIET,
    )
    return ax


def _dots_and_interval(ax: Axes, x: float, values: Sequence[float], spread: Record) -> None:
    """The seeds' values beside their mean and its interval, in percent."""
    ax.plot(
        [x * 0.93] * len(values), [100 * v for v in values], "o", color=style.QUIET, markersize=3
    )
    error = [
        [100 * (spread["mean"] - spread["low"])],
        [100 * (spread["high"] - spread["mean"])],
    ]
    ax.errorbar(
        [x],
        [100 * spread["mean"]],
        error,
        fmt="o",
        color=style.INK,
        capsize=4,
        markersize=6,
        linewidth=1.6,
    )
