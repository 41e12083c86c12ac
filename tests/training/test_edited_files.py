"""Checkpoints, configs and metrics that somebody edited: one line says what is wrong with them."""

import json
import os
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.helpers.refusals import refused
from tests.helpers.runs import newest
from tests.helpers.tiny import TINY
from xception_edu.recipes.recipe import Recipe
from xception_edu.training import checkpoints, train
from xception_edu.training.evaluate import trained_model
from xception_edu.training.run_folder import read_metrics

pytestmark = pytest.mark.usefixtures("digits_are_read_once")

DEEP = "[" * 500 + "]" * 500
HOSTILE = [None, True, -1, 10**6, 10**30, 1e308, float("nan"), "x" * 10**5, [], {}, ["a", "a"]]
OTHER = {  # for each field, edits of which the right values are few
    "recipe": [None, [], {}, "digits", 3],
    "step": [None, -1, "5", 1.5, [], 10**30],
    "loss_sum": [None, "x", float("nan"), float("inf"), []],
    "scaler": [None, [], {"scale": 1.0}],
    "data": [3, [], {"a": 1}],
    "classes": [3, "0123456789", ["a"], ["a"] * 10, [1] * 10, {"a": 1}],
}
MODEL_FIELDS = (
    "num_classes in_channels entry_widths middle_blocks exit_widths segments fc_widths width"
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run of one epoch."""
    out = tmp_path_factory.mktemp("whole")
    train.train(replace(TINY, epochs=1), out, tensorboard=False)
    return out


@pytest.fixture
def run(whole, tmp_path):
    """A copy of it, to be edited."""
    return shutil.copytree(whole, tmp_path / "run")


def rewritten(path, progress, tensors=None):
    """The checkpoint with other progress or tensors, and a checksum that fits them."""
    tensors = load_file(path) if tensors is None else tensors
    text = json.dumps(progress)
    header = {"crc32": checkpoints._crc32(text, tensors), "progress": text}
    save_file(tensors, path, metadata={"checkpoint": json.dumps(header)})
    return path


def read(path):
    return checkpoints.load_checkpoint(path).progress


def says_no(path):
    """What is said of a checkpoint: one short line, by whoever reads it."""
    with pytest.raises(ValueError, match=r"damaged|must be") as error:
        trained_model(path)
    said = str(error.value)
    assert len(said) <= 400, said
    assert said.isprintable(), said
    return said


@pytest.mark.parametrize("field", OTHER)
def test_progress_of_another_type_is_refused(run, field):
    path = newest(run)
    progress = read(path)
    for value in OTHER[field]:
        said = says_no(rewritten(path, progress | {field: value}))
        assert field in said or "num_classes" in said, said


@pytest.mark.parametrize("field", MODEL_FIELDS.split())
def test_a_network_of_another_size_is_refused_before_it_is_built(run, field):
    path = newest(run)
    progress = read(path)
    right = progress["recipe"]["model"][field]
    for value in [*HOSTILE, [8, 8, 8, 8], [10**9] * 3, 7]:
        if value != right:
            model = progress["recipe"]["model"] | {field: value}
            edited = progress["recipe"] | {"model": model}
            if field == "num_classes" and value == 7:
                progress = progress | {"classes": None}
            says_no(rewritten(path, progress | {"recipe": edited}))


def answer_to(values):
    """The message of the ValueError, or nothing where the values are a recipe."""
    try:
        Recipe.from_dict(values)
    except ValueError as error:
        return str(error)
    return ""


def test_a_recipe_of_hostile_values_is_refused_or_is_one():
    right = TINY.to_dict()
    for field in right:
        for value in HOSTILE:
            said = answer_to(right | {field: value})
            assert len(said) <= 400, said
            assert "must be" in said or not said, said


@pytest.mark.parametrize("text", [DEEP, "[]", "null", "3", "{", '{"a": ' * 200 + "1" + "}" * 200])
def test_a_header_that_is_no_flat_object_is_refused(run, text):
    path = newest(run)
    tensors = load_file(path)
    save_file(tensors, path, metadata={"checkpoint": text})
    says_no(path)
    header = {"crc32": checkpoints._crc32(text, tensors), "progress": text}
    save_file(tensors, path, metadata={"checkpoint": json.dumps(header)})
    says_no(path)


def edits_of(tensors):
    """Names of edits, and the tensors after each."""
    name = next(name for name in tensors if name.startswith("model.") and tensors[name].dim() > 1)
    yield "missing", {n: t for n, t in tensors.items() if n != name}
    yield "unknown", tensors | {"model.further": torch.ones(2)}
    yield "foreign", tensors | {"further": torch.ones(2)}
    yield "shape", tensors | {name: tensors[name].repeat(2, 1, 1, 1)}
    yield "dtype", tensors | {name: tensors[name].to(torch.float64)}
    yield "nan", tensors | {name: tensors[name] * float("nan")}
    yield "none", {}


def test_weights_that_do_not_fit_are_named(run):
    path = newest(run)
    progress = read(path)
    for _, tensors in edits_of(load_file(path)):
        says_no(rewritten(path, progress, tensors))


@pytest.mark.parametrize("part", ["missing", "index", "shape", "word"])
def test_an_edited_optimizer_is_not_resumed_from(run, part):
    path = newest(run)
    progress, tensors = read(path), load_file(path)
    name = next(name for name in tensors if name.startswith("optimizer."))
    value = tensors.pop(name)
    new = {
        "missing": {},
        "index": {"optimizer.999.momentum_buffer": value},
        "shape": {name: value.repeat(2, *[1] * (value.dim() - 1))},
        "word": {"optimizer.x": value},
    }[part]
    rewritten(path, progress, tensors | new)
    with pytest.raises(ValueError, match=r"optimizer\."):
        train.train(replace(TINY, epochs=1), run, resume=True, tensorboard=False)


def as_folder(path):
    path.mkdir()


def as_pipe(path):
    os.mkfifo(path)


def as_dangling_link(path):
    path.symlink_to(path.with_name("nothing"))


def as_loop(path):
    path.symlink_to(path)


def as_device(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("file", ["config.json", "metrics.jsonl", "checkpoint"])
@pytest.mark.parametrize("made", [as_folder, as_pipe, as_dangling_link, as_loop, as_device])
def test_what_is_no_file_is_called_what_it_is(run, file, made, capsys):
    path = newest(run) if file == "checkpoint" else run / file
    path.unlink()
    made(path)
    said = refused(["train", "--resume", "--out", str(run)], capsys)
    assert path.name in said


def test_a_weight_file_given_as_a_checkpoint_is_called_that(tmp_path, capsys):
    weights = tmp_path / "weights.safetensors"
    save_file({"a": torch.ones(2)}, weights)
    pickled, keras = tmp_path / "weights.pt", tmp_path / "weights.h5"
    torch.save({"a": torch.ones(2)}, pickled)
    keras.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    for path in (weights, pickled, keras):
        said = refused(["evaluate", "--checkpoint", str(path)], capsys)
        assert "a file of weights" in said
        assert "damaged" not in said


def test_another_runs_checkpoint_in_its_place_is_refused_with_the_fields(run, tmp_path):
    other = replace(TINY, epochs=1, seed=7, learning_rate=0.02)
    train.train(other, tmp_path / "other", tensorboard=False)
    shutil.copy(newest(tmp_path / "other"), newest(run))
    with pytest.raises(
        ValueError, match=r"not of this run.*seed is 7 and 0; learning_rate is 0.02"
    ):
        train.train(replace(TINY, epochs=1), run, resume=True, tensorboard=False)


def test_a_config_edited_by_hand_is_refused_with_the_fields(run, capsys):
    path = run / "config.json"
    config = json.loads(path.read_text())
    config["recipe"]["learning_rate"] = 0.5
    path.write_text(json.dumps(config))
    said = refused(["train", "--resume", "--out", str(run)], capsys)
    assert "not of this run" in said
    assert "learning_rate" in said


def test_a_checkpoint_that_was_renamed_is_refused(run, capsys):
    newest(run).rename(run / "checkpoints" / "step-00000099.safetensors")
    said = refused(["train", "--resume", "--out", str(run)], capsys)
    assert "all damaged" in said


@pytest.mark.parametrize("text", ["[]", "null", DEEP, "{", '{"recipe": null}', '{"recipe": {}}'])
def test_a_damaged_config_is_one_line(run, text, capsys):
    (run / "config.json").write_text(text)
    said = refused(["train", "--resume", "--out", str(run)], capsys)
    assert "config.json" in said
    assert "damaged" in said


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "3",
        "{}",
        DEEP,
        '{"step": 1',
        '{"step": "1", "epoch": 1}',
        '{"step": 1, "epoch": null}',
        '{"step": 1, "epoch": 1, "loss": "low"}',
        '{"step": 1, "epoch": 1, "top1": 2}',
        '{"step": -1, "epoch": 1}',
    ],
)
def test_a_damaged_line_of_metrics_is_named(run, line, capsys):
    path = run / "metrics.jsonl"
    path.write_text(f"{line}\n{path.read_text()}")
    with pytest.raises(ValueError, match="damaged in line 1 of 2"):
        read_metrics(path)
    assert "metrics.jsonl" in refused(["train", "--resume", "--out", str(run)], capsys)


def test_metrics_that_are_gone_are_said_and_the_run_goes_on(run, tmp_path, caplog):
    path = run / "metrics.jsonl"
    path.unlink()
    train.train(replace(TINY, epochs=1), run, resume=True, tensorboard=False)
    assert "metrics.jsonl is gone: of 1 epochs that were trained 1 are not in it" in caplog.text
    caplog.clear()
    path.write_text("")
    train.train(replace(TINY, epochs=1), run, resume=True, tensorboard=False)
    assert "metrics.jsonl lacks lines" in caplog.text


def test_what_may_change_changes_and_other_fields_need_another_folder(run, capsys):
    train.train(replace(TINY, epochs=1, keep_checkpoints=5), run, resume=True, tensorboard=False)
    assert json.loads((run / "config.json").read_text())["recipe"]["keep_checkpoints"] == 5
    said = refused(["train", "--resume", "--out", str(run), "--epochs", "9"], capsys)
    assert "epochs is 1 and 9; only evaluate_every, keep_checkpoints, workers may" in said
