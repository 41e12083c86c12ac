"""Claims about counting by hand: published numbers first, then small answers, then properties."""

import csv
import io
import json

import pytest
from hypothesis import given

from tests.helpers import processor
from tests.helpers.configurations import channels_and_segments, xception_configs
from xception_edu import architectures, costs, paper
from xception_edu.architectures import ModuleConfig, VGGConfig, XceptionConfig
from xception_edu.costs import Cost, block_diagonal_weights, cost_of, total
from xception_edu.specs import (
    ActivationSpec,
    AddSpec,
    BatchNormSpec,
    ConvSpec,
    LinearSpec,
    PoolSpec,
    Shape,
    segment_sizes,
)


def test_xception_has_the_published_number_of_parameters():
    cost = total(architectures.xception())
    assert cost.params == paper.IMAGENET_SIZE["Xception"].params == 22_855_952  # Table 3
    # keras.applications counts the BN statistics too
    assert cost.params + cost.buffers == 22_910_480


def test_xception_multiplies_8_4_billion_times_at_299():
    assert total(architectures.xception()).macs == 8_357_403_496


def test_fully_connected_layers_and_the_classifier_account_for_the_rest():
    assert (
        total(architectures.xception(XceptionConfig(fc_widths=(4096, 4096)))).params == 50_077_968
    )
    assert total(architectures.xception()[:-1]).params == 20_806_952  # Keras, include_top=False


def test_vgg16_has_the_published_number_of_parameters_and_macs():
    cost = total(architectures.vgg())
    # Simonyan and Zisserman's configuration D, as every library counts it
    assert cost.params == 138_357_544
    assert cost.macs == 15_470_264_320


@pytest.mark.parametrize(
    ("segments", "params"), [(1, 183_616_904), (2, 103_132_712), (4, 62_890_616), (8, 42_769_568)]
)
def test_segments_at_fixed_widths_change_the_size_of_xception(segments, params):
    assert total(architectures.xception(XceptionConfig(segments=segments))).params == params


def test_parameters_of_xception_are_pointwise_for_the_most_part():
    layers = architectures.xception()
    by_kind = {"pointwise": 0, "spatial": 0, "bn": 0}
    for spec, shape in layers:
        kind = spec.name.rsplit("_", 1)[-1]
        if kind in by_kind:
            by_kind[kind] += cost_of(spec, shape).params
    assert by_kind == {"pointwise": 19_552_896, "spatial": 207_432, "bn": 54_528}


def test_a_small_convolution_with_batch_norm_is_230_400_macs():
    layers = architectures.chain(Shape(8, 10, 20), ConvSpec(8, 16, 3, bias=True), BatchNormSpec(16))
    assert total(layers).params == 8 * 16 * 9 + 16 + 2 * 16
    assert total(layers).macs == 230_400


@given(channels_and_segments())
def test_the_closed_form_equals_the_sum_over_pieces(case):
    ins, outs, segments = case
    pieces = zip(segment_sizes(ins, segments), segment_sizes(outs, segments), strict=True)
    assert block_diagonal_weights(ins, outs, segments) == sum(i * o for i, o in pieces)


def test_one_segment_is_regular_and_a_segment_a_channel_is_depthwise():
    assert block_diagonal_weights(48, 48, 1) == 48 * 48
    assert block_diagonal_weights(48, 48, 48) == 48


@given(channels_and_segments(largest=30))
def test_more_segments_never_cost_more(case):
    channels, _, segments = case
    if segments < channels:
        assert block_diagonal_weights(channels, channels, segments + 1) <= block_diagonal_weights(
            channels, channels, segments
        )


def test_traffic_is_each_input_weight_and_output_once():
    cost = cost_of(ConvSpec(4, 6, 3), Shape(4, 5, 5))
    assert cost == Cost(params=4 * 6 * 9, macs=4 * 6 * 9 * 25, inputs=100, activations=150)
    assert cost.bytes_moved() == 4 * (100 + 216 + 150)
    assert cost.bytes_moved(batch=8, bytes_per_element=2) == 2 * (8 * 250 + 216)
    assert cost.intensity() == pytest.approx(216 * 25 / (4 * 466))
    assert cost.activation_bytes(batch=2) == 1200


def test_an_addition_reads_two_maps_and_pooling_and_activations_multiply_nothing():
    shape = Shape(3, 4, 4)
    assert cost_of(AddSpec(), shape) == Cost(inputs=96, activations=48)
    assert cost_of(ActivationSpec("elu"), shape) == Cost(inputs=48, activations=48)
    assert cost_of(PoolSpec("max", 2, stride=2), shape) == Cost(inputs=48, activations=12)
    assert cost_of(PoolSpec("global_average"), shape) == Cost(inputs=48, activations=3)
    assert cost_of(LinearSpec(48, 10), shape) == Cost(
        params=490, macs=480, inputs=48, activations=10
    )


def test_nothing_costs_nothing():
    assert total([]) == Cost()
    assert Cost().intensity() == 0


def test_total_takes_pairs_and_costs_alike():
    layers = architectures.xception(XceptionConfig(middle_blocks=1), 96)
    assert (
        total(layers)
        == total(cost_of(*pair) for pair in layers)
        == total([total(layers[:9]), *layers[9:]])
    )


@given(xception_configs())
def test_without_residuals_only_projections_and_additions_disappear(config):
    plain = XceptionConfig(**{**vars(config), "residual": False})
    residual = XceptionConfig(**{**vars(config), "residual": True})
    left = [
        spec.name
        for spec, _ in architectures.xception(residual, 64)
        if "skip" not in spec.name and "add" not in spec.name
    ]
    assert left == [spec.name for spec, _ in architectures.xception(plain, 64)]


def test_figure_2_costs_what_figure_3_costs_except_that_each_tower_reads_the_input():
    for segments in range(1, 49):
        config = ModuleConfig(16, 48, segments)
        towers = total(
            pair
            for tower in architectures.simplified_inception(config, Shape(16, 9, 9))
            for pair in tower
        )
        module = total(architectures.module(config, Shape(16, 9, 9)))
        assert (towers.params, towers.macs, towers.activations) == (
            module.params,
            module.macs,
            module.activations,
        )
        assert towers.inputs - module.inputs == (segments - 1) * 16 * 81


def test_the_canonical_module_concatenates_to_288_channels():
    towers = architectures.canonical_inception(Shape(288, 35, 35))
    shapes = [architectures.output_shape(tower) for tower in towers]
    assert sum(s.channels for s in shapes) == 288
    assert {s[1:] for s in shapes} == {(35, 35)}


def test_vgg_of_other_depths_is_counted_too():
    cost = total(
        architectures.vgg(
            VGGConfig(widths=(4,), depths=(1,), fc_widths=(), num_classes=2, input_size=4)
        )
    )
    assert cost.params == 3 * 4 * 9 + 4 + 4 * 2 * 2 * 2 + 2


def test_every_format_says_the_same_totals():
    layers = architectures.xception(XceptionConfig(segments=3), (120, 91))
    data = json.loads(costs.as_json("xception", layers))
    assert data["name"] == "xception"
    assert data["input"] == [3, 120, 91]
    assert (
        data["totals"]["params"]
        == total(layers).params
        == sum(row["params"] for row in data["layers"])
    )
    assert (
        data["totals"]["bytes_moved"]
        == total(layers).bytes_moved()
        == sum(row["bytes_moved"] for row in data["layers"])
    )
    *rows, last = csv.DictReader(io.StringIO(costs.as_csv("xception", layers)))
    assert len(rows) == len(layers)
    assert (last["name"], int(last["macs"])) == ("total", total(layers).macs)
    table = costs.as_table("xception", layers).splitlines()
    assert len(table) == len(layers) + 4
    assert f"{total(layers).macs:,}" in table[-1]


def test_costing_the_whole_network_takes_under_5_ms():
    times = [processor.seconds(lambda: total(architectures.xception())) for _ in range(20)]
    assert min(times) < 0.005 * processor.slowness()


def test_what_is_no_spec_is_refused():
    with pytest.raises(ValueError, match="spec is 'conv'"):
        cost_of("conv", Shape(1, 1, 1))
