"""Tensors out of weight files that a stranger may have sent: HDF5, .keras, .pth and .safetensors.

The first bytes tell the format, not the name. Nothing in a file is run: pickles open with torch's
weights_only and no other way, and from HDF5 only plain numbers that lie in the file itself are
read. What a file declares is held against its size before memory is given to it. Whatever is wrong
becomes a ValueError that names the file.
"""

import functools
import io
import itertools
import json
import logging
import os
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from xception_edu import checks
from xception_edu.weights.notes import class_names

HDF5, ZIP, PICKLE = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\x80"
KERAS_MEMBER, KERAS_CONFIG = "model.weights.h5", "config.json"
# How many times as large as it lies there a part of a .keras may be unpacked, and how much more.
# Keras stores weights as they are; a second zip program makes them a little smaller.
INFLATION, ANYHOW = 4, 2**20
LARGEST_TEXT = 2**24  # bytes of a header or a config; Keras' Xception has 120 kB
MOST_OBJECTS = 10_000  # groups and datasets, or members of a zip; Inception V3 has about 1,500
MOST_PARTS = 10_000  # dictionaries in one another
DEEPEST = 40  # groups in one another: two for each model inside another
LONGEST_NAME = 500  # letters of a weight's name; all that are known have fewer than 150

# Under which names a training keeps the names of its classes beside the weights.
CLASSES = ("classes", "class_names", "labels", "label_names", "class_to_idx", "idx_to_class")
# What a training keeps for its next step.
OF_STEPS = re.compile(r"optim|(lr_)?sched|(grad_|loss_)?scaler|amp", re.I)


class WeightFile(NamedTuple):
    """What a file holds: `kind` is "keras", "torch" or "safetensors".

    `parts` are its dictionaries of tensors, each by its place in the file, which is "" where there
    is only one. `notes` are the file's own words: safetensors' metadata, for Keras the name of the
    layer behind each group, "classes" where a training saved their names. `model_config` is the
    model as Keras describes it, as JSON; "" where it is not there.
    """

    kind: str
    parts: dict[str, dict[str, Tensor]]
    notes: dict[str, str]
    model_config: str = ""


def read_weight_file(path: str | os.PathLike[str]) -> WeightFile:
    """All tensors of the file, on the CPU, under their names in it; ValueError names the file."""
    try:
        path = Path(path)
        if not path.is_file():
            what = "is no file" if path.exists() else "does not exist"
            raise ValueError(checks.line(f"path: {path}: {what}, but must be a weight file"))
    except OSError as error:  # a name that is too long, a folder that must not be read
        said = f"path: {path}: {error.strerror}, but must be a weight file"
        raise ValueError(checks.line(said)) from None
    try:
        return _read(path)
    except Exception as error:  # the parsers of four formats raise what they like on broken files
        reason = checks.in_words(error) if isinstance(error, ValueError) else str(error)
        reason = " ".join(reason.split())[:300] or type(error).__name__
        raise ValueError(checks.line(f"{path}: cannot be read as weights: {reason}")) from error


def _read(path: Path) -> WeightFile:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(HDF5):
        return _read_hdf5(path, size)
    if start.startswith(ZIP):
        _check_directory(path, size)
        with zipfile.ZipFile(path) as archive:
            if KERAS_MEMBER in archive.namelist():
                return _read_keras(archive)
            _check_stored(archive, size)
        return _read_torch(path)
    # A .safetensors begins with the length of its header, whose first byte may look like a
    # pickle's.
    fits = 8 + int.from_bytes(start[:8], "little") <= size
    if start[8:9] == b"{" and (fits or not start.startswith(PICKLE)):
        return _read_safetensors(path, int.from_bytes(start[:8], "little"))
    if start.startswith(PICKLE):
        return _read_torch(path)
    found = "is empty" if not start else f"begins with {start[:8]!r}"
    raise ValueError(f"{found}, but must be .h5, .keras, .pth or .safetensors")


def _read_safetensors(path: Path, header: int) -> WeightFile:
    from safetensors import safe_open

    if header > LARGEST_TEXT:
        raise ValueError(f"its header has {header} bytes, but at most {LARGEST_TEXT} are read")
    with safe_open(path, "pt") as file:
        names = list(file.keys())
        _check_names(names)
        tensors = {name: file.get_tensor(name) for name in names}
        return WeightFile("safetensors", {"": tensors}, dict(file.metadata() or {}))


def _check_names(names: list[str]) -> None:
    if len(names) > MOST_OBJECTS:
        raise ValueError(f"has {len(names)} tensors, but at most {MOST_OBJECTS} are read")
    longest = max(map(len, names), default=0)
    if longest > LONGEST_NAME:
        raise ValueError(f"has a name of {longest} letters, but at most {LONGEST_NAME} are read")


def _check_bytes(declared: int, size: int) -> None:
    if declared > size:
        raise ValueError(f"declares tensors of {declared} bytes, but has only {size}")


# ---- zip -----------------------------------------------------------------------------------------


def _check_directory(path: Path, size: int) -> None:
    """ValueError if the list of a zip's members, which is read whole, is out of all proportion."""
    with path.open("rb") as file:
        file.seek(max(0, size - 2**16 - 22))
        end = file.read()
    place = end.rfind(b"PK\x05\x06")
    if place >= 0 and int.from_bytes(end[place + 12 : place + 16], "little") > LARGEST_TEXT // 8:
        raise ValueError(f"has a directory of too many members; at most {MOST_OBJECTS} are read")


def _check_stored(archive: zipfile.ZipFile, size: int) -> None:
    """ValueError if a .pth would unpack to more than it has; torch stores and never compresses."""
    _check_names(archive.namelist())
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > size:
        raise ValueError(f"unpacks to {unpacked} bytes, but has only {size}")


def _unpacked(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member of a .keras; ValueError if it is much larger than it lies there."""
    member = archive.getinfo(name)
    most = INFLATION * member.compress_size + ANYHOW
    if member.file_size > most:
        raise ValueError(
            f"{name} unpacks to {member.file_size} bytes, but must have at most {most}, a few times"
            f" its {member.compress_size} in the file"
        )
    with archive.open(member) as file:
        return file.read(most)


# ---- torch ---------------------------------------------------------------------------------------


def _read_torch(path: Path) -> WeightFile:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused_objects(path, str(error)) from None
    except RuntimeError as error:
        if "TorchScript" not in str(error):
            raise
        raise ValueError("holds a program (TorchScript), but must hold tensors alone") from None
    if not isinstance(content, dict) or not content:
        raise ValueError(f"holds {type(content).__name__}, but must hold a dictionary of tensors")
    parts = dict(_parts(content, "", itertools.count()))
    if not parts:
        key, value = next(iter(content.items()))
        shown = f"{checks.shown(key)} is {type(value).__name__}"
        raise ValueError(f"{shown}, but must be a dense tensor with a name")
    size = path.stat().st_size
    for tensors in parts.values():
        _check_names(list(tensors))
        _check_bytes(sum(t.numel() * t.element_size() for t in tensors.values()), size)
    return WeightFile("torch", parts, _notes_of(content))


def _refused_objects(path: Path, said: str) -> ValueError:
    """What to say of a pickle with more in it than tensors: which objects these are."""
    names = re.findall(r"GLOBAL ([\w.]+)", said)
    with_all = functools.partial(torch.serialization.get_unsafe_globals_in_checkpoint, path)
    try:
        names = list(dict.fromkeys([*names, *sorted(with_all())]))
    except Exception as error:  # it reads zips alone, and a broken one as it likes
        logging.getLogger(__name__).debug("%s: objects are not listed: %s", path, error)
    if not names:
        return ValueError(f"is no pickle of tensors alone: {' '.join(said.split())[-120:]}")
    shown = ", ".join(name[-60:] for name in names[:3]) + ", ..." * (len(names) > 3)
    return checks.DetailedError(
        f"holds pickled objects ({shown}), which may run any program, but must hold tensors alone:"
        " save model.state_dict() alone",
        names,
    )


def _parts(
    content: Mapping[Any, Any], place: str, number: Iterator[int]
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every dictionary of tensors, by its place; the states of optimizers are none of weights.

    `number` counts them: a small file may hold one in itself over and over.
    """
    if next(number) >= MOST_PARTS:
        raise ValueError(f"holds more than {MOST_PARTS} dictionaries in one another")
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    if tensors:
        for key, tensor in tensors.items():
            if not isinstance(key, str) or tensor.layout is not torch.strided:
                kind = tensor.layout if isinstance(key, str) else "a tensor"
                raise ValueError(
                    f"{checks.shown(key)} is {kind}, but must be dense and have a name"
                )
        yield place, tensors
    for key, value in content.items():
        inside = isinstance(value, Mapping) and isinstance(key, str) and place.count("/") < DEEPEST
        if inside and not OF_STEPS.match(key):
            yield from _parts(value, f"{place}/{key}".lstrip("/"), number)


def _notes_of(content: Mapping[Any, Any]) -> dict[str, str]:
    """The names of the classes, where a training saved them beside the weights."""
    for name in CLASSES:
        try:
            if name in content:
                return {"classes": json.dumps(class_names(content[name]))}
        except ValueError:  # something else by that name, such as labels of images
            continue
    return {}


# ---- Keras ---------------------------------------------------------------------------------------


def _read_keras(archive: zipfile.ZipFile) -> WeightFile:
    content = _unpacked(archive, KERAS_MEMBER)
    file = _read_hdf5(io.BytesIO(content), len(content))
    if KERAS_CONFIG not in archive.namelist():
        return file
    return file._replace(model_config=_unpacked(archive, KERAS_CONFIG).decode("utf-8", "replace"))


def _read_hdf5(file: Path | io.BytesIO, size: int) -> WeightFile:
    h5py = checks.extra("h5py", "weights", "a weight file of Keras")
    arrays: dict[str, Any] = {}
    notes: dict[str, str] = {}
    declared = 0
    with h5py.File(file, "r") as root:
        for count, (name, item) in enumerate(_walk(h5py, root)):
            if count > MOST_OBJECTS:
                raise ValueError(f"has more than {MOST_OBJECTS} groups and datasets")
            if isinstance(item, h5py.Dataset):
                _check_dataset(name, item)
                declared += item.nbytes
                _check_bytes(declared, size)
                arrays[name] = item[()]
            # Keras 3.10 and later note the layer's name here
            elif name.endswith("/vars") and "name" in item.attrs:
                notes[name.removesuffix("/vars")] = str(item.attrs["name"])[:LONGEST_NAME]
        config = _text_of(root, "model_config")
    tensors = {
        name: torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
        for name, array in arrays.items()
    }
    return WeightFile("keras", {"": tensors}, notes, config)


def _text_of(root: Any, name: str) -> str:
    """An attribute as text; "" where there is none."""
    if name not in root.attrs:
        return ""
    value = root.attrs[name]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _walk(
    h5py: ModuleType, group: Any, prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, Any]]:
    """Every group and dataset below a group with its path; ValueError at links out of the file."""
    if len(group) > MOST_OBJECTS:
        raise ValueError(f"{prefix or '/'} has {len(group)} parts, but at most {MOST_OBJECTS}")
    for name in group:
        path = f"{prefix}{name}"
        if len(path) > LONGEST_NAME:
            raise ValueError(
                f"has a name of {len(path)} letters, but at most {LONGEST_NAME} are read"
            )
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{path!r} is a link, but must be a part of the file itself")
        # Hard links can make a group its own child, so depth and number are bounded.
        if depth > DEEPEST:
            raise ValueError(f"{path[-80:]!r} is too deep: at most {DEEPEST} groups in one another")
        if path.split("/")[0] in ("optimizer", "optimizer_weights"):
            continue  # training state
        item = group[name]
        yield path, item
        if isinstance(item, h5py.Group):
            yield from _walk(h5py, item, f"{path}/", depth + 1)


def _check_dataset(name: str, dataset: Any) -> None:
    """ValueError unless it is stored as Keras does, as plain contiguous numbers.

    The other ways to store could read other files, or unpack to any size.
    """
    if dataset.chunks is not None or dataset.external is not None or dataset.is_virtual:
        raise ValueError(
            f"{name!r} is chunked, external or virtual, but must be stored contiguously, as Keras"
            " does"
        )
    if dataset.dtype.kind not in "fiu" or dataset.shape is None:
        raise ValueError(f"{name!r} is of type {dataset.dtype}, but must be numbers")
