"""A GPU for the exercise in timing: it queues, waits and is slow at first, all without a GPU, and
tells how somebody measured it.
"""

from collections.abc import Callable

import torch

from xception_edu.exercises import draws
from xception_edu.exercises.exercise import Unfilled, is_stub


class FakeGpu:
    """A GPU whose work is only queued: its own clock, a slow first run, and a queue.

    `launch` returns at once, `synchronize` waits until all queued work is done. It keeps what it
    takes to see how somebody measured: what was queued at each look at the clock, and the runs
    before the first look.
    """

    def __init__(self, seconds: float = 2.0, first: float = 9.0):
        self.now = self.queued = 0.0
        self.seconds, self.extra = seconds, first
        self.runs = self.runs_before = 0
        self.queued_at_looks: list[float] = []

    def launch(self) -> None:
        """Queue one run; the first takes longer."""
        self.now += 0.001
        self.queued += self.seconds + self.extra
        self.extra = 0.0
        self.runs += 1

    def synchronize(self) -> None:
        """Wait for the queue."""
        self.now += self.queued
        self.queued = 0.0

    def clock(self) -> float:
        """Seconds on the wall."""
        if not self.queued_at_looks:
            self.runs_before = self.runs
        self.queued_at_looks.append(self.queued)
        return self.now


def timed(answer: Callable[..., object], g: torch.Generator) -> str | None:
    """Whether a function measures fake GPUs rightly, or which mistake it makes."""
    if not callable(answer):
        return "What is asked for is a function."
    gpus = [FakeGpu(draws.number(g, 1, 3), draws.number(g, 8, 12)) for _ in range(3)]
    return next(filter(None, [_timed_one(answer, gpu) for gpu in gpus]), None)


def _timed_one(answer: Callable[..., object], gpu: FakeGpu) -> str | None:
    """The same for one of them."""
    found = answer(gpu.launch, gpu.synchronize, gpu.clock)
    if is_stub(found):
        raise Unfilled
    seconds = float(found)  # type: ignore[arg-type]
    if abs(seconds - gpu.seconds) < 0.02:
        return None
    return (
        _mistake(gpu, seconds) or f"It says {seconds:.3g} seconds; a run takes {gpu.seconds:.3g}."
    )


def _mistake(gpu: FakeGpu, seconds: float) -> str | None:
    """How a wrong time came about, by what was done on the GPU."""
    looks, runs = gpu.queued_at_looks, gpu.runs - gpu.runs_before
    if len(looks) < 2 or not runs:
        return "the clock not read around a run"
    if seconds < 0:
        return "the start less the end"
    if looks[-1] > 0:
        return "synchronization forgotten"
    if looks[0] > 0:
        return "warm-up measured too"
    if gpu.runs_before == 0:
        return "no warm-up" if runs == 1 else "the first run among the others"
    if runs > 1 and abs(seconds - runs * gpu.seconds) < 0.02 * runs:
        return "all runs for one"
    return None
