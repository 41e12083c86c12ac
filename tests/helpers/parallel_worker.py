"""What each process of tests/training/test_parallel.py does: train in float64, and perhaps die or
be told to stop.

torchrun --nproc-per-node 2 -m tests.helpers.parallel_worker WHAT OUT
"""

import os
import pathlib
import signal
import sys
from contextlib import contextmanager
from dataclasses import replace

from tests.helpers.tiny import TINY
from xception_edu.training import evaluate, parallel, run, train

RECIPE = replace(TINY, polyak_decay=0.7, momentum=0.9, clip_norm=1.0)


@contextmanager
def in_double():
    """Everything in float64: weights, images, and so gradients."""
    before = make_model, training_batch, prepare = (
        run.make_model,
        train.training_batch,
        evaluate.prepare,
    )
    run.make_model = lambda recipe: make_model(recipe).double()
    train.training_batch = lambda *args: tuple(
        t.double() if t.is_floating_point() else t for t in training_batch(*args)
    )
    evaluate.prepare = lambda *args: prepare(*args).double()
    try:
        yield
    finally:
        run.make_model, train.training_batch, evaluate.prepare = before


def at_step(number, act):
    """Have rank 1 call `act` before the step with that number, from 1."""
    real, taken = train.train_step, []

    def step(*args, **kwargs):
        taken.append(None)
        if len(taken) == number and parallel.rank() == 1:
            act()
        return real(*args, **kwargs)

    train.train_step = step


def main(what, out):
    if what == "killed" and not parallel.was_restarted():
        at_step(7, lambda: os.kill(os.getpid(), signal.SIGKILL))
    if what == "signaled":
        at_step(3, lambda: signal.raise_signal(signal.SIGTERM))
    try:
        with in_double():
            train.train(RECIPE, out, tensorboard=False)
    except train.Interrupted as stopped:
        pathlib.Path(out, f"rank-{os.environ['RANK']}.txt").write_text(str(stopped))


if __name__ == "__main__":
    main(*sys.argv[1:])
