"""Roofline and latency: why fewer multiplications are not always faster, with measurements of a
machine.
"""

from collections.abc import Mapping, Sequence

from xception_edu import checks
from xception_edu.benchmark import records
from xception_edu.benchmark.records import Record, rows_with
from xception_edu.benchmark.roofline import Roofline
from xception_edu.explorers.engine.scene_explorer import (
    SceneExplorer,
    View,
    as_arguments,
    scene_explorer,
)
from xception_edu.explorers.roofline_panels import (
    Chart,
    LatencyPanel,
    Layer,
    RoofPanel,
    Timed,
    percent,
)
from xception_edu.plots.pieces import counted

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

    What was not measured cannot be shown: ValueError for that, as for other wrong arguments.

    Args:
        segments: one of the numbers of segments that were measured.
        module: the map, "728x19" (channels and side) or "128x56".
        dtype: "float32" or "bfloat16".
        mode: "forward" or "training".
        measurements: the folder into which `python -m xception_edu benchmark all --out FOLDER`
            wrote, or a dict with roofline, layers and segments_latency as read from there; None:
            the project's own.
    """
    measured = records.read_records(measurements)
    charts = charts_of(measured)
    modules, dtypes, modes = (list(dict.fromkeys(names)) for names in zip(*charts, strict=True))
    maps = {}
    for name in modules:
        channels, side = _sizes(name)
        maps[name] = f"{channels} channels, {side}×{side}"
    choices = {
        "module": ("Map", maps),
        "dtype": ("Numbers", {name: DTYPES[name] for name in dtypes}),
        "mode": ("Pass", {name: MODES[name] for name in modes}),
    }
    given = {"module": module, "dtype": dtype, "mode": mode}
    state: dict[str, object] = {}
    for name, (_, options) in choices.items():
        first = next(iter(options))
        asked = given[name]
        state[name] = first if asked is None else checks.one_of(name, asked, list(options))
    points = charts[state["module"], state["dtype"], state["mode"]].points
    start = points[len(points) // 2].segments if segments is None else segments
    segments_latency = measured["segments_latency"]
    source = f"{segments_latency['batch']} images on {records.describe_machine(segments_latency)}"

    def views(module: str, dtype: str, mode: str) -> list[View]:
        chart = charts[module, dtype, mode]
        panels = (RoofPanel(chart), LatencyPanel(chart))
        return [_view(point, chart, module, source, panels) for point in chart.points]

    arguments = as_arguments({"measurements": measurements})
    state = {"segments": start} | state
    return scene_explorer(
        "roofline_explorer", ("segments", "Segments"), choices, COLUMNS, views, state, arguments
    )


def _sizes(module: str) -> tuple[int, int]:
    channels, _, side = module.partition("x")
    return int(channels), int(side)


# ---- what was measured ---------------------------------------------------------------------------


def charts_of(measured: Mapping[str, Record]) -> dict[tuple[str, str, str], Chart]:
    """A chart for each map, number type and mode; of number types, those of which each map was
    measured in each mode.
    """
    record, roofline = measured["segments_latency"], Roofline.of(measured["roofline"])
    cases = record["cases"]
    modes = [mode for mode in MODES if rows_with(cases, mode=mode)]
    charts = {}
    for dtype in DTYPES:
        choices = [
            {"channels": channels, "side": side, "dtype": dtype, "mode": mode}
            for channels, side in records.maps_of(record)
            for mode in modes
        ]
        if not all(rows_with(cases, **choice) for choice in choices):
            continue
        for choice in choices:
            module = f"{choice['channels']}x{choice['side']}"
            charts[module, dtype, choice["mode"]] = Chart(
                roofline=roofline,
                dtype=dtype,
                layers=network_layers(measured["layers"], dtype),
                points=points_over_segments(record, choice),
                pointwise=_pointwise(record, choice),
                passes=PASSES[choice["mode"]],
            )
    if not charts:
        raise ValueError(
            "measurements has no number type with all maps in segments_latency, but must have one:"
            f" {records.MEASURE}"
        )
    return charts


def points_over_segments(record: Record, choice: Mapping) -> list[Timed]:
    """Each number of segments that was measured in a choice, ascending."""
    points = []
    for segments, case in records.over_segments(record, **choice).items():
        layouts = rows_with(record["cases"], **choice, segments=segments)
        every = [form["median_ms"] for row in layouts for form in row["forms"].values()]
        points.append(
            Timed(
                segments=segments,
                divides=case["divides"],
                macs=case["macs"],
                intensity=case["intensity"],
                ms=records.milliseconds(case),
                takes=case["forms"]["ours"]["takes"],
                fastest=min(every),
                slowest=max(every),
            )
        )
    return points


def _pointwise(record: Record, choice: Mapping) -> Layer | None:
    """The 1x1 of a choice, if it was measured."""
    row = records.pointwise(record, **choice)
    if row is None:
        return None
    speed = PASSES[choice["mode"]] * row["macs"] / row["median_ms"] * 1e3
    return Layer("", "pointwise", row["intensity"], speed)


def network_layers(record: Record, dtype: str) -> list[Layer]:
    """Every layer with MACs at its largest batch; in float32 where nothing else was measured."""
    found = []
    for layer in record["layers"]:
        rows: Sequence[Record] = rows_with(layer["measurements"], dtype=dtype)
        row = max(rows or layer["measurements"], key=lambda row: row["batch"])
        if row["macs"]:
            speed = row["macs"] / row["median_ms"] * 1e3
            found.append(Layer(layer["network"], layer["kind"], row["intensity"], speed))
    return found


# ---- the views -----------------------------------------------------------------------------------


def _view(
    point: Timed, chart: Chart, module: str, source: str, panels: tuple[RoofPanel, LatencyPanel]
) -> View:
    first, number = chart.points[0], _count(point, module)
    fewer, faster = point.macs / first.macs, point.ms / first.ms
    bound = "memory" if chart.roof(point.intensity) < chart.peak else "arithmetic"
    if chart.fraction(point) > 1:
        bound += "; above the roof, which a matrix product and a copy reached"
    others = f"{point.fastest:,.2f} to {point.slowest:,.2f}"
    takes = FORMS.get(point.takes, point.takes)
    against = (
        f"{percent(fewer)} of the MACs of 1 segment, {percent(faster)} of its time"
        if point is not first
        else "what the others are compared with"
    )
    return View(
        stop=point.segments,
        short=f"{point.segments}",
        title=f"{number}: {against}",
        note=f"Limited by {bound}. {source}",
        values=(
            f"{point.macs:,}",
            f"{point.intensity:,.1f}",
            f"{point.ms:,.2f}",
            f"{chart.speed(point) / 1e9:,.1f}",
            f"{chart.fraction(point):.0%}",
            others,
        ),
        scenes=[panel.at(point) for panel in panels],
        alts=(
            (
                f"Roofline on logarithmic axes, with {len(chart.layers)} layers of networks as"
                f" dots; {number} of the 3×3: {point.intensity:,.1f} MACs a byte,"
                f" {chart.speed(point) / 1e9:,.1f} billion MACs a second, where the roof allows"
                f" {chart.roof(point.intensity) / 1e9:,.1f}; computed as {takes}"
            ),
            (
                f"Curves over segments, 1 segment being 100%: {number} needs {percent(fewer)} of"
                f" the MACs and {percent(faster)} of the time; the roof would allow"
                f" {percent(chart.attainable(point) / first.ms)}"
            ),
        ),
    )


def _count(point: Timed, module: str) -> str:
    every = ", one a channel" if point.segments == _sizes(module)[0] else ""
    return counted(point.segments, "segment") + every
