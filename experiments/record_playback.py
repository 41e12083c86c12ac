"""Train a recipe and write down what the playback explorer shows: each epoch's numbers and first
depthwise kernels.

    python experiments/record_playback.py

Trains `digits`, keeping every checkpoint, in a folder of its own that is removed at the end, and
reads the kernels back from them: those of the weights that are evaluated, which are averaged ones
where the recipe averages. Epoch 0 is before the first step. Writes results/playback_NAME.json.
"""

import argparse
import importlib.metadata
import json
import pathlib
import platform
import tempfile
from dataclasses import replace

import torch
from torch import Tensor, nn
from train_seeds import ROOT, commit, processor

from xception_edu import __version__
from xception_edu.data.load import load_dataset
from xception_edu.layers import SegmentedConv2d
from xception_edu.recipes import RECIPES, Recipe, learning_rate
from xception_edu.training.evaluate import evaluate, trained_model
from xception_edu.training.run_folder import read_metrics
from xception_edu.training.steps import make_model
from xception_edu.training.train import train

DECIMALS = 4  # of a weight; the kernels' values are about one


def record(recipe: Recipe, folder: pathlib.Path) -> dict:
    """Train in `folder`: numbers of every epoch, and kernels (epochs + 1, channels, k, k) as nested
    lists.
    """
    recipe = replace(recipe, keep_checkpoints=recipe.epochs)
    before = make_model(recipe)
    epochs = [
        {
            "epoch": 0,
            "loss": None,
            "lr": learning_rate(recipe, 0),
            "top1": first_guesses(before, recipe),
        }
    ]
    name, kernels = first_depthwise(before)
    weights = [kernels]
    train(recipe, folder)
    checkpoints = sorted((folder / "checkpoints").glob("step-*.safetensors"))
    for line, path in zip(read_metrics(folder / "metrics.jsonl"), checkpoints, strict=True):
        epochs.append({key: line[key] for key in ("epoch", "loss", "lr", "top1")})
        weights.append(first_depthwise(trained_model(path))[1])
    return {
        "epochs": [
            {key: value and round(value, 6) for key, value in epoch.items()} for epoch in epochs
        ],
        "layer": name,
        "kernels": [
            [[[round(x, DECIMALS) for x in row] for row in kernel] for kernel in w.tolist()]
            for w in weights
        ],
    }


def first_guesses(model: nn.Module, recipe: Recipe) -> float:
    """Share of the validation images whose label is the model's first guess."""
    data = load_dataset(recipe)
    return evaluate(model, data.validation_batches(500), recipe.image_size)["top1"]


def first_depthwise(model: nn.Module) -> tuple[str, Tensor]:
    """The first layer with a kernel a channel: its name, and its kernels (channels, k, k)."""
    for name, module in model.named_modules():
        if isinstance(module, SegmentedConv2d) and module.segments == module.in_channels > 1:
            return name, module.weights[0].detach().squeeze(1)
    raise ValueError(
        "model.segments must be 'channels': this network has no depthwise layer, so there is"
        " nothing to play back"
    )


def main() -> None:
    """Record, and write the results file."""
    parser = argparse.ArgumentParser(
        description="Train a recipe; write results/playback_NAME.json."
    )
    parser.add_argument("name", choices=RECIPES, nargs="?", default="digits")
    parser.add_argument(
        "--out", type=pathlib.Path, help="another file than results/playback_NAME.json"
    )
    args = parser.parse_args()
    recipe = RECIPES[args.name]
    with tempfile.TemporaryDirectory() as folder:
        recorded = record(recipe, pathlib.Path(folder))
    facts = {
        "recipe": recipe.to_dict(),
        "command": f"python experiments/record_playback.py {args.name}",
        "machine": f"{processor()}, {platform.system()} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
        "xception_edu": __version__,
        "commit": commit(),
    }
    path = args.out or ROOT / "results" / f"playback_{args.name}.json"
    path.write_text(json.dumps(facts | recorded, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
