"""Which comes first, and what is between: a 1x1 and a 3x3 in both orders on a photograph, with the
same weights.
"""

from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from PIL import Image

from xception_edu.architectures import ModuleConfig, module
from xception_edu.costs import Cost, total
from xception_edu.explorers import order_panels
from xception_edu.explorers.convolution import maps_of
from xception_edu.explorers.engine.scene_explorer import (
    SceneExplorer,
    View,
    as_arguments,
    scene_explorer,
)
from xception_edu.explorers.numpy_convolutions import Array, activate, depthwise, pointwise
from xception_edu.explorers.order_panels import MAP_SIDE, Run
from xception_edu.explorers.photographs import photograph
from xception_edu.specs import Shape

ACTIVATIONS = {"none": "nothing", "relu": "ReLU", "elu": "ELU"}
KERNELS = {"own": "one a channel", "same": "the same for all"}
STOPS = range(0, 101, 10)  # percent
CUP = (150, 20, 510, 380)  # left, top, right and bottom of the cup in the photograph, in pixels
VERTICAL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]) / 4  # edges between left and right
BLUR = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
# the 1x1 at 100 percent: rows are output channels
MIXED = np.array([[0, 1, 1], [1, 0, -1], [1, -1, 1]], dtype=float)
STACK = 3  # modules
# what enters Xception's second block, whose first separable convolution makes 256 channels
LAYER = Shape(128, 74, 74)
WIDER = 256
COLUMNS = (
    ("Weights, 3 → 3", "3×3 first | 1×1 first"),
    ("Weights, 128 → 256", "3×3 first | 1×1 first"),
    ("Million MACs, 128 → 256", "of a 74×74 map"),
    ("Set to 0 in between", "3×3 first | 1×1 first"),
    ("The orders differ by", "the largest, of the largest output"),
)


def order_explorer(
    picture: object = None, *, mixing: int = 100, activation: str = "none", kernels: str = "own"
) -> SceneExplorer:
    """One 1x1 and one 3x3 per channel, in both orders on the same photograph (Sections 1.2 and
    4.7): every map, the difference of the outputs, and what both orders cost.

    ValueError for wrong arguments.

    Args:
        picture: an array (height, width, 3), bytes or floats from 0 to 1, or an image file; its
            middle square is reduced to 19x19 pixels. None: a cup of coffee.
        mixing: how far the 1x1 is from leaving each channel as it is, 0 to 100 percent, a multiple
            of 10.
        activation: what lies between the two steps: "none", "relu" or "elu".
        kernels: "own", a 3x3 for each channel, or "same", one for all.
    """
    choices = {"activation": ("In between", ACTIVATIONS), "kernels": ("3×3 kernels", KERNELS)}
    state = {"mixing": mixing, "activation": activation, "kernels": kernels}
    make, given = _views_of_the_cup, ""
    if picture is not None:
        make, given = partial(views, square_of(picture)), as_arguments({"picture": picture})
    return scene_explorer(
        "order_explorer", ("mixing", "Mixing"), choices, COLUMNS, make, state, given
    )


# ---- the two orders in numbers -------------------------------------------------------------------


@cache
def photo() -> Array:
    """A cup of coffee from a photograph that scikit-image ships, reduced to 19x19: (3, 19, 19),
    red, green and blue.

    From -1 (dark) to 1 (bright), as Xception takes photographs.
    """
    side = (MAP_SIDE, MAP_SIDE)
    cup = photograph("coffee").resize(side, Image.Resampling.BOX, box=CUP)
    return np.asarray(cup).transpose(2, 0, 1) / 127.5 - 1


def square_of(picture: object) -> Array:
    """The middle square of a learner's picture as maps (3, 19, 19) from -1 (dark) to 1 (bright)."""
    maps = maps_of(picture, 3)
    low, high = float(maps.min()), float(maps.max())
    if low < 0 or high > 1:
        has = f"picture has values from {low:.3g} to {high:.3g}"
        raise ValueError(f"{has}, but must have bytes, or floats from 0 to 1")
    _, height, width = maps.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    images = [
        Image.fromarray(one[top : top + side, left : left + side].astype(np.float32))
        for one in maps
    ]
    small = [image.resize((MAP_SIDE, MAP_SIDE), Image.Resampling.BOX) for image in images]
    return np.stack([np.asarray(one, dtype=np.float64) for one in small]) * 2 - 1


def spatial_kernels(kernels: str) -> Array:
    """The 3x3 of each channel, (3, 3, 3): two kinds of edges and a blur, or the first for all."""
    return np.stack([VERTICAL, VERTICAL.T, BLUR] if kernels == "own" else [VERTICAL] * 3)


def mixing_weight(mixing: int) -> Array:
    """The 1x1's weight (3, 3), row o the shares of the input channels in output o: from the
    identity to `MIXED`.
    """
    share = mixing / 100
    return (1 - share) * np.eye(3) + share * MIXED


def run(x: Array, mixing: int, activation: str, kernels: str, *, spatial_first: bool) -> Run:
    """One module on x (3, H, W)."""
    large, one = (
        partial(depthwise, kernels=spatial_kernels(kernels)),
        partial(pointwise, weight=mixing_weight(mixing)),
    )
    begin, end = (large, one) if spatial_first else (one, large)
    first = begin(x)
    between = activate(first, activation)
    return Run(first=first, between=between, output=end(between))


@dataclass(frozen=True, kw_only=True)
class Stacks:
    """Outputs of three modules in a row: as Inception has them, the same steps cut elsewhere, and
    swapped in each module.
    """

    inception: Array
    cut_elsewhere: Array
    swapped: Array


def stacks(x: Array, mixing: int, activation: str, kernels: str) -> Stacks:
    """Three modules on x in three ways; all modules have the same weights."""
    large, one = (
        partial(depthwise, kernels=spatial_kernels(kernels)),
        partial(pointwise, weight=mixing_weight(mixing)),
    )
    inception = swapped = x
    for _ in range(STACK):
        inception = large(activate(one(inception), activation))
        swapped = one(activate(large(swapped), activation))
    cut = one(x)  # left over at the front
    for _ in range(STACK - 1):
        # a separable convolution, behind the activation
        cut = one(large(activate(cut, activation)))
    return Stacks(
        inception=inception, cut_elsewhere=large(activate(cut, activation)), swapped=swapped
    )


def largest(a: Array, b: Array) -> float:
    """Largest difference of any two values in the same place; 0 also where rounding alone parts
    them.
    """
    apart = float(np.abs(a - b).max())
    return apart if apart > 1e-12 else 0.0


# ---- what they cost ------------------------------------------------------------------------------


def cost(order: str, shape: Shape, out_channels: int) -> Cost:
    """What a 1x1 and a 3x3 per channel cost in an order ("spatial_first", "pointwise_first") on an
    input of `shape`.
    """
    width = shape.channels if order == "spatial_first" else out_channels
    return total(module(ModuleConfig(shape.channels, out_channels, width, order=order), shape))


def _costs() -> tuple[str, str, str]:
    """The readouts of weights and MACs: in each, 3x3 first and then 1x1 first."""
    small = [
        cost(order, Shape(3, MAP_SIDE, MAP_SIDE), 3)
        for order in ("spatial_first", "pointwise_first")
    ]
    wide = [cost(order, LAYER, WIDER) for order in ("spatial_first", "pointwise_first")]
    return (
        " | ".join(f"{one.params:,}" for one in small),
        " | ".join(f"{one.params:,}" for one in wide),
        " | ".join(f"{one.macs / 1e6:,.1f}" for one in wide),
    )


# ---- the views -----------------------------------------------------------------------------------


@cache  # pure, and made anew by every explorer
def _views_of_the_cup(activation: str, kernels: str) -> list[View]:
    return views(photo(), activation, kernels)


def views(x: Array, activation: str, kernels: str) -> list[View]:
    """The views of every mixing of maps x (3, 19, 19), for what is in between and the kernels."""
    costs = _costs()
    return [_view(x, mixing, activation, kernels, costs) for mixing in STOPS]


def _view(x: Array, mixing: int, activation: str, kernels: str, costs: tuple[str, ...]) -> View:
    large_first, one_first = (
        run(x, mixing, activation, kernels, spatial_first=first) for first in (True, False)
    )
    apart = largest(large_first.output, one_first.output)
    reach = max(float(np.abs(r.output).max()) for r in (large_first, one_first))
    row = stacks(x, mixing, activation, kernels)
    cut, swapped = largest(row.inception, row.cut_elsewhere), largest(row.inception, row.swapped)
    three, weight = spatial_kernels(kernels), mixing_weight(mixing)
    same = "give different outputs" if apart else "give the same output"
    return View(
        stop=mixing,
        short=f"{mixing} %",
        title=f"Mixing {mixing} %, {ACTIVATIONS[activation]} in between: the two orders {same}",
        note=_note(mixing, activation, kernels, large_first, one_first),
        values=(
            *costs,
            f"{large_first.zeroed:.0%} | {one_first.zeroed:.0%}",
            f"{apart:.2f} of {reach:.2f}" if apart else "0",
        ),
        scenes=(
            order_panels.spatial_first(x, three, large_first, weight, activation),
            order_panels.pointwise_first(
                three, one_first, weight, activation, large_first.output - one_first.output
            ),
            order_panels.stack(
                "Three modules, cut elsewhere", "PD", activation, cut, regrouped=True
            ),
            order_panels.stack(
                "Three modules, swapped in each", "DP", activation, swapped, regrouped=False
            ),
        ),
        alts=_alts(mixing, activation, apart, cut, swapped),
    )


def _alts(
    mixing: int, activation: str, apart: float, cut: float, swapped: float
) -> tuple[str, str, str, str]:
    """The four panels in words."""
    after = {"none": "3×3", "relu": "3×3 and ReLU", "elu": "3×3 and ELU"}[activation]
    return (
        f"3×3 first, maps of three channels: red, green and blue; after the {after}; after a 1×1"
        f" with mixing {mixing} %",
        "1×1 first, maps of three channels: after the 1×1, after the 3×3, and the difference,"
        f" {apart:.2f} at most",
        "Three 1×1 and 3×3 in turn, bracketed as modules and as separable convolutions: outputs"
        f" differ by {cut:.2f}",
        f"Three 3×3 and 1×1 in turn: outputs differ from those of 1×1 first by {swapped:.2f}",
    )


def _note(mixing: int, activation: str, kernels: str, large_first: Run, one_first: Run) -> str:
    """Why the orders differ here, or do not."""
    if activation == "relu":
        lost = (
            f"ReLU sets what is below 0 to 0: {large_first.zeroed:.0%} after the 3×3,"
            f" {one_first.zeroed:.0%} after the 1×1."
        )
        return f"{lost} The second step never sees it."
    if activation == "elu":
        return (
            "ELU squeezes what is below 0 to between −1 and 0. Nothing is set to 0, but the two"
            " steps are not linear."
        )
    if not mixing:
        return "The 1×1 leaves each channel as it is: nothing to swap."
    if kernels == "same":
        return "All channels have the same 3×3: it is the same to mix them before it or after."
    return (
        "3×3 first: each input channel has a 3×3 of its own. 1×1 first: each output channel has"
        " one, over what is mixed."
    )
