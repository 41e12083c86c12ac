"""Widths at which a training step takes equally long, found by measuring on this machine.

Parameters and MACs are counted (`budgets`); time is not: it depends on the machine, and a network
with fewer MACs may take longer. What was measured is kept beside the results, so that a sweep that
goes on trains the same networks.
"""

import json
from dataclasses import replace
from pathlib import Path

import torch

from xception_edu.recipes.recipe import Recipe
from xception_edu.training.run_folder import write_atomically
from xception_edu.training.sweep.plan import Plan, varied
from xception_edu.training.sweep.run import step_milliseconds

ROUNDS = 7  # of halving the widths between which the right one lies
WIDEST = 4.0


def measured_widths(plan: Plan, out: Path, device: torch.device) -> dict[str, float]:
    """The width of each point at which a step takes as long as the reference's, from
    DIR/NAME.widths.json where it was measured before; nothing for budgets that are counted.
    """
    if plan.budget != "step_time":
        return {}
    path = out / f"{plan.name}.widths.json"
    known: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}
    reference = varied(plan, plan.point(plan.reference))
    for point in plan.points:
        if point.name not in known:
            known[point.name] = width_by_time(varied(plan, point), reference, device)
            out.mkdir(parents=True, exist_ok=True)
            write_atomically(path, (json.dumps(known, indent=2) + "\n").encode())
    return known


def width_by_time(recipe: Recipe, reference: Recipe, device: torch.device) -> float:
    """The width of a network whose step takes as long as the reference's, by halving.

    The reference is timed anew beside each width that is tried, so that what else the machine does
    slows both.
    """
    low, high = narrowest_width(recipe), WIDEST
    for _ in range(ROUNDS):
        middle = round((low * high) ** 0.5, 4)
        tried = replace(recipe, model=replace(recipe.model, width=middle))
        ratio = step_milliseconds(tried, device) / step_milliseconds(reference, device)
        low, high = (middle, high) if ratio < 1 else (low, middle)
    return float(round((low * high) ** 0.5, 3))


def narrowest_width(recipe: Recipe) -> float:
    """The narrowest width, of two decimals, that has a channel for every segment."""
    for hundredths in range(5, 400):
        try:
            replace(recipe.model, width=hundredths / 100)
        except ValueError:
            continue
        return hundredths / 100
    raise ValueError(f"segments is {recipe.model.segments}, but must fit a network 4 times as wide")
