"""The front page is one screen and a little, and true."""

import pathlib
import re
import shlex

import pytest

from tests.helpers.course import COURSE, minutes
from xception_edu import __main__

ROOT = pathlib.Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
TREE = re.search(r"```text\n(.*?)```", TEXT, flags=re.DOTALL)[1]
SNIPPETS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
COMMANDS = re.findall(r"^python -m xception_edu (.*?)(?:  +#.*)?$", TEXT, flags=re.MULTILINE)


def test_it_is_short():
    assert len(TEXT.splitlines()) <= 160


def test_who_it_is_for_and_how_long_it_takes_come_first():
    first = "\n".join(TEXT.splitlines()[:16])
    assert "students, teachers and engineers" in first
    assert "**eight and a half hours** in all, and half an hour for the slider" in first


def test_the_course_takes_as_long_as_it_says():
    times = [minutes(path) for path in COURSE]
    assert len(times) == 14
    assert 8 <= min(times) < max(times) <= 75
    assert 25 <= times[2] <= 36
    assert 8.1 * 60 <= sum(times) <= 8.9 * 60


def test_the_tree_names_what_is_there():
    lines = TREE.splitlines()
    folders = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert folders[0] == "xception_edu/"
    assert all((ROOT / folder).is_dir() for folder in folders)
    rooms = {word[:-1] for word in lines[1].split() if word.endswith("/")}
    assert rooms == {path.parent.name for path in (ROOT / "xception_edu").glob("*/__init__.py")}


def test_the_course_lists_every_notebook():
    listed = re.findall(r"\(notebooks/(\w+\.ipynb)\)", TEXT)
    there = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert list(dict.fromkeys(listed)) == there


def test_its_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#]+)", TEXT):
        assert link.startswith("https://") or (ROOT / link).exists(), link


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CHANGELOG.md", "results/README.md"])
def test_links_of_other_pages_lead_somewhere(name):
    page = ROOT / name
    for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert link.startswith("https://") or (page.parent / link).exists(), link


def test_snippets_give_the_numbers_beside_them():
    names = {}
    checked = 0
    for snippet in SNIPPETS:
        if "import_weights(" in snippet:  # of a file that the reader has
            continue
        for line in snippet.splitlines():
            code, _, said = line.partition("  # ")
            number = re.match(r"\d+", said)
            if number and "=" not in code.split("(")[0]:
                assert eval(code, names) == int(number[0]), line
                checked += 1
            else:
                exec(code, names)
    assert checked == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_one(command):
    assert shlex.split(command)[0] in __main__.COMMANDS


# ---- in Korean -----------------------------------------------------------------------------------

KOREAN = (ROOT / "README.ko.md").read_text(encoding="utf-8")


def links(text):
    return set(re.findall(r"\]\(([^)]+)", text)) - {"README.md", "README.ko.md"}


def code_lines(text):
    """The lines of a page's code, without comments; of its tree, the names."""
    blocks = re.findall(r"```\w+\n(.*?)```", text, flags=re.DOTALL)
    lines = [re.split(r"  +#| {3,}", line)[0].rstrip() for line in "".join(blocks).splitlines()]
    return set(filter(None, lines))


def test_the_korean_page_has_the_same_sections_links_and_code():
    assert KOREAN.count("\n## ") == TEXT.count("\n## ")
    assert links(KOREAN) == links(TEXT)
    assert code_lines(KOREAN) <= code_lines(TEXT)
    assert "**여덟 시간 반**" in KOREAN


def test_both_pages_lead_to_each_other():
    assert "(README.ko.md)" in TEXT
    assert "(README.md)" in KOREAN
