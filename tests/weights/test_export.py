"""Networks made ready for use compute what they computed before."""

import copy
import dataclasses

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from tests.helpers.configurations import xception_configs
from tests.helpers.weight_writers import SMALL, network
from xception_edu.architectures import XceptionConfig
from xception_edu.weights.export import fold_batchnorm
from xception_edu.xception import Xception


def relative_difference(ours, theirs):
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def lively(config):
    """A network whose BN has random gamma and beta, and the statistics of what it has seen."""
    torch.manual_seed(0)
    model = Xception(dataclasses.replace(config, dropout=0.0))
    for norm in [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias)
        norm.momentum = None
    with torch.no_grad():
        model(torch.randn(4, config.in_channels, 48, 48))
    return model.eval()


@settings(max_examples=20)
@given(xception_configs())
def test_folding_is_exact_for_all_dials(config):
    """In float64: in float32 a generated network six channels wide may enlarge roundings as it
    likes.
    """
    model = lively(config).double()
    before = copy.deepcopy(model.state_dict())
    folded = fold_batchnorm(model)
    images = torch.randn(2, config.in_channels, 41, 48, dtype=torch.float64)
    with torch.no_grad():
        assert relative_difference(folded(images), model(images)) < 1e-11
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not folded.training


def test_in_float32_outputs_are_equal_to_1e_5_relative():
    model = lively(XceptionConfig(width=0.25))
    images = torch.randn(2, 3, 97, 96)
    with torch.no_grad():
        assert relative_difference(fold_batchnorm(model)(images), model(images)) < 1e-5


def test_a_folded_network_has_a_bias_for_each_norm():
    model = network(SMALL)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    saved = sum(p.numel() for p in model.parameters()) - sum(
        p.numel() for p in fold_batchnorm(model).parameters()
    )
    assert saved == sum(norm.num_features for norm in norms)  # gamma and beta became one bias


def test_a_training_network_folds_by_its_running_statistics_and_stays_in_training():
    model = network(SMALL).train()
    images = torch.randn(2, 3, 48, 48)
    folded = fold_batchnorm(model)
    assert model.training
    with torch.no_grad():
        assert relative_difference(folded(images), model.eval()(images)) < 1e-5


def test_a_norm_that_stands_alone_is_named():
    with pytest.raises(
        ValueError, match="model has 0, but each BN must stand behind a convolution"
    ):
        fold_batchnorm(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)))
