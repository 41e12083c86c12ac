"""A few layers measured here, beside what was measured before."""

import re

import pytest

from tests.helpers import recorded
from xception_edu.benchmark import records, remeasure, timing
from xception_edu.benchmark.timing import Effort, Timing

RECORD = recorded.everything()["segments_latency"]


@pytest.fixture
def small(monkeypatch):
    """Rounds that take no time."""
    monkeypatch.setattr(remeasure, "EFFORT", Effort(rounds=1))


def test_every_layer_is_timed_beside_the_time_of_the_record(small):
    found = remeasure.measure_segments(RECORD)
    assert list(found.here) == list(found.before) == [1, 91, 364, 728]
    assert all(ms > 0 for ms in found.here.values())
    cases = records.over_segments(RECORD, channels=728, side=19, dtype="float32", mode="forward")
    assert all(found.before[n] == records.milliseconds(cases[n]) for n in found.before)


def test_the_faster_layout_counts(monkeypatch):
    def alternate(functions, **_):
        return {(n, layout): Timing((n + (layout == "nchw"),)) for n, layout in functions}

    monkeypatch.setattr(timing, "alternate", alternate)
    assert remeasure.measure_segments(RECORD).here == {n: n for n in remeasure.SEGMENTS}


def test_words_and_html_have_the_same_cells(monkeypatch):
    monkeypatch.setattr(
        timing, "alternate", lambda functions, **_: dict.fromkeys(functions, Timing((2.0,)))
    )
    found = remeasure.measure_segments(RECORD)
    html = found._repr_html_()
    cells = re.findall(r"<t[hd]>(.*?)</t[hd]>", html)
    assert cells[:4] == list(remeasure.HEAD)
    assert cells[4:8] == ["1", "100.00%", f"{found.before[1]:,.2f} ms", "2.00 ms"]
    assert cells[8:10] == ["91", "1.10%"]
    for cell in cells:
        assert cell in repr(found)
    for text in (html, repr(found)):
        assert "A processor of the test at 2.80 GHz, 2 threads" in text


def test_the_projects_own_record_is_the_usual_one(small):
    own = records.read_record("segments_latency")
    assert records.describe_machine(own) in remeasure.measure_segments().source
