"""A run's folder: config.json, metrics.jsonl, and checkpoints that survive a crash, whole or not there at all.

A checkpoint is one safetensors file, which can hold no code: the tensors of the model, of its Polyak average and of the
optimizer, and in the header, as JSON, how far the run was. Writing goes to a temporary file that is flushed to the disk and
then renamed.
"""

import json
import logging
import os
import platform
import re
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from xception_edu import __version__
from xception_edu.recipe import Recipe, differences

log = logging.getLogger(__name__)


class Checkpoint(NamedTuple):
    """What a file holds: tensors by name, and the progress of the run."""

    path: Path
    tensors: dict[str, Tensor]
    progress: dict[str, Any]


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that after a crash, or on a full disk, its old content or its new one is there, and nothing between."""
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


def save_checkpoint(folder: Path, step: int, tensors: dict[str, Tensor], progress: dict[str, Any], *, keep: int = 2) -> Path:
    """Write the checkpoint of a step, then remove all but the `keep` newest; the path of the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(progress | {"step": step})
    tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    path = checkpoint_path(folder, step)
    # One entry: safetensors writes several in any order, and the same run shall give the same file.
    header = json.dumps({"crc32": _crc32(text, tensors), "progress": text})
    write_atomically(path, to_bytes(tensors, metadata={"checkpoint": header}))
    _prune(folder, step, keep)
    return path


def checkpoint_path(folder: Path, step: int) -> Path:
    """The file of the checkpoint after `step` steps."""
    return folder / f"step-{step:08d}.safetensors"


def _prune(folder: Path, step: int, keep: int) -> None:
    """Keep the newest up to `step`. A later one is of a run that was gone back behind, because its file was damaged.

    A temporary file is what a process left that was killed while it wrote.
    """
    for left in folder.glob("step-*.safetensors.tmp"):
        left.unlink(missing_ok=True)
    saved = _by_step(folder)
    stale = [s for s in saved if s > step] + sorted(s for s in saved if s <= step)[:-keep]
    for s in stale:
        saved[s].unlink(missing_ok=True)


def _by_step(folder: Path) -> dict[int, Path]:
    found = {re.fullmatch(r"step-(\d+)\.safetensors", path.name): path for path in folder.glob("step-*.safetensors")}
    return {int(match[1]): path for match, path in found.items() if match}


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one file; ValueError if it is not whole."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
            header = json.loads(file.metadata()["checkpoint"])
        if header["crc32"] != _crc32(header["progress"], tensors):
            raise ValueError("its checksum is not that of its content")
        return Checkpoint(path, tensors, json.loads(header["progress"]))
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"checkpoint {path} is damaged: {error}") from None


def is_checkpoint(path: Path) -> bool:
    """Whether a file says that it is one, damaged or not."""
    try:
        with safe_open(path, framework="pt") as file:
            return "checkpoint" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def load_newest(folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint, None if the folder has none; says which damaged ones it passed over.

    Raises ValueError if there are checkpoints and all are damaged.
    """
    saved = _by_step(folder)
    for step in sorted(saved, reverse=True):
        try:
            return load_checkpoint(saved[step])
        except ValueError as error:
            log.warning("%s; the one before it is tried", error)
    if saved:
        raise ValueError(f"checkpoints in {folder} are all damaged: {', '.join(sorted(p.name for p in saved.values()))}")
    return None


def _crc32(text: str, tensors: dict[str, Tensor]) -> str:
    """Checksum of the progress, the names and the bytes of the tensors; safetensors itself would not see a flipped bit."""
    crc = zlib.crc32(text.encode())
    for name in sorted(tensors):
        crc = zlib.crc32(name.encode(), crc)
        crc = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy(), crc)
    return f"{crc:08x}"


# ---- a run's state as tensors ---------------------------------------------------------------------------------------


def state_tensors(model: nn.Module, optimizer: torch.optim.Optimizer, average: nn.Module | None = None) -> dict[str, Tensor]:
    """Every tensor that a run needs to go on: "model.*", "optimizer.INDEX.*", and "average.*" if there is one."""
    tensors = {f"model.{name}": t for name, t in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": t for name, t in state.items() if isinstance(t, Tensor)}
    if average is not None:
        tensors |= {f"average.{name}": t for name, t in average.state_dict().items()}
    return tensors


def restore_state(
    tensors: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer, average: nn.Module | None = None
) -> None:
    """Put what `state_tensors` gave back into a run of the same recipe; learning rates and the like stay the recipe's.

    A momentum gets its weight's layout in memory: torch's fused optimizers (2.13, on a CPU) go through both as they lie, so
    that one in another layout would be added to the wrong weights, and nothing would say so.
    """
    model.load_state_dict(_part(tensors, "model."))
    if average is not None:
        average.load_state_dict(_part(tensors, "average."))
    state: dict[int, dict[str, Tensor]] = {}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for name, t in _part(tensors, "optimizer.").items():
        index, key = name.split(".")
        weight = weights[int(index)]
        state.setdefault(int(index), {})[key] = torch.empty_like(weight.detach()).copy_(t) if t.shape == weight.shape else t
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


# ---- the folder -----------------------------------------------------------------------------------------------------


def check_free(out: Path) -> None:
    """ValueError if a file, or a run, is where a new run shall be."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"out is {str(out)!r}, but must be a folder: there is a file of that name")
    if (out / "config.json").exists():
        raise ValueError(f"out is {str(out)!r}, but must be a new folder: it has a run, which --resume would continue")


def start_folder(recipe: Recipe, out: Path, facts: dict[str, Any]) -> None:
    """Make the folder of a new run, with its config.json: the recipe, the versions, and other `facts`."""
    out.mkdir(parents=True, exist_ok=True)
    versions = {"python": platform.python_version(), "torch": torch.__version__, "xception_edu": __version__}
    config = {"recipe": recipe.to_dict()} | versions | facts
    write_atomically(out / "config.json", (json.dumps(config, indent=2) + "\n").encode())


def made_with(out: Path) -> dict[str, Any]:
    """A run's config.json; ValueError if there is no run."""
    path = out / "config.json"
    if not path.is_file():
        raise ValueError(f"out is {str(out)!r}, but must have a run to resume: there is no {path}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        Recipe.from_dict(config["recipe"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    return config


def saved_recipe(out: Path) -> Recipe:
    """The recipe in a run's config.json; ValueError if there is no run."""
    return Recipe.from_dict(made_with(out)["recipe"])


def check_resumable(recipe: Recipe, out: Path) -> None:
    """ValueError unless the folder has a run of just this recipe."""
    changed = differences(saved_recipe(out), recipe)
    if changed:
        raise ValueError(f"resume goes on with the recipe in {out / 'config.json'}, but there and here {'; '.join(changed)}")


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Append one JSON object as a line, and see it to the disk."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl; one that a crash cut short is left out."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def drop_lines_after(step: int, path: Path) -> None:
    """Take out of metrics.jsonl what a resumed run will write again: later lines, and one about a part of an epoch."""
    kept = [line for line in read_metrics(path) if line["step"] <= step and not line["epoch"] % 1]
    write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
