"""The two panels of the separability microscope: kernels as they are and rebuilt, and the depthwise
kernels with the error and the parameters of every multiplier.
"""

from collections.abc import Callable, Sequence

import numpy as np

from xception_edu.explorers.engine.scene import CHOSEN, Scene
from xception_edu.explorers.engine.tiles import NEGATIVE, POSITIVE, grid, signed, tiles
from xception_edu.explorers.separated_kernels import Separated
from xception_edu.plots.pieces import counted

CELLS = 576  # of the kernels that are shown of one input channel: at 3x3 those of 64 outputs
WIDTH, HEIGHT = 390, 392  # pixels of a panel
# colors: of the regular convolution, and of the depthwise kernels and what they give
BEFORE, AFTER = "spatial", "depthwise"
Chart = Sequence[tuple[str, Sequence[float]]]  # a name and the errors of every multiplier, from 0


def draw_kernels(one: Separated, at: int, m: int) -> Scene:
    """The kernels of one input channel as they are, and below as they are rebuilt."""
    scene = Scene(WIDTH, HEIGHT)
    shown = min(one.out, CELLS // one.side**2 if one.side < 4 else 16)
    some = f"{shown} of the {one.out}" if shown < one.out else f"the {one.out}"
    half = HEIGHT // 2 - 12
    scene.text(f"Input channel {at + 1} of {one.channels}: {some} regular kernels", 0, 8, bold=True)
    _legend(scene)
    most = float(np.abs(one.weight[:, at]).max())
    _sheet(scene, one.weight[:shown, at], 22, half - 22, most)
    scene.text(f"Rebuilt from {counted(m, 'depthwise kernel')}", 0, half + 8, bold=True)
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


def draw_approximation(one: Separated, at: int, m: int, chart: Chart) -> Scene:
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


def _chart(scene: Scene, full: int, chart: Chart) -> Callable[[int, float], tuple[float, float]]:
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
