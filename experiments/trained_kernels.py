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

A seed draws the images that the classifier is trained on, and what is random about kernels.
Networks with other kernels compute in bfloat16, and so does the original that they are compared
with; `numbers` are compared with float32. What is finished is kept in --runs, what was interrupted
goes on when called again, and the record says how many seeds each row has so far.
"""

import argparse
import json
import statistics
import time
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
STATISTICS = 100  # images for BN's statistics
DRAWS = 2000  # of the bootstrap
EVERY = 240  # seconds between two records
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
        path = self.folder / "patterns.pt"
        if not path.is_file():
            every = torch.cat(list(self.kernels.values())).double().numpy()
            torch.save({n: torch.from_numpy(p) for n, p in dictionaries(every).items()}, path)
        self.patterns = {count: found.numpy() for count, found in torch.load(path).items()}
        data = open_images(args.data)
        self.train_images, self.train_labels = some_of(data.train, args.pool, args.size)
        self.images, self.labels = some_of(data.validation, args.validation, args.size)
        self.draws = [drawn(self.train_labels, args.train, seed) for seed in SEEDS]
        path = self.folder / "train_features.pt"
        if not path.is_file():
            torch.save(run(stages(self.base), self.train_images, bf16=False), path)
        self.classifiers = self.trained_on(torch.load(path))

    def trained_on(self, features: Tensor) -> list[Classifier]:
        """A classifier for each seed, trained on the features of its images."""
        return [train_classifier(features[d], self.train_labels[d]) for d in self.draws]

    def read(self, features: Tensor) -> list[list[int]]:
        """What the original classifiers say to features."""
        return [classify(features).tolist() for classify in self.classifiers]

    def kept(self, name: str) -> Answers | None:
        """Answers that were computed before."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def keep(self, name: str, compute: Callable[[], Answers]) -> None:
        """Compute answers, unless they are there."""
        if self.kept(name) is None:
            content = json.dumps(compute()).encode()
            write_atomically(self.folder / f"{name}.json", content)


# ---- answers -------------------------------------------------------------------------------------


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
    """Answers of the network in other numbers; "float32" and "bf16" are as it is."""
    model = NUMBERS[name][1](bench.base)
    if name in ("relu", "elu"):
        return with_new_statistics(bench, model)
    return {"kept": bench.read(run(stages(model), bench.images, bf16=name == "bf16"))}


def one_layer(bench: Bench, layer: str, way: str, seed: int, x: Tensor) -> Answers:
    """Answers with one layer's kernels replaced; x is what enters that layer's step."""
    kernels = replaced(bench.kernels[layer], way, seed, bench.patterns)
    steps = stages(with_kernels(bench.base, {layer: kernels}))
    return {"kept": bench.read(run(steps[stage_of(layer) :], x))}


def by_layer(bench: Bench, way: str, seed: int) -> Iterator[None]:
    """Layer by layer, keep the answers with the kernels of that one replaced."""
    x, steps = bench.images, stages(bench.base)
    for at, step in enumerate(steps):
        for layer in [name for name in bench.kernels if stage_of(name) == at]:
            compute = partial(one_layer, bench, layer, way, seed, x)
            bench.keep(f"{layer} {way} {seed}", compute)
            yield
        if at + 1 < len(steps):
            x = run([step], x)


def measure(bench: Bench) -> Iterator[None]:
    """Keep all answers, one after another: what says most comes first."""
    for name in NUMBERS:
        bench.keep(f"numbers {name}", partial(in_numbers, bench, name))
        yield
    for seed in SEEDS:
        for way in ways_of(seed):
            bench.keep(f"everywhere {way} {seed}", partial(everywhere, bench, way, seed))
            yield
    for seed in SEEDS:
        for way in ways_of(seed):
            if way in BY_LAYER:
                yield from by_layer(bench, way, seed)


def ways_of(seed: int) -> list[str]:
    """The ways that have this seed: those without chance have the first alone."""
    return [way for way, (_, random) in WAYS.items() if random or seed == SEEDS[0]]


# ---- the record ----------------------------------------------------------------------------------


def record_of(bench: Bench) -> dict[str, dict]:
    """What is there by now."""
    record: dict[str, dict] = {
        "numbers": {
            name: {"words": words} | row(bench, [f"numbers {name}"], before="numbers float32")
            for name, (words, _) in NUMBERS.items()
        },
        "everywhere": {
            way: {"words": words} | row(bench, [f"everywhere {way} {seed}" for seed in SEEDS])
            for way, (words, _) in WAYS.items()
        },
    }
    layers = {}
    for layer in bench.kernels:
        rows = {w: row(bench, [f"{layer} {w} {seed}" for seed in SEEDS]) for w in BY_LAYER}
        layers[layer] = {way: found["kept"] for way, found in rows.items() if found}
    return record | {"layers": layers}


def row(bench: Bench, names: list[str], before: str = "numbers bf16") -> dict[str, dict]:
    """What answers say, of a run for each seed of chance, or of one without chance.

    A run has the answers of every seed's classifier; seed s of chance goes with that of seed s.
    """
    runs = [found for name in names if (found := bench.kept(name))]
    first = bench.kept(before)
    if not runs or not first:
        return {}
    paired = runs * len(SEEDS) if len(runs) == 1 else runs
    rows = {}
    for kind in runs[0]:
        answers = np.array([run[kind][seed] for seed, run in enumerate(paired)])
        originals = np.array(first["kept"])[: len(paired)]
        summary = summarized(answers, originals, bench.labels.numpy())
        rows[kind] = summary | {"runs": len(runs)}
    return rows


def summarized(answers: np.ndarray, originals: np.ndarray, labels: np.ndarray) -> dict[str, object]:
    """Accuracy and what changed, of answers (seeds, images) and those of the original."""
    right = answers == labels
    return {
        "accuracy": right.mean(1).tolist(),
        "mean": right.mean().item(),
        "std": statistics.stdev(right.mean(1).tolist()),
        "same": (answers == originals).mean().item(),
        "change": change(right, originals == labels),
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


def main() -> None:
    """Measure what is not measured yet, and write the record as it grows."""
    parser = argparse.ArgumentParser(description="Replace trained kernels, and measure the cost.")
    parser.add_argument("--weights", type=Path, help="a Keras archive with the network")
    parser.add_argument("--data", required=True, help="a data set of ten classes")
    parser.add_argument("--data-name", help="what the result is said to be on")
    parser.add_argument("--size", type=int, default=128, help="pixels of an image's side")
    parser.add_argument("--pool", type=int, default=20, help="training images a class to draw from")
    parser.add_argument("--train", type=int, default=15, help="of these, for a classifier")
    parser.add_argument("--validation", type=int, default=20, help="validation images a class")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "trained_kernels")
    args = parser.parse_args()
    torch.set_num_threads(1)
    bench = Bench(args)
    about = {"network": NETWORK, "data": args.data_name or args.data, "image_size": args.size}
    about |= {"train_a_class": args.train, "pool_a_class": args.pool}
    about |= {"validation_images": len(bench.labels)} | machine.facts("torch", "numpy")
    path = ROOT / "results" / "trained_kernels.json"
    begun = time.monotonic()
    for _ in tqdm(measure(bench), desc="measured"):
        if time.monotonic() - begun > EVERY:
            path.write_text(as_json(about | record_of(bench)), encoding="utf-8")
            begun = time.monotonic()
    path.write_text(as_json(about | record_of(bench)), encoding="utf-8")


if __name__ == "__main__":
    main()
