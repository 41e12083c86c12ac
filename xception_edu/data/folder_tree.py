"""What lies in a folder: images and tables, without what is hidden or of the system."""

import os
import unicodedata
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from xception_edu.data.image_files import image_suffixes

# Folders that systems and programs make beside everybody's own, whatever they hold, as they are
# called in small letters; and all that begin with a dot.
SYSTEM_FOLDERS = {
    *("@eadir", "@recycle", "@recently-snapshot", "@tmp", "#recycle", "#snapshot"),
    *(
        "lost+found",
        "$recycle.bin",
        "recycler",
        "system volume information",
        "network trash folder",
    ),
    *("temporary items", "__macosx", "__pycache__"),
}
MAX_DEPTH = 100  # folders in one another
REASONS = 6  # that are named in the line of what is left out
# A folder of folders of classes must be called just so, in capital or small letters.
SPLIT_FOLDERS = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
TABLES = (".parquet", ".tar")
LISTS = ("metadata.jsonl", "metadata.csv", "metadata.parquet")

Parts = tuple[str, ...]  # the name of a file below a folder, and of the folders on the way
Place = tuple[int, int]  # of a folder on its disk


class FolderTree(NamedTuple):
    """A folder's files that may be read, by their parts, in alphabetical order."""

    root: Path
    images: list[Parts]
    tables: list[Parts]  # .parquet files and .tar shards
    lists: list[Parts]  # of images with their labels: metadata.jsonl
    folders: list[Parts]  # on the way
    left_out: Counter[str]  # how many files or folders, by the reason

    def path(self, parts: Parts) -> str:
        """Where a file or folder is."""
        return os.path.join(self.root, *parts)


def folder_tree(root: Path) -> FolderTree:
    """All below a folder.

    Linked folders are followed, but none is entered twice below a folder of a class, so that links
    in a circle end. OSError if a folder cannot be read.
    """
    tree = FolderTree(root, [], [], [], [], Counter())
    status = root.stat()
    here = (status.st_dev, status.st_ino)
    _add_folder(tree, (), (here,), {((), here)})
    for files in (tree.images, tree.tables, tree.lists, tree.folders):
        files.sort()
    return tree


def _add_folder(
    tree: FolderTree, parts: Parts, above: tuple[Place, ...], seen: set[tuple[Parts, Place]]
) -> None:
    if len(above) > MAX_DEPTH:
        tree.left_out[f"deeper than {MAX_DEPTH} folders"] += 1
        return
    with os.scandir(tree.path(parts)) as opened:
        entries = list(opened)
    for entry in entries:
        inner, name = (*parts, entry.name), entry.name.lower()
        if name.startswith("."):
            tree.left_out["hidden"] += 1
        elif entry.is_dir():
            status = os.stat(entry.path)
            place = (status.st_dev, status.st_ino)
            of_class = inner[:2] if inner[0].lower() in SPLIT_FOLDERS else inner[:1]
            if name in SYSTEM_FOLDERS:
                tree.left_out[f"named {entry.name}"] += 1
            elif place in above or (of_class, place) in seen:
                tree.left_out["linked to a second time"] += 1
            else:
                seen.add((of_class, place))
                tree.folders.append(inner)
                _add_folder(tree, inner, (*above, place), seen)
        elif entry.is_file():
            _add_file(tree, inner, name)
        else:
            tree.left_out["not regular files"] += 1


def _add_file(tree: FolderTree, parts: Parts, name: str) -> None:
    suffix = os.path.splitext(name)[1]
    if name in LISTS:
        tree.lists.append(parts)
    elif suffix in image_suffixes():
        tree.images.append(parts)
    elif suffix in TABLES:
        tree.tables.append(parts)
    else:
        tree.left_out[f"of suffix {suffix}" if suffix else "without a suffix"] += 1


def class_name(folder: str) -> str:
    """The name of a folder as that of a class: in Unicode's composed form, NFC.

    So that names that look equal are equal, whichever system wrote them.
    """
    readable = os.fsencode(folder).decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", readable)


def summary(left_out: Counter[str]) -> str:
    """What was left out, and why, in words: the most frequent reasons."""
    reasons = [f"{count:,} {reason}" for reason, count in left_out.most_common(REASONS)]
    if more := sum(left_out.values()) - sum(count for _, count in left_out.most_common(REASONS)):
        reasons.append(f"{more:,} more")
    return f"; left out: {', '.join(reasons)}" if reasons else ""
