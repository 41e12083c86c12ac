"""Checkpoints that survive a crash, whole or not there at all.

A checkpoint is one safetensors file, which can hold no code: the tensors of the model, of its
Polyak average and of the optimizer, and in the header, as JSON, how far the run was. Writing goes
to a temporary file that is flushed to the disk and then renamed.
"""

import json
import logging
import os
import re
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from xception_edu import checks
from xception_edu.training.run_folder import write_atomically
from xception_edu.training.strangers import (
    check_file,
    class_names,
    json_object,
    place,
    recipe_of,
    refuse_differences,
)

RIGHT = "a file that train wrote, step-NUMBER.safetensors in a run's checkpoints/"

log = logging.getLogger(__name__)


class Checkpoint(NamedTuple):
    """What a file holds: tensors by name, and the progress of the run."""

    path: Path
    tensors: dict[str, Tensor]
    progress: dict[str, Any]


def save_checkpoint(
    folder: Path, step: int, tensors: dict[str, Tensor], progress: dict[str, Any], *, keep: int = 2
) -> Path:
    """Write the checkpoint of a step, then remove all but the `keep` newest; the path of the new
    one.
    """
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
    """Keep the newest up to `step`. A later file belongs to a run that was rolled back because that
    file was damaged.

    A temporary file is what a process left that was killed while it wrote.
    """
    for left in folder.glob("step-*.safetensors.tmp"):
        left.unlink(missing_ok=True)
    saved = _by_step(folder)
    stale = [s for s in saved if s > step] + sorted(s for s in saved if s <= step)[:-keep]
    for s in stale:
        saved[s].unlink(missing_ok=True)


def _by_step(folder: Path) -> dict[int, Path]:
    saved: dict[int, Path] = {}
    if os.path.lexists(folder) and not folder.is_dir():
        raise ValueError(f"{folder} is no folder, but must be one: it holds a run's checkpoints")
    for path in folder.glob("step-*.safetensors"):
        name = re.fullmatch(r"step-(\d{1,12})\.safetensors", path.name)
        if name:
            saved[int(name[1])] = path
    return saved


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one file; ValueError if it is not whole, holds what no run writes, or is no
    checkpoint.
    """
    check_file("checkpoint", path, RIGHT)
    _refuse_weights(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
            header = json_object((file.metadata() or {}).get("checkpoint"))
        text = header.get("progress")
        progress = _checked_progress(json_object(text))
        if header.get("crc32") != _crc32(str(text), tensors):
            raise ValueError("its checksum is not that of its content")
        _check_tensors(tensors)
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError) as error:
        said = checks.line(f"checkpoint {path} is damaged: {error}")
        raise ValueError(said) from None
    return Checkpoint(path, tensors, progress)


def _refuse_weights(path: Path) -> None:
    """ValueError for a file of weights alone: it is whole, but no checkpoint."""
    with open(path, "rb") as file:
        start = file.read(9)
    kinds = {b"PK\x03\x04": "torch or Keras", b"\x89HDF": "Keras", b"\x80": "torch"}
    of = [kind for magic, kind in kinds.items() if start.startswith(magic)]
    if start[8:] == b"{":  # safetensors, whose first 8 bytes are a number
        of = []
    if not of and not is_checkpoint(path):
        of = ["safetensors"] * _is_safetensors(path)
    if of:
        right = f"{RIGHT}; predict and import-weights take weights"
        where = checks.shown(str(path))
        found = f"checkpoint is {where}, a file of weights ({of[0]})"
        raise ValueError(checks.line(f"{found}, but must be {right}"))


def _is_safetensors(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            return bool(file.keys())
    except (SafetensorError, OSError):
        return False


def _checked_progress(progress: dict[str, Any]) -> dict[str, Any]:
    """How far the run was, if all of it is of the types that a run writes; ValueError otherwise."""
    checks.integer("step", progress.get("step"), at_least=0)
    checks.number("loss_sum", progress.get("loss_sum"))
    recipe = recipe_of(progress.get("recipe"))
    place(progress.get("data"))
    classes = class_names(progress.get("classes"))
    if classes is not None and len(classes) != recipe.model.num_classes:
        right = f"{len(classes)}, the number of the names"
        raise checks.wrong("model.num_classes", recipe.model.num_classes, right)
    scaler = progress.get("scaler")
    if not isinstance(scaler, dict) or (recipe.precision == "fp16") != bool(scaler):
        raise checks.wrong("scaler", scaler, "the state of a GradScaler, where precision is fp16")
    for name, value in scaler.items():
        checks.number(f"scaler.{name}", value)
    return progress


def _check_tensors(tensors: dict[str, Tensor]) -> None:
    """ValueError if a tensor is none of a run, or a weight is not finite, which none saves."""
    for name, t in tensors.items():
        if not name.startswith(("model.", "average.", "optimizer.")):
            raise ValueError(f"the tensor {checks.shown(name)} is none of a run")
        if not bool(t.isfinite().all()):
            raise ValueError(f"the tensor {checks.shown(name)} holds values that are not finite")


def check_fit(tensors: dict[str, Tensor], needed: dict[str, Tensor], what: str) -> None:
    """ValueError, with the first three and all in its details, unless `tensors` have just the names
    and shapes that are needed.
    """
    differing = [f"{name} is missing" for name in needed if name not in tensors]
    differing += [f"{checks.shown(name)} is not known" for name in tensors if name not in needed]
    for name, t in tensors.items():
        if name in needed and t.shape != needed[name].shape:
            here, right = list(t.shape), list(needed[name].shape)
            differing.append(f"{name} is {here}, but must be {right}")
        elif name in needed and t.dtype != needed[name].dtype:
            differing.append(f"{name} is {t.dtype}, but must be {needed[name].dtype}")
    if differing:
        refuse_differences(what, differing, "the weights must be those of its recipe's network")


def is_checkpoint(path: Path) -> bool:
    """Whether a file says that it is one, damaged or not."""
    try:
        with safe_open(path, framework="pt") as file:
            return "checkpoint" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def has_checkpoint(out: Path) -> bool:
    """Whether a run's folder has a checkpoint, damaged or not."""
    return bool(_by_step(out / "checkpoints"))


def load_newest(folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint, None if the folder has none; says which damaged ones it passed
    over.

    Raises ValueError if there are checkpoints and all are damaged.
    """
    folder = checks.path("folder", folder, "the path of a folder")
    saved = _by_step(folder)
    for step in sorted(saved, reverse=True):
        try:
            checkpoint = load_checkpoint(saved[step])
            said = checkpoint.progress["step"]
            if said == step:
                return checkpoint
            raise ValueError(f"checkpoint {saved[step]} is of step {said}: it was renamed")
        except ValueError as error:
            log.warning("%s; the one before it is tried", error)
    if saved:
        names = ", ".join(sorted(path.name for path in saved.values()))
        raise ValueError(checks.line(f"checkpoints in {folder} are all damaged: {names}"))
    return None


def _crc32(text: str, tensors: dict[str, Tensor]) -> str:
    """Checksum of the progress, the names and the bytes of the tensors; safetensors itself would
    not see a flipped bit.
    """
    crc = zlib.crc32(text.encode())
    for name in sorted(tensors):
        crc = zlib.crc32(name.encode(), crc)
        crc = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, crc)
    return f"{crc:08x}"


# ---- a run's state as tensors --------------------------------------------------------------------


def state_tensors(
    model: nn.Module, optimizer: torch.optim.Optimizer, average: nn.Module | None = None
) -> dict[str, Tensor]:
    """Every tensor that a run needs to go on: "model.*", "optimizer.INDEX.*", and "average.*" if
    there is one.
    """
    tensors = {f"model.{name}": t for name, t in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {
            f"optimizer.{index}.{name}": t for name, t in state.items() if isinstance(t, Tensor)
        }
    if average is not None:
        tensors |= {f"average.{name}": t for name, t in average.state_dict().items()}
    return tensors


def restore_state(
    tensors: dict[str, Tensor],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: nn.Module | None = None,
) -> None:
    """Put what `state_tensors` gave back into a run of the same recipe; learning rates and the like
    stay the recipe's.

    A momentum gets its weight's layout in memory: torch's fused optimizers (2.13, on a CPU) go
    through both as they lie, so that one in another layout would be added to the wrong weights, and
    nothing would say so.
    """
    _check_state(tensors, model, optimizer, average)
    model.load_state_dict(tensors_of(tensors, "model."))
    if average is not None:
        average.load_state_dict(tensors_of(tensors, "average."))
    state: dict[int, dict[str, Tensor]] = {}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for name, t in tensors_of(tensors, "optimizer.").items():
        index, key = name.split(".")
        weight = weights[int(index)]
        state.setdefault(int(index), {})[key] = (
            torch.empty_like(weight.detach()).copy_(t) if t.shape == weight.shape else t
        )
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def _check_state(
    tensors: dict[str, Tensor],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: nn.Module | None,
) -> None:
    """ValueError unless the tensors are just those of such a run."""
    needed = {f"model.{name}": t for name, t in model.state_dict().items()}
    if average is not None:
        needed |= {f"average.{name}": t for name, t in average.state_dict().items()}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    number = re.compile(r"optimizer\.(\d{1,9})\.\w+")
    for name in tensors:
        found = number.fullmatch(name)
        if found and int(found[1]) < len(weights):
            weight = weights[int(found[1])]
            scalar = tensors[name].dim() == 0
            needed[name] = tensors[name] if scalar else weight.detach()
    held = {int(name.split(".")[1]) for name in needed if name.startswith("optimizer.")}
    if held:  # all that learn have a state, or none has
        for index, weight in enumerate(weights):
            if weight.requires_grad and index not in held:
                needed[f"optimizer.{index}"] = weight
    check_fit(tensors, needed, "the checkpoint does not fit the run")


def tensors_of(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose names begin with `prefix`, by the rest of their names."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
