"""A few layers timed here and now, beside the project's own measurement of them: for notebooks."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from xception_edu.benchmark import records
from xception_edu.benchmark.segments import LAYOUTS
from xception_edu.benchmark.timing import CPU, Effort, Function
from xception_edu.layers import SegmentedConv2d

CHANNELS, SIDE = 728, 19  # the middle of Xception
SEGMENTS = (1, 91, 364, 728)  # measured by quick runs too
HEAD = ("Segments", "MACs", "Measured before", "Here and now")
EFFORT = Effort(rounds=5, seconds=4)


@dataclass(frozen=True, kw_only=True)
class SegmentTimes:
    """Times of a 3x3 over its segments, which a notebook shows as a table.

    `macs`, `before` and `here` go by the number of segments, the times in milliseconds; `source`
    says what `before` was measured on.
    """

    macs: Mapping[int, int]
    before: Mapping[int, float]
    here: Mapping[int, float]
    source: str

    def rows(self) -> list[Sequence[str]]:
        """The table's cells below its head."""
        return [
            (
                f"{segments}",
                f"{self.macs[segments] / self.macs[1]:.2%}",
                f"{self.before[segments]:,.2f} ms",
                f"{self.here[segments]:,.2f} ms",
            )
            for segments in self.macs
        ]

    def __repr__(self) -> str:
        lines = ["{:10}{:10}{:18}{}".format(*cells) for cells in (HEAD, *self.rows())]
        return "\n".join([*lines, self.source])

    def _repr_html_(self) -> str:
        lines = [_row("th", HEAD), *(_row("td", row) for row in self.rows())]
        return f"<table>{''.join(lines)}</table><p>{html.escape(self.source)}</p>"


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


def measure_segments(record: records.Record | None = None) -> SegmentTimes:
    """Time a 3x3 of 728 channels at 1, 91, 364 and 728 segments on this machine, in some seconds,
    with as many threads as torch is set to.

    `record` is a segments_latency.json as it was read (None: the project's own), whose times stand
    beside those.
    """
    record = records.read_record("segments_latency") if record is None else record
    cases = records.over_segments(
        record, channels=CHANNELS, side=SIDE, dtype="float32", mode="forward"
    )
    keys = [(segments, layout) for segments in SEGMENTS for layout in LAYOUTS]
    with torch.no_grad():
        functions = {key: _layer(*key, record["batch"]) for key in keys}
        times = EFFORT.alternate(functions, CPU)
    here = {}
    for n in SEGMENTS:
        here[n] = min(times[n, layout].median for layout in LAYOUTS)
    return SegmentTimes(
        macs={n: cases[n]["macs"] for n in SEGMENTS},
        before={n: records.milliseconds(cases[n]) for n in SEGMENTS},
        here=here,
        source=f"{record['batch']} images of {SIDE}×{SIDE}, forward, fp32; measured before on"
        f" {records.describe_machine(record)}",
    )


def _layer(segments: int, layout: str, batch: int) -> Function:
    """A forward pass with the map, and the weights, in a layout."""
    memory_format = LAYOUTS[layout]
    conv = SegmentedConv2d(CHANNELS, CHANNELS, segments=segments).to(memory_format=memory_format)
    x = torch.randn(batch, CHANNELS, SIDE, SIDE).contiguous(memory_format=memory_format)
    return lambda: conv(x)
