"""Claims about the continuum in torch."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from tests.helpers.configurations import channels_and_segments
from xception_edu import segmented_conv
from xception_edu.layers import (
    ExtremeInception,
    PointwiseConv2d,
    SegmentedConv2d,
    SegmentedInception,
    SeparableConv2d,
    SpatiallySeparableConv2d,
)
from xception_edu.specs import segment_sizes


def images(channels, side=7, n=2):
    return torch.randn(
        n, channels, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )


@given(
    channels_and_segments(), st.sampled_from([1, 3, (1, 3)]), st.sampled_from([1, 2]), st.booleans()
)
def test_a_segmented_convolution_is_a_regular_one_with_block_diagonal_weights(
    case, kernel_size, stride, bias
):
    ins, outs, segments = case
    conv = SegmentedConv2d(
        ins, outs, kernel_size, segments=segments, stride=stride, bias=bias
    ).double()
    if bias:
        nn.init.normal_(conv.bias)
    x = images(ins)
    expected = F.conv2d(x, conv.dense_weight(), conv.bias, stride=stride, padding=conv.padding)
    assert torch.allclose(conv(x), expected, rtol=0, atol=1e-12)


@given(channels_and_segments())
def test_segment_i_of_the_output_sees_only_segment_i_of_the_input(case):
    ins, outs, segments = case
    connected = SegmentedConv2d(ins, outs, 1, segments=segments).dense_weight()[:, :, 0, 0] != 0
    blocks = [
        torch.ones(o, i)
        for i, o in zip(segment_sizes(ins, segments), segment_sizes(outs, segments), strict=True)
    ]
    assert torch.equal(connected, torch.block_diag(*blocks).bool())


@given(channels_and_segments())
def test_at_most_three_blocks_of_equal_segments_and_one_where_segments_divide(case):
    ins, outs, segments = case
    conv = SegmentedConv2d(ins, outs, segments=segments)
    assert len(conv.weights) <= 3
    if ins % segments == outs % segments == 0:
        assert [w.shape for w in conv.weights] == [
            (outs, ins // segments, 3, 3)
        ]  # torch's own grouped weight


def test_the_two_ends_are_regular_and_depthwise():
    x = images(6)
    one, depthwise = (SegmentedConv2d(6, 6, segments=s).double() for s in (1, 6))
    assert torch.equal(one(x), F.conv2d(x, one.weights[0], padding=1))
    assert torch.equal(depthwise(x), F.conv2d(x, depthwise.weights[0], padding=1, groups=6))


@given(channels_and_segments(largest=12))
def test_he_initialization_goes_by_the_fan_in_of_one_segment(case):
    """To 3 %: a block has 19,600 weights or more, whose deviation is known to 0.5 %."""
    ins, outs, segments = case
    torch.manual_seed(0)
    conv = SegmentedConv2d(ins * 20, outs * 20, 7, segments=segments)
    for weight, block in zip(conv.weights, conv.blocks, strict=True):
        fan_in = 49 * block.in_channels
        assert float(weight.detach().std()) == pytest.approx((2 / fan_in) ** 0.5, rel=0.03)


def test_a_separable_convolution_is_depthwise_then_pointwise():
    conv = SeparableConv2d(4, 6, 5, depth_multiplier=3, stride=2, bias=True).double()
    x = images(4, 9)
    steps = F.conv2d(
        F.conv2d(x, conv.depthwise.weights[0], stride=2, padding=2, groups=4),
        conv.pointwise.weight,
        conv.pointwise.bias,
    )
    assert conv(x).shape == (2, 6, 5, 5)
    assert torch.equal(conv(x), steps)


def test_an_activation_in_between_is_there_only_when_asked_for():
    x = images(3)
    linear, relu = SeparableConv2d(3, 3).double(), SeparableConv2d(3, 3, activation="relu").double()
    relu.load_state_dict(linear.state_dict())
    assert torch.equal(relu(x), linear.pointwise(linear.depthwise(x).relu()))
    assert torch.allclose(
        linear(2 * x - x.flip(0)), 2 * linear(x) - linear(x.flip(0))
    )  # without one, the pair is linear


def test_the_extreme_module_has_as_many_segments_as_channels():
    extreme, module = ExtremeInception(4, 6), SegmentedInception(4, 6, segments=6)
    module.load_state_dict(extreme.state_dict())
    x = images(4).float()
    assert torch.equal(extreme(x), module(x))


def test_spatially_separable_mixes_all_channels_twice():
    conv = SpatiallySeparableConv2d(4, 6)
    assert sum(p.numel() for p in conv.parameters()) == 3 * (4 * 6 + 6 * 6)
    assert conv(images(4).float()).shape == (2, 6, 7, 7)


def test_what_is_no_batch_of_such_channels_is_refused():
    for shape in [(2, 5, 7, 7), (4, 7, 7)]:
        with pytest.raises(ValueError, match=r"x has shape .* must be \(N, 4, H, W\)"):
            SegmentedConv2d(4, 4, segments=2)(torch.zeros(shape))


FORMATS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


@pytest.mark.slow
@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@given(
    case=channels_and_segments(),
    stride=st.sampled_from([1, 2]),
    bias=st.booleans(),
    training=st.booleans(),
)
def test_on_a_cpu_the_chosen_algorithm_changes_no_value(
    layout, dtype, case, stride, bias, training
):
    """float32 and bfloat16 have rules, float64 has none: its values and gradients are right."""
    ins, outs, segments = case
    conv = SegmentedConv2d(ins, outs, segments=segments, stride=stride, bias=bias)
    exact = SegmentedConv2d(ins, outs, segments=segments, stride=stride, bias=bias).double()
    conv = conv.to(dtype).to(memory_format=FORMATS[layout])
    exact.load_state_dict(conv.state_dict())
    x = images(ins).to(dtype).contiguous(memory_format=FORMATS[layout])
    results = [
        values_and_gradients(conv, x, training),
        values_and_gradients(exact, x.double(), training),
    ]
    assert len(results[0]) == 1 + training * (1 + len(list(conv.parameters())))
    assert results[0][0].dtype == dtype
    tolerance = 1e-4 if dtype == torch.float32 else 0.05
    for got, expected in zip(*results, strict=True):
        assert (got.double() - expected).abs().max() <= tolerance * expected.abs().max().clamp(
            min=1
        )


def values_and_gradients(module, x, training):
    """What comes out, and in training the gradients of the map and of all weights."""
    x = x.clone().requires_grad_(training)
    with torch.set_grad_enabled(training):
        y = module(x)
    if not training:
        return [y]
    y.backward(torch.linspace(0.5, 1, y.numel(), dtype=y.dtype).view(y.shape))
    return [y.detach(), x.grad, *(p.grad for p in module.parameters())]


@pytest.mark.parametrize(
    ("segments", "dtype", "training", "algorithm"),
    [
        (1, torch.float32, True, "grouped_nchw"),
        (2, torch.float32, False, "grouped_channels_last"),
        (3, torch.float32, False, "grouped_channels_last"),  # two blocks
        (30, torch.float32, False, "grouped_nchw"),
        (30, torch.bfloat16, False, "grouped_channels_last"),
        (91, torch.float32, True, "grouped_nchw"),
        (91, torch.bfloat16, True, "grouped_channels_last"),
        (91, torch.bfloat16, False, "grouped_nchw"),
        (728, torch.float32, False, "grouped_nchw"),
        (728, torch.float32, True, "grouped_channels_last"),
        (2, torch.float64, True, "grouped_nchw"),
    ],
)
def test_the_algorithm_of_a_segmented_convolution_is_said_and_used(
    segments, dtype, training, algorithm
):
    conv = SegmentedConv2d(728, 728, segments=segments).to(dtype)
    x = torch.zeros(1, 728, 3, 3, dtype=dtype)
    with torch.set_grad_enabled(training):
        assert conv.algorithm == algorithm
        assert f"algorithm={algorithm!r}" in repr(conv)
        y = conv(x)
        assert y.is_contiguous(memory_format=FORMATS[algorithm.removeprefix("grouped_")])
        channels_last = x.contiguous(memory_format=torch.channels_last)
        assert conv(channels_last).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("dtype", "side", "stride", "product"),
    [
        (torch.bfloat16, 4, 1, True),  # up to 32 positions
        (torch.bfloat16, 9, 1, False),
        (torch.bfloat16, 9, 2, True),
        (torch.float32, 64, 1, True),  # up to 16,384
        (torch.float32, 200, 1, False),
        (torch.float32, 200, 2, True),  # as a convolution its gradient would end the process
    ],
)
def test_a_pointwise_convolution_is_a_product_for_few_positions_or_with_a_stride(
    dtype, side, stride, product
):
    conv = PointwiseConv2d(8, 32, stride=stride, bias=True)
    conv = conv.to(dtype).to(memory_format=torch.channels_last)
    x = torch.randn(2, 8, side, side).to(dtype).to(memory_format=torch.channels_last)
    x.requires_grad_()
    with FlopCounterMode(display=False) as counter:
        y = conv(x)
    assert (
        bool({str(op) for op in counter.get_flop_counts()["Global"]} & {"aten.addmm", "aten.mm"})
        == product
    )
    with FlopCounterMode(display=False) as double:  # where nothing was measured, never
        copy.deepcopy(conv).double()(x.double())
    assert set(map(str, double.get_flop_counts()["Global"])) == {"aten.convolution"}
    reference = nn.Conv2d(8, 32, 1, stride=stride)
    reference.load_state_dict(conv.state_dict())
    wanted = values_and_gradients(reference.double(), x.detach().double(), training=True)
    for found, right in zip(
        values_and_gradients(conv, x.detach(), training=True), wanted, strict=True
    ):
        assert found.shape == right.shape
        assert torch.allclose(found.double(), right, rtol=0.02, atol=0.02 * right.abs().max())
    y.sum().backward()
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert x.grad.is_contiguous(memory_format=torch.channels_last), (
        "else all maps before it would change layout"
    )


@pytest.mark.parametrize("segments", [4, 5])
def test_the_weights_layout_does_not_overrule_the_algorithm(segments, monkeypatch):
    """Torch goes by channels_last if the map or the weight is; networks in it have such weights."""
    conv = SegmentedConv2d(32, 32, segments=segments).to(memory_format=torch.channels_last)
    x = torch.randn(2, 32, 7, 7).contiguous(memory_format=torch.channels_last)
    monkeypatch.setattr(segmented_conv, "choose_algorithm", lambda *_: "grouped_nchw")
    assert conv(x).is_contiguous()


@pytest.mark.parametrize(
    ("segments", "layout"), [(1, "nchw"), (2, "nchw"), (5, "channels_last"), (8, "channels_last")]
)
def test_weights_lie_as_the_algorithm_for_maps_in_nchw_wants_them(segments, layout):
    conv = SegmentedConv2d(48, 48, segments=segments)
    with torch.no_grad():
        assert conv.algorithm == f"grouped_{layout}"
    for weight in conv.weights:
        assert [
            name for name, fmt in FORMATS.items() if weight.is_contiguous(memory_format=fmt)
        ] == [layout]


@pytest.mark.parametrize("segments", [1, 5, 8, 48])
def test_a_seed_gives_the_same_weights_in_any_layout(segments):
    """The values that He's rule draws for a weight in NCHW, block by block."""
    torch.manual_seed(0)
    conv = SegmentedConv2d(48, 48, segments=segments)
    torch.manual_seed(0)
    drawn = [
        nn.init.kaiming_normal_(torch.empty(weight.shape), nonlinearity="relu")
        for weight in conv.weights
    ]
    assert all(map(torch.equal, conv.weights, drawn))
    conv.to(memory_format=torch.channels_last)
    torch.manual_seed(0)
    conv.reset_parameters()
    assert all(map(torch.equal, conv.weights, drawn))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_dense_weight_comes_in_the_layout_that_is_asked_for(layout):
    conv = SegmentedConv2d(12, 16, segments=5)
    dense = conv.dense_weight(memory_format=layout)
    assert dense.is_contiguous(memory_format=layout)
    assert torch.equal(dense, conv.dense_weight())
    assert dense.shape == (16, 12, 3, 3)


@pytest.mark.parametrize("segments", [2, 5, 8])
def test_the_dense_algorithm_has_the_values_and_the_gradients_of_the_grouped_one(
    segments, monkeypatch
):
    conv = SegmentedConv2d(8, 16, segments=segments, stride=2, bias=True).double()
    x = torch.randn(2, 8, 7, 7, dtype=torch.float64)
    grouped = values_and_gradients(conv, x, training=True)
    conv.zero_grad()
    monkeypatch.setattr(segmented_conv, "choose_algorithm", lambda *_: "dense")
    for found, right in zip(values_and_gradients(conv, x, training=True), grouped, strict=True):
        assert torch.allclose(found, right, atol=1e-12)


def test_under_autocast_the_algorithm_goes_by_the_type_that_is_multiplied():
    conv = SegmentedConv2d(24, 24, segments=3)
    assert conv.algorithm == "grouped_nchw"
    with torch.autocast("cpu", torch.bfloat16):
        assert conv.algorithm == "grouped_channels_last"
        assert conv(torch.zeros(1, 24, 3, 3)).dtype == torch.bfloat16


def test_without_values_and_off_the_cpu_maps_stay_as_they_come():
    conv = SegmentedConv2d(728, 728, segments=364).to("meta")
    assert conv.algorithm == "grouped_nchw"


@pytest.mark.parametrize("segments", [5, 12])
def test_an_exported_segmented_convolution_holds_no_copy_of_layout(segments):
    conv = SegmentedConv2d(24, 24, segments=segments).eval()
    x = torch.randn(2, 24, 5, 5)
    exported = torch.export.export(conv, (x,))
    assert not [
        node
        for node in exported.graph.nodes
        if "clone" in str(node.target) or "contiguous" in str(node.target)
    ]
    assert torch.allclose(exported.module()(x), conv(x), atol=1e-5)
