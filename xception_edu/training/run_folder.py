"""A run's folder: config.json, metrics.jsonl, and files that after a crash are whole, or as they
were before.
"""

import json
import os
import platform
from pathlib import Path
from typing import Any

import torch

from xception_edu import __version__
from xception_edu.recipes.recipe import Recipe, differences
from xception_edu.training.epoch_metrics import with_new_keys


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that after a crash, or on a full disk, its old content or its new one is
    there, and nothing between.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the new name is on the disk when the folder is
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def check_free(out: Path) -> None:
    """ValueError if a file, or a run, is where a new run shall be."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"out is {str(out)!r}, but must be a folder: there is a file of that name")
    if (out / "config.json").exists():
        raise ValueError(
            f"out is {str(out)!r}, but must be a new folder: it has a run, which --resume would"
            " continue"
        )


def start_folder(recipe: Recipe, out: Path, facts: dict[str, Any]) -> None:
    """Make the folder of a new run, with its config.json: the recipe, the versions, and other
    `facts`.
    """
    out.mkdir(parents=True, exist_ok=True)
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "xception_edu": __version__,
    }
    config = {"recipe": recipe.to_dict()} | versions | facts
    write_atomically(out / "config.json", (json.dumps(config, indent=2) + "\n").encode())


def read_config(out: Path) -> dict[str, Any]:
    """A run's config.json; ValueError if there is no run."""
    path = out / "config.json"
    if not path.is_file():
        raise ValueError(f"out is {str(out)!r}, but must have a run to resume: there is no {path}")
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        Recipe.from_dict(config["recipe"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    return config


def saved_recipe(out: Path) -> Recipe:
    """The recipe in a run's config.json; ValueError if there is no run."""
    return Recipe.from_dict(read_config(out)["recipe"])


def check_resumable(recipe: Recipe, out: Path) -> None:
    """ValueError unless the folder has a run of just this recipe."""
    changed = differences(saved_recipe(out), recipe)
    if changed:
        raise ValueError(
            f"resume goes on with the recipe in {out / 'config.json'}, but there and here"
            f" {'; '.join(changed)}"
        )


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Append one JSON object as a line, and see it to the disk."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl, with the keys of EpochMetrics; one that a crash cut short is
    left out.
    """
    lines: list[dict[str, Any]] = []
    if not path.exists():
        return lines
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(with_new_keys(json.loads(text)))
        except ValueError:
            break
    return lines


def truncate_metrics(step: int, path: Path) -> None:
    """Take out of metrics.jsonl what a resumed run will write again: later lines, and one about a
    part of an epoch.
    """
    kept = [line for line in read_metrics(path) if line["step"] <= step and not line["epoch"] % 1]
    write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
