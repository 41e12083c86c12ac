"""Labels of images: the classes' names, a number for each, and images shared out by them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from xception_edu import checks
from xception_edu.data.folder_tree import class_name
from xception_edu.data.refusals import refusal, shown_names


def numbers_of_values(where: str, labels: Mapping[str, Iterable[Any]]) -> dict[Any, int]:
    """A number for each different value of the splits' labels, which are all integers or all words.

    Their memory is that of the different ones, however large they are.
    """
    values: set[Any] = set()
    for split, rows in labels.items():
        for row, label in enumerate(rows):
            for value in listed(label):
                if not isinstance(value, int | str) or value == "":
                    raise _bad_label(where, split, row, value, "an integer or a word")
                values.add(value)
    if {-1, 0} <= values:
        raise refusal(
            where,
            "must have no label -1 beside 0, 1, ...: if it means that an image has none, leave the"
            " image out",
        )
    if len({isinstance(value, str) for value in values}) > 1:
        raise refusal(where, "must have either integers or words as labels")
    return {value: number for number, value in enumerate(sorted(values))}


def listed(label: Any) -> list[Any]:
    """The labels of a row, a list or one; words in the form in which they are compared."""
    labels = label if isinstance(label, list) else [label]
    return [class_name(label) if isinstance(label, str) else label for label in labels]


def numbered(
    where: str,
    split: str,
    labels: Iterable[Any],
    numbers: Mapping[Any, int],
    multi_label: bool,
) -> Tensor:
    """The labels of a split's rows as a tensor.

    ValueError with the row if one has no class, or several where one is asked for.
    """
    rows: list[Any] = []
    for row, label in enumerate(labels):
        if isinstance(label, list) and not multi_label:
            raise ValueError(
                checks.line(
                    f"labels is 'one', but must be 'many' for {where}: its rows have lists of"
                    " labels"
                )
            )
        for value in listed(label):
            if not isinstance(value, int | str) or value not in numbers:
                right = f"an integer from 0 to {len(numbers) - 1}"
                raise _bad_label(where, split, row, value, right)
        found = [numbers[value] for value in listed(label)]
        rows.append(found if isinstance(label, list) else found[0])
    return labels_tensor(rows, len(numbers), multi_label)


def _bad_label(where: str, split: str, row: int, value: object, right: str) -> ValueError:
    label = checks.shown(value)
    return refusal(where, f"row {row} of {split} has the label {label}, which must be {right}")


def labels_tensor(numbers: Sequence[int | list[int]], classes: int, multi_label: bool) -> Tensor:
    """int64 (N,), or if `multi_label` float (N, classes) with a one for each class of an image."""
    if not multi_label:
        return torch.tensor(numbers, dtype=torch.int64)
    labels = torch.zeros(len(numbers), classes)
    for row, number in enumerate(numbers):
        labels[row, number] = 1.0
    return labels


def check_none_is_empty(where: str, labels: Tensor, classes: Sequence[str]) -> None:
    """ValueError with the classes that no training image has."""
    if labels.dim() == 2:
        counts = labels.sum(dim=0)
    else:
        counts = torch.bincount(labels, minlength=len(classes))
    empty = [classes[i] for i in (counts == 0).nonzero().flatten().tolist()]
    if empty:
        raise refusal(where, f"no training image has the class {shown_names(empty)}")


def check_same(
    where: str, what: str, ours: Sequence[str], split: str, theirs: Sequence[str]
) -> None:
    """ValueError with the difference if two splits have other classes, or in another order."""
    if tuple(ours) == tuple(theirs):
        return
    differences = []
    for a, b, name in ((ours, theirs, "train"), (theirs, ours, split)):
        if only := sorted(set(a) - set(b)):
            differences.append(f"{shown_names(only)} only in {name}")
    differs = "; ".join(differences) or "they are in another order"
    raise refusal(where, f"the {what} of train and {split} must be the same: {differs}")


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
                name = checks.shown(classes[key])
                lone = f"class {name} has 1 image, but must have at least 2"
            raise refusal(
                where,
                f"has no validation split, and {lone}: one to train with, one to validate with",
            )
    order = torch.randperm(len(keys), generator=torch.Generator().manual_seed(0)).tolist()
    missing = {key: min(n - 1, max(1, round(share * n))) for key, n in counts.items()}
    validation = set()
    for i in order:
        if missing[keys[i]]:
            missing[keys[i]] -= 1
            validation.add(i)
    return [i for i in range(len(keys)) if i not in validation], sorted(validation)
