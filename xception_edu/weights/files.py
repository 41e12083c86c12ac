"""Tensors out of weight files that a stranger may have sent: HDF5, .keras, .pth and .safetensors.

The first bytes tell the format, not the name. Nothing in a file is run: pickles open with torch's
weights_only and no other way, and from HDF5 only plain numbers that lie in the file itself are
read. What a file declares is held against its size before memory is given to it. Whatever is wrong
becomes a ValueError that names the file.
"""

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from xception_edu import checks

HDF5, ZIP, PICKLE = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\x80"
KERAS_MEMBER = "model.weights.h5"
LARGEST_MEMBER = 2**30  # bytes; Xception with both of Adam's moments is 276 MB
MOST_OBJECTS = 20_000  # groups and datasets; Keras' Xception has about 600


class WeightFile(NamedTuple):
    """What a file holds: `kind` is "keras", "torch" or "safetensors".

    `notes` are the file's own words: safetensors' metadata, or for Keras the name of the layer
    behind each group.
    """

    kind: str
    tensors: dict[str, Tensor]
    notes: dict[str, str]


def read_weight_file(path: str | os.PathLike[str]) -> WeightFile:
    """All tensors of the file, on the CPU, under the names that they have in it; ValueError naming
    the file otherwise.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"{path}: {'is no file' if path.exists() else 'does not exist'}, but must be a weight"
            " file"
        )
    try:
        return _read(path)
    except Exception as error:  # the parsers of four formats raise what they like on broken files
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(f"{path}: cannot be read as weights: {reason}") from error


def _read(path: Path) -> WeightFile:
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(HDF5):
        return _read_hdf5(path, path.stat().st_size)
    if start.startswith(ZIP):
        with zipfile.ZipFile(path) as archive:
            if KERAS_MEMBER in archive.namelist():
                return _read_keras(archive)
        return _read_torch(path)
    # A .safetensors begins with the length of its header, whose first byte may look like a
    # pickle's.
    fits = 8 + int.from_bytes(start[:8], "little") <= path.stat().st_size
    if start[8:9] == b"{" and (fits or not start.startswith(PICKLE)):
        return _read_safetensors(path)
    if start.startswith(PICKLE):
        return _read_torch(path)
    found = "is empty" if not start else f"begins with {start[:8]!r}"
    raise ValueError(f"{found}, but must be .h5, .keras, .pth or .safetensors")


def _read_safetensors(path: Path) -> WeightFile:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (the handle is no dict)
        return WeightFile("safetensors", tensors, dict(file.metadata() or {}))


def _read_torch(path: Path) -> WeightFile:
    size = path.stat().st_size
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > size:  # torch stores and never compresses: more is a bomb
                raise ValueError(f"unpacks to {unpacked} bytes, but has only {size}")
    content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]  # a training checkpoint around the weights
    if not isinstance(content, dict) or not content:
        raise ValueError(f"holds {type(content).__name__}, but must hold a dictionary of tensors")
    for name, tensor in content.items():
        if (
            not isinstance(name, str)
            or not isinstance(tensor, Tensor)
            or tensor.layout is not torch.strided
        ):
            raise ValueError(f"{name!r} is {type(tensor).__name__}, but must be a dense tensor")
    if all(name.startswith("module.") for name in content):  # as DataParallel saves them
        content = {name.removeprefix("module."): tensor for name, tensor in content.items()}
    _check_bytes(sum(tensor.numel() * tensor.element_size() for tensor in content.values()), size)
    return WeightFile("torch", content, {})


def _check_bytes(declared: int, size: int) -> None:
    if declared > size:
        raise ValueError(f"declares tensors of {declared} bytes, but has only {size}")


# ---- Keras ---------------------------------------------------------------------------------------


def _read_keras(archive: zipfile.ZipFile) -> WeightFile:
    size = archive.getinfo(KERAS_MEMBER).file_size
    if size > LARGEST_MEMBER:
        raise ValueError(
            f"{KERAS_MEMBER} unpacks to {size} bytes, but must have at most {LARGEST_MEMBER}"
        )
    with archive.open(KERAS_MEMBER) as member:
        content = member.read(size)
    return _read_hdf5(io.BytesIO(content), len(content))


def _read_hdf5(file: Path | io.BytesIO, size: int) -> WeightFile:
    h5py = checks.extra("h5py", "weights", "a weight file of Keras")
    arrays: dict[str, Any] = {}
    notes: dict[str, str] = {}
    declared = 0
    with h5py.File(file, "r") as root:
        for name, item in _walk(root):
            if isinstance(item, h5py.Dataset):
                _check_dataset(name, item)
                declared += item.nbytes
                _check_bytes(declared, size)
                arrays[name] = item[()]
            # Keras 3.10 and later note the layer's name here
            elif name.endswith("/vars") and "name" in item.attrs:
                notes[name.removesuffix("/vars")] = str(item.attrs["name"])
    tensors = {
        name: torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
        for name, array in arrays.items()
    }
    return WeightFile("keras", tensors, notes)


def _walk(group: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every group and dataset below a group with its path; links that lead out of the file are an
    error.
    """
    import h5py

    for count, name in enumerate(group):
        path = f"{prefix}{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{path!r} is a link, but must be a part of the file itself")
        # Hard links can make a group its own child, so depth and number are bounded.
        if depth > 8 or count > MOST_OBJECTS:
            raise ValueError(
                f"{path!r} is too deep or one of too many, but weights lie at most 8 groups deep"
            )
        if path.split("/")[0] in ("optimizer", "optimizer_weights"):
            continue  # training state
        item = group[name]
        yield path, item
        if isinstance(item, h5py.Group):
            yield from _walk(item, f"{path}/", depth + 1)


def _check_dataset(name: str, dataset: Any) -> None:
    """Keras stores plain contiguous numbers; the other ways to store could read other files or
    unpack to any size.
    """
    if dataset.chunks is not None or dataset.external is not None or dataset.is_virtual:
        raise ValueError(
            f"{name!r} is chunked, external or virtual, but must be stored contiguously, as Keras"
            " does"
        )
    if dataset.dtype.kind not in "fiu" or dataset.shape is None:
        raise ValueError(f"{name!r} is of type {dataset.dtype}, but must be numbers")
