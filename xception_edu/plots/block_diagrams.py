"""Figures 1 to 4 of the paper, drawn from lists of specs: every label, width and count in them is
read from a spec.

Data flows downward, as in Figure 5, which is in `network_diagram`. One unit is one pixel of a page
from `style.page`.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from xception_edu import checks, costs
from xception_edu.architectures import Layers, output_shape
from xception_edu.plots import style
from xception_edu.plots.pieces import MARGIN, Box, arrow, box, concept, heading, map_size, title_of
from xception_edu.specs import ActivationSpec, ConvSpec, Shape, Spec, segment_sizes

WIDE = style.WIDTH - 2 * MARGIN
TOP = 84  # the input, below title and sentences
LAYER, GAP, STRIP = 42, 32, 20  # heights: a box, room for an arrow, a row of channels
MOST_PIECES, MOST_CHANNELS = 13, 64  # more could not be read at this width
AT_THIS_WIDTH = "more could not be told apart in the drawing"


def draw_figure_1_canonical_inception(ax: Axes, towers: Sequence[Layers]) -> Axes:
    """Figure 1: a canonical Inception module from its towers, as
    `architectures.canonical_inception` gives them.
    """
    sentence = f"{len(towers)} towers see the same input, and their outputs are concatenated."
    heading(
        ax,
        "Figure 1: a canonical Inception V3 module",
        sentence,
        _size([layer for tower in towers for layer in tower]),
    )
    width = WIDE / len(towers)
    return _draw_towers(
        ax, towers, [Box(MARGIN + i * width + 14, TOP, width - 28, 0) for i in range(len(towers))]
    )


def draw_figure_2_simplified_inception(ax: Axes, towers: Sequence[Layers]) -> Axes:
    """Figure 2: a simplified module from its towers, as `architectures.simplified_inception` gives
    them.

    Each channel between a 1x1 and its 3x3 is a cell; ValueError for more than 13 towers or 64
    channels in all.
    """
    columns = _columns([output_shape(tower).channels for tower in towers])
    kernel = _kernel(towers[0])
    sentence = (
        f"One kernel size and no pooling: each tower is a 1×1 and then a {kernel}. A cell is one"
        " channel."
    )
    heading(
        ax,
        "Figure 2: a simplified Inception module",
        sentence,
        _size([layer for tower in towers for layer in tower]),
    )
    return _draw_towers(ax, towers, columns, cells=True)


def draw_figure_3_equivalent_module(ax: Axes, layers: Layers) -> Axes:
    """Figure 3: one large 1x1, and a 3x3 for each segment of its output channels, from
    `architectures.module`.

    Each channel is a cell; ValueError for more than 13 segments or 64 channels, and where the 1x1
    does not come first.
    """
    kernel = _kernel(layers)
    sentence = (
        f"One 1×1 makes all channels (a cell each); each {kernel} sees one segment of them."
        " Strictly equivalent to Figure 2."
    )
    heading(ax, "Figure 3: the same module with one large 1×1", sentence, _size(layers))
    return _draw_segments(ax, layers)


def draw_figure_4_extreme_inception(ax: Axes, layers: Layers) -> Axes:
    """Figure 4: a 1x1, and one 3x3 for each of its output channels, from
    `architectures.extreme_inception`.

    Bounds as in Figure 3; ValueError also where there are fewer segments than channels.
    """
    spatial = layers[-1][0]
    if not isinstance(spatial, ConvSpec) or spatial.segments != spatial.in_channels:
        raise ValueError(
            f"layers end with {spatial!r}, but must end with a convolution of one segment a channel"
        )
    sentence = (
        f"One {_kernel(layers)} for each output channel of the 1×1 (a cell each): nearly a"
        " depthwise separable convolution."
    )
    heading(ax, "Figure 4: the extreme version of the module", sentence, _size(layers))
    return _draw_segments(ax, layers)


def _kernel(layers: Layers) -> str:
    """The last layer's kernel, 3×3."""
    return title_of(layers[-1][0]).split()[0]


def _size(layers: Layers) -> str:
    cost = costs.total(layers)
    return f"{cost.params:,} parameters and {cost.macs:,} multiply-accumulates (MACs) an image."


def _columns(channels: Sequence[int], *, free: float = 0.08) -> list[Box]:
    """Places side by side, each as wide as its share of the channels less `free` of one channel's
    width at either side.
    """
    checks.integer("segments", len(channels), at_most=MOST_PIECES, because=AT_THIS_WIDTH)
    total = checks.integer(
        "out_channels", sum(channels), at_most=MOST_CHANNELS, because=AT_THIS_WIDTH
    )
    cell, inset = WIDE / total, free * WIDE / total
    starts = [sum(channels[:i]) for i in range(len(channels))]
    return [
        Box(MARGIN + cell * a + inset, 0, cell * n - 2 * inset, 0)
        for a, n in zip(starts, channels, strict=True)
    ]


def _layer(ax: Axes, column: Box, y: float, spec: Spec, shape: Shape, *, color: str = "") -> float:
    """A layer's box at `y` in a column, in its own concept's color or another; the y of its lower
    edge.
    """
    if isinstance(spec, ActivationSpec):
        return box(ax, Box(column.x, y, column.width, STRIP), "elementwise", title_of(spec)).bottom
    title = title_of(spec) if column.width > 80 else title_of(spec).split()[0]
    channels = f"{shape.channels} → {spec.output_shape(shape).channels}"
    return box(
        ax, Box(column.x, y, column.width, LAYER), color or concept(spec), title, channels
    ).bottom


def _cells(ax: Axes, column: Box, y: float, channels: int, color: str, *, dark: bool) -> float:
    """A row of cells, one a channel, and the y of its lower edge; neighboring segments differ in
    strength.
    """
    width, face = column.width / channels, style.tint(style.COLORS[color], 0.8 if dark else 0.45)
    for i in range(channels):
        ax.add_patch(
            Rectangle(
                (column.x + i * width, y),
                width,
                STRIP,
                facecolor=face,
                edgecolor=style.PAPER,
                linewidth=1,
            )
        )
    return y + STRIP


def _input(ax: Axes, shape: Shape) -> float:
    return box(ax, Box(MARGIN, TOP, WIDE, LAYER), "join", "Input", map_size(shape)).bottom


def _concat(ax: Axes, y: float, channels: Sequence[int], shape: Shape) -> Axes:
    """The concatenation at `y`, and the page cut below it."""
    same = len(set(channels)) == 1 and len(channels) > 4
    parts = f"{len(channels)} × {channels[0]}" if same else " + ".join(map(str, channels))
    words = f"{parts} = {sum(channels)} channels, {map_size(Shape(sum(channels), *shape[1:]))}"
    bar = box(ax, Box(MARGIN, y, WIDE, LAYER), "join", "Concat", words)
    return style.in_pixels(ax, style.WIDTH, bar.bottom + MARGIN)


def _beside(column: Box, shape: Shape) -> str:
    """The map's size as an arrow's label, or nothing where the column has no room for it; a letter
    is up to 7 pixels wide.
    """
    label = map_size(shape)
    return label if 7 * len(label) + 6 < column.width / 2 else ""


def _draw_towers(
    ax: Axes, towers: Sequence[Layers], columns: Sequence[Box], *, cells: bool = False
) -> Axes:
    """Input, towers side by side, concatenation; with `cells`, a row of channels in front of each
    last layer.
    """
    top, ends = _input(ax, towers[0][0][1]), []
    for i, (tower, column) in enumerate(zip(towers, columns, strict=True)):
        y = top
        for spec, shape in tower:
            arrow(ax, column.middle, y, y + GAP, _beside(column, shape) if y > top else "")
            y += GAP
            if cells and spec is tower[-1][0]:
                y = _cells(ax, column, y, shape.channels, concept(spec), dark=i % 2 == 0)
                arrow(ax, column.middle, y, y + GAP)
                y += GAP
            y = _layer(ax, column, y, spec, shape)
        ends.append(y)
    outs = [output_shape(tower) for tower in towers]
    for end, column, out in zip(ends, columns, outs, strict=True):
        arrow(ax, column.middle, end, max(ends) + GAP, _beside(column, out))
    return _concat(ax, max(ends) + GAP, [out.channels for out in outs], outs[0])


def _draw_segments(ax: Axes, layers: Layers) -> Axes:
    """Input, the 1x1 over the whole width, its output channels, a convolution for each segment of
    them, concatenation.
    """
    *first, (spatial, shape) = layers
    if not first or concept(first[0][0]) != "pointwise" or not isinstance(spatial, ConvSpec):
        raise ValueError(
            f"layers are {[spec.name for spec, _ in layers]}, but must be a 1x1 and then the"
            " segmented convolution"
        )
    ins = segment_sizes(spatial.in_channels, spatial.segments)
    outs = segment_sizes(spatial.out_channels, spatial.segments)
    columns, whole = _columns(ins), Box(MARGIN, 0, WIDE, 0)
    y = _input(ax, first[0][1])
    for spec, at in first:
        arrow(ax, whole.middle, y, y + GAP)
        y = _layer(ax, whole, y + GAP, spec, at)
    arrow(ax, whole.middle, y, y + GAP, f"output channels, {map_size(shape)}")
    y += GAP
    for i, (n, out, column, strip) in enumerate(
        zip(ins, outs, columns, _columns(ins, free=0), strict=True)
    ):
        bottom = _cells(ax, strip, y, n, concept(spatial), dark=i % 2 == 0)
        arrow(ax, column.middle, bottom, bottom + GAP)
        piece = ConvSpec(
            n, out, spatial.kernel_size, stride=spatial.stride, padding=spatial.padding
        )
        end = _layer(ax, column, bottom + GAP, piece, Shape(n, *shape[1:]), color=concept(spatial))
        arrow(ax, column.middle, end, end + GAP)
    return _concat(ax, end + GAP, outs, spatial.output_shape(shape))
