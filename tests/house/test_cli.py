"""The command line: what it prints, and one line with exit status 2 for a wrong argument."""

import csv
import io
import json
import subprocess
import sys

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.sign import NotebookNotary

from tests.helpers.refusals import refused
from xception_edu import architectures
from xception_edu.__main__ import COMMANDS, main
from xception_edu.costs import total


def test_xceptions_totals_as_json(capsys):
    assert main(["costs", "xception", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["name"] == "xception"
    assert data["input"] == [3, 299, 299]
    assert (data["totals"]["params"], data["totals"]["macs"]) == (22_855_952, 8_357_403_496)


def test_costs_as_csv_and_as_a_table(capsys):
    main(["costs", "module", "--segments", "5", "--input-size", "9", "--format", "csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    config = architectures.ModuleConfig(728, 728, 5)
    assert (
        int(rows[-1]["params"])
        == total(architectures.module(config, architectures.Shape(728, 9, 9))).params
    )
    main(["costs", "vgg16"])
    assert "138,357,544" in capsys.readouterr().out.splitlines()[-1]


def test_the_module_runs_as_a_program():
    run = subprocess.run(
        [sys.executable, "-m", "xception_edu", "costs", "module"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pointwise" in run.stdout
    run = subprocess.run(
        [sys.executable, "-m", "xception_edu", "costs", "modul"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)


def test_a_reader_that_stops_early_leaves_no_traceback():
    command = f"{sys.executable} -m xception_edu costs xception | head -n 1"
    run = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert (run.stdout.count("\n"), run.stderr) == (1, "")


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        ([], ["command"]),
        (["cost"], ["command", "'cost'", "costs"]),
        (["costs"], ["name"]),
        (["costs", "resnet"], ["name", "'resnet'", "xception"]),
        (["costs", "xception", "--segments", "0"], ["segments", "0", "from 1 to 64"]),
        (["costs", "xception", "--segments", "65"], ["segments", "65", "from 1 to 64"]),
        (["costs", "module", "--segments", "729"], ["segments", "729", "from 1 to 728"]),
        (["costs", "xception", "--segments", "many"], ["--segments", "'many'", "integer"]),
        (["costs", "vgg16", "--segments", "3"], ["--segments", "3", "vgg16"]),
        (["costs", "xception", "--input-size", "x"], ["--input-size", "'x'", "integer"]),
        (["costs", "xception", "--input-size", "-3"], ["input_size", "-3", "at least 7"]),
        (["costs", "xception", "--input-size", "6"], ["input_size", "6", "at least 7"]),
        (["costs", "xception", "--format", "xml"], ["--format", "'xml'", "json"]),
        (["costs", "xception", "--sise", "3"], ["--sise"]),
        (["figures"], ["--out"]),
    ],
)
def test_a_wrong_argument_is_one_line_that_names_it(argv, parts, capsys):
    line = refused(argv, capsys)
    assert all(part in line for part in parts), line


@given(
    st.sampled_from(["xception", "module"]),
    st.one_of(st.integers(max_value=0), st.integers(min_value=729), st.text(max_size=5)),
)
def test_generated_wrong_segments_are_refused(name, value):
    with pytest.raises(SystemExit) as stop:
        main(["costs", name, f"--segments={value}"])
    assert stop.value.code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"xception_edu {command}" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    line = refused(["notebooks", "--out", str(tmp_path / "file")], capsys)
    assert all(part in line for part in ("out", "file", "folder that can be written")), line


class TestLab:
    """`lab`, with JupyterLab's own beginning replaced."""

    @pytest.fixture
    def started(self, monkeypatch):
        """What JupyterLab is started with."""
        from jupyterlab.labapp import LabApp

        calls = []
        monkeypatch.setattr(LabApp, "launch_instance", calls.append)
        return calls

    def test_it_opens_the_course_on_this_computer_only(self, tmp_path, monkeypatch, started):
        monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
        folder = tmp_path / "course"
        (tmp_path / "course").mkdir()
        (folder / "03_the_continuum.ipynb").write_text("mine")
        assert main(["lab", "--dir", str(folder), "--", "--ServerApp.port=8889"]) == 0
        [arguments] = started
        assert arguments[:2] == [str(folder), "--ServerApp.ip=127.0.0.1"]
        assert arguments[-1] == "--ServerApp.port=8889"
        assert len(list(folder.glob("*.ipynb"))) >= 10
        assert (folder / "03_the_continuum.ipynb").read_text() == "mine"

    def test_what_it_writes_is_trusted(self, tmp_path, monkeypatch, started):
        monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
        main(["lab", "--dir", str(tmp_path / "course")])
        path = tmp_path / "course" / "03_the_continuum.ipynb"
        assert NotebookNotary().check_signature(nbformat.read(path, 4))

    def test_without_jupyterlab_one_line_says_what_to_install(self, monkeypatch, capsys, started):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        assert "pip install jupyterlab" in refused(["lab"], capsys)
        assert not started

    def test_jupyterlabs_own_arguments_come_after_two_dashes(self, capsys, started):
        assert "--ServerApp.port" in refused(["lab", "--ServerApp.port=8889"], capsys)
