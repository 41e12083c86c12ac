"""Claims about which algorithm is fastest where, held against what was measured."""

import json
import math
import statistics

import pytest

from xception_edu import conv_algorithms
from xception_edu.benchmark.machine import ROOT
from xception_edu.layers import SegmentedConv2d

ALGORITHMS = ("grouped_nchw", "grouped_channels_last", "dense", "loop")
LAYOUTS = ("nchw", "channels_last")


def segmentation_of(channels, segments):
    """The widths of as many segments as do not divide, by hand: the larger ones first."""
    width, larger = divmod(channels, segments)
    blocks = [(larger, width + 1, width + 1), (segments - larger, width, width)]
    return conv_algorithms.segmentation([block for block in blocks if block[0]])


def choose(channels, segments, dtype, *, device="cpu", layout="nchw", gradients):
    return conv_algorithms.choose(
        segmentation_of(channels, segments),
        device=device,
        dtype=dtype,
        layout=layout,
        gradients=gradients,
    )


@pytest.mark.parametrize(
    ("channels", "segments", "width", "equal"),
    [
        (728, 1, 728, True),
        (728, 7, 104, True),
        (728, 728, 1, True),
        (728, 30, 24, False),  # 8 of 25, 22 of 24
        (728, 500, 2, False),  # 228 of 2, 272 of 1: more channels are in those of 2
    ],
)
def test_the_width_of_unequal_segments_is_that_of_most_channels(channels, segments, width, equal):
    assert segmentation_of(channels, segments) == (channels, channels, segments, width, equal)


def test_the_width_divides_what_a_segment_has_in_and_out():
    blocks = [(2, 12, 9), (1, 12, 8)]
    assert conv_algorithms.segmentation(blocks) == (36, 26, 3, 3, False)


@pytest.mark.parametrize("channels", [48, 728])
def test_a_convolution_tells_the_rules_its_own_segmentation(channels):
    for segments in (1, 3, 5, 30, 48):
        conv = SegmentedConv2d(channels, channels, 1, segments=segments)
        assert conv.segmentation == segmentation_of(channels, segments)


CPU = [
    (1, "float32", True, "grouped_nchw"),  # a regular convolution is left to torch
    (2, "float32", False, "grouped_channels_last"),  # 364 channels are no multiple of 8
    (3, "float32", False, "grouped_channels_last"),  # unequal
    (30, "float32", False, "grouped_nchw"),  # unequal, most segments of 24
    (30, "float32", True, "grouped_channels_last"),
    (30, "bfloat16", False, "grouped_channels_last"),
    (200, "float32", False, "grouped_nchw"),  # most channels in segments of 4
    (200, "bfloat16", False, "grouped_channels_last"),
    (200, "float32", True, "grouped_channels_last"),
    (500, "float32", False, "grouped_channels_last"),  # many of 1, but more channels in those of 2
    (7, "float32", False, "grouped_nchw"),  # 104 channels are a multiple of 8,
    (7, "bfloat16", False, "grouped_channels_last"),  # but not of 16
    (7, "float32", True, "grouped_nchw"),
    (7, "bfloat16", True, "grouped_channels_last"),
    (91, "float32", True, "grouped_nchw"),
    (91, "bfloat16", True, "grouped_channels_last"),
    (91, "bfloat16", False, "grouped_nchw"),
    (182, "float32", False, "grouped_nchw"),
    (182, "float32", True, "grouped_channels_last"),
    (364, "float32", True, "grouped_channels_last"),  # with gradients a copy pays thrice
    (728, "float32", False, "grouped_nchw"),  # depthwise
    (728, "float32", True, "grouped_channels_last"),
    (2, "float64", True, "grouped_nchw"),  # oneDNN has no float64
    (2, "float16", True, "grouped_nchw"),
]


@pytest.mark.parametrize(("segments", "dtype", "gradients", "algorithm"), CPU)
def test_the_algorithm_on_a_cpu(segments, dtype, gradients, algorithm):
    assert choose(728, segments, dtype, gradients=gradients) == algorithm
    stays = choose(728, segments, dtype, layout="channels_last", gradients=gradients)
    assert stays == "grouped_channels_last"


@pytest.mark.parametrize(
    ("segments", "dtype", "algorithm"),
    [
        (16, "float32", "grouped_nchw"),
        (16, "bfloat16", "grouped_channels_last"),
        (8, "bfloat16", "grouped_nchw"),
    ],
)
def test_multiples_of_the_block_stay_in_nchw_with_gradients(segments, dtype, algorithm):
    """Of 8 channels, in bfloat16 of 16."""
    assert choose(128, segments, dtype, gradients=True) == algorithm


GPU = [
    (728, 728, False, "grouped_channels_last", "grouped_channels_last"),  # depthwise
    (728, 91, False, "grouped_nchw", "grouped_channels_last"),  # of 8: a copy pays with gradients
    (728, 91, True, "grouped_channels_last", "grouped_channels_last"),
    (728, 182, False, "grouped_nchw", "grouped_channels_last"),
    (728, 2, True, "grouped_nchw", "grouped_nchw"),
    (728, 3, True, "dense", "dense"),
    (728, 4, True, "dense", "dense"),
    (728, 5, True, "dense", "dense"),
    (728, 6, True, "grouped_nchw", "grouped_nchw"),
    (728, 4, False, "grouped_nchw", "dense"),  # a copy takes as long as it saves
    (728, 26, False, "grouped_nchw", "grouped_nchw"),  # of 28
    (728, 28, False, "grouped_nchw", "grouped_nchw"),
    (728, 14, False, "grouped_nchw", "dense"),  # of 52
    (728, 7, False, "grouped_nchw", "grouped_nchw"),  # 13 times 8
    (728, 300, True, "grouped_nchw", "grouped_nchw"),  # unequal
    (728, 300, False, "grouped_nchw", "dense"),
    (728, 364, True, "grouped_nchw", "grouped_nchw"),
    (728, 1, False, "grouped_nchw", "grouped_channels_last"),
    (728, 1, True, "grouped_channels_last", "grouped_channels_last"),
    (128, 32, True, "dense", "dense"),  # of 4
    (128, 2, False, "grouped_nchw", "grouped_channels_last"),
    (128, 3, False, "dense", "dense"),
    (128, 64, True, "dense", "dense"),
    (256, 128, False, "dense", "dense"),
    (260, 130, False, "grouped_nchw", "grouped_nchw"),
]


@pytest.mark.parametrize("dtype", conv_algorithms.HALF_PRECISION)
@pytest.mark.parametrize(("channels", "segments", "gradients", "nchw", "channels_last"), GPU)
def test_the_algorithm_on_a_gpu_in_half_precision(
    channels, segments, gradients, nchw, channels_last, dtype
):
    chosen = [
        choose(channels, segments, dtype, device="cuda", layout=layout, gradients=gradients)
        for layout in LAYOUTS
    ]
    assert chosen == [nchw, channels_last]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("device", "dtype"), [("cuda", "float32"), ("cuda", "float64"), ("mps", "bfloat16")]
)
@pytest.mark.parametrize("segments", [1, 3, 364, 728])
def test_where_there_is_no_rule_maps_stay_as_they_lie(segments, device, dtype, layout):
    for gradients in (False, True):
        chosen = choose(728, segments, dtype, device=device, layout=layout, gradients=gradients)
        assert chosen == f"grouped_{layout}"


def test_an_unknown_layout_is_refused_in_one_line():
    with pytest.raises(ValueError, match="layout is 'NHWC', but must be one of 'nchw', 'chan"):
        choose(8, 2, "float32", layout="NHWC", gradients=False)


@pytest.mark.parametrize(
    ("changed", "algorithm"),
    [
        ({}, "matmul"),
        ({"positions": 728}, "matmul"),
        ({"positions": 728.25}, "convolution"),
        ({"dtype": "float32"}, "matmul"),
        ({"dtype": "float32", "positions": 2**14}, "matmul"),
        ({"dtype": "float32", "positions": 2**14 + 0.25}, "convolution"),
        ({"dtype": "float64"}, "convolution"),
        ({"dtype": "float64", "strided": True}, "convolution"),
        ({"positions": 2**20, "strided": True}, "matmul"),
        ({"dtype": "float32", "positions": 2**20, "strided": True}, "matmul"),
        ({"layout": "nchw"}, "convolution"),
        ({"device": "cuda"}, "convolution"),
        ({"device": "cuda", "dtype": "float32"}, "convolution"),
    ],
)
def test_a_pointwise_convolution_is_a_product_where_it_is_a_small_matrix(changed, algorithm):
    case = {"device": "cpu", "dtype": "bfloat16", "layout": "channels_last"}
    case |= {"strided": False, "positions": 400, "out_channels": 728}
    chosen = conv_algorithms.choose_pointwise(**{**case, **changed})
    assert chosen == algorithm


def pointwise_cases(dtype):
    """Measured 1x1 convolutions: the algorithm chosen now, and how many times as fast the product
    was, with its bounds.
    """
    record = json.loads((ROOT / "results" / "pointwise_latency.json").read_text())
    for case in record["cases"]:
        if case["dtype"] == dtype:
            positions = case["images"] * math.ceil(case["side"] / case["stride"]) ** 2
            chosen = conv_algorithms.choose_pointwise(
                device="cpu",
                dtype=dtype,
                layout="channels_last",
                strided=case["stride"] > 1,
                positions=positions,
                out_channels=case["out_channels"],
            )
            yield chosen, case["product"]


def test_in_float32_a_product_is_chosen_wherever_it_was_faster_beyond_doubt():
    cases = list(pointwise_cases("float32"))
    quicker = [chosen for chosen, product in cases if product["low"] > 1.05]
    slower = [chosen for chosen, product in cases if product["high"] < 0.95]
    assert len(quicker) > 10
    assert len(slower) >= 2
    assert set(quicker) == {"matmul"}
    assert set(slower) == {"convolution"}


def test_with_a_stride_a_product_is_chosen_everywhere_and_slower_nowhere_beyond_doubt():
    record = json.loads((ROOT / "results" / "pointwise_latency.json").read_text())
    strided = [case["product"] for case in record["cases"] if case["stride"] > 1]
    assert len(strided) == 16
    assert min(product["high"] for product in strided) > 0.95


def test_in_bfloat16_a_product_is_chosen_nowhere_where_it_was_slower_beyond_doubt():
    cases = list(pointwise_cases("bfloat16"))
    slower = [chosen for chosen, product in cases if product["high"] < 0.95]
    assert len(slower) >= 2
    assert set(slower) == {"convolution"}


# Against the measurements: each algorithm by itself, copies of layout included.


def measured(name, **wanted):
    """Cases of a measurement, each with the algorithm chosen now and its median times in ms."""
    record = json.loads((ROOT / "results" / name).read_text())
    device = "cpu" if record["device"] == "cpu" else "cuda"
    for case in record["cases"]:
        if all(case[key] == value for key, value in wanted.items()):
            chosen = choose(
                case["channels"],
                case["segments"],
                case["dtype"],
                device=device,
                layout=case["layout"],
                gradients=case["mode"] == "training",
            )
            yield case, chosen, {form: case["forms"][form]["median_ms"] for form in ALGORITHMS}


def test_on_a_cpu_what_is_chosen_now_is_what_was_measured_as_ours():
    cases = list(measured("segments_latency.json"))
    assert len(cases) == 352
    for case, chosen, _ in cases:
        assert chosen == case["forms"]["ours"]["takes"], case


def test_on_a_gpu_what_is_chosen_now_in_float32_is_what_was_measured_as_ours():
    """The rule for half precision is newer than its record: it was made from these times."""
    cases = list(measured("gpu/segments_latency.json", dtype="float32"))
    assert len(cases) == 70
    for case, chosen, _ in cases:
        assert chosen == case["forms"]["ours"]["takes"], case


@pytest.mark.parametrize("mode", ["forward", "training"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("segments_latency.json", "float32"),
        ("segments_latency.json", "bfloat16"),
        ("gpu/segments_latency.json", "bfloat16"),
    ],
)
def test_the_fastest_is_chosen_in_four_of_five_cases_and_one_near_it_in_nine_of_ten(
    name, dtype, layout, mode
):
    cases = measured(name, dtype=dtype, layout=layout, mode=mode)
    regrets = [times[chosen] / min(times.values()) for _, chosen, times in cases]
    assert len(regrets) == 44
    assert statistics.median(regrets) == 1
    assert sum(regret == 1 for regret in regrets) >= 0.79 * len(regrets)
    assert sum(regret > 1.05 for regret in regrets) < 0.12 * len(regrets)
    assert max(regrets) < 1.35


def test_on_a_cpu_neither_layout_would_do_for_all():
    over = {"chosen": [], "grouped_nchw": [], "grouped_channels_last": []}
    for _, chosen, times in measured("segments_latency.json", layout="nchw"):
        for name, ratios in over.items():
            ratios.append(times[chosen if name == "chosen" else name] / min(times.values()))
    channels_last, nchw = over["grouped_channels_last"], over["grouped_nchw"]
    assert max(over["chosen"]) < 1.5 < max(channels_last) < 3 < max(nchw)
    slow = {name: sum(ratio > 1.05 for ratio in ratios) for name, ratios in over.items()}
    assert slow["chosen"] < slow["grouped_channels_last"] / 2 < slow["grouped_nchw"] / 6


def test_on_a_gpu_leaving_every_map_in_its_layout_would_be_up_to_21_times_as_slow():
    unchanged = []
    for case, _, times in measured("gpu/segments_latency.json", dtype="bfloat16"):
        unchanged.append(times[f"grouped_{case['layout']}"] / min(times.values()))
    assert 20 < max(unchanged) < 22
    assert sum(ratio > 1.05 for ratio in unchanged) > len(unchanged) / 2


@pytest.mark.parametrize(("dtype", "block"), [("float32", 8), ("bfloat16", 16)])
def test_segments_that_are_no_multiple_of_the_block_need_up_to_three_times_as_long_in_nchw(
    dtype, block
):
    ratios = []
    for case, _, times in measured(
        "segments_latency.json", dtype=dtype, layout="nchw", divides=True
    ):
        width = case["channels"] // case["segments"]
        if width % block and width not in (1, 4, 8):
            ratios.append(times["grouped_nchw"] / times["grouped_channels_last"])
    assert 0.95 < min(ratios) < 1.5 < statistics.median(ratios) < 2 < max(ratios) < 3


def test_on_a_gpu_a_regular_convolution_with_zeros_needs_a_third_of_the_time_of_most_segments():
    ratios = []
    for case, _, times in measured("gpu/segments_latency.json", dtype="bfloat16", channels=128):
        width = 128 / case["segments"]
        if case["segments"] > 1 and width not in (1, 8, 16, 32, 64):
            grouped = min(times["grouped_nchw"], times["grouped_channels_last"])
            ratios.append(times["dense"] / grouped)
    assert 0.25 < statistics.median(ratios) < 0.4
    assert max(ratios) < 1.05
