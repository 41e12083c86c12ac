"""The pictures of `order_explorer`: maps of real numbers in both orders, and what becomes of the
order in a stack.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image

from xception_edu.explorers.engine.scene import Scene
from xception_edu.explorers.numpy_convolutions import Array
from xception_edu.plots.style import SIGNS

MAP_SIDE = 19  # pixels of a map, as in Xception's middle flow
ZOOM = 5
MAP = MAP_SIDE * ZOOM  # pixels on the page
ROW, TOP = MAP + ZOOM, 36
WIDTH, HEIGHT = 376, TOP + 3 * ROW - ZOOM  # as wide as a phone
STACK_HEIGHT = 78
MOST = 1.5  # what is painted in the full color; more looks the same
LEVELS = 7  # of each sign
CHANNELS = "RGB"
NAMES = {"none": "", "relu": " and ReLU", "elu": " and ELU"}


# ---- maps as PNG ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Run:
    """One order at work: maps (3, 19, 19) after the first step, after the activation, and after the
    second step.
    """

    first: Array
    between: Array
    output: Array

    @property
    def zeroed(self) -> float:
        """Share of the values that the activation set to 0."""
        return float(((self.first != 0) & (self.between == 0)).mean())


def _ramp() -> tuple[list[int], list[int]]:
    """The 15 colors of a map, purple below 0 and green above it, and how opaque each is: 0 is what
    the page is, white or dark.
    """
    below, above = (to_rgb(SIGNS[sign]) for sign in ("minus", "plus"))
    colors = [below] * LEVELS + [above] * (LEVELS + 1)
    opaque = np.abs(np.arange(-LEVELS, LEVELS + 1)) / LEVELS
    return np.round(255 * np.array(colors)).astype(int).ravel().tolist(), [
        round(255 * share) for share in opaque
    ]


def signed_png(maps: Sequence[np.ndarray]) -> bytes:
    """Maps under each other, a pixel apart, their numbers as colors: clear is 0, green above,
    purple below.
    """
    steps = [np.clip(np.round(values / MOST * LEVELS), -LEVELS, LEVELS) + LEVELS for values in maps]
    return _png(steps, *_ramp())


def grey_png(maps: Sequence[np.ndarray]) -> bytes:
    """Maps under each other, a pixel apart, their numbers from -1 to 1 as 15 greys, black to
    white.
    """
    steps = [np.round((values + 1) * LEVELS) for values in maps]
    return _png(steps, [17 * level for level in range(15) for _ in range(3)], [255] * 15)


def _png(maps: Sequence[np.ndarray], colors: Sequence[int], opaque: Sequence[int]) -> bytes:
    """Maps of numbers of colors, 0 to 14, and how opaque each is; what is between the maps is
    clear.
    """
    clear = 2 * LEVELS + 1
    spaced = np.concatenate(
        [np.pad(levels, ((0, 1), (0, 0)), constant_values=clear) for levels in maps]
    )[:-1]
    image = Image.fromarray(spaced.astype(np.uint8), "P")
    image.putpalette([*colors, 255, 255, 255])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", bits=4, optimize=True, transparency=bytes([*opaque, 0]))
    return buffer.getvalue()


# ---- the two orders ------------------------------------------------------------------------------


def spatial_first(
    x: np.ndarray, kernels: np.ndarray, run: "Run", weight: np.ndarray, activation: str
) -> Scene:
    """Input, after the 3x3 (and the activation), output; the weights between the columns."""
    heads = {0: "input, −1 to 1", 136: f"after 3×3{NAMES[activation]}", 281: "output"}
    scene = _page("3×3 first, then 1×1: Xception, Keras", heads)
    scene.image(grey_png(x), 0, TOP, MAP, 3 * ROW - ZOOM)
    for row, name in enumerate(CHANNELS):
        scene.text(name, 8, TOP + row * ROW + 11, bold=True, halo=True)
        _kernel(scene, kernels[row], 100, row)
    _maps(scene, run.between, 136)
    _shares(scene, weight, 234)
    _maps(scene, run.output, 281)
    return scene


def pointwise_first(
    kernels: np.ndarray, run: "Run", weight: np.ndarray, activation: str, difference: np.ndarray
) -> Scene:
    """After the 1x1 (and the activation), output, and how far it is from the other order's
    output.
    """
    scene = _page(
        "1×1 first: Inception",
        {47: f"after 1×1{NAMES[activation]}", 179: "output", 281: "difference"},
    )
    words = "green above 0, purple below, clear at 0"
    scene.text(words, WIDTH, 9, size="small", color="quiet", anchor="end")
    for row in range(3):
        _kernel(scene, kernels[row], 145, row)
    _shares(scene, weight, 0)
    for values, x in ((run.between, 47), (run.output, 179), (difference, 281)):
        _maps(scene, values, x)
    return scene


def _page(title: str, heads: Mapping[int, str]) -> Scene:
    """A title, and for each column its name and a frame for its maps."""
    scene = Scene(WIDTH, HEIGHT)
    scene.text(title, 0, 9, bold=True)
    for x, words in heads.items():
        scene.text(words, x, 26, size="small", color="quiet")
        scene.rect("paper", x - 1, TOP - 1, MAP + 2, 3 * ROW - ZOOM + 2, edge="line")
    return scene


def _maps(scene: Scene, maps: np.ndarray, x: float) -> None:
    scene.image(signed_png(maps), x, TOP, MAP, 3 * ROW - ZOOM)


def _kernel(scene: Scene, kernel: np.ndarray, x: float, row: int) -> None:
    """The 3x3 of a row's channel, its largest weight in the full color."""
    middle = TOP + row * ROW + MAP / 2
    scene.text("3×3", x + 15.5, middle - 26, size="small", anchor="middle", color="quiet")
    scene.rect("depthwise", x, middle - 15.5, 31, 31)
    scene.rect("paper", x + 2, middle - 13.5, 27, 27)
    scene.image(signed_png([kernel * MOST / np.abs(kernel).max()]), x + 2, middle - 13.5, 27, 27)


def _shares(scene: Scene, weight: np.ndarray, x: float) -> None:
    """The 1x1: beside each row the shares of the three channels in that output channel."""
    middles = [TOP + row * ROW + MAP / 2 for row in range(3)]
    for y in middles:
        scene.text("1×1", x + 28, y - 36, size="small", anchor="middle", color="quiet")
        scene.rect("pointwise", x, y - 26, 3, 52)
    for shares, y in zip(weight, middles, strict=True):
        for i, share in enumerate(shares):
            number = f"{share:+.1f}".replace("-", "−") if share else "0"
            color, at = "ink" if share else "quiet", (x + 43, y + (i - 1) * 17)
            scene.text(f"{number} {CHANNELS[i]}", *at, size="small", anchor="end", color=color)


# ---- the stack -----------------------------------------------------------------------------------


def stack(title: str, steps: str, activation: str, apart: float, *, regrouped: bool) -> Scene:
    """Three modules in a row, P a 1x1 and D a 3x3: brackets above are modules, brackets below the
    same steps cut elsewhere.
    """
    scene = Scene(WIDTH, STACK_HEIGHT)
    scene.text(title, 0, 8, bold=True)
    pitch, width, y = 62, 46, 29
    for i, step in enumerate(steps * 3):
        x = 7 + i * pitch
        scene.rect("pointwise" if step == "P" else "depthwise", x, y, width, 20)
        scene.text(
            "1×1" if step == "P" else "3×3",
            x + width / 2,
            y + 10,
            color="light" if step == "P" else "dark",
            anchor="middle",
        )
        if i < 5:
            scene.line("quiet", (x + width, y + 10, x + pitch, y + 10))
        if i % 2 == 0:
            _bracket(scene, x, x + pitch + width, y - 4, -5)
            if activation != "none":
                scene.rect("elementwise", x + width + 5, y + 1, 6, 18)
        elif regrouped and i < 5:
            _bracket(scene, x, x + pitch + width, y + 24, 5)
    words = "the same weights, each pair swapped"
    if regrouped:
        ends = (
            " and two ends" if activation == "none" else f", {NAMES[activation][5:]} between them"
        )
        words = f"below: separable convolutions{ends}"
    scene.text(words, 7, STACK_HEIGHT - 7, size="small", color="quiet")
    scene.text(
        f"outputs differ by {apart:.2f}" if apart else "outputs differ by 0", WIDTH, 8, anchor="end"
    )
    return scene


def _bracket(scene: Scene, left: float, right: float, y: float, high: float) -> None:
    scene.line("ink", (left, y, left, y + high, right, y + high, right, y), width=1.5)
