"""What trained weights are worth on a small folder of photographs, and how many it takes.

    python experiments/finetune.py --init imagenet --data FOLDER --data-name "Imagenette (subset)"

Writes results/finetune.json:

- `linear`: recipe finetune over seeds, as it is: a classifier on the frozen base. Its processor
  seconds are those of all features (computed once, for all seeds) and of the classifier.
- `scratch`: the same network with random weights, trained on the same images for the same
  processor seconds, over the same seeds. Processor seconds, since they do not grow when the machine
  is shared.
- `images_a_class`: the linear part with so many training images a class, drawn anew for each seed.
- `confusion`: of the first seed, rows are the true classes: a count for each guess.
- `most_sure_mistakes`: of the first seed, the wrong guesses of the highest probability.

With `--unfrozen exit all` it writes results/finetune_unfrozen.json instead: for each seed, top-1
behind the classifier alone and after the exit flow, or the whole network, has learned behind it, as
the recipe has it. Their difference is paired by seed.

What has been computed is kept in --runs: called again, it goes on.
"""

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch
from scipy import stats
from torch import nn

from xception_edu.benchmark import machine
from xception_edu.benchmark.machine import ROOT
from xception_edu.benchmark.records import as_json
from xception_edu.configs import XceptionConfig
from xception_edu.recipes import FINETUNE, IMAGEFOLDER
from xception_edu.training.train import train
from xception_edu.weights.features import all_features, as_validation
from xception_edu.weights.finetune import begin, epochs_on_features, finetune

COUNTS = (1, 2, 5, 10, 20, 50, 100, 160)  # training images a class
MISTAKES = 5
CALIBRATION = 3  # steps from scratch whose seconds tell how many fit


def spread(values: list[float]) -> dict:
    """Mean and 95 % interval of the mean (Student's t) over the seeds."""
    mean, error = statistics.mean(values), stats.sem(values)
    half = error * stats.t.ppf(0.975, len(values) - 1)
    return {"mean": mean, "low": mean - half, "high": mean + half}


def kept(path: Path, make) -> dict:
    """What `make` gives, from a file where it was written before."""
    if not path.is_file():
        found = make()
        path.write_text(json.dumps(found), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def features(recipe, data: str, runs: Path) -> dict:
    """Features and labels of both splits, and the processor seconds that they took."""
    path = runs / "features.pt"
    if not path.is_file():
        begun = begin(recipe, data)
        before = time.process_time()
        parts = {"train": as_validation(begun.images), "validation": begun.images}
        found = {
            split: all_features(
                begun.model, part, recipe.image_size, store=runs / "store", what=split
            )
            for split, part in parts.items()
        }
        found |= {"classes": list(begun.images.classes), "seconds": time.process_time() - before}
        torch.save(found, path)
    return torch.load(path)


def head_of(found: dict, seed: int) -> nn.Module:
    """A new classifier for the features, as the recipe has it."""
    torch.manual_seed(seed)
    channels, classes = found["train"][0].shape[1], len(found["classes"])
    return nn.Sequential(nn.Dropout(FINETUNE.model.dropout), nn.Linear(channels, classes))


def fit(found: dict, recipe, seed: int, index=slice(None)) -> tuple[nn.Module, float]:
    """A classifier trained on the chosen images, and its top-1 on the validation images."""
    head, (x, y) = head_of(found, seed), found["train"]
    x, y = x[index], y[index]
    recipe = replace(recipe, seed=seed, batch_size=min(recipe.batch_size, len(y)))
    *_, last = epochs_on_features(head, x, y, *found["validation"], recipe)
    return head, last.top1


def drawn(labels: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """Numbers of `count` images of each class, drawn by the seed."""
    generator = torch.Generator().manual_seed(seed)
    chosen = []
    for label in labels.unique():
        numbers = (labels == label).nonzero().flatten()
        chosen.append(numbers[torch.randperm(len(numbers), generator=generator)[:count]])
    return torch.cat(chosen)


def curve(found: dict, recipe, seeds: list[int]) -> list[dict]:
    """Top-1 over the number of training images a class."""
    labels, rows = found["train"][1], []
    for count in COUNTS:
        if count <= labels.bincount().min():
            epochs = max(
                recipe.head_epochs, 30 * len(labels) // (count * len(found["classes"])) // 4
            )
            longer = replace(recipe, head_epochs=min(300, epochs))
            top1 = [fit(found, longer, s, drawn(labels, count, s))[1] for s in seeds]
            rows.append({"images": count, "top1": top1, **spread(top1)})
    return rows


def guesses(found: dict, head: nn.Module) -> dict:
    """Confusion matrix and the most sure mistakes of a classifier."""
    features, labels = found["validation"]
    with torch.no_grad():
        probabilities = head.eval()(features).softmax(dim=1)
    sure, guessed = probabilities.max(dim=1)
    classes = len(found["classes"])
    counts = torch.bincount(labels * classes + guessed, minlength=classes**2)
    wrong = (guessed != labels).nonzero().flatten()
    worst = wrong[sure[wrong].argsort(descending=True)][:MISTAKES].tolist()
    named = [
        {
            "row": i,
            "class": found["classes"][labels[i]],
            "guess": found["classes"][guessed[i]],
            "probability": round(sure[i].item(), 4),
        }
        for i in worst
    ]
    return {
        "confusion": counts.view(classes, classes).tolist(),
        "most_sure_mistakes": named,
    }


def from_scratch(recipe, data: str, seconds: float, seed: int, folder: Path) -> dict:
    """The same network, random at first, trained for so many processor seconds."""
    plain = replace(
        IMAGEFOLDER,
        name="scratch",
        image_size=recipe.image_size,
        model=replace(XceptionConfig(), num_classes=recipe.model.num_classes),
        batch_size=recipe.batch_size,
        reference_batch_size=recipe.batch_size,
        learning_rate=0.05,
        polyak_decay=0.0,
        epochs=1,
        seed=seed,
        threads=recipe.threads,
    )
    trial = replace(plain, steps_per_epoch=10**6)
    before = time.process_time()
    train(trial, folder / f"trial-{seed}", data=data, max_steps=CALIBRATION, tensorboard=False)
    a_step = (time.process_time() - before) / CALIBRATION
    steps = max(1, int(seconds / a_step))
    before = time.process_time()
    last = train(
        replace(plain, steps_per_epoch=steps),
        folder / f"scratch-{seed}",
        data=data,
        tensorboard=False,
    )
    spent = time.process_time() - before
    return {"seed": seed, "steps": steps, "top1": last["top1"], "cpu_seconds": round(spent, 1)}


def unfrozen(recipe, data: str, part: str, seed: int, runs: Path) -> dict:
    """Top-1 of a classifier, and after `part` of the network has learned behind it."""
    out = runs / f"{part}-{seed}"
    recipe = replace(recipe, unfreeze=part, seed=seed, evaluate_every=recipe.epochs)
    options = {"features": runs / "store", "resume": (out / "config.json").is_file()}
    last = finetune(recipe, out, data=data, tensorboard=False, **options)
    lines = (out / "classifier.jsonl").read_text(encoding="utf-8").splitlines()
    return {
        "seed": seed,
        "classifier_top1": json.loads(lines[-1])["top1"],
        "top1": last["top1"],
        "images_per_second": last["images_per_second"],
    }


def all_unfrozen(recipe, args: argparse.Namespace) -> dict:
    """Of each part the runs, and what it adds, with its interval."""
    parts = {"recipe": replace(recipe, init="imagenet").to_dict()}
    for part in args.unfrozen:
        runs = [
            kept(
                args.runs / f"{part}-{seed}.json",
                lambda part=part, seed=seed: unfrozen(recipe, args.data, part, seed, args.runs),
            )
            for seed in args.seeds
        ]
        parts[part] = {
            "runs": runs,
            "top1": spread([run["top1"] for run in runs]),
            "gain": spread([run["top1"] - run["classifier_top1"] for run in runs]),
        }
    return parts


def frozen(recipe, args: argparse.Namespace) -> dict:
    """The classifier on the frozen base, beside the same network from scratch."""
    found = features(recipe, args.data, args.runs)
    recipe = replace(recipe, model=replace(recipe.model, num_classes=len(found["classes"])))
    before = time.process_time()
    heads = [fit(found, recipe, seed) for seed in args.seeds]
    head_seconds = (time.process_time() - before) / len(heads)
    top1 = [top1 for _, top1 in heads]
    seconds = found["seconds"] + head_seconds
    scratch = [
        kept(
            args.runs / f"scratch-{seed}.json",
            lambda seed=seed: from_scratch(recipe, args.data, seconds, seed, args.runs),
        )
        for seed in args.seeds
    ]
    return {
        "classes": found["classes"],
        "images": {split: len(found[split][1]) for split in ("train", "validation")},
        "recipe": replace(recipe, init="imagenet").to_dict(),
        "linear": {
            "top1": top1,
            **spread(top1),
            "feature_cpu_seconds": round(found["seconds"], 1),
            "classifier_cpu_seconds": round(head_seconds, 1),
        },
        "scratch": {"runs": scratch, **spread([run["top1"] for run in scratch])},
        "images_a_class": curve(found, recipe, args.seeds),
        **guesses(found, heads[0][0]),
    }


def main() -> None:
    """Measure, and write the results file."""
    parser = argparse.ArgumentParser(description="Write results/finetune.json.")
    parser.add_argument("--init", default="imagenet", help="as for train --recipe finetune")
    parser.add_argument("--data", required=True, help="as for train")
    parser.add_argument("--data-name", required=True, help="what to call the data in the results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--unfrozen",
        nargs="+",
        choices=("exit", "all"),
        default=[],
        help="what learns behind the classifier; writes results/finetune_unfrozen.json",
    )
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "finetune")
    args = parser.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    recipe = replace(FINETUNE, init=args.init, threads=args.threads)
    name, measure = "finetune", frozen
    command = "python experiments/finetune.py --init WEIGHTS --data DATA"
    if args.unfrozen:
        name, measure = "finetune_unfrozen", all_unfrozen
        command += f" --unfrozen {' '.join(args.unfrozen)}"
    record = {
        "benchmark": name,
        "command": f"{command} --seeds {' '.join(map(str, args.seeds))} --threads {args.threads}",
        "device": "cpu",
        "threads": args.threads,
        "machine": machine.facts("torch"),
        "data": args.data_name,
        "weights": "F. Chollet's for ImageNet, without their classifier",
        "seeds": args.seeds,
        **measure(recipe, args),
    }
    (ROOT / "results" / f"{name}.json").write_text(as_json(record), encoding="utf-8")


if __name__ == "__main__":
    main()
