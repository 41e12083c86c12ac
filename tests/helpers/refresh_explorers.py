"""Give explorers that notebooks have saved the scripts of today, without running a cell: `python
tests/helpers/refresh_explorers.py FILE.ipynb ...`

For changes of scripts and styles alone: what an explorer shows stays what its cell made.
"""

import pathlib
import sys

import nbformat

from tests.helpers.explorer_notebooks import explorers_of, restored


def refresh(path):
    """Write a notebook again, its explorers with scripts, styles and the table as they are sent
    today.
    """
    notebook = nbformat.read(path, 4)
    for state in explorers_of(notebook):
        explorer = restored(state)
        if "start" not in explorer.table:
            explorer.table = explorer.table | {"start": explorer.state()}
        state["_table"] = explorer._table
        state["_esm"], state["_css"] = explorer.source("js"), explorer.source("css")
    path.write_text(nbformat.writes(notebook, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        refresh(pathlib.Path(name))
