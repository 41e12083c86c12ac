"""Public functions that read, write, train or measure answer a hostile argument with one line that
names the argument, before anything is done.
"""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import nn

import xception_edu as xe
from tests.helpers.hostile_calls import HOSTILE, HUGE, NAME, OF_FILES, wrong_answers
from tests.helpers.tiny import TINY
from tests.helpers.tiny_sweep import tiny_plan
from xception_edu.benchmark import command
from xception_edu.exercises import EXERCISES
from xception_edu.plots.gallery import FIGURES
from xception_edu.training import parallel

# What messages call a parameter, where it is not its own name: as the command's flag is called.
CALLED = {
    "load_dataset": {"path": "data"},
    "read_plan": {"path": "plan"},
    "trained_model": {"path": "checkpoint"},
}
# Right values among the hostile ones, with which a run of seconds would begin.
TAKEN = {
    "train": {("out", id(NAME))},
    "finetune": {("features", id(NAME)), ("out", id(NAME)), ("checkpoint_minutes", id(HUGE))},
    "export_onnx": {("path", id(NAME))},
}


class Torchrun:
    """In the place of processes that `launch` would start."""

    returncode = 0

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def communicate(self):
        return "", ""


@pytest.fixture(scope="module")
def network():
    return xe.xception(xe.XceptionConfig(width=0.05, middle_blocks=1, num_classes=10))


@pytest.fixture
def right(tmp_path, monkeypatch, network):
    """Right arguments by function, made anew for every call; each gets a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XCEPTION_EDU_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(parallel.subprocess, "Popen", Torchrun)
    monkeypatch.setattr(command, "record_of", lambda *_, **__: {})
    weights = tmp_path / "weights.safetensors"
    xe.save_weights(network, weights)
    images, labels = torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.long)
    numbers = itertools.count()
    exercise = next(iter(EXERCISES))

    def fresh():
        return tmp_path / f"out-{next(numbers)}"

    return {
        "check": lambda: {"name": exercise, "answer": 1},
        "class_names": lambda: {"num_classes": 3},
        "evaluate": lambda: {
            "model": nn.Sequential(nn.Flatten(), nn.Linear(192, 10)),
            "batches": [(images, labels)],
            "image_size": 8,
        },
        "export_onnx": lambda: {"model": network, "path": fresh(), "input_size": 80},
        "findings": lambda: {"plan": tiny_plan(), "lines": []},
        "finetune": lambda: {"recipe": replace(xe.FINETUNE, init="cifar10"), "out": fresh()},
        "guess": lambda: {"name": "a", "question": "b", "answer": 1.0},
        "hint": lambda: {"name": exercise},
        "import_weights": lambda: {"path": weights},
        "launch": lambda: {"flags": []},
        "load_dataset": lambda: {"recipe": TINY},
        "load_newest": lambda: {"folder": tmp_path},
        "load_pretrained": lambda: {"name": "cifar10"},
        "measure_roofline": lambda: {"side": 8, "megabytes": 1, "rounds": 1},
        "measure_segments": lambda: {"record": {"cases": []}},
        "read_metrics": lambda: {"path": tmp_path},
        "read_plan": lambda: {"path": tmp_path},
        "run_benchmark": lambda: {"name": "roofline"},
        "save_weights": lambda: {"model": network, "path": fresh()},
        "show": lambda: {"name": next(iter(FIGURES))},
        "solution": lambda: {"name": exercise},
        "train": lambda: {"recipe": replace(TINY, epochs=1), "out": fresh(), "tensorboard": False},
        "trained_model": lambda: {"path": tmp_path},
        "training_batch": lambda: {"data": xe.load_dataset(TINY), "recipe": TINY, "step": 0},
        "verdict": lambda: {"plan": tiny_plan(), "compared": []},
        "write_photographs": lambda: {"folder": fresh(), "train": 1, "validation": 1, "side": 32},
    }


@pytest.mark.parametrize("name", OF_FILES)
def test_hostile_arguments_are_answered_in_one_line(name, right):
    function, taken = getattr(xe, name), TAKEN.get(name, ())
    assert wrong_answers(function, right[name], called=CALLED.get(name), taken=taken) == []


def test_what_may_be_taken_is_among_the_hostile_values():
    assert {id(NAME), id(HUGE)} <= set(map(id, HOSTILE))
