"""Where images lie: a folder a class, a list of images, parquet files, or a name on the hub.

All is opened and checked before anything is decoded. What is wrong is a ValueError of one line that
begins with "data", the path, and says what would be right.
"""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from xception_edu import checks
from xception_edu.data.folder_tree import (
    SPLIT_FOLDERS,
    FolderTree,
    Parts,
    folder_tree,
    summary,
)
from xception_edu.data.images import Content
from xception_edu.data.labels import (
    check_none_is_empty,
    check_same,
    labels_tensor,
    numbered,
    numbers_of_values,
    split_by_share,
)
from xception_edu.data.lists import is_list, listed_tables
from xception_edu.data.refusals import refusal, shown_names
from xception_edu.data.splits import ByClass, class_folders, tables_by_split
from xception_edu.data.tables import HUB_NAME, Table, hub_tables, parquet_tables

log = logging.getLogger(__name__)

RIGHT = "a folder, a .parquet file, .tar shards or, on the hub, hf://OWNER/NAME"


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


class Source(NamedTuple):
    """What is at a place: which kind of set, and its files."""

    where: str  # as the user says it
    kind: str  # "folder", "lists", "parquet", "shards" or "hub"
    tree: FolderTree  # without files where the set is on the hub
    splits: dict[str, list[Parts]]  # the tables, lists or shards of each split
    left_out: Counter[str]  # files, by the reason


def find_source(data: str | os.PathLike[str]) -> Source:
    """What is at `data`; nothing but the names of files is read. ValueError if it is no set."""
    where = os.fspath(data)
    try:
        if os.path.isdir(where):
            return _in_folder(where, folder_tree(Path(where)))
        if os.path.isfile(where):
            return _in_files(where, {"train": where})
    except OSError as error:
        raise refusal(where, f"cannot be read: {error.strerror} ({error.filename})") from error
    if "," in where:
        return _in_files(where, _pair(where))
    if HUB_NAME.fullmatch(where):
        return Source(where, "hub", _no_tree(where), {}, Counter())
    is_name = HUB_NAME.fullmatch(f"hf://{where}") and not where.startswith(".")
    hint = f"; a set on the hub is hf://{where}" if is_name else ""
    there = "it is no regular file" if os.path.lexists(where) else "no such file or folder"
    raise refusal(where, f"must be there: {there}{hint}")


def _no_tree(where: str) -> FolderTree:
    return FolderTree(Path(where), [], [], [], [], Counter())


def _pair(where: str) -> dict[str, str]:
    train, *others = where.split(",")
    if len(others) != 1 or not all(map(os.path.isfile, (train, *others))):
        raise refusal(where, "must be two .parquet files that are there, TRAIN,TEST")
    return {"train": train, "test": others[0]}


def _in_files(where: str, files: dict[str, str]) -> Source:
    suffixes = {Path(path).suffix for path in files.values()}
    kinds = {".parquet": "parquet", ".tar": "shards"}
    if len(suffixes) > 1 or not suffixes <= set(kinds):
        raise refusal(where, f"must be {RIGHT}")
    splits: dict[str, list[Parts]] = {split: [(path,)] for split, path in files.items()}
    return Source(where, kinds[suffixes.pop()], _no_tree(""), splits, Counter())


def _in_folder(where: str, tree: FolderTree) -> Source:
    """Lists of images before folders of classes, those before parquet files, and those before
    shards; the rest is left out.
    """
    lists = [parts for parts in tree.lists if is_list(where, tree.path(parts))]
    parquet = [parts for parts in tree.tables if parts[-1].lower().endswith(".parquet")]
    shards = [parts for parts in tree.tables if parts[-1].lower().endswith(".tar")]
    candidates = {"lists": lists, "folder": [], "parquet": parquet, "shards": shards}
    top_folders = {parts[0] for parts in tree.images if len(parts) > 1}
    if lists:
        kind = "lists"
    elif len(top_folders) > 1 or not tree.tables:
        kind = "folder"
    else:
        kind = "parquet" if parquet else "shards"
    left_out = tree.left_out.copy()
    for parts in {*tree.lists, *tree.tables} - set(candidates[kind]):
        left_out[f"of suffix {Path(parts[-1]).suffix.lower()}"] += 1
    splits: dict[str, list[Parts]] = {}
    if kind in ("parquet", "shards"):
        left_out["beside the tables"] += len(tree.images)
    if kind != "folder":
        splits, others = tables_by_split(candidates[kind], where)
        left_out += others
    return Source(where, kind, tree, splits, +left_out)


def open_images(
    data: str | os.PathLike[str] | Source,
    *,
    multi_label: bool = False,
    validation_share: float = 0.1,
) -> ImageSet:
    """The images at `data`: a folder, .parquet files, or a name on the hub.

    A folder has a folder a class, below train/ and val/, valid/, validation/ or test/ if it has
    these; or images with a metadata.jsonl, .csv or .parquet beside them, which names each image and
    its class: {"file_name": "a.jpg", "label": "cat"}, or "labels": ["cat", "dog"]. Parquet files
    are one, a folder of them, or TRAIN,TEST; a set on the hub is hf://OWNER/NAME[:CONFIGURATION].

    `multi_label` makes labels of zeros and ones a class. Where there is no split for validation, a
    share of each class is, always the same one. One line of the log says what is used and what is
    left out. ValueError if something is missing, or does not fit.
    """
    source = data if isinstance(data, Source) else find_source(data)
    where, left_out = source.where, source.left_out
    if source.kind == "folder":
        if not source.tree.images:
            raise refusal(where, f"must have images: it has none{summary(left_out)}")
        chosen, others = class_folders(source.tree, where)
        splits, classes = _of_folders(source, chosen, multi_label)
        left_out = left_out + others
    else:
        tables, others = _tables_of(source)
        splits, classes = _of_tables(where, tables, multi_label)
        left_out = left_out + others
    return _image_set(where, splits, classes, validation_share, left_out)


# ---- a folder a class ----------------------------------------------------------------------------


def _of_folders(
    source: Source, chosen: dict[str, ByClass], multi_label: bool
) -> tuple[list[Split], tuple[str, ...]]:
    where, tree = source.where, source.tree
    classes = tuple(chosen["train"])
    for split, by_class in chosen.items():
        check_same(where, "classes", classes, split, tuple(by_class))
    if len(classes) < 2:
        raise refusal(
            where, f"must have a folder a class, two or more; it has {shown_names(classes)}"
        )
    splits = []
    for by_class in chosen.values():
        files = [tree.path(parts) for images in by_class.values() for parts in images]
        numbers = [number for number, images in enumerate(by_class.values()) for _ in images]
        splits.append(Split(files, files, labels_tensor(numbers, len(classes), multi_label)))
    return splits, classes


# ---- tables --------------------------------------------------------------------------------------


def _tables_of(source: Source) -> tuple[dict[str, Table], Counter[str]]:
    if source.kind == "hub":
        return hub_tables(source.where)
    if source.kind == "lists":
        return listed_tables(source.where, source.tree, source.splits)
    if source.kind == "shards":
        raise refusal(source.where, "must be read as a stream: it has .tar shards")
    files = {split: list(map(source.tree.path, tables)) for split, tables in source.splits.items()}
    return parquet_tables(source.where, files), Counter()


def _of_tables(
    where: str, tables: dict[str, Table], multi_label: bool
) -> tuple[list[Split], tuple[str, ...]]:
    ours = tables["train"].class_names
    for split, table in tables.items():
        check_same(where, "class names", ours or (), split, table.class_names or ())
    if ours is None:
        labels = {split: table.labels for split, table in tables.items()}
        numbers = numbers_of_values(where, labels)
    else:
        numbers = {number: number for number in range(len(ours))}
    classes = tuple(map(str, numbers)) if ours is None else ours
    if len(classes) < 2:
        raise refusal(where, f"must have two classes or more; it has {shown_names(classes)}")
    splits = []
    for split, table in tables.items():
        found = numbered(where, split, table.labels, numbers, multi_label)
        splits.append(Split(table.contents, table.names, found))
    check_none_is_empty(where, splits[0].labels, classes)
    return splits, classes


# ---- both ----------------------------------------------------------------------------------------


def _image_set(
    where: str,
    splits: list[Split],
    classes: tuple[str, ...],
    validation_share: float,
    left_out: Counter[str],
) -> ImageSet:
    """The training and the validation images; one line says how many, and what is left out."""
    taken = ""
    if len(splits) < 2:
        [images] = splits
        train, validation = split_by_share(images.labels, validation_share, where, classes)
        splits = [images.only(train), images.only(validation)]
        taken = f" (it has no validation split: a share of {validation_share:g} is taken for it)"
    sizes = [len(split.contents) for split in splits]
    like_splits = [name for name in classes if name.lower() in SPLIT_FOLDERS]
    named = f" ({shown_names(like_splits)} among them)" if like_splits else ""
    say_what_is_used(
        f"{where}: train {sizes[0]:,} images of {len(classes):,} classes{named}, validation"
        f" {sizes[1]:,}{taken}",
        left_out,
    )
    return ImageSet(splits[0], splits[1], classes)


def say_what_is_used(line: str, left_out: Counter[str]) -> None:
    """Log one line of what is used, and of what is left out and why; of several processes once."""
    if os.environ.get("RANK", "0") == "0":
        log.warning("%s", checks.line(line + summary(left_out)))
