"""Which files are those of training, and which those of validation: by words in their names."""

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

log = logging.getLogger(__name__)

# For each split the words in the name of a file or folder that mean it; of the splits after "train"
# the first that is there is the validation.
SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}

Files = TypeVar("Files")  # of a split: a folder, or a list of files


def split_of(name: str) -> str | None:
    """The split that the name of a file or folder means: "train", "validation", "test", or none."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    return next((split for split, meaning in SPLIT_WORDS.items() if words & set(meaning)), None)


def paths_by_split(paths: Iterable[Path], root: Path) -> dict[str, list[Path]]:
    """Files by the split that their names, or their folders' below `root`, mean.

    "train", and at most one split for validation.
    """
    by_split: dict[str, list[Path]] = {}
    for path in paths:
        splits = map(split_of, reversed(path.relative_to(root).parts))
        by_split.setdefault(next(filter(None, splits), ""), []).append(path)
    if "" in by_split:  # without a word: the training images, unless some files say that they are
        by_split.setdefault("train", by_split.pop(""))
        by_split.pop("", None)
    return chosen_splits(by_split, str(root)) if by_split else {}


def chosen_splits(by_split: Mapping[str, Files], where: str) -> dict[str, Files]:
    """The training split and the first one for validation; ValueError without a training split."""
    if "train" not in by_split:
        raise ValueError(
            f"data is {where!r}, but must have a training split; it has"
            f" {', '.join(sorted(by_split))}"
        )
    splits = [split for split in SPLIT_WORDS if split in by_split]
    if len(splits) > 2:
        left = ", ".join(splits[2:])
        log.warning("%s: validation is by its split %s; %s is left alone", where, splits[1], left)
    return {split: by_split[split] for split in splits[:2]}
