"""Write results/REPORT.md: two pages on the open question of Section 5, for a reader who knows the
paper. Every number comes from results/sweep_*.json or is counted.

    python experiments/sweep_report.py           writes it
    python experiments/sweep_report.py --check   writes nothing; status 1 if it differs
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import pages
from claims_table import BUDGETS, in_small, in_words, points, work

from xception_edu.benchmark import records
from xception_edu.training.sweep.plan import Plan

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "results" / "REPORT.md"
ANSWERS = {"yes": "Yes", "no": "No", "undecided": "Not decided"}
OTHERS = {
    "ablation_residual": "Without residual connections (Figure 9)",
    "ablation_activation": "An activation between the two steps (Figure 10)",
    "ablation_inception_like": "Three segments, as an Inception module has (Table 1)",
    "ablation_order": "The other order of the two steps (Section 1.2)",
    "ablation_training": "The paper's staircase, and no averaged weights (Section 4.2)",
    "frozen_kernels": "Spatial kernels that do not learn",
    "entangled_0": "Made images whose classes are one shape times one color",
    "entangled_025": "A quarter of their energy in a shape for each channel",
    "entangled_05": "Half of it",
    "entangled_075": "Three quarters of it",
    "entangled_1": "All of it",
}
# trained when the results of the other points at equal parameters were known
LATER = ("3", "6", "12", "24")


def page() -> str:
    """The whole report."""
    record = records.read_record("sweep_spectrum_params")
    plan = Plan.from_dict(record["plan"])
    parts = [
        head(record, plan),
        asked(plan),
        trained(record, plan),
        found(record, plan),
        answered(record, plan),
        *map(at_equal, budgets_there()),
        limits(record, plan),
        elsewhere(),
        again(record),
    ]
    return "\n".join(parts)


def head(record: records.Record, plan: Plan) -> str:
    """Title and summary."""
    answer = ANSWERS[record["verdict"]]
    seeds, count = len(record["seeds"]), len(record["points"])
    return f"""# The open question of Section 5, at a scale that two cores can afford

Written by `python experiments/sweep_report.py` from `results/`; no number in it is typed by hand.

**Summary.** F. Chollet, *Xception* (arXiv 1610.02357v3), leaves open whether intermediate points
between a regular convolution and a depthwise separable one are better than both ends. A small
Xception was trained at {count} points of that line, each with as many parameters and with a
learning rate of its own, with {seeds} seeds each, on {record["data"]}. The question, the test and
what would count as an answer were written down before the runs. **{answer}.** {best(record)}
"""


def best(record: records.Record) -> str:
    """The highest mean, and how far it is from the better end."""
    top = max(record["points"], key=lambda row: row["mean"])
    rows = [row for row in record["comparisons"] if row["point"] == top["point"]]
    said = f"The highest mean is that of {in_words(top['point'])}, {top['mean']:.1%}"
    if not rows:
        return f"{said}: an end of the line."
    near = min(rows, key=lambda row: row["mean"])
    bounds = f"{points(near['low'])} to {points(near['high'])}"
    return f"{said}, {points(near['mean'])} points from the better end (95 % interval {bounds})."


def asked(plan: Plan) -> str:
    """The plan's own words."""
    return f"""## What was asked, before the runs

- *Question.* {plan.question}
- *Test.* {plan.test}
- *Yes.* {plan.yes}
- *No.* {plan.no}
- *Not decided.* {plan.undecided}
"""


def trained(record: records.Record, plan: Plan) -> str:
    """Networks and training."""
    base, size = plan.base, record["size"]
    steps = base.epochs * (base.steps_per_epoch or 0)
    images = steps * base.batch_size
    rows = [
        [
            in_words(row["point"]),
            f"{row['width']:.3f}",
            f"{row['params']:,}",
            f"{row['macs']:,}",
            f"{row['step_ms']:.0f}",
            f"{row['learning_rate']:g}",
        ]
        for row in record["points"]
    ]
    columns = ("point", "width", "parameters", "MACs", "ms a step", "learning rate")
    return f"""## What was trained

The network is Figure 5's with {len(base.model.entry_widths) - 2} entry block and
{base.model.middle_blocks} block in the middle flow, widths {base.model.entry_widths} and
{base.model.exit_widths} for one segment per channel ({size["params"]:,} parameters). At every other
point all widths are scaled until the parameters agree within half a percent. Each run takes
{steps:,} steps of {base.batch_size} images ({images:,} images in all), SGD with Nesterov momentum
and a cosine, averaged weights; {plan.validation_images:,} training images are kept for validation.
Three learning rates or more were tried for each point in
short runs with seed {plan.rate_seed}; the best on the validation images was taken.

{table(columns, rows)}
"""


def found(record: records.Record, plan: Plan) -> str:
    """Accuracies and differences."""
    tops = [
        [
            in_words(row["point"]),
            ", ".join(f"{100 * value:.2f}" for value in row["top1"]),
            f"{row['mean']:.2%}",
            f"{row['low']:.2%} to {row['high']:.2%}",
        ]
        for row in record["points"]
    ]
    differences = [
        [
            in_words(row["point"]),
            in_words(row["end"]),
            points(row["mean"]),
            f"{points(row['low'])} to {points(row['high'])}",
            f"{row['p']:.3g}",
            f"{row['p_holm']:.3g}",
        ]
        for row in record["comparisons"]
    ]
    return f"""## What was found

Test accuracy, seeds {", ".join(map(str, record["seeds"]))}, with 95 % intervals of Student's t:

{table(("point", "seeds, %", "mean", "interval"), tops)}

Differences within a seed, in points of accuracy:

{table(("point", "from", "mean", "95 % interval", "p", "Holm's p"), differences)}

![Accuracy over segments with intervals, and differences from both ends](../figures/draw_sweep.svg)
"""


def answered(record: records.Record, plan: Plan) -> str:
    """The verdict, and what could have been seen."""
    rule = {"yes": plan.yes, "no": plan.no, "undecided": plan.undecided}[record["verdict"]]
    power = record["power"]
    shown = [row for row in record["comparisons"] if row["p_holm"] < 0.05]
    each = "; ".join(
        f"{in_words(r['point'])} from {in_words(r['end'])}: {points(r['mean'])}" for r in shown
    )
    return f"""## The answer

**{ANSWERS[record["verdict"]]}**, by the rule: "{rule}" Of {len(record["comparisons"])}
comparisons {len(shown)} are significant after Holm's correction{f" ({each})" if each else ""}.

*Power.* The median standard deviation of the differences is {100 * power["std"]:.2f} points. With
{len(record["seeds"])} seeds a true difference of {points(power["effect"])} points would be shown in
{power["one_test"]:.0%} of such sweeps by one test alone, in {power["first_of_holm"]:.0%} as the
first of all. Shown with 80 % power would be {100 * power["detectable"]:.1f} and
{100 * power["detectable_first_of_holm"]:.1f} points.
"""


def budgets_there() -> list[str]:
    """The budgets beside equal parameters that have a record."""
    return [budget for budget in BUDGETS if records.are_there(f"sweep_spectrum_{budget}")]


def at_equal(budget: str) -> str:
    """The same question at another budget: accuracies, and differences from both ends."""
    record = records.read_record(f"sweep_spectrum_{budget}")
    plan = Plan.from_dict(record["plan"])
    rule = {"yes": plan.yes, "no": plan.no, "undecided": plan.undecided}[record["verdict"]]
    rows = [
        [
            in_words(row["point"]),
            f"{row['params']:,}",
            f"{row['macs']:,}",
            f"{row['step_ms']:.0f} ms",
            f"{row['mean']:.2%}",
            f"{row['low']:.2%} to {row['high']:.2%}",
            *(difference(record, row["point"], end) for end in plan.ends),
        ]
        for row in record["points"]
    ]
    columns = ("point", "parameters", "MACs", "a step takes", "mean", "interval")
    ends = [f"from {in_words(end)}" for end in plan.ends]
    seeds, answer = len(record["seeds"]), ANSWERS[record["verdict"]]
    return f"""## At {BUDGETS[budget]}

The ends and {len(rows) - len(plan.ends)} points between them, {seeds} seeds,
on {record["machine"]["processor"]}. **{answer}**, by the rule: "{rule}"
A network cannot be narrower than one channel a segment, however long its step takes.

{table((*columns, *ends), rows)}
"""


def difference(record: records.Record, point: str, end: str) -> str:
    """How far a point is from an end, in points, with its interval and Holm's p."""
    for row in record["comparisons"]:
        if (row["point"], row["end"]) == (point, end):
            bounds = f"{points(row['low'])} to {points(row['high'])}"
            return f"{points(row['mean'])} ({bounds}, p {row['p_holm']:.2g})"
    return "–"


def limits(record: records.Record, plan: Plan) -> str:
    """What it does not say, and what is missing."""
    missing = record["missing"]
    absent = [BUDGETS[budget] for budget in BUDGETS if budget not in budgets_there()]
    plans = sorted(path.stem for path in (ROOT / "experiments" / "plans").glob("*.json"))
    waiting = [p for p in plans if not records.are_there(f"sweep_{p}")]
    later = [row["point"] for row in record["points"] if row["point"] in LATER]
    return f"""## What it does not say, and what is missing

- {missing["runs"]} of the {missing["of"]} planned runs are missing; the same command makes them.
- Budgets without a sweep: {", ".join(absent) or "none"}. Plans without one:
  {", ".join(f"`{p}`" for p in waiting) or "none"}.
- One small network, one set of small JPEGs, short trainings: it is about what is learned soon. A
  second setting, wide and long on a GPU, would tell whether this is one network's accident.
- {", ".join(later[:-1])} and {later[-1]} segments were planned with the others, but trained when
  their results were known. Holm's correction is over all comparisons, these included.
- Learning rates are a coarse grid, chosen in shorter runs.
- Seeds vary the start and the order of the images, not the test images: the intervals are about
  other seeds, not about other photographs.
"""


def elsewhere() -> str:
    """The rest of the paper, in a few numbers."""
    return f"""## The rest of the paper

[CLAIMS.md](CLAIMS.md) lists every claim, number, table and figure beside what was found. In short:
the network and its sizes are exact, by hand and by machine. {work()}.

{changes()}
"""


def changes() -> str:
    """The other sweeps that are there, with what each asks."""
    there = [name for name in OTHERS if records.are_there(f"sweep_{name}")]
    return "\n".join(f"- *{OTHERS[name]}.* {in_small(name)}." for name in there)


def again(record: records.Record) -> str:
    """How to repeat it."""
    machine = record["machine"]
    return f"""## To repeat it

`{record["command"]} --data DATA`, then `python experiments/sweep_results.py DIR`. Measured on
{machine["processor"]}, {record["threads"]} thread a run, Python {machine["python"]}, torch
{machine["versions"]["torch"]}, at commit {", ".join(c[:10] for c in record["commits"])}. On one
machine the same seed gives the same bits.
"""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, numbers to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> int:
    """Write the page, or say whether it differs."""
    return pages.write(PAGE, page())


if __name__ == "__main__":
    sys.exit(main())
