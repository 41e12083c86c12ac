"""Where images lie: a folder a class, parquet files, or a name on the hub, found and checked before
anything is decoded.

What is wrong is a ValueError of one line that begins with "data", the path, and says what would be
right.
"""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from xception_edu.data.images import Content
from xception_edu.data.tables import Table, hub_tables, listed_tables, parquet_tables

log = logging.getLogger(__name__)

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
# words in the name of a file or folder, and the part that they mean; of the held-out parts the
# first is taken
PARTS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}


class Part(NamedTuple):
    """The training or the held-out images: their files, what to call each in an error, and their
    labels.

    Labels are int64 (N,), or float (N, classes) of zeros and ones where an image may have several.
    """

    contents: Sequence[Content]
    names: Sequence[str]
    labels: Tensor

    def only(self, index: Sequence[int]) -> "Part":
        """The images of these numbers."""
        return Part(
            [self.contents[i] for i in index],
            [self.names[i] for i in index],
            self.labels[list(index)],
        )


class Found(NamedTuple):
    """Both parts of a data set, and the names of its classes."""

    train: Part
    test: Part
    classes: tuple[str, ...]


def find(data: str | os.PathLike[str], *, many: bool = False, held_out_share: float = 0.1) -> Found:
    """The images at `data`: a folder, .parquet files (one, a folder of them, or TRAIN,TEST), or a
    name on the hub.

    A folder has a folder a class, below train/ and val/ or test/ if it has these; or images with a
    metadata.jsonl beside them, a line an image: {"file_name": "a.jpg", "labels": ["cat", "dog"]}.

    `many` makes labels of zeros and ones a class. Where no part is held out, a share of each class
    is, always the same one, and a warning says so. ValueError if something is missing, or does not
    fit.
    """
    where, path = os.fspath(data), Path(data)
    if "," in where and not path.exists():
        tables = parquet_tables(where, dict(zip(("train", "test"), _pair(where), strict=True)))
    elif path.is_dir():
        parquet = split_by_name(sorted(path.rglob("*.parquet")), path)
        listed = split_by_name(sorted(path.rglob("metadata.jsonl")), path)
        if not parquet and not listed:
            return _from_folder(path, many, held_out_share)
        tables = parquet_tables(where, parquet) if parquet else listed_tables(where, listed)
    elif path.is_file():
        if path.suffix != ".parquet":
            raise ValueError(
                f"data is {where!r}, but must be a folder, a .parquet file or .tar shards"
            )
        tables = parquet_tables(where, {"train": [path]})
    elif re.fullmatch(r"[\w-]+(\.[\w-]+)*/[\w-]+(\.[\w-]+)*(:[\w.-]+)?", where):
        tables = hub_tables(where, PARTS)
    else:
        raise ValueError(f"data is {where!r}, but must be there: no such file or folder")
    return _from_tables(where, tables, many, held_out_share)


def _pair(where: str) -> list[list[Path]]:
    pair = [Path(name) for name in where.split(",")]
    if len(pair) != 2 or not all(path.is_file() and path.suffix == ".parquet" for path in pair):
        raise ValueError(
            f"data is {where!r}, but must be two .parquet files that are there, TRAIN,TEST"
        )
    return [[path] for path in pair]


def part_of(name: str) -> str | None:
    """Which part a file or folder of that name belongs to: "train", "validation", "test", or none
    by its name.
    """
    words = re.split(r"[^a-z]+", name.lower())
    return next((part for part, meaning in PARTS.items() if set(meaning) & set(words)), None)


def split_by_name(paths: Iterable[Path], root: Path) -> dict[str, list[Path]]:
    """Files by the part that their names, or their folders' below `root`, speak of: "train" and at
    most one held-out part.
    """
    by_part: dict[str, list[Path]] = {}
    for path in paths:
        found = [part for name in reversed(path.relative_to(root).parts) if (part := part_of(name))]
        by_part.setdefault(found[0] if found else "", []).append(path)
    if "" in by_part:  # without a word: the training images, unless some files say that they are
        by_part.setdefault("train", by_part.pop(""))
        by_part.pop("", None)
    return chosen_parts(by_part, str(root)) if by_part else {}


def chosen_parts(by_part: dict, where: str) -> dict:
    """The training part and the first of the held-out ones; ValueError without a training part."""
    if "train" not in by_part:
        raise ValueError(
            f"data is {where!r}, but must have a training part; it has {', '.join(sorted(by_part))}"
        )
    held_out = [part for part in PARTS if part in by_part][1:]
    if len(held_out) > 1:
        log.warning(
            "%s: held out is its part %s; %s is left alone",
            where,
            held_out[0],
            ", ".join(held_out[1:]),
        )
    return {"train": by_part["train"]} | {part: by_part[part] for part in held_out[:1]}


# ---- a folder a class ----------------------------------------------------------------------------


def _from_folder(path: Path, many: bool, held_out_share: float) -> Found:
    where = str(path)
    folders = {part: folder for folder in _subfolders(path) if (part := part_of(folder.name))}
    # and is no class of that name, of toy trains say
    in_parts = "train" in folders and _subfolders(folders["train"])
    parts = chosen_parts(folders, where) if in_parts else {"train": path}
    files = {part: _files_by_class(folder, where) for part, folder in parts.items()}
    classes = tuple(files["train"])
    for part, by_class in files.items():
        if tuple(by_class) != classes:
            raise ValueError(_unlike(where, "classes", classes, part, tuple(by_class)))
    if len(classes) < 2:
        raise ValueError(
            f"data is {where!r}, but must have a folder a class, two or more; it has"
            f" {list(classes) or 'none'}"
        )
    made = [_folder_part(by_class, many) for by_class in files.values()]
    return _two_parts(where, made, classes, held_out_share)


def _subfolders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))


def _files_by_class(folder: Path, where: str) -> dict[str, list[Path]]:
    by_class = {}
    for sub in _subfolders(folder):
        by_class[sub.name] = sorted(
            p for p in sub.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
        )
    if not any(by_class.values()):
        loose = any(p.suffix.lower() in SUFFIXES for p in folder.iterdir())
        said = (
            "its images must lie in a folder a class"
            if loose
            else f"must have images ({' '.join(SUFFIXES)})"
        )
        raise ValueError(
            f"data is {where!r}, but {said}: there are none in the folders of {folder}"
        )
    for name, files in by_class.items():
        if not files:
            raise ValueError(
                f"data is {where!r}, but every class must have images: the folder {folder / name}"
                " has none"
            )
    return by_class


def _folder_part(by_class: dict[str, list[Path]], many: bool) -> Part:
    files = [str(path) for paths in by_class.values() for path in paths]
    numbers = [number for number, paths in enumerate(by_class.values()) for _ in paths]
    return Part(files, files, labels_tensor(numbers, len(by_class), many))


# ---- tables --------------------------------------------------------------------------------------


def _from_tables(where: str, tables: dict[str, Table], many: bool, held_out_share: float) -> Found:
    train = tables["train"]
    for part, table in tables.items():
        if table.class_names != train.class_names:
            raise ValueError(
                _unlike(
                    where, "class names", train.class_names or (), part, table.class_names or ()
                )
            )
    classes = train.class_names or _named_by_values(tables.values())
    made = [
        Part(t.contents, t.names, _table_labels(where, part, t, classes, many))
        for part, t in tables.items()
    ]
    if len(classes) < 2:
        raise ValueError(
            f"data is {where!r}, but must have two classes or more; it has {list(classes)}"
        )
    _check_none_is_empty(where, made[0].labels, classes)
    return _two_parts(where, made, classes, held_out_share)


def _named_by_values(tables: Iterable[Table]) -> tuple[str, ...]:
    """Names of classes that are only numbers, or only words, in the tables."""
    values = {
        value
        for table in tables
        for label in table.labels
        for value in (label if isinstance(label, list) else [label])
    }
    if all(isinstance(value, int) for value in values):
        return tuple(map(str, range(max(values, default=-1) + 1)))
    return tuple(sorted(map(str, values)))


def _table_labels(
    where: str, part: str, table: Table, classes: tuple[str, ...], many: bool
) -> Tensor:
    """Labels of a table as a tensor; ValueError with the row if one has no class, or several where
    one is asked for.
    """
    numbers, by_name = [], {name: i for i, name in enumerate(classes)}
    for row, label in enumerate(table.labels):
        each = label if isinstance(label, list) else [label]
        each = [by_name.get(value, value) if isinstance(value, str) else value for value in each]
        for value in each:
            if not isinstance(value, int) or not 0 <= value < len(classes):
                bounds = f"an integer from 0 to {len(classes) - 1}"
                raise ValueError(
                    f"data is {where!r}, but row {row} of {part} has the label {value!r}, which"
                    f" must be {bounds}"
                )
        if isinstance(label, list) and not many:
            raise ValueError(
                f"labels is 'one', but must be 'many' for {where}: its rows have lists of labels"
            )
        numbers.append(each if isinstance(label, list) else each[0])
    return labels_tensor(numbers, len(classes), many)


def _check_none_is_empty(where: str, labels: Tensor, classes: tuple[str, ...]) -> None:
    counts = (
        labels.sum(dim=0) if labels.dim() == 2 else torch.bincount(labels, minlength=len(classes))
    )
    empty = [classes[i] for i in (counts == 0).nonzero().flatten().tolist()]
    if empty:
        more = f" and {len(empty) - 3} more" if len(empty) > 3 else ""
        raise ValueError(
            f"data is {where!r}, but no training image has the class"
            f" {', '.join(map(repr, empty[:3]))}{more}"
        )


# ---- both ----------------------------------------------------------------------------------------


def labels_tensor(numbers: Sequence[int | list[int]], classes: int, many: bool) -> Tensor:
    """int64 (N,), or with `many` float (N, classes) with a one for each class of an image."""
    if not many:
        return torch.tensor(numbers, dtype=torch.int64)
    labels = torch.zeros(len(numbers), classes)
    for row, number in enumerate(numbers):
        labels[row, number] = 1.0
    return labels


def _two_parts(
    where: str, parts: list[Part], classes: tuple[str, ...], held_out_share: float
) -> Found:
    if len(parts) == 2:
        return Found(parts[0], parts[1], classes)
    train, test = split_by_share(parts[0].labels, held_out_share, where, classes)
    log.warning(
        "%s has no held-out part: %s of its %s images are held out",
        where,
        len(test),
        len(train) + len(test),
    )
    return Found(parts[0].only(train), parts[0].only(test), classes)


def split_by_share(
    labels: Tensor, share: float, where: str, classes: Sequence[str]
) -> tuple[list[int], list[int]]:
    """Numbers of the images to train with and to hold out, always the same: of each class its
    share, but one at least.

    Images with several labels are shared out as one class. ValueError if a class has but one image.
    """
    keys = labels.tolist() if labels.dim() == 1 else [-1] * len(labels)
    for key, count in Counter(keys).items():
        if count < 2:
            said = (
                f"class {classes[key]!r} has 1 image, but must have at least 2"
                if key >= 0
                else "it has 1 image"
            )
            raise ValueError(
                f"data is {where!r}, but has no held-out part, and {said}: one to train with, one"
                " to hold out"
            )
    order = torch.randperm(len(keys), generator=torch.Generator().manual_seed(0)).tolist()
    wanted = {
        key: min(count - 1, max(1, round(share * count))) for key, count in Counter(keys).items()
    }
    test = []
    for i in order:
        if wanted[keys[i]]:
            wanted[keys[i]] -= 1
            test.append(i)
    held = set(test)
    return [i for i in range(len(keys)) if i not in held], sorted(test)


def _unlike(
    where: str, what: str, ours: tuple[str, ...], part: str, theirs: tuple[str, ...]
) -> str:
    only = [
        f"{sorted(set(a) - set(b))[:3]} only in {name}"
        for a, b, name in ((ours, theirs, "train"), (theirs, ours, part))
    ]
    differs = (
        "; ".join(text for text in only if not text.startswith("[]")) or "they are in another order"
    )
    return f"data is {where!r}, but the {what} of train and {part} must be the same: {differs}"
