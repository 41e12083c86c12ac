"""A run's folder: config.json, metrics.jsonl, and files that after a crash are whole, or as they
were before.
"""

import json
import logging
import os
import platform
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from xception_edu import __version__, checks
from xception_edu.recipes.recipe import Recipe, differences
from xception_edu.training.epoch_metrics import EpochMetrics, with_new_keys
from xception_edu.training.strangers import (
    class_names,
    finite,
    json_object,
    place,
    read_text,
    recipe_of,
    refuse_differences,
)

log = logging.getLogger(__name__)


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
    if not os.path.lexists(path):
        raise ValueError(f"out is {str(out)!r}, but must have a run to resume: there is no {path}")
    text = read_text("config", path)
    try:
        config = json_object(text)
        recipe_of(config.get("recipe"))
        place(config.get("data"))
        class_names(config.get("classes"))
    except (ValueError, TypeError) as error:
        raise ValueError(checks.line(f"{path} is damaged: {error}")) from None
    return config


def saved_recipe(out: Path) -> Recipe:
    """The recipe in a run's config.json; ValueError if there is no run."""
    return Recipe.from_dict(read_config(out)["recipe"])


def check_resumable(recipe: Recipe, out: Path) -> None:
    """ValueError unless the folder has a run of this recipe, but for what MAY_CHANGE."""
    changed = differences_in_result(saved_recipe(out), recipe)
    if changed:
        config = checks.shown(str(out / "config.json"))
        what = f"resume goes on with the recipe in {config}, but there and here"
        may = f"only {', '.join(MAY_CHANGE)} may: for another recipe, give a new --out"
        refuse_differences(what, changed, may)


def differences_in_result(recipe: Recipe, other: Recipe) -> list[str]:
    """One line for every field in which two recipes differ and whose value changes the result."""
    free = {name: getattr(recipe, name) for name in MAY_CHANGE}
    return differences(recipe, replace(other, **free))


def note_changes(recipe: Recipe, out: Path, data: str | None) -> None:
    """Let config.json say the recipe with which a run goes on, and where its images are now."""
    config = read_config(out)
    changed = {"recipe": recipe.to_dict(), "data": data}
    if any(config.get(name) != value for name, value in changed.items()):
        config |= changed
        write_atomically(out / "config.json", (json.dumps(config, indent=2) + "\n").encode())


# Fields that a resumed run may have other values of: how it works, not what comes of it.
MAY_CHANGE = ("evaluate_every", "keep_checkpoints", "workers")


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Append one JSON object as a line, and see it to the disk."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl, with the keys of EpochMetrics; one that a crash cut short is
    left out. ValueError where it is damaged.
    """
    checks.instance("path", path, (str, os.PathLike), "the path of a metrics.jsonl")
    lines: list[dict[str, Any]] = []
    if not os.path.lexists(path):
        return lines
    texts = read_text("metrics", Path(path)).split("\n")
    for number, text in enumerate(texts[:-1], 1):  # what has no end of line was cut short
        try:
            line = with_new_keys(json_object(text))
            _check_line(line, lines[-1]["step"] if lines else -1)
        except ValueError as error:
            said = f"{path} is damaged in line {number} of {len(texts) - 1}: {error}"
            raise ValueError(checks.line(said)) from None
        lines.append(line)
    return lines


def _check_line(line: dict[str, Any], before: int) -> None:
    """ValueError unless a line of metrics has numbers for its keys, and a later step than the one
    before.
    """
    checks.integer("step", line.get("step"), at_least=before + 1)
    checks.number("epoch", line.get("epoch"), at_least=0)
    for field in dataclass_fields(EpochMetrics):
        if line.get(field.name) is not None:
            finite(field.name, line[field.name])
    for name in ("top1", "top5"):
        if line.get(name) is not None:
            checks.number(name, line[name], at_least=0, at_most=1)


def truncate_metrics(step: int, path: Path, epochs: int = 0) -> None:
    """Take out of metrics.jsonl what a resumed run will write again: later lines, and one about a
    part of an epoch. A line of the log says how many of the `epochs` that were done it lacks.
    """
    lines = read_metrics(path)
    kept = [line for line in lines if line["step"] <= step and not line["epoch"] % 1]
    if lines and lines[-1]["step"] > step:
        said = f"{path} goes on to step {lines[-1]['step']}, but the newest checkpoint is of step"
        log.warning("%s", checks.line(f"{said} {step}: what is behind it is trained again"))
    if len(kept) < epochs:
        there = "lacks lines" if os.path.lexists(path) else "is gone"
        said = f"{path} {there}: of {epochs} epochs that were trained {epochs - len(kept)} are not"
        log.warning("%s", checks.line(f"{said} in it, and will not be; the checkpoint is whole"))
    write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
