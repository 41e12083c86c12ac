"""The laws about imports: import-linter reads them in pyproject.toml; here each is broken once."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from xception_edu import explorers

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "xception_edu"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Where a module may be loaded by a name that is computed: import-linter does not see what it is.
LOADERS = {
    "xception_edu/__init__.py",  # the public names, on first use
    "xception_edu/__main__.py",  # the command that was called
    "xception_edu/checks/values.py",  # packages of an extra
    "xception_edu/commands/measured.py",  # the module that --module names
}

# A line that breaks a law, the file that it is appended to, and words of the law.
FAULTS = {
    "up": ("costs.py", "from xception_edu.plots import style", "one way"),
    "up, in a function": (
        "data/order.py",
        "def hidden():\n    from xception_edu.training import train",
        "one way",
    ),
    "between training and plots": (
        "plots/style.py",
        "from xception_edu.training import scaling",
        "one way",
    ),
    "a file that no line of the laws names": ("new.py", "import os", "one way"),
    "a circle": (
        "explorers/walk.py",
        "from xception_edu.explorers import order\n# order\n",
        "circles",
    ),
    "specs in a network": ("xception.py", "from xception_edu import specs", "two countings"),
    "an architecture in costs": ("costs.py", "from xception_edu import architectures", "pairs"),
    "torch in a plot": ("plots/style.py", "import torch", "never import torch"),
    "a measuring module in an explorer": (
        "explorers/walk.py",
        "from xception_edu.benchmark import machine",
        "never import torch",
    ),
    "an explorer in the engine": (
        "explorers/engine/base.py",
        "from xception_edu.explorers import walk",
        "knows no explorer",
    ),
    "timm": ("weights/load.py", "import timm", "Nobody imports"),
}


def linted(folder):
    """What import-linter says of the package in a folder, and its exit status."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    config = ROOT / "pyproject.toml"
    code = code.replace("lint_imports())", f"lint_imports({str(config)!r}, no_cache=True))")
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    return run.stdout + run.stderr, run.returncode


def test_the_laws_hold():
    words, status = linted(ROOT)
    assert status == 0, words


@pytest.fixture
def copied(tmp_path):
    shutil.copytree(ROOT / "xception_edu", tmp_path / "xception_edu")
    return tmp_path


@pytest.mark.parametrize(("file", "line", "law"), FAULTS.values(), ids=FAULTS)
def test_a_broken_law_is_seen(copied, file, line, law):
    with open(copied / "xception_edu" / file, "a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    if law == "circles":
        with open(copied / "xception_edu/explorers/order.py", "a", encoding="utf-8") as source:
            source.write("\nfrom xception_edu.explorers import walk\n")
    words, status = linted(copied)
    broken = [entry for entry in words.split("\n\n") if "BROKEN" in entry]
    assert status == 1, words
    assert any(law in " ".join(entry.split()) for entry in broken), words


def forbidden(words):
    """What the contract whose name has these words forbids."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    return {name for c in contracts if words in c["name"] for name in c["forbidden_modules"]}


def test_the_laws_name_every_module_that_they_forbid():
    room = {path.stem for path in (ROOT / "xception_edu/benchmark").glob("*.py")}
    others = room - {"__init__", "records", "roofline"}
    assert {f"xception_edu.benchmark.{name}" for name in others} <= forbidden("never import torch")
    taken = {"plan", "findings", "record", "statistics"}  # no torch: what a sweep says
    many = {path.stem for path in (PACKAGE / "training/sweep").glob("*.py")} - {"__init__"}
    one = {path.stem for path in (PACKAGE / "training").glob("*.py")} - {"__init__"}
    named = forbidden("never import torch")
    assert {f"xception_edu.training.{name}" for name in one} <= named
    assert {f"xception_edu.training.sweep.{name}" for name in many - taken} <= named
    names = {name.removesuffix("_explorer") for name in explorers.__all__}
    assert {f"xception_edu.explorers.{name}" for name in names} == forbidden("knows no explorer")


def loads_by_name(path):
    """Whether a module calls importlib or __import__."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name) and node.id in ("import_module", "__import__"):
            return True
        if isinstance(node, ast.Attribute) and node.attr in ("import_module", "__import__"):
            return True
    return False


def test_modules_are_loaded_by_computed_names_in_three_places_only():
    found = {path.relative_to(ROOT).as_posix() for path in MODULES if loads_by_name(path)}
    assert found <= LOADERS


def test_plots_and_explorers_never_ask_the_face():
    """Behind it lies torch, and import-linter does not see what a name of it loads."""
    rooms = [p for room in ("plots", "explorers") for p in (PACKAGE / room).rglob("*.py")]
    asking = [p.name for p in rooms if "import xception_edu" in p.read_text(encoding="utf-8")]
    assert asking == []


def test_the_package_imports_nothing_that_lies_beside_it():
    beside = {"tests", "experiments", "notebooks", "site"}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            assert not {name.partition(".")[0] for name in names} & beside, path


def test_the_top_of_the_package_is_read_in_an_evening():
    assert len(list((ROOT / "xception_edu").glob("*.py"))) <= 20
