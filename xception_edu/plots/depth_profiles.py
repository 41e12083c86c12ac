"""Where along its depth a network keeps its parameters, does its work and holds its activations.

`depth_profile` makes the data through `costs`; `draw_depth_profiles` draws it, a row a network.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MultipleLocator

from xception_edu import costs
from xception_edu.architectures import Layers
from xception_edu.plots import style
from xception_edu.plots.pieces import concept

MILLION, MIB = 1_000_000, 2**20
QUANTITIES = {  # what a column shows: its title, the unit and its name, and what is between ticks
    "params": ("Parameters", MILLION, "millions", 2 * MILLION),
    "macs": ("MACs an image", 1000 * MILLION, "billions", 1000 * MILLION),
    "activation_bytes": ("Activations an image", MIB, "MiB", 25 * MIB),
}
# bars beyond are cut and labeled: one of VGG-16's would leave the others invisible
HIGHEST = {"params": 6.2 * MILLION}
KEY = {
    "pointwise": "1×1",
    "depthwise": "depthwise 3×3",
    "spatial": "other convolutions",
    "linear": "fully connected",
    "elementwise": "BN, ReLU, additions",
    "pooling": "pooling",
}
# A stage is a convolution of its own in stems and plain stacks, and elsewhere a module; layers
# without parameters that stand alone, such as pools between convolutions, belong to the stage
# before them.
STAGE = re.compile(r"stem_conv\d+|conv\d+_\d+|(?!stem|pool)[^_]+")
# the parts of a network that are named below the bars, by the beginning of their stages' names
PARTS = (
    (r"entry|conv\d$", "entry"),
    ("middle", "middle"),
    ("exit", "exit"),
    ("stem", "stem"),
    (r"mixed[0-2]$", "A"),
    (r"mixed[3-7]$", "B"),
    (r"mixed", "C"),
    (r"conv(?P<stage>\d)_", ""),
    ("fc", "fc"),
)


@dataclass(frozen=True)
class Stage:
    """One bar of each panel: parameters, MACs and bytes of activations by the concept that has a
    color.
    """

    name: str
    params: dict[str, int]
    macs: dict[str, int]
    activation_bytes: dict[str, int]

    @property
    def part(self) -> str | None:
        """The named part of the network that the stage belongs to; None for the classifier, which
        belongs to the last.
        """
        for pattern, label in PARTS:
            if found := re.match(pattern, self.name):
                return label or found["stage"]
        return None


@dataclass(frozen=True)
class DepthProfile:
    """A network's stages in the order of the computation."""

    title: str
    stages: tuple[Stage, ...]

    def total(self, quantity: str) -> int:
        """The whole network's `quantity`, a key of QUANTITIES."""
        return sum(sum(getattr(stage, quantity).values()) for stage in self.stages)

    def parts(self) -> list[tuple[str, int, int]]:
        """Named parts with the positions of their first and last stage."""
        names: list[str] = []
        for stage in self.stages:
            names.append(stage.part or names[-1])
        ends = [(name, len(list(group))) for name, group in groupby(names)]
        starts = np.cumsum([0, *(n for _, n in ends)])
        return [
            (name, int(start), int(start) + n - 1)
            for (name, n), start in zip(ends, starts, strict=False)
        ]


def depth_profile(title: str, layers: Layers) -> DepthProfile:
    """Costs of a network, as `(spec, input shape)` pairs, by stage and by concept."""
    counters: dict[str, dict[str, Counter[str]]] = {}
    for name, (spec, shape) in zip(stage_names(layers), layers, strict=True):
        stage = counters.setdefault(name, {quantity: Counter() for quantity in QUANTITIES})
        cost = costs.cost_of(spec, shape)
        for quantity, count in (
            ("params", cost.params),
            ("macs", cost.macs),
            ("activation_bytes", cost.activation_bytes()),
        ):
            stage[quantity][concept(spec)] += count
    stages = (
        Stage(name, **{q: {c: n for c, n in by.items() if n} for q, by in s.items()})
        for name, s in counters.items()
    )
    return DepthProfile(title, tuple(stages))


def stage_names(layers: Layers) -> list[str]:
    """The stage that each layer belongs to."""
    names: list[str] = []
    for spec, _ in layers:
        found = STAGE.match(spec.name)
        names.append(found[0] if found else names[-1])
    return names


def draw_depth_profiles(axes: np.ndarray, profiles: Sequence[DepthProfile]) -> np.ndarray:
    """Networks (rows) by quantity (columns): a bar a stage, divided by kind of layer; a column has
    one scale.
    """
    for row, profile in zip(axes, profiles, strict=True):
        look = {"fontsize": style.TEXT, "fontweight": "bold", "textcoords": "offset points"}
        row[0].annotate(profile.title, (0, 1), (-19.5, 26), xycoords="axes fraction", **look)
        for ax, quantity in zip(row, QUANTITIES, strict=True):
            _draw_bars(ax, profile, quantity)
            most = HIGHEST.get(quantity) or max(_highest(p, quantity) for p in profiles)
            ax.set_ylim(0, 1.16 * most)
    _draw_key(axes[0, 0].figure)
    return axes


def _highest(profile: DepthProfile, quantity: str) -> int:
    return max(sum(getattr(stage, quantity).values()) for stage in profile.stages)


def _draw_bars(ax: Axes, profile: DepthProfile, quantity: str) -> None:
    """One panel, with the total at its title and the names of the network's parts below it."""
    title, unit, unit_name, apart = QUANTITIES[quantity]
    limit, cut = HIGHEST.get(quantity, float("inf")), []
    for i, stage in enumerate(profile.stages):
        end, counts = 0.0, getattr(stage, quantity)
        for kind in (kind for kind in KEY if kind in counts):
            height = min(end + counts[kind], limit) - end
            ax.bar(i, height, 0.84, end, color=style.COLORS[kind])
            end += height
        if sum(counts.values()) > limit:
            cut.append((i, f"{sum(counts.values()) / unit:.0f}"))
    # at most two, which stand side by side
    for (i, label), aside in zip(cut, (-6, 6), strict=False):
        place = {
            "textcoords": "offset points",
            "ha": "center",
            "va": "bottom",
            "fontsize": style.SMALL,
        }
        ax.annotate(label, (i, limit), (aside, 1), **place)
    for _, first, _ in profile.parts()[1:]:
        ax.axvline(first - 0.5, color="#DDDDDD", linewidth=0.8, zorder=0)
    ax.set_xticks(
        [(first + last) / 2 for _, first, last in profile.parts()],
        [name for name, *_ in profile.parts()],
    )
    ax.tick_params(axis="x", length=0)
    ax.set_xlim(-0.7, len(profile.stages) - 0.3)
    ax.yaxis.set_major_locator(MultipleLocator(apart))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value / unit:,g}")
    head = f"{title}: {profile.total(quantity) / unit:,.1f} {unit_name}"
    ax.set_title(head, loc="left", fontsize=style.SMALL, color=style.QUIET, pad=5)


def _draw_key(figure: Figure) -> None:
    """A colored square and a name for each kind of layer, in a row below the heading."""
    _, height = figure.get_size_inches() * style.DPI
    y = height - 100
    for x, (kind, name) in zip((16, 84, 206, 350, 486, 652), KEY.items(), strict=True):
        corner = (x / style.DPI, y / style.DPI)
        side = 11 / style.DPI
        figure.add_artist(
            Rectangle(
                corner,
                side,
                side,
                color=style.COLORS[kind],
                linewidth=0,
                transform=figure.dpi_scale_trans,
            )
        )
        look = {
            "fontsize": style.SMALL,
            "color": style.INK,
            "va": "center_baseline",
            "transform": figure.dpi_scale_trans,
        }
        figure.text((x + 17) / style.DPI, (y + 5) / style.DPI, name, **look)
