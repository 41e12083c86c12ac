"""Which point of the spectrum learns best? One small Xception, trained with every kind of segments,
over seeds.

    python experiments/spectrum.py --data FOLDER --data-name "CIFAR-10"

Writes results/spectrum.json. `points`: a row for each number of segments, at the width that gives
all of them the parameters of the depthwise one within 0.5 % (`params`, `macs`, `width`); the MACs
are then nearly the same, too. `same_widths`: regular convolutions at the widths of the depthwise
network, which is what swapping one kind for the other compares. `between`: the depthwise network
with an activation between the two steps of a separable convolution (Section 4.7). Every row has
`top1` of the validation images by seed, its `mean` and sample standard deviation `std`.

Every run is a process with one core; finished ones are kept in --runs, and what was interrupted
goes on when called again.
"""

import argparse
import multiprocessing
import os
import statistics
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from xception_edu import architectures, budgets
from xception_edu.benchmark import machine
from xception_edu.benchmark.machine import ROOT
from xception_edu.benchmark.records import as_json
from xception_edu.configs import XceptionConfig
from xception_edu.costs import total
from xception_edu.recipes import CIFAR10
from xception_edu.recipes.recipe import Recipe
from xception_edu.training import train

SEGMENTS = (1, 2, 4, 8, 16, "channels")
MODEL = XceptionConfig(
    num_classes=10,
    entry_widths=(16, 32, 48, 96),
    middle_blocks=2,
    exit_widths=(128, 192, 256),
    stem_stride=1,
)
RECIPE = replace(
    CIFAR10,
    name="spectrum",
    model=MODEL,
    epochs=5,
    steps_per_epoch=200,
    evaluate_every=5,
    threads=1,
)


def rows() -> dict[str, list[dict]]:
    """What is compared, counted by hand; `model` is the network's configuration."""
    params = total(architectures.xception(MODEL, RECIPE.image_size)).params
    size = {"params": params, "input_size": RECIPE.image_size}
    matched = [
        budgets.width_for(replace(MODEL, segments=segments), **size) for segments in SEGMENTS
    ]
    return {
        "points": [row(model) for model in matched],
        "same_widths": [row(replace(MODEL, segments=1)), row(MODEL)],
        "between": [
            row(replace(MODEL, activation=activation)) for activation in (None, "relu", "elu")
        ],
    }


def row(model: XceptionConfig) -> dict:
    """A network's own part of its row."""
    cost = total(architectures.xception(model, RECIPE.image_size))
    about = {"segments": model.segments, "activation": model.activation, "width": model.width}
    return {"model": model, **about, "params": cost.params, "macs": cost.macs}


def run(job: tuple[Recipe, Path, str | None]) -> float:
    """Train one network from beginning to end, or go on; its share of validation images that are
    right.
    """
    recipe, folder, data = job
    os.environ["TQDM_DISABLE"] = "1"
    last = train.train(
        recipe, folder, data=data, resume=(folder / "config.json").exists(), tensorboard=False
    )
    return last["top1"]


def main() -> None:
    """Train all, and write the results file."""
    parser = argparse.ArgumentParser(
        description="Accuracy over the spectrum; writes results/spectrum.json."
    )
    parser.add_argument(
        "--data", help="file, folder or name on the hub, as for train --recipe cifar10"
    )
    parser.add_argument(
        "--data-name", default="CIFAR-10", help="what to call the data in the results"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument(
        "--runs", type=Path, default=ROOT / "runs" / "spectrum", help="where finished runs are kept"
    )
    args = parser.parse_args()
    if len(args.seeds) < 2:
        parser.error("argument --seeds: must be two or more: a spread needs them")
    compared = rows()
    models = list(dict.fromkeys(row["model"] for part in compared.values() for row in part))
    jobs = {
        (model, seed): (
            replace(RECIPE, model=model, seed=seed),
            args.runs / f"{number}-{seed}",
            args.data,
        )
        for seed in args.seeds
        for number, model in enumerate(models)
    }
    with multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
        found = list(
            tqdm(pool.imap(run, jobs.values()), total=len(jobs), desc="training", unit="run")
        )
    top1 = dict(zip(jobs, found, strict=True))
    for part in compared.values():
        for row in part:
            model = row.pop("model")
            values = [top1[model, seed] for seed in args.seeds]
            spread = {
                "mean": round(statistics.mean(values), 6),
                "std": round(statistics.stdev(values), 6),
            }
            row.update({"top1": values, **spread})
    record = {
        "benchmark": "spectrum",
        "command": (
            f"python experiments/spectrum.py --data DATA --seeds {' '.join(map(str, args.seeds))}"
        ),
        "quick": False,
        "device": "cpu",
        "threads": RECIPE.threads,
        "machine": machine.facts("torch"),
        "data": args.data_name,
        "recipe": RECIPE.to_dict(),
        "seeds": args.seeds,
        **compared,
    }
    (ROOT / "results" / "spectrum.json").write_text(as_json(record), encoding="utf-8")


if __name__ == "__main__":
    main()
