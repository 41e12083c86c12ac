"""The segments explorer: from a regular to a depthwise convolution, segment by segment (Section
1.2, Figures 2 to 4).

It is no scene of the engine's, as all others are: its script draws thousands of wires from the few
numbers where pieces end, which as shapes would make the table several times as long, and its costs
are a table with heads, which a screen reader reads and a narrow page folds.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby

import traitlets as t
from matplotlib.figure import Figure

from xception_edu import checks
from xception_edu.architectures import ORDERS, ModuleConfig, module, regular_convolution
from xception_edu.costs import Cost, block_diagonal_weights, total
from xception_edu.explorers import segments_panels
from xception_edu.explorers.engine.base import TableExplorer
from xception_edu.explorers.engine.readouts import named
from xception_edu.plots import style
from xception_edu.plots.pieces import counted
from xception_edu.specs import Shape, segment_sizes

MOST_CHANNELS = 64  # more could not be told apart on the screen
CHANNELS, KERNEL_SIZES, INPUT_SIDES = (12, 24, 48), (1, 3, 5), (8, 19, 37)
MOST_CHOICES = 6  # of a control: they stand side by side, and each multiplies the table
COLUMNS = (  # of a row of costs: name and unit
    ("Parameters", "weights"),
    ("MACs", "per image"),
    ("Activations", "elements"),
    ("Bytes moved", "float32"),
    ("Intensity", "MACs/byte"),
)


# ---- the table: every position of every control, once --------------------------------------------


def counts(cost: Cost) -> tuple[float, ...]:
    """What the columns hold, for one image in float32; the last one is no integer."""
    return cost.params, cost.macs, cost.activations, cost.bytes_moved(), cost.intensity()


def _shown(cost: Cost) -> list[float]:
    return [round(n, 2) for n in counts(cost)]


def _relative(cost: Cost, to: Cost) -> list[float]:
    return [round(n / one, 3) for n, one in zip(counts(cost), counts(to), strict=True)]


def pieces(channels: int, segments: int) -> dict[str, object]:
    """Where the pieces begin and end (`edges`), their sizes in `words`, and how many k x k kernels
    are `kept`.
    """
    sizes = segment_sizes(channels, segments)
    runs = [(len(list(run)), size) for size, run in groupby(sizes)]
    (number, size), *smaller = runs
    words = f"{counted(number, 'piece')} of {counted(size, 'channel')}"
    words += "".join(f", {number} of {size}" for number, size in smaller)
    kernels = block_diagonal_weights(channels, channels, segments)
    kept = f"{kernels:,} of {channels**2:,} kernels"
    return {"edges": [0, *accumulate(sizes)], "words": words, "kept": kept}


def name(channels: int, segments: int, order: str) -> str:
    """Where on the spectrum of Section 1.2 we are, in words."""
    if segments == 1:
        parts = ("a 1×1", "a regular convolution")
        return "1 segment: {} plus {}".format(
            *(parts if order == "pointwise_first" else parts[::-1])
        )
    if segments == channels:
        ends = {
            "pointwise_first": "the extreme Inception module",
            "spatial_first": "a depthwise separable convolution",
        }
        return f"{segments} segments, one per channel: {ends[order]}"
    swapped = "" if order == "pointwise_first" else " with its two steps swapped"
    return f"{segments} segments: an Inception-like module{swapped}"


def compute(
    channels: Sequence[int] = CHANNELS,
    kernel_sizes: Sequence[int] = KERNEL_SIZES,
    input_sides: Sequence[int] = INPUT_SIDES,
) -> dict[str, object]:
    """Everything that the explorer can show, as plain data: lists indexed by segments - 1, under
    the values of the choices.

    A row of `costs` is the module's five columns (see COLUMNS) and then their ratios to the plain
    regular convolution, whose own columns are in `regular`; `pointwise` has the ratios of the
    module's 1x1 alone (but for the intensity, which does not add up). As many channels leave as
    enter.
    """
    table: dict[str, dict] = {
        "pieces": {},
        "names": {},
        "costs": {},
        "regular": {},
        "pointwise": {},
    }
    for c in channels:
        table["pieces"][f"{c}"] = [pieces(c, s) for s in range(1, c + 1)]
        for order in ORDERS:
            table["names"][f"{c} {order}"] = [name(c, s, order) for s in range(1, c + 1)]
        for k in kernel_sizes:
            for side in input_sides:
                _compute_costs(table, c, k, side)
    return table


def _compute_costs(table: dict[str, dict], c: int, k: int, side: int) -> None:
    """Fill in the costs of one choice of channels, kernel and input, in both orders."""
    shape, key = Shape(c, side, side), f"{c} {k} {side}"
    regular = total(regular_convolution(c, c, shape, kernel_size=k))
    table["regular"][key] = _shown(regular)
    table["pointwise"][key] = _relative(
        total(regular_convolution(c, c, shape, kernel_size=1)), regular
    )[:-1]
    for order in ORDERS:
        configs = (ModuleConfig(c, c, s, kernel_size=k, order=order) for s in range(1, c + 1))
        modules = [total(module(config, shape)) for config in configs]
        table["costs"][f"{key} {order}"] = [
            _shown(cost) + _relative(cost, regular) for cost in modules
        ]


def position(
    table: dict, *, segments: int, channels: int, kernel_size: int, input_side: int, order: str
) -> dict[str, object]:
    """What is shown in one state, looked up as the browser looks it up."""
    key = f"{channels} {kernel_size} {input_side}"
    costs = table["costs"][f"{key} {order}"]
    found = {
        "name": table["names"][f"{channels} {order}"][segments - 1],
        "costs": costs[segments - 1],
        "separable": costs[-1],
        "regular": table["regular"][key],
        "pointwise": table["pointwise"][key],
    }
    return found | table["pieces"][f"{channels}"][segments - 1]


# ---- the widget ----------------------------------------------------------------------------------


class SegmentsExplorer(TableExplorer):
    """The widget of `segments_explorer`: its five dials are traits, which Python and the browser
    both may set.
    """

    package = __package__
    files = "segments"
    picture_width = style.WIDTH
    # Of no type of traitlets': the validators below refuse what is wrong, with ValueError and the
    # package's own sentences.
    segments = t.TraitType(None).tag(sync=True)
    channels = t.TraitType(None).tag(sync=True)
    kernel_size = t.TraitType(None).tag(sync=True)
    input_side = t.TraitType(None).tag(sync=True)
    order = t.TraitType(None).tag(sync=True)

    @t.validate("channels", "kernel_size", "input_side", "order")
    def _check_choice(self, proposal):
        self.check_option(proposal["trait"].name, proposal["value"])
        return proposal["value"]

    @t.validate("segments")
    def _check_segments(self, proposal):
        because = f"channels is {self.channels}"
        return checks.integer("segments", proposal["value"], at_most=self.channels, because=because)

    @t.observe("channels")
    def _clamp_segments(self, change):
        if self.segments and self.segments > change["new"]:
            self.segments = change["new"]

    def readouts(self) -> dict[str, object]:
        """The module's costs, by name."""
        costs = position(self.table, **self.state())["costs"]
        return named(COLUMNS, costs[: len(COLUMNS)])

    def figure(self) -> Figure:
        """The current state as matplotlib draws it: wiring, weights and costs."""
        return segments_panels.draw(
            position(self.table, **self.state()),
            COLUMNS,
            kernel_size=self.kernel_size,
            order=self.order,
            say=self.say,
        )

    @staticmethod
    def texts(sent: dict) -> Iterator[str]:
        """Every text of a table that is shown: of controls, costs, pieces and names."""
        yield from (control["label"] for control in sent["controls"])
        for column in sent["columns"]:
            yield from column
        for names in sent["names"].values():
            yield from names
        for rows in sent["pieces"].values():
            for row in rows:
                yield from (row["words"], row["kept"])


def segments_explorer(
    *,
    segments: int | None = None,
    channels: int | None = None,
    kernel_size: int | None = None,
    input_side: int | None = None,
    order: str = "pointwise_first",
    channel_choices: Sequence[int] = CHANNELS,
    kernel_choices: Sequence[int] = KERNEL_SIZES,
    side_choices: Sequence[int] = INPUT_SIDES,
) -> SegmentsExplorer:
    """The paper's module (a 1x1 and a segmented k x k convolution, as many channels out as in)
    under a slider over segments.

    Shows the wiring, the weight matrix with its blocks, and parameters, MACs, activations, bytes
    and intensity for one image in float32, beside the plain regular convolution and the separable
    one. A value that is not among its choices becomes one of them. ValueError for wrong arguments.

    Args:
        segments: any integer from 1 to `channels`.
        channels: of the input and of the output.
        kernel_size: the k of the k x k.
        input_side: height and width of the input, in pixels.
        order: "pointwise_first", the paper's module, or "spatial_first", the separable convolution.
        channel_choices: what the explorer offers: from 2 to 64, at most 6.
        kernel_choices: odd sizes from 1 to 15, at most 6.
        side_choices: from 1 to 299 pixels, at most 6.
    """
    channels, channel_choices = _choices(
        "channels", channels, "channel_choices", channel_choices, (2, MOST_CHANNELS), 48
    )
    kernel_size, kernel_choices = _choices(
        "kernel_size", kernel_size, "kernel_choices", kernel_choices, (1, 15), 3, odd=True
    )
    input_side, side_choices = _choices(
        "input_side", input_side, "side_choices", side_choices, (1, 299), 19
    )
    checks.one_of("order", order, ORDERS)
    segments = min(4, channels) if segments is None else segments
    checks.integer("segments", segments, at_most=channels, because=f"channels is {channels}")
    start = {
        "segments": segments,
        "channels": channels,
        "kernel_size": kernel_size,
        "input_side": input_side,
        "order": order,
    }
    table = _whole_table(channel_choices, kernel_choices, side_choices) | {"start": start}
    return SegmentsExplorer(table=table, **start)


def _whole_table(
    channels: tuple[int, ...], kernels: tuple[int, ...], sides: tuple[int, ...]
) -> dict[str, object]:
    """What an explorer looks up for these choices: every position, and how its controls are
    called.
    """
    dials = (
        ("channels", "Channels", channels),
        ("kernel_size", "Kernel", kernels),
        ("input_side", "Input", sides),
        ("order", "Order", ORDERS),
    )
    controls = [{"name": n, "label": label, "options": list(o)} for n, label, o in dials]
    names = ("channel_choices", "kernel_choices", "side_choices")
    usual, rest = (CHANNELS, KERNEL_SIZES, INPUT_SIDES), ""
    for argument, value, own in zip(names, (channels, kernels, sides), usual, strict=True):
        rest += f", {argument}={value}" * (value != own)
    return compute(channels, kernels, sides) | {
        "call": ["xe.segments_explorer(", f"{rest})"],
        "controls": [{"name": "segments", "label": "Segments"}, *controls],
        "columns": [list(column) for column in COLUMNS],
    }


def _choices(
    name: str,
    value: object,
    plural: str,
    choices: object,
    bounds: tuple[int, int],
    usual: int,
    *,
    odd: bool = False,
) -> tuple[int, tuple[int, ...]]:
    """The value to begin with, and the choices in order, the value among them; ValueError for what
    is out of bounds.
    """
    options = {
        f"{plural}[{i}]": option
        for i, option in enumerate(checks.integers(plural, choices, shortest=1))
    }
    options |= {} if value is None else {name: value}
    for label, option in options.items():
        checks.integer(label, option, at_least=bounds[0], at_most=bounds[1])
        if odd and option % 2 == 0:
            raise ValueError(
                f"{label} is {option}, but must be odd: an even kernel changes the sides of the map"
            )
    ordered = tuple(sorted(set(options.values())))
    if len(ordered) > MOST_CHOICES:
        raise ValueError(
            f"{plural} is {choices!r}, but must have at most {MOST_CHOICES} different values,"
            f" {name} included"
        )
    return (value or (usual if usual in ordered else ordered[-1])), ordered
