"""The house's one idea: what is counted by hand from specs equals what is counted by machine from
the torch model.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tests.helpers.configurations import (
    channels_and_segments,
    module_configs,
    without_memory,
    xception_configs,
)
from xception_edu import architectures
from xception_edu.architectures import ModuleConfig, VGGConfig, XceptionConfig
from xception_edu.costs import Cost, cost_of, total
from xception_edu.layers import SegmentedConv2d, SimplifiedInception, segmented_module
from xception_edu.measure import measured_cost, measured_layers
from xception_edu.specs import ConvSpec, Shape
from xception_edu.vgg import vgg
from xception_edu.xception import xception

OPERATOR = {
    "ConvSpec": "convolution",
    "BatchNormSpec": "native_batch_norm",
    "AddSpec": "add",
    "LinearSpec": "addmm",
    "ActivationSpec": ("relu", "elu"),
    "PoolSpec": ("max_pool2d_with_indices", "mean"),
}


def assert_counted_alike(layers, model, shape):
    """Layer by layer: the same operator at the same place, at the same cost."""
    measured = measured_layers(model, shape)
    assert len(measured) == len(layers)
    for (spec, at), machine in zip(layers, measured, strict=True):
        assert machine.operator in OPERATOR[type(spec).__name__], (spec, machine)
        assert cost_of(spec, at) == machine.cost, (spec, machine.name)
    assert measured_cost(model, shape) == total(layers)


@pytest.mark.slow
@given(xception_configs(), st.integers(30, 70), st.integers(30, 70))
@settings(max_examples=30)
def test_xception_with_any_dials(config, height, width):
    with without_memory():
        model = xception(config)
    assert_counted_alike(
        architectures.xception(config, (height, width)), model, (config.in_channels, height, width)
    )


@pytest.mark.parametrize("segments", ["channels", 1, 3, 4, 64])
def test_the_whole_network_at_299(segments):
    config = XceptionConfig(segments=segments)
    with without_memory():
        model = xception(config)
    assert_counted_alike(architectures.xception(config), model, (3, 299, 299))


@given(module_configs(), st.integers(1, 9), st.integers(1, 9))
def test_the_module_of_the_paper(config, height, width):
    shape = Shape(config.in_channels, height, width)
    with without_memory():
        model = segmented_module(config)
    assert_counted_alike(architectures.module(config, shape), model, shape)


@given(
    channels_and_segments(),
    st.sampled_from([1, 2, 3, (1, 7)]),
    st.sampled_from([1, 2]),
    st.booleans(),
)
def test_a_segmented_convolution(case, kernel_size, stride, bias):
    ins, outs, segments = case
    spec = ConvSpec(ins, outs, kernel_size, segments=segments, stride=stride, bias=bias)
    with without_memory():
        model = SegmentedConv2d(ins, outs, kernel_size, segments=segments, stride=stride, bias=bias)
    assert_counted_alike([(spec, Shape(ins, 9, 8))], model, (ins, 9, 8))


@pytest.mark.parametrize("segments", [1, 3, 7, 16])
def test_the_towers_of_figure_2(segments):
    shape = Shape(8, 5, 5)
    towers = architectures.simplified_inception(
        ModuleConfig(8, 16, segments, activation="relu"), shape
    )
    with without_memory():
        model = SimplifiedInception(8, 16, segments=segments)
    hand = total(pair for tower in towers for pair in tower if isinstance(pair[0], ConvSpec))
    assert hand == measured_cost(model, shape)


@pytest.mark.parametrize(
    "config", [VGGConfig(), VGGConfig(widths=(3, 5), depths=(1, 2), fc_widths=(), input_size=13)]
)
def test_vgg(config):
    with without_memory():
        model = vgg(config)
    assert_counted_alike(
        architectures.vgg(config), model, (3, config.input_size, config.input_size)
    )


def test_macs_are_half_of_what_torchs_counter_calls_flops():
    with without_memory():
        model = xception()
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, 299, 299, device="meta"))
    assert counter.get_total_flops() == 2 * measured_cost(model, (3, 299, 299)).macs


def test_the_shared_convolution_of_a_model_counts_its_parameters_once():
    conv = nn.Conv2d(4, 4, 1, bias=False)
    cost = measured_cost(nn.Sequential(conv, conv), (4, 2, 2))
    assert cost == Cost(params=16, macs=2 * 16 * 4, inputs=32, activations=32)


class Net(nn.Module):
    def forward(self, x):
        return x.relu()


def test_what_a_model_computes_itself_is_counted_at_its_root_however_short_its_name():
    assert [(layer.name, layer.operator) for layer in measured_layers(Net(), (4, 2, 2))] == [
        ("", "relu")
    ]


def test_measuring_leaves_the_model_as_it_was():
    model = segmented_module(ModuleConfig(4, 4, 2)).train()
    before = [p.clone() for p in model.parameters()]
    measured_cost(model, (4, 5, 5))
    assert model.training
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
