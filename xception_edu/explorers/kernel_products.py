"""The right panel of the kernel microscope: every product of one output pixel, of all output
channels or of one, spelled out.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from xception_edu.explorers.convolution import Convolution
from xception_edu.explorers.engine.scene import Scene
from xception_edu.explorers.engine.tiles import NEGATIVE, POSITIVE, frame, grid, signed
from xception_edu.explorers.kernel_look import Look
from xception_edu.explorers.kernel_panels import HEIGHT, WIDTH, box
from xception_edu.plots.style import HUES

TOP, BODY = 42, 310  # pixels above the products, and their height
# of one output channel: room for names, between grids and for sums; a cell, and the least with room
# for a number
NAMED, APART, SUMS, CELL, WRITTEN = 50, 8, 54, 31, 28
MIDDLE = 28  # pixels from the cells to the middle of their sums
LEFT = 34  # pixels beside the products of all output channels
Painted = tuple[np.ndarray, np.ndarray]  # numbers and words for cells


class AllProducts:
    """A row of cells an output channel, a column an input channel, as the weight matrix has
    them.
    """

    def __init__(self, look: Look):
        self.look, self.still = look, Scene(WIDTH, HEIGHT)
        out, channels, high, wide = look.layer.conv.weight.shape
        self.across, self.down = channels * wide, out * high
        self.pitch = cell_of_all(look.layer.conv)
        self._draw_names()
        for _, outs, ins in look.pieces:
            self.still.rect("faint", *self._block(outs, ins))
        lines = grid(self.pitch, LEFT, TOP, self.across, self.down, wide, high)
        self.still.line("line", *lines)
        _legend(look, self.still, TOP + self.down * self.pitch + 16)
        self.blocks = [(outs, ins, self._products(outs, ins)) for _, outs, ins in look.pieces]
        self.words = [look.layer.numbers[2].words(block) for *_, block in self.blocks]

    def at(self, row: int, column: int) -> Scene:
        """The products at a position."""
        look, scene, pitch = self.look, self.still.copy(), self.pitch
        _, _, high, wide = look.layer.conv.weight.shape
        for (outs, ins, block), words in zip(self.blocks, self.words, strict=True):
            x, y, *_ = self._block(outs, ins)
            columns = len(ins) * wide
            scene.cells(x, y, pitch, columns, *signed(block[row, column], look.layer.most[2]))
            scene.rest(words[row, column], x, y, pitch, columns)
        if len(look.pieces) > 1:
            for color, outs, ins in look.pieces:
                scene.line(color, frame(*self._block(outs, ins)), width=3)
        x, line = LEFT + self.across * pitch + MIDDLE, high * pitch
        scene.words(look.layer.sums_in_words[row, column], x, TOP + line / 2, line, 1)
        return scene

    def _products(self, outs: range, ins: range) -> np.ndarray:
        """(height, width, cells): the products of a segment, row by row as they are painted."""
        products = self.look.layer.products[:, :, outs[0] : outs[-1] + 1, ins[0] : ins[-1] + 1]
        return products.transpose(0, 1, 2, 4, 3, 5).reshape(*products.shape[:2], -1)

    def _block(self, outs: range, ins: range) -> tuple[float, float, float, float]:
        """Where the cells of a segment lie."""
        _, _, high, wide = self.look.layer.conv.weight.shape
        corner, size = (ins[0] * wide, outs[0] * high), (len(ins) * wide, len(outs) * high)
        return box(self.pitch, LEFT, TOP, *corner, *size)

    def _draw_names(self) -> None:
        """What the panel shows, above and beside the cells."""
        look, scene, pitch = self.look, self.still, self.pitch
        out, channels, high, wide = look.layer.conv.weight.shape
        scene.text("Weight × input: every product", 0, 8, bold=True)
        scene.text("strong color: far from 0", WIDTH, 8, color="quiet", size="small", anchor="end")
        scene.text("from input channel", LEFT, 21, color="quiet", size="small")
        right = LEFT + self.across * pitch
        words = "sum" + " + bias" * bool(look.layer.conv.bias.any())
        scene.text(words, right + MIDDLE, TOP - 8, color="quiet", size="small", anchor="middle")
        for c in range(channels):
            x = LEFT + (c + 0.5) * wide * pitch
            scene.text(f"{c + 1}", x, TOP - 8, size="small", anchor="middle")
        for o in range(out):
            y = TOP + (o + 0.5) * high * pitch
            scene.text(f"{o + 1}", LEFT - 6, y, size="small", anchor="end")
        words, y = "to output channel", TOP + self.down * pitch / 2
        scene.text(words, 8, y, color="quiet", size="small", anchor="middle", up=True)


class OneProducts:
    """For one output channel, input channel by input channel: window × kernel = products, and
    what they add up to; in numbers, where there is room for them.
    """

    def __init__(self, look: Look):
        layer, (o,) = look.layer, look.shown
        self.look, self.still, self.ins = look, Scene(WIDTH, HEIGHT), look.pieces[0][2]
        self.high, self.wide = layer.conv.weight.shape[2:]
        self.pitch = cell(len(self.ins), (self.high, self.wide))
        self.lefts = [NAMED + i * (self.wide * self.pitch + APART) for i in range(3)]
        self.end = TOP + len(self.ins) * self.high * self.pitch
        self.middle = self.lefts[2] + self.wide * self.pitch + 2 + MIDDLE
        self._draw_names()
        self._draw_grids()
        first, last = self.ins[0], self.ins[-1] + 1
        products = layer.products[:, :, o, first:last]
        windows = layer.windows[:, :, first:last]
        self.windows, self.products = self._painted(0, windows), self._painted(2, products)
        self.parts = layer.summed.words(products.sum(axis=(3, 4)))
        self._paint(self.still, 1, self._painted(1, layer.conv.weight[o, first:last]), ())

    def at(self, row: int, column: int) -> Scene:
        """The products at a position."""
        scene, block = self.still.copy(), self.high * self.pitch
        where = ("inputs", self.ins, row, column)
        window = self.look.layer.once(*where, draw=partial(self._window, row, column))
        scene.add(window)
        self._paint(scene, 2, self.products, (row, column))
        scene.words(self.parts[row, column], self.middle, TOP + block / 2, block, 1)
        total = self.look.layer.sums_in_words[row, column, self.look.shown[0]]
        scene.text(total, self.middle, self.end + 16, anchor="middle", bold=True)
        return scene

    def _window(self, row: int, column: int) -> Scene:
        """The inputs at a position: all output channels of a segment have the same."""
        scene = Scene(WIDTH, HEIGHT)
        self._paint(scene, 0, self.windows, (row, column))
        return scene

    def _painted(self, at: int, values: np.ndarray) -> Painted:
        """A grid's kernels (..., n, k, k) as rows of cells (..., cells), and the same in words."""
        cells = values.reshape(*values.shape[:-3], -1)
        return cells, self.look.layer.numbers[at].words(cells, short=self.written)

    @property
    def written(self) -> bool:
        """Whether numbers fit into the cells."""
        return self.pitch >= WRITTEN and all(numbers.fit for numbers in self.look.layer.numbers)

    def _paint(self, scene: Scene, at: int, painted: Painted, position: tuple[int, ...]) -> None:
        """The kernels of a grid under each other, signs as colors; numbers where they fit."""
        (cells, words), x, pitch = painted, self.lefts[at], self.pitch
        colors, strengths = signed(cells[position], self.look.layer.most[at])
        if self.written:
            scene.cells(x, TOP, pitch, self.wide, colors, [0.5 * s for s in strengths])
            scene.words(words[position], x + pitch / 2, TOP + pitch / 2, pitch, self.wide)
        else:
            scene.cells(x, TOP, pitch, self.wide, colors, strengths)
            scene.rest(words[position], x, TOP, pitch, self.wide)

    def _draw_names(self) -> None:
        """What the panel shows, above and beside the cells."""
        look, scene, (o,) = self.look, self.still, self.look.shown
        scene.text(f"Output channel {o + 1} {look.outputs[o]}".strip(), 0, 8, bold=True)
        middles = [x + self.wide * self.pitch / 2 for x in self.lefts]
        heads = zip(("input", "× weight", "= product", "sum"), (*middles, self.middle), strict=True)
        for words, x in heads:
            scene.text(words, x, TOP - 10, color="quiet", size="small", anchor="middle")
        for i, c in enumerate(self.ins):
            y = TOP + (i + 0.5) * self.high * self.pitch
            scene.text(f"{c + 1} {look.inputs[c]}", 0, y, size="small")

    def _draw_grids(self) -> None:
        """The empty grids, and what stands below them."""
        look, scene, (o,), pitch = self.look, self.still, self.look.shown, self.pitch
        rows, bias = len(self.ins) * self.high, look.layer.conv.bias[o]
        for x in self.lefts:
            scene.rect("faint", x, TOP, self.wide * pitch, rows * pitch)
            scene.line("line", *grid(pitch, x, TOP, self.wide, rows, self.wide, self.high))
        with_bias = f" (with the bias {look.layer.summed.number(bias)})" if bias else ""
        scene.text(f"Sum of all{with_bias}", 0, self.end + 16)
        _legend(look, scene, self.end + 38)
        if len(self.ins) < len(look.layer.maps):
            words = "Channels of other segments are not seen, and not counted."
            scene.text(words, 0, self.end + 58, color="quiet", size="small")


def _legend(look: Look, scene: Scene, y: float) -> None:
    """What the cells say: sign and size, and which are none; and the frames."""
    marks = ((0, POSITIVE, "above 0"), (66, NEGATIVE, "below 0"), (132, "faint", "0"))
    for x, color, words in marks:
        scene.rect(color, x, y - 5, 10, 10, edge="line" if color == "faint" else "")
        scene.text(words, x + 14, y, size="small")
    if len(look.pieces) > 1:
        for i, (color, _, _) in enumerate(look.pieces[: len(HUES)]):
            scene.line(color, frame(162 + i * 13, y - 5, 10, 10), width=3)
        x = 162 + 13 * min(len(look.pieces), len(HUES)) + 4
        scene.text("a segment; blank: not seen", x, y, size="small")


def cell_of_all(conv: Convolution) -> int:
    """Pixels of a cell, if all output channels are seen; 0: they do not fit."""
    out, channels, high, wide = conv.weight.shape
    return min(16, 290 // (channels * wide), BODY // (out * high))


def cell(channels: int, kernel: Sequence[int]) -> int:
    """Pixels of a cell, if so many input channels are seen at one output channel; 0: they do not
    fit.
    """
    high, wide = kernel
    across = (WIDTH - NAMED - 2 * APART - SUMS) // (3 * wide)
    return min(CELL, across, (BODY - 24) // (channels * high))
