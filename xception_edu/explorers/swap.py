"""Your own network with segmented convolutions: every regular k x k one of it is swapped, and all
is counted by hand, layer by layer, for every number of segments.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from xception_edu import checks
from xception_edu.benchmark import records
from xception_edu.benchmark.roofline import Roofline
from xception_edu.configs import ORDERS
from xception_edu.costs import Cost, cost_of
from xception_edu.explorers.engine.scene import Scene
from xception_edu.explorers.engine.scene_explorer import (
    SceneExplorer,
    View,
    as_arguments,
    scene_explorer,
)
from xception_edu.explorers.networks import Network, Row, network_of
from xception_edu.explorers.swap_panels import (
    Amount,
    Swap,
    Totals,
    add_up,
    draw_before,
    draw_curves,
    draw_here,
    draw_layers,
    draw_totals,
    milliseconds,
    scales_of,
)
from xception_edu.plots.pieces import counted
from xception_edu.specs import ConvSpec, Shape

MULTIPLIERS = (1, 2)  # of the control, besides the one that is asked for
WAYS = {"spatial_first": "k×k, then 1×1", "pointwise_first": "1×1, then k×k"}
KEPT = {1: "kept", 0: "none"}
EVERY = "channels"
ACCURACY = "Accuracy: no count can say; see notebook 13."


class Way(NamedTuple):
    """What each regular k x k convolution becomes, as `equivalence.swapped` has it."""

    pointwise: bool
    multiplier: int
    order: str

    @property
    def takes_multiplier(self) -> bool:
        """Whether a 1x1 follows the k x k, and mixes what a depth multiplier adds."""
        return self.pointwise and self.order == ORDERS[1]


def swap_explorer(
    module: object = None,
    *,
    input_size: object = None,
    segments: object = EVERY,
    pointwise: object = True,
    multiplier: object = 1,
    order: str = "spatial_first",
    measurements: object = None,
) -> SceneExplorer:
    """A network with every regular k x k convolution as a segmented one: parameters, MACs, bytes
    moved, and the least time that a measured machine could take, layer by layer.

    Counted and not built, so that the slider moves at once; `swapped` builds the same network. What
    it then reaches, no count can say. ValueError for wrong arguments, and for a network without
    such a convolution.

    Args:
        module: any torch module, or what `traced` gave of one, or a network of ours by name
            ("xception", "inception_v3", "vgg16") or config; None: VGG-16.
        input_size: (channels, height, width), or the pixels of one side; None: the usual size of
            a network of ours, 224 for others.
        segments: 1 or more, or "channels", one a channel in every layer; a layer with fewer
            channels has one a channel.
        pointwise: whether a 1x1 mixes the segments, True or False.
        multiplier: kernels a channel of the k x k in front of its 1x1; where none follows, it
            stays 1.
        order: "spatial_first" or "pointwise_first".
        measurements: where the roofline is from, as in `roofline_explorer`.
    """
    network = network_of("vgg16" if module is None else module, input_size)
    layers = [row for row in network["layers"] if row.get("conv", {}).get("swappable")]
    if not layers:
        right = "groups 1, dilation 1, a kernel larger than 1×1"
        raise ValueError(
            f"module is {network['name']}, but must have a regular k×k convolution: {right}"
        )
    multiplier = checks.integer("multiplier", multiplier)
    if not isinstance(pointwise, int) or pointwise not in KEPT:  # True and False are 1 and 0
        pointwise = checks.boolean("pointwise", pointwise)
    stops = stops_of(layers, segments)
    record = records.read_records(measurements, ("roofline",))["roofline"]
    counted = Counted(network, layers, stops, record)
    multipliers = sorted({*MULTIPLIERS, multiplier})
    choices = {
        "pointwise": ("1×1", KEPT),
        "multiplier": ("Depth multiplier", {count: str(count) for count in multipliers}),
        "order": ("Order", WAYS),
    }
    first = stops[-1] if segments == EVERY else segments
    state = {"segments": first, "pointwise": int(pointwise)}
    state |= {"multiplier": multiplier, "order": order}
    given = {"module": module, "input_size": input_size, "measurements": measurements}
    return scene_explorer(
        "swap_explorer",
        ("segments", "Segments"),
        choices,
        columns_of(counted.before),
        counted.views,
        state,
        as_arguments(given),
    )


def columns_of(before: Amount) -> Sequence[tuple[str, str]]:
    """The readouts, each with what it was before."""
    return (
        ("Parameters", f"before: {before.params:,}"),
        ("MACs", f"before: {before.macs:,}"),
        ("Bytes moved", f"before: {before.moved:,}"),
        ("Time at best", f"ms an image; before: {milliseconds(before.ms)}"),
    )


def stops_of(layers: Sequence[Row], segments: object) -> list[int]:
    """Numbers of segments for the slider: powers of two, and 3, which seldom divides, up to one a
    channel in the widest layer; and the one that is asked for.
    """
    widest = max(max(row["conv"]["in_channels"], row["conv"]["out_channels"]) for row in layers)
    steps = [3, *(2**i for i in range(widest.bit_length()))]
    stops = {step for step in steps if step < widest} | {widest}
    if not isinstance(segments, str) or segments != EVERY:
        because = f"the widest layer has {widest} channels; or {EVERY!r}"
        stops.add(checks.integer("segments", segments, at_most=widest, because=because))
    return sorted(stops)


# ---- counted by hand -----------------------------------------------------------------------------


def specs_after(conv: Row, segments: int, way: Way) -> tuple[list[tuple[ConvSpec, Shape]], int]:
    """The k x k and its 1x1 with their inputs in the order of the computation, and the number of
    segments that there is.
    """
    ins, outs, bias = conv["in_channels"], conv["out_channels"], conv["bias"]
    shape = Shape(*conv["in"])
    window = {"stride": tuple(conv["stride"]), "padding": tuple(conv["padding"])}
    kernel = tuple(conv["kernel"])
    if not way.pointwise:
        count = min(segments, ins, outs)
        spatial = ConvSpec(ins, outs, kernel, segments=count, bias=bias, **window)
        return [(spatial, shape)], count
    if way.order == "pointwise_first":
        count = min(segments, outs)
        mix = ConvSpec(ins, outs, 1)
        spatial = ConvSpec(outs, outs, kernel, segments=count, bias=bias, **window)
        return [(spatial, mix.output_shape(shape)), (mix, shape)], count
    count, middle = min(segments, ins), ins * way.multiplier
    spatial = ConvSpec(ins, middle, kernel, segments=count, **window)
    mix = ConvSpec(middle, outs, 1, bias=bias)
    return [(spatial, shape), (mix, spatial.output_shape(shape))], count


class Counted:
    """A network's swapped layers for every number of segments and each way, counted once."""

    def __init__(self, network: Network, layers: Sequence[Row], stops: Sequence[int], record: Row):
        self.name, self.layers, self.stops = network["name"], layers, stops
        self.roofline, self.source = Roofline.of(record), records.describe_machine(record)
        others = [row for row in network["layers"] if row not in layers]
        self.stays = add_up(self.amount(Cost(**row["cost"]), row) for row in others)
        self.before = self.stays + add_up(self.amount(Cost(**r["cost"]), r) for r in layers)
        self.drawn = cache(self.draw)

    def amount(self, cost: Cost, row: Row) -> Amount:
        """What a layer costs; one that did not run has parameters and takes no time."""
        ms = self.roofline.milliseconds(cost) if row["operator"] else 0.0
        return Amount(cost.params, cost.macs, cost.bytes_moved(), ms)

    def after(self, spec: ConvSpec, shape: Shape, row: Row) -> Amount:
        """What a new layer costs in the place of an old one: parameters only where that did not
        run, all but parameters where a layer runs once more.
        """
        cost = cost_of(spec, shape)
        if not row["operator"]:
            cost = Cost(params=cost.params)
        elif not row["cost"]["params"]:
            cost = Cost(macs=cost.macs, inputs=cost.inputs, activations=cost.activations)
        return self.amount(cost, row)

    def swap(self, row: Row, segments: int, way: Way) -> Swap:
        """A layer before and after."""
        parts, count = specs_after(row["conv"], segments, way)
        spatial, *mix = [self.after(spec, shape, row) for spec, shape in parts]
        return Swap(
            name=row["name"] or self.name,
            is_depthwise=count == parts[0][0].in_channels > 1,
            before=self.amount(Cost(**row["cost"]), row),
            spatial=spatial,
            pointwise=add_up(mix),
        )

    def swaps(self, segments: int, way: Way) -> list[Swap]:
        """Every layer before and after."""
        return [self.swap(row, segments, way) for row in self.layers]

    def draw(self, way: Way) -> list[tuple[Totals, Sequence[Scene]]]:
        """Totals and pictures of every stop."""
        swaps = [self.swaps(stop, way) for stop in self.stops]
        totals = [Totals.of(self.stays, row) for row in swaps]
        ratios = [one.ratios() for one in totals]
        curves, scales, found = draw_curves(self.stops, ratios), scales_of(totals), []
        draw_before(curves, totals[0], scales)
        for at, (row, total) in enumerate(zip(swaps, totals, strict=True)):
            sums = curves.copy()
            draw_totals(sums, total, scales)
            draw_here(sums, self.stops, ratios, at)
            found.append((total, (draw_layers(row), sums)))
        return found

    def views(self, pointwise: int, multiplier: int, order: str) -> list[View]:
        """The views of all stops, in one way to swap."""
        way = Way(bool(pointwise), multiplier, order)
        if not way.takes_multiplier:
            way = way._replace(multiplier=1)
        if not pointwise:
            way = way._replace(order=ORDERS[1])
        said = "" if way.multiplier == multiplier else "Multiplier 1: no 1×1 follows. "
        drawn = zip(self.stops, self.drawn(way), strict=True)
        return [self.view(stop, said, totals, scenes) for stop, (totals, scenes) in drawn]

    def view(self, stop: int, said: str, totals: Totals, scenes: Sequence[Scene]) -> View:
        """What is shown at one stop."""
        params, macs, _, ms = totals.ratios()
        whole = totals.whole
        every = ", one a channel" if stop == self.stops[-1] else ""
        segments = counted(stop, "segment") + every
        ratios = f"{params:.2f} × parameters, {macs:.2f} × MACs, {ms:.2f} × time"
        return View(
            stop=stop,
            short=f"{stop}",
            title=f"{self.name}, {segments}: {ratios}",
            note=f"{said}Time: at best, by the roofline of {self.source}. {ACCURACY}",
            values=(
                f"{whole.params:,}",
                f"{whole.macs:,}",
                f"{whole.moved:,}",
                milliseconds(whole.ms),
            ),
            scenes=scenes,
            alts=(
                f"{counted(len(self.layers), 'layer')}, now and before",
                f"Bars of the network, before and now; four curves, {stop} is marked",
            ),
        )
