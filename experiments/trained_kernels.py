"""Do the differences between 23,048 trained kernels matter? Kernels replaced, and what it costs.

    python experiments/trained_kernels.py --weights FILE --data FOLDER --data-name NAME

The published Xception, frozen, and a linear classifier on its features, trained on images of a set
of ten classes. Then kernels are replaced, in all 34 depthwise layers (`everywhere`) or in one
(`layers`), and validation images are classified again. Writes results/trained_kernels.json.

Each row has, by seed, the accuracy of the validation images. `kept`: the classifier is the one that
was trained on the original features. `bn`: the same, with BN's statistics estimated anew on
training images. `new`: with these, and a classifier trained on the features as they then are.
`same` is the share of answers that are the original's, whether right or wrong. `change` is the
difference to the original's accuracy, in points, with the interval of 95 % of a bootstrap over
images and seeds. `numbers` has the network computed in other numbers, or with an activation between
depthwise and pointwise.

A seed draws the images that the classifier is trained on, and what is random about kernels. What is
finished is kept in --runs, and what was interrupted goes on when called again.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from experiments.frozen_features import (
    Classifier,
    drawn,
    estimate_statistics,
    run,
    some_of,
    stage_of,
    stages,
    train_classifier,
)
from experiments.kernel_variants import NUMBERS, WAYS, dictionaries, replaced, with_kernels
from experiments.ship_imagenet_kernels import base_of, depthwise_kernels
from xception_edu.benchmark import machine
from xception_edu.benchmark.machine import ROOT
from xception_edu.benchmark.records import as_json
from xception_edu.data.sources import open_images
from xception_edu.training.run_folder import write_atomically
from xception_edu.xception import Xception

SEEDS = (0, 1, 2)
STATISTICS = 200  # images for BN's statistics
DRAWS = 2000  # of the bootstrap
BY_LAYER = ("patterns", "separable", "shuffled", "random")  # the ways that one layer is replaced in
NETWORK = "Xception of Keras Applications, trained on ImageNet (F. Chollet)"
Answers = dict[str, list[list[int]]]  # of the validation images, for each seed


class Bench:
    """The frozen network, the images, and a classifier for each seed."""

    def __init__(self, args: argparse.Namespace):
        self.folder: Path = args.runs
        self.folder.mkdir(parents=True, exist_ok=True)
        self.base = base_of(args.weights).to(memory_format=torch.channels_last)
        self.kernels = depthwise_kernels(self.base)
        every = torch.cat(list(self.kernels.values())).double().numpy()
        self.patterns = dictionaries(every)
        data = open_images(args.data)
        self.train_images, self.train_labels = some_of(data.train, args.pool, args.size)
        self.images, self.labels = some_of(data.validation, args.validation, args.size)
        self.draws = [drawn(self.train_labels, args.train, seed) for seed in SEEDS]
        path = self.folder / "train_features.pt"
        if not path.is_file():
            torch.save(run(stages(self.base), self.train_images), path)
        self.classifiers = self.trained_on(torch.load(path))

    def trained_on(self, features: Tensor) -> list[Classifier]:
        """A classifier for each seed, trained on the features of its images."""
        return [train_classifier(features[d], self.train_labels[d]) for d in self.draws]

    def read(self, features: Tensor) -> list[list[int]]:
        """What the original classifiers say to features."""
        return [classify(features).tolist() for classify in self.classifiers]

    def kept(self, name: str, compute: Callable[[], Answers]) -> Answers:
        """Answers as they were kept under this name, or computed and kept."""
        path = self.folder / f"{name}.json"
        if not path.is_file():
            write_atomically(path, json.dumps(compute()).encode())
        answers: Answers = json.loads(path.read_text(encoding="utf-8"))
        return answers


# ---- answers -------------------------------------------------------------------------------------


def original(bench: Bench) -> Answers:
    """Answers of the network as it is."""
    return {"kept": bench.read(run(stages(bench.base), bench.images))}


def everywhere(bench: Bench, way: str, seed: int) -> Answers:
    """Answers with the kernels of all layers replaced."""
    kernels = {
        layer: replaced(kernel, way, seed + 1000 * i, bench.patterns)
        for i, (layer, kernel) in enumerate(bench.kernels.items())
    }
    return with_new_statistics(bench, with_kernels(bench.base, kernels))


def with_new_statistics(bench: Bench, model: Xception) -> Answers:
    """Answers of a network as it is, with new BN statistics, and with a new classifier too."""
    kept = bench.read(run(stages(model), bench.images))
    estimate_statistics(model, bench.train_images[:STATISTICS])
    features = run(stages(model), bench.images)
    classifiers = bench.trained_on(run(stages(model), bench.train_images))
    new = [classify(features).tolist() for classify in classifiers]
    return {"kept": kept, "bn": bench.read(features), "new": new}


def in_numbers(bench: Bench, name: str) -> Answers:
    """Answers of the network in other numbers."""
    model = NUMBERS[name][1](bench.base)
    if name in ("relu", "elu"):
        return with_new_statistics(bench, model)
    with torch.autocast("cpu", torch.bfloat16, enabled=name == "bf16"):
        return {"kept": bench.read(run(stages(model), bench.images))}


def one_layer(bench: Bench, layer: str, way: str, seed: int, x: Tensor) -> Answers:
    """Answers with one layer's kernels replaced; x is what enters that layer's step."""
    kernels = replaced(bench.kernels[layer], way, seed, bench.patterns)
    steps = stages(with_kernels(bench.base, {layer: kernels}))
    return {"kept": bench.read(run(steps[stage_of(layer) :], x))}


def by_layer(bench: Bench, way: str, seed: int) -> Iterator[tuple[str, Answers]]:
    """Layer by layer, answers with the kernels of that one replaced."""
    x, steps = bench.images, stages(bench.base)
    for at, step in enumerate(steps):
        for layer in [name for name in bench.kernels if stage_of(name) == at]:
            compute = partial(one_layer, bench, layer, way, seed, x)
            yield layer, bench.kept(f"{layer} {way} {seed}", compute)
        if at + 1 < len(steps):
            x = run([step], x)


# ---- the record ----------------------------------------------------------------------------------


def row(bench: Bench, runs: list[Answers], first: Answers) -> dict[str, dict[str, object]]:
    """What answers say: of a run for each seed of chance, or of one without chance.

    A run has the answers of every seed's classifier; seed s of chance goes with that of seed s.
    """
    paired = runs * len(SEEDS) if len(runs) == 1 else runs
    rows = {}
    for kind in runs[0]:
        answers = np.array([run[kind][seed] for seed, run in enumerate(paired)])
        before = np.array(first["kept"])[: len(paired)]
        rows[kind] = summary(answers, before, bench.labels.numpy())
    return rows


def summary(answers: np.ndarray, before: np.ndarray, labels: np.ndarray) -> dict[str, object]:
    """Accuracy and what changed, of answers (seeds, images) and those before."""
    right = answers == labels
    return {
        "accuracy": right.mean(1).tolist(),
        "mean": right.mean().item(),
        "std": statistics.stdev(right.mean(1).tolist()),
        "same": (answers == before).mean().item(),
        "change": change(right, before == labels),
    }


def change(right: np.ndarray, before: np.ndarray) -> dict[str, float]:
    """Points of accuracy gained, and an interval of 95 % over images and seeds."""
    gained = 100 * (right.astype(float) - before)
    draws = np.random.default_rng(0)
    seeds, images = gained.shape
    means = [
        gained[draws.integers(seeds, size=seeds)][:, draws.integers(images, size=images)].mean()
        for _ in range(DRAWS)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return {"points": gained.mean().item(), "low": low.item(), "high": high.item()}


def measure(bench: Bench) -> Iterator[dict[str, dict]]:
    """The record, again and again as it grows: what says most comes first."""
    first = bench.kept("original", lambda: original(bench))
    record: dict[str, dict] = {"original": row(bench, [first], first)["kept"]}
    record |= {"everywhere": {}, "numbers": {}, "layers": {}}
    for name, (words, _) in NUMBERS.items():
        answers = bench.kept(f"numbers {name}", partial(in_numbers, bench, name))
        record["numbers"][name] = {"words": words} | row(bench, [answers], first)
        yield record
    for way, (words, random) in WAYS.items():
        runs = []
        for seed in SEEDS if random else SEEDS[:1]:
            name = f"everywhere {way} {seed}"
            runs.append(bench.kept(name, partial(everywhere, bench, way, seed)))
            yield record
        record["everywhere"][way] = {"words": words} | row(bench, runs, first)
    for way in BY_LAYER:
        found: dict[str, list[Answers]] = {}
        for seed in SEEDS if WAYS[way][1] else SEEDS[:1]:
            for layer, answers in by_layer(bench, way, seed):
                found.setdefault(layer, []).append(answers)
                yield record
        for layer, runs in found.items():
            record["layers"].setdefault(layer, {})[way] = row(bench, runs, first)["kept"]
        yield record


def main() -> None:
    """Measure what is not measured yet, and write the record as it grows."""
    parser = argparse.ArgumentParser(description="Replace trained kernels, and measure the cost.")
    parser.add_argument("--weights", type=Path, help="a Keras archive with the network")
    parser.add_argument("--data", required=True, help="a data set of ten classes")
    parser.add_argument("--data-name", help="what the result is said to be on")
    parser.add_argument("--size", type=int, default=128, help="pixels of an image's side")
    parser.add_argument("--pool", type=int, default=50, help="training images a class to draw from")
    parser.add_argument("--train", type=int, default=40, help="of these, for a classifier")
    parser.add_argument("--validation", type=int, default=30, help="validation images a class")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "trained_kernels")
    args = parser.parse_args()
    torch.set_num_threads(1)
    bench = Bench(args)
    about = {"network": NETWORK, "data": args.data_name or args.data, "image_size": args.size}
    about |= {"seeds": len(SEEDS), "train_a_class": args.train, "pool_a_class": args.pool}
    about |= {"validation_images": len(bench.labels)} | machine.facts("torch", "numpy")
    path = ROOT / "results" / "trained_kernels.json"
    for record in tqdm(measure(bench), desc="measured"):
        path.write_text(as_json(about | record), encoding="utf-8")


if __name__ == "__main__":
    main()
