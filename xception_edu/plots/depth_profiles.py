"""Where along its depth a network keeps its parameters, does its work and holds its activations.

`depth_profile` makes the data through `costs`; `draw_depth_profiles` draws it, a row a network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MultipleLocator

from xception_edu import costs
from xception_edu.architectures import Layers, block_of, stage_of
from xception_edu.plots import style
from xception_edu.plots.pieces import concept
from xception_edu.specs import kind

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


@dataclass(frozen=True)
class Block:
    """One bar of each panel: parameters, MACs and bytes of activations by color."""

    name: str
    params: dict[str, int]
    macs: dict[str, int]
    activation_bytes: dict[str, int]

    def total(self, quantity: str) -> int:
        """The block's `quantity`, a key of QUANTITIES."""
        return sum(getattr(self, quantity).values())


@dataclass(frozen=True)
class DepthProfile:
    """A network's blocks in the order of the computation."""

    title: str
    blocks: tuple[Block, ...]

    def total(self, quantity: str) -> int:
        """The whole network's `quantity`, a key of QUANTITIES."""
        return sum(block.total(quantity) for block in self.blocks)

    def stages(self) -> list[tuple[str, int, int]]:
        """Stages with the positions of their first and last block; the classifier ends the last."""
        names: list[str] = []
        for block in self.blocks:
            stage = stage_of(block.name)
            names.append(names[-1] if stage == "head" else stage)
        stages = []
        for name, group in groupby(enumerate(names), key=itemgetter(1)):
            positions = [position for position, _ in group]
            stages.append((name, positions[0], positions[-1]))
        return stages


def depth_profile(title: str, layers: Layers) -> DepthProfile:
    """Costs of a network, as `(spec, input shape)` pairs, by block and by concept."""
    blocks: dict[str, Block] = {}
    for name, (spec, shape) in zip(block_names(layers), layers, strict=True):
        block = blocks.setdefault(name, Block(name, {}, {}, {}))
        cost = costs.cost_of(spec, shape)
        _add(block.params, concept(spec), cost.params)
        _add(block.macs, concept(spec), cost.macs)
        _add(block.activation_bytes, concept(spec), cost.activation_bytes())
    return DepthProfile(title, tuple(blocks.values()))


def _add(counts: dict[str, int], concept: str, count: int) -> None:
    if count:
        counts[concept] = counts.get(concept, 0) + count


def block_names(layers: Layers) -> list[str]:
    """The block that each layer belongs to; a pool that stands alone belongs to the one before."""
    alone = {block_of(spec.name) for spec, _ in layers}
    alone -= {block_of(spec.name) for spec, _ in layers if kind(spec) != "pooling"}
    names: list[str] = []
    for spec, _ in layers:
        block = block_of(spec.name)
        names.append(names[-1] if block in alone else block)
    return names


def draw_depth_profiles(axes: np.ndarray, profiles: Sequence[DepthProfile]) -> np.ndarray:
    """Networks (rows) by quantity (columns): a bar a block, divided by kind of layer; a column has
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
    return max(block.total(quantity) for block in profile.blocks)


def _draw_bars(ax: Axes, profile: DepthProfile, quantity: str) -> None:
    """One panel, with the total at its title and the names of the network's stages below it."""
    title, unit, unit_name, apart = QUANTITIES[quantity]
    limit, cut = HIGHEST.get(quantity, float("inf")), []
    for i, block in enumerate(profile.blocks):
        end, counts = 0.0, getattr(block, quantity)
        for name in (name for name in KEY if name in counts):
            height = min(end + counts[name], limit) - end
            ax.bar(i, height, 0.84, end, color=style.COLORS[name])
            end += height
        if block.total(quantity) > limit:
            cut.append((i, f"{block.total(quantity) / unit:.0f}"))
    # at most two, which stand side by side
    for (i, label), aside in zip(cut, (-6, 6), strict=False):
        place = {
            "textcoords": "offset points",
            "ha": "center",
            "va": "bottom",
            "fontsize": style.SMALL,
        }
        ax.annotate(label, (i, limit), (aside, 1), **place)
    for _, first, _ in profile.stages()[1:]:
        ax.axvline(first - 0.5, color="#DDDDDD", linewidth=0.8, zorder=0)
    ax.set_xticks(
        [(first + last) / 2 for _, first, last in profile.stages()],
        [name for name, *_ in profile.stages()],
    )
    ax.tick_params(axis="x", length=0)
    ax.set_xlim(-0.7, len(profile.blocks) - 0.3)
    ax.yaxis.set_major_locator(MultipleLocator(apart))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value / unit:,g}")
    head = f"{title}: {profile.total(quantity) / unit:,.1f} {unit_name}"
    ax.set_title(head, loc="left", fontsize=style.SMALL, color=style.QUIET, pad=5)


def _draw_key(figure: Figure) -> None:
    """A colored square and a name for each kind of layer, in a row below the heading."""
    _, height = figure.get_size_inches() * style.DPI
    y = height - 100
    for x, (color, name) in zip((16, 84, 206, 350, 486, 652), KEY.items(), strict=True):
        corner = (x / style.DPI, y / style.DPI)
        side = 11 / style.DPI
        figure.add_artist(
            Rectangle(
                corner,
                side,
                side,
                color=style.COLORS[color],
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
