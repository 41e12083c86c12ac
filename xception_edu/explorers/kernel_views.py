"""What the kernel microscope shows at a position: the maps with the window on them, and every
product, spelled out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xception_edu.costs import cost_of
from xception_edu.explorers.convolution import Convolution
from xception_edu.explorers.engine.scene import CHOSEN, Scene
from xception_edu.explorers.engine.scene_explorer import View
from xception_edu.explorers.engine.tiles import NEGATIVE, POSITIVE, Tiles, gray, grid, signed, tiles
from xception_edu.plots.style import HUES
from xception_edu.specs import Shape

COLUMNS = (
    ("Products shown", "at this position"),
    ("Of them with padding", "times 0, and counted too"),
    ("Products in all", "at this position"),
    ("Positions", "rows×columns"),
    ("MACs", "products in all × positions"),
)
WIDTH, HEIGHT = 390, 400  # pixels of a panel
INPUTS, OUTPUTS = 280, 86  # pixels of height for the maps that enter and for those that leave
HEAD = 16  # pixels above a map, for its name
TOP, BODY = 42, 310  # pixels above the products, and their height
# of one output channel: room for names, between grids and for sums; a cell, and the least with room
# for a number
NAMED, APART, SUMS, CELL, WRITTEN = 44, 8, 54, 31, 28
MIDDLE = 28  # pixels from the cells to the middle of their sums


@dataclass(frozen=True, kw_only=True)
class Look:
    """A convolution on maps (channels, height, width), seen at all output channels or, counted from
    1, at one.
    """

    conv: Convolution
    maps: np.ndarray
    inputs: Sequence[str]  # names of the channels, which may be empty
    outputs: Sequence[str]
    caption: str
    channel: int | str

    # ---- numbers ----

    @cached_property
    def out(self) -> Shape:
        return self.conv.spec.output_shape(Shape(*self.maps.shape))

    @cached_property
    def macs(self) -> int:
        return cost_of(self.conv.spec, Shape(*self.maps.shape)).macs

    @cached_property
    def windows(self) -> np.ndarray:
        return self.conv.windows(self.maps)

    @cached_property
    def products(self) -> np.ndarray:
        return self.conv.products(self.maps)

    @cached_property
    def sums(self) -> np.ndarray:
        """(height, width, out): what leaves the layer."""
        return self.products.sum(axis=(3, 4, 5)) + self.conv.bias

    @cached_property
    def most(self) -> tuple[float, float, float]:
        """The largest input, weight and product, without their signs."""
        inputs, weights, products = (
            float(np.abs(a).max()) for a in (self.maps, self.conv.weight, self.products)
        )
        return inputs, weights, products

    @cached_property
    def form(self) -> str:
        """The format of sums: as many decimals as make three digits of the layer's largest."""
        largest = max(
            float(np.abs(self.sums).max()), float(np.abs(self.products.sum(axis=(4, 5))).max())
        )
        decimals = 2 - math.floor(math.log10(largest or 1))
        return f".{max(decimals, 0)}f" if -4 < decimals < 7 else ".2e"

    def number(self, value: float) -> str:
        """A sum with a true minus sign, and none before zeros."""
        written = f"{value:{self.form}}"
        return written.replace("-", "−") if float(written) else f"{0:{self.form}}"

    @cached_property
    def padding(self) -> np.ndarray:
        """(height, width): how many places of the kernel lie on padding."""
        return (self.conv.windows(np.ones_like(self.maps))[:, :, 0] == 0).sum(axis=(2, 3))

    @cached_property
    def pieces(self) -> list[tuple[str, range, range]]:
        """Color, output channels and input channels of every segment that is looked at."""
        one = None if self.channel == "all" else int(self.channel) - 1
        colored = [(f"hue{i % len(HUES)}", *piece) for i, piece in enumerate(self.conv.pieces())]
        return [piece for piece in colored if one is None or one in piece[1]]

    @cached_property
    def shown(self) -> range:
        """The output channels that are looked at."""
        return (
            range(len(self.conv.weight))
            if self.channel == "all"
            else range(int(self.channel) - 1, int(self.channel))
        )

    # ---- views ----

    def views(self) -> list[View]:
        """The views of every output position, row by row."""
        return [
            self._view(row, column)
            for row in range(self.out.height)
            for column in range(self.out.width)
        ]

    def _view(self, row: int, column: int) -> View:
        places, zeros = self.conv.weight[0, 0].size, int(self.padding[row, column])
        pairs = (
            len(self.shown) * len(self.pieces[0][2])
            if len(self.shown) == 1
            else sum(len(o) * len(i) for _, o, i in self.pieces)
        )
        positions, stop = self.out.height * self.out.width, row * self.out.width + column + 1
        counts = (pairs * places, pairs * zeros, self.macs // positions)
        sums = ", ".join(self.number(self.sums[row, column, o]) for o in self.shown)
        lies = (
            f"{zeros} of its {places} places are padding"
            if zeros
            else "all of it lies on the picture"
        )
        return View(
            stop=stop,
            short=f"{stop} of {positions}",
            title=f"Output row {row + 1}, column {column + 1}",
            note=f"The {'×'.join(map(str, self.conv.weight.shape[2:]))} window: {lies}",
            values=(
                *(f"{n:,}" for n in counts),
                f"{self.out.height}×{self.out.width}",
                f"{self.macs:,}",
            ),
            scenes=(
                self._pictures(row, column),
                self._one(row, column) if len(self.shown) == 1 else self._all(row, column),
            ),
            alts=(
                (
                    f"{len(self.maps)} maps enter, {self.out.channels} leave; window at row"
                    f" {row + 1}, column {column + 1}"
                ),
                f"{counts[0]} products; sums: {sums}",
            ),
        )

    # ---- maps ----

    @cached_property
    def _maps(self) -> tuple[Scene, Tiles, Tiles]:
        """The maps that enter and those that leave, which stand still, and where they are."""
        scene = Scene(WIDTH, HEIGHT)
        high, wide = self.conv.spec.padding  # type: ignore[misc]
        height, width = self.maps.shape[1:]
        where = {"left": 2, "width": WIDTH - 4, "gap": 8, "head": HEAD, "least": 30}
        before = tiles(
            len(self.maps),
            width + 2 * wide,
            height + 2 * high,
            top=0,
            height=INPUTS,
            most=24,
            **where,
        )
        after = tiles(
            self.out.channels,
            self.out.width,
            self.out.height,
            top=INPUTS + 8,
            height=OUTPUTS,
            most=12,
            **where,
        )
        for c, (x, y) in enumerate(before.corners):
            self._name(scene, x, y, c, self.inputs, 1)
            edge = width + 2 * wide, height + 2 * high
            scene.rect("faint", x, y, *(n * before.pitch for n in edge), edge="line")
            scene.image(gray(self.maps[c]), *_box(before.pitch, x, y, wide, high, width, height))
        for o, (x, y) in enumerate(after.corners):
            self._name(scene, x, y, o, self.outputs, 0)
            scene.image(
                gray(self.sums[:, :, o]),
                *_box(after.pitch, x, y, 0, 0, self.out.width, self.out.height),
            )
        scene.text(self.caption, 2, HEIGHT - 8, color="quiet", size="small")
        self._places(scene, after)
        return scene, before, after

    def _pictures(self, row: int, column: int) -> Scene:
        still, before, after = self._maps
        down, right = self.conv.spec.stride  # type: ignore[misc]
        scene = Scene(WIDTH, HEIGHT)
        scene.shapes += still.shapes
        seen = sorted({c for _, _, ins in self.pieces for c in ins})
        kernel = self.conv.weight.shape[2:]
        runs = [
            _frame(
                _box(before.pitch, *before.corners[c], column * right, row * down, *kernel[::-1])
            )
            for c in seen
        ]
        runs += [
            _frame(_box(after.pitch, *after.corners[o], column, row, 1, 1)) for o in self.shown
        ]
        scene.line("paper", *runs, width=4)  # so that ink is seen on every gray
        scene.line(CHOSEN, *runs, width=2)
        return scene

    def _places(self, scene: Scene, after: Tiles) -> None:
        """Every pixel of the maps that are looked at takes the slider to it."""
        for o in self.shown:
            for i in range(self.out.height * self.out.width):
                row, column = divmod(i, self.out.width)
                box = _box(after.pitch, *after.corners[o], column, row, 1, 1)
                scene.click(i + 1, *box, f"{row + 1}, {column + 1}")

    def _name(
        self, scene: Scene, x: float, y: float, channel: int, names: Sequence[str], side: int
    ) -> None:
        """Number and name of a channel above its map, with the color of its segment where there are
        several.
        """
        pieces = self.conv.pieces()
        hue = next(i for i, piece in enumerate(pieces) if channel in piece[side])
        if len(pieces) > 1:
            scene.rect(f"hue{hue % len(HUES)}", x, y - 13, 9, 9)
        scene.text(
            f"{channel + 1} {names[channel]}", x + 11 * (len(pieces) > 1), y - 8, size="small"
        )

    # ---- products ----

    def _all(self, row: int, column: int) -> Scene:
        """A row of cells an output channel, a column an input channel, as the weight matrix has
        them.
        """
        scene = Scene(WIDTH, HEIGHT)
        out, channels, high, wide = self.conv.weight.shape
        left, across, down = 34, channels * wide, out * high
        pitch = min(16, 290 // across, BODY // down)
        scene.text("Weight × input: every product", 0, 8, bold=True)
        scene.text("strong color: far from 0", WIDTH, 8, color="quiet", size="small", anchor="end")
        scene.text("from input channel", left, 21, color="quiet", size="small")
        right = left + across * pitch
        words = "sum" + " + bias" * bool(self.conv.bias.any())
        scene.text(words, right + MIDDLE, TOP - 8, color="quiet", size="small", anchor="middle")
        for c in range(channels):
            x = left + (c + 0.5) * wide * pitch
            scene.text(f"{c + 1}", x, TOP - 8, size="small", anchor="middle")
        for o in range(out):
            y = TOP + (o + 0.5) * high * pitch
            scene.text(f"{o + 1}", left - 6, y, size="small", anchor="end")
        words, y = "to output channel", TOP + down * pitch / 2
        scene.text(words, 8, y, color="quiet", size="small", anchor="middle", up=True)
        for _, outs, ins in self.pieces:
            corner, size = (ins[0] * wide, outs[0] * high), (len(ins) * wide, len(outs) * high)
            scene.rect("faint", *_box(pitch, left, TOP, *corner, *size))
        scene.line("line", *grid(pitch, left, TOP, across, down, wide, high))
        self._legend(scene, TOP + down * pitch + 16)
        for _, outs, ins in self.pieces:
            block = self.products[row, column][np.ix_(outs, ins)].transpose(0, 2, 1, 3)
            x, y, *_ = _box(pitch, left, TOP, ins[0] * wide, outs[0] * high, 0, 0)
            scene.cells(x, y, pitch, len(ins) * wide, *signed(block, self.most[2]))
            scene.rest([self.number(v) for v in block.flat], x, y, pitch, len(ins) * wide)
        for color, outs, ins in self.pieces if len(self.pieces) > 1 else ():
            corner, size = (ins[0] * wide, outs[0] * high), (len(ins) * wide, len(outs) * high)
            scene.line(color, _frame(_box(pitch, left, TOP, *corner, *size)), width=3)
        sums = [self.number(value) for value in self.sums[row, column]]
        scene.words(sums, right + MIDDLE, TOP + high * pitch / 2, high * pitch, 1)
        return scene

    def _one(self, row: int, column: int) -> Scene:
        """For one output channel, input channel by input channel: window × kernel = products, and
        what they add up to; in numbers, where there is room for them.
        """
        scene = Scene(WIDTH, HEIGHT)
        (o,), ins, (high, wide) = self.shown, self.pieces[0][2], self.conv.weight.shape[2:]
        pitch = cell(len(ins), (high, wide))
        lefts = [NAMED + i * (wide * pitch + APART) for i in range(3)]
        end, right = TOP + len(ins) * high * pitch, lefts[2] + wide * pitch + 10
        scene.text(f"Output channel {o + 1} {self.outputs[o]}".strip(), 0, 8, bold=True)
        for word, x in zip(("input", "× weight", "= product"), lefts, strict=True):
            scene.text(
                word, x + wide * pitch / 2, TOP - 10, color="quiet", size="small", anchor="middle"
            )
        scene.text(
            "sum", right + MIDDLE - 8, TOP - 10, color="quiet", size="small", anchor="middle"
        )
        for i, c in enumerate(ins):
            middle = TOP + (i + 0.5) * high * pitch
            scene.text(f"{c + 1} {self.inputs[c]}", 0, middle, size="small")
        for x in lefts:
            scene.rect("faint", x, TOP, wide * pitch, len(ins) * high * pitch)
            scene.line("line", *grid(pitch, x, TOP, wide, len(ins) * high, wide, high))
        bias = f" (with the bias {self.number(self.conv.bias[o])})" if self.conv.bias[o] else ""
        scene.text(f"Sum of all{bias}", 0, end + 16)
        self._legend(scene, end + 38)
        if len(ins) < self.conv.weight.shape[1]:
            words = "Channels of other segments are not seen, and not counted."
            scene.text(words, 0, end + 58, color="quiet", size="small")
        products = self.products[row, column, o][ins]
        grids = (self.conv.weight[o][ins], self.windows[row, column][ins], products)
        for at, values in zip((1, 0, 2), grids, strict=True):  # the weights stand still
            self._grid(scene, lefts[at], pitch, values, self.most[at])
        sums = [self.number(part) for part in products.sum(axis=(1, 2))]
        scene.words(sums, right + MIDDLE - 8, TOP + high * pitch / 2, high * pitch, 1)
        total = self.number(self.sums[row, column, o])
        scene.text(total, right + MIDDLE - 8, end + 16, anchor="middle", bold=True)
        return scene

    def _grid(self, scene: Scene, x: float, pitch: int, values: np.ndarray, most: float) -> None:
        """Kernels (n, k, k) under each other, signs as colors; numbers where they fit."""
        wide = values.shape[2]
        colors, strengths = signed(values, most)
        written = pitch >= WRITTEN
        pale = [0.5 * s for s in strengths] if written else strengths
        scene.cells(x, TOP, pitch, wide, colors, pale)
        if written:
            words = [self.short(value) for value in values.flat]
            scene.words(words, x + pitch / 2, TOP + pitch / 2, pitch, wide)
        else:
            scene.rest([self.number(v) for v in values.flat], x, TOP, pitch, wide)

    def short(self, value: float) -> str:
        """A number for a cell: as many decimals as sums have, a short minus sign, and no 0 before
        the point.
        """
        written = self.number(value).replace("−", "-")
        if not float(written):
            return "0"
        return written.replace("0.", ".", 1) if abs(value) < 1 else written[:5]

    def _legend(self, scene: Scene, y: float) -> None:
        """What the cells say: sign and size, and which are none; and the frames."""
        marks = ((0, POSITIVE, "above 0"), (66, NEGATIVE, "below 0"), (132, "faint", "0"))
        for x, color, words in marks:
            scene.rect(color, x, y - 5, 10, 10, edge="line" if color == "faint" else "")
            scene.text(words, x + 14, y, size="small")
        if len(self.pieces) > 1:
            for i, (color, _, _) in enumerate(self.pieces[: len(HUES)]):
                scene.line(color, _frame((162 + i * 13, y - 5, 10, 10)), width=3)
            x = 162 + 13 * min(len(self.pieces), len(HUES)) + 4
            scene.text("a segment; blank: not seen", x, y, size="small")


def cell(channels: int, kernel: Sequence[int]) -> int:
    """Pixels of a cell, if so many input channels are seen at one output channel."""
    high, wide = kernel
    across = (WIDTH - NAMED - 2 * APART - SUMS) // (3 * wide)
    return max(min(CELL, across, (BODY - 24) // (channels * high)), 1)


def _box(
    pitch: int, x: float, y: float, column: int, row: int, columns: int, rows: int
) -> tuple[float, float, float, float]:
    """Pixels of cells of a grid with its corner at x, y: x, y, width, height."""
    return x + column * pitch, y + row * pitch, columns * pitch, rows * pitch


def _frame(box: tuple[float, float, float, float]) -> tuple[float, ...]:
    """The run around a box."""
    x, y, width, height = box
    return x, y, x + width, y, x + width, y + height, x, y + height, x, y
