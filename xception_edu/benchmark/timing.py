"""How long a computation takes, and how much memory it needs.

A time is a list of rounds, none left out: the median says what to expect, the quartiles how sure
that is. Before the first round the function runs untimed, since the first call looks for kernels
and memory. On a GPU, which runs behind Python's back, the device's own events time each round.
Functions that are compared run in alternation, so that a slow moment meets all of them.
"""

import contextlib
import functools
import json
import math
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from xception_edu import checks
from xception_edu.benchmark import machine
from xception_edu.benchmark.devices import pick_device

Function = Callable[[], object]
Device = torch.device | str
CPU = torch.device("cpu")
Name = TypeVar("Name")
FEWEST = 3  # rounds that are timed though the time is up


@dataclass(frozen=True)
class Timing:
    """Milliseconds of every round, in order, and how often the system preempted each (None: the
    system does not tell).
    """

    milliseconds: tuple[float, ...]
    preemptions: tuple[int | None, ...] = ()

    @property
    def median(self) -> float:
        """Milliseconds of the middle round."""
        return statistics.median(self.milliseconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Milliseconds that a quarter, and three quarters, of the rounds stay within; a single
        round is both.
        """
        if len(self.milliseconds) == 1:
            return self.milliseconds[0], self.milliseconds[0]
        first, _, third = statistics.quantiles(self.milliseconds, n=4, method="inclusive")
        return first, third

    @property
    def preempted(self) -> int:
        """Rounds in which the system gave the processor to another program. They count in the
        median as all others do.
        """
        return sum(bool(count) for count in self.preemptions)

    def __add__(self, other: "Timing") -> "Timing":
        """The rounds of both."""
        return Timing(self.milliseconds + other.milliseconds, self.preemptions + other.preemptions)

    def record(self) -> dict[str, float | int]:
        """As plain data: median_ms, q1_ms, q3_ms, rounds, preempted."""
        first, third = self.quartiles
        return {
            "median_ms": round(self.median, 4),
            "q1_ms": round(first, 4),
            "q3_ms": round(third, 4),
            "rounds": len(self.milliseconds),
            "preempted": self.preempted,
        }


def latency(
    function: Function, *, rounds: int = 7, threads: int | None = None, device: Device = CPU
) -> Timing:
    """Time of one call of a function, over several calls after an untimed one.

    Raises ValueError for rounds or threads that are no positive integers; what the function raises
    comes through.

    Args:
        function: is called without arguments.
        rounds: how many calls are timed.
        threads: the number of CPU threads; None: as set.
        device: where the function runs; a GPU's own clock is read.
    """
    checks.function("function", function)
    times = alternate({"function": function}, rounds=rounds, threads=threads, device=device)
    return times["function"]


def alternate(
    functions: Mapping[Name, Function],
    *,
    rounds: int = 7,
    seconds: float = math.inf,
    min_ms: float = 0.0,
    threads: int | None = None,
    device: Device = CPU,
) -> dict[Name, Timing]:
    """Times of several functions, by name, each called once a round.

    A function's time depends on what the one before it left in the caches. So the order within a
    round is balanced (a Williams design): every function follows every other equally often, over n
    rounds for an even number n of functions, over 2n for an odd one.

    Raises ValueError for no functions and wrong numbers; what a function raises comes through with
    a note that names it.

    Args:
        functions: by the names under which their times are returned.
        rounds: how many are timed, after one that is not.
        seconds: the time after which three rounds are enough.
        min_ms: the shortest round, in milliseconds; a function that takes less is called several
            times in a row, and its round is the mean.
        threads: the number of CPU threads; None: as set.
        device: where the functions run; a GPU's own clock is read.
    """
    checks.integer("rounds", rounds)
    if not isinstance(seconds, float) or seconds != math.inf:
        checks.number("seconds", seconds, at_least=0)
    checks.number("min_ms", min_ms, at_least=0, at_most=checks.LARGEST)
    _check_functions(functions)
    time_calls = _time_on_gpu if _type_of(device) == "cuda" else _time_on_cpu
    orders = _balanced_orders(list(functions))
    times: dict[Name, list[tuple[float, int | None]]] = {name: [] for name in functions}
    with pinned(threads):
        calls = {
            name: _calls_to_last(min_ms, name, function, time_calls)
            for name, function in functions.items()
        }
        end = time.monotonic() + seconds
        for i in range(rounds):
            if i >= FEWEST and time.monotonic() > end:
                break
            for name in orders[i % len(orders)]:
                with _named(name):
                    times[name].append(time_calls(functions[name], calls[name]))
    return {name: Timing(*zip(*measured, strict=True)) for name, measured in times.items()}


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much time a benchmark gives to what it compares, as `alternate` takes it."""

    rounds: int
    seconds: float = math.inf
    min_ms: float = 0.0

    def alternate(self, functions: Mapping[Name, Function], device: Device) -> dict[Name, Timing]:
        """Times of the functions, by name, with this effort."""
        return alternate(
            functions,
            rounds=self.rounds,
            seconds=self.seconds,
            min_ms=self.min_ms,
            device=device,
        )


def _check_functions(functions: object) -> None:
    """ValueError unless these are functions by name, one or more."""
    right = "a dict of functions by name, one or more"
    checks.instance("functions", functions, Mapping, right)
    if not functions:
        raise ValueError("functions is empty, but must have a function to time")
    for name, function in functions.items():  # type: ignore[attr-defined]
        checks.function(f"functions[{checks.shown(name)}]", function)


def _type_of(device: Device) -> str:
    """The device's type; ValueError for one that is not here."""
    if device is None:
        raise checks.wrong("device", device, "a device's name, such as 'cpu'")
    return pick_device(device).type


TimeCalls = Callable[[Function, int], tuple[float, int | None]]


def _calls_to_last(min_ms: float, name: object, function: Function, time_calls: TimeCalls) -> int:
    """How many calls take `min_ms`, by the second one: the first, untimed, is the slowest."""
    with _named(name):
        milliseconds, _ = time_calls(function, 1)
        if not min_ms:
            return 1
        milliseconds, _ = time_calls(function, 1)
    return max(1, math.ceil(min_ms / max(milliseconds, 1e-3)))


@contextlib.contextmanager
def _named(name: object) -> Iterator[None]:
    """What is raised inside gets a note that names the function."""
    try:
        yield
    except Exception as error:
        error.add_note(f"while timing {name!r}")
        raise


def _balanced_orders(names: Sequence[Name]) -> list[list[Name]]:
    """A Williams design: orders of the names in which every one follows every other equally
    often.
    """
    n = len(names)
    # 0, 1, n-1, 2, n-2: all differences, each once
    zigzag = [(k + 1) // 2 if k % 2 else (n - k // 2) % n for k in range(n)]
    rows = []
    for i in range(n):
        rows.append([names[(place + i) % n] for place in zigzag])
    if n % 2:
        rows += [row[::-1] for row in rows]
    random.Random(0).shuffle(rows)  # so that a few rounds are not all alike
    return rows


def ratio(a: Timing, b: Timing) -> float:
    """How many times as long a takes as b: the median over the rounds of an alternated measurement,
    each against its own.
    """
    for name, timing in (("a", a), ("b", b)):
        checks.instance(name, timing, Timing, "a Timing, as `alternate` gives it")
    if len(a.milliseconds) != len(b.milliseconds) or not a.milliseconds:
        raise checks.wrong("b", b, "a Timing of as many rounds as a, one or more")
    return statistics.median(x / y for x, y in zip(a.milliseconds, b.milliseconds, strict=True))


def _time_on_cpu(function: Function, calls: int) -> tuple[float, int | None]:
    """Mean milliseconds of so many calls, and preemptions; before several an untimed one comes."""
    if calls > 1:
        function()
    before, started = machine.preemptions(), time.perf_counter()
    for _ in range(calls):
        function()
    milliseconds, after = (time.perf_counter() - started) * 1e3 / calls, machine.preemptions()
    return milliseconds, None if before is None or after is None else after - before


def _time_on_gpu(function: Function, calls: int) -> tuple[float, None]:
    """By events in the stream: they mark when the device, not Python, came past them."""
    event = functools.partial(torch.cuda.Event, enable_timing=True)
    start, end = event(), event()
    if calls > 1:
        function()
    start.record()
    for _ in range(calls):
        function()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / calls, None


@contextlib.contextmanager
def pinned(threads: int | None) -> Iterator[int]:
    """Inside, torch works with so many CPU threads (None: as set), and yields how many; after it,
    errors included, with as many as before.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(before if threads is None else checks.integer("threads", threads))
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def with_backward(
    forward: Callable[[], Tensor], inputs: Sequence[Tensor]
) -> Callable[[], tuple[Tensor, ...]]:
    """A function that runs `forward` and then its gradients for `inputs`: weights, and the map if a
    layer before wants one.

    The gradient that comes from above is random, in the output's own layout, and the same in every
    call.
    """
    if not inputs or not all(x.requires_grad for x in inputs):
        raise ValueError("inputs must be tensors with requires_grad=True, one or more")
    cotangent = torch.randn_like(forward().detach())
    return lambda: torch.autograd.grad(forward(), inputs, cotangent)


def peak_memory(function: Function, *, device: Device = CPU) -> int:
    """Most bytes of tensors that were alive at once during one call, beyond those that were there
    before.

    GPU: torch's allocator says it. CPU: the allocator's calls as torch's profiler notes them, in
    order. That sees what autograd keeps for the backward pass, and gives the same number on every
    run, as resident memory (the system's pages, which the allocator returns late) would not. What a
    kernel library allocates for itself is not seen.
    """
    checks.function("function", function)
    if _type_of(device) == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        function()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    alive = peak = 0
    for change in _allocations(function):
        alive += change
        peak = max(peak, alive)
    return peak


def _allocations(function: Function) -> list[int]:
    """Bytes that the CPU's allocator gave out (or took back, then negative) during one call."""
    cpu = [torch.profiler.ProfilerActivity.CPU]
    with (
        _without_announcements(),
        torch.profiler.profile(activities=cpu, profile_memory=True, acc_events=True) as run,
    ):
        function()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        run.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    calls = [
        (event["ts"], event["args"]["Bytes"])
        for event in events
        if event["name"] == "[memory]" and event["args"]["Device Type"] == 0
    ]
    return [change for _, change in sorted(calls)]


@contextlib.contextmanager
def _without_announcements() -> Iterator[None]:
    """Torch's profiler writes that it starts and stops on standard error, past Python; errors come
    as exceptions still.
    """
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
