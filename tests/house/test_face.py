"""The public face, `import xception_edu as xe`: each name is found, when it is used."""

import ast
import importlib
import pathlib
import subprocess
import sys
from types import FunctionType, ModuleType

import pytest

import xception_edu as xe
from tests.helpers import processor

FACE = pathlib.Path(xe.__file__)
NAMED_LIKE_THEIR_MODULE = ("xception", "inception_v3", "vgg")


def run(code):
    """What a fresh Python prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def names_of_the_stub():
    """Name by name, the module that `__init__.pyi` takes it from; of a module, the package."""
    tree = ast.parse(FACE.with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert all(alias.asname == alias.name for node in imports for alias in node.names)
    return {alias.name: node.module for node in imports for alias in node.names}


@pytest.mark.parametrize("name", xe.__all__)
def test_a_name_is_found_and_is_what_its_module_has(name):
    value = getattr(xe, name)
    if name in xe._MODULES:
        assert value is importlib.import_module(f"xception_edu.{name}")
    else:
        module = sys.modules[f"xception_edu.{xe._HOME[name]}"]
        assert value is getattr(module, name)
        assert not isinstance(value, ModuleType)


def test_type_checkers_tab_completion_and_star_imports_know_the_same_names():
    homes = {name: f"xception_edu.{home}" for name, home in xe._HOME.items()}
    modules = dict.fromkeys(xe._MODULES, "xception_edu")
    assert names_of_the_stub() == homes | modules
    assert set(xe.__all__) == {*homes, *modules}
    assert len(xe.__all__) == len(set(xe.__all__))
    assert set(xe.__all__) < set(dir(xe))
    assert FACE.with_name("py.typed").read_bytes() == b""


def test_importing_the_face_loads_nothing_of_the_package_nor_of_others():
    loaded = set(run("import xception_edu, sys; print(*sys.modules)").split())
    others = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    own = {name for name in loaded if name.startswith("xception_edu")}
    assert own == {"xception_edu"}
    assert not others & {"torch", "numpy", "matplotlib", "anywidget", "ipywidgets", "skimage"}


def test_importing_the_face_costs_under_5_ms_more_than_python_itself():
    # Processor time, as the import sees it, which other work on the machine changes little.
    code = (
        "import time; start = time.process_time(); import xception_edu;"
        " print(time.process_time() - start)"
    )
    assert min(float(run(code)) for _ in range(7)) < 0.005 * processor.slowness()


@pytest.mark.slow
def test_a_function_named_like_its_module_stays_a_function():
    code = ""
    for name in NAMED_LIKE_THEIR_MODULE:
        importlib.import_module(f"xception_edu.{name}")
        assert isinstance(getattr(xe, name), FunctionType)
        code += (
            f"import xception_edu.{name}; from xception_edu.{name} import {name} as function;"
            f" import xception_edu as xe; print(xe.{name} is function)\n"
        )
    assert run(code).split() == ["True"] * len(NAMED_LIKE_THEIR_MODULE)


def test_an_unknown_name_is_said_with_the_one_that_is_close():
    with pytest.raises(AttributeError, match=r"no attribute 'segment_explorer'; did you mean '"):
        xe.segment_explorer  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'quagga'$"):
        xe.quagga  # noqa: B018
    with pytest.raises(ImportError, match="quagga"):
        from xception_edu import quagga  # noqa: F401
    assert not hasattr(xe, "__wrapped__")


def test_python_adds_no_second_suggestion():
    command = [sys.executable, "-c", "import xception_edu as xe; xe.segment_explorer()"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert said.lower().count("did you mean") == 1
    assert "'segments_explorer'" in said
