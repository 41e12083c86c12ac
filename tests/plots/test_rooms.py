"""The plan of the package names what is there."""

import ast
from pathlib import Path

import xception_edu
from xception_edu.plots.descriptions import WORDS
from xception_edu.plots.rooms import PLAN

PACKAGE = Path(xception_edu.__file__).parent
AROUND = {"__init__", "__main__"}  # of all rooms
MOST = 27  # files at the top and rooms: what a newcomer can take in


def imports_torch(name):
    """Whether a file, or one of a room's, does."""
    files = (PACKAGE / name).glob("*.py") if name.endswith("/") else [PACKAGE / f"{name}.py"]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names}
    return "torch" in names | {getattr(node, "module", None) for node in imports}


def test_the_plan_has_every_file_of_the_top_and_every_room():
    named = {*PLAN.by_hand, *PLAN.by_machine, PLAN.shared, PLAN.joined}
    rooms = {name for name in named if name.endswith("/")} | {f"{name}/" for name in PLAN.rooms}
    assert named - rooms | AROUND == {path.stem for path in PACKAGE.glob("*.py")}
    assert rooms == {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}


def test_the_plan_is_small():
    assert len(list(PACKAGE.glob("*.py"))) + len(list(PACKAGE.glob("*/__init__.py"))) <= MOST


def test_what_is_counted_by_hand_knows_no_torch():
    assert not any(map(imports_torch, (*PLAN.by_hand, PLAN.shared)))
    assert sum(map(imports_torch, PLAN.by_machine)) >= len(PLAN.by_machine) - 1  # but the rules
    assert imports_torch(PLAN.joined)


def test_its_description_counts_what_it_shows():
    words = WORDS["draw_rooms"]
    numbers = {6: "six", 7: "seven", 8: "eight", 9: "Nine", 10: "Ten"}
    assert f"{numbers[len(PLAN.by_hand)]} count by hand" in words
    assert f"and {numbers[len(PLAN.by_machine)]} by machine" in words
    assert f"{numbers[len(PLAN.rooms)]} rooms" in words
    assert f"share {PLAN.shared} and meet in {PLAN.joined[:-1]}" in words
