"""Claims of Sections 1.1 and 1.2, to the last bit that matters: float64, 1e-12."""

import copy
import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.helpers.configurations import channels_and_segments
from xception_edu.equivalence import (
    composed_weight,
    nearest_separable,
    regroup,
    segmented_to_regular,
    segments_to_grouped,
    set_segment_weights,
    towers_to_segments,
)
from xception_edu.layers import (
    ExtremeInception,
    ReformulatedInception,
    SegmentedConv2d,
    SeparableConv2d,
    SimplifiedInception,
)


def images(channels, side=6):
    return torch.randn(
        2,
        channels,
        side,
        side,
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(1),
        requires_grad=True,
    )


def randomized(module):
    """float64, with BN scales and shifts that are not one and zero."""
    torch.manual_seed(0)
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.normal_(m.bias)
    return module.double()


def run(module, channels):
    """Output, gradient of the input, and the gradients of all weights, for a loss that weighs every
    output differently.
    """
    x = images(channels)
    y = module(x)
    (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)).sum().backward()
    return y.detach(), x.grad, [p.grad for p in module.parameters()]


def assert_close(a, b):
    a, b = a.detach(), b.detach()
    assert torch.allclose(a, b, rtol=0, atol=1e-12 * max(1.0, float(b.abs().max()))), float(
        (a - b).abs().max()
    )


# the ends, the three of Figure 3, and two that do not divide 48 channels
QUICK = (1, 3, 5, 32, 48)
SEGMENTS = [s if s in QUICK else pytest.param(s, marks=pytest.mark.slow) for s in range(1, 49)]


@pytest.mark.parametrize("segments", SEGMENTS)
def test_figure_2_is_figure_3_is_a_grouped_convolution(segments):
    towers = randomized(
        SimplifiedInception(16, 48, segments=segments, batch_norm=True, activation="relu")
    ).train()
    pieces = towers_to_segments(towers)
    grouped = segments_to_grouped(pieces)
    out, dx, _ = run(towers, 16)
    for form in (pieces, grouped):
        form_out, form_dx, _ = run(form, 16)
        assert_close(form_out, out)
        assert_close(form_dx, dx)
    # Weights: the gradients of one form, carried over exactly as the weights were, are the
    # gradients of the other.
    for before, after, carry in (
        (towers, pieces, towers_to_segments),
        (pieces, grouped, segments_to_grouped),
    ):
        carried = copy.deepcopy(before)
        carried.load_state_dict(
            {**before.state_dict(), **{k: p.grad for k, p in before.named_parameters()}}
        )
        expected = dict(carry(carried).named_parameters())
        for name, parameter in after.named_parameters():
            assert_close(parameter.grad, expected[name])
    # And the running statistics of BN, which the forward pass in train mode moved.
    moved = dict(segments_to_grouped(towers_to_segments(towers)).named_buffers())
    for name, buffer in grouped.named_buffers():
        assert_close(buffer.double(), moved[name].double())


@pytest.mark.slow
@given(channels_and_segments(), st.booleans())
def test_a_segmented_convolution_is_a_regular_one_with_block_diagonal_weights(case, bias):
    ins, outs, segments = case
    conv = randomized(SegmentedConv2d(ins, outs, segments=segments, bias=bias))
    regular = segmented_to_regular(conv)
    out, dx, _ = run(conv, ins)
    regular_out, regular_dx, grads = run(regular, ins)
    assert_close(out, regular_out)
    assert_close(dx, regular_dx)
    blocks = conv.dense_weight() != 0
    conv_gradient = SegmentedConv2d(ins, outs, segments=segments).double()
    for weight, mine in zip(conv_gradient.weights, conv.weights, strict=True):
        weight.data = mine.grad
    assert_close(conv_gradient.dense_weight(), grads[0] * blocks)


def test_a_fault_in_one_weight_is_seen():
    towers = randomized(SimplifiedInception(4, 12, segments=5))
    pieces = towers_to_segments(towers)
    with torch.no_grad():
        pieces.spatial[3][0].weight[0, 0, 1, 1] += 1e-9
    assert (towers(images(4)) - pieces(images(4))).abs().max() > 1e-12


def test_order_matters_for_one_module():
    pointwise_first = ExtremeInception(6, 6).double()
    spatial_first = SeparableConv2d(6, 6).double()
    spatial_first.depthwise.weights[0].data = pointwise_first.spatial[0].weights[0].data
    spatial_first.pointwise.weight.data = pointwise_first.pointwise[0].weight.data
    assert (pointwise_first(images(6)) - spatial_first(images(6))).abs().max() > 0.1


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_stack_of_extreme_modules_regroups_into_separable_convolutions(depth):
    stack = nn.Sequential(*(ExtremeInception(6, 6) for _ in range(depth))).double()
    regrouped = regroup(stack)
    assert sum(isinstance(m, SeparableConv2d) for m in regrouped) == depth - 1
    assert torch.equal(stack(images(6)), regrouped(images(6)))


def test_regrouping_refuses_what_would_not_stay_the_same():
    for module in (
        ExtremeInception(3, 3, batch_norm=True),
        ExtremeInception(3, 3, activation="relu"),
        nn.Conv2d(3, 3, 1),
    ):
        with pytest.raises(ValueError, match="stack is"):
            regroup(nn.Sequential(module))


@pytest.mark.parametrize("stride", [1, 2])
def test_from_k_times_k_multipliers_on_a_separable_convolution_is_any_regular_one(stride):
    torch.manual_seed(0)
    conv = nn.Conv2d(5, 16, 3, stride=stride, padding=1).double()
    errors = [
        float((composed_weight(nearest_separable(conv, m)) - conv.weight).detach().norm())
        for m in range(1, 12)
    ]
    assert all(a > b > 1e-3 for a, b in itertools.pairwise(errors[:8]))
    assert max(errors[8:]) < 1e-12
    assert_close(nearest_separable(conv, 9)(images(5)), conv(images(5)))


def test_no_gradient_step_brings_a_separable_convolution_nearer():
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 7, 3, bias=False).double()
    separable = nearest_separable(conv, 2)
    (composed_weight(separable) - conv.weight.detach()).square().sum().backward()
    assert all(float(p.grad.abs().max()) < 1e-12 for p in separable.parameters())


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="groups 1"):
        nearest_separable(nn.Conv2d(4, 4, 3, groups=2))
    with pytest.raises(ValueError, match="depth_multiplier is 0"):
        nearest_separable(nn.Conv2d(4, 4, 3), 0)
    with pytest.raises(ValueError, match="weights has 1 entries, but must have 2"):
        set_segment_weights(SegmentedConv2d(4, 4, segments=2), [torch.zeros(2, 2, 3, 3)])


def test_the_arguments_are_kept():
    towers = SimplifiedInception(4, 6, 5, segments=2, activation="elu").eval()
    pieces = towers_to_segments(towers)
    assert isinstance(pieces, ReformulatedInception)
    assert pieces.arguments == towers.arguments
    assert not segments_to_grouped(pieces).training
