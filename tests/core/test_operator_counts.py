"""What Xception asks of torch, counted and not timed: more calls, MACs or copies of layout than
layers need are seen here.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from tests.helpers.configurations import channels_and_segments, without_memory
from xception_edu import architectures
from xception_edu.architectures import XceptionConfig
from xception_edu.costs import cost_of, total
from xception_edu.layers import SegmentedConv2d
from xception_edu.measure import operator_calls
from xception_edu.specs import (
    ActivationSpec,
    AddSpec,
    BatchNormSpec,
    ConvSpec,
    LinearSpec,
    PoolSpec,
    Shape,
)
from xception_edu.xception import xception

LAYERS = architectures.xception()
IMAGES = 2
FORMATS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


def number_of(spec, /, **fields):
    return sum(
        isinstance(s, spec) and all(getattr(s, k) == v for k, v in fields.items())
        for s, _ in LAYERS
    )


# An operator a layer of the hand-written list, and nothing else.
FORWARD = {
    "convolution": number_of(ConvSpec),
    "native_batch_norm": number_of(BatchNormSpec),
    # in front of a block whose skip connection reads the same map: 2 in the entry, 8 in the middle,
    # 1 at the exit
    "relu": 11,
    "relu_": number_of(ActivationSpec) - 11,
    "add": number_of(AddSpec),
    "max_pool2d_with_indices": number_of(PoolSpec, kind="max"),
    "mean": 1,
    "addmm": number_of(LinearSpec),
}
BACKWARD = {
    "convolution_backward": FORWARD["convolution"],
    "native_batch_norm_backward": FORWARD["native_batch_norm"],
    "threshold_backward": FORWARD["relu"] + FORWARD["relu_"],
    "max_pool2d_with_indices_backward": FORWARD["max_pool2d_with_indices"],
    "mm": 2,  # of the classifier: for its input, and for its weights
}


def forward(model, images, labels):
    model.eval()
    with torch.no_grad():
        model(images)


def training_step(model, images, labels):
    F.cross_entropy(model.train()(images), labels).backward()


@pytest.fixture(scope="module")
def counts():
    """Calls and MACs of the whole network, without its values."""
    with without_memory():
        model, images, labels = (
            xception(),
            torch.empty(IMAGES, 3, 299, 299),
            torch.zeros(IMAGES, dtype=torch.long),
        )
    return {
        step: operator_calls(lambda step=step: step(model, images, labels))
        for step in (forward, training_step)
    }


def test_a_forward_pass_is_one_operator_a_layer(counts):
    assert counts[forward].calls == FORWARD


def test_a_training_step_is_two_operators_a_layer(counts):
    calls = counts[training_step].calls.copy()
    assert {name: calls.pop(name) for name in BACKWARD} == BACKWARD
    # Where a map was used twice, by the block and its skip connection, its two gradients are added.
    assert {name: calls.pop(name) for name in FORWARD} == FORWARD | {"add": 2 * FORWARD["add"]}
    assert calls.pop("add_") == FORWARD["native_batch_norm"]  # BN counts its batches
    assert calls.total() <= 10, calls  # the loss, and the gradient of the mean


def test_macs_are_those_counted_by_hand_and_thrice_in_training_but_for_the_images_gradient(counts):
    macs, first = total(LAYERS).macs, cost_of(*LAYERS[0]).macs
    assert counts[forward].macs == IMAGES * macs
    assert counts[training_step].macs == IMAGES * (3 * macs - first)


# The gradient of the global mean comes back in NCHW, and the ReLU before it makes its own layout of
# that. With gradients SegmentedConv2d copies an NCHW map once, at the first separable convolution,
# and all maps after it are channels_last: left are that copy, the first skip connection, which
# comes from before it, and their gradients.
LAYOUT_COPIES = {
    (forward, "nchw"): [],
    (forward, "channels_last"): [],
    (training_step, "nchw"): [
        "clone",
        "add",
        "threshold_backward",
        "native_batch_norm_backward",
        "add",
    ],
    (training_step, "channels_last"): ["threshold_backward"],
}


@pytest.mark.slow
@pytest.mark.parametrize(("step", "layout"), LAYOUT_COPIES)
def test_no_layout_is_copied_on_the_way_but_where_it_pays(step, layout):
    """With values, and small: on the meta device torch does not say which layout an operator would
    return.
    """
    model = xception(XceptionConfig(width=0.25, num_classes=10)).to(memory_format=FORMATS[layout])
    images = torch.randn(2, 3, 71, 71).contiguous(memory_format=FORMATS[layout])
    found = operator_calls(lambda: step(model, images, torch.tensor([1, 2])))
    assert found.layout_copies == LAYOUT_COPIES[step, layout]


def test_a_copy_of_layout_is_seen_and_views_are_not_counted():
    x = torch.zeros(2, 3, 4, 5)

    def function():
        y = x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).unsqueeze(0)
        torch.empty(3)
        return y, F.relu(x), x.mean(dim=(2, 3), keepdim=True).contiguous()

    calls, macs, copies = operator_calls(function)
    assert calls == {"clone": 1, "relu": 1, "mean": 1}
    assert macs == 0
    assert copies == ["clone"]


@given(channels_and_segments(largest=12), st.booleans())
def test_the_backward_pass_costs_the_forward_pass_once_for_each_gradient(case, of_the_map):
    ins, outs, segments = case
    with without_memory():
        conv, x = (
            SegmentedConv2d(ins, outs, segments=segments),
            torch.empty(3, ins, 5, 5).requires_grad_(of_the_map),
        )
    found = operator_calls(lambda: conv(x).sum().backward())
    assert found.macs == 3 * cost_of(
        ConvSpec(ins, outs, segments=segments), Shape(ins, 5, 5)
    ).macs * (2 + of_the_map)
