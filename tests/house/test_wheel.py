"""The package alone: what is in the wheel, and that it works where no repository is."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.helpers.run_notebooks import execute
from xception_edu.__main__ import COMMANDS
from xception_edu.benchmark import machine

pytestmark = pytest.mark.slow
ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = ROOT / "xception_edu"
LINK = "xception_edu/benchmark/records"  # to results/
KINDS = {".py", ".pyi", ".typed", ".js", ".css", ".safetensors", ".toml", ".txt"}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*command, "--directory", folder], cwd=ROOT, check=True, capture_output=True)
    [file] = folder.glob("*.whl")
    return file


@pytest.fixture(scope="session")
def site_packages(wheel, tmp_path_factory):
    """A folder with the wheel's files and nothing else."""
    folder = tmp_path_factory.mktemp("site-packages")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture
def alone(site_packages, tmp_path, monkeypatch):
    """Runs a Python elsewhere, which finds the wheel's package before this checkout's."""
    monkeypatch.setenv("PYTHONPATH", str(site_packages))
    monkeypatch.chdir(tmp_path)

    def run(*arguments, status=0):
        command = [sys.executable, *map(str, arguments)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == status, ran.stderr
        return ran

    where = run("-c", "import xception_edu; print(xception_edu.__file__)").stdout
    assert pathlib.Path(where.strip()) == site_packages / "xception_edu" / "__init__.py"
    return run


def test_the_wheel_has_the_package_the_course_the_records_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    committed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "xception_edu"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    committed.remove(LINK)
    expected = {name for name in committed if (ROOT / name).exists()}
    expected |= {f"xception_edu/notebooks/{p.name}" for p in ROOT.glob("notebooks/*.ipynb")}
    expected.add("xception_edu/notebooks/misconceptions.md")
    expected |= {
        f"xception_edu/benchmark/records/{p.relative_to(ROOT / 'results').as_posix()}"
        for p in ROOT.glob("results/**/*.json")
    }
    assert names == expected
    assert "xception_edu/py.typed" in names
    own = {pathlib.Path(name).suffix for name in committed}
    assert own <= KINDS, "a file of a new kind: is it wanted in the wheel?"


def test_the_repository_has_neither_course_nor_records_twice():
    assert not (PACKAGE / "notebooks").exists()
    entry = ["git", "ls-files", "--stage", LINK]
    mode = subprocess.run(entry, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert mode.startswith("120000 "), "a symbolic link, or nothing"


def test_a_copy_of_the_packages_folder_has_the_records(tmp_path):
    if not (ROOT / LINK).is_dir():
        pytest.skip("git made no symbolic links here")
    shutil.copytree(PACKAGE, tmp_path / "xception_edu")
    for record in (ROOT / "results").rglob("*.json"):
        assert (tmp_path / LINK / record.relative_to(ROOT / "results")).is_file(), record


def test_the_wheel_is_under_12_megabytes(wheel):
    assert wheel.stat().st_size < 12_000_000


def test_every_command_explains_itself(alone):
    code = f"""
from xception_edu.__main__ import main
for command in {list(COMMANDS)}:
    try:
        main([command, "--help"])
    except SystemExit as stop:
        assert stop.code == 0
"""
    said = alone("-c", code).stdout
    assert all(f"usage: python -m xception_edu {command}" in said for command in COMMANDS)


def test_costs_are_counted(alone):
    assert "22,855,952" in alone("-m", "xception_edu", "costs", "xception").stdout


def test_every_explorer_is_drawn_and_records_are_read(alone):
    code = """
import xception_edu as xe
from xception_edu import explorers
for name in explorers.__all__:
    print(name, len(getattr(xe, name)().picture()))
print(xe.read_record("gpu/roofline")["device"])
"""
    *drawn, device = alone("-c", code).stdout.splitlines()
    assert len(drawn) == 12
    assert "NVIDIA" in device


def test_every_figure_is_drawn_to_the_committed_bytes_whatever_the_reader_has_set(
    alone, tmp_path, monkeypatch
):
    """The committed ones are of another seed, as `make test` draws them once more."""
    (tmp_path / "matplotlibrc").write_text(
        "font.size: 20\nlines.linewidth: 7\nsvg.fonttype: none\naxes.grid: True\n"
    )
    monkeypatch.setenv("PYTHONHASHSEED", "2")
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path))
    alone("-m", "xception_edu", "figures", "--out", "figures")
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    committed = {path.name: path.read_bytes() for path in (ROOT / "figures").glob("[!.]*")}
    assert [name for name in drawn | committed if drawn.get(name) != committed.get(name)] == []


def test_a_photograph_is_predicted_by_the_shipped_weights(alone):
    code = "from skimage import data, io; io.imsave('cat.png', data.chelsea())"
    alone("-c", code)
    arguments = ("predict", "cat.png", "--weights", "cifar10", "--format", "json")
    [image] = json.loads(alone("-m", "xception_edu", *arguments).stdout)
    assert len(image["top"]) == 5


def test_a_training_is_planned(alone):
    said = alone("-m", "xception_edu", "train", "--recipe", "digits", "--dry-run").stdout
    assert "steps" in said


def test_a_package_within_another_repository_names_no_commit(monkeypatch):
    monkeypatch.setattr(machine, "ROOT", PACKAGE)
    assert machine.commit() == "unknown"


def test_the_course_is_written_and_a_learners_changes_stay(alone, tmp_path):
    arguments = ("-m", "xception_edu", "notebooks", "--out", "course")
    names = [path.name for path in sorted(ROOT.glob("notebooks/*.ipynb"))]
    names.append("misconceptions.md")
    assert alone(*arguments).stdout.split() == [os.path.join("course", name) for name in names]
    changed = tmp_path / "course" / names[2]
    changed.write_text("mine")
    (tmp_path / "course" / names[0]).unlink()
    again = alone(*arguments)
    assert again.stdout.split() == [os.path.join("course", names[0])]
    assert again.stderr.count("\n") == 1
    assert names[2] in again.stderr
    assert "--force" in again.stderr
    assert changed.read_text() == "mine"
    assert alone(*arguments, "--force").stderr == ""
    assert changed.read_bytes() == (ROOT / "notebooks" / names[2]).read_bytes()


def test_a_notebook_runs_with_nothing_beside_it(alone, tmp_path):
    """The one that reads records and starts processes."""
    alone("-m", "xception_edu", "notebooks", "--out", "course")
    execute(tmp_path / "course" / "09_from_one_gpu_to_sixty.ipynb")
