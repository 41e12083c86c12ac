"""What a learner waits for is measured in fresh processes, and what fails is no time."""

import importlib.util
import json
import subprocess
import sys

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from tqdm import tqdm

from experiments import startup
from xception_edu.benchmark import command, timing

TIMES = {"median_ms", "q1_ms", "q3_ms", "rounds", "preempted"}


def test_every_module_whose_import_is_timed_is_there():
    for module in startup.MODULES:
        assert importlib.util.find_spec(f"xception_edu.{module}"), module


def test_a_program_writes_its_record_and_names_its_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(startup, "measure", lambda **_: {"imports": []})
    monkeypatch.setattr(sys, "argv", ["startup.py", "--quick", "--out", str(tmp_path)])
    assert command.program("startup", startup) == 0
    record = json.loads((tmp_path / "startup.json").read_text())
    assert record["command"] == "python experiments/startup.py --quick"
    assert (record["benchmark"], record["device"], record["quick"]) == ("startup", "cpu", True)
    assert capsys.readouterr().out.strip() == str(tmp_path / "startup.json")


def test_startup_has_a_row_for_each_import_explorer_and_notebook(monkeypatch, tmp_path):
    monkeypatch.setattr(startup, "STATEMENTS", ("pass", "import torch_of_the_test"))
    monkeypatch.setattr(startup, "TORCH", "import torch_of_the_test")
    monkeypatch.setattr(startup, "NOTEBOOKS", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "torch_of_the_test.py").write_text("import time; time.sleep(0.5)")
    cell = nbformat.v4.new_code_cell("import os; assert os.environ['TQDM_DISABLE'] == '1'")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "01_small.ipynb")
    with tqdm(disable=True) as progress:
        record = startup.measure(quick=True, device=timing.CPU, progress=progress)
    assert [row["statement"] for row in record["imports"]] == ["pass", "import torch_of_the_test"]
    assert record["imports"][0]["times_as_long"] < record["imports"][1]["times_as_long"] == 1
    assert record["imports"][1]["median_ms"] > 500
    assert [row["explorer"] for row in record["explorers"]] == [
        "budget_explorer",
        "kernel_explorer",
    ]
    assert all(set(row["make"]) == set(row["picture"]) == TIMES for row in record["explorers"])
    (notebook,) = record["notebooks"]
    assert notebook["notebook"] == "01_small"
    assert 0 < notebook["seconds"] < record["bound_seconds"] == 60


def test_a_statement_or_a_notebook_that_fails_is_no_time(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        startup.fresh("import no_such_module")
    path = tmp_path / "fails.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), path)
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        startup.run(path)
