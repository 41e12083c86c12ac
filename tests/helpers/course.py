"""The notebooks of the course as text: their order, their cells, the minutes that they take."""

import re
from functools import cache
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
COURSE = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
GUIDE = ROOT / "notebooks" / "guide.ipynb"


@cache
def cells_of(path):
    """The cells of a notebook, in order."""
    return nbformat.read(path, 4).cells


def tags(cell):
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def minutes(path):
    """What a notebook takes without its exercises, whose heading says their own minutes: 200 words
    a minute, half a minute a code cell, 6 s a line of it.
    """
    cells = [cell for cell in cells_of(path) if "exercise" not in tags(cell)]
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    lines = [len(cell.source.splitlines()) for cell in cells if cell.cell_type == "code"]
    return words / 200 + len(lines) / 2 + sum(lines) / 10


def prose(cell):
    """A text cell without the targets of its links and without marks."""
    return re.sub(r"\]\([^)]*\)|[\[*`]", "", cell.source)
