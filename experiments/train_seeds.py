"""Train a recipe with several seeds and write down what it took and reached.

    python experiments/train_seeds.py digits
    python experiments/train_seeds.py cifar10 --data FOLDER --data-name "CIFAR-10" --ship
    python experiments/train_seeds.py cifar10 --data FOLDER --name cifar10_wide --at-once
        --flags --model.width 4 --epochs 60

Each seed is a process of its own, timed from its start to its end, imports included. Writes
results/train_NAME.json: every run, and mean and spread (sample standard deviation) over the seeds.
With --ship the weights of the first seed, whatever it reached, become the library's own (see
ship_weights.py). --flags, the last, is followed by flags for `train`. With --at-once all seeds
train at the same time, as a GPU that one does not fill can: each takes longer then, and what the
processor did is not told. --keep FOLDER keeps the runs, a folder a seed, so that one which is
stopped has lost nothing.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from ship_weights import ship

from xception_edu import __version__
from xception_edu.benchmark.machine import ROOT, busy_seconds, commit, processor
from xception_edu.recipes import RECIPES

SPREADS = ("top1", "top5", "wall_seconds", "cpu_seconds", "images_per_second")


def measure(name: str, seed: int, folder: pathlib.Path, flags: list[str]) -> dict:
    """One run: the last line of its metrics, and the seconds of the clock, of its processors' time,
    and of all others'.
    """
    command = [
        sys.executable,
        "-m",
        "xception_edu",
        "train",
        "--recipe",
        name,
        "--seed",
        str(seed),
        "--out",
        str(folder),
    ]
    started, before, busy = time.perf_counter(), os.times(), busy_seconds()
    subprocess.run(command + flags, check=True, env=os.environ | {"TQDM_DISABLE": "1"})
    wall, after, busy = time.perf_counter() - started, os.times(), busy_seconds() - busy
    metrics = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    lines = [json.loads(line) for line in metrics]
    cpu = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    return {
        "recipe": config["recipe"],
        "seed": seed,
        **{key: lines[-1][key] for key in ("epoch", "step", "loss", "top1", "top5")},
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(cpu, 1),
        "images_per_second": round(
            statistics.median(line["images_per_second"] for line in lines), 1
        ),
        # above a few: the clock says more than the run needs
        "cpu_seconds_of_others": round(max(0.0, busy - cpu), 1),
        **{key: config[key] for key in ("threads", "device", "gpu") if key in config},
    }


def measure_at_once(
    name: str, seeds: list[int], folder: pathlib.Path, flags: list[str]
) -> list[dict]:
    """All runs at the same time, each in its part of the folder."""
    with ThreadPoolExecutor(len(seeds)) as pool:
        runs = list(pool.map(lambda seed: measure(name, seed, folder / str(seed), flags), seeds))
    return [
        {key: value for key, value in run.items() if not key.startswith("cpu_seconds")}
        for run in runs
    ]


def wait_for_quiet(at_most: float) -> None:
    """Return once the processors were idle for ten seconds, but for a tenth of one, or after
    `at_most` seconds.
    """
    end = time.monotonic() + at_most
    while time.monotonic() < end:
        busy = busy_seconds()
        time.sleep(10)
        if not busy_seconds() - busy > 1:
            return


def spread(runs: list[dict], key: str) -> dict:
    """Mean, sample standard deviation and range of one number over the runs."""
    values = [run[key] for run in runs]
    return {
        "mean": round(statistics.mean(values), 6),
        "std": round(statistics.stdev(values), 6),
        "min": min(values),
        "max": max(values),
    }


def main() -> None:
    """Measure, and write the results file."""
    parser = argparse.ArgumentParser(
        description="Train a recipe with several seeds; write results/train_NAME.json."
    )
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", help="file, folder or name on the hub, as for train")
    parser.add_argument(
        "--data-name", help="what to call the data in the results, where --data does not say it"
    )
    parser.add_argument(
        "--name",
        help="of the file, instead of the recipe's; needed with --flags, for it is another recipe",
    )
    parser.add_argument("--at-once", action="store_true", help="train all seeds at the same time")
    parser.add_argument(
        "--keep",
        type=pathlib.Path,
        help="folder in which the runs stay; without it they are deleted",
    )
    parser.add_argument(
        "--ship",
        action="store_true",
        help="write the first seed's weights as xception_edu/NAME.safetensors",
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=0,
        help="before each seed, seconds to wait at most for an idle machine",
    )
    parser.add_argument(
        "--flags",
        nargs=argparse.REMAINDER,
        default=[],
        help="the rest of the line: flags for train",
    )
    args = parser.parse_args()
    if len(args.seeds) < 2:
        parser.error("argument --seeds: must be two or more: a spread needs them")
    if args.flags and not args.name:
        parser.error(
            "argument --name: must be there with --flags: it is another recipe, and so another file"
        )
    if args.ship and (args.flags or args.at_once):
        parser.error("argument --ship: must be left out with --flags or --at-once")
    runs, shipped = [], {}
    flags = (["--data", args.data] if args.data else []) + args.flags
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or pathlib.Path(temporary)
        if args.at_once:
            runs = measure_at_once(args.recipe, args.seeds, folder, flags)
        for seed in args.seeds if not args.at_once else ():
            wait_for_quiet(args.wait)
            runs.append(measure(args.recipe, seed, folder / str(seed), flags))
            if args.ship and not shipped:
                shipped = {"shipped": ship(folder / str(seed), args.data, args.data_name)}
            print(json.dumps(runs[-1]), flush=True)
    recipe, *_ = [run.pop("recipe") for run in runs]
    data, shipping = " --data DATA" if args.data else "", " --ship" if args.ship else ""
    more = "".join(f" {flag}" for flag in args.flags)
    after = f"{data}{shipping}" + f" --flags{more}" * bool(more)
    seeds = (
        " ".join(map(str, args.seeds))
        + f" --name {args.name}" * bool(args.name)
        + " --at-once" * args.at_once
    )
    results = {
        "recipe": recipe | {"seed": RECIPES[args.recipe].seed},
        **({"data": args.data_name} if args.data_name else {}),
        "command": (
            f"python -m xception_edu train --recipe {args.recipe} --seed SEED --out DIR{data}{more}"
        ),
        "measured_by": f"python experiments/train_seeds.py {args.recipe} --seeds {seeds}{after}",
        "machine": f"{processor()}, {platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
        "xception_edu": __version__,
        "commit": commit(),
        "seeds": args.seeds,
        "runs": runs,
        **{key: spread(runs, key) for key in SPREADS if key in runs[0]},
        **shipped,
    }
    path = ROOT / "results" / f"train_{args.name or args.recipe}.json"
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
