"""Tables of images and labels, read by Hugging Face's `datasets`: parquet files and the hub."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from xception_edu import checks
from xception_edu.data.folder_tree import class_name
from xception_edu.data.images import Content
from xception_edu.data.refusals import refusal
from xception_edu.data.splits import SPLIT_WORDS

IMAGE_COLUMNS = ("image", "img", "jpg", "png", "webp", "picture")
LABEL_COLUMNS = ("label", "labels", "cls", "class", "fine_label", "json")
# hf://OWNER/NAME or hf://OWNER/NAME:CONFIGURATION
HUB_NAME = re.compile(
    r"hf://(?:datasets/)?([\w-]+(?:\.[\w-]+)*/[\w-]+(?:\.[\w-]+)*)(?::([\w.-]+))?"
)
HUB_HINT = "; --data may also be a local copy, a folder of .parquet files"


class Table(NamedTuple):
    """The rows of a table, column by column."""

    contents: Sequence[Content]
    names: Sequence[str]  # what to call each row in an error
    labels: list[Any]  # as they stand
    class_names: tuple[str, ...] | None


def datasets_library() -> ModuleType:
    """Hugging Face's `datasets`, loaded with the first table; ValueError where it is missing."""
    return checks.extra("datasets", "data", "a table or a stream of images")


def parquet_tables(where: str, files: Mapping[str, list[str]]) -> dict[str, Table]:
    """A table for each split, from its parquet files; ValueError if one cannot be read.

    `datasets` keeps copies in its cache.
    """
    datasets = datasets_library()
    tables = {}
    for split, paths in files.items():
        data_files = {split: paths}
        with _quiet(datasets), one_line_errors(where):
            rows = datasets.load_dataset("parquet", data_files=data_files, split=split)
        tables[split] = read_table(rows, where, split)
    return tables


def hub_tables(where: str) -> tuple[dict[str, Table], Counter[str]]:
    """The training and the validation table of hf://OWNER/NAME[:CONFIGURATION].

    And how many splits are left out.
    """
    datasets = datasets_library()
    with one_line_errors(where, HUB_HINT):
        on_hub = datasets.load_dataset(*name_on_hub(where))
    names = hub_splits(list(on_hub), where)
    tables = {split: read_table(on_hub[name], where, split) for split, name in names.items()}
    return tables, Counter(f"split {name}" for name in on_hub if name not in names.values())


def name_on_hub(where: str) -> tuple[str, str | None]:
    """OWNER/NAME and, if it is given, the configuration of a HUB_NAME."""
    found = HUB_NAME.fullmatch(where)
    return (found[1], found[2]) if found else (where, None)


def hub_splits(names: Sequence[str], where: str) -> dict[str, str]:
    """What the hub calls the training split, and the first of those for validation."""
    splits: dict[str, str] = {}
    for split, meaning in SPLIT_WORDS.items():
        found = [name for name in meaning if name in names]
        if found and len(splits) < 2:
            splits[split] = found[0]
    if "train" not in splits:
        raise refusal(where, f"must have a training split; it has {', '.join(names)}")
    return splits


def read_table(rows: Any, where: str, split: str) -> Table:
    """The columns that hold images and labels."""
    image, label = columns(rows.features, where)
    names = class_names(rows.features[label])
    return Table(
        Column(rows.data.column(image)),
        RowNames(where, split, rows.num_rows),
        rows.data.column(label).to_pylist(),
        names,
    )


def columns(features: Mapping[str, Any], where: str) -> tuple[str, str]:
    """Names of the image column and of the label column; ValueError if they cannot be told."""
    datasets = datasets_library()
    images = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    images = images or [name for name in IMAGE_COLUMNS if name in features]
    labels = [name for name in LABEL_COLUMNS if name in features]
    labels = labels or [
        name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)
    ]
    for what, candidates in (("image", images), ("label", labels)):
        if not candidates:
            raise refusal(
                where, f"must have a column {what}; its columns are {', '.join(features)}"
            )
    return images[0], labels[0]


def class_names(feature: Any) -> tuple[str, ...] | None:
    """Names of the classes of a label column, or of the items of its lists.

    None where it is of plain numbers or words.
    """
    names = getattr(getattr(feature, "feature", feature), "names", None)
    return None if names is None else tuple(map(class_name, names))


class Column(Sequence[Content]):
    """The image column of a table, read row by row from the disk: each file's bytes, or path."""

    def __init__(self, column: Any):
        self.column = column

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, row: int) -> Content:  # type: ignore[override]
        return content_of(self.column[row].as_py())


def content_of(value: Any) -> Content:
    """An image file as tables hold it: its bytes, alone or beside a path, or the path.

    Empty bytes where there is nothing.
    """
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    return value or b""


class RowNames(Sequence[str]):
    """What to call the rows of a table in an error."""

    def __init__(self, where: str, split: str, rows: int):
        self.where, self.split, self.rows = where, split, rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> str:  # type: ignore[override]
        return f"{self.where}, row {row} of {self.split}"


@contextmanager
def _quiet(datasets: ModuleType) -> Iterator[None]:
    """Without `datasets`' progress bars: local files are read in seconds."""
    shown = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not shown:
            datasets.enable_progress_bars()


@contextmanager
def one_line_errors(where: str, hint: str = "") -> Iterator[None]:
    """What `datasets` and the hub raise as a ValueError of one line.

    They have dozens of kinds of errors, and warn of each retry.
    """
    from huggingface_hub.utils import logging as of_the_hub

    verbosity, of_datasets = of_the_hub.get_verbosity(), logging.getLogger("datasets")
    level = of_datasets.level
    of_the_hub.set_verbosity_error()
    of_datasets.setLevel(logging.CRITICAL)  # it logs what it then raises
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and (place := _unwritable(error)):
            right = "HF_HOME may name another folder for what is read from tables and the hub"
            what = f"{place} cannot be written: {error.strerror}; {right}"
            raise refusal(where, what) from error
        cause = error.__cause__ or error
        reason = " ".join(str(cause).split())[:200] or type(cause).__name__
        raise refusal(where, f"cannot be read: {reason}{hint}") from error
    finally:
        of_the_hub.set_verbosity(verbosity)
        of_datasets.setLevel(level)


def _unwritable(error: OSError) -> str | None:
    """The place in the cache, or above it, that an error is about; None if it is about another."""
    datasets = datasets_library()
    if not isinstance(error.filename, str) or not os.path.isabs(error.filename):
        return None
    place = Path(error.filename)
    for cache in map(Path, (datasets.config.HF_DATASETS_CACHE, datasets.config.HF_CACHE_HOME)):
        if place.is_relative_to(cache) or cache.is_relative_to(place):
            return error.filename
    return None
