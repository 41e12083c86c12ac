"""The command `sweep`: a plan, and how far it is taken."""

import argparse
import datetime
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from xception_edu import architectures, checks
from xception_edu.benchmark.allocator import keep_freed_memory
from xception_edu.benchmark.devices import pick_device
from xception_edu.costs import total
from xception_edu.training.stopping import one_line_errors
from xception_edu.training.sweep.plan import read_plan, recipe_of
from xception_edu.training.sweep.run import step_milliseconds
from xception_edu.training.sweep.sweep import Sweep, open_sweep, run_sweep


def command(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Run a sweep, or with --dry-run say what it will take; exit status 0, or 130 after Ctrl-C."""
    parser.add_argument(
        "plan",
        help="file with the plan, as in experiments/plans/, or the name of a sweep in results/",
    )
    parser.add_argument(
        "--out", required=True, type=Path, help="folder of results and runs; the same goes on"
    )
    parser.add_argument("--data", help="where the images are, as for train; left out: the hub's")
    parser.add_argument("--seeds", type=read_seeds, help="instead of the plan's: 0-9, or 3,4")
    parser.add_argument(
        "--points", nargs="+", help="only these of the plan's points, or new numbers of segments"
    )
    parser.add_argument("--workers", type=int, help="runs at a time; left out: as many as cores")
    parser.add_argument("--device", help="such as cpu or cuda; left out: the GPU if there is one")
    parser.add_argument("--dry-run", action="store_true", help="only say what it will take")
    args = parser.parse_args(argv)
    count = checks.integer(
        "workers", (os.cpu_count() or 1) if args.workers is None else args.workers
    )
    try:
        with one_line_errors():
            plan = read_plan(args.plan)
            found = open_sweep(
                plan, args.out, points=args.points, seeds=args.seeds, device=args.device
            )
            if args.dry_run:
                print(report(found, count, args.device))
                return 0
            run_sweep(found, count=count, data=args.data, device=args.device)
    except KeyboardInterrupt:
        print("stopped; the runs are saved, and the same command goes on", file=sys.stderr)
        return 128 + signal.SIGINT
    print(f"{len(found.results)} runs are in {args.out / found.plan.name}.jsonl")
    return 0


def read_seeds(text: str) -> tuple[int, ...]:
    """Seeds from "0-4" or "0,1,7"."""
    seeds: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.partition("-")
            seeds += range(int(first), int(last if dash else first) + 1)
    except ValueError:
        seeds = []
    if not seeds:
        raise argparse.ArgumentTypeError(f"is {text!r}, but must be like 0-4 or 0,1,7")
    return tuple(dict.fromkeys(seeds))


# ---- what it will take ---------------------------------------------------------------------------


def report(found: Sweep, count: int, device: str | None) -> str:
    """The plan in words, its networks, and how long the runs take that are not there yet."""
    plan, chosen = found.plan, pick_device(device)
    keep_freed_memory()
    times = {
        name: step_milliseconds(recipe_of(plan, plan.point(name), found.widths), chosen)
        for name in found.points
    }
    seconds = datetime.timedelta(seconds=round(seconds_left(found, times) / count))
    left = len(found.pending) + found.unknown
    return "\n".join(
        [
            f"plan {plan.name}; nothing is trained or written",
            f"question: {plan.question}",
            f"test: {plan.test}",
            f"yes: {plan.yes}",
            f"no: {plan.no}",
            f"not decided: {plan.undecided}",
            *(row(found, name, times[name]) for name in found.points),
            f"{len(found.lines)} runs are there, {left} are to come, or a few more for the rates",
            f"time: about {seconds} (hours:minutes:seconds), {count} at a time",
        ]
    )


def seconds_left(found: Sweep, times: Mapping[str, float]) -> float:
    """Seconds that the missing runs take one after the other, by milliseconds a step."""
    base = found.plan.base
    known = sum(job.steps * times.get(job.point, 0.0) for job in found.pending)
    to_come = found.unknown * base.epochs * (base.steps_per_epoch or 0)
    mean = sum(times.values()) / len(times)
    return (known + to_come * mean) / 1000


def row(found: Sweep, name: str, milliseconds: float) -> str:
    """One network of the plan: width, size, and time of a step."""
    recipe = recipe_of(found.plan, found.plan.point(name), found.widths)
    cost = total(architectures.xception(recipe.model, recipe.image_size))
    size = f"{cost.params:,} parameters, {cost.macs:,} MACs"
    return f"  {name:>10}: width {recipe.model.width:g}, {size}, {milliseconds:.4g} ms a step"
