"""Which files are those of training, and which those of validation: by the names of folders.

What could be meant in two ways is refused.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from xception_edu.data.folder_tree import SPLIT_FOLDERS, FolderTree, Parts, class_name
from xception_edu.data.refusals import refusal

# For each split the words in the name of a table that mean it; of the splits after "train" the
# first that is there is the validation.
SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
# A folder of folders that is called nearly as those of splits are is not taken for a class.
NEARLY = re.compile(
    r"(?<![a-z])(train|valid|(val|test|testing|dev|eval|evaluation)(?![a-z]))", re.IGNORECASE
)
LAYOUT = "train/ and beside it val/, valid/, validation/ or test/, each with a folder a class"

ByClass = dict[str, list[Parts]]


# ---- a folder a class ----------------------------------------------------------------------------


def class_folders(tree: FolderTree, where: str) -> tuple[dict[str, ByClass], Counter[str]]:
    """The images of each split by their classes, and how many are left out, by the reason.

    Either below train/ and, if it is there, one of val/, valid/, validation/ and test/, or all in
    "train". ValueError if a class has none, or it cannot be told which folders are meant.
    """
    by_top = _by_folder(tree.images, 0)
    if set(by_top) == {""}:
        raise refusal(where, "its images must lie in a folder a class: they lie in none")
    splits = _split_folders(by_top, where)
    chosen = {
        split: _classes(tree, (folder,), by_top[folder], where) for split, folder in splits.items()
    }
    chosen = chosen or {"train": _classes(tree, (), tree.images, where)}
    left_out = Counter[str]()
    for folder in set(by_top) - set(splits.values()) - {""}:
        if splits:
            left_out[f"in {folder}"] = len(by_top[folder])
    in_classes = sum(len(images) for by_class in chosen.values() for images in by_class.values())
    left_out["in no folder of a class"] = len(tree.images) - in_classes - left_out.total()
    return chosen, +left_out


def _by_folder(images: Iterable[Parts], level: int) -> dict[str, list[Parts]]:
    """Images by the folder of that level in which they lie; "" for those that lie above it."""
    by_folder: dict[str, list[Parts]] = {}
    for parts in images:
        folder = parts[level] if len(parts) > level + 1 else ""
        by_folder.setdefault(folder, []).append(parts)
    return by_folder


def _classes(tree: FolderTree, above: Parts, images: Iterable[Parts], where: str) -> ByClass:
    """The images by their class, whose folder is right below `above`, in the order of the names."""
    by_folder = _by_folder(images, len(above))
    for folder in tree.folders:
        if folder[:-1] == above and folder[-1] not in by_folder:
            raise refusal(
                where, f"every class must have images: the folder {tree.path(folder)} has none"
            )
    by_class: ByClass = {}
    for folder_name in sorted(set(by_folder) - {""}):
        by_class.setdefault(class_name(folder_name), []).extend(by_folder[folder_name])
    return dict(sorted(by_class.items()))


def _split_folders(by_top: Mapping[str, list[Parts]], where: str) -> dict[str, str]:
    """The name of the folder of each split; empty where the folders are those of classes."""
    of_classes = [folder for folder in by_top if folder and _holds_folders(by_top[folder])]
    by_split: dict[str, list[str]] = {}
    for folder in of_classes:
        if split := SPLIT_FOLDERS.get(folder.lower()):
            by_split.setdefault(split, []).append(folder)
    nearly = [
        name for name in of_classes if NEARLY.search(name) and not _holds_images(by_top[name])
    ]
    others = [name for name in by_top if name and not NEARLY.search(name)]
    trains = by_split.get("train", [])
    if trains and (len(by_split) > 1 or (nearly and not others)):
        return {split: _only(by_split[split], split, where) for split in _two(by_split)}
    if nearly and not _is_class_like_others(nearly, others, by_top):
        names = ", ".join(sorted(filter(None, by_top)))
        hint = f"; where classes are the folders in one of them, give {where}/{nearly[0]}"
        right = f"{LAYOUT}, or only folders of classes"
        raise refusal(where, f"must have {right}; it has {names}{hint}")
    return {}


def _is_class_like_others(
    nearly: Sequence[str], others: Sequence[str], by_top: Mapping[str, list[Parts]]
) -> bool:
    """Whether train/, say, is a class though it holds nothing but folders: it is the only one that
    is called as a split is, and among two others or more one is made like it. Folders of the same
    names in both would be those of classes.
    """
    if len(nearly) != 1 or nearly[0].lower() not in SPLIT_FOLDERS or len(others) < 2:
        return False
    inner = {name: set(_by_folder(images, 1)) for name, images in by_top.items() if name}
    alike = [inner[name] for name in others if "" not in inner[name]]
    return bool(alike) and inner[nearly[0]] not in alike


def _holds_images(images: Iterable[Parts]) -> bool:
    return any(len(parts) == 2 for parts in images)


def _holds_folders(images: Iterable[Parts]) -> bool:
    return any(len(parts) > 2 for parts in images)


def _only(folders: Sequence[str], split: str, where: str) -> str:
    if len(folders) > 1:
        names = " and ".join(sorted(folders))
        raise refusal(where, f"must have one folder for {split}; it has {names}")
    return folders[0]


def _two(by_split: Iterable[str]) -> list[str]:
    """The training split and the first one for validation, of those that are there."""
    return [split for split in SPLIT_WORDS if split in set(by_split)][:2]


# ---- tables and shards ---------------------------------------------------------------------------


def split_of(name: str) -> str | None:
    """The split that the name of a file or folder means: "train", "validation", "test", or none."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    return next((split for split, meaning in SPLIT_WORDS.items() if words & set(meaning)), None)


def tables_by_split(
    tables: Iterable[Parts], where: str
) -> tuple[dict[str, list[Parts]], Counter[str]]:
    """Tables by the split that their names, or their folders', mean; and how many are left out.

    "train", and at most one split for validation; tables without any such word are for training,
    unless others are. ValueError if there is no training split, or if two could be meant.
    """
    groups: dict[str, dict[str, list[Parts]]] = {}
    for parts in tables:
        split, name = _split_and_name(parts)
        groups.setdefault(split, {}).setdefault(name, []).append(parts)
    if "train" not in groups and "" in groups:
        groups["train"] = groups.pop("")
    if "train" not in groups:
        raise refusal(where, f"must have a training split; it has {', '.join(sorted(groups))}")
    chosen = {split: _one_group(groups[split], split, where) for split in _two(groups)}
    left_out = Counter[str]()
    for split, by_name in groups.items():
        for name, group in by_name.items():
            if group is not chosen.get(split):
                left_out[f"named {name}" if name else "of no split"] += len(group)
    return chosen, left_out


def _split_and_name(parts: Parts) -> tuple[str, str]:
    """The split that a table is of, "" if none, and the word that says so, without numbers."""
    stem = re.sub(r"(-of-\d+(-[0-9a-f]+)?)?(\.\w+)?$", "", parts[-1].lower())
    for name in (stem, *reversed(parts[:-1])):
        if split := split_of(name):
            return split, "_".join(filter(None, re.split(r"[^a-z]+", name.lower())))
    return "", ""


def _one_group(groups: Mapping[str, list[Parts]], split: str, where: str) -> list[Parts]:
    """The only tables of a split, or else those that are called as splits are."""
    names = list(groups)
    if len(names) > 1:
        names = [name for name in names if name in SPLIT_WORDS[split]]
    if len(names) != 1:
        found = " and ".join(sorted(groups))
        raise refusal(where, f"must have one set of tables for {split}; it has {found}")
    return groups[names[0]]
