"""Give explorers that notebooks have saved the scripts of today, without running a cell: `python
tests/helpers/refresh_explorers.py FILE.ipynb ...`

For changes of scripts and styles alone: what an explorer shows stays what its cell made.
"""

import pathlib
import sys

import nbformat

from tests.helpers.explorer_notebooks import explorers_of, restored
from tests.helpers.run_notebooks import VIEW
from xception_edu.explorers.engine.scene_explorer import to_supply


def refresh(path):
    """Write a notebook again, its explorers with scripts, styles and the table as they are sent
    today.
    """
    notebook = nbformat.read(path, 4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output.data for output in outputs if VIEW in output.get("data", {})]
    shown = [data for data in shown if "_explorer(" in data["text/plain"]]
    for state, data in zip(explorers_of(notebook), shown, strict=True):
        explorer = restored(state)
        if "start" not in explorer.table:
            explorer.table = explorer.table | {"start": explorer.state()}
        name, end = explorer.table["call"]
        if "stops" in explorer.table:
            arguments = end.partition(")  #")[0].removesuffix(")")
            explorer.table = explorer.table | {
                "call": [name, f"{arguments}){to_supply(arguments)}"]
            }
        state["_table"], data["text/plain"] = explorer._table, repr(explorer)
        state["_esm"], state["_css"] = explorer.source("js"), explorer.source("css")
    path.write_text(nbformat.writes(notebook, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        refresh(pathlib.Path(name))
