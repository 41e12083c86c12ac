"""Four ways to time a layer wrong, each beside the right way: what a clock says, and what it should
have said.

`mistakes`: a row for each, with what was done wrong (`mistake`), the `layer`, the times done wrong
and right (`wrong`, `right`), and `times_as_long`, the median of wrong over right. The mistakes are

  no synchronization  The clock stops when the work has been handed over, and not when it is done.
                      On a GPU that is what happens without torch.cuda.synchronize(); on a CPU a
                      second thread that takes the work stands in for the GPU.
  no warm-up          The first call, in which the library looks for kernels and memory, is taken
                      for all. A new layer each round, with one thread.
  wrong threads       Timed with one CPU thread, as OMP_NUM_THREADS=1 in a job's script leaves it,
                      where the rest has all.
  zeros as input      A comparison of zeros always comes out alike, and a processor guesses it
                      right: pooling hurries. A GPU does not guess, but multiplying zeros it takes
                      less power, and its clock may run faster.

A GPU's work does not depend on the CPU's threads: there the third is left out.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from xception_edu.benchmark import timing
from xception_edu.benchmark.timing import Timing

FILE = "mistakes.json"
PACKAGES = ()
BATCH = 4
REGULAR, POOLED = (128, 56), (128, 112)  # channels and side of the maps
PRODUCT = (8192, 8192)  # that a GPU multiplies
NEW = (31, 19)  # of the first of the new layers; the next has two channels more


def measure(*, quick: bool, device: torch.device, progress: tqdm) -> dict:
    """All rows; a quick run has fewer rounds."""
    mistakes = {
        name: mistake
        for name, mistake in MISTAKES.items()
        if device.type == "cpu" or mistake is not wrong_threads
    }
    progress.reset(len(mistakes))
    rows = []
    for name, mistake in mistakes.items():
        with torch.no_grad():
            layer, wrong, right = mistake(device, 5 if quick else 15)
        ratio = round(timing.ratio(wrong, right), 4)
        rows.append(
            {
                "mistake": name,
                "layer": layer,
                "wrong": wrong.record(),
                "right": right.record(),
                "times_as_long": ratio,
            }
        )
        progress.update()
    return {"batch": BATCH, "mistakes": rows}


def no_synchronization(device: torch.device, rounds: int) -> tuple[str, Timing, Timing]:
    """The clock is read twice: when the layer is handed over, and when it is done."""
    conv, x = convolution(*REGULAR, device)
    with ThreadPoolExecutor(1) as worker:  # on a GPU it only launches, as Python itself would

        def twice() -> tuple[float, float]:
            started = time.perf_counter()
            pending = worker.submit(conv, x)
            handed_over = time.perf_counter()
            pending.result()
            _wait(device)
            return handed_over - started, time.perf_counter() - started

        return "regular 3x3", *_two_timings(twice, rounds)


def no_warm_up(device: torch.device, rounds: int) -> tuple[str, Timing, Timing]:
    """A layer's first call, and its third. Each round has one with another number of channels, for
    which no kernel is ready.
    """
    channels, side = NEW
    sizes = iter(range(channels, channels + 2 * rounds + 2, 2))

    def twice() -> tuple[float, float]:
        conv, x = convolution(next(sizes), side, device)
        first, _, third = (_seconds(conv, x, device) for _ in range(3))
        return first, third

    with timing.pinned(1):
        return "regular 3x3, small", *_two_timings(twice, rounds)


def wrong_threads(device: torch.device, rounds: int) -> tuple[str, Timing, Timing]:
    """With one CPU thread, and with as many as the run has."""
    conv, x = convolution(*REGULAR, device)

    def with_threads(threads: int | None) -> None:
        with timing.pinned(threads):
            conv(x)

    times = timing.alternate(
        {n: lambda n=n: with_threads(n) for n in (1, None)}, rounds=rounds, device=device
    )
    return "regular 3x3", times[1], times[None]


def zeros_as_input(device: torch.device, rounds: int) -> tuple[str, Timing, Timing]:
    """A map of zeros, and one of random numbers; on a GPU matrices."""
    if device.type == "cuda":
        matrices = {
            make: make(*PRODUCT, dtype=torch.bfloat16, device=device)
            for make in (torch.zeros, torch.randn)
        }
        times = timing.alternate(
            {make: lambda m=m: m @ m for make, m in matrices.items()},
            rounds=rounds,
            min_ms=100,
            device=device,
        )
        return "matrix product, bf16", times[torch.zeros], times[torch.randn]
    channels, side = POOLED
    maps = {
        make: make(BATCH, channels, side, side, device=device)
        for make in (torch.zeros, torch.randn)
    }
    functions = {make: lambda x=x: F.max_pool2d(x, 3, 2, 1) for make, x in maps.items()}
    times = timing.alternate(functions, rounds=rounds, device=device)
    return "max pool 3x3 /2", times[torch.zeros], times[torch.randn]


MISTAKES = {
    "no synchronization": no_synchronization,
    "no warm-up": no_warm_up,
    "wrong threads": wrong_threads,
    "zeros as input": zeros_as_input,
}


def convolution(channels: int, side: int, device: torch.device) -> tuple[nn.Conv2d, Tensor]:
    """A regular 3x3 and a map for it."""
    conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False).to(device).requires_grad_(False)
    return conv, torch.randn(BATCH, channels, side, side, device=device)


def _seconds(conv: nn.Conv2d, x: Tensor, device: torch.device) -> float:
    started = time.perf_counter()
    conv(x)
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _two_timings(twice: Callable[[], tuple[float, float]], rounds: int) -> tuple[Timing, Timing]:
    """From rounds that tell a wrong and a right time at once, in seconds; the first is a warm-up
    for both.
    """
    twice()
    wrong, right = zip(*(twice() for _ in range(rounds)), strict=True)
    return Timing(tuple(1e3 * s for s in wrong)), Timing(tuple(1e3 * s for s in right))
