"""Claims about the roofline explorer: every number and every dot is of the records, and the
records' MACs are torch's.
"""

import json
import math
from functools import cache
from itertools import product

import pytest

import xception_edu as xe
from tests.helpers import recorded
from xception_edu.benchmark import records as measured
from xception_edu.benchmark.machine import ROOT
from xception_edu.explorers import roofline_explorer
from xception_edu.explorers.roofline_panels import percent
from xception_edu.layers import SegmentedConv2d
from xception_edu.measure import measured_cost
from xception_edu.specs import segment_sizes

MODULES, DTYPES, MODES = ("728x19", "128x56"), ("float32", "bfloat16"), ("forward", "training")
CHOICES = list(product(MODULES, DTYPES, MODES))


@cache
def records():
    return recorded.everything()


@cache
def made():
    return roofline_explorer(measurements=records())


def shown(*choice):
    """Each stop of a choice with its view and, panel by panel, its shapes."""
    explorer = made()
    for stop in explorer.table["stops"][" ".join(choice)]:
        with explorer.hold_trait_notifications():
            explorer.module, explorer.dtype, explorer.mode = choice
            explorer.segments = stop
        yield stop, explorer.view(), explorer.shapes()


def rows(module, dtype, mode, segments):
    channels, side = map(int, module.split("x"))
    keys = {"channels": channels, "side": side, "dtype": dtype, "mode": mode, "segments": segments}
    return [
        row
        for row in records()["segments_latency"]["cases"]
        if all(row[k] == v for k, v in keys.items())
    ]


@pytest.mark.parametrize("module", MODULES)
def test_macs_and_intensity_are_those_that_torch_counts(module):
    channels, side = map(int, module.split("x"))
    for segments, view, _ in shown(module, "float32", "forward"):
        cost = measured_cost(
            SegmentedConv2d(channels, channels, segments=segments), (channels, side, side)
        )
        moved = 4 * (4 * 2 * channels * side * side + cost.params)
        assert view["values"][0] == f"{4 * cost.macs:,}"
        assert view["values"][1] == f"{4 * cost.macs / moved:,.1f}"


@pytest.mark.parametrize("choice", CHOICES)
def test_times_speeds_and_shares_are_those_of_the_records(choice):
    passes, peak = (
        (3 if choice[2] == "training" else 1),
        records()["roofline"]["ceilings"]["macs_per_second"][choice[1]],
    )
    for segments, view, _ in shown(*choice):
        found = rows(*choice, segments)
        ms = min(row["forms"]["ours"]["median_ms"] for row in found)
        every = sorted(form["median_ms"] for row in found for form in row["forms"].values())
        speed = passes * found[0]["macs"] / ms / 1e6  # billions a second
        roof = min(peak, found[0]["intensity"] * records()["roofline"]["ceilings"]["memory"]) / 1e9
        assert view["values"][2:] == [
            f"{ms:,.2f}",
            f"{speed:,.1f}",
            f"{speed / roof:.0%}",
            f"{every[0]:,.2f} to {every[-1]:,.2f}",
        ]


@pytest.mark.parametrize("choice", CHOICES)
def test_dots_lie_on_logarithmic_axes_where_the_numbers_say(choice):
    stops = made().table["stops"][" ".join(choice)]
    for segments, view, (left, right) in shown(*choice):
        intensity, speed = (float(view["values"][i].replace(",", "")) for i in (1, 3))
        dot = next(shape for shape in left if shape[0] == "dot" and shape[4] == 8)
        assert value_at(left, "x", dot[2]) == pytest.approx(intensity, rel=0.06)
        assert value_at(left, "y", dot[3]) == pytest.approx(speed, rel=0.06)
        macs, time = [shape for shape in right if shape[0] == "dot" and shape[4] == 7]
        # channels_last is the faster layout in what was made up
        assert "pixel after pixel" in view["alts"][0]
        ratio = rows(*choice, segments)[0]["macs"] / rows(*choice, stops[0])[0]["macs"]
        assert value_at(right, "y", macs[3]) == pytest.approx(100 * ratio, rel=0.03)
        assert f"MACs {percent(ratio)}" in [shape[4] for shape in right if shape[0] == "text"]
        assert time[3] <= macs[3] + 0.11  # made-up times never fall as fast as the MACs


def value_at(shapes, axis, pixel):
    """What an axis says at a pixel, read off its numbers."""
    numbers = [
        s
        for s in shapes
        if s[0] == "text"
        and s[1] == "quiet"
        and s[4].rstrip("%").replace(".", "").replace("e-0", "").isdigit()
    ]
    ticks = (
        [(s[2], s[4]) for s in numbers if s[6] == "middle"]
        if axis == "x"
        else [(s[3], s[4]) for s in numbers if s[6] == "end"]
    )
    (a, low), (b, high) = ticks[0], ticks[-1]
    low, high = (math.log10(float(words.rstrip("%"))) for words in (low, high))
    return 10 ** (low + (pixel - a) / (b - a) * (high - low))


def test_every_layer_with_macs_is_a_dot_under_its_color():
    explorer = made()
    for dtype in DTYPES:
        layers = [row for row in records()["layers"]["layers"] if row["measurements"][0]["macs"]]
        _, _, (left, _) = next(shown("728x19", dtype, "forward"))
        dots = [s for s in left if s[0] == "dot" and s[4] == 3]
        assert len(dots) == len(layers) > 60
        colors = {
            "depthwise": "depthwise",
            "pointwise": "pointwise",
            "regular": "spatial",
            "fully connected": "linear",
        }
        assert [s[1] for s in dots] == [colors[row["kind"]] for row in layers]
        assert [s[5] for s in dots] == [
            "" if row["network"] == "xception" else "ink" for row in layers
        ]
        for dot, row in zip(dots, layers, strict=True):
            one = next(m for m in row["measurements"] if m["dtype"] == dtype)
            assert value_at(left, "x", dot[2]) == pytest.approx(one["intensity"], rel=0.02)
            assert value_at(left, "y", dot[3]) == pytest.approx(
                one["macs"] / one["median_ms"] / 1e6, rel=0.02
            )
    assert explorer.table["controls"][1]["options"] == list(MODULES)


def test_the_roof_bends_where_arithmetic_takes_as_long_as_memory():
    for dtype, peak in records()["roofline"]["ceilings"]["macs_per_second"].items():
        _, _, (left, _) = next(shown("128x56", dtype, "forward"))
        roof = next(s for s in left if s[0] == "line" and s[1] == "ink" and s[3] == 2)
        x, y = roof[2][0][2:4]
        assert value_at(left, "x", x) == pytest.approx(peak / 1e10, rel=0.02)
        assert value_at(left, "y", y) == pytest.approx(peak / 1e9, rel=0.02)


def test_the_machine_is_named():
    assert all(
        "A processor of the test at 2.80 GHz, 2 threads" in view["note"]
        for _, view, _ in shown(*CHOICES[0])
    )
    gpu = records() | {
        "segments_latency": records()["segments_latency"] | {"device": "A GPU", "quick": True}
    }
    assert (
        "on A GPU (a first look: few cases and rounds)"
        in roofline_explorer(measurements=gpu).view()["note"]
    )


def test_a_folder_and_what_was_read_from_it_are_the_same(tmp_path):
    for name, content in records().items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    explorers = [
        roofline_explorer(measurements=given, segments=91)
        for given in (tmp_path, str(tmp_path), records())
    ]
    assert explorers[0].table["views"] == explorers[1].table["views"] == explorers[2].table["views"]
    assert eval(repr(explorers[1]), {"xe": xe}).state() == explorers[1].state()


def test_only_what_was_measured_can_be_chosen():
    explorer = roofline_explorer(measurements=recorded.everything(["float32"], ["training"]))
    assert [control.get("options") for control in explorer.table["controls"][1:]] == [
        list(MODULES),
        ["float32"],
        ["training"],
    ]
    with pytest.raises(ValueError, match="dtype is 'bfloat16', but must be one of 'float32'"):
        roofline_explorer(dtype="bfloat16", measurements=recorded.everything(["float32"]))


def test_of_a_measurement_that_was_interrupted_the_number_types_that_are_whole_can_be_chosen():
    found = json.loads(json.dumps(records()))
    record = found["segments_latency"]
    record["cases"] = [
        row for row in record["cases"] if (row["channels"], row["dtype"]) != (128, "float32")
    ]
    explorer = roofline_explorer(measurements=found)
    assert [control.get("options") for control in explorer.table["controls"][1:]] == [
        list(MODULES),
        ["bfloat16"],
        ["forward", "training"],
    ]


def test_a_cache_that_was_not_seen_has_no_line():
    """As on a GPU, where a copy so small takes longer to begin than to do."""
    found = json.loads(json.dumps(records()))
    assert "cache" in str(roofline_explorer(measurements=found).shapes()[0])
    found["roofline"]["ceilings"]["cache"] = found["roofline"]["ceilings"]["memory"] / 70
    assert "cache" not in str(roofline_explorer(measurements=found).shapes()[0])


def test_the_gpus_own_measurements_can_be_moved():
    explorer = roofline_explorer(measurements=str(ROOT / "results" / "gpu"), segments=364)
    assert "NVIDIA" in explorer.view()["note"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("layers"), "measurements has no 'machine' in layers"),
        (lambda r: r["roofline"].pop("ceilings"), "measurements has no 'ceilings' in roofline"),
        (
            lambda r: r["segments_latency"].update(cases=[]),
            "measurements has no number type with all maps",
        ),
    ],
)
def test_records_that_are_not_whole_are_refused(change, message):
    broken = json.loads(json.dumps(records()))
    change(broken)
    with pytest.raises(ValueError, match="but must") as error:
        roofline_explorer(measurements=broken)
    assert str(error.value).startswith(message)


def test_without_a_repository_it_says_how_to_measure(monkeypatch, tmp_path):
    monkeypatch.setattr(measured, "REPOSITORY", tmp_path)
    with pytest.raises(
        ValueError, match="measurements is None, but must be .* benchmark all --out FOLDER"
    ):
        roofline_explorer()
    (tmp_path / "roofline.json").write_text("{")
    with pytest.raises(ValueError, match="measurements has roofline.json, which is no JSON"):
        roofline_explorer(measurements=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"segments": 9}, "segments is 9, but must be one of 1, 2, 3, 4, 5, 6, 7, 8, 10, "),
        ({"module": "3x3"}, "module is '3x3', but must be one of '728x19', '128x56'"),
        ({"dtype": "fp8"}, "dtype is 'fp8', but must be one of"),
        ({"mode": "backward"}, "mode is 'backward', but must be one of"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match="but must be") as error:
        roofline_explorer(measurements=records(), **arguments)
    assert str(error.value).startswith(message)


def test_the_repositorys_own_measurements_are_shown():
    explorer = roofline_explorer()
    for key, views in explorer.table["views"].items():
        channels, side = map(int, key.split()[0].split("x"))
        for stop, view in zip(explorer.table["stops"][key], views, strict=True):
            weights = 9 * sum(n * n for n in segment_sizes(channels, stop))
            assert view["values"][0] == f"{4 * side * side * weights:,}"


@pytest.mark.parametrize("faster", [1.5, 2.2, 3.5, 8])
@pytest.mark.parametrize("memory", [1e10, 3e10, 1e11])
def test_the_words_of_the_roof_keep_apart_and_off_the_slopes_whatever_the_ceilings(faster, memory):
    changed = recorded.everything()
    for record in changed.values():
        record["ceilings"] |= {"memory": memory, "cache": faster * memory}
    explorer = roofline_explorer(measurements=changed)
    for module, dtype in product(MODULES, DTYPES):
        explorer.module, explorer.dtype = module, dtype
        shapes = explorer.shapes()[0]
        words = {shape[4]: shape[2:4] for shape in shapes if shape[0] == "text"}
        (memory, over), (arithmetic, _) = words["memory"], words["arithmetic"]
        cache, _ = words.get("cache", (memory - 44, over))
        assert ("cache" in words) == (sum(s[0] == "line" and s[1] == "quiet" for s in shapes) > 0)
        assert "cache" not in words or cache - 17 >= 46, "it would lie on the ticks' numbers"
        assert cache + 17 <= memory - 22, "the middles of words of 34 and 44 pixels"
        assert memory + 22 < arithmetic - 60
        roof = next(
            shape for shape in shapes if shape[0] == "line" and shape[1] == "ink" and shape[3] == 2
        )
        assert over < min(roof[2][0][1::2]) - 7


@pytest.mark.parametrize("measured_in", ["results", "results/gpu"])
@pytest.mark.parametrize("module", MODULES)
def test_words_among_the_layers_lie_on_none_of_them(measured_in, module):
    explorer = roofline_explorer(module=module, dtype="bfloat16", measurements=ROOT / measured_in)
    shapes = explorer.shapes()[0]
    dots = [shape[2:5] for shape in shapes if shape[0] == "dot"]
    widths = {"its 1×1": 38, "arithmetic": 56}
    for words, (x, y, anchor) in {
        s[4]: (s[2], s[3], s[6]) for s in shapes if s[0] == "text" and s[4] in widths
    }.items():
        left = x - widths[words] * {"middle": 0.5, "end": 1}[anchor]
        near = [
            (i, j)
            for i, j, r in dots
            if left - r < i < left + widths[words] + r and abs(j - y) < 6 + r
        ]
        assert not near, words
    assert widths.keys() <= {shape[4] for shape in shapes if shape[0] == "text"}
