"""Set-up files that say the same thing."""

import pathlib
import re
import tomllib

ROOT = pathlib.Path(__file__).parents[2]
DESIGN_CARD = ("jupyterlab", "torch", "matplotlib", "ipywidgets", "nbval", "pytest")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
OURS = [text for extra in EXTRAS.values() for text in extra if text.startswith("xception_edu[")]
REQUIREMENTS = [*PROJECT["dependencies"], *(text for extra in EXTRAS.values() for text in extra)]
REQUIREMENTS = [text for text in REQUIREMENTS if text not in OURS]
CONSTRAINTS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())


def name_of(requirement):
    return re.split(r"[<>=\[;]", requirement)[0].strip()


def release(version):
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0]))


def test_the_design_cards_packages_are_required_and_in_the_conda_environment():
    environment = re.findall(
        r"^ +- ([a-z]+)", (ROOT / "environment.yml").read_text(), flags=re.MULTILINE
    )
    for name in DESIGN_CARD:
        assert name in map(name_of, REQUIREMENTS)
        assert name in environment
    assert {"python", "pip"} <= set(environment)


def test_every_requirement_has_an_exact_version_within_its_range():
    for requirement in REQUIREMENTS:
        lower = requirement.partition(">=")[2]
        assert lower, f"{requirement} has no lower bound"
        assert release(CONSTRAINTS[name_of(requirement)]) >= release(lower), requirement
    assert CONSTRAINTS["torch"] == "2.13.0"


def test_every_requirement_has_its_reason_beside_it():
    text = (ROOT / "pyproject.toml").read_text()
    lines = text[text.index("\ndependencies = [") :].splitlines()
    for requirement in REQUIREMENTS:
        (line,) = [line for line in lines if f'"{requirement}"' in line]
        assert len(line.partition("#")[2]) > 15, line


def test_python_is_the_same_in_all_places():
    assert PROJECT["requires-python"] == ">=3.11"
    assert "- python=3.13\n" in (ROOT / "environment.yml").read_text()  # of those that CI runs
    assert '"3.13"]' in (ROOT / ".github/workflows/test.yml").read_text()
    assert "(3, 11)" in (ROOT / "Makefile").read_text()


def test_a_change_of_the_requirements_installs_anew():
    rule = re.search(
        r"^\.venv/installed: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE
    )
    assert rule[1].split() == ["pyproject.toml", "constraints.txt"]
