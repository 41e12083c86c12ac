"""The button measures when it is clicked, says so meanwhile, and shows what it found beside what
was measured before.
"""

import base64
import io
import re

import pytest
from PIL import Image

from tests.helpers import recorded
from xception_edu.benchmark import remeasure
from xception_edu.benchmark.timing import Timing
from xception_edu.plots import measured_charts

RECORD = recorded.everything()["segments_latency"]


@pytest.fixture
def button(monkeypatch):
    """With a map of 3x3 positions to measure, once; the record is the made-up one."""
    made = remeasure.remeasure_button(RECORD)
    monkeypatch.setattr(remeasure, "SIDE", 3)
    monkeypatch.setattr(remeasure, "EFFORT", {"rounds": 1})
    return made


def cells(made):
    return [
        re.findall(r"<td>(.*?)</td>", row)
        for row in re.findall(r"<tr>(.*?)</tr>", made.shown.value)
    ][1:]


def test_before_a_click_the_committed_measurements_are_shown(button):
    assert button.here == {}
    assert button.button.description == "Measure this machine"
    assert [row[0] for row in cells(button)] == ["1", "91", "364", "728"]
    assert [row[1] for row in cells(button)] == ["100.00%", "1.10%", "0.27%", "0.14%"]
    assert cells(button)[0][2:] == [f"{button.before[1]:,.2f} ms", "100.0%", "–", ""]
    assert "A processor of the test" in button.shown.value


def test_a_click_measures_every_layer_and_shows_it(button):
    button.button.click()
    assert set(button.here) == set(remeasure.SEGMENTS)
    assert all(ms > 0 for ms in button.here.values())
    assert [row[4] for row in cells(button)] == [f"{ms:,.2f} ms" for ms in button.here.values()]
    assert not button.button.disabled
    assert button.button.description == "Measure again"


def test_while_it_measures_it_cannot_be_clicked_and_the_faster_layout_counts(button, monkeypatch):
    seen = []

    def alternate(functions, **_):
        seen.append((button.button.disabled, button.button.description))
        return {(n, layout): Timing((n + (layout == "nchw"),)) for n, layout in functions}

    monkeypatch.setattr(remeasure.timing, "alternate", alternate)
    button.button.click()
    assert seen == [(True, "Measuring, some seconds")]
    assert button.here == {n: n for n in remeasure.SEGMENTS}


def test_after_an_error_it_can_be_clicked_again(button, monkeypatch):
    monkeypatch.setattr(remeasure.timing, "alternate", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        button.measure()
    assert not button.button.disabled
    assert button.here == {}


def test_a_saved_notebook_has_the_table_as_a_picture(button):
    data = button._repr_mimebundle_()
    assert (
        data["text/plain"]
        == "Button that times a 3×3 of 728 channels at 1, 91, 364, 728 segments: remeasure_button()"
    )
    assert any("widget-view" in kind for kind in data)
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).width == 830


def test_the_repositorys_measurements_have_what_it_shows():
    made = remeasure.remeasure_button()
    assert made.batch == measured_charts.read_record("segments_latency")["batch"]
    assert set(made.before) == set(remeasure.SEGMENTS)
