"""What makes a step of our Xception faster than timm's at equal settings: a race of candidates.

    PYTHONPATH=. .venv-peers/bin/python experiments/faster_step.py

Ours, ours with each candidate of step_candidates.py, and timm's run in alternating blocks as in
networks.py, all with all settings and not compiled. Writes faster_step.json into results/: `cases`,
one a mode, batch, dtype and machine, with a row a candidate (`over_ours`: how many times as fast as
ours without it; `over_timm`), and `profile`, where a step of ours goes, by operator. Cases that
were measured before, also on another machine, stay.
"""

import argparse
import json
import os
import random
import time
from pathlib import Path

import torch

from experiments import race_settings, step_candidates
from experiments.race_process import Contender, contenders
from experiments.race_ratios import ratio
from xception_edu.benchmark import machine
from xception_edu.benchmark.records import as_json

ROOT = Path(__file__).parent.parent
MODES, DTYPES = ("training", "inference"), ("float32", "bfloat16")
ROUNDS = 10


def orders(mode: str, batch: int, dtype: str, device: str) -> list[dict]:
    """Ours, timm's, and ours with every candidate."""
    names = step_candidates.BOTH | (
        step_candidates.FOR_TRAINING if mode == "training" else step_candidates.FOR_INFERENCE
    )
    order = {"way": race_settings.ALL, "mode": mode, "dtype": dtype}
    order |= {"batch": batch, "device": device}
    plan = []
    for who, candidate in [("ours", None), ("timm", None), *(("ours", name) for name in names)]:
        ways = race_settings.ways(who, mode, dtype, device, torch.get_num_threads())
        settings = ways[race_settings.ALL]
        plan.append(order | {"who": who, "settings": settings, "candidate": candidate})
    return plan


def race(mode: str, batch: int, dtype: str, args: argparse.Namespace) -> dict:
    """A case."""
    before = os.getloadavg()
    plan = orders(mode, batch, dtype, args.device)
    with machine.background_load() as load, contenders(plan) as field:
        for one in field:
            one.ask("block 0 0")
        end = time.perf_counter() + args.seconds
        for i in range(args.rounds):
            if i > 2 and time.perf_counter() > end:
                break
            for one in random.Random(i).sample(field, len(field)):
                one.blocks.append(one.ask(f"block {args.warm} {args.timed}"))
        after = os.getloadavg()
        profile = field[0].ask("profile")
    averages = {"average_before": before, "average_after": after}
    rows = [row(one, field[0], field[1]) for one in field]
    case = {"mode": mode, "batch": batch, "dtype": dtype, "load": load | averages}
    return case | {"rows": rows, "profile": profile}


def row(one: Contender, ours: Contender, timm: Contender) -> dict:
    """What a contender took, and how many times as fast it was as ours and as timm's."""
    return {
        "who": one.who,
        "candidate": one.order["candidate"],
        **one.timing.record(),
        "over_ours": ratio(ours.milliseconds, one.milliseconds),
        "over_timm": ratio(timm.milliseconds, one.milliseconds),
    }


def possible(dtype: str, device: str) -> bool:
    """Whether the processor can do it itself: else it converts, and takes many times as long."""
    return (device, dtype) != ("cpu", "bfloat16") or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def command(args: argparse.Namespace) -> str:
    """What measures these cases again, wherever it writes."""
    batches = map(str, args.batches)
    chosen = ("--modes", *args.modes, "--batches", *batches, "--dtypes", *args.dtypes)
    return " ".join(("python experiments/faster_step.py", *chosen))


def keep(case: dict, path: Path) -> None:
    """Write a case into the record, in place of what the same machine had found of it."""
    before = json.loads(path.read_text(encoding="utf-8"))["cases"] if path.exists() else []
    others = [one for one in before if identity(one) != identity(case)]
    record = {
        "benchmark": "faster_step",
        "candidates": {
            name: " ".join(change.__doc__.split())
            for name, change in step_candidates.CANDIDATES.items()
        },
        "cases": [*others, case],
    }
    path.write_text(as_json(record), encoding="utf-8")


def identity(case: dict) -> tuple:
    """What makes two cases the same."""
    setting = [case[name] for name in ("mode", "batch", "dtype", "device")]
    return *setting, case["machine"]["processor"]


def main() -> int:
    """Measure, and write the record."""
    parser = argparse.ArgumentParser(description="Writes faster_step.json.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    parser.add_argument("--warm", type=float, default=1.0, help="seconds before a block")
    parser.add_argument("--timed", type=float, default=1.5, help="seconds of a block")
    parser.add_argument("--seconds", type=float, default=1e9, help="of a case, at most")
    parser.add_argument("--out", type=Path, default=ROOT / "results", help="default: results/")
    args = parser.parse_args()
    about = {
        "command": command(args),
        "device": args.device,
        "threads": torch.get_num_threads(),
        "machine": machine.facts("torch", "timm"),
    }
    for mode in args.modes:
        for batch in args.batches:
            for dtype in args.dtypes:
                if not possible(dtype, args.device):
                    print(f"{mode}, {dtype}: left out, which this processor cannot do by itself")
                    continue
                case = race(mode, batch, dtype, args)
                for found in case["rows"]:
                    print(mode, batch, dtype, json.dumps(found), flush=True)
                keep(about | case, args.out / "faster_step.json")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
