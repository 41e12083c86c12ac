"""What a fresh Python has loaded after an import; who may import whom is in test_laws."""

import ast
import importlib.util
import pathlib
import subprocess
import sys

import pytest

import xception_edu
from tests.helpers import processor

pytestmark = pytest.mark.slow
PACKAGE = pathlib.Path(xception_edu.__file__).parent
MODULES = sorted(
    ".".join(p.relative_to(PACKAGE.parent).with_suffix("").parts) for p in PACKAGE.rglob("*.py")
)
HEAVY = {
    "torch",
    "numpy",
    "matplotlib",
    "ipywidgets",
    "anywidget",
    "sklearn",
    "skimage",
    "safetensors",
    "tqdm",
    "tensorboard",
}
TABLES = {"datasets", "pyarrow", "pandas", "huggingface_hub"}
STANDARD_LIBRARY_ONLY = [
    f"xception_edu.{m}"
    for m in (
        "checks",
        "checks.fields",
        "paper",
        "specs",
        "configs",
        "architectures",
        "costs",
        "budgets",
        "receptive_field",
        "conv_algorithms",
        "recipes",
        "recipes.recipe",
        "recipes.schedule",
        "benchmark.machine",
        "benchmark.records",
        "benchmark.roofline",
        "benchmark.allocator",
        "training.sweep.plan",
        "training.scaling",
    )
]


def loaded_by(statement):
    """Names of the modules that are loaded once `statement` has run in a fresh Python."""
    code = f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def loading(modules, forbidden):
    """The first of the modules that has something forbidden loaded, "" where none has: all in one
    fresh Python, one after the other.
    """
    code = f"""
import importlib, sys
for module in {modules}:
    importlib.import_module(module)
    if {forbidden} & set(sys.modules):
        print(module)
        break
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def imported_in(module):
    """Names that a module's source imports, anywhere in it: full names of modules, and of what is
    taken from them.
    """
    origin = importlib.util.find_spec(module).origin
    names = set()
    for node in ast.walk(ast.parse(pathlib.Path(origin).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_the_package_itself_imports_nothing():
    assert not {m for m in loaded_by("import xception_edu") if m.startswith("xception_edu.")}


def test_counting_by_hand_loads_the_standard_library_only():
    assert loading(STANDARD_LIBRARY_ONLY, HEAVY | TABLES) == ""


@pytest.mark.parametrize("module", STANDARD_LIBRARY_ONLY)
def test_counting_by_hand_imports_the_standard_library_only(module):
    third_party = (
        {m.partition(".")[0] for m in imported_in(module)}
        - set(sys.stdlib_module_names)
        - {"xception_edu"}
    )
    assert not third_party


def test_plots_and_explorers_never_import_torch():
    modules = [m for m in MODULES if ".plots" in m or ".explorers" in m]
    assert loading(modules, {"torch"}) == ""


def test_an_explorer_of_networks_of_ours_loads_no_torch():
    code = "import xception_edu as xe; xe.swap_explorer(); xe.walk_explorer()"
    assert "torch" not in loaded_by(code)


def test_explorers_and_exercises_load_no_statistics_before_they_need_them():
    """They take as long to load as all explorers."""
    loaded = loaded_by("import xception_edu.explorers, xception_edu.exercises")
    assert "scipy" in loaded
    assert "scipy.stats" not in loaded


def test_the_libraries_of_tables_are_loaded_with_the_first_table():
    names = ("training.train", "data.load", "data.file_sets", "data.streams")
    assert loading([f"xception_edu.{name}" for name in names], TABLES) == ""


def test_a_module_that_loads_what_it_must_not_is_named():
    modules = ["xception_edu.paper", "xception_edu.costs", "xception_edu.budgets"]
    assert loading(modules, {"torch", "xception_edu.specs"}) == "xception_edu.costs"


def test_importing_costs_takes_under_60_ms_more_than_python_itself():
    # Processor time, as the import sees it, which other work on the machine changes little.
    code = (
        "import time; start = time.process_time(); import xception_edu.costs;"
        " print(time.process_time() - start)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(5)
    ]
    assert min(float(run.stdout) for run in runs) < 0.060 * processor.slowness()
