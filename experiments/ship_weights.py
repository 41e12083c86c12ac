"""Make a run's weights the library's own: rounded to 16 bits, and evaluated as they are stored.

    python experiments/ship_weights.py runs/cifar10 --data FOLDER --data-name "CIFAR-10"

Writes xception_edu/NAME.safetensors, NAME being the recipe's, with the recipe, the classes and the
result in its metadata, for `load_pretrained(NAME)`; and results/shipped_NAME.json, which says the
same and where it was measured. experiments/train_seeds.py --ship does it with its first run, so
that no accuracy decides which.
"""

import argparse
import json
import pathlib
import tempfile

import xception_edu
from xception_edu.benchmark.machine import ROOT, facts
from xception_edu.data.load import load_dataset
from xception_edu.recipes.recipe import Recipe
from xception_edu.training.checkpoints import load_newest
from xception_edu.training.evaluate import evaluate, model_of
from xception_edu.weights.load import import_weights, save_weights

PACKAGE, RESULTS = pathlib.Path(xception_edu.__file__).parent / "weights", ROOT / "results"


def ship(
    run: pathlib.Path,
    data: str | None,
    data_name: str | None,
    *,
    package: pathlib.Path = PACKAGE,
    results: pathlib.Path = RESULTS,
) -> dict:
    """Write the weights of a run's end (the averaged ones, where its recipe averages); what they
    reach as they are stored.
    """
    checkpoint = load_newest(run / "checkpoints")
    recipe = Recipe.from_dict(checkpoint.progress["recipe"])
    dataset = load_dataset(recipe, data)
    steps, step = (
        recipe.epochs * (dataset.train_size // recipe.batch_size),
        checkpoint.progress["step"],
    )
    if step != steps:
        raise ValueError(
            f"run is {str(run)!r}, at step {step}, but must be finished: it has {steps} steps"
        )
    with tempfile.TemporaryDirectory() as folder:
        rounded = pathlib.Path(folder) / "rounded.safetensors"
        save_weights(model_of(checkpoint), rounded, half=True)
        model = import_weights(rounded)
    found = evaluate(model, dataset.validation_batches(), recipe.image_size)
    result = {"data": data_name or recipe.dataset, "seed": recipe.seed, "step": step}
    result |= {key: found[key] for key in ("images", "top1", "top5")}
    notes = {"recipe": recipe.to_dict(), "classes": dataset.classes, "result": result}
    path = package / f"{recipe.name}.safetensors"
    save_weights(
        model, path, half=True, notes={key: json.dumps(value) for key, value in notes.items()}
    )
    stored = result | {"file": path.name, "bytes": path.stat().st_size}
    text = json.dumps({"shipped": stored, "recipe": recipe.to_dict()} | facts("torch"), indent=2)
    (results / f"shipped_{recipe.name}.json").write_text(text + "\n", encoding="utf-8")
    return stored


def main() -> None:
    """Ship the weights of a finished run."""
    parser = argparse.ArgumentParser(
        description="Write a run's weights, in 16 bits, as xception_edu/NAME.safetensors."
    )
    parser.add_argument("run", type=pathlib.Path, help="the folder of the run")
    parser.add_argument("--data", help="file, folder or name on the hub, as for train")
    parser.add_argument("--data-name", help="what the result is said to be on")
    args = parser.parse_args()
    print(json.dumps(ship(args.run, args.data, args.data_name)))


if __name__ == "__main__":
    main()
