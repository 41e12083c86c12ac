"""Measured records: where they lie, and what is in them. [standard library only]

A record is the JSON that a program measured and wrote into results/. An installed package carries a
copy of them all; a learner's own come from the folder that `python -m xception_edu benchmark all
--out FOLDER` wrote.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xception_edu import checks

Record = Mapping[str, Any]
REPOSITORY = Path(__file__).parents[2] / "results"
# Of a wheel, whose build copies results/ there. In the repository it is a link to results/, so that
# a copy of the package's folder has them too.
INSTALLED = Path(__file__).parent / "records"
MEASURE = "`python -m xception_edu benchmark all --out FOLDER` measures this machine"
# The parts that a reader needs, of the records that learners may measure themselves.
PARTS = {
    "roofline": ("ceilings",),
    "layers": ("layers",),
    "segments_latency": ("cases", "pointwise", "batch"),
}


# ---- where they lie ------------------------------------------------------------------------------


def folder() -> Path:
    """Where the project's own records lie: in the installed package, or in the repository."""
    return INSTALLED if INSTALLED.is_dir() and not INSTALLED.is_symlink() else REPOSITORY


def path_of(name: str) -> Path:
    """The file of one of the project's own records, such as "roofline" or "gpu/roofline"."""
    return folder() / f"{name}.json"


def are_there(*names: str) -> bool:
    """Whether the project's own records of these names can be read."""
    return all(path_of(name).is_file() for name in names)


def read_record(name: str) -> Record:
    """One of the project's own records; ValueError where there is none of that name."""
    if not isinstance(name, str) or name not in _names():
        here = ", ".join(_names()) or "none, for they lie in the repository"
        raise checks.wrong("name", name, f"one of the records that are here: {here}")
    record: Record = json.loads(path_of(name).read_text(encoding="utf-8"))
    return record


def _names() -> list[str]:
    """All records that are here, by name."""
    paths = sorted(folder().rglob("*.json"))
    return [path.relative_to(folder()).with_suffix("").as_posix() for path in paths]


def read_records(measurements: object, names: Sequence[str] = tuple(PARTS)) -> dict[str, Record]:
    """Records by name, from a learner's folder, a dict of records, or (None) the project's own.

    Raises ValueError, which says what to do, where one is missing, is no JSON, or lacks a part.
    """
    if isinstance(measurements, Mapping):
        found = {name: measurements.get(name) for name in names}
    elif measurements is None or isinstance(measurements, str | os.PathLike):
        root = folder() if measurements is None else Path(measurements)
        found = {name: _read(root / f"{name}.json", measurements) for name in names}
    else:
        wanted = f"a folder, or a dict with {', '.join(names)}"
        raise checks.wrong("measurements", measurements, f"{wanted}: {MEASURE}")
    return {name: _checked(name, record) for name, record in found.items()}


def _read(path: Path, measurements: object) -> object:
    if not _is_file(path):
        where = f"a folder with {path.name}"
        if measurements is None:
            where += ", for no results lie beside this package"
        right = f"{where}: {MEASURE}, then give measurements=FOLDER"
        raise checks.wrong("measurements", measurements, right)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(
            f"measurements has {path.name}, which is no JSON, but must be as written: {MEASURE}"
        ) from None


def _is_file(path: Path) -> bool:
    """Whether a file lies there; no for a name that the system does not take."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _checked(name: str, record: object) -> Record:
    """The record, if it has every part that is read of it."""
    for part in ("machine", "threads", "device", *PARTS[name]):
        if not isinstance(record, Mapping) or part not in record:
            raise ValueError(
                f"measurements has no {part!r} in {name}, but must be as benchmark wrote it:"
                f" {MEASURE}"
            )
    assert isinstance(record, Mapping)
    return record


# ---- what is in them -----------------------------------------------------------------------------


@contextlib.contextmanager
def reading(record: object) -> Iterator[None]:
    """What a reader does not find in the record becomes a ValueError that says where to get one."""
    right = "as `read_record` or a benchmark gives it"
    checks.instance("record", record, Mapping, f"a dict {right}")
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise checks.wrong("record", record, f"{right}: {checks.in_words(error)}") from error


def describe_machine(record: Record) -> str:
    """What a record was measured on: the GPU's name, or the processor's and the number of threads;
    and that it was a first look, if it was.
    """
    with reading(record):
        threads = record["threads"]
        processor = record["machine"]["processor"]
        on_cpu = f"{processor}, {threads} thread{'s' * (threads > 1)}"
        first_look = " (a first look: few cases and rounds)" if record.get("quick") else ""
        return (on_cpu if record["device"] == "cpu" else str(record["device"])) + first_look


def rows_with(rows: Sequence[Record], **wanted: object) -> list[Record]:
    """The rows that have these values, in their order."""
    found = list(rows)
    for key, value in wanted.items():
        found = [row for row in found if row.get(key) == value]
    return found


def maps_of(record: Record) -> list[tuple[int, int]]:
    """Channels and side of the maps in segments_latency."""
    with reading(record):
        return list(dict.fromkeys((case["channels"], case["side"]) for case in record["cases"]))


def over_segments(record: Record, **wanted: object) -> dict[int, Record]:
    """For each number of segments, ascending, the case of segments_latency in the layout in which
    SegmentedConv2d is faster.
    """
    with reading(record):
        cases = rows_with(record["cases"], **wanted)
        cases.sort(key=lambda case: (case["segments"], -milliseconds(case)))
        # of two layouts the later, the faster, stays
        return {case["segments"]: case for case in cases}


def milliseconds(case: Record) -> float:
    """Time of SegmentedConv2d in a case of segments_latency."""
    return float(case["forms"]["ours"]["median_ms"])


def pointwise(record: Record, **wanted: object) -> Record | None:
    """The row of the 1x1 in its faster layout, or None where it was not measured."""
    rows = rows_with(record["pointwise"], **wanted)
    return min(rows, key=lambda row: row["median_ms"], default=None)


def times_as_fast(
    record: Record, *, channels: int, side: int, dtype: str, mode: str = "forward"
) -> float:
    """A regular 3x3's time over that of a depthwise 3x3 and a 1x1, each in its faster layout.

    Args:
        record: segments_latency, of any machine.
        channels: how many go in, and as many come out.
        side: height and width of the maps.
        dtype: "float32" or "bfloat16".
        mode: "forward" or "training".
    """
    channels, side = checks.integer("channels", channels), checks.integer("side", side)
    case = {
        "channels": channels,
        "side": side,
        "dtype": checks.text("dtype", dtype),
        "mode": checks.text("mode", mode),
    }
    with reading(record):
        cases, after = over_segments(record, **case), pointwise(record, **case)
        if after is None or not {1, channels} <= set(cases):
            text = f"record has no times of both ends for {case}, but must have them"
            raise ValueError(checks.line(text))
        regular, depthwise = (milliseconds(cases[segments]) for segments in (1, channels))
        return regular / (depthwise + float(after["median_ms"]))


def measured_at(record: Record, dtype: str = "float32") -> list[tuple[Record, Record]]:
    """Each row of layers with its measurement in `dtype` at the largest batch."""
    found = []
    checks.text("dtype", dtype)
    with reading(record):
        for layer in record["layers"]:
            rows = rows_with(layer["measurements"], dtype=dtype)
            if not rows:
                raise checks.wrong("dtype", dtype, "one that the record has times of")
            found.append((layer, max(rows, key=lambda row: row["batch"])))
    return found


# ---- writing one ---------------------------------------------------------------------------------


def left_out(wanted: int, measured: int) -> dict[str, int]:
    """What a record says if fewer cases were measured than were wanted."""
    return {"left_out": wanted - measured} if measured < wanted else {}


def as_json(record: Record) -> str:
    """The record as JSON with a line for each of its parts, and for each row of a list: short to
    read, small to keep.
    """
    parts = []
    for key, value in record.items():
        if isinstance(value, list):
            rows = ",\n".join("  " + json.dumps(row) for row in value)
            parts.append(f" {json.dumps(key)}: [\n{rows}\n ]")
        else:
            parts.append(f" {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"
