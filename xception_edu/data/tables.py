"""Tables of images and labels, read by Hugging Face's `datasets`: parquet files, and data sets of
the hub.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from xception_edu.data.images import Content

IMAGE_COLUMNS = ("image", "img", "jpg", "png", "webp", "picture")
LABEL_COLUMNS = ("label", "labels", "cls", "class", "fine_label", "json")


HUB_HINT = "; --data may also be a local copy, a folder of .parquet files"


class Table(NamedTuple):
    """Rows of a table: the files, what to call each in an error, the labels as they stand, and the
    names of the classes.
    """

    contents: Sequence[Content]
    names: Sequence[str]
    labels: list[Any]
    class_names: tuple[str, ...] | None


def parquet_tables(where: str, files: Mapping[str, list[Path]]) -> dict[str, Table]:
    """A table for each part, from its parquet files; ValueError if one cannot be read. Copies go to
    the cache of `datasets`.
    """
    import datasets

    tables = {}
    for part, paths in files.items():
        with _quiet(), one_line(where):
            rows = datasets.load_dataset(
                "parquet", data_files={part: list(map(str, paths))}, split=part
            )
        tables[part] = read_table(rows, where, part)
    return tables


def listed_tables(where: str, lists: Mapping[str, list[Path]]) -> dict[str, Table]:
    """A table for each part, from a folder of images whose labels stand in a metadata.jsonl."""
    import datasets

    tables = {}
    for part, (listed, *_) in lists.items():
        with _quiet(), one_line(where):
            rows = datasets.load_dataset("imagefolder", data_dir=str(listed.parent), split="train")
        tables[part] = read_table(rows, where, part)
    return tables


def hub_tables(where: str, parts: Mapping[str, Sequence[str]]) -> dict[str, Table]:
    """The training part and a held-out one of a data set on the hub: OWNER/NAME, or
    OWNER/NAME:CONFIGURATION.
    """
    import datasets

    name, _, configuration = where.partition(":")
    with one_line(where, HUB_HINT):
        found = datasets.load_dataset(name, configuration or None)
    return {
        part: read_table(found[split], where, part)
        for part, split in hub_splits(list(found), where, parts).items()
    }


def hub_splits(there: list[str], where: str, parts: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Which split of the hub is which part: train, and the first held-out one that there is."""
    splits = {part: split for part, words in parts.items() for split in there if split in words}
    if "train" not in splits:
        raise ValueError(
            f"data is {where!r}, but must have a training part; it has {', '.join(there)}"
        )
    return dict(list(splits.items())[:2])


def read_table(rows: Any, where: str, part: str) -> Table:
    """The columns that hold images and labels."""
    image, label = columns(rows.features, where)
    names = class_names(rows.features[label])
    return Table(
        Column(rows.data.column(image)),
        RowNames(where, part, rows.num_rows),
        rows.data.column(label).to_pylist(),
        names,
    )


def columns(features: Mapping[str, Any], where: str) -> tuple[str, str]:
    """Names of the image column and of the label column; ValueError if they cannot be told."""
    import datasets

    images = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    images = images or [name for name in IMAGE_COLUMNS if name in features]
    labels = [name for name in LABEL_COLUMNS if name in features]
    labels = labels or [
        name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)
    ]
    for what, found in (("image", images), ("label", labels)):
        if not found:
            raise ValueError(
                f"data is {where!r}, but must have a column {what}; its columns are"
                f" {', '.join(features)}"
            )
    return images[0], labels[0]


def class_names(feature: Any) -> tuple[str, ...] | None:
    """Names of the classes of a label column, None where it is of plain numbers or words; of a
    list, those of its items.
    """
    names = getattr(getattr(feature, "feature", feature), "names", None)
    return None if names is None else tuple(names)


class Column(Sequence):
    """The image column of a table: the bytes of each file, or where it lies. Read row by row, from
    the disk.
    """

    def __init__(self, column: Any):
        self.column = column

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, row: int) -> Content:  # type: ignore[override]
        return content_of(self.column[row].as_py())


def content_of(value: Any) -> Content:
    """The bytes of an image file as tables hold them: alone, or beside a path; empty bytes where
    there is nothing.
    """
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    return value or b""


class RowNames(Sequence):
    """What to call the rows of a table in an error."""

    def __init__(self, where: str, part: str, rows: int):
        self.where, self.part, self.rows = where, part, rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> str:  # type: ignore[override]
        return f"{self.where}, row {row} of {self.part}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without `datasets`' progress bars: local files are read in seconds."""
    import datasets

    shown = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not shown:
            datasets.enable_progress_bars()


@contextmanager
def one_line(where: str, hint: str = "") -> Iterator[None]:
    """What `datasets` and the hub raise, in one line: they have dozens of kinds of errors, and warn
    of each retry.
    """
    from huggingface_hub.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    except Exception as error:
        cause = error.__cause__ or error
        said = " ".join(str(cause).split()) or type(cause).__name__
        raise ValueError(f"data is {where!r}, but cannot be read: {said[:300]}{hint}") from error
    finally:
        logging.set_verbosity(verbosity)
