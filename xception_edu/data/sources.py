"""Where images lie: a folder a class, parquet files, or a name on the hub.

All is opened and checked before anything is decoded. What is wrong is a ValueError of one line that
begins with "data", the path, and says what would be right.
"""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from xception_edu.data.images import Content
from xception_edu.data.splits import SPLIT_WORDS, chosen_splits, paths_by_split, split_of
from xception_edu.data.tables import Table, hub_tables, listed_tables, parquet_tables

log = logging.getLogger(__name__)

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
# OWNER/NAME or OWNER/NAME:CONFIGURATION
HUB_NAME = re.compile(r"[\w-]+(\.[\w-]+)*/[\w-]+(\.[\w-]+)*(:[\w.-]+)?")


class Split(NamedTuple):
    """The training or the validation images of a set."""

    contents: Sequence[Content]
    names: Sequence[str]  # what to call each image in an error
    labels: Tensor  # int64 (N,), or zeros and ones (N, classes) where an image may have several

    def only(self, index: Sequence[int]) -> "Split":
        """The images of these numbers."""
        return Split(
            [self.contents[i] for i in index],
            [self.names[i] for i in index],
            self.labels[list(index)],
        )


class ImageSet(NamedTuple):
    """Both splits of a data set, undecoded, and the names of its classes."""

    train: Split
    validation: Split
    classes: tuple[str, ...]


def open_images(
    data: str | os.PathLike[str], *, multi_label: bool = False, validation_share: float = 0.1
) -> ImageSet:
    """The images at `data`: a folder, .parquet files, or a name on the hub.

    Parquet files are one, a folder of them, or TRAIN,TEST. A folder has a folder a class, below
    train/ and val/ or test/ if it has these; or images with a metadata.jsonl beside them, a line an
    image: {"file_name": "a.jpg", "labels": ["cat", "dog"]}.

    `multi_label` makes labels of zeros and ones a class. Where there is no split for validation, a
    share of each class is, always the same one, and a warning says so. ValueError if something is
    missing, or does not fit.
    """
    where, path = os.fspath(data), Path(data)
    if path.is_dir():
        parquet = paths_by_split(sorted(path.rglob("*.parquet")), path)
        listed = paths_by_split(sorted(path.rglob("metadata.jsonl")), path)
        if not parquet and not listed:
            return _from_folder(path, multi_label, validation_share)
        tables = parquet_tables(where, parquet) if parquet else listed_tables(where, listed)
    elif path.is_file():
        if path.suffix != ".parquet":
            raise ValueError(
                f"data is {where!r}, but must be a folder, a .parquet file or .tar shards"
            )
        tables = parquet_tables(where, {"train": [path]})
    elif "," in where:
        tables = parquet_tables(where, _pair(where))
    elif HUB_NAME.fullmatch(where):
        tables = hub_tables(where, SPLIT_WORDS)
    else:
        raise ValueError(f"data is {where!r}, but must be there: no such file or folder")
    return _from_tables(where, tables, multi_label, validation_share)


def _pair(where: str) -> dict[str, list[Path]]:
    pair = [Path(name) for name in where.split(",")]
    if len(pair) != 2 or not all(path.is_file() and path.suffix == ".parquet" for path in pair):
        raise ValueError(
            f"data is {where!r}, but must be two .parquet files that are there, TRAIN,TEST"
        )
    train, test = pair
    return {"train": [train], "test": [test]}


# ---- a folder a class ----------------------------------------------------------------------------


def _from_folder(path: Path, multi_label: bool, validation_share: float) -> ImageSet:
    where = str(path)
    folders = {split: folder for folder in _subfolders(path) if (split := split_of(folder.name))}
    # and is no class of that name, of toy trains say
    in_splits = "train" in folders and _subfolders(folders["train"])
    chosen = chosen_splits(folders, where) if in_splits else {"train": path}
    files = {split: _files_by_class(folder, where) for split, folder in chosen.items()}
    classes = tuple(files["train"])
    for split, by_class in files.items():
        if tuple(by_class) != classes:
            raise ValueError(_unlike(where, "classes", classes, split, tuple(by_class)))
    if len(classes) < 2:
        raise ValueError(
            f"data is {where!r}, but must have a folder a class, two or more; it has"
            f" {list(classes) or 'none'}"
        )
    splits = [_folder_split(by_class, multi_label) for by_class in files.values()]
    return _image_set(where, splits, classes, validation_share)


def _subfolders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _files_by_class(folder: Path, where: str) -> dict[str, list[Path]]:
    by_class = {sub.name: sorted(filter(_is_image, sub.rglob("*"))) for sub in _subfolders(folder)}
    if not any(by_class.values()):
        needed = f"must have images ({' '.join(SUFFIXES)})"
        if any(p.suffix.lower() in SUFFIXES for p in folder.iterdir()):
            needed = "its images must lie in a folder a class"
        raise ValueError(
            f"data is {where!r}, but {needed}: there are none in the folders of {folder}"
        )
    for name, files in by_class.items():
        if not files:
            raise ValueError(
                f"data is {where!r}, but every class must have images: the folder {folder / name}"
                " has none"
            )
    return by_class


def _folder_split(by_class: dict[str, list[Path]], multi_label: bool) -> Split:
    files = [str(path) for paths in by_class.values() for path in paths]
    numbers = [number for number, paths in enumerate(by_class.values()) for _ in paths]
    return Split(files, files, labels_tensor(numbers, len(by_class), multi_label))


# ---- tables --------------------------------------------------------------------------------------


def _from_tables(
    where: str, tables: dict[str, Table], multi_label: bool, validation_share: float
) -> ImageSet:
    ours = tables["train"].class_names
    for split, table in tables.items():
        theirs = table.class_names
        if theirs != ours:
            raise ValueError(_unlike(where, "class names", ours or (), split, theirs or ()))
    classes = ours or _named_by_values(tables.values())
    splits = []
    for split, table in tables.items():
        labels = _table_labels(where, split, table, classes, multi_label)
        splits.append(Split(table.contents, table.names, labels))
    if len(classes) < 2:
        raise ValueError(
            f"data is {where!r}, but must have two classes or more; it has {list(classes)}"
        )
    _check_none_is_empty(where, splits[0].labels, classes)
    return _image_set(where, splits, classes, validation_share)


def _listed(label: Any) -> list[Any]:
    """The labels of a row: a list, or one."""
    return label if isinstance(label, list) else [label]


def _named_by_values(tables: Iterable[Table]) -> tuple[str, ...]:
    """Names of classes that are only numbers, or only words, in the tables."""
    values: set[Any] = set()
    for table in tables:
        for label in table.labels:
            values.update(_listed(label))
    if all(isinstance(value, int) for value in values):
        return tuple(map(str, range(max(values, default=-1) + 1)))
    return tuple(sorted(map(str, values)))


def _table_labels(
    where: str, split: str, table: Table, classes: tuple[str, ...], multi_label: bool
) -> Tensor:
    """Labels of a table as a tensor.

    ValueError with the row if one has no class, or several where one is asked for.
    """
    by_name = {name: i for i, name in enumerate(classes)}
    labels: list[Any] = []
    for row, label in enumerate(table.labels):
        numbers = [by_name.get(v, v) if isinstance(v, str) else v for v in _listed(label)]
        for number in numbers:
            if not isinstance(number, int) or not 0 <= number < len(classes):
                raise ValueError(
                    f"data is {where!r}, but row {row} of {split} has the label {number!r}, which"
                    f" must be an integer from 0 to {len(classes) - 1}"
                )
        if isinstance(label, list) and not multi_label:
            raise ValueError(
                f"labels is 'one', but must be 'many' for {where}: its rows have lists of labels"
            )
        labels.append(numbers if isinstance(label, list) else numbers[0])
    return labels_tensor(labels, len(classes), multi_label)


def _check_none_is_empty(where: str, labels: Tensor, classes: tuple[str, ...]) -> None:
    if labels.dim() == 2:
        counts = labels.sum(dim=0)
    else:
        counts = torch.bincount(labels, minlength=len(classes))
    empty = [classes[i] for i in (counts == 0).nonzero().flatten().tolist()]
    if empty:
        more = f" and {len(empty) - 3} more" if len(empty) > 3 else ""
        raise ValueError(
            f"data is {where!r}, but no training image has the class"
            f" {', '.join(map(repr, empty[:3]))}{more}"
        )


# ---- both ----------------------------------------------------------------------------------------


def labels_tensor(numbers: Sequence[int | list[int]], classes: int, multi_label: bool) -> Tensor:
    """int64 (N,), or if `multi_label` float (N, classes) with a one for each class of an image."""
    if not multi_label:
        return torch.tensor(numbers, dtype=torch.int64)
    labels = torch.zeros(len(numbers), classes)
    for row, number in enumerate(numbers):
        labels[row, number] = 1.0
    return labels


def _image_set(
    where: str, splits: list[Split], classes: tuple[str, ...], validation_share: float
) -> ImageSet:
    if len(splits) == 2:
        return ImageSet(splits[0], splits[1], classes)
    [images] = splits
    train, validation = split_by_share(images.labels, validation_share, where, classes)
    log.warning(
        "%s has no validation split: %s of its %s images are taken for it",
        where,
        len(validation),
        len(train) + len(validation),
    )
    return ImageSet(images.only(train), images.only(validation), classes)


def split_by_share(
    labels: Tensor, share: float, where: str, classes: Sequence[str]
) -> tuple[list[int], list[int]]:
    """Numbers of the images to train with and to validate with, always the same.

    Of each class its share, but one at least; images with several labels are shared out as one
    class. ValueError if a class has but one image.
    """
    keys = labels.tolist() if labels.dim() == 1 else [-1] * len(labels)
    counts = Counter(keys)
    for key, count in counts.items():
        if count < 2:
            lone = "it has 1 image"
            if key >= 0:
                lone = f"class {classes[key]!r} has 1 image, but must have at least 2"
            raise ValueError(
                f"data is {where!r}, but has no validation split, and {lone}: one to train with,"
                " one to validate with"
            )
    order = torch.randperm(len(keys), generator=torch.Generator().manual_seed(0)).tolist()
    missing = {key: min(n - 1, max(1, round(share * n))) for key, n in counts.items()}
    validation = set()
    for i in order:
        if missing[keys[i]]:
            missing[keys[i]] -= 1
            validation.add(i)
    return [i for i in range(len(keys)) if i not in validation], sorted(validation)


def _unlike(
    where: str, what: str, ours: tuple[str, ...], split: str, theirs: tuple[str, ...]
) -> str:
    differences = []
    for a, b, name in ((ours, theirs, "train"), (theirs, ours, split)):
        if only := sorted(set(a) - set(b))[:3]:
            differences.append(f"{only} only in {name}")
    differs = "; ".join(differences) or "they are in another order"
    return f"data is {where!r}, but the {what} of train and {split} must be the same: {differs}"
