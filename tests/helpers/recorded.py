"""Records as `python -m xception_edu benchmark` writes them, with made-up times: for tests of what
is drawn from them.
"""

import json
import math
import statistics

from xception_edu.benchmark import layers, segments
from xception_edu.costs import cost_of
from xception_edu.plots.ablation_chart import ASKED, DIALS
from xception_edu.specs import ConvSpec, Shape

CEILINGS = {"macs_per_second": {"float32": 1e11, "bfloat16": 4e11}, "memory": 1e10, "cache": 8e10}
ABOUT = {
    "quick": False,
    "device": "cpu",
    "threads": 2,
    "machine": {"processor": "A processor of the test at 2.80 GHz"},
}
SPREAD = {"q1_ms": 0.9, "q3_ms": 1.2}


def record(**more):
    return {**ABOUT, "ceilings": CEILINGS, **more}


def times(ms):
    return {
        "median_ms": ms,
        **{key: ms * factor for key, factor in SPREAD.items()},
        "rounds": 5,
        "preempted": 0,
    }


def costs(spec, shape, dtype):
    cost, size = (
        cost_of(spec, shape),
        {"batch": 4, "bytes_per_element": 4 if dtype == "float32" else 2},
    )
    moved = cost.bytes_moved(**size)
    return {
        "macs": 4 * cost.macs,
        "params": cost.params,
        "bytes": moved,
        "intensity": round(cost.intensity(**size), 4),
    }


def roof_ms(row, dtype, passes):
    return (
        1e3
        * passes
        * max(row["macs"] / CEILINGS["macs_per_second"][dtype], row["bytes"] / CEILINGS["memory"])
    )


def cases(dtypes=segments.DTYPES, modes=segments.MODES):
    for channels, side in segments.MAPS.items():
        for dtype in dtypes:
            for mode in modes:
                for count in segments.counts(channels, quick=False):
                    for layout in segments.LAYOUTS:
                        yield case(channels, side, dtype, mode, count, layout)


def case(channels, side, dtype, mode, count, layout):
    """The nearer to one channel a piece, without being it, the slower than the roof; channels_last
    is the faster layout.
    """
    passes, row = (
        (3 if mode == "training" else 1),
        costs(ConvSpec(channels, channels, 3, segments=count), Shape(channels, side, side), dtype),
    )
    slow = (
        2
        + (0 if count == channels else 8 * math.log(count) / math.log(channels))
        + (channels % count > 0)
    )
    ms = roof_ms(row, dtype, passes) * slow * (1.5 if layout == "nchw" else 1)
    forms = {form: times(ms * (1.1 + i)) for i, form in enumerate(segments.FORMS)}
    forms["ours"] = times(ms) | {"takes": f"grouped_{layout}"}
    about = {"channels": channels, "side": side, "dtype": dtype, "mode": mode, "segments": count}
    attainable = {"attainable_ms": roof_ms(row, dtype, passes)}
    return {
        **about,
        "divides": channels % count == 0,
        "layout": layout,
        **row,
        **attainable,
        "forms": forms,
    }


def pointwise(dtypes=segments.DTYPES, modes=segments.MODES):
    for channels, side in segments.MAPS.items():
        for dtype in dtypes:
            for mode in modes:
                row = costs(ConvSpec(channels, channels, 1), Shape(channels, side, side), dtype)
                ms = 3 * roof_ms(row, dtype, 3 if mode == "training" else 1)
                about = {
                    "channels": channels,
                    "side": side,
                    "dtype": dtype,
                    "mode": mode,
                    "layout": "nchw",
                }
                yield {**about, **row, **times(ms)}


def network_rows(dtypes=segments.DTYPES):
    for network in layers.NETWORKS:
        for about, spec, shape in layers.different_layers(network):
            rows = [{"batch": 4, "dtype": dtype, **costs(spec, shape, dtype)} for dtype in dtypes]
            yield about | {"measurements": [row | at_a_quarter_of_the_roof(row) for row in rows]}


def at_a_quarter_of_the_roof(row):
    attainable = roof_ms(row, row["dtype"], 1)
    return {"attainable_ms": attainable, **times(4 * attainable)}


def sweep():
    """Findings of made-up runs of a sweep, three seeds each."""
    names = ("1", "4", "8", "16", "channels")
    points = []
    for i, name in enumerate(names):
        top1 = [0.6 + 0.01 * i, 0.61 + 0.01 * i, 0.605 + 0.01 * i]
        middle = statistics.mean(top1)
        row = {"point": name, "top1": top1, "mean": middle}
        points.append(row | {"low": middle - 0.012, "high": middle + 0.012})
    comparisons = [
        {"point": name, "end": end, "mean": 0.01 * i, "low": 0.01 * i - 0.005, "high": 0.02 * i}
        for i, name in enumerate(names[1:-1], 1)
        for end in ("1", "channels")
    ]
    plan = {"ends": ["1", "channels"], "smallest_effect": 0.01}
    return {"seeds": [0, 1, 2], "points": points, "comparisons": comparisons, "plan": plan}


def changes():
    """What made-up changes of a network did, and what the entanglement of made-up images."""

    def row(point, mean, end="channels"):
        about = {"point": point, "end": end, "mean": mean, "low": mean - 0.01, "high": mean + 0.02}
        return {**about, "p_holm": 0.01 if abs(mean) > 0.02 else 0.4}

    found = {}
    for name in ASKED:
        rows = [row("no residual, own rate", -0.03), row("another", 0.004)]
        found[f"sweep_{name}"] = record(comparisons=rows, plan={"smallest_effect": 0.01})
    for i, name in enumerate(DIALS):
        ends = ("channels", "1") if i == 0 else ("1", "channels")
        plan = {"recipe": {"entanglement": i / (len(DIALS) - 1)}}
        found[f"sweep_{name}"] = record(comparisons=[row(ends[0], 0.1, ends[1])], plan=plan)
    return found


def finetune():
    """What made-up photographs taught a classifier, three seeds each."""

    def row(i, **about):
        top1 = [0.7 + 0.05 * i, 0.68 + 0.05 * i, 0.72 + 0.05 * i]
        middle = statistics.mean(top1)
        return {**about, "top1": top1, "mean": middle, "low": middle - 0.05, "high": middle + 0.05}

    return {
        "images": {"train": 160, "validation": 60},
        "images_a_class": [row(i, images=images) for i, images in enumerate((1, 4, 16))],
        "scratch": {"mean": 0.2, "low": 0.1, "high": 0.3},
    }


def everything(dtypes=segments.DTYPES, modes=segments.MODES):
    """All records that are drawn, as JSON would bring them."""
    found = {
        "roofline": record(),
        "layers": record(layers=list(network_rows(dtypes))),
        "sweep_spectrum_params": record(**sweep()),
        **changes(),
        "finetune": record(**finetune()),
        "segments_latency": record(
            batch=4, cases=list(cases(dtypes, modes)), pointwise=list(pointwise(dtypes, modes))
        ),
    }
    return json.loads(json.dumps(found))
