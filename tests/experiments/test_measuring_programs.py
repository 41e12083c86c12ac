"""Claims about the programs of experiments/ that train: what they write is what their runs reached,
and runs can be kept.
"""

import importlib.util
import json
import statistics
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.helpers.tiny import TINY, TINY_FLAGS
from xception_edu import __main__

ROOT = Path(__file__).parents[2]


def program(name, monkeypatch, results):
    """A program of experiments/ as a module whose results go elsewhere."""
    monkeypatch.syspath_prepend(ROOT / "experiments")
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (results / "results").mkdir()
    monkeypatch.setattr(module, "ROOT", results)
    return module


def called(module, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    module.main()


def in_this_process(command, **_):
    """What a program starts as `python -m xception_edu ...`, without a process of its own."""
    assert command[1:3] == ["-m", "xception_edu"]
    assert __main__.main(command[3:]) == 0


@pytest.mark.parametrize("at_once", [False, True])
def test_seeds_are_trained_with_the_flags_and_their_runs_are_kept(at_once, tmp_path, monkeypatch):
    train_seeds = program("train_seeds", monkeypatch, tmp_path)
    if not at_once:
        monkeypatch.setattr(train_seeds, "subprocess", SimpleNamespace(run=in_this_process))
    options = ["--keep", tmp_path / "kept", *["--at-once"] * at_once]
    called(
        train_seeds,
        monkeypatch,
        "digits",
        "--seeds",
        3,
        4,
        "--name",
        "tiny",
        *options,
        "--flags",
        *TINY_FLAGS,
    )
    record = json.loads((tmp_path / "results" / "train_tiny.json").read_text())
    assert record["recipe"]["epochs"] == TINY.epochs
    reached = []
    for seed in (3, 4):
        *_, last = (tmp_path / "kept" / str(seed) / "metrics.jsonl").read_text().splitlines()
        reached.append(json.loads(last)["top1"])
    assert [run["top1"] for run in record["runs"]] == reached
    assert record["top1"]["mean"] == pytest.approx(statistics.mean(reached), abs=1e-6)
    assert record["top1"]["std"] == pytest.approx(statistics.stdev(reached), abs=1e-6)
    assert ("cpu_seconds" in record) == (not at_once), (
        "what each of several at once used, nobody can tell"
    )
    assert record["measured_by"].endswith(
        f"--seeds 3 4 --name tiny{' --at-once' * at_once} --flags {' '.join(TINY_FLAGS)}"
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--seeds", "1"], "--seeds"),
        (["--flags", "--epochs", "2"], "--name"),
        (["--ship", "--name", "x", "--flags", "--epochs", "2"], "--ship"),
    ],
)
def test_what_would_give_no_spread_or_another_recipes_file_is_refused(
    arguments, named, tmp_path, monkeypatch, capsys
):
    train_seeds = program("train_seeds", monkeypatch, tmp_path)
    with pytest.raises(SystemExit):
        called(train_seeds, monkeypatch, "digits", *arguments)
    assert f"argument {named}: must be" in capsys.readouterr().err
    assert not list((tmp_path / "results").iterdir())


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "experiments").glob("*.py")))
def test_every_program_finds_what_it_imports(name, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "experiments")
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / f"{name}.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
