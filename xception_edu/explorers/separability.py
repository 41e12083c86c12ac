"""The separability microscope: a regular kernel, and the nearest that a depthwise separable
convolution can come to it.
"""

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from importlib.resources import as_file, files

import numpy as np
from safetensors import safe_open

from xception_edu import checks
from xception_edu.costs import total
from xception_edu.explorers.convolution import numbers
from xception_edu.explorers.engine.scene import CHOSEN, Scene
from xception_edu.explorers.engine.scene_explorer import SceneExplorer, View, scene_explorer
from xception_edu.explorers.engine.tiles import NEGATIVE, POSITIVE, grid, signed, tiles
from xception_edu.specs import ConvSpec, Shape

# a network that comes with the library (`load_pretrained("digits")`), and the regular convolution
TRAINED = ("weights/digits.safetensors", "conv2.weight")
# of the kernel: 1x1 has nothing to separate, and the depthwise kernels of a larger one could not be
# told apart
SIDES = (2, 5)
CELLS = 576  # of the kernels that are shown of one input channel: at 3x3 those of 64 outputs
COLUMNS = (
    ("Error", "whole kernel, relative"),
    ("Error here", "this input channel"),
    ("Separable", "parameters"),
    ("Regular", "parameters"),
    ("Ratio", "separable : regular"),
)
CHANNELS = ("easiest", "typical", "hardest")
WIDTH, HEIGHT = 390, 392  # pixels of a panel
# colors: of the regular convolution, and of the depthwise kernels and what they give
BEFORE, AFTER = "spatial", "depthwise"


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
    arguments = "" if weight is None else ", weight=weight"
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


class Separated:
    """A regular kernel (out, in, k, k) and its singular values, input channel by input channel.

    Output o of a separable convolution sees input c through sum_m mixing[o, c, m] * kernels[c, m]:
    as a matrix (out, k*k), of rank m at most. The nearest such matrix is the singular value
    decomposition, cut off after m.
    """

    def __init__(self, weight: np.ndarray):
        self.weight = weight
        self.out, self.channels, self.side, _ = weight.shape
        u, s, vh = np.linalg.svd(
            weight.transpose(1, 0, 2, 3).reshape(self.channels, self.out, -1), full_matrices=False
        )
        # (in, rank, 1)
        first = np.take_along_axis(vh, np.abs(vh).argmax(axis=2)[:, :, None], axis=2)
        # of a pair of factors any sign will do: the largest number positive
        sign = np.where(first < 0, -1.0, 1.0)
        root = np.sqrt(s)
        self.kernels = (sign * root[:, :, None] * vh).reshape(
            self.channels, -1, self.side, self.side
        )
        self.mixing = (u * (sign[:, :, 0] * root)[:, None]).transpose(1, 0, 2)  # (out, in, rank)
        # of each kernel
        self.shares = s**2 / (
            (s**2).sum(axis=1, keepdims=True) + (s.sum(axis=1, keepdims=True) == 0)
        )

    @property
    def stops(self) -> range:
        return range(1, self.side**2 + 1)

    def rebuilt(self, multiplier: int) -> np.ndarray:
        """The nearest (out, in, k, k) that a separable convolution with this depth multiplier can
        be.
        """
        return np.einsum(
            "ocm,cmij->ocij", self.mixing[:, :, :multiplier], self.kernels[:, :multiplier]
        )

    def error(self, multiplier: int, channel: int | None = None) -> float:
        """What is missing, relative to the kernel: roots of sums of squares (Frobenius norms); of
        one input channel, or all.
        """
        at = slice(None) if channel is None else slice(channel, channel + 1)
        left, whole = self.weight[:, at] - self.rebuilt(multiplier)[:, at], self.weight[:, at]
        return float(np.linalg.norm(left) / (np.linalg.norm(whole) or 1))

    @cached_property
    def errors(self) -> list[float]:
        """The error of every multiplier from 0 on, over all channels."""
        return [1.0, *(self.error(m) for m in self.stops)]

    def channel(self, which: str) -> int:
        """The input channel that loses least, middling or most with one depthwise kernel."""
        order = np.argsort([self.error(1, c) for c in range(self.channels)], kind="stable")
        return int(order[{"easiest": 0, "typical": (self.channels - 1) // 2, "hardest": -1}[which]])

    def params(self, multiplier: int) -> int:
        """Parameters of the separable convolution; each works once an output position, so MACs
        compare alike.
        """
        c, shape = self.channels, Shape(self.channels, self.side, self.side)
        depthwise = ConvSpec(c, c * multiplier, self.side, segments=c)
        pointwise = ConvSpec(c * multiplier, self.out, 1)
        return total([(depthwise, shape), (pointwise, depthwise.output_shape(shape))]).params

    @cached_property
    def regular_params(self) -> int:
        return total(
            [
                (
                    ConvSpec(self.channels, self.out, self.side),
                    Shape(self.channels, self.side, self.side),
                )
            ]
        ).params


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


def _view(one: Separated, at: int, m: int, chart: tuple) -> View:
    error, here, full = one.errors[m], one.error(m, at), one.side**2
    params, ratio = one.params(m), one.params(m) / one.regular_params
    size = f"{one.side}×{one.side}"
    plural = "s" * (m > 1)
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
        title=f"{m} depthwise kernel{plural} for each input channel",
        note=note,
        values=(
            f"{error:.1%}",
            f"{here:.1%}",
            f"{params:,}",
            f"{one.regular_params:,}",
            f"{ratio:.2f}",
        ),
        scenes=(_kernels(one, at, m), _approximation(one, at, m, chart)),
        alts=(
            (
                f"Kernels of input channel {at + 1}, and rebuilt from {m} depthwise kernel{plural}:"
                f" error {here:.1%}"
            ),
            (
                f"The depthwise kernel{plural}; over all channels the error is {error:.1%}, with"
                f" {params:,} parameters"
            ),
        ),
    )


def _kernels(one: Separated, at: int, m: int) -> Scene:
    """The kernels of one input channel as they are, and below as they are rebuilt."""
    scene = Scene(WIDTH, HEIGHT)
    shown = min(one.out, CELLS // one.side**2 if one.side < 4 else 16)
    some = f"{shown} of the {one.out}" if shown < one.out else f"the {one.out}"
    half = HEIGHT // 2 - 12
    scene.text(f"Input channel {at + 1} of {one.channels}: {some} regular kernels", 0, 8, bold=True)
    _legend(scene)
    most = float(np.abs(one.weight[:, at]).max())
    _sheet(scene, one.weight[:shown, at], 22, half - 22, most)
    scene.text(f"Rebuilt from {m} depthwise kernel{'s' * (m > 1)}", 0, half + 8, bold=True)
    scene.text(f"error {one.error(m, at):.1%}", WIDTH - 2, half + 8, anchor="end")
    _sheet(scene, one.rebuilt(m)[:shown, at], half + 22, half - 22, most)
    return scene


def _sheet(scene: Scene, kernels: np.ndarray, top: int, height: int, most: float) -> None:
    """Kernels (n, k, k) side by side in rows, each with a border."""
    count, k, _ = kernels.shape
    place = tiles(count, k, k, left=1, top=top, width=WIDTH - 2, height=height, gap=0, most=24)
    across = sum(y == top for _, y in place.corners)
    rows = -(-count // across)
    sheet = np.zeros((rows * across, k, k))
    sheet[:count] = kernels
    sheet = sheet.reshape(rows, across, k, k).transpose(0, 2, 1, 3)
    scene.cells(1, top, place.pitch, across * k, *signed(sheet, most))
    scene.line("ink", *grid(place.pitch, 1, top, across * k, rows * k, k, k), width=2, opacity=0.6)


def _legend(scene: Scene) -> None:
    y = HEIGHT - 7
    scene.rect(POSITIVE, 13, y - 5, 10, 10)
    scene.text("above 0", 28, y, size="small")
    scene.rect(NEGATIVE, 92, y - 5, 10, 10)
    scene.text("below 0; the stronger, the larger", 106, y, size="small")


def _approximation(one: Separated, at: int, m: int, chart: tuple) -> Scene:
    """The depthwise kernels of one input channel, the error of every multiplier, and the
    parameters.
    """
    scene = Scene(WIDTH, HEIGHT)
    k, full = one.side, one.side**2
    place = tiles(full, k, k, left=1, top=22, width=WIDTH - 2, height=66, gap=6, most=12)
    scene.text("Its depthwise kernels, and what each keeps", 0, 8, bold=True)
    for i, (x, y) in enumerate(place.corners):
        scene.line("line", *grid(place.pitch, x, y, k, k, k, k))
        if full <= 9 and i < one.shares.shape[1]:
            scene.text(
                f"{one.shares[at, i]:.0%}",
                x + k * place.pitch / 2,
                y + k * place.pitch + 9,
                size="small",
                anchor="middle",
            )
        scene.click(i + 1, x, y, k * place.pitch, k * place.pitch, f"{i + 1}")
    spot = _chart(scene, full, chart)
    bar = _parameters(scene, one)
    for kernel, (x, y) in zip(one.kernels[at, :m], place.corners, strict=False):
        scene.cells(x, y, place.pitch, k, *signed(kernel, float(np.abs(one.kernels[at]).max())))
    scene.dot(CHOSEN, *spot(m, one.errors[m]), 6)
    scene.dot("paper", *spot(m, one.errors[m]), 3)
    x, y = spot(m, one.errors[m])
    scene.text(f"{one.errors[m]:.1%}", min(x + 8, WIDTH - 46), y - 12, bold=True, halo=True)
    bar(one.params(m), 1)
    return scene


def _chart(scene: Scene, full: int, chart: tuple) -> Callable[[int, float], tuple[float, float]]:
    """Paint error against multiplier for both kernels; gives the function from the two to
    pixels.
    """
    left, right, top, bottom = 40, WIDTH - 20, 128, 262

    def spot(m: int, error: float) -> tuple[float, float]:
        return left + m * (right - left) / full, bottom - error * (bottom - top)

    scene.text("Error of the whole kernel", 0, top - 20, bold=True)
    for error in (0, 0.5, 1):
        scene.line("line", (*spot(0, error), *spot(full, error)))
        scene.text(
            f"{error:.0%}", left - 6, spot(0, error)[1], color="quiet", size="small", anchor="end"
        )
    for m in range(0, full + 1, 1 if full <= 9 else 5):
        scene.text(f"{m}", spot(m, 0)[0], bottom + 10, color="quiet", size="small", anchor="middle")
    scene.text("depth multiplier", right, bottom + 24, color="quiet", size="small", anchor="end")
    for (name, errors), color, dash, y in zip(
        chart, ("ink", "quiet"), (False, True), (top + 12, top + 28), strict=True
    ):
        scene.line(
            color, [n for m, error in enumerate(errors) for n in spot(m, error)], width=2, dash=dash
        )
        scene.line(color, (right - 110, y, right - 84, y), width=2, dash=dash)
        scene.text(name, right - 78, y, size="small")
    for m in range(1, full + 1):
        wide = (right - left) / full
        scene.click(m, spot(m, 0)[0] - wide / 2, top, wide, bottom - top, f"{m}")
    return spot


def _parameters(scene: Scene, one: Separated) -> Callable[[int, int], None]:
    """Paint the regular convolution's parameters as a bar; gives the function that paints the
    separable one's below.
    """
    left, wide, top = 62, 250, 310
    most = max(one.regular_params, one.params(one.side**2))

    def bar(params: int, row: int) -> None:
        long, y = params / most * wide, top + 20 + row * 20
        scene.rect((BEFORE, AFTER)[row], left, y - 6, long, 12)
        scene.text(f"{params:,}", left + long + 5, y, size="small")

    scene.text("Parameters", 0, top, bold=True)
    fewer = [m for m in one.stops if one.params(m) < one.regular_params]
    told = (
        f"fewer than regular up to multiplier {fewer[-1]}"
        if fewer
        else "never fewer than the regular one's"
    )
    scene.text(told, WIDTH - 2, top, color="quiet", size="small", anchor="end")
    for row, name in enumerate(("regular", "separable")):
        scene.text(name, 0, top + 20 + row * 20, size="small")
    bar(one.regular_params, 0)
    scene.line(
        "line",
        (
            left + one.regular_params / most * wide,
            top + 28,
            left + one.regular_params / most * wide,
            top + 48,
        ),
    )
    return bar
