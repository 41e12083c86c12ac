"""The sweep explorer: which number of segments learns best at one size, and every run of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xception_edu import checks
from xception_edu.benchmark import records
from xception_edu.configs import XceptionConfig
from xception_edu.explorers.engine.scene import Scene
from xception_edu.explorers.engine.scene_explorer import (
    SceneExplorer,
    View,
    as_arguments,
    scene_explorer,
)
from xception_edu.explorers.sweep_panels import (
    Chart,
    Point,
    draw_accuracy,
    draw_curves,
    draw_rates,
    draw_widths,
)
from xception_edu.plots.pieces import counted
from xception_edu.specs import segment_sizes
from xception_edu.training.sweep import statistics
from xception_edu.training.sweep.findings import read_results
from xception_edu.training.sweep.plan import Plan, varied, with_points

Record = Mapping[str, Any]
BUDGETS = {"params": "Parameters", "macs": "MACs", "step_time": "Time of a step"}
SHOWN = {
    "curves": "curves of all seeds",
    "widths": "widths of the network",
    "rates": "choice of the learning rate",
}
DRAW = {"curves": draw_curves, "widths": draw_widths, "rates": draw_rates}
COLUMNS = (
    ("Right", "of test images, mean"),
    ("95 % interval", "Student's t"),
    ("From 1 segment", "paired, Holm's p"),
    ("From one per channel", "paired, Holm's p"),
    ("A step takes", "ms of one core"),
)


def sweep_explorer(
    *,
    segments: int | None = None,
    budget: str = "params",
    show: str = "curves",
    guess: int | None = None,
    runs: object = None,
) -> SceneExplorer:
    """Every network that was trained to answer the paper's open question, and what it reached.

    ValueError for wrong arguments.

    Args:
        segments: a number that was trained; the middle flow's channels stand for one per channel.
            None: 4, or the next above.
        budget: what all networks have alike: "params", "macs" or "step_time", as far as trained.
        show: beside the accuracies "curves" of all seeds, the network's "widths", or "rates".
        guess: the number of segments that you think is best; it is drawn.
        runs: the folder of a sweep of your own by the same plan, whose runs are drawn among ours.
    """
    found = measured()
    checks.one_of("budget", budget, list(found))
    if guess is not None:
        checks.integer("guess", guess)
    folder = None if runs is None else folder_of(found, runs)
    try:
        charts = {name: chart_of(record, guess, folder) for name, record in found.items()}
    except (LookupError, TypeError, AttributeError) as error:
        if runs is None:
            raise
        right = f"a folder as `sweep` writes it: {checks.in_words(error)}"
        raise checks.wrong("runs", runs, right) from error

    def views(budget: str, show: str) -> list[View]:
        chart = charts[budget]
        return [_view(found[budget], chart, at, show) for at in range(len(chart.points))]

    choices = {
        "budget": ("Alike are", {name: BUDGETS[name] for name in found}),
        "show": ("Show", SHOWN),
    }
    if segments is None:
        segments = next(point.stop for point in charts[budget].points if point.stop >= 4)
    state = {"segments": segments, "budget": budget, "show": show}
    given = as_arguments({"guess": guess, "runs": runs})
    return scene_explorer(
        "sweep_explorer", ("segments", "Segments"), choices, COLUMNS, views, state, given
    )


def measured() -> dict[str, Record]:
    """The sweeps over the spectrum that are here, by their budget; ValueError where none is."""
    names = {budget: f"sweep_spectrum_{budget}" for budget in BUDGETS}
    found = {b: records.read_record(name) for b, name in names.items() if records.are_there(name)}
    if not found:
        raise ValueError("budget is 'params', but no sweep lies beside this package")
    return found


# ---- from a record to points ---------------------------------------------------------------------


def chart_of(record: Record, guess: int | None, folder: Path | None) -> Chart:
    """The points of a record, with the learner's runs among them, ordered by their segments."""
    plan = Plan.from_dict(record["plan"])
    own = {} if folder is None else own_runs(plan, folder)
    plan = with_points(plan, list(own))
    rows = {row["point"]: row for row in record["points"]}
    points = [
        _point(plan, name, rows.get(name), record["runs"], own.get(name, []))
        for name in dict.fromkeys([*rows, *own])
    ]
    points.sort(key=lambda point: point.stop)
    return Chart(points=points, guess=guess)


def folder_of(found: Mapping[str, Record], runs: object) -> Path:
    """The folder of a learner's sweep; ValueError where it has none by the plans that are here."""
    folder = checks.path("runs", runs, "the folder of a sweep")
    names = [record["plan"]["name"] for record in found.values()]
    if not any((folder / f"{name}.jsonl").is_file() for name in names):
        right = (
            f"a folder with {names[0]}.jsonl, which `python -m xception_edu sweep` writes by the"
            f" plan {names[0]}"
        )
        raise checks.wrong("runs", str(folder), right)
    return folder


def own_runs(plan: Plan, folder: Path) -> dict[str, list[Record]]:
    """The lines of a learner's sweep by this plan, by point."""
    if not (folder / f"{plan.name}.jsonl").is_file():
        return {}
    _, lines = read_results(folder, plan.name)
    by_point: dict[str, list[Record]] = {}
    for line in lines:
        by_point.setdefault(line["point"], []).append(line)
    finished = [line["point"] for line in lines if line["purpose"] == "result"]
    return {name: lines for name, lines in by_point.items() if name in finished}


def _point(
    plan: Plan, name: str, row: Record | None, runs: Sequence[Record], own: Sequence[Record]
) -> Point:
    """One point from its row, the runs of the record, and the learner's lines."""
    results = [run for run in (*runs, *own) if run["point"] == name and run["purpose"] == "result"]
    short = [run for run in (*runs, *own) if run["point"] == name and run["purpose"] == "rate"]
    tops = [line["test_top1"] for line in own if line["purpose"] == "result"]
    model = replace(varied(plan, plan.point(name)).model, width=results[0]["width"])
    interval = _interval(row, tops)
    return Point(
        stop=_stop(plan, model),
        name="all" if model.segments == "channels" else name,
        top1=() if row is None else row["top1"],
        own=tops,
        mean=interval[0],
        low=interval[1],
        high=interval[2],
        curves=[_curve(run) for run in results],
        rates=[(run["learning_rate"], run["validation_top1"] or 0.0) for run in short],
        rate=results[0]["learning_rate"],
        layers=layers_of(model, replace(model, segments="channels", width=1.0)),
        segments_have=_segments_have(model),
        is_end=name in plan.ends,
    )


def _interval(row: Record | None, own: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Mean and bounds: of the record, or else of the learner's runs, which may be only one."""
    if row is not None:
        return row["mean"], row["low"], row["high"]
    if len(own) > 1:
        return tuple(statistics.interval(own))  # type: ignore[return-value]
    return own[0], None, None


def _stop(plan: Plan, model: XceptionConfig) -> int:
    """Number of segments; for one per channel, the channels of the middle flow."""
    return _count(model, plan.base.model.scaled_entry_widths[-1])


def _curve(run: Record) -> list[tuple[int, float]]:
    return [(mark["step"], mark["top1"]) for mark in run["curve"] if "top1" in mark]


def _segments_have(model: XceptionConfig) -> str:
    """Channels of a segment of the middle flow, in words."""
    channels = model.scaled_entry_widths[-1]
    sizes = segment_sizes(channels, _count(model, channels))
    few, many = min(sizes), max(sizes)
    words = f"{few} or {many}" if few < many else f"{many}"
    return f"A segment of the middle flow has {words} of its {channels} channels"


def _count(model: XceptionConfig, channels: int) -> int:
    return channels if model.segments == "channels" else model.segments


def layers_of(model: XceptionConfig, reference: XceptionConfig) -> list[tuple[str, int, int]]:
    """Name and channels of each stage, and those of the reference."""
    _, _, *entry = model.scaled_entry_widths
    names = ["first convolution", "second convolution"]
    names += [f"entry block {n + 1}" for n in range(len(entry))]
    names[-1] += ", middle flow"
    names += ["exit block", "last but one", "last"]
    ours = (*model.scaled_entry_widths, *model.scaled_exit_widths)
    theirs = (*reference.scaled_entry_widths, *reference.scaled_exit_widths)
    return list(zip(names, ours, theirs, strict=True))


# ---- the views -----------------------------------------------------------------------------------


def _view(record: Record, chart: Chart, at: int, show: str) -> View:
    point = chart.points[at]
    rows = {row["point"]: row for row in record["points"]}
    name = "channels" if point.name == "all" else point.name
    row = rows.get(name)
    seeds = len(point.top1) or len(point.own)
    which = "One segment per channel" if point.name == "all" else counted(point.stop, "segment")
    bounds = "–" if point.low is None else f"{point.low:.1%} to {point.high:.1%}"
    scenes: list[Scene] = [draw_accuracy(at, chart), DRAW[show](at, chart)]
    return View(
        stop=point.stop,
        short="one per channel" if point.name == "all" else f"{point.stop}",
        title=f"{which}: {point.mean:.1%} right, mean of {counted(seeds, 'seed')}",
        note=_note(record, row),
        values=(
            f"{point.mean:.1%}",
            bounds,
            _difference(record, name, record["plan"]["ends"][0]),
            _difference(record, name, record["plan"]["ends"][-1]),
            "–" if row is None else f"{row['step_ms']:.0f}",
        ),
        scenes=scenes,
        alts=(
            f"Test accuracy over the number of segments, {len(chart.points)} points with intervals;"
            f" at {which}: {point.mean:.1%}, interval {bounds}",
            f"{SHOWN[show]} of {which}, beside those of the other points".capitalize(),
        ),
    )


def _note(record: Record, row: Record | None) -> str:
    """Which data, how long, how large."""
    recipe = Plan.from_dict(record["plan"]).base
    steps = recipe.epochs * (recipe.steps_per_epoch or 0)
    size = "yours alone" if row is None else f"{row['params']:,} parameters, {row['macs']:,} MACs"
    return f"{size}; {steps:,} steps of {recipe.batch_size} images, {record['data']}"


def _difference(record: Record, name: str, end: str) -> str:
    """A point's mean difference from an end, in points of accuracy, with Holm's p; where there is
    none, why.
    """
    if name == end:
        return "– (this end itself)"
    for row in record["comparisons"]:
        if (row["point"], row["end"]) == (name, end):
            return f"{100 * row['mean']:+.1f} points (p {_p(row['p_holm'])})".replace("-", "−")
    return "– (not tested)"


def _p(value: float) -> str:
    if value < 1e-4:
        return "<0.0001"
    return f"{value:.2f}" if value >= 0.01 else f"{value:.4f}"
