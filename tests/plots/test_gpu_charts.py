"""What is drawn of a GPU's measurements, on made-up ones."""

import pytest

from tests.helpers import recorded
from xception_edu.plots import gpu_charts, style


@pytest.fixture(scope="module")
def records():
    return recorded.everything()


@pytest.mark.parametrize("network", gpu_charts.NETWORKS)
def test_shares_add_up_and_the_longest_comes_first(records, network):
    shares = gpu_charts.shares_by_kind(records["layers"], network)
    assert [sum(column) for column in zip(*shares.values(), strict=True)] == pytest.approx([1, 1])
    times = [of_time for _, of_time in shares.values()]
    assert times == sorted(times, reverse=True)
    assert {kind for kind, (of_macs, _) in shares.items() if not of_macs} >= {
        "batch norm",
        "ReLU",
        "pooling",
    }


def test_a_way_is_timed_with_the_map_in_the_layout_that_it_wants(records):
    record = records["segments_latency"]
    for form, (layout, *_) in gpu_charts.WAYS.items():
        times = gpu_charts.times_of(record, form, channels=728, side=19)
        assert list(times) == sorted(times)
        (case,) = [
            case
            for case in record["cases"]
            if (case["channels"], case["segments"], case["dtype"], case["mode"])
            == (728, 91, "bfloat16", "forward")
            and case["layout"] == layout
        ]
        assert times[91] == case["forms"][form]["median_ms"]


def test_every_way_and_the_limit_have_their_line_and_their_name(records):
    with style.context():
        _, axes = style.charts(1, 2, height=420, left=54, top=120, right=84, bottom=48, across=136)
        gpu_charts.draw_ways_on_gpu(axes, records["segments_latency"])
        for ax in axes:
            assert {text.get_text() for text in ax.texts} == {
                "one a piece",
                "channels last",
                "NCHW",
                "with zeros",
                "limit",
            }
            assert len(ax.lines) == 5


def test_both_shares_of_every_kind_have_a_bar_of_their_length(records):
    with style.context():
        _, axes = style.charts(1, 2, height=420, left=90, top=120, right=24, bottom=48, across=120)
        gpu_charts.draw_macs_beside_time_on_gpu(axes, records["layers"])
    for ax, network in zip(axes, gpu_charts.NETWORKS, strict=True):
        shares = gpu_charts.shares_by_kind(records["layers"], network)
        wanted = [100 * share for pair in shares.values() for share in pair]
        assert [bar.get_width() for bar in ax.patches] == pytest.approx(wanted)
