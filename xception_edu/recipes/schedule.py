"""The learning rate of a recipe: batch size rule, warm-up, schedule. Standard library only."""

import math

from xception_edu import checks
from xception_edu.recipes.recipe import Recipe


def peak_learning_rate(recipe: Recipe) -> float:
    """The highest learning rate, for the batch size that there is: `learning_rate` by `lr_rule`."""
    ratio = recipe.batch_size / recipe.reference_batch_size
    factors = {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}
    return recipe.learning_rate * factors[recipe.lr_rule]


def rate_rule(recipe: Recipe) -> str:
    """One line: which learning rate the batch size leads to, and by which rule."""
    checks.instance("recipe", recipe, Recipe, "a Recipe")
    sizes, peak = f"{recipe.batch_size}/{recipe.reference_batch_size}", peak_learning_rate(recipe)
    if recipe.batch_size == recipe.reference_batch_size:
        return f"learning rate {peak:.6g}, meant for the {recipe.batch_size} images of a step"
    by = {
        "none": "left alone by the rule none",
        "linear": f"by the rule linear, {recipe.learning_rate:g} x {sizes}",
        "sqrt": f"by the rule sqrt, {recipe.learning_rate:g} x sqrt({sizes})",
    }
    return f"learning rate {peak:.6g} for {recipe.batch_size} images a step: {by[recipe.lr_rule]}"


def averaging_hint(recipe: Recipe, steps: int) -> str | None:
    """One line if the averaged weights still hold much of their start after `steps`; else None."""
    back = 1 / (1 - recipe.polyak_decay)  # a step that long ago counts e times less than the last
    if not recipe.polyak_decay or back <= steps / 3:
        return None
    looks = f"averaged weights look back some {back:,.0f} steps, and the run has {steps:,}"
    return f"{looks}: --polyak-decay {max(0.0, 1 - 10 / steps):.4g} forgets its start"


def learning_rate(recipe: Recipe, epoch: float, epoch_images: int | None = None) -> float:
    """Learning rate after `epoch` epochs, a real number: a straight rise from 0, then the schedule.

    `epoch_images`, the training images an epoch, is needed where decay_by is "images"; ValueError
    without it.
    """
    checks.instance("recipe", recipe, Recipe, "a Recipe")
    epoch = checks.number("epoch", epoch, at_least=0, at_most=checks.LARGEST)
    warm_up = min(1.0, epoch / recipe.warmup_epochs) if recipe.warmup_epochs else 1.0
    if recipe.schedule == "cosine":
        decay = (1 + math.cos(math.pi * min(1.0, epoch / recipe.epochs))) / 2
    elif recipe.decay_by == "epochs":
        decay = recipe.decay_rate ** (epoch // recipe.decay_epochs)
    else:
        size = checks.integer("epoch_images", epoch_images, because="decay_by is 'images'")
        decay = recipe.decay_rate ** (size * epoch // recipe.decay_images)
    return peak_learning_rate(recipe) * warm_up * decay
