"""Batches and weights of a run: what is trained, on which images, with which decay."""

from dataclasses import replace

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.helpers.runs import KINDS
from tests.helpers.tiny import TINY
from xception_edu.data.dataset import Dataset
from xception_edu.data.order import epoch_order
from xception_edu.training.steps import make_model, make_optimizer, training_batch


def test_kernels_decay_and_biases_and_bn_do_not():
    model = make_model(TINY)
    for kind in KINDS.values():
        decaying, others = make_optimizer(model, kind).param_groups
        assert (decaying["weight_decay"], others["weight_decay"]) == (kind.weight_decay, 0)
        assert {id(p) for p in decaying["params"]} == {
            id(m.weight) for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))
        } | {id(w) for m in model.modules() if hasattr(m, "weights") for w in m.weights}
        assert len(decaying["params"]) + len(others["params"]) == len(list(model.parameters()))


def test_batch_normalization_averages_as_the_recipe_says():
    model = make_model(replace(TINY, bn_momentum=0.3))
    assert {m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {0.3}


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 3), st.integers(0, 9))
def test_an_epoch_shows_each_image_at_most_once(images, batch_size, epoch, seed):
    batch_size = min(images, batch_size)
    labels = torch.arange(images)
    data = Dataset(
        torch.zeros(images, 1, 8, 8, dtype=torch.uint8), labels, *[torch.empty(0)] * 2, ()
    )
    recipe = replace(TINY, batch_size=batch_size, seed=seed)
    steps = images // batch_size
    seen = torch.cat([training_batch(data, recipe, epoch * steps + i)[1] for i in range(steps)])
    assert len(set(seen.tolist())) == len(seen) == steps * batch_size


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {
        tuple(epoch_order(seed, epoch, 50).tolist()) for seed in range(3) for epoch in range(3)
    }
    assert len(orders) == 9
