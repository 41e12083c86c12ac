"""Curves of training: a run's own, from its metrics.jsonl, and the loss against the staleness of
gradients.

`draw_` functions take plain data: lines of metrics, or results/stale_gradients.json as it was read.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from xception_edu.plots import style

# of learning rates, from the lowest to the highest
RATE_COLORS = ("pointwise", "pooling", "depthwise")
LABEL = {"fontsize": style.SMALL, "textcoords": "offset points", "va": "center"}


def draw_stale_gradients(ax: Axes, results: Mapping[str, Any]) -> Axes:
    """Training loss over the staleness of gradients, a line a learning rate: mean over the seeds,
    and each seed as a dot.

    A run that diverged has no loss: its dot is missing, and the mean is over the others.
    """
    positions = {s: i for i, s in enumerate(results["staleness"])}
    for rate, color in zip(results["learning_rates"], RATE_COLORS, strict=False):
        hue = style.COLORS[color]
        losses = _by_staleness(results["runs"], rate)
        means = [(positions[s], statistics.mean(values)) for s, values in losses.items()]
        ax.plot(*zip(*means, strict=True), color=hue, linewidth=1.8)
        dots = [(positions[s], value) for s, values in losses.items() for value in values]
        ax.plot(
            *zip(*dots, strict=True), "o", color=hue, markersize=3.5, alpha=0.6, markeredgewidth=0
        )
        ax.annotate(f"rate {rate:g}", means[-1], (8, 0), color=hue, **LABEL)
    ax.set_xticks(range(len(positions)), [str(s) for s in positions])
    ax.set(xlim=(-0.25, len(positions) - 0.2), ylim=(0, None))
    ax.set_xlabel("age of the gradients in steps (0: synchronous)")
    ax.set_title(
        f"Training loss after {results['steps']} steps",
        loc="left",
        fontsize=style.MEDIUM,
        color=style.QUIET,
    )
    ax.yaxis.set_major_locator(MaxNLocator(4))
    return ax


def _by_staleness(runs: Sequence[Mapping[str, Any]], rate: float) -> dict[int, list[float]]:
    """Losses of the seeds at each staleness, for one learning rate."""
    losses: dict[int, list[float]] = {}
    for run in runs:
        if run["learning_rate"] == rate and run["loss"] is not None:
            losses.setdefault(run["staleness"], []).append(run["loss"])
    return losses


def draw_training_curve(ax: Axes, lines: Sequence[Mapping[str, float]]) -> Axes:
    """A run's loss over its epochs, in training (with augmentation, averaged over the epoch) and on
    validation images.
    """
    curves: dict[str, list[tuple[float, float]]] = {"loss": [], "val_loss": []}
    for line in lines:
        for key, points in curves.items():
            if key in line:
                points.append((line["epoch"], line[key]))
    # at the end: its name goes above
    highest = max(curves, key=lambda key: curves[key][-1][1] if curves[key] else 0)
    for key, name, color in (
        ("loss", "training", "pointwise"),
        ("val_loss", "validation", "depthwise"),
    ):
        if curves[key]:
            hue = style.COLORS[color]
            ax.plot(
                *zip(*curves[key], strict=True), color=hue, linewidth=1.8, marker="o", markersize=3
            )
            ax.annotate(name, curves[key][-1], (7, 5 if key == highest else -5), color=hue, **LABEL)
    ax.set(ylim=(0, None))
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.set_title("Mean loss", loc="left", fontsize=style.MEDIUM, color=style.QUIET)
    return ax
