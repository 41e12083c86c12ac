"""Images whose labels stand in a list beside them: a metadata.jsonl, .csv or .parquet."""

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from xception_edu import checks
from xception_edu.data.folder_tree import FolderTree, Parts, class_name
from xception_edu.data.image_files import read_regular
from xception_edu.data.refusals import refusal
from xception_edu.data.tables import LABEL_COLUMNS, Table, one_line_errors

FILE = "file_name"  # the column that says of which image a row is

Row = Mapping[str, Any]


def is_list(where: str, path: str) -> bool:
    """Whether a list has a column of files; in a .jsonl the rows are asked later. ValueError if it
    cannot be read.
    """
    if path.endswith(".jsonl"):
        return True
    if path.endswith(".parquet"):
        with one_line_errors(where):
            return FILE in _parquet(path).schema_arrow.names
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        return FILE in file.readline(2**16).strip().split(",")


def listed_tables(
    where: str, tree: FolderTree, splits: Mapping[str, list[Parts]]
) -> tuple[dict[str, Table], Counter[str]]:
    """A table for each split, from its lists; and how many images no list names.

    ValueError if a list cannot be read, or names an image that is not there.
    """
    known = {tuple(map(class_name, parts)): parts for parts in tree.images}
    tables, used = {}, set()
    for split, lists in splits.items():
        paths: list[str] = []
        labels: list[Any] = []
        for parts in lists:
            path = tree.path(parts)
            with one_line_errors(where):
                rows = _rows(path)
            column = _label_column(where, path, rows)
            for number, row in enumerate(rows):
                name = row.get(FILE)
                image = _image(tree, parts[:-1], name, known)
                if image is None:
                    raise refusal(
                        where,
                        f"row {number} of {path} must name an image that is there, as {FILE}, and"
                        f" not {checks.shown(name)}",
                    )
                paths.append(image)
                labels.append(row.get(column))
        used |= set(paths)
        tables[split] = Table(paths, paths, labels, None)
    return tables, +Counter({"in no list": sum(tree.path(p) not in used for p in tree.images)})


def _image(tree: FolderTree, folder: Parts, name: Any, known: Mapping[Parts, Parts]) -> str | None:
    """Where the image is that a list in the folder calls so; None where there is none."""
    if not isinstance(name, str) or "\0" in name:
        return None
    parts = (*folder, *PurePath(name).parts)
    path = tree.path(known.get(tuple(map(class_name, parts)), parts))
    return path if os.path.isfile(path) else None


def _label_column(where: str, path: str, rows: list[Row]) -> str:
    columns = sorted({name for row in rows for name in row})
    found = [name for name in LABEL_COLUMNS if name in columns]
    if not found:
        names = ", ".join(columns) or "no rows"
        raise refusal(where, f"{path} must have a column label; it has {names}")
    return found[0]


def _rows(path: str) -> list[Row]:
    if path.endswith(".parquet"):
        rows: list[Row] = _parquet(path).read().to_pylist()
        return rows
    text = read_regular(path).decode("utf-8-sig")
    return _rows_of_csv(text) if path.endswith(".csv") else _rows_of_json(text)


def _rows_of_json(text: str) -> list[Row]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise ValueError(f"line {number} of its list is no object in JSON")
            rows.append(row)
    return rows


def _rows_of_csv(text: str) -> list[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    rows: list[dict[str, Any]] = []
    for row in reader:
        if None in row:  # where the reader puts what has no name
            raise ValueError(f"line {reader.line_num} of its list has more fields than the first")
        rows.append(row)
    for column in LABEL_COLUMNS:
        labels = [row.get(column) for row in rows]
        if all(label is not None and _is_integer(label) for label in labels):
            for row, label in zip(rows, labels, strict=True):
                row[column] = int(label or 0)
    return rows


def _is_integer(text: str) -> bool:
    """Whether a word is what Python would write for an integer: 7, and not 007."""
    return (
        text.isascii() and text.lstrip("-").isdigit() and len(text) < 20 and str(int(text)) == text
    )


def _parquet(path: str) -> Any:
    return checks.extra("pyarrow.parquet", "data", "a list in parquet").ParquetFile(path)
