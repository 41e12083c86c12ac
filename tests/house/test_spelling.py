"""Words are spelled as Americans spell them, in prose, in code and in the notebooks' cells."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest

from tests.helpers.course import COURSE, GUIDE, ROOT, cells_of

FOLDERS = ("xception_edu", "tests", "experiments", "site", "results", ".github")
TYPES = {".py", ".pyi", ".md", ".toml", ".yml", ".js", ".css", ".j2", ".cff"}
TWICE = re.compile(r"\b([a-z]{2,})[ \n]+\1\b(?![*_(=])", flags=re.IGNORECASE)


@pytest.fixture(scope="module")
def spell():
    """codespell on files, as (exit status, what it found)."""
    if importlib.util.find_spec("codespell_lib") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("codespell is not installed")

    def run(*files):
        command = [sys.executable, "-m", "codespell_lib", "--toml", ROOT / "pyproject.toml", *files]
        found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert not found.stderr.strip(), found.stderr
        return found.returncode, found.stdout

    return run


def texts():
    """The project's own files of words."""
    top = [path for path in ROOT.iterdir() if path.suffix in TYPES]
    inside = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    return sorted(path for path in (*top, *inside) if path.suffix in TYPES)


def test_files_are_spelled_right(spell):
    assert len(texts()) > 200
    assert spell(*texts()) == (0, "")


def test_notebooks_are_spelled_right(spell, tmp_path):
    for path in (*COURSE, GUIDE):
        source = "\n\n".join(cell.source for cell in cells_of(path))
        (tmp_path / f"{path.stem}.md").write_text(source, encoding="utf-8")
    assert spell(tmp_path) == (0, "")


def test_a_misspelled_word_and_a_british_one_are_seen(spell, tmp_path):
    wrong = ("wi" + "eght", "gr" + "ey")  # in halves, for this file is looked at, too
    (tmp_path / "wrong.md").write_text(f"The {wrong[0]} of a {wrong[1]} kernel.")
    status, found = spell(tmp_path)
    assert status > 0
    assert re.findall(r"(\w+) ==> (\w+)", found) == list(
        zip(wrong, ("weight", "gray"), strict=True)
    )


@pytest.mark.parametrize("path", [*COURSE, GUIDE, ROOT / "README.md"], ids=lambda path: path.stem)
def test_no_word_stands_twice(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n\n".join(cell.source for cell in cells_of(path) if cell.cell_type == "markdown")
    assert TWICE.findall(re.sub(r"`[^`]*`|```.*?```|^    .*$", "", text, flags=re.MULTILINE)) == []
