"""Badges lead to notebooks that are there, the cell beside them installs what is missing, and
Binder finds all that it needs.
"""

import importlib.util
import json
import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml

from tests.helpers.course import COURSE, GUIDE, ROOT
from xception_edu.__main__ import main
from xception_edu.commands import badges, notebooks

HERE = "octo-cat/my.course"
few_notebooks = pytest.mark.parametrize(
    "path", [COURSE[0], COURSE[4], GUIDE], ids=lambda path: path.stem
)


def badged(path, edition=None):
    return json.loads(notebooks.content_of(path, edition, HERE))


def links(cell):
    """Where the badges of a cell lead."""
    return re.findall(r"\[!\[[^]]+\]\([^)]+\)\]\(([^)]+)\)", "".join(cell["source"]))


def file_of(link):
    """The file of the repository that a badge opens."""
    place = urlsplit(link)
    if place.netloc == "mybinder.org":
        assert place.path == f"/v2/gh/{HERE}/HEAD"
        return parse_qs(place.query)["labpath"][0]
    assert place.netloc == "colab.research.google.com"
    return unquote(place.path).removeprefix(f"/github/{HERE}/blob/main/")


@few_notebooks
def test_what_was_there_stays_and_the_title_stays_first(path):
    notebook, before = badged(path), json.loads(path.read_bytes())
    again = json.loads(json.dumps(notebook))
    badges.put(again, HERE, path.name)
    assert again == notebook
    assert notebook["cells"][0]["source"][0] == before["cells"][0]["source"][0]
    badges.remove(notebook)
    for cells in (notebook, before):  # the cell that was gone shifts the counts of the others
        badges.number(cells)
    assert notebook == before


def test_an_edition_has_badges_too():
    notebook = badged(COURSE[0], "students")
    assert len(links(notebook["cells"][0])) == 2
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert badges.INSTALL in badges.tags(code[0])
    assert {cell["execution_count"] for cell in code} == {None}


class Shell:
    """What a kernel's `get_ipython()` is asked for."""

    def __init__(self):
        self.lines = []

    def run_line_magic(self, name, line):
        self.lines.append(f"%{name} {line}")


@pytest.mark.parametrize("there", [True, False])
def test_the_first_code_installs_the_package_only_where_it_is_missing(there, monkeypatch):
    shell = Shell()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: there or None)
    first = next(cell for cell in badged(COURSE[2])["cells"] if cell["cell_type"] == "code")
    exec("".join(first["source"]), {"get_ipython": lambda: shell})
    wanted = f"%pip install --quiet git+https://github.com/{HERE}"
    assert shell.lines == ([] if there else [wanted])


@pytest.mark.parametrize(
    "name",
    [
        "",
        "name",
        "owner/",
        "/name",
        "a/b/c",
        "https://github.com/owner/name",
        "owner/na me",
        "-owner/name",
        "o--o/name",
        "owner/..",
        "owner/name.git",
        "owner/name\n",
        "owner/이름",
    ],
)
def test_a_wrong_name_is_one_line_and_nothing_is_written(name, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["notebooks", "--out", str(tmp_path / "course"), f"--repository={name}"])
    assert stop.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "repository is " in line
    assert line.endswith("OWNER/NAME, as in https://github.com/OWNER/NAME")
    assert not (tmp_path / "course").exists()


def test_both_badges_of_every_notebook_open_one_that_is_in_the_repository(tmp_path, capsys):
    assert main(["notebooks", "--out", str(tmp_path), "--repository", HERE]) == 0
    written = sorted(tmp_path.glob("*.ipynb"))
    assert [path.name for path in written] == [path.name for path in [*COURSE, GUIDE]]
    for path in written:
        found = [file_of(link) for link in links(json.loads(path.read_bytes())["cells"][0])]
        assert found == [f"notebooks/{path.name}"] * 2
        assert (ROOT / found[0]).is_file()
    assert len(capsys.readouterr().out.splitlines()) == len(written) + 1


def test_binder_builds_from_environment_yml():
    # any of these would be built in its place
    others = ["binder", ".binder", "Dockerfile", "Project.toml", "REQUIRE", "default.nix"]
    assert not [name for name in others if (ROOT / name).exists()]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    # Binder reads the version of Python from this form alone, and builds with another one without
    assert re.fullmatch(r"python=3\.\d+", environment[0])
    # a first line with a file of the repository tells it to copy all of that first
    [pip] = [entry["pip"] for entry in environment if isinstance(entry, dict)]
    assert pip[0] == "--constraint constraints.txt"
    assert "--editable .[test]" in pip
