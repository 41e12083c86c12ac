"""Measurements for explorers: the files that `python -m xception_edu benchmark` writes, the
repository's or a learner's own.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILES = ("roofline", "layers", "segments_latency")
FOLDER = Path(__file__).parents[2] / "results"  # of the repository; an installed package has none
MEASURE = "`python -m xception_edu benchmark all --out FOLDER` measures this machine"


def available(*names: str) -> bool:
    """Whether the repository's own measurements are there."""
    return all((FOLDER / f"{name}.json").is_file() for name in names or FILES)


def load(measurements: object = None, *names: str) -> dict[str, dict]:
    """The records of `names` (of all FILES if none is named), from a folder, a dict of records, or
    (None) the repository.

    ValueError, with what to do, where one is missing, is no JSON, or is no record of `benchmark`.
    """
    names = names or FILES
    if isinstance(measurements, Mapping):
        records = {name: measurements.get(name) for name in names}
    elif measurements is None or isinstance(measurements, str | os.PathLike):
        folder = FOLDER if measurements is None else Path(measurements)
        records = {name: _read(folder / f"{name}.json", measurements) for name in names}
    else:
        wanted = f"a folder, or a dict with {', '.join(names)}"
        raise ValueError(f"measurements is {measurements!r}, but must be {wanted}: {MEASURE}")
    for name, record in records.items():
        _check(name, record)
    return records


def _read(path: Path, given: object) -> object:
    if not path.is_file():
        where = (
            "the repository's results, which are not beside this package"
            if given is None
            else f"a folder with {path.name}"
        )
        raise ValueError(
            f"measurements is {given!r}, but must be {where}: {MEASURE}, then give"
            " measurements=FOLDER"
        )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(
            f"measurements has {path.name}, which is no JSON, but must be as written: {MEASURE}"
        ) from None


NEEDED = {
    "roofline": ("ceilings",),
    "layers": ("layers",),
    "segments_latency": ("cases", "pointwise", "batch"),
}


def _check(name: str, record: object) -> None:
    for key in ("machine", "threads", "device", *NEEDED[name]):
        if not isinstance(record, Mapping) or key not in record:
            raise ValueError(
                f"measurements has no {key!r} in {name}, but must be as benchmark wrote it:"
                f" {MEASURE}"
            )


def machine(record: Mapping) -> str:
    """What was measured on: the GPU's name, or the processor's and its threads; and that it was a
    first look, if it was.
    """
    threads = record["threads"]
    cpu = f"{record['machine']['processor']}, {threads} thread{'s' * (threads > 1)}"
    quick = " (a quick look)" if record.get("quick") else ""
    return (cpu if record["device"] == "cpu" else record["device"]) + quick


def find(rows: list[dict], **wanted: object) -> list[dict]:
    """The rows that have these values, in their order."""
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


@dataclass(frozen=True)
class Timed:
    """One number of segments as measured: MACs of the batch, intensity, and times in milliseconds.

    `ms` is what SegmentedConv2d takes (with its quartiles `low` and `high`), its maps laid out as
    is faster for it; `takes` is the form that it chose; `fastest` and `slowest` are the extremes of
    all forms and layouts that were timed.
    """

    segments: int
    divides: bool
    macs: int
    intensity: float
    attainable_ms: float
    ms: float
    low: float
    high: float
    takes: str
    fastest: float
    slowest: float


def over_segments(
    record: Mapping, *, channels: int, side: int, dtype: str, mode: str
) -> list[Timed]:
    """Each number of segments that was measured on such a map, ascending."""
    cases = find(record["cases"], channels=channels, side=side, dtype=dtype, mode=mode)
    counts = sorted({case["segments"] for case in cases})
    return [_timed([case for case in cases if case["segments"] == segments]) for segments in counts]


def _timed(layouts: list[dict]) -> Timed:
    best = min(layouts, key=lambda case: case["forms"]["ours"]["median_ms"])
    ours = best["forms"]["ours"]
    every = [form["median_ms"] for case in layouts for form in case["forms"].values()]
    same = {key: best[key] for key in ("segments", "divides", "macs", "intensity", "attainable_ms")}
    times = {"ms": ours["median_ms"], "low": ours["q1_ms"], "high": ours["q3_ms"]}
    return Timed(**same, **times, takes=ours["takes"], fastest=min(every), slowest=max(every))


def pointwise(record: Mapping, *, channels: int, side: int, dtype: str, mode: str) -> dict | None:
    """The row of the 1x1 in its faster layout, or None where it was not measured."""
    rows = find(record["pointwise"], channels=channels, side=side, dtype=dtype, mode=mode)
    return min(rows, key=lambda row: row["median_ms"], default=None)


@dataclass(frozen=True)
class ModuleTimes:
    """Milliseconds of the 1x1, and of the segmented 3x3 by its number of segments; on which
    machine, for how many images.
    """

    pointwise: float
    spatial: dict[int, float]
    machine: str
    batch: int


def module_times(record: Mapping, *, channels: int, side: int) -> ModuleTimes | None:
    """Times of the paper's module on such a map, forward in float32; None unless the ends of the
    spectrum were measured.
    """
    case = {"channels": channels, "side": side, "dtype": "float32", "mode": "forward"}
    one, timed = pointwise(record, **case), over_segments(record, **case)
    spatial = {point.segments: point.ms for point in timed}
    if one is None or not {1, channels} <= set(spatial):
        return None
    return ModuleTimes(one["median_ms"], spatial, machine(record), record["batch"])
