"""What late gradients cost: loss on digits against staleness, over seeds and learning rates.

    python experiments/stale_gradients.py

Writes results/stale_gradients.json.
"""

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time
from dataclasses import replace

import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from train_seeds import ROOT, commit, processor

from xception_edu import __version__
from xception_edu.configs import XceptionConfig
from xception_edu.data.load import load_dataset
from xception_edu.recipes import DIGITS
from xception_edu.training.asynchronous import train_stale

LAST = 20  # steps at the end, over which the loss is averaged: about one epoch
# A network that steps in milliseconds, on 8x8 images as they are. The rate is constant, so that no
# decay hides the lateness.
RECIPE = replace(
    DIGITS,
    name="stale_digits",
    image_size=8,
    model=XceptionConfig(
        num_classes=10,
        in_channels=1,
        entry_widths=(8, 16, 32),
        middle_blocks=0,
        exit_widths=(32, 32, 64),
        stem_stride=1,
    ),
    schedule="steps",
    decay_rate=1.0,
    warmup_epochs=0.0,
)


def measure(recipe, data, staleness: int, steps: int) -> dict:
    """One run: mean training loss of its last steps; null where it diverged, for JSON has no
    infinity.
    """
    losses = train_stale(recipe, data, staleness, steps=steps)
    loss = statistics.mean(losses[-LAST:])
    whole = len(losses) == steps and math.isfinite(loss)
    return {
        "staleness": staleness,
        "learning_rate": recipe.learning_rate,
        "seed": recipe.seed,
        "loss": round(loss, 5) if whole else None,
        "steps": len(losses),
    }


def main() -> None:
    """Measure, and write the results file."""
    parser = argparse.ArgumentParser(
        description="Loss against staleness; writes results/stale_gradients.json."
    )
    parser.add_argument("--staleness", type=int, nargs="+", default=[0, 1, 2, 4, 8, 16])
    parser.add_argument("--rates", type=float, nargs="+", default=[0.003, 0.01, 0.03])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--out", default=str(ROOT / "results" / "stale_gradients.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    data, runs, started = load_dataset(RECIPE), [], time.process_time()
    for rate in args.rates:
        for staleness in args.staleness:
            for seed in args.seeds:
                runs.append(
                    measure(
                        replace(RECIPE, learning_rate=rate, seed=seed), data, staleness, args.steps
                    )
                )
            print(json.dumps(runs[-1]), flush=True)
    results = {
        "what": (
            f"mean training loss of the last {LAST} of {args.steps} steps, by staleness; null: it"
            " was no longer finite"
        ),
        "recipe": RECIPE.to_dict(),
        "measured_by": " ".join(["python experiments/stale_gradients.py", *sys.argv[1:]]),
        "machine": f"{processor()}, {platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "xception_edu": __version__,
        "commit": commit(),
        "cpu_seconds": round(time.process_time() - started, 1),
        "steps": args.steps,
        "staleness": args.staleness,
        "learning_rates": args.rates,
        "seeds": args.seeds,
        "runs": runs,
    }
    with open(args.out, "w", encoding="utf-8") as file:
        file.write(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
