"""Widths at which a training step takes equally long, found by measuring on this machine.

Parameters and MACs are counted (`budgets`); time is not: it depends on the machine, and a network
with fewer MACs may take longer. What was measured is kept beside the results, so that a sweep that
goes on trains the same networks.
"""

import json
import math
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch

from xception_edu.benchmark.allocator import keep_freed_memory
from xception_edu.recipes.recipe import Recipe
from xception_edu.training.run_folder import write_atomically
from xception_edu.training.sweep.plan import Plan, varied
from xception_edu.training.sweep.run import step_milliseconds

ROUNDS = 7  # of halving the widths between which the right one lies
PAIRS = 5  # of timings, of the network and the reference in turn, at each width
WIDEST = 4.0


def measured_widths(plan: Plan, out: Path, device: torch.device) -> dict[str, float]:
    """The width of each point at which a step takes as long as the reference's, from
    DIR/NAME.widths.json where it was measured before; nothing for budgets that are counted. The
    reference has width 1.
    """
    if plan.budget != "step_time":
        return {}
    path = out / f"{plan.name}.widths.json"
    known: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}
    reference = varied(plan, plan.point(plan.reference))
    keep_freed_memory()  # as in the runs
    for point in plan.points:
        if point.name not in (*known, plan.reference):
            known[point.name] = width_by_time(varied(plan, point), reference, device)
            out.mkdir(parents=True, exist_ok=True)
            write_atomically(path, (json.dumps(known, indent=2) + "\n").encode())
    return known


def width_by_time(recipe: Recipe, reference: Recipe, device: torch.device) -> float:
    """The width of a network whose step takes as long as the reference's.

    Widths are halved as if a wider network always took longer. It does not (eight channels more can
    be faster than four), so that of all widths that were tried the one nearest in time is taken.
    """
    low, high = narrowest_width(recipe), WIDEST
    ratios: dict[float, float] = {}
    for _ in range(ROUNDS):
        middle = round((low * high) ** 0.5, 3)
        tried = replace(recipe, model=replace(recipe.model, width=middle))
        ratios[middle] = times_as_long(tried, reference, device)
        low, high = (middle, high) if ratios[middle] < 1 else (low, middle)
    return min(ratios, key=lambda width: abs(math.log(ratios[width])))


def times_as_long(recipe: Recipe, reference: Recipe, device: torch.device) -> float:
    """How many times as long a step takes as the reference's: the median of pairs timed in turn, so
    that what else the machine does slows both, and one slow moment decides nothing.
    """
    return median(
        step_milliseconds(recipe, device) / step_milliseconds(reference, device)
        for _ in range(PAIRS)
    )


def narrowest_width(recipe: Recipe) -> float:
    """The narrowest width, of two decimals, that has a channel for every segment."""
    for hundredths in range(5, 400):
        try:
            replace(recipe.model, width=hundredths / 100)
        except ValueError:
            continue
        return hundredths / 100
    raise ValueError(f"segments is {recipe.model.segments}, but must fit a network 4 times as wide")
