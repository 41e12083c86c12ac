"""Train a recipe with several seeds and write what was reached to results/: `python benchmarks/train_seeds.py digits photos`

Each seed is a whole run of the command line in a process of its own, timed from start to end, imports included.
"""

import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import torch

import xception_edu
from xception_edu.recipes import RECIPES

ROOT = pathlib.Path(__file__).parent.parent
SEEDS = (0, 1, 2)


def run(name, seed):
    """One run: the last line of its metrics, and the seconds that the whole command took."""
    with tempfile.TemporaryDirectory() as folder:
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
            f"{folder}/run",
        ]
        start = time.perf_counter()
        subprocess.run(command, check=True, cwd=ROOT)
        seconds = time.perf_counter() - start
        lines = pathlib.Path(folder, "run", "metrics.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    speed = statistics.median(json.loads(line)["images_per_second"] for line in lines)
    return {
        "seed": seed,
        "top1": last["top1"],
        "loss": last["loss"],
        "wall_seconds": round(seconds, 1),
        "images_per_second": speed,
    }


def spread(runs, key):
    """Mean and standard deviation over the runs."""
    values = [run[key] for run in runs]
    return {"mean": statistics.mean(values), "standard_deviation": statistics.stdev(values)}


def processor():
    """The processor's name, where the system tells it."""
    info = pathlib.Path("/proc/cpuinfo")
    names = (
        [line.partition(": ")[2] for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    return names[0] if names else platform.processor()


def measure(name):
    """Results of a recipe over SEEDS, with all that is needed to repeat them."""
    load = os.getloadavg()[0]
    runs = [run(name, seed) for seed in SEEDS]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    return {
        "recipe": RECIPES[name].to_dict(),
        "command": f"python benchmarks/train_seeds.py {name}",
        "top1": spread(runs, "top1"),
        "wall_seconds": spread(runs, "wall_seconds"),
        "images_per_second": spread(runs, "images_per_second"),
        "seeds": list(SEEDS),
        "runs": runs,
        "machine": processor(),
        "cores": os.cpu_count(),
        "load_before": round(load, 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "xception_edu": xception_edu.__version__,
        "commit": commit,
    }


if __name__ == "__main__":
    for recipe in sys.argv[1:]:
        result = measure(recipe)
        (ROOT / "results" / f"train_{recipe}.json").write_text(json.dumps(result, indent=1) + "\n")
        print(recipe, result["top1"], result["wall_seconds"])
