"""What TensorBoard draws of a run, read back with its own reader."""

import pytest

from tests.helpers.runs import KEYS, metrics
from tests.helpers.tiny import TINY
from xception_edu.training import train

pytestmark = pytest.mark.usefixtures("digits_are_read_once")


def scalars(out):
    """What TensorBoard would draw: (step, value) by name, read back with its own reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    return {
        name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]
    }


def test_tensorboard_gets_what_the_metrics_have_and_the_steps_between(uninterrupted):
    _, out = uninterrupted
    found = scalars(out)
    for key in KEYS - {"step"}:
        assert found[f"epoch/{key}"] == [
            (line["step"], pytest.approx(line[key], rel=1e-6)) for line in metrics(out)
        ]
    assert [step for step, _ in found["step/loss"]] == list(range(1, 11))
    mean = sum(value for _, value in found["step/loss"][:5]) / 5
    assert mean == pytest.approx(metrics(out)[0]["loss"], rel=1e-6)


def test_tensorboards_curves_go_on_where_the_run_does(tmp_path):
    train.train(TINY, tmp_path, max_steps=8)
    for later in list((tmp_path / "checkpoints").glob("*8.safetensors")):
        later.unlink()  # as if the last steps were lost
    train.train(TINY, tmp_path, resume=True)
    found = scalars(tmp_path)
    assert [step for step, _ in found["step/loss"]] == list(range(1, 11))
    assert [step for step, _ in found["epoch/top1"]] == [5, 10]


def test_without_tensorboard_there_are_no_events(tmp_path):
    train.train(TINY, tmp_path, max_steps=1, tensorboard=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoints",
        "config.json",
        "metrics.jsonl",
    ]
