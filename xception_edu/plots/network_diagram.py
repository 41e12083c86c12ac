"""Figure 5 of the paper, the whole of Xception, drawn from `architectures.xception`."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch

from xception_edu import costs
from xception_edu.architectures import (
    Layers,
    block_of,
    branch_of,
    output_shape,
    stage_of,
    step_of,
)
from xception_edu.plots import style
from xception_edu.plots.pieces import (
    MARGIN,
    Box,
    arrow,
    box,
    concept,
    heading,
    line,
    map_size,
    times,
    title_of,
    words,
)
from xception_edu.specs import (
    ActivationSpec,
    AddSpec,
    BatchNormSpec,
    ConvSpec,
    LinearSpec,
    PoolSpec,
    Shape,
)

TOP = 96  # names of the flows, below title and sentences
# heights: a layer's box, an activation, room for an arrow, and for one into a block
LAYER, PILL, GAP, ENTRY = 24, 18, 12, 22
# of an addition's circle; room for the residual line inside the middle flow's frame
RADIUS, FRAME = 8, 30
# widths: a layer's box, a projection's box left of it, and what is free between the two
MAIN, SIDE, APART = 176, 90, 10
FLOWS = {"entry": 116.0, "middle": 334.0, "exit": 638.0}  # left edge of the flow's boxes


# ---- from layers to blocks -----------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """A module of the network: its steps, each a group of layers drawn as one box, and what a
    residual connection passes.
    """

    name: str
    steps: list[Layers]
    skip: Layers  # a strided 1x1 and its BN, or nothing
    residual: bool

    @property
    def flow(self) -> str:
        """The flow that the block belongs to; whatever stands behind the exit blocks is part of the
        exit flow.
        """
        stage = stage_of(self.name)
        return stage if stage in ("entry", "middle") else "exit"

    @property
    def output(self) -> Shape:
        """Shape that leaves the block."""
        return output_shape(self.steps[-1])


def blocks_of(layers: Layers) -> list[Block]:
    """The network's layers by block; a convolution with its BN is one step, so is a separable
    convolution with its BN.
    """
    blocks = []
    for name, members in groupby(layers, key=lambda layer: block_of(layer[0].name)):
        groups = [
            list(group) for _, group in groupby(members, key=lambda layer: step_of(layer[0].name))
        ]
        skip = next((group for group in groups if branch_of(group[0][0].name) == "skip"), [])
        steps = [
            group for group in groups if group is not skip and not isinstance(group[0][0], AddSpec)
        ]
        blocks.append(Block(name, steps, skip, residual=isinstance(groups[-1][0][0], AddSpec)))
    return blocks


def step_label(step: Layers) -> str:
    """What a step's box says, in the words of the paper's Figure 5: "SeparableConv 728, 3×3". S is
    the number of segments.
    """
    convolutions = [spec for spec, _ in step if isinstance(spec, ConvSpec)]
    match step[0][0]:
        case LinearSpec() as spec:
            kind = "Logistic regression" if spec.name == "classifier" else "Fully connected"
            return f"{kind}, {spec.out_features}"
        case PoolSpec(kind="global_average"):
            return "GlobalAveragePooling"
        case PoolSpec() as spec:
            return f"MaxPooling {times(spec.kernel_size, spec.kernel_size)}, stride {spec.stride}"
        case ActivationSpec() as spec if len(step) == 1:
            return costs.describe(spec)
    channels = convolutions[-1].out_channels
    spatial = max(convolutions, key=lambda spec: spec.kernel_size)
    kernel = times(*spatial.kernel_size)
    if len(convolutions) == 1:
        stride = spatial.stride[0]
        return f"Conv {channels}, {kernel}" + (f", stride {stride}" if stride > 1 else "")
    depthwise = spatial.segments == spatial.in_channels
    return (
        f"SeparableConv {channels}, {kernel}"
        if depthwise
        else f"Conv {channels}, {kernel}, S = {spatial.segments}"
    )


# ---- drawing -------------------------------------------------------------------------------------


def draw_figure_5_xception(ax: Axes, layers: Layers) -> Axes:
    """Figure 5: entry flow, middle flow and exit flow, from the layers of
    `architectures.xception`.
    """
    cost, blocks = costs.total(layers), blocks_of(layers)
    count = sum(isinstance(spec, BatchNormSpec) for spec, _ in layers)
    size = f"{cost.params:,} parameters and {cost.macs:,} multiply-accumulates (MACs) an image."
    norms = (
        f"Batch normalization follows each Conv and SeparableConv, {count} in all; it is not drawn."
    )
    heading(ax, "Figure 5: the whole of Xception", size, norms)
    flows: dict[str, list[Block]] = {flow: [] for flow in FLOWS}
    for block in blocks:
        flows[block.flow].append(block)
    entry, middle, last = flows.values()
    image, maps, classes = layers[0][1], entry[-1].output, last[-1].output
    ends = [
        _draw_flow(
            ax,
            "entry",
            "Entry flow",
            f"{map_size(image)} image",
            entry,
            f"{map_size(maps)} feature maps",
        ),
        _draw_flow(
            ax,
            "exit",
            "Exit flow",
            f"{map_size(maps)} feature maps",
            last,
            f"{classes.channels} classes",
        ),
    ]
    if middle:
        _draw_middle_flow(ax, middle)
    _draw_key(ax, middle or entry, ends[1] + 50)
    return style.in_pixels(ax, style.WIDTH, max(ends[0], ends[1] + 200) + MARGIN)


def _draw_middle_flow(ax: Axes, middle: Sequence[Block]) -> None:
    """The middle flow's first block, framed, with how often it is repeated."""
    maps, left = f"{map_size(middle[0].output)} feature maps", FLOWS["middle"]
    bottom = _draw_flow(ax, "middle", f"Middle flow, {len(middle)} times", maps, middle[:1], maps)
    frame = Box(left - FRAME, TOP + 34, MAIN + FRAME + 10, bottom - TOP - 58)
    frame_style = {
        "boxstyle": "round,pad=0,rounding_size=8",
        "facecolor": "#F4F4F4",
        "edgecolor": "none",
        "zorder": 0,
    }
    ax.add_patch(FancyBboxPatch(frame[:2], *frame[2:], **frame_style))


def _draw_flow(
    ax: Axes, flow: str, title: str, start: str, blocks: Sequence[Block], end: str
) -> float:
    """A flow as a column: its name, what enters, its blocks, what leaves; y below the last word."""
    left = FLOWS[flow]
    center, y = left + MAIN / 2, TOP + 30.0
    words(
        ax,
        center,
        TOP,
        title,
        ha="center",
        fontsize=style.TEXT + 1,
        fontweight="bold",
        color=style.INK,
    )
    words(ax, center, TOP + 21, start, ha="center")
    for i, block in enumerate(blocks):
        y = _draw_block(ax, left, y, block, "" if i == 0 else map_size(block.steps[0][0][1]))
    arrow(ax, center, y, y + ENTRY)
    words(ax, center, y + ENTRY + 9, end, ha="center")
    return y + ENTRY + 16


def _draw_block(ax: Axes, left: float, y: float, block: Block, label: str) -> float:
    """A block's steps from `y` downward, and its residual connection at the left; y of its end."""
    center, branch = left + MAIN / 2, y + 8
    for i, step in enumerate(block.steps):
        top = y + (GAP if i else ENTRY)
        arrow(ax, center, y, top, "" if i else label)
        y = _draw_step(ax, left, top, step)
    if not block.residual:
        return y
    arrow(ax, center, y, y + GAP)
    y += GAP + RADIUS
    _draw_sum(ax, center, y)
    x = left - APART - SIDE / 2 if block.skip else left - 18
    line(
        ax,
        [(center, branch), (x, branch), (x, y), (center - RADIUS, y)],
        color="residual",
        head=True,
    )
    if block.skip:
        spec = block.skip[0][0]
        name, _, kernel = step_label(block.skip).partition(", ")
        box(
            ax,
            Box(left - APART - SIDE, (branch + y) / 2 - 19, SIDE, 38),
            concept(spec),
            name,
            kernel,
            plain=style.SMALL,
        )
    return y + RADIUS


def _draw_step(ax: Axes, left: float, y: float, step: Layers) -> float:
    """One box: small for an activation, in the colors of both its convolutions for a separable one;
    y of its lower edge.
    """
    if isinstance(step[0][0], ActivationSpec):
        return box(
            ax,
            Box(left + MAIN / 2 - 28, y, 56, PILL),
            "elementwise",
            step_label(step),
            radius=9,
            plain=style.MEDIUM,
        ).bottom
    colors = [concept(spec) for spec, _ in step if isinstance(spec, ConvSpec)] or [
        concept(step[0][0])
    ]
    if len(colors) > 1:
        box(ax, Box(left, y, 14, LAYER), colors[0], strength=0.8)
    tab = 10 * (len(colors) - 1)
    return box(
        ax, Box(left + tab, y, MAIN - tab, LAYER), colors[-1], step_label(step), plain=style.MEDIUM
    ).bottom


def _draw_sum(ax: Axes, x: float, y: float) -> None:
    """A circled plus."""
    ax.add_patch(
        Circle(
            (x, y),
            RADIUS,
            facecolor=style.PAPER,
            edgecolor=style.COLORS["join"],
            linewidth=1.2,
            zorder=2.5,
        )
    )
    for dx, dy in ((RADIUS / 2, 0), (0, RADIUS / 2)):
        ax.plot(
            (x - dx, x + dx), (y - dy, y + dy), color=style.COLORS["join"], linewidth=1.2, zorder=3
        )


def _draw_key(ax: Axes, blocks: Sequence[Block], y: float) -> None:
    """What a separable convolution's box holds, with the parameters of each part, and what a
    residual connection does.
    """
    step = next(step for block in reversed(blocks) for step in block.steps if len(step) > 2)
    left, right = FLOWS["middle"] - FRAME, FLOWS["exit"] + MAIN
    bold = {"fontsize": style.TEXT, "fontweight": "bold", "color": style.INK}
    words(ax, left, y, f"Inside each “{step_label(step)}” box", **bold)
    words(ax, left, y + 17, "Numbers are parameters.")
    width = (right - left - 22 * (len(step) - 1)) / len(step)
    for i, (spec, shape) in enumerate(step):
        place = Box(left + i * (width + 22), y + 34, width, 42)
        box(ax, place, concept(spec), title_of(spec), f"{costs.cost_of(spec, shape).params:,}")
        if i:
            line(ax, [(place.x - 22, place.y + 21), (place.x, place.y + 21)], head=True)
    if blocks[-1].residual:
        _draw_sum(ax, left + RADIUS, y + 104)
        words(
            ax, left + 26, y + 104, "adds the block's input to its output: a residual connection."
        )
        words(
            ax,
            left + 26,
            y + 121,
            "Where a block halves the sides, the input passes a 1×1 convolution of stride 2.",
        )
