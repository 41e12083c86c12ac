"""The plan of the package names what is there."""

import ast
from pathlib import Path

import xception_edu
from xception_edu.plots.descriptions import WORDS
from xception_edu.plots.rooms import PLAN

PACKAGE = Path(xception_edu.__file__).parent
AROUND = {"__init__", "__main__", "checks", "fields"}  # of both countings, and of all rooms


def imports_torch(name):
    tree = ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names}
    return "torch" in names | {getattr(node, "module", None) for node in imports}


def test_the_plan_has_every_file_of_the_top_and_every_room():
    named = {*PLAN.by_hand, *PLAN.by_machine, PLAN.shared, PLAN.joined}
    assert named | AROUND == {path.stem for path in PACKAGE.glob("*.py")}
    assert PLAN.rooms.keys() == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def test_what_is_counted_by_hand_knows_no_torch():
    assert not any(map(imports_torch, (*PLAN.by_hand, PLAN.shared)))
    assert sum(map(imports_torch, PLAN.by_machine)) >= len(PLAN.by_machine) - 1  # but the rules
    assert imports_torch(PLAN.joined)


def test_its_description_counts_what_it_shows():
    words = WORDS["draw_rooms"]
    numbers = {6: "six", 7: "seven", 8: "eight", 9: "Nine", 10: "Ten", 11: "Eleven"}
    assert f"{numbers[len(PLAN.by_hand)]} files count by hand" in words
    assert f"and {numbers[len(PLAN.by_machine)]} by machine" in words
    assert f"{numbers[len(PLAN.rooms)]} rooms" in words
    assert f"share {PLAN.shared} and meet in {PLAN.joined}" in words
