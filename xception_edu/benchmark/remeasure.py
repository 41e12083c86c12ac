"""A button for notebooks: times a few layers on this machine, and shows them beside the
repository's measurements.
"""

import base64
import html
from collections.abc import Mapping
from typing import Any

import ipywidgets
import torch

from xception_edu.benchmark import timing
from xception_edu.benchmark.segments import LAYOUTS
from xception_edu.layers import SegmentedConv2d
from xception_edu.plots import measured_charts

CHANNELS, SIDE = 728, 19  # the middle of Xception
SEGMENTS = (1, 91, 364, 728)  # measured by quick runs too
HEAD = ("Segments", "MACs", "Time, measured before", "", "Time, here and now", "")
EFFORT = {"rounds": 7, "seconds": 4}


def remeasure_button(record: Mapping[str, Any] | None = None) -> "Remeasure":
    """The button and its table; `record` is a segments_latency.json as it was read, None: the
    repository's.
    """
    return Remeasure(measured_charts.read_record("segments_latency") if record is None else record)


class Remeasure(ipywidgets.VBox):
    """A button, and a table of a 3x3 over its segments: `before` and `here` are milliseconds by the
    number of segments.
    """

    def __init__(self, record: Mapping[str, Any]):
        cases = measured_charts.over_segments(
            record, channels=CHANNELS, side=SIDE, dtype="float32", mode="forward"
        )
        self.batch, self.who = record["batch"], measured_charts.who(record)
        self.macs = {segments: cases[segments]["macs"] for segments in SEGMENTS}
        self.before = {
            segments: measured_charts.milliseconds(cases[segments]) for segments in SEGMENTS
        }
        self.here: dict[int, float] = {}
        self.button, self.shown = ipywidgets.Button(layout={"width": "220px"}), ipywidgets.HTML()
        self.button.on_click(lambda _: self.measure())
        super().__init__([self.button, self.shown])
        self._show("Measure this machine")

    def measure(self) -> None:
        """Time the layers now, in both layouts, of which the faster counts, with as many threads as
        torch is set to.
        """
        self.button.disabled, self.button.description = True, "Measuring, some seconds"
        try:
            functions = {
                (n, layout): self._layer(n, layout) for n in SEGMENTS for layout in LAYOUTS
            }
            with torch.no_grad():
                times = timing.alternate(functions, **EFFORT)
            self.here = {n: min(times[n, layout].median for layout in LAYOUTS) for n in SEGMENTS}
        finally:
            self.button.disabled = False
            self._show("Measure again")

    def _layer(self, segments: int, layout: str) -> timing.Function:
        conv = SegmentedConv2d(CHANNELS, CHANNELS, segments=segments).to(
            memory_format=LAYOUTS[layout]
        )
        x = torch.randn(self.batch, CHANNELS, SIDE, SIDE).contiguous(memory_format=LAYOUTS[layout])
        return lambda: conv(x)

    def rows(self) -> list[tuple[str, ...]]:
        """The table: MACs and times, and what share they are of one segment's."""
        table = []
        for n in SEGMENTS:
            times = [ms for column in (self.before, self.here) for ms in _time_and_share(column, n)]
            table.append((str(n), f"{self.macs[n] / self.macs[1]:.2%}", *times))
        return table

    def _show(self, invitation: str) -> None:
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in HEAD)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows()
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        self.shown.value = f"{table}<p>{html.escape(self.who)}</p>"
        self.button.description = invitation

    def picture(self) -> bytes:
        """PNG of the table, for places where no widget runs."""
        title = (
            f"The 3×3 of {CHANNELS} channels over its segments, {self.batch} images of"
            f" {SIDE}×{SIDE}, forward, fp32"
        )
        return measured_charts.table_picture(title, self.who, (HEAD, *self.rows()))

    def __repr__(self) -> str:
        """What it is, for those who do not see it, and what makes it."""
        return (
            f"Button that times a 3×3 of {CHANNELS} channels at {', '.join(map(str, SEGMENTS))}"
            " segments: remeasure_button()"
        )

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, Any]:
        picture = base64.b64encode(self.picture()).decode()
        return super()._repr_mimebundle_(**kwargs) | {
            "text/plain": repr(self),
            "image/png": picture,
        }


def _time_and_share(times: Mapping[int, float], segments: int) -> tuple[str, str]:
    if not times:
        return "–", ""
    return f"{times[segments]:,.2f} ms", f"{times[segments] / times[1]:.1%}"
