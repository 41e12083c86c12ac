"""Charts of measurements show the record that they are given, whatever is in it, and can be
read.
"""

import functools

import pytest

from tests.helpers import recorded
from tests.helpers.pages import Page, off_the_page, overlaps
from xception_edu import costs
from xception_edu.benchmark import records as measured
from xception_edu.plots import gallery, measured_charts, style
from xception_edu.specs import ConvSpec, Shape

MEASURED = [name for name in gallery.FIGURES if gallery.FIGURES[name].results]


@functools.cache
def records():
    """Made-up measurements of all cases."""
    return recorded.everything()


@functools.cache
def made_up(name):
    found = {key: records()[key.removeprefix("gpu/")] for key in gallery.FIGURES[name].results}
    data = found if len(found) > 1 else found.popitem()[1]
    return Page(gallery.figure(name, data))


def panels(page):
    return [ax for ax in page.figure.axes if ax.axison]


@pytest.mark.parametrize("name", MEASURED)
def test_a_chart_of_other_measurements_can_be_read_too_and_says_where_they_are_from(name):
    assert overlaps(made_up(name)) + off_the_page(made_up(name)) == []
    assert "Measured on A processor of the test at 2.80 GHz, 2 threads." in made_up(name).words
    assert len(style.svg(made_up(name).figure)) < 250_000


def test_latency_beside_macs_is_the_faster_layouts_time_as_a_share_of_one_segments():
    cases = records()["segments_latency"]["cases"]
    for ax, channels in zip(panels(made_up("draw_latency_beside_macs")), (728, 128), strict=True):
        wanted = {
            "channels": channels,
            "dtype": "float32",
            "mode": "forward",
            "layout": "channels_last",
        }
        rows = [case for case in cases if wanted.items() <= case.items()]
        macs, times = (
            [row["macs"] for row in rows],
            [row["forms"]["ours"]["median_ms"] for row in rows],
        )
        for line, values in zip(ax.lines, (macs, times), strict=True):
            assert list(line.get_xdata()) == [row["segments"] for row in rows]
            assert list(line.get_ydata()) == pytest.approx([value / values[0] for value in values])


def test_intensity_is_shown_beside_what_the_machine_needs():
    single, need, half, half_need = panels(made_up("draw_intensity_over_segments"))[0].lines
    assert need.get_ydata()[0] == pytest.approx(1e11 / 1e10)
    assert half_need.get_ydata()[0] == pytest.approx(4e11 / 1e10)
    expected = costs.cost_of(ConvSpec(728, 728, 3, segments=728), Shape(728, 19, 19))
    for line, size in ((single, 4), (half, 2)):
        assert line.get_ydata()[-1] == pytest.approx(
            expected.intensity(batch=4, bytes_per_element=size), rel=1e-3
        )


def test_the_gain_of_half_precision_is_single_over_half():
    record = records()["segments_latency"]
    gains = measured_charts.gains_of_half_precision(record, channels=728, side=19, mode="training")
    half, single = (
        measured.over_segments(record, channels=728, side=19, mode="training", dtype=dtype)[91]
        for dtype in ("bfloat16", "float32")
    )
    assert gains[91] == measured.milliseconds(single) / measured.milliseconds(half)
    only = dict(record, cases=[case for case in record["cases"] if case["dtype"] == "float32"])
    assert (
        measured_charts.gains_of_half_precision(only, channels=728, side=19, mode="forward") == {}
    )


def test_every_layer_with_macs_is_a_point_of_the_roofline():
    rows = records()["layers"]["layers"]
    for ax, network in zip(
        panels(made_up("draw_roofline")), ("xception", "inception_v3"), strict=True
    ):
        *dots, roof = [line for line in ax.lines if line.get_transform() == ax.transData]
        found = sorted(
            point for line in dots for point in zip(line.get_xdata(), line.get_ydata(), strict=True)
        )
        layers = [
            row["measurements"][0]
            for row in rows
            if row["network"] == network and row["measurements"][0]["macs"]
        ]
        assert found == sorted(
            (row["intensity"], 1e3 * row["macs"] / row["median_ms"]) for row in layers
        )
        assert list(roof.get_xdata())[1] == 10  # the ridge: 1e11 MACs a second, 1e10 bytes a second
        assert list(roof.get_ydata())[1:] == [1e11, 1e11]


def test_time_lost_adds_up_and_a_layer_from_the_cache_gives_nothing_to_the_others():
    record = records()["layers"]
    times = measured_charts.time_by_kind(record, "xception")
    rows = [
        (row, row["measurements"][0]) for row in record["layers"] if row["network"] == "xception"
    ]
    assert sum(whole for whole, _ in times.values()) == pytest.approx(
        sum(r["count"] * m["median_ms"] for r, m in rows)
    )
    assert all(lost == pytest.approx(0.75 * whole) for whole, lost in times.values())
    assert list(times.values()) == sorted(times.values(), key=lambda pair: -pair[1])
    layer = {"network": "xception", "kind": "add", "count": 2}
    fast, slow = (
        {"measurements": [{"dtype": "float32", "batch": 1, "median_ms": ms, "attainable_ms": 3}]}
        for ms in (1, 5)
    )
    assert measured_charts.time_by_kind({"layers": [layer | fast, layer | slow]}, "xception") == {
        "add": (12, 4)
    }


def test_a_sweep_shows_every_run_every_interval_and_every_difference():
    record = records()["sweep_spectrum_params"]
    left, right = panels(made_up("draw_sweep"))
    drawn = [list(line.get_ydata()) for line in left.lines]
    assert all([100 * value for value in row["top1"]] in drawn for row in record["points"])
    for ax, rows in ((left, record["points"]), (right, record["comparisons"])):
        for container, row in zip(ax.containers, rows, strict=True):
            assert list(container.lines[0].get_ydata()) == [100 * row["mean"]]
            low, high = (y for _, y in container.lines[2][0].get_segments()[0])
            assert (low, high) == pytest.approx((100 * row["low"], 100 * row["high"]))
    assert len(right.get_xticklabels()) == 3  # the ends are compared with, not compared


def test_names_of_lines_that_end_alike_are_moved_apart():
    with style.context():
        figure, ax = style.charts(1, 1, height=200, left=40, top=20, right=80, bottom=20)
        ax.set(xlim=(0, 1), ylim=(0, 1))
        measured_charts.label_ends(ax, {"a": (1, 0.5), "b": (1, 0.5), "c": (1, 0.501)})
    assert overlaps(Page(figure)) == []


def test_without_results_the_counted_figures_are_drawn_still(monkeypatch, tmp_path):
    assert set(gallery.drawable()) == set(gallery.FIGURES)
    monkeypatch.setattr(measured, "REPOSITORY", tmp_path)
    assert set(gallery.drawable()) == set(gallery.FIGURES) - set(MEASURED)
    assert len(MEASURED) == 10
