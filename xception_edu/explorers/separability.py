"""The separability microscope: a regular kernel, and the nearest that a depthwise separable
convolution can come to it.
"""

from collections.abc import Mapping
from functools import partial
from importlib.resources import as_file, files

import numpy as np
from safetensors import safe_open

from xception_edu import checks
from xception_edu.explorers.convolution import numbers
from xception_edu.explorers.engine.scene_explorer import (
    SceneExplorer,
    View,
    as_arguments,
    scene_explorer,
)
from xception_edu.explorers.separability_panels import Chart, draw_approximation, draw_kernels
from xception_edu.explorers.separated_kernels import Separated
from xception_edu.plots.pieces import counted

# a network that comes with the library (`load_pretrained("digits")`), and the regular convolution
TRAINED = ("weights/digits.safetensors", "conv2.weight")
# of the kernel: 1x1 has nothing to separate, and the depthwise kernels of a larger one could not be
# told apart
SIDES = (2, 5)
COLUMNS = (
    ("Error", "whole kernel, relative"),
    ("Error here", "this input channel"),
    ("Separable", "parameters"),
    ("Regular", "parameters"),
    ("Ratio", "separable : regular"),
)
CHANNELS = ("easiest", "typical", "hardest")


def separability_explorer(
    weight: object = None,
    *,
    multiplier: int = 1,
    kernel: str | None = None,
    channel: str = "typical",
) -> SceneExplorer:
    """A regular convolution's weight and its best approximation by a separable one, as the depth
    multiplier grows.

    ValueError for wrong arguments.

    Args:
        weight: an array or tensor (out, in, k, k), k from 2 to 5; None: a trained network's.
        multiplier: from 1 to k*k, where a separable convolution can be any regular one.
        kernel: "trained" ("given" for your own weight) or "random", of the same size.
        channel: at which input channel to look: the "easiest" to approximate with one kernel, a
            "typical" or the "hardest" one.
    """
    own, words = ("trained", "trained") if weight is None else ("given", "yours")
    given = trained_kernel() if weight is None else regular(weight)
    random = np.random.default_rng(0).normal(size=given.shape)
    found = {own: Separated(given), "random": Separated(random)}
    choices: dict[str, tuple[str, Mapping[object, str]]] = {
        "kernel": ("Kernel", {own: words, "random": "random numbers"}),
        "channel": ("Input channel", {c: c for c in CHANNELS}),
    }
    state = {
        "multiplier": multiplier,
        "kernel": own if kernel is None else kernel,
        "channel": channel,
    }
    arguments = as_arguments({"weight": weight})
    slider = ("multiplier", "Multiplier")
    return scene_explorer(
        "separability_explorer", slider, choices, COLUMNS, partial(views, found), state, arguments
    )


def trained_kernel() -> np.ndarray:
    """The weight (out, in, 3, 3) of the second convolution of a network that was trained, and comes
    with the package.
    """
    name, tensor = TRAINED
    with (
        as_file(files("xception_edu").joinpath(name)) as path,
        safe_open(path, framework="numpy") as file,
    ):
        return regular(file.get_tensor(tensor))


def regular(weight: object) -> np.ndarray:
    """The weight (out, in, k, k) as an array of float64; ValueError if it is none."""
    array = numbers("weight", weight)
    if array.ndim != 4 or not array.size or array.shape[2] != array.shape[3]:
        raise ValueError(
            f"weight has shape {array.shape}, but must be that of a regular convolution: (out, in,"
            " k, k)"
        )
    checks.integer(
        "k",
        array.shape[2],
        at_least=SIDES[0],
        at_most=SIDES[1],
        because=f"weight has shape {array.shape}",
    )
    if not array.any():
        raise ValueError(
            "weight is 0 everywhere, but must have a number that is not: the error is relative to"
            " its size"
        )
    return array


# ---- views ---------------------------------------------------------------------------------------


def views(found: Mapping[str, Separated], *, kernel: str, channel: str) -> list[View]:
    """The views of every depth multiplier, for one kernel and one of its input channels."""
    one, (other,) = found[kernel], [name for name in found if name != kernel]
    at = one.channel(channel)
    words = {"given": "yours"}
    chart = (
        (words.get(kernel, kernel), one.errors),
        (words.get(other, other), found[other].errors),
    )
    return [_view(one, at, m, chart) for m in one.stops]


def _view(one: Separated, at: int, m: int, chart: Chart) -> View:
    error, here, full = one.errors[m], one.error(m, at), one.side**2
    params, ratio = one.params(m), one.params(m) / one.regular_params
    size = f"{one.side}×{one.side}"
    kernels = counted(m, "depthwise kernel")
    enough = min(full, one.out)
    note = (
        f"The nearest to the regular one; it keeps {1 - error**2:.0%} of the weights' sum of"
        " squares"
    )
    if m >= enough:
        note = f"Nothing is lost: {enough} kernels can be mixed to " + (
            f"any {size} kernel" if enough == full else "all outputs'"
        )
    return View(
        stop=m,
        short=f"{m} of {full}",
        title=f"{kernels} for each input channel",
        note=note,
        values=(
            f"{error:.1%}",
            f"{here:.1%}",
            f"{params:,}",
            f"{one.regular_params:,}",
            f"{ratio:.2f}",
        ),
        scenes=(draw_kernels(one, at, m), draw_approximation(one, at, m, chart)),
        alts=(
            f"Kernels of input channel {at + 1}, and rebuilt from {kernels}: error {here:.1%}",
            f"The depthwise {'kernel' if m == 1 else 'kernels'}; over all channels the error is"
            f" {error:.1%}, with {params:,} parameters",
        ),
    )
