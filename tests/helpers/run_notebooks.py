"""Run notebooks and save them so that a second run gives the same bytes: `python
tests/helpers/run_notebooks.py FILE.ipynb ...`
"""

import json
import os
import pathlib
import re
import sys

import nbformat
from nbclient import NotebookClient

STATE, VIEW = (
    "application/vnd.jupyter.widget-state+json",
    "application/vnd.jupyter.widget-view+json",
)
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


def execute(path):
    """The notebook with fresh outputs and widget states."""
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    os.environ.setdefault("XCEPTION_EDU_PROGRESS", "none/progress.json")  # no guesses of ours
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(
        notebook, timeout=300, record_timing=False, coalesce_streams=True, resources=resources
    ).execute()
    return notebook


def normalized(notebook):
    """The notebook's text without what changes by itself: Python's version, unused widget models,
    random model ids.
    """
    notebook.metadata["language_info"] = {"name": "python"}
    models = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    todo = [output.data[VIEW]["model_id"] for output in outputs if VIEW in output.get("data", {})]
    for data in (
        output.get("data", {}) for output in reversed(outputs)
    ):  # of an explorer that is shown twice, the first counts
        if VIEW in data and data[VIEW]["model_id"] in models:
            move_back(models[data[VIEW]["model_id"]]["state"], data.get("text/plain", ""))
    used = {}
    while todo:
        model = todo.pop(0)
        if model in models and model not in used:
            used[model] = models[model]
            todo += re.findall(r"IPY_MODEL_(\w+)", str(models[model]))
    if models:
        notebook.metadata["widgets"][STATE]["state"] = used
    text = nbformat.writes(notebook)
    for i, model in enumerate(used, 1):
        text = text.replace(model, f"{i:032x}")
    # once more, for keys in the order of the new ids
    return nbformat.writes(nbformat.reads(text, 4), indent=1) + "\n"


def move_back(state, line):
    """Set what is saved of an explorer to the state in which its cell showed it, told by its line
    of code.

    Later cells move explorers; a reader who has run nothing would see, below the first cell, where
    the last one left them.
    """
    for name in (
        control["name"]
        for control in json.loads(state.get("_table", '{"controls": []}'))["controls"]
    ):
        state[name] = json.loads(re.search(rf'[(, ]{name}=("[^"]*"|[^,)]+)', line)[1])


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, flush=True)
        path = pathlib.Path(name)
        path.write_text(normalized(execute(path)), encoding="utf-8")
