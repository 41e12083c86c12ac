"""Roofline and latency: why fewer multiplications are not always faster, with measurements of a
machine (Q8, Q9).
"""

from collections.abc import Mapping

from xception_edu.explorers import measured
from xception_edu.explorers.engine.scene_explorer import SceneExplorer, View, scene_explorer
from xception_edu.explorers.measured import Timed
from xception_edu.explorers.roofline_panels import Chart, Layer, draw_latency, draw_roofline

DTYPES = {"float32": "fp32, 4 bytes", "bfloat16": "bf16, 2 bytes"}
MODES = {"forward": "forward", "training": "forward and backward"}
# as much arithmetic and traffic as a forward pass: each of two gradients is one more
PASSES = {"forward": 1, "training": 3}
COLUMNS = (
    ("MACs", "of the 3×3"),
    ("Intensity", "MACs/byte"),
    ("Time", "ms"),
    ("Speed", "billion MACs/s"),
    ("Of the roof", "reached"),
    ("All ways to compute it", "ms"),
)
FORMS = {  # what SegmentedConv2d may do, in words
    "grouped_nchw": "grouped convolutions, map after map in memory (NCHW)",
    "grouped_channels_last": "grouped convolutions, pixel after pixel in memory (channels_last)",
    "dense": "one regular convolution, with zeros where pieces do not meet",
}


def roofline_explorer(
    *,
    segments: int | None = None,
    module: str | None = None,
    dtype: str | None = None,
    mode: str | None = None,
    measurements: object = None,
) -> SceneExplorer:
    """The roofline of a measured machine with every layer of Xception and Inception V3, and the
    paper's 3x3 over its segments.

    `segments` is one of those that were measured; `module` the map, "728x19" (channels and side) or
    "128x56"; `dtype` "float32" or "bfloat16"; `mode` "forward" or "training", as far as they were
    measured. `measurements` is the folder into which `python -m xception_edu benchmark all --out
    FOLDER` wrote, or a dict with roofline, layers and segments_latency as read from there; None:
    the repository's own. ValueError for anything else.
    """
    records = measured.load(measurements)
    charts = charts_of(records)
    modules, dtypes, modes = (list(dict.fromkeys(key[i] for key in charts)) for i in range(3))
    choices = {
        "module": (
            "Map",
            {name: "{} channels, {}×{}".format(*_sizes(name), _sizes(name)[1]) for name in modules},
        ),
        "dtype": ("Numbers", {name: DTYPES[name] for name in dtypes}),
        "mode": ("Pass", {name: MODES[name] for name in modes}),
    }
    state = {"module": module or modules[0], "dtype": dtype or dtypes[0], "mode": mode or modes[0]}
    start = _first_stop(charts.get(tuple(state.values()))) if segments is None else segments
    who, batch = measured.machine(records["segments_latency"]), records["segments_latency"]["batch"]

    def views(module: str, dtype: str, mode: str) -> list[View]:
        chart = charts[module, dtype, mode]
        return [_view(point, chart, module, who, batch) for point in chart.points]

    arguments = "" if measurements is None else ", measurements=measurements"
    if isinstance(measurements, str):
        arguments = f", measurements={measurements!r}"
    state = {"segments": start} | state
    return scene_explorer(
        "roofline_explorer", ("segments", "Segments"), choices, COLUMNS, views, state, arguments
    )


def _sizes(module: str) -> tuple[int, int]:
    channels, _, side = module.partition("x")
    return int(channels), int(side)


def _first_stop(chart: Chart | None) -> int:
    """Where the slider begins: in the middle, if the choices are right; else they are what is
    refused.
    """
    return chart.points[len(chart.points) // 2].segments if chart else 1


# ---- what was measured ---------------------------------------------------------------------------


def charts_of(records: Mapping[str, Mapping]) -> dict[tuple[str, str, str], Chart]:
    """A chart for each map, number type and mode; of number types, those of which each map was
    measured in each mode.
    """
    record, ceilings = records["segments_latency"], records["roofline"]["ceilings"]
    cases = record["cases"]
    maps = list(dict.fromkeys((case["channels"], case["side"]) for case in cases))
    modes = [mode for mode in MODES if measured.find(cases, mode=mode)]
    charts = {}
    for dtype in DTYPES:
        every = [
            {"channels": c, "side": side, "dtype": dtype, "mode": mode}
            for c, side in maps
            for mode in modes
        ]
        if all(measured.find(cases, **case) for case in every):
            for case in every:
                module = f"{case['channels']}x{case['side']}"
                charts[module, dtype, case["mode"]] = _chart(
                    record, ceilings, records["layers"], case
                )
    if not charts:
        raise ValueError(
            "measurements has no number type with all maps in segments_latency, but must have one:"
            f" {measured.MEASURE}"
        )
    return charts


def _chart(record: Mapping, ceilings: Mapping, layers: Mapping, case: dict) -> Chart:
    points = measured.over_segments(record, **case)
    passes, one = PASSES[case["mode"]], measured.pointwise(record, **case)
    pointwise = one and Layer(
        "", "pointwise", one["intensity"], passes * one["macs"] / one["median_ms"] * 1e3
    )
    peak = ceilings["macs_per_second"][case["dtype"]]
    memory, cache = ceilings["memory"], max(ceilings["cache"], ceilings["memory"])
    return Chart(
        peak, memory, cache, network_layers(layers, case["dtype"]), points, pointwise, passes
    )


def network_layers(record: Mapping, dtype: str) -> list[Layer]:
    """Every layer with MACs at its largest batch; in float32 where nothing else was measured."""
    found = []
    for layer in record["layers"]:
        rows = measured.find(layer["measurements"], dtype=dtype) or layer["measurements"]
        row = max(rows, key=lambda row: row["batch"])
        if row["macs"]:
            found.append(
                Layer(
                    layer["network"],
                    layer["kind"],
                    row["intensity"],
                    row["macs"] / row["median_ms"] * 1e3,
                )
            )
    return found


# ---- the views -----------------------------------------------------------------------------------


def _view(point: Timed, chart: Chart, module: str, who: str, batch: int) -> View:
    first, number = chart.points[0], _count(point, module)
    fewer, faster = point.macs / first.macs, point.ms / first.ms
    bound = "memory" if chart.roof(point.intensity) < chart.peak else "arithmetic"
    bound += " (but the maps fit into the cache)" if chart.fraction(point) > 1 else ""
    others = f"{point.fastest:,.2f} to {point.slowest:,.2f}"
    takes = FORMS.get(point.takes, point.takes)
    against = (
        f"{fewer:.1%} of the MACs of 1 segment, {faster:.1%} of its time"
        if point is not first
        else "what the others are compared with"
    )
    return View(
        stop=point.segments,
        short=f"{point.segments}",
        title=f"{number}: {against}",
        note=f"Limited by {bound}. {batch} images on {who}",
        values=(
            f"{point.macs:,}",
            f"{point.intensity:,.1f}",
            f"{point.ms:,.2f}",
            f"{chart.speed(point) / 1e9:,.1f}",
            f"{chart.fraction(point):.0%}",
            others,
        ),
        scenes=(draw_roofline(point, chart), draw_latency(point, chart)),
        alts=(
            (
                f"Roofline on logarithmic axes, with {len(chart.layers)} layers of networks as"
                f" dots; {number} of the 3×3: {point.intensity:,.1f} MACs a byte,"
                f" {chart.speed(point) / 1e9:,.1f} billion MACs a second, where the roof allows"
                f" {chart.roof(point.intensity) / 1e9:,.1f}; computed as {takes}"
            ),
            (
                f"Curves over segments, 1 segment being 100%: {number} needs {fewer:.1%} of the"
                f" MACs and {faster:.1%} of the time; the roof would allow"
                f" {chart.attainable(point) / first.ms:.1%}"
            ),
        ),
    )


def _count(point: Timed, module: str) -> str:
    every = ", one a channel" if point.segments == _sizes(module)[0] else ""
    return f"{point.segments} segment{'s' * (point.segments > 1)}{every}"
