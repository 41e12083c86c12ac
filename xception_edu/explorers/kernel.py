"""The kernel microscope: every product of one output pixel, weight times input, and the sums that
they give.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product

import numpy as np

from xception_edu import checks
from xception_edu.explorers.convolution import (
    Convolution,
    convolution,
    longest_side,
    maps_of,
    reduced,
)
from xception_edu.explorers.engine.scene import Scene
from xception_edu.explorers.engine.scene_explorer import (
    SceneExplorer,
    View,
    as_arguments,
    scene_explorer,
)
from xception_edu.explorers.kernel_look import Layer, Look
from xception_edu.explorers.kernel_panels import Maps
from xception_edu.explorers.kernel_products import AllProducts, OneProducts, cell, cell_of_all
from xception_edu.explorers.photographs import photograph
from xception_edu.plots.pieces import times
from xception_edu.specs import ConvSpec, Shape

SEGMENTS = (1, 2, 3, 6)  # of the default module's 6 channels
SIDE = 7  # pixels of the default picture
LONGEST = 20  # pixels a side of any picture, so that they can be told apart
# channels, and products a position, that there is room for
MOST_IN, MOST_OUT, MOST_PRODUCTS = 12, 24, 1500
ROOM = 490_000  # characters of the table, of the 600,000 that it may have; numbers take the rest
COLUMNS = (
    ("Products shown", "at this position"),
    ("Of them with padding", "times 0, and counted too"),
    ("Products in all", "at this position"),
    ("Positions", "rows×columns"),
    ("MACs", "products in all × positions"),
)
# of the channels of the default picture
NAMES = ("red", "green", "blue", "light", "across", "down")
KERNELS = {  # of the default module, one for each output channel
    "edge |": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "edge –": ((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    "edge /": ((0, 1, 2), (-1, 0, 1), (-2, -1, 0)),
    "edge \\": ((2, 1, 0), (1, 0, -1), (0, -1, -2)),
    "blur": ((1, 2, 1), (2, 4, 2), (1, 2, 1)),
    "spots": ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
}


def kernel_explorer(
    module: object = None,
    picture: object = None,
    *,
    position: int | None = None,
    segments: int | None = None,
    channel: int | str = "all",
) -> SceneExplorer:
    """A convolution at work on a picture, position by position: every product, colored by segment,
    and what they add up to.

    ValueError for wrong arguments.

    Args:
        module: any SegmentedConv2d or nn.Conv2d of at most 12 input and 24 output channels, with
            zero padding and dilation 1; None: six edge detectors and blurs.
        picture: an array (height, width) or (height, width, channels), bytes or floats, or an image
            file; it is reduced to a grid of at most 20 pixels a side, less where many products or
            output channels need the room.
        position: counts the output pixels row by row from 1; None: the middle one.
        segments: 1, 2, 3 or 6, where no `module` is given.
        channel: "all", or an output channel from 1.
    """
    if module is not None and segments is not None:
        right = "left out where a module is given: it has its own"
        raise ValueError(f"segments is {segments!r}, but must be {right}")
    convs: dict[int | None, Convolution] = {s: edge_detectors(s) for s in SEGMENTS}
    if module is not None:
        convs = {None: _small(convolution(module))}
    spec = next(iter(convs.values())).spec
    channels = _channels(channel, spec.out_channels)
    whole, names, origin = _maps(picture, spec)
    longest = SIDE
    if module is not None:
        longest = longest_side(spec, *whole.shape[1:], _positions(convs[None]), LONGEST)
    maps = reduced(whole, longest)
    words = _caption(origin, whole.shape[1:], maps.shape[1:], spec)
    out = spec.output_shape(Shape(*maps.shape))
    middle = out.height // 2 * out.width + out.width // 2 + 1
    state: dict[str, object] = {"position": middle if position is None else position}
    choices = {}
    if module is None:
        choices["segments"] = ("Segments", {s: str(s) for s in SEGMENTS})
        state["segments"] = 3 if segments is None else segments
    if len(channels) > 1:
        choices["channel"] = ("Output channel", {c: str(c) for c in channels})
        state["channel"] = channel
    arguments = as_arguments({"module": module, "picture": picture})
    layers = {s: Layer(conv, maps) for s, conv in convs.items()}
    look = partial(views, layers, names, words)
    slider = ("position", "Position")
    return scene_explorer("kernel_explorer", slider, choices, COLUMNS, look, state, arguments)


def edge_detectors(segments: int) -> Convolution:
    """The default module: 6 channels in and out; output o looks for KERNELS[o] in the inputs of its
    segment.

    The same numbers for every number of segments: more segments only take connections away.
    """
    spec = ConvSpec(6, 6, 3, segments=segments)
    kernels = np.array(list(KERNELS.values()), dtype=np.float64)
    kernels /= np.abs(kernels).sum(axis=(1, 2), keepdims=True)
    distance = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    # its own channel most, the others less, signs in turn
    weight = (-0.7) ** distance[:, :, None, None] * kernels[:, None]
    conv = Convolution(spec, np.zeros_like(weight), np.zeros(6))
    for outs, ins in conv.pieces():
        block = np.ix_(outs, ins)
        conv.weight[block] = weight[block]
    return conv


def default_picture() -> np.ndarray:
    """A cat's eye as scikit-image ships it, bytes (84, 84, 3)."""
    return np.asarray(photograph("chelsea").crop((128, 76, 212, 160)))


# ---- what was given, checked ---------------------------------------------------------------------


def _small(conv: Convolution) -> Convolution:
    spec, products = (
        conv.spec,
        int(np.prod(conv.weight.shape[2:])) * sum(len(o) * len(i) for o, i in conv.pieces()),
    )
    for name, count, most in (
        ("in_channels", spec.in_channels, MOST_IN),
        ("out_channels", spec.out_channels, MOST_OUT),
    ):
        if count > most:
            raise ValueError(
                f"module.{name} is {count}, but must be at most {most}: more could not be told"
                " apart"
            )
    if products > MOST_PRODUCTS:
        raise ValueError(
            f"module has {products:,} products a position, but must have at most {MOST_PRODUCTS:,}"
            " to be seen"
        )
    sides = conv.weight.shape[2:]
    widest = max(len(ins) for _, ins in conv.pieces())
    if min(cell_of_all(conv), cell(widest, sides)) < 1:
        raise ValueError(
            f"module has kernels of {times(*sides)} for {spec.in_channels} channels, but must have"
            " fewer or smaller ones: more products do not fit into the picture"
        )
    return conv


def _channels(channel: object, count: int) -> list[int | str]:
    """The choices of output channels: all, and each; where there is one, as it was asked for."""
    if not isinstance(channel, str) or channel != "all":
        channel = checks.integer("channel", channel, at_most=count, because="or 'all'")
    return [channel] if count == 1 else ["all", *range(1, count + 1)]


def _maps(picture: object, spec: ConvSpec) -> tuple[np.ndarray, Sequence[str], str]:
    """The maps that enter, what their channels are called, and what the picture is."""
    channels = spec.in_channels
    if picture is not None:
        rgb = NAMES[:3] if channels == 3 else [""] * channels
        return maps_of(picture, channels), rgb, "Your picture"
    if channels not in (1, 3, 6):
        raise ValueError(
            f"picture is None, but must be an array (height, width, {channels}), as"
            f" module.in_channels is {channels}; the default has 1, 3 or 6 channels"
        )
    color = maps_of(default_picture(), 3)
    light = color.mean(axis=0)
    down, across = np.gradient(light)
    # pixels over which the light changes by so much, where the picture is averaged
    a_cell = len(light) // SIDE
    maps = {1: light[None], 3: color, 6: np.stack([*color, light, across * a_cell, down * a_cell])}
    return maps[channels], {1: NAMES[3:4], 3: NAMES[:3], 6: NAMES}[channels], "A cat's eye"


def _caption(origin: str, whole: Sequence[int], reduced_to: Sequence[int], spec: ConvSpec) -> str:
    """What the maps are: where they come from, how they were reduced, what frames them."""
    words = origin
    if reduced_to != whole:
        words += f", averaged from {times(*whole)} to {times(*reduced_to)}"
    return words + "; frame: padding (zeros)" * any(spec.padding)  # type: ignore[arg-type]


def _positions(conv: Convolution) -> int:
    """How many output positions the table has room for, all output channels and each for itself:
    what a position needs was measured, in characters.
    """
    outs, ins, *kernel = conv.weight.shape
    pieces, places, several = conv.pieces(), int(np.prod(kernel)), outs > 1
    pairs = sum(len(o) * len(i) for o, i in pieces)
    still = 9000 + 1000 * outs
    apiece = 2 + 3 * places * (1 + several)  # each product once in all, and once for its channel
    position = 350 + 25 * len(pieces) + pairs * apiece + ins * (20 + 3 * places)
    return max((ROOM - still) // (position + 245 * outs * several), 1)


def views(
    layers: Mapping[int | None, Layer],
    inputs: Sequence[str],
    caption: str,
    *,
    segments: int | None = None,
    channel: int | str = "all",
) -> list[View]:
    """The views of all positions for one layer (by its number of segments) and one output channel,
    or all.
    """
    layer = layers[segments]
    outputs = [""] * layer.out.channels if segments is None else list(KERNELS)
    look = Look(layer=layer, inputs=inputs, outputs=outputs, caption=caption, channel=channel)
    maps = Maps(look)
    products = AllProducts(look) if len(look.shown) > 1 else OneProducts(look)
    positions = product(range(layer.out.height), range(layer.out.width))
    return [
        _view(look, (row, column), (maps.at(row, column), products.at(row, column)))
        for row, column in positions
    ]


def _view(look: Look, position: tuple[int, int], scenes: Sequence[Scene]) -> View:
    layer, (row, column) = look.layer, position
    kernel, zeros = layer.conv.weight.shape[2:], int(layer.padding[position])
    places, positions = kernel[0] * kernel[1], layer.out.height * layer.out.width
    stop = row * layer.out.width + column + 1
    counts = (look.pairs * places, look.pairs * zeros, layer.macs // positions)
    lies = (
        f"{zeros} of its {places} places are padding" if zeros else "all of it lies on the picture"
    )
    sums = ", ".join(layer.sums_in_words[position][look.shown[0] : look.shown[-1] + 1])
    where = f"window at row {row + 1}, column {column + 1}"
    return View(
        stop=stop,
        short=f"{stop} of {positions}",
        title=f"Output row {row + 1}, column {column + 1}",
        note=f"The {times(*kernel)} window: {lies}",
        values=(
            *(f"{n:,}" for n in counts),
            f"{layer.out.height}×{layer.out.width}",
            f"{layer.macs:,}",
        ),
        scenes=scenes,
        alts=(
            f"{len(layer.maps)} maps enter, {layer.out.channels} leave; {where}",
            f"{counts[0]:,} products; sums: {sums}",
        ),
    )
