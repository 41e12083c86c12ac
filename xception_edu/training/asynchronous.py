"""Asynchronous gradient descent, as the paper trained on JFT (Section 4.4): what a gradient is
worth that comes late.

With n workers and a server for the weights, a worker reads the weights, computes a gradient, and
sends it; meanwhile the others have changed the weights. If all are equally fast, each gradient is n
- 1 steps old when it is applied. That order is followed here exactly, in one process: the gradient
of step t is taken at the weights of step t - staleness. What it gains, that no worker waits for
another, is not measured here; only what it costs.
"""

from collections import deque
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from xception_edu import checks
from xception_edu.data.dataset import Images
from xception_edu.recipes.recipe import Recipe
from xception_edu.recipes.schedule import learning_rate
from xception_edu.training.steps import loss_of, make_model, make_optimizer, training_batch


def train_stale(recipe: Recipe, data: Images, staleness: int, *, steps: int) -> list[float]:
    """Losses of so many steps by the recipe, each with the gradient at the weights of `staleness`
    steps before.

    The first steps, when no weights are so old, take those at the start. Staleness 0 is
    `steps.train_step`. A run whose loss is no longer finite ends there.
    """
    checks.integer("staleness", staleness, at_least=0)
    model = make_model(recipe)
    optimizer = make_optimizer(model, recipe)
    # weights before this step, and before those before it
    past: deque[list[Tensor]] = deque(maxlen=staleness + 1)
    losses: list[float] = []
    for step in range(steps):
        past.append(copies(model.parameters()))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, (step + 0.5) * recipe.epochs / steps)
        images, labels = training_batch(data, recipe, step)
        load(model, past[0])  # the oldest: what the worker read
        loss = loss_of(model.train()(images), labels, recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        load(model, past[-1])  # the newest: what the server has by now
        optimizer.step()
        losses.append(loss.item())
        if not loss.isfinite():
            break
    return losses


@torch.no_grad()
def copies(tensors: Iterable[Tensor]) -> list[Tensor]:
    """The same values, which stay when the originals change."""
    return [t.detach().clone() for t in tensors]


@torch.no_grad()
def load(model: nn.Module, weights: Iterable[Tensor]) -> None:
    """Set the model's parameters."""
    for parameter, value in zip(model.parameters(), weights, strict=True):
        parameter.copy_(value)
