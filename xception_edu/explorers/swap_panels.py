"""What the explorer of a learner's own network draws: its swapped convolutions line by line, its
totals before and after, and all numbers of segments in four curves.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log2

from xception_edu.explorers.engine.scene import Scene
from xception_edu.plots.depth_profiles import MIB

WIDTH, LEFT = 390, 8  # pixels of a panel, and left of what it has
TOP, ROW = 52, 24  # of the first line of layers, and from one to the next
LINES = 20  # layers that there is room for
COLUMN, FIRST, BAR = 71, 110, 40  # from column to column, where they begin, the bar of "before"
MOST = 1.6  # times "before": where a bar ends
TOTALS, PAIR = 236, 49  # height of the sums, and from a pair of bars to the next
SUMS = TOTALS + 244  # height of the panel with sums and curves
BARS = (94, 190)  # left and width of the bars of totals
LEGEND = WIDTH - LEFT - 126  # where the legend begins
CHART = (38, TOTALS + 38, 140, 56)  # of each curve: left, top, width and height
APART = (194, 112)  # from one curve to the next, across and down
QUANTITIES = ("Parameters", "MACs", "Bytes moved", "Time at best")


@dataclass(frozen=True)
class Amount:
    """Parameters, MACs, bytes moved and milliseconds of a layer, or of several."""

    params: int = 0
    macs: int = 0
    moved: int = 0
    ms: float = 0.0

    def values(self) -> tuple[float, ...]:
        """All four, in the order of QUANTITIES."""
        return self.params, self.macs, self.moved, self.ms

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(
            self.params + other.params,
            self.macs + other.macs,
            self.moved + other.moved,
            self.ms + other.ms,
        )


def add_up(amounts: Iterable[Amount]) -> Amount:
    """The sum of several."""
    return sum(amounts, Amount())


@dataclass(frozen=True)
class Swap:
    """A layer before and after: its k x k, and the 1x1 that mixes its segments."""

    name: str
    is_depthwise: bool
    before: Amount
    spatial: Amount
    pointwise: Amount


@dataclass(frozen=True)
class Totals:
    """The whole network: what stays, and what the swapped layers were and are."""

    stays: Amount
    before: Amount
    spatial: Amount
    pointwise: Amount
    is_depthwise: bool

    @classmethod
    def of(cls, stays: Amount, swaps: Sequence[Swap]) -> "Totals":
        """The sums over the swapped layers."""
        return cls(
            stays=stays,
            before=add_up(swap.before for swap in swaps),
            spatial=add_up(swap.spatial for swap in swaps),
            pointwise=add_up(swap.pointwise for swap in swaps),
            is_depthwise=all(swap.is_depthwise for swap in swaps),
        )

    @property
    def whole(self) -> Amount:
        """The network after the swap."""
        return self.stays + self.spatial + self.pointwise

    def ratios(self) -> list[float]:
        """After over before, a quantity each."""
        pairs = zip(self.whole.values(), (self.stays + self.before).values(), strict=True)
        return [after / (before or 1) for after, before in pairs]


# ---- layer by layer ------------------------------------------------------------------------------


def draw_layers(swaps: Sequence[Swap]) -> Scene:
    """A line for each swapped layer: four numbers, each with a bar below it; a mark is where the
    bar ended before.
    """
    lines, more = swaps[:LINES], len(swaps) - LINES
    scene = Scene(WIDTH, layers_height(len(swaps)))
    right = WIDTH - LEFT
    scene.text("Layer by layer", LEFT, 10, bold=True)
    scene.text("bar: now; mark: before", right, 10, size="small", color="quiet", anchor="end")
    for column, label in enumerate(("Parameters", "MACs", "Bytes", "Time, ms")):
        x = _middle(column)
        scene.text(label, x, 32, size="small", color="quiet", anchor="middle")
    for i, swap in enumerate(lines):
        scene.text(f"· {_short(swap.name)}", LEFT, TOP + i * ROW, size="small")
    if more > 0:
        y = TOP + LINES * ROW
        scene.text(f"and {more} more, in the sums", LEFT, y, size="small", color="quiet")
    scene.line("quiet", *_marks(len(lines)), width=1.5)
    for column in range(len(QUANTITIES)):
        _draw_column(scene, column, lines)
    return scene


def layers_height(count: int) -> int:
    """Pixels of the panel of so many layers."""
    return TOP + (min(count, LINES) + (count > LINES)) * ROW


def _start(column: int) -> float:
    return FIRST + column * COLUMN


def _middle(column: int) -> float:
    return _start(column) + BAR * MOST / 2


def _marks(count: int) -> list[Sequence[float]]:
    """Where the bars of "before" ended."""
    marks: list[Sequence[float]] = []
    for column in range(len(QUANTITIES)):
        x = _start(column) + BAR
        marks += [(x, TOP + i * ROW + 8, x, TOP + i * ROW + 14) for i in range(count)]
    return marks


def _draw_column(scene: Scene, column: int, swaps: Sequence[Swap]) -> None:
    """The numbers of a quantity, and bars of the k x k and of its 1x1."""
    runs: dict[str, list[Sequence[float]]] = {"spatial": [], "depthwise": [], "pointwise": []}
    numbers = []
    for i, swap in enumerate(swaps):
        y, x = TOP + i * ROW + 11, _start(column)
        before = swap.before.values()[column] or 1
        spatial, mix = swap.spatial.values()[column], swap.pointwise.values()[column]
        color = "depthwise" if swap.is_depthwise else "spatial"
        end, last = (round(x + BAR * min(part / before, MOST)) for part in (spatial, spatial + mix))
        runs[color].append((x, y, max(end, x + 1), y))
        if last > end:
            runs["pointwise"].append((end, y, last, y))
        numbers.append(amount(spatial + mix, column))
    for color, lines in runs.items():
        if lines:
            scene.line(color, *lines, width=4)
    scene.words(numbers, _middle(column), TOP, ROW, 1)  # one shape: short to send


def _short(name: str, most: int = 14) -> str:
    return name if len(name) <= most else "…" + name[1 - most :]


def amount(value: float, column: int) -> str:
    """A number of a quantity in three digits, with its unit: "1.23 M", "8.1 MiB", "0.31"."""
    if column == 2:
        return readable(value / MIB, ("MiB",)) if value >= MIB else readable(value / 1024, ("KiB",))
    if column == 3:
        return milliseconds(value)
    if value < 1000:
        return f"{value:,}"
    return readable(value / 1000, ("k", "M", "G"))


def milliseconds(value: float) -> str:
    """Three digits, but no more than a microsecond."""
    for least, places in ((100, 0), (10, 1), (1, 2)):
        if value >= least:
            return f"{value:,.{places}f}"
    return f"{value:.3f}"


def readable(value: float, units: Sequence[str]) -> str:
    """A number in three digits with the unit, each 1000 of the one before, that keeps it short."""
    unit = 0
    while value >= 999.5 and unit + 1 < len(units):
        value, unit = value / 1000, unit + 1
    digits = f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"
    return f"{digits} {units[unit]}"


# ---- all of it -----------------------------------------------------------------------------------


def scales_of(totals: Sequence[Totals]) -> list[float]:
    """Pixels of a bar for one of each quantity: the same at all stops."""
    most = [list(map(max, one.whole.values(), (one.stays + one.before).values())) for one in totals]
    return [BARS[1] / max(column) for column in zip(*most, strict=True)]


def draw_before(scene: Scene, totals: Totals, scales: Sequence[float]) -> None:
    """What stands still: names, legend, and the upper bar of each quantity, before the swap."""
    scene.text("The whole network, before and now", LEFT, 10, bold=True)
    for color, word, x in (("line", "stays", LEGEND), ("pointwise", "1×1", LEGEND + 92)):
        scene.rect(color, x, 5, 10, 10)
        scene.text(word, x + 14, 10, size="small")
    scene.text("k×k", LEGEND + 64, 10, size="small")
    for i, label in enumerate(QUANTITIES):
        scene.text(label, LEFT, 44 + i * PAIR)
        stays, before = totals.stays.values()[i], totals.before.values()[i]
        _bar(scene, 36 + i * PAIR, scales[i], {"line": stays, "spatial": before})
    _numbers(scene, totals.stays + totals.before, 43)


def draw_totals(scene: Scene, totals: Totals, scales: Sequence[float]) -> None:
    """The lower bar of each quantity: what stays, the k x k, their 1x1."""
    spatial = "depthwise" if totals.is_depthwise else "spatial"
    scene.rect(spatial, LEGEND + 50, 5, 10, 10)
    parts = {"line": totals.stays, spatial: totals.spatial, "pointwise": totals.pointwise}
    for i, ratio in enumerate(totals.ratios()):
        values = {color: part.values()[i] for color, part in parts.items()}
        _bar(scene, 53 + i * PAIR, scales[i], values)
        scene.text(f"{ratio:.2f} ×", LEFT, 61 + i * PAIR, bold=True)
    _numbers(scene, totals.whole, 60)


def _numbers(scene: Scene, sums: Amount, y: float) -> None:
    """Beside the bars what they are, a number in each pair."""
    words = [amount(value, i) for i, value in enumerate(sums.values())]
    words[-1] += " ms"
    scene.words(words, (BARS[0] + BARS[1] + WIDTH - LEFT) / 2, y, PAIR, 1)


def _bar(scene: Scene, y: float, scale: float, parts: dict[str, float]) -> None:
    x: float = BARS[0]
    for color, value in parts.items():
        scene.rect(color, x, y, value * scale, 13)
        x += value * scale


# ---- all numbers of segments ---------------------------------------------------------------------


def draw_curves(stops: Sequence[int], ratios: Sequence[Sequence[float]]) -> Scene:
    """A curve for each quantity over the number of segments; a click goes to a stop."""
    scene = Scene(WIDTH, SUMS)
    scene.text("Over all numbers of segments, × before", LEFT, TOTALS + 10, bold=True)
    most = ceiling(ratios)
    for column, label in enumerate(QUANTITIES):
        left, top, wide, high = _place(column)
        scene.text(label, left, top - 10, size="small")
        for share in range(int(most) + 1):
            y = top + (1 - share / most) * high
            scene.line("line", (left, y, left + wide, y), dash=share == 1)
            scene.text(f"{share}", left - 6, y, color="quiet", size="small", anchor="end")
        for stop in (1, *(s for s in (8, 64) if 4 * s <= stops[-1]), stops[-1]):
            x, y = _x(column, stop, stops), top + high + 11
            scene.text(f"{stop}", x, y, color="quiet", size="small", anchor="middle")
        points = zip(stops, (row[column] for row in ratios), strict=True)
        run: list[float] = []
        for stop, ratio in points:
            run += [_x(column, stop, stops), _y(column, ratio, most)]
        scene.line("ink", run, width=1.5)
        _clicks(scene, column, stops)
    for column in (2, 3):
        left, top, wide, high = _place(column)
        x, y = left + wide / 2, top + high + 26
        scene.text("segments →", x, y, color="quiet", size="small", anchor="middle")
    return scene


def _clicks(scene: Scene, column: int, stops: Sequence[int]) -> None:
    """A place for each stop, as wide as halfway to its neighbors."""
    _, top, _, high = _place(column)
    for i, stop in enumerate(stops):
        here = _x(column, stop, stops)
        before = _x(column, stops[max(i - 1, 0)], stops)
        behind = _x(column, stops[min(i + 1, len(stops) - 1)], stops)
        wide = max((behind - before) / 2, 2)
        scene.click(stop, (before + here) / 2, top, wide, high, f"{stop} segments")


def draw_here(
    scene: Scene, stops: Sequence[int], ratios: Sequence[Sequence[float]], at: int
) -> None:
    """Upon the curves, where the slider is; what they are there stands beside the bars."""
    most, columns = ceiling(ratios), range(len(QUANTITIES))
    places = [(_x(column, stops[at], stops), *_place(column)) for column in columns]
    scene.line("quiet", *((x, top, x, top + high) for x, _, top, _, high in places))
    for column, ratio in enumerate(ratios[at]):
        scene.dot("paper", places[column][0], _y(column, ratio, most), 4.5, edge="ink")


def ceiling(ratios: Sequence[Sequence[float]]) -> float:
    """Where the axes of the curves end."""
    return max(1.25, 1.1 * max(max(row) for row in ratios))


def _place(column: int) -> tuple[float, float, float, float]:
    left, top, wide, high = CHART
    return left + column % 2 * APART[0], top + 4 + column // 2 * APART[1], wide, high


def _x(column: int, stop: int, stops: Sequence[int]) -> float:
    left, _, wide, _ = _place(column)
    return left + log2(stop) / log2(max(stops[-1], 2)) * wide


def _y(column: int, ratio: float, most: float) -> float:
    _, top, _, high = _place(column)
    return top + (1 - ratio / most) * high
