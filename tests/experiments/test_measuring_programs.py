"""Claims about the programs of experiments/ that train: what they write is what their runs reached,
and runs can be kept.
"""

import importlib.util
import json
import statistics
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.tiny import TINY, TINY_FLAGS

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


@pytest.mark.parametrize("at_once", [False, True])
def test_seeds_are_trained_with_the_flags_and_their_runs_are_kept(at_once, tmp_path, monkeypatch):
    train_seeds = program("train_seeds", monkeypatch, tmp_path)
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


def test_points_of_the_spectrum_have_as_many_parameters_as_the_depthwise_one(tmp_path, monkeypatch):
    spectrum = program("spectrum", monkeypatch, tmp_path)
    rows = spectrum.rows()
    wanted = rows["same_widths"][1]["params"]
    assert [row["segments"] for row in rows["points"]] == list(spectrum.SEGMENTS)
    for row in rows["points"]:
        assert row["params"] == pytest.approx(wanted, rel=0.005)
    assert rows["same_widths"][0]["params"] > 2 * wanted


def test_the_spectrum_is_what_its_runs_reached_and_a_finished_run_is_not_trained_again(
    tmp_path, monkeypatch
):
    spectrum = program("spectrum", monkeypatch, tmp_path)
    monkeypatch.setattr(spectrum, "MODEL", replace(spectrum.MODEL, in_channels=1, middle_blocks=0))
    monkeypatch.setattr(spectrum, "RECIPE", replace(TINY, epochs=1, steps_per_epoch=1, threads=1))
    monkeypatch.setattr(spectrum, "SEGMENTS", (1, "channels"))
    monkeypatch.setattr(spectrum.multiprocessing, "get_context", lambda _: InThisProcess)
    arguments = ["--seeds", 0, 1, "--runs", tmp_path / "runs"]
    called(spectrum, monkeypatch, *arguments)
    record = json.loads((tmp_path / "results" / "spectrum.json").read_text())
    reached = {}
    for folder in (tmp_path / "runs").iterdir():
        config = json.loads((folder / "config.json").read_text())["recipe"]
        *_, last = (folder / "metrics.jsonl").read_text().splitlines()
        model = config["model"]
        reached[model["segments"], model["activation"], model["width"], config["seed"]] = (
            json.loads(last)["top1"]
        )
    for part in ("points", "same_widths", "between"):
        for row in record[part]:
            of = (row["segments"], row["activation"], row["width"])
            assert row["top1"] == [reached[*of, seed] for seed in (0, 1)]
            assert row["mean"] == pytest.approx(statistics.mean(row["top1"]), abs=1e-6)
    trained = {path: path.read_text() for path in (tmp_path / "runs").rglob("metrics.jsonl")}
    called(spectrum, monkeypatch, *arguments)
    assert {path: path.read_text() for path in trained} == trained, (
        "its images a second would be others"
    )


class InThisProcess:
    """A pool that runs its jobs here, where a test's settings are."""

    def __init__(self, _):
        pass

    Pool = classmethod(lambda cls, jobs: cls(jobs))
    imap = staticmethod(map)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass
