"""Claims about the network of Figure 5; parity with other libraries' networks is in tests/peers."""

import pytest
import torch
from hypothesis import given, settings
from torch.nn import functional as F

from tests.helpers.configurations import without_memory, xception_configs
from xception_edu import paper
from xception_edu.architectures import XceptionConfig
from xception_edu.layers import SeparableConv2d
from xception_edu.xception import max_pool, xception

SMALL = XceptionConfig(
    entry_widths=(4, 6, 8, 10), middle_blocks=1, exit_widths=(12, 14, 16), num_classes=5
)


def test_feature_maps_have_the_sides_of_figure_5():
    with without_memory():
        model = xception()
    sides = []
    for module in (model.conv1, model.conv2, *model.entry, model.middle, model.exit):
        module.register_forward_hook(lambda m, i, out: sides.append(out.shape[-1]))
    x = torch.empty(1, 3, 299, 299, device="meta")
    assert model.forward_features(x).shape == (1, 2048, 10, 10)
    assert sides == [149, 147, 74, 37, 19, 19, 10]
    assert tuple(dict.fromkeys(sides)) == paper.FEATURE_MAP_SIDES


def test_the_network_has_the_layers_that_section_3_counts():
    with without_memory():
        modules = list(xception().modules())
    assert sum(isinstance(m, SeparableConv2d) for m in modules) == paper.SEPARABLE_CONVOLUTIONS
    assert sum(isinstance(m, torch.nn.BatchNorm2d) for m in modules) == 40
    residual = [m for m in modules if getattr(m, "residual", False)]
    assert len(residual) == paper.RESIDUAL_MODULES
    assert sum(hasattr(m, "skip") for m in residual) == 4


def test_batch_normalization_is_that_of_keras():
    with without_memory():
        norms = [m for m in xception().modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.01)}


@pytest.mark.slow
@given(xception_configs())
@settings(max_examples=25)
def test_any_configuration_runs_and_gives_logits(config):
    model = xception(config).eval()
    with torch.no_grad():
        assert model(torch.randn(2, config.in_channels, 40, 33)).shape == (2, config.num_classes)


def tensorflow_pool(x):
    """The "same" pool that TensorFlow computes, written out: pad (odd: 1 and 1, even: 0 and 1),
    then pool.
    """
    (top, left), (bottom, right) = (x.shape[2] % 2, x.shape[3] % 2), (1, 1)
    return F.max_pool2d(F.pad(x, (left, right, top, bottom), value=-torch.inf), 3, stride=2)


@pytest.mark.parametrize("side", [(1, 1), (2, 3), (74, 74), (147, 146), (5, 8)])
def test_max_pooling_pads_as_tensorflow_does_with_minus_infinity(side):
    x = -1 - torch.rand(2, 3, *side)  # all negative: zeros in the padding would win
    assert torch.equal(max_pool(x, "tensorflow"), tensorflow_pool(x))
    assert max_pool(x, "symmetric").shape == max_pool(x, "tensorflow").shape


def test_the_two_paddings_differ_on_even_sides_only():
    even, odd = torch.randn(1, 1, 74, 74), torch.randn(1, 1, 147, 147)
    assert not torch.equal(max_pool(even, "tensorflow"), max_pool(even, "symmetric"))
    assert torch.equal(max_pool(odd, "tensorflow"), max_pool(odd, "symmetric"))


def test_the_leading_relu_does_not_reach_the_skip():
    block = xception(SMALL).eval().entry[1]
    x = torch.randn(1, 8, 6, 6)
    before = x.clone()
    with torch.no_grad():
        branch = max_pool(block.sep2(F.relu(block.sep1(F.relu(x)))), "tensorflow")
        assert torch.allclose(block(x), branch + block.skip_bn(block.skip(before)))
    assert torch.equal(x, before)


def test_activations_keep_unit_scale_with_he_weights():
    torch.manual_seed(0)
    model = xception(SMALL).train()
    stds = []
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_pre_hook(
                lambda m, args: stds.append(float(args[0].detach().std()))
            )
    model(torch.randn(8, 3, 64, 64))
    # far above the 0.03 at which BN's epsilon of 1e-3 begins to shrink what comes out
    assert min(stds) > 0.2


def test_a_wrong_number_of_channels_is_refused():
    with pytest.raises(
        ValueError, match=r"x has shape \(1, 1, 40, 40\), but must be \(N, 3, H, W\)"
    ):
        xception(SMALL)(torch.zeros(1, 1, 40, 40))
