"""Late gradients: the simulation against a step by hand, what was measured with it."""

import json
import pathlib
from dataclasses import replace

import pytest
import torch

from tests.helpers.tiny import TINY
from xception_edu.data.builtin import load_digits
from xception_edu.training.asynchronous import train_stale
from xception_edu.training.steps import (
    loss_of,
    make_model,
    make_optimizer,
    train_step,
    training_batch,
)

RESULTS = json.loads(
    (pathlib.Path(__file__).parents[2] / "results" / "stale_gradients.json").read_text()
)
RECIPE = replace(
    TINY,
    schedule="steps",
    decay_rate=1.0,
    warmup_epochs=0.0,
    model=replace(TINY.model, dropout=0.0),
)


def test_without_staleness_it_is_the_training_step():
    data, model = load_digits(), make_model(RECIPE)
    optimizer = make_optimizer(model, RECIPE)
    expected = [
        train_step(model, *training_batch(data, RECIPE, step), optimizer).item()
        for step in range(5)
    ]
    assert train_stale(RECIPE, data, 0, steps=5) == expected


def test_a_gradient_is_taken_at_the_weights_of_two_steps_before():
    """Plain SGD by hand: w3 = w2 - rate * gradient(w0), for the first three steps know no older
    weights than w0.
    """
    recipe, data = replace(RECIPE, momentum=0.0, weight_decay=0.0), load_digits()
    model = make_model(recipe)
    start = [p.detach().clone() for p in model.parameters()]
    now = [p.clone() for p in start]
    losses = []
    for step in range(3):  # all three at w0
        images, labels = training_batch(data, recipe, step)
        loss = loss_of(model.train()(images), labels)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        now = [p - recipe.learning_rate * g for p, g in zip(now, gradients, strict=True)]
        losses.append(loss.item())
        if step == 0:
            first = now
    with torch.no_grad():  # the fourth at w1
        for p, value in zip(model.parameters(), first, strict=True):
            p.copy_(value)
    losses.append(
        loss_of(
            model.train()(training_batch(data, recipe, 3)[0]), training_batch(data, recipe, 3)[1]
        ).item()
    )
    assert train_stale(recipe, data, 2, steps=4) == pytest.approx(losses, rel=1e-6)


def test_a_wrong_staleness_is_refused():
    with pytest.raises(ValueError, match="staleness is -1, but must be an integer of at least 0"):
        train_stale(RECIPE, load_digits(), -1, steps=1)


def mean(rate, staleness):
    losses = [
        run["loss"]
        for run in RESULTS["runs"]
        if (run["learning_rate"], run["staleness"]) == (rate, staleness)
    ]
    assert len(losses) == len(RESULTS["seeds"]) >= 3
    return sum(losses) / len(losses)


def test_measured_lateness_costs_more_the_higher_the_rate():
    """And hardly anything at the lowest: the losses by staleness 0 and 4 differ by less there than
    at the highest rate.
    """
    lowest, *_, highest = RESULTS["learning_rates"]
    costs = {rate: [mean(rate, s) - mean(rate, 0) for s in (4, 16)] for rate in (lowest, highest)}
    assert costs[lowest][0] < 0.1 < costs[highest][0]
    assert costs[lowest][1] < costs[highest][1]
