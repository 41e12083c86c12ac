"""The smallest runs, what they leave, and how a test gets into the middle of one."""

import json
import signal
from dataclasses import replace

from tests.helpers.tiny import TINY
from xception_edu.training import train

KINDS = {
    "sgd": TINY,
    "adamw, averaged": replace(TINY, optimizer="adamw", learning_rate=0.01, polyak_decay=0.7),
}
KEYS = {"step", "epoch", "loss", "lr", "top1", "top5", "val_loss", "images_per_second"}


def made_by(out):
    """Everything that a run computed: the newest checkpoint's bytes, and the metrics without the
    speed.
    """
    lines = [{k: v for k, v in line.items() if k != "images_per_second"} for line in metrics(out)]
    return newest(out).read_bytes(), lines


def metrics(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def newest(out):
    return max((out / "checkpoints").glob("*.safetensors"))


def at_step(number, act, monkeypatch):
    """Call `act` in the middle of the step with that number, from 1."""
    taken, real = [], train.train_step

    def step(*args, **kwargs):
        taken.append(None)
        if len(taken) == number:
            act()
        return real(*args, **kwargs)

    monkeypatch.setattr(train, "train_step", step)


def interrupt(signum=signal.SIGINT):
    return lambda: signal.raise_signal(signum)


class quiet(train.tqdm):
    """A progress bar that shows nothing, however the tests are started."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs | {"disable": True})
