"""What the results of a sweep say: the answer that its plan asked for, and no more. No torch.

A finding counts the seeds with which every point was trained: whatever is there besides is kept,
and in no test.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xception_edu import checks
from xception_edu.training.sweep import statistics
from xception_edu.training.sweep.plan import Plan, read_plan

Line = Mapping[str, Any]
KEYS = ("point", "purpose")  # of every line


def read_results(folder: str | Path, name: str) -> tuple[Plan, list[dict[str, Any]]]:
    """A plan and the lines of its runs, from the folder that `sweep` wrote."""
    folder = Path(folder)
    plan = read_plan(folder / f"{name}.plan.json")
    path = folder / f"{name}.jsonl"
    lines: list[dict[str, Any]] = []
    texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, text in enumerate(texts, 1):
        try:
            lines.append(json.loads(text))
            _check_rows("lines", lines[-1:], KEYS)
        except (ValueError, RecursionError) as error:
            said = f"{path} is damaged in line {number}: {error}"
            raise ValueError(checks.line(said)) from None
    return plan, lines


def complete_seeds(plan: Plan, lines: Sequence[Line]) -> list[int]:
    """The seeds with which every point of the plan was trained to its end."""
    return [seed for seed in plan.seeds if len(_of_seed(lines, seed)) == len(plan.points)]


def _of_seed(lines: Sequence[Line], seed: int) -> set[str]:
    return {
        line["point"]
        for line in lines
        if line["purpose"] == "result" and line["seed"] == seed and not line["diverged"]
    }


def findings(plan: Plan, lines: Sequence[Line]) -> dict[str, Any]:
    """Points, comparisons, power and verdict, as a record for results/ holds them.

    ValueError where fewer than two seeds are complete.
    """
    checks.instance("plan", plan, Plan, "a Plan")
    _check_rows("lines", lines, KEYS)
    seeds = complete_seeds(plan, lines)
    if len(seeds) < 2:
        said = f"lines, the results of {plan.name}, have {len(seeds)} seeds with which every point"
        right = "was trained, but must have 2 or more: a spread needs them"
        raise ValueError(checks.line(f"{said} {right}"))
    top1 = accuracies(plan, lines, seeds)
    compared = comparisons(plan, top1)
    return {
        "seeds": seeds,
        "points": [_point(plan, name, lines, top1[name]) for name in top1],
        "rates": [_rate(line) for line in lines if line["purpose"] == "rate"],
        "comparisons": compared,
        "power": _power(plan, compared, len(seeds)),
        "verdict": verdict(plan, compared),
    }


def _check_rows(name: str, rows: object, keys: Sequence[str]) -> None:
    """ValueError unless it is a list of dicts that have these keys."""
    right = f"a list of dicts with {', '.join(keys)}"
    checks.instance(name, rows, (list, tuple), right)
    for row in rows:  # type: ignore[attr-defined]
        if not isinstance(row, Mapping) or not set(keys) <= set(row):
            raise checks.wrong(f"a row of {name}", row, right)


def accuracies(plan: Plan, lines: Sequence[Line], seeds: Sequence[int]) -> dict[str, list[float]]:
    """Test accuracies of each point, in the order of the seeds."""
    by = {
        (line["point"], line["seed"]): float(line["test_top1"])
        for line in lines
        if line["purpose"] == "result" and not line["diverged"]
    }
    found = {}
    for point in plan.points:
        found[point.name] = [by[point.name, seed] for seed in seeds]
    return found


def _point(plan: Plan, name: str, lines: Sequence[Line], top1: Sequence[float]) -> dict[str, Any]:
    """What was trained as this point, and how well: a row of the record."""
    runs = [line for line in lines if line["point"] == name and line["purpose"] == "result"]
    first = runs[0]
    found = statistics.interval(top1)
    return {
        "point": name,
        "segments": first["segments"],
        "width": first["width"],
        "params": first["params"],
        "macs": first["macs"],
        "learning_rate": first["learning_rate"],
        "step_ms": sorted(run["measured"]["step_ms"] for run in runs)[len(runs) // 2],
        "top1": list(top1),
        **rounded(found._asdict()),
    }


def _rate(line: Line) -> dict[str, Any]:
    """A short run that helped to choose a learning rate."""
    names = ("point", "learning_rate", "validation_top1")
    return {name: line[name] for name in names}


def comparisons(plan: Plan, top1: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    """Every point's differences by seed from each end, with Holm's correction over all of them."""
    rows = []
    for point in plan.points:
        for end in plan.ends:
            if point.name not in plan.ends:
                differences = [a - b for a, b in zip(top1[point.name], top1[end], strict=True)]
                rows.append({"point": point.name, "end": end, **_compared(differences)})
    for row, adjusted in zip(rows, statistics.holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
    return rows


def _compared(differences: Sequence[float]) -> dict[str, Any]:
    differences = [round(value, 6) for value in differences]  # of shares of 10,000 images
    found = statistics.interval(differences)
    return {
        "differences": differences,
        **rounded(found._asdict()),
        "std": round(statistics.deviation(differences), 6),
        "p": statistics.p_value(differences),
    }


def _power(plan: Plan, compared: Sequence[Mapping[str, Any]], count: int) -> dict[str, Any]:
    """What so many seeds could have seen, by the median spread of the differences: at 5 %, and at
    the level that the smallest of so many p-values must reach under Holm.
    """
    spreads = sorted(row["std"] for row in compared if row["std"] > 0)
    if not spreads:
        return {}
    std = spreads[len(spreads) // 2]
    strict = (1 - statistics.LEVEL) / len(compared)
    effect = plan.smallest_effect
    return {
        "std": std,
        "effect": effect,
        "one_test": round(statistics.power(effect, std, count), 4),
        "first_of_holm": round(statistics.power(effect, std, count, strict), 4),
        "detectable": round(statistics.detectable(std, count), 6),
        "detectable_first_of_holm": round(statistics.detectable(std, count, strict), 6),
    }


def verdict(plan: Plan, compared: Sequence[Mapping[str, Any]]) -> str:
    """Answer "yes", "no" or "undecided", as the plan said before the runs what would be which."""
    checks.instance("plan", plan, Plan, "a Plan")
    _check_rows("compared", compared, ("point", "low", "high", "mean", "p_holm"))
    points = dict.fromkeys(row["point"] for row in compared)
    effect = plan.smallest_effect
    if plan.claim == "all alike":
        shown = all(-effect < row["low"] and row["high"] < effect for row in compared)
        excluded = any(_significant(row) and abs(row["mean"]) >= effect for row in compared)
    elif plan.claim == "all below":
        shown = all(row["mean"] < 0 and _significant(row) for row in compared)
        excluded = all(row["low"] > -effect for row in compared)
    else:
        above = [row["point"] for row in compared if row["mean"] > 0 and _significant(row)]
        shown = any(above.count(name) == len(rows_of(compared, name)) for name in points)
        gains = [_better_end(rows_of(compared, name)) for name in points]
        excluded = all(row["high"] < effect for row in gains)
    if shown:
        return "yes"
    return "no" if excluded else "undecided"


def rows_of(compared: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    """A point's comparisons, one for each end."""
    return [row for row in compared if row["point"] == name]


def _significant(row: Mapping[str, Any]) -> bool:
    """Whether a difference is more than chance, after Holm's correction."""
    return bool(row["p_holm"] < 1 - statistics.LEVEL)


def _better_end(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The comparison with the end that is the better one: the smaller gain."""
    return min(rows, key=lambda row: row["mean"])


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    """Shares to six decimals: a millionth is a hundredth of a test image."""
    return {name: round(value, 6) for name, value in values.items()}
