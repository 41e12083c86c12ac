"""Edits of a run's folder, by hand or by accident: each is refused in one line, or said in one."""

import json
import shutil
from dataclasses import replace

import pytest

from tests.helpers.runs import newest
from tests.helpers.tiny import TINY
from xception_edu.recipes.recipe import Recipe
from xception_edu.training import train
from xception_edu.training.epoch_metrics import EpochMetrics

pytestmark = pytest.mark.usefixtures("digits_are_read_once")

RECIPE = replace(TINY, epochs=2)
VALUES = (None, True, "x", 7, 1e308, [], {"a": 1})  # of which a field has at most a few


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run of two epochs, with two checkpoints."""
    out = tmp_path_factory.mktemp("whole")
    train.train(RECIPE, out, tensorboard=False)
    return out


@pytest.fixture
def run(whole, tmp_path):
    """A copy of it, to be edited."""
    return shutil.copytree(whole, tmp_path / "run")


def answer(out, caplog):
    """What going on with a run answers: the lines of its log, and that of its refusal."""
    caplog.clear()
    refusal = []
    try:
        train.train(RECIPE, out, resume=True, tensorboard=False)
    except ValueError as error:
        refusal = [str(error)]
    lines = [*caplog.messages, *refusal]
    assert all(len(line) <= 400 and line.isprintable() for line in lines)
    return "\n".join(lines)


def written(run, config):
    (run / "config.json").write_text(json.dumps(config))


def fields(config):
    """Every field of the recipe, and of its network, with the dictionary that holds it."""
    recipe = config["recipe"]
    return [(recipe, name) for name in recipe] + [
        (recipe["model"], name) for name in recipe["model"]
    ]


def test_every_field_of_config_json_that_was_edited_is_named(run, caplog):
    config = json.loads((run / "config.json").read_text())
    edits = 0
    for holder, name in fields(config):
        right = holder[name]
        for value in VALUES:
            holder[name] = value
            if value != right and not is_free(config, name):
                written(run, config)
                assert name in answer(run, caplog), (name, value)
                edits += 1
        holder[name] = right
    assert edits > 65


def is_free(config, name):
    """Whether the recipe is one that may be gone on with: the field may change, or is as it was."""
    try:
        edited = Recipe.from_dict(config["recipe"])
    except ValueError:
        return False
    return name in ("evaluate_every", "keep_checkpoints", "workers") or edited == RECIPE


@pytest.mark.parametrize("name", EpochMetrics.__dataclass_fields__)
@pytest.mark.parametrize("value", [True, "x", [], {"a": 1}, 10**400], ids=str)
def test_every_value_of_metrics_of_another_type_is_named(run, name, value, caplog):
    path = run / "metrics.jsonl"
    first, second = map(json.loads, path.read_text().splitlines())
    path.write_text(json.dumps(first) + "\n" + json.dumps(second | {name: value}) + "\n")
    said = answer(run, caplog)
    assert "damaged in line 2 of 2" in said
    assert name in said


def no_checkpoints(run):
    shutil.rmtree(run / "checkpoints")


def emptied_checkpoints(run):
    for path in (run / "checkpoints").iterdir():
        path.unlink()


def a_file_in_their_place(run):
    no_checkpoints(run)
    (run / "checkpoints").write_text("")


def no_newest(run):
    newest(run).unlink()


def emptied_newest(run):
    newest(run).write_bytes(b"")


def text_as_newest(run):
    newest(run).write_text("a text\n")


def swapped(run):
    older, newer = sorted((run / "checkpoints").iterdir())
    content = older.read_bytes()
    older.write_bytes(newer.read_bytes())
    newer.write_bytes(content)


def no_metrics(run):
    (run / "metrics.jsonl").unlink()


def emptied_metrics(run):
    (run / "metrics.jsonl").write_text("")


def lines_of(run, change):
    path = run / "metrics.jsonl"
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))


def first_line_only(run):
    lines_of(run, lambda lines: lines[:1])


def last_line_only(run):
    lines_of(run, lambda lines: lines[1:])


def doubled_lines(run):
    lines_of(run, lambda lines: lines * 2)


def turned_lines(run):
    lines_of(run, lambda lines: lines[::-1])


def blank_line(run):
    lines_of(run, lambda lines: ["\n", *lines])


def cut_line(run):
    lines_of(run, lambda lines: [lines[0], lines[1][:20]])


def binary_metrics(run):
    (run / "metrics.jsonl").write_bytes(b"\xff\xfe" * 100)


def no_config(run):
    (run / "config.json").unlink()


def binary_config(run):
    (run / "config.json").write_bytes(b"\xff\xfe" * 100)


def other_images(run):
    config = json.loads((run / "config.json").read_text())
    written(run, config | {"data": "somewhere/else"})


def other_classes(run):
    config = json.loads((run / "config.json").read_text())
    written(run, config | {"classes": config["classes"][::-1]})


EDITS = {
    no_checkpoints: "starts over",
    emptied_checkpoints: "starts over",
    a_file_in_their_place: "is no folder",
    no_newest: "newest checkpoint is of step 5: what is behind it is trained again",
    emptied_newest: "is damaged",
    text_as_newest: "is damaged",
    swapped: "it was renamed",
    no_metrics: "is gone: of 2 epochs",
    emptied_metrics: "lacks lines: of 2 epochs that were trained 2",
    first_line_only: "lacks lines: of 2 epochs that were trained 1",
    last_line_only: "lacks lines: of 2 epochs that were trained 1",
    doubled_lines: "damaged in line 3 of 4",
    turned_lines: "damaged in line 2 of 2",
    blank_line: "damaged in line 1 of 3",
    cut_line: "lacks lines: of 2 epochs that were trained 1",
    binary_metrics: "no text in UTF-8",
    no_config: "must have a run to resume",
    binary_config: "no text in UTF-8",
    other_images: "data is 'somewhere/else', but checkpoint",
    other_classes: "classes is",
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_folder_is_refused_or_said(run, edit, caplog):
    edit(run)
    assert EDITS[edit] in answer(run, caplog)


def test_images_that_moved_are_noted_so_that_the_run_finds_them_again(run, caplog):
    train.train(RECIPE, run, resume=True, data="moved/here", tensorboard=False)
    assert "data is 'moved/here', but checkpoint" in caplog.text
    assert json.loads((run / "config.json").read_text())["data"] == "moved/here"
