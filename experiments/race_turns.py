"""Where a race in turns loses its time: a step of timm's Xception right behind another, and behind
all that comes between two steps when contenders take turns.

    PYTHONPATH=. .venv-peers/bin/python experiments/race_turns.py

An earlier networks.py let every contender, a process of its own, take a step and then wait for
the others. Its table had a step of timm's at 1.3 times what timm needs alone, step after step.
What of it is what? One experiment each, a training step in float32, channels_last, batch 4:

  in a row               what a training does
  after a pause          the process slept for PAUSE seconds
  after a pause, kept    the same where the allocator keeps its memory: no page faults
  behind another         a step of ours, in a process of its own, came between
  behind another, kept   the same where both keep their memory
  behind another, bound  the same with threads bound to their cores
  behind two others      two came between: is it the order?
  behind a large read    another process read READ bytes: they fill the caches

Writes race_turns.json into results/: a row an experiment, `ratio` over "in a row", round by round,
with bounds as in networks.py, and `faults`, the page faults of the step.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from experiments import race_settings
from experiments.race_process import Contender, Process
from experiments.race_ratios import ratio
from xception_edu.benchmark import machine, timing
from xception_edu.benchmark.records import as_json

ROOT = Path(__file__).parent.parent
PAUSE, READ = 2.0, 2**30
WARM, TIMED = 3.0, 3.0
ROUNDS = 10
BOUND = {"OMP_PROC_BIND": "true", "OMP_PLACES": "cores"}


def process(who: str, *, kept: bool = False, environment: dict[str, str] | None = None):
    """A contender in a process of its own."""
    threads = torch.get_num_threads()
    settings = race_settings.ways(who, "training", "float32", "cpu", threads)["channels_last"]
    order = {"who": who, "way": "channels_last", "settings": settings | {"memory_kept": kept}}
    order |= {"mode": "training", "dtype": "float32", "batch": 4, "device": "cpu"}
    return Contender(order, Process([order], environment or {}), 0)


def experiments(field: dict[str, Contender]) -> dict[str, Callable[[], dict]]:
    """What comes before a step that is timed, and that step, by the experiment's name."""
    large = torch.ones(READ // 4)

    def behind(name: str, *others: str, sleep: float = 0.0, read: bool = False) -> dict:
        field[name].ask(f"block {WARM} 0")  # busy, as it was before its turn ended
        for other in others:
            field[other].ask("block 0 0")
        if read:
            large.sum()
        time.sleep(sleep)
        return field[name].ask("block 0 0")

    return {
        "in a row": lambda: field["timm"].ask(f"block {WARM} {TIMED}"),
        "after a pause": lambda: behind("timm", sleep=PAUSE),
        "after a pause, kept": lambda: behind("timm, kept", sleep=PAUSE),
        "behind another": lambda: behind("timm", "ours"),
        "behind another, kept": lambda: behind("timm, kept", "ours, kept"),
        "behind another, bound": lambda: behind("timm, bound", "ours"),
        "behind two others": lambda: behind("timm", "ours", "ours, kept"),
        "behind a large read": lambda: behind("timm", read=True),
    }


def measure(rounds: int, seconds: float) -> tuple[dict[str, list[dict]], dict]:
    """Blocks of every experiment, in shuffled order, and the load of other programs meanwhile."""
    with machine.background_load() as load:
        field = {
            "timm": process("timm"),
            "timm, kept": process("timm", kept=True),
            "timm, bound": process("timm", environment=BOUND),
            "ours": process("ours"),
            "ours, kept": process("ours", kept=True),
        }
        for one in field.values():
            one.process.answer()
            one.ask("block 0 0")
        steps = experiments(field)
        blocks: dict[str, list[dict]] = {name: [] for name in steps}
        before, end = os.getloadavg(), time.perf_counter() + seconds
        for i in range(rounds):
            if i > 2 and time.perf_counter() > end:
                break
            for name in random.Random(i).sample(list(steps), len(steps)):
                blocks[name].append(steps[name]())
        after = os.getloadavg()
        for one in field.values():
            one.process.leave()
    return blocks, load | {"average_before": before, "average_after": after}


def row(name: str, blocks: dict[str, list[dict]]) -> dict:
    """What one experiment says."""
    times = {key: [block["ms"] for block in found] for key, found in blocks.items()}
    faults = sorted(block["faults"] for block in blocks[name])
    return {
        "behind": name,
        **timing.Timing(tuple(times[name])).record(),
        **ratio(times[name], times["in a row"]),
        "faults": faults[len(faults) // 2],
    }


def main() -> int:
    """Measure, and write the record."""
    parser = argparse.ArgumentParser(description="Writes race_turns.json.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    parser.add_argument("--seconds", type=float, default=1e9, help="no round begins after")
    parser.add_argument("--out", type=Path, default=ROOT / "results", help="default: results/")
    args = parser.parse_args()
    blocks, load = measure(args.rounds, args.seconds)
    record = {
        "benchmark": "race_turns",
        "command": " ".join(["python experiments/race_turns.py", *sys.argv[1:]]),
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "machine": machine.facts("torch", "timm"),
        "load": load,
        "pause_seconds": PAUSE,
        "read_bytes": READ,
        "rows": [row(name, blocks) for name in blocks],
    }
    (args.out / "race_turns.json").write_text(as_json(record), encoding="utf-8")
    for found in record["rows"]:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
