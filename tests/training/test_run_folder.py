"""A run's folder: lines of metrics that say what they always said, whichever version wrote them."""

import json
from dataclasses import fields

from xception_edu.training.epoch_metrics import EpochMetrics
from xception_edu.training.run_folder import append_line, read_metrics, truncate_metrics

OLD = {"step": 5, "epoch": 1, "loss": 2.0, "lr": 0.1, "top1": 0.5, "held_out_loss": 1.5}


def test_a_line_has_the_keys_that_have_values_in_the_order_of_the_dataclass():
    line = EpochMetrics(step=5, epoch=1, loss=2.0, lr=0.1, images_per_second=9.5, val_loss=0.0)
    assert list(line.to_dict().items()) == [
        ("step", 5),
        ("epoch", 1),
        ("loss", 2.0),
        ("lr", 0.1),
        ("images_per_second", 9.5),
        ("val_loss", 0.0),
    ]


def test_a_file_of_an_earlier_version_is_read_with_the_new_key(tmp_path):
    path = tmp_path / "metrics.jsonl"
    append_line(path, OLD)
    (line,) = read_metrics(path)
    assert line["val_loss"] == OLD["held_out_loss"]
    assert set(line) <= {field.name for field in fields(EpochMetrics)}


def test_a_resumed_run_of_an_earlier_version_goes_on_with_one_key(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for line in (OLD, OLD | {"step": 7, "epoch": 1.4}, OLD | {"step": 10, "epoch": 2}):
        append_line(path, line)
    truncate_metrics(7, path)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [5]
    assert "held_out_loss" not in path.read_text()


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    append_line(path, OLD)
    path.write_text(path.read_text() + '{"step": 10, "ep')
    assert len(read_metrics(path)) == 1
