"""The kernel microscope: every product of one output pixel, weight times input, and the sums that
they give.
"""

from collections.abc import Sequence
from functools import partial
from importlib.resources import files

import numpy as np
from PIL import Image

from xception_edu import checks
from xception_edu.explorers.convolution import (
    Convolution,
    convolution,
    longest_side,
    maps_of,
    reduced,
)
from xception_edu.explorers.engine.scene_explorer import (
    SceneExplorer,
    View,
    as_arguments,
    scene_explorer,
)
from xception_edu.explorers.kernel_views import COLUMNS, Look
from xception_edu.specs import ConvSpec, Shape

SEGMENTS = (1, 2, 3, 6)  # of the default module's 6 channels
SIDE = 7  # pixels of the default picture
LONGEST = 20  # pixels a side of any picture, so that they can be told apart
# channels, and products a position, that there is room for
MOST_IN, MOST_OUT, MOST_PRODUCTS = 12, 24, 1500
# output channels that can be chosen to look at; one of the default module's, whose table is long
# already
CHANNELS = 6
ROOM = 490_000  # characters of the table, of the 600,000 that it may have; numbers take the rest
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
            file; it is reduced to a grid of at most 20 pixels a side, less where many products need
            the room.
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
    channels = _channels(channel, spec.out_channels, 1 if module is None else CHANNELS)
    whole, names, origin = _maps(picture, spec)
    longest = SIDE
    if module is not None:
        room = _positions(convs[None], len(channels))
        longest = longest_side(spec, *whole.shape[1:], room, LONGEST)
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
    given = {"module": module, "picture": picture}
    arguments = as_arguments({name: value for name, value in given.items() if value is not None})
    look = partial(views, convs, maps, names, words)
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
    with Image.open(str(files("skimage").joinpath("data/chelsea.png"))) as image:
        return np.asarray(image.convert("RGB").crop((128, 76, 212, 160)))


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
    return conv


def _channels(channel: object, count: int, most: int) -> list[int | str]:
    """The choices of output channels: all, and some evenly from the first on, `most` of them; the
    one asked for in any case.
    """
    if not isinstance(channel, str) or channel != "all":
        channel = checks.integer("channel", channel, at_most=count, because="or 'all'")
    if count == 1:
        return ["all"] if channel == "all" else [1]
    some = {1 + i * count // most for i in range(min(most, count))}
    if isinstance(channel, int):
        some = {channel} if most == 1 else some | {channel}
    return ["all", *sorted(some)]


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
        words += f", averaged from {_size(whole)} to {_size(reduced_to)}"
    return words + "; frame: padding (zeros)" * any(spec.padding)  # type: ignore[arg-type]


def _size(sides: Sequence[int]) -> str:
    return "×".join(map(str, sides))


def _positions(conv: Convolution, choices: int) -> int:
    """How many output positions the table has room for: what a position needs was measured, in
    characters.
    """
    outs, ins, *kernel = conv.weight.shape
    pieces, places = conv.pieces(), int(np.prod(kernel))
    still = choices * (4000 + 300 * (ins + outs))
    together = (
        400
        + 34 * ins
        + 130 * outs
        + 40 * len(pieces)
        + 4 * places * sum(len(o) * len(i) for o, i in pieces)
    )
    seen = max(len(i) for _, i in pieces)
    alone = 520 + (100 + 10 * places) * seen
    return max((ROOM - still) // (together + (choices - 1) * alone if outs > 1 else alone), 1)


def views(
    convs: dict[int | None, Convolution],
    maps: np.ndarray,
    inputs: Sequence[str],
    caption: str,
    *,
    segments: int | None = None,
    channel: int | str = "all",
) -> list[View]:
    """The views of all positions for one module (of `convs`, by its number of segments) and one
    output channel, or all.
    """
    conv = convs[segments]
    outputs = [""] * len(conv.weight) if segments is None else list(KERNELS)
    return Look(
        conv=conv, maps=maps, inputs=inputs, outputs=outputs, caption=caption, channel=channel
    ).views()
