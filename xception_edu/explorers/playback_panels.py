"""The two panels of the playback explorer: curves over the epochs, and kernels as heat maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xception_edu.explorers.engine.readouts import in_percent
from xception_edu.explorers.engine.scene import Scene
from xception_edu.explorers.engine.tiles import NEGATIVE, POSITIVE, frame

WIDTH, HEIGHT, LEFT = 390, 390, 10  # pixels of a panel, and of its margin
# height of a chart, distance to the next one, where the first begins
CHART, STEP, FIRST = 54, 92, 24
# width of all kernels, where they begin, between two, above each for its number
GRID, GRID_TOP, GAP, NUMBER = 370, 18, 9, 14
LARGE, LARGE_TOP = 42, 262  # a cell of the two large kernels, and where they begin
MARKED = 3  # kernels that are outlined: those that changed most
CURVES = (
    ("top1", "Right at first guess", "ink"),
    ("loss", "Loss", "ink"),
    ("lr", "Learning rate", "ink"),
)


@dataclass(frozen=True)
class Run:
    """A recorded run: for every epoch from 0, which is before training, its numbers, and kernels
    (epochs, channels, k, k).
    """

    name: str
    layer: str
    epochs: Sequence[Mapping]
    kernels: np.ndarray

    def moved(self, epoch: int, since: int) -> np.ndarray:
        """How far each kernel moved: the Euclidean length of its change from epoch `since` to
        `epoch`, (channels,).
        """
        return np.sqrt(((self.kernels[epoch] - self.kernels[since]) ** 2).sum(axis=(1, 2)))

    def change(self, epoch: int, since: int) -> float:
        """The same of all kernels together, as a share of their own length at `since`."""
        return float(
            np.linalg.norm(self.kernels[epoch] - self.kernels[since])
            / np.linalg.norm(self.kernels[since])
        )

    def most_changed(self, epoch: int) -> list[int]:
        """The kernels that moved most in an epoch, most first; before training, those that will
        move most in the whole run.
        """
        moved = self.moved(epoch, epoch - 1) if epoch else self.moved(len(self.epochs) - 1, 0)
        return np.argsort(-moved, kind="stable")[:MARKED].tolist()


def draw_curves(run: Run, epoch: int) -> Scene:
    """Accuracy, loss, learning rate and the kernels' change, one above the other; up to `epoch` in
    color, the rest faint.
    """
    scene, last = Scene(WIDTH, HEIGHT), len(run.epochs) - 1
    placed = [(*curve, FIRST + i * STEP) for i, curve in enumerate(_curves(run))]
    for label, _, values, top in placed:
        scene.text(label, LEFT, top - 13, color="quiet", size="small")
        scene.line("line", (LEFT, top + CHART, WIDTH - LEFT, top + CHART))
        scene.line("line", _run(values, top, last), width=2)
    for i in range(last + 1):
        x, half = _x(i, last), (WIDTH - 2 * LEFT) / last / 2
        left, right = max(x - half, 0), min(x + half, WIDTH)
        scene.click(i, left, 0, right - left, HEIGHT, f"epoch {i}")
        if i % max(1, last // 15) == 0:
            scene.text(f"{i}", x, HEIGHT - 13, color="quiet", size="small", anchor="middle")
    x = _x(epoch, last)
    scene.line("quiet", *((x, top, x, top + CHART) for *_, top in placed), dash=True)
    for label, color, values, top in placed:
        if epoch and len(known := values[: epoch + 1]) - known.count(None) > 1:
            scene.line(color, _run(known, top, last, of=values), width=2.5)
        value = values[epoch]
        if value is not None:
            scene.dot(color, x, _y(value, values, top), 4, edge="paper")
        scene.text(_said(label, value), WIDTH - LEFT, top - 13, anchor="end", bold=True)
    return scene


def _curves(run: Run) -> list[tuple[str, str, list[float | None]]]:
    """Label, color and a value an epoch of what is drawn over the epochs."""
    curves = []
    for key, label, color in CURVES:
        values = [line[key] for line in run.epochs]
        if key == "lr":
            values[0] = None  # no step was taken yet
        curves.append((label, color, values))
    changes = [None, *(run.change(i, i - 1) for i in range(1, len(run.epochs)))]
    return [*curves, ("Kernels changed in the epoch, % of their size", "ink", changes)]


def _said(label: str, value: float | None) -> str:
    if value is None:
        return "–"
    digits = {"Loss": ".3f", "Learning rate": ".6f"}
    return format(value, digits[label]) if label in digits else in_percent(value)


def _x(epoch: int, last: int) -> float:
    return LEFT + 4 + epoch / last * (WIDTH - 2 * LEFT - 8)


def _y(value: float, values: Sequence[float | None], top: float) -> float:
    """From 0 at the chart's base to the largest value at its top."""
    most = max(v for v in values if v is not None) or 1
    return top + CHART * (1 - value / most)


def _run(
    values: Sequence[float | None], top: float, last: int, of: Sequence[float | None] | None = None
) -> list[float]:
    scale = of or values
    return [
        n
        for i, value in enumerate(values)
        if value is not None
        for n in (_x(i, last), _y(value, scale, top))
    ]


def draw_kernels(run: Run, epoch: int, show: str, most: Sequence[int]) -> Scene:
    """All kernels, those that changed most outlined; the first of these large, before training and
    now, with numbers.
    """
    scene = Scene(WIDTH, HEIGHT)
    start, now = run.kernels[0], run.kernels[epoch]
    every = run.kernels if show == "kernels" else run.kernels - start
    largest = float(np.abs(every).max()) or 1.0  # one scale for all epochs
    shown = now if show == "kernels" else now - start
    _legend(scene, show, largest)
    columns, row, cell = _layout(len(shown), shown.shape[1])
    spots = [
        (LEFT + i % columns * GRID / columns, GRID_TOP + NUMBER + i // columns * row)
        for i in range(min(len(shown), 64))
    ]
    size = cell * shown.shape[1]
    for i, (x, y) in enumerate(spots):
        scene.text(f"{i + 1}", x, y - 9, color="quiet", size="small")
    for (x, y), kernel in zip(spots, shown, strict=False):
        _heat(scene, kernel, x, y, cell, largest)
    for i in most:
        if i < len(spots):
            x, y = spots[i]
            scene.line("ink", frame(x - 2.5, y - 2.5, size + 4, size + 4), width=2)
    _large(
        scene,
        f"Kernel {most[0] + 1} before training",
        start[most[0]],
        LEFT,
        float(np.abs(run.kernels).max()),
    )
    _large(
        scene,
        f"and after epoch {epoch}" if epoch else "and now",
        now[most[0]],
        WIDTH // 2,
        float(np.abs(run.kernels).max()),
    )
    return scene


def _layout(count: int, k: int) -> tuple[int, float, int]:
    """Kernels a row, pixels from a row to the next, pixels of a cell: all of them, with numbers,
    fit above the large ones.
    """
    columns = 8 if count <= 32 else 16
    row = min((LARGE_TOP - 22 - GRID_TOP) / -(-min(count, 64) // columns), 54)
    return columns, row, max(1, int(min(GRID / columns - GAP, row - NUMBER - 3) // k))


def _legend(scene: Scene, show: str, largest: float) -> None:
    words = "weights" if show == "kernels" else "change of weights"
    scene.text(f"{words}, pale: near 0", LEFT, 9, color="quiet", size="small")
    for x, color, sign in ((190, NEGATIVE, "−"), (290, POSITIVE, "+")):
        scene.rect(color, x, 4, 10, 10)
        scene.text(f"to {sign}{largest:.2f}", x + 15, 9, size="small")


def _heat(scene: Scene, kernel: np.ndarray, x: float, y: float, cell: int, largest: float) -> None:
    scene.cells(
        x,
        y,
        cell,
        kernel.shape[1],
        [POSITIVE if v >= 0 else NEGATIVE for v in kernel.flat],
        [float(min(abs(v) / largest, 1)) for v in kernel.flat],
    )


def _large(scene: Scene, words: str, kernel: np.ndarray, x: float, largest: float) -> None:
    """A kernel with its numbers in the cells, or without where they would not fit."""
    k = len(kernel)
    cell = LARGE * 3 // max(k, 3)
    scene.text(words, x, LARGE_TOP - 14, size="small")
    _heat(scene, kernel, x, LARGE_TOP, cell, largest)
    if cell < 30:
        return
    for i, value in enumerate(kernel.flat):
        middle = x + i % k * cell + cell / 2, LARGE_TOP + i // k * cell + cell / 2
        words = f"{value:.2f}".replace("-", "−")
        scene.text(words, *middle, size="small", anchor="middle", halo=True)
