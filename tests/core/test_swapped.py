"""Claims about equivalence.swapped: any network with segmented convolutions in the place of its
regular ones, counted by hand and by machine.
"""

import pytest
import torch
from torch import nn

from xception_edu.costs import cost_of
from xception_edu.equivalence import swapped
from xception_edu.layers import SegmentedConv2d
from xception_edu.measure import measured_cost
from xception_edu.specs import ConvSpec, Shape
from xception_edu.vgg import vgg


def network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=False),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(8, 12, 3, padding=1), nn.Conv2d(12, 12, 1)),
        nn.Conv2d(12, 12, 3, padding=1, groups=4),
    )


def by_hand(segments, pointwise):
    """Parameters of the network's two regular k x k layers after the swap."""
    total = 0
    for channels, out, k, bias in ((3, 8, 7, False), (8, 12, 3, True)):
        count = min(segments, channels)
        if pointwise:
            total += cost_of(
                ConvSpec(channels, channels, k, segments=count), Shape(channels, 9, 9)
            ).params
            total += channels * out + bias * out
        else:
            spec = ConvSpec(channels, out, k, segments=count, bias=bias)
            total += cost_of(spec, Shape(channels, 9, 9)).params
    return total


@pytest.mark.parametrize("segments", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("pointwise", [True, False])
def test_what_is_built_has_the_parameters_that_are_counted(segments, pointwise):
    built = swapped(network(), segments, pointwise=pointwise)
    kept = sum(p.numel() for layer in (built[2][1], built[3]) for p in layer.parameters())
    assert sum(p.numel() for p in built.parameters()) == by_hand(segments, pointwise) + kept


def test_the_output_has_the_shape_that_it_had_and_the_network_stays():
    x, original = torch.randn(2, 3, 17, 15), network()
    state = {name: value.clone() for name, value in original.state_dict().items()}
    assert swapped(original).eval()(x).shape == original(x).shape
    assert all(torch.equal(value, state[name]) for name, value in original.state_dict().items())


def test_one_segment_without_a_pointwise_is_as_large_as_before():
    original = network()
    assert measured_cost(swapped(original, 1, pointwise=False), (3, 17, 17)).params == (
        measured_cost(original, (3, 17, 17)).params
    )


def test_vgg_has_no_regular_convolution_left():
    with torch.device("meta"):
        built = swapped(vgg())
    layers = list(built.modules())
    assert not [m for m in layers if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)]
    assert len([m for m in layers if isinstance(m, SegmentedConv2d)]) == 13


def test_what_cannot_be_cut_stays():
    model = nn.Sequential(
        nn.Conv2d(4, 4, 3, dilation=2), nn.Conv2d(4, 4, 3, padding="same"), nn.Linear(2, 2)
    )
    assert [type(child) for child in swapped(model)] == [nn.Conv2d, nn.Conv2d, nn.Linear]


@pytest.mark.parametrize("segments", [0, -1, 2.5, "all", True])
def test_a_wrong_number_of_segments_is_refused(segments):
    with pytest.raises(ValueError, match="segments is"):
        swapped(network(), segments)


def convolutions(built):
    return [m for m in built.modules() if isinstance(m, nn.Conv2d | SegmentedConv2d)]


def test_the_multiplier_is_the_number_of_kernels_a_channel():
    spatial, mix = convolutions(swapped(nn.Conv2d(8, 12, 3, bias=False), multiplier=3))
    assert (spatial.in_channels, spatial.out_channels, spatial.segments) == (8, 24, 8)
    assert (mix.in_channels, mix.out_channels) == (24, 12)


def test_pointwise_first_segments_the_outputs_and_strides_last():
    conv = nn.Conv2d(8, 12, 3, stride=2)
    mix, spatial = convolutions(swapped(conv, order="pointwise_first"))
    assert (mix.in_channels, mix.out_channels, mix.stride, mix.bias) == (8, 12, (1, 1), None)
    assert (spatial.segments, spatial.stride) == (12, (2, 2))
    assert spatial.bias is not None


@pytest.mark.parametrize("change", [{"multiplier": 3}, {"order": "pointwise_first"}])
def test_the_output_keeps_its_shape_however_it_is_swapped(change):
    x, original = torch.randn(2, 3, 17, 15), network()
    assert swapped(original, 3, **change)(x).shape == original(x).shape


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"multiplier": 0}, "multiplier is 0"),
        ({"multiplier": 2, "pointwise": False}, "multiplier is 2, but must be 1 unless a 1x1"),
        ({"multiplier": 2, "order": "pointwise_first"}, "multiplier is 2, but must be 1 unless"),
        ({"order": "first"}, "order is 'first'"),
    ],
)
def test_a_wrong_multiplier_or_order_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        swapped(network(), **change)
