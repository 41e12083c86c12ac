"""Notebooks with explorers: what they saved of them, and one that has them all."""

import json
from pathlib import Path

from tests.helpers.run_notebooks import STATE, VIEW
from tests.helpers.scene_explorers import SCENE_EXPLORERS
from xception_edu.explorers.engine.packing import unpacked
from xception_edu.explorers.engine.scene_explorer import _widget_class
from xception_edu.explorers.segments import SegmentsExplorer

FIRST_CELL = (
    "from tests.helpers.scene_explorers import SCENE_EXPLORERS\nfrom xception_edu import"
    " explorers\nmade = {}"
)
NAMES = ["segments_explorer", *SCENE_EXPLORERS]
EVERY_EXPLORER = Path(__file__).parents[2] / "notebooks" / "10_every_explorer.ipynb"


def code_of(name):
    """The cell that makes and shows an explorer, as `made[name]`."""
    given = f"**SCENE_EXPLORERS[{json.dumps(name)}]" if SCENE_EXPLORERS.get(name) else ""
    return f"made[{json.dumps(name)}] = explorers.{name}({given})\nmade[{json.dumps(name)}]"


def explorers_of(notebook):
    """The saved state of each explorer that a notebook shows, in order."""
    models = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    outputs = [
        output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])
    ]
    shown = [models[data[VIEW]["model_id"]]["state"] for data in outputs if VIEW in data]
    return [state for state in shown if "_table" in state]


def restored(state):
    """An explorer in this process, made from what a notebook saved of it."""
    table = json.loads(state["_table"])
    table = unpacked(table) if "drawings" in table else table
    dial, *choices = (control["name"] for control in table["controls"])
    kind = SegmentsExplorer if "stops" not in table else _widget_class(dial, tuple(choices))
    return kind(table=table, **{name: state[name] for name in (*choices, dial)})
