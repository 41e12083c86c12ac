"""Sweeps that are killed, gone on with and extended, with networks of a few channels."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from tests.helpers.tiny import TINY
from tests.helpers.tiny_sweep import tiny_plan, without_times
from xception_edu.__main__ import main
from xception_edu.data.load import load_dataset
from xception_edu.recipes.recipe import Recipe
from xception_edu.training import train
from xception_edu.training.sweep import sweep as module
from xception_edu.training.sweep.images import load_images, validation_part
from xception_edu.training.sweep.run import _images_only, run_job
from xception_edu.training.sweep.sweep import open_sweep


def run_all(found, at_most=1000):
    """The sweep's runs, one after the other in this process; stops after some of them."""
    found.out.mkdir(exist_ok=True)
    found.write()
    while found.pending and at_most:
        job = found.pending[0]
        found.lines[job.key] = run_job(job, found.folder(job), data=None, device="cpu")
        found.write_results()
        at_most -= 1


def lines_of(folder):
    text = (folder / "tiny.jsonl").read_text(encoding="utf-8")
    return [without_times(json.loads(line)) for line in text.splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A sweep that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    run_all(open_sweep(tiny_plan(), folder))
    return folder


def test_a_line_says_what_was_trained_and_what_came_of_it(whole):
    lines = lines_of(whole)
    results = [line for line in lines if line["purpose"] == "result"]
    assert [(line["point"], line["seed"]) for line in results] == [
        (name, seed) for seed in (0, 1) for name in ("1", "4", "channels")
    ]
    for line in results:
        assert 0 <= line["test_top1"] <= 1
        assert [mark["step"] for mark in line["curve"]] == [3, 6]
        assert line["curve"][-1]["top1"] == pytest.approx(line["validation_top1"], abs=1e-5)
        assert line["recipe"]["learning_rate"] == line["learning_rate"]
    measured = json.loads((whole / "tiny.jsonl").read_text().splitlines()[0])["measured"]
    assert measured["step_ms"] > 0
    assert {"processor", "versions", "commit"} <= set(measured["machine"])


def test_the_test_set_is_not_looked_at_while_rates_are_chosen(whole):
    short = [line for line in lines_of(whole) if line["purpose"] == "rate"]
    assert len(short) >= 6
    assert {line["test_top1"] for line in short} == {None}


def test_a_sweep_that_is_stopped_three_times_ends_with_the_same_file(whole, tmp_path):
    for _ in range(3):
        run_all(open_sweep(tiny_plan(), tmp_path), at_most=3)
    run_all(open_sweep(tiny_plan(), tmp_path))
    assert lines_of(tmp_path) == lines_of(whole)


def test_a_run_that_is_stopped_between_two_steps_ends_with_the_same_line(
    whole, tmp_path, monkeypatch
):
    line = lines_of(whole)[-1]
    found = open_sweep(tiny_plan(), whole)
    job = next(job for job in found.jobs if job.key == line["key"])
    taken = []

    def stopped(*arguments):
        taken.append(1)
        if len(taken) == 5:
            raise KeyboardInterrupt
        return step(*arguments)

    step = train.take_step
    monkeypatch.setattr(train, "take_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_job(job, tmp_path, data=None, device="cpu")
    again = run_job(job, tmp_path, data=None, device="cpu")
    assert len(taken) == 5 + 3  # it went on after the first epoch, which was saved
    assert {"plan": "tiny", "point": line["point"], **without_times(again)} == line
    assert again["measured"]["seconds"] is None


def test_points_and_seeds_that_come_later_extend_the_same_results(whole, tmp_path):
    plan = tiny_plan(seeds=[0], points=[1, "channels"])
    run_all(open_sweep(plan, tmp_path))
    few = lines_of(tmp_path)
    run_all(open_sweep(plan, tmp_path, points=["4"]))
    run_all(open_sweep(plan, tmp_path, seeds=[0, 1]))
    assert {line["key"] for line in few} < {line["key"] for line in lines_of(tmp_path)}
    by_key = {line["key"]: line for line in lines_of(tmp_path)}
    same = [by_key[line["key"]] == line for line in lines_of(whole) if line["key"] in by_key]
    assert all(same)
    assert len(same) >= len(lines_of(whole)) - 1  # "4" has no second seed


def test_a_run_that_diverges_is_a_result_of_its_own(tmp_path):
    recipe = tiny_plan().recipe | {"clip_norm": 0.0}
    found = open_sweep(tiny_plan(rates=[1e30], recipe=recipe, seeds=[0]), tmp_path)
    run_all(found, at_most=1)
    [line] = found.results
    assert line["diverged"]
    assert line["validation_top1"] is None


def test_validation_images_are_of_the_training_set_and_of_all_classes_alike():
    plan = tiny_plan()
    images = load_images(plan.base, None, 60)
    assert len(images.learned.test_images) == 60
    assert images.learned.train_size + 60 == images.test.train_size
    assert set(images.learned.test_labels.bincount().tolist()) == {6}
    kept, validation = validation_part(images.test.train_labels, 60)
    assert not set(kept.tolist()) & set(validation.tolist())
    torch.manual_seed(5)
    assert torch.equal(validation_part(images.test.train_labels, 60)[1], validation)


def test_too_many_validation_images_get_one_line():
    with pytest.raises(ValueError, match="validation_images is 100000, but must be from 1 to"):
        load_images(tiny_plan().base, None, 100_000)


def arguments(plan, out):
    path = out.parent / "tiny.json"
    path.write_text(json.dumps(plan.to_dict()))
    return ["sweep", str(path), "--out", str(out), "--workers", "1"]


def wait_for(path, lines):
    """Return once a file has so many lines; fails after a minute."""
    for _ in range(600):
        if path.is_file() and len(path.read_text().splitlines()) >= lines:
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} has no {lines} lines")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills by POSIX signals")
def test_a_sweep_that_is_killed_by_the_system_goes_on(whole, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    out = tmp_path / "out"
    argv = arguments(tiny_plan(), out)
    quiet = subprocess.DEVNULL  # its workers may find that nobody listens
    first = subprocess.Popen([sys.executable, "-m", "xception_edu", *argv], stderr=quiet)
    wait_for(out / "tiny.jsonl", 2)
    first.kill()
    first.wait()
    assert main(argv) == 0
    said, wrong = capfd.readouterr()
    assert f"runs are in {out}" in said
    assert wrong == ""
    assert lines_of(out) == lines_of(whole)


def test_sigterm_is_like_ctrl_c_and_what_was_there_before_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), module.sigterm_raises():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


class Watched(Recipe):
    """A recipe that knows which of its fields were read."""

    def __getattribute__(self, name):
        if not name.startswith("_"):
            READ.add(name)
        return super().__getattribute__(name)


READ = set()


@pytest.mark.parametrize("dataset", ["entangled", "digits", "photos"])
def test_what_decides_the_images_of_a_run_decides_those_of_the_sweep(dataset):
    entanglement = 0.5 if dataset == "entangled" else 0.0
    model = replace(TINY.model, in_channels=1 if dataset == "digits" else 3)
    recipe = replace(TINY, dataset=dataset, model=model, image_size=32, entanglement=entanglement)
    watched = Watched(**vars(recipe))
    READ.clear()
    load_dataset(watched, None)
    kept = _images_only(recipe)
    decisive = READ & set(vars(recipe)) - {"model"}
    assert "dataset" in decisive
    assert {name: getattr(kept, name) for name in decisive} == {
        name: getattr(recipe, name) for name in decisive
    }
    assert kept.model.num_classes == recipe.model.num_classes
