"""A sweep's record for results/: its plan, what it found, and every run. No torch."""

from collections.abc import Mapping, Sequence
from typing import Any

from xception_edu.training.sweep.findings import Line, findings
from xception_edu.training.sweep.plan import Plan

# What a run's line has that the record says once: the recipe is the plan's, and the point's.
SAID_ONCE = ("plan", "recipe", "data", "validation_images", "measured")


def record_of(plan: Plan, lines: Sequence[Line]) -> dict[str, Any]:
    """The record; ValueError where fewer than two seeds are complete."""
    first = lines[0]["measured"]
    wanted = len(plan.points) * len(plan.seeds)
    there = sum(line["purpose"] == "result" for line in lines)
    return {
        "benchmark": "sweep",
        "command": f"python -m xception_edu sweep experiments/plans/{plan.name}.json --out DIR",
        "quick": False,
        "device": first.get("gpu", first["device"]),
        "threads": first["threads"],
        "machine": first["machine"],
        "commits": sorted({line["measured"]["machine"]["commit"] for line in lines}),
        "data": plan.data,
        "plan": plan.to_dict(),
        "size": plan.size,
        "missing": {"runs": wanted - there, "of": wanted},
        **findings(plan, lines),
        "runs": [run_of(line) for line in lines],
    }


def run_of(line: Line) -> dict[str, Any]:
    """A run as the record keeps it: without what the record says once."""
    kept: Mapping[str, Any] = {key: line[key] for key in line if key not in SAID_ONCE}
    times = {key: line["measured"][key] for key in ("step_ms", "seconds")}
    return {**kept, **times}
