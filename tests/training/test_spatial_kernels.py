"""Depthwise kernels that do not learn: they stay, everything else learns, and a run is resumed."""

from dataclasses import replace

import pytest
import torch

from tests.helpers.tiny import TINY
from xception_edu.explorers.kernel_layers import published_patterns
from xception_edu.segmented_conv import SegmentedConv2d
from xception_edu.training.checkpoints import load_newest
from xception_edu.training.freezing import patterns
from xception_edu.training.steps import make_model, make_optimizer
from xception_edu.training.train import train


def kernels(model):
    found = [m.weights for m in model.modules() if isinstance(m, SegmentedConv2d)]
    return [weight for weights in found for weight in weights]


@pytest.mark.parametrize("kind", ["random", "patterns"])
def test_frozen_kernels_stay_and_everything_else_learns(kind):
    recipe = replace(TINY, spatial_kernels=kind)
    model = make_model(recipe)
    frozen = {id(weight) for weight in kernels(model)}
    assert not any(weight.requires_grad for weight in kernels(model))
    assert all(p.requires_grad for p in model.parameters() if id(p) not in frozen)
    learned = {
        id(p) for group in make_optimizer(model, recipe).param_groups for p in group["params"]
    }
    assert not learned & frozen


def test_random_kernels_are_those_with_which_training_would_begin():
    trained, frozen = make_model(TINY), make_model(replace(TINY, spatial_kernels="random"))
    for ours, theirs in zip(kernels(trained), kernels(frozen), strict=True):
        assert torch.equal(ours, theirs)


def test_patterns_are_the_eight_of_the_published_network():
    published = torch.from_numpy(published_patterns()).float() * 2**0.5
    assert len(published) == 8
    assert torch.allclose(patterns(), published, atol=1e-3)
    units = patterns().flatten(1) / 2**0.5
    assert (units @ units.T - torch.eye(8)).abs().max() < 0.9  # no two are alike
    model = make_model(replace(TINY, spatial_kernels="patterns"))
    for weight in kernels(model):
        for channel, kernel in enumerate(weight[:, 0]):
            pattern = patterns()[channel % 8]
            assert torch.equal(kernel, pattern) or torch.equal(kernel, -pattern)


def test_a_run_with_frozen_kernels_goes_on_where_it_stopped(tmp_path):
    recipe = replace(TINY, spatial_kernels="patterns", threads=1)
    train(recipe, tmp_path / "whole", tensorboard=False)
    train(recipe, tmp_path / "parts", max_steps=4, tensorboard=False)
    train(recipe, tmp_path / "parts", resume=True, tensorboard=False)
    whole, parts = (load_newest(tmp_path / name / "checkpoints") for name in ("whole", "parts"))
    assert all(torch.equal(t, parts.tensors[name]) for name, t in whole.tensors.items())


def test_patterns_are_for_kernels_of_one_channel():
    model = replace(TINY.model, segments=2)
    with pytest.raises(ValueError, match="spatial_kernels is 'patterns', but must be"):
        replace(TINY, model=model, spatial_kernels="patterns")
