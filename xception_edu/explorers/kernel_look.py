"""What the kernel microscope looks at, in numbers: a convolution on a picture, every product of it,
and how they are written.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from xception_edu.costs import cost_of
from xception_edu.explorers.convolution import Convolution
from xception_edu.explorers.engine.scene import Scene
from xception_edu.explorers.engine.tiles import gray
from xception_edu.plots.style import HUES
from xception_edu.specs import Shape


@dataclass(frozen=True)
class Numbers:
    """How numbers are written whose largest is `largest`: with as many decimals as make three
    digits of it, or two where it is below 1.
    """

    largest: float

    @cached_property
    def decimals(self) -> int:
        largest = float(f"{self.largest:.3g}")  # 9.996 is written as 10.0
        power = math.floor(math.log10(largest or 1))
        return 2 - power - (power < 0)

    @property
    def fit(self) -> bool:
        """Whether each is written with five characters at most, as `short` does: room in a cell."""
        return -1 <= self.decimals <= 3

    @cached_property
    def form(self) -> str:
        """Fixed, but for very large and very small ones."""
        return f".{max(self.decimals, 0)}f" if -4 < self.decimals < 7 else ".2e"

    def number(self, value: float) -> str:
        """With a true minus sign, and none before zeros."""
        written = f"{value:{self.form}}"
        return written.replace("-", "−") if float(written) else f"{0:{self.form}}"

    def short(self, value: float) -> str:
        """For a cell: a short minus sign, and no 0 before the point."""
        written = self.number(value).replace("−", "-")
        if not float(written):
            return "0"
        return written.replace("0.", ".", 1) if abs(value) < 1 else written

    def words(self, values: np.ndarray, *, short: bool = False) -> np.ndarray:
        """The numbers of an array, rounded before they are written, so that few differ."""
        if self.form != ".2e":
            values = np.round(values, max(self.decimals, 0))
        different, places = np.unique(values, return_inverse=True)
        write = self.short if short else self.number
        written = np.array([write(value) for value in different.tolist()], dtype=object)
        return written[places].reshape(values.shape)


@dataclass(frozen=True)
class Layer:
    """A convolution on maps (channels, height, width): all its numbers, and how they are
    written.
    """

    conv: Convolution
    maps: np.ndarray
    _drawn: dict[tuple[object, ...], Scene] = field(default_factory=dict, init=False, repr=False)

    def once(self, *what: object, draw: Callable[[], Scene]) -> Scene:
        """What several looks show alike, drawn by the first of them."""
        if what not in self._drawn:
            self._drawn[what] = draw()
        return self._drawn[what]

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
    def parts(self) -> np.ndarray:
        """(height, width, out, in): what each input channel gives to each output."""
        return self.products.sum(axis=(4, 5))

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
    def padding(self) -> np.ndarray:
        """(height, width): how many places of the kernel lie on padding."""
        return (self.conv.windows(np.ones_like(self.maps))[:, :, 0] == 0).sum(axis=(2, 3))

    @cached_property
    def numbers(self) -> tuple[Numbers, Numbers, Numbers]:
        """How inputs, weights and products are written."""
        inputs, weights, products = map(Numbers, self.most)
        return inputs, weights, products

    @cached_property
    def summed(self) -> Numbers:
        """How sums are written, of an input channel and of all."""
        return Numbers(max(float(np.abs(self.sums).max()), float(np.abs(self.parts).max())))

    @cached_property
    def pictures(self) -> tuple[list[bytes], list[bytes]]:
        """The maps that enter and those that leave, as PNG."""
        return list(map(gray, self.maps)), list(map(gray, np.moveaxis(self.sums, -1, 0)))

    @cached_property
    def sums_in_words(self) -> np.ndarray:
        """(height, width, out): what leaves the layer, written."""
        return self.summed.words(self.sums)


@dataclass(frozen=True, kw_only=True)
class Look:
    """A layer, seen at all output channels or, counted from 1, at one."""

    layer: Layer
    inputs: Sequence[str]  # names of the channels, which may be empty
    outputs: Sequence[str]
    caption: str
    channel: int | str

    @cached_property
    def pieces(self) -> list[tuple[str, range, range]]:
        """Color, output channels and input channels of every segment that is looked at."""
        one = None if self.channel == "all" else int(self.channel) - 1
        pieces = enumerate(self.layer.conv.pieces())
        colored = [(f"hue{i % len(HUES)}", *piece) for i, piece in pieces]
        return [piece for piece in colored if one is None or one in piece[1]]

    @cached_property
    def shown(self) -> range:
        """The output channels that are looked at."""
        if self.channel == "all":
            return range(self.layer.out.channels)
        return range(int(self.channel) - 1, int(self.channel))

    @cached_property
    def pairs(self) -> int:
        """How many pairs of an output and an input channel are looked at."""
        pairs = sum(len(outs) * len(ins) for _, outs, ins in self.pieces)
        return pairs if self.channel == "all" else pairs // len(self.pieces[0][1])
