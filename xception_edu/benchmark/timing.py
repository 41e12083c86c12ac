"""How long a computation takes, how much memory it needs, and what the machine could do at best.

A time is a list of rounds, none left out: the median says what to expect, the quartiles how sure
that is. Before the first round the function runs untimed (the first call finds kernels and memory).
On a GPU, which works behind Python's back, rounds are timed by the device's own events. Two
functions are compared in alternated rounds, so that a disturbance meets both.
"""

import contextlib
import json
import math
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from xception_edu import checks
from xception_edu.benchmark import machine
from xception_edu.costs import Cost

Function = Callable[[], object]
CPU = torch.device("cpu")
Name = TypeVar("Name")


@dataclass(frozen=True)
class Timing:
    """Milliseconds of every round in the order of measuring, how often the system interrupted each
    (None: not told), and what `watch` found before each, if something was watched.
    """

    milliseconds: tuple[float, ...]
    preemptions: tuple[int | None, ...] = ()
    watched: tuple[float, ...] = ()

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
    def disturbed(self) -> int:
        """Number of rounds that the system interrupted for something else. They count in the median
        as all others do.
        """
        return sum(bool(n) for n in self.preemptions)

    def __add__(self, other: "Timing") -> "Timing":
        """The rounds of both."""
        columns = [field.name for field in fields(self)]
        return Timing(*(getattr(self, column) + getattr(other, column) for column in columns))

    def record(self) -> dict[str, float | int]:
        """As plain data: median_ms, q1_ms, q3_ms, rounds, disturbed."""
        first, third = self.quartiles
        times = {"median_ms": self.median, "q1_ms": first, "q3_ms": third}
        return {k: round(v, 4) for k, v in times.items()} | {
            "rounds": len(self.milliseconds),
            "disturbed": self.disturbed,
        }


def latency(
    function: Function, *, rounds: int = 7, warmup: int = 1, threads: int | None = None, device=CPU
) -> Timing:
    """Time of one call of `function`, over `rounds` calls after `warmup` untimed ones, with so many
    CPU threads (None: as set).

    What the function raises comes through. Raises ValueError for rounds, warmup or threads that are
    no positive integers.
    """
    return alternate(
        {"function": function}, rounds=rounds, warmup=warmup, threads=threads, device=device
    )["function"]


def alternate(
    functions: Mapping[Name, Function],
    *,
    rounds: int = 7,
    seconds: float = math.inf,
    warmup: int = 1,
    fill: float = 0.0,
    watch: Callable[[], float] | None = None,
    start: int = 0,
    threads: int | None = None,
    device=CPU,
) -> dict[Name, Timing]:
    """Times of several functions, one after the other a round, so that load meets all alike.

    What a function leaves behind it, in caches and in the allocator, the next one meets, and a
    small convolution's time depends on that. So rounds differ in their order, and each function
    comes right after each other one equally often, in as many rounds as there are functions (twice
    as many, of an odd number); a measurement that goes on where another one of the same functions
    ended has its number of rounds as `start`.

    A function that takes less than `fill` milliseconds is called so often in a row that they are
    filled, after an untimed call, and the round is the mean; how often, its last warm-up call says,
    of two at least, since the first one is the slowest. `watch` is asked before every round. Other
    arguments are those of `latency`; once `seconds` have passed, three rounds are enough. An error
    names the function that raised it.
    """
    checks.integer("rounds", rounds)
    warmup = max(checks.integer("warmup", warmup), 2 if fill else 1)
    if not functions:
        raise ValueError("functions is empty, but must have a function to time")
    once = _gpu_round if torch.device(device).type == "cuda" else _round
    checks.number("seconds", min(seconds, 1e9), at_least=0)
    checks.number("fill", fill, at_least=0)
    orders = _balanced_orders(list(functions))
    times: dict[Name, list[tuple]] = {name: [] for name in functions}
    calls = dict.fromkeys(functions, 1)
    end = time.monotonic() + seconds
    with pinned(threads):
        for i in range(-warmup, rounds):
            if i >= 3 and time.monotonic() > end:
                break
            watched = (watch(),) if watch else ()
            for name in orders[(start + i) % len(orders)]:
                try:
                    measured = once(functions[name], calls[name])
                except Exception as error:
                    error.add_note(f"while timing {name!r}")
                    raise
                if i >= 0:
                    times[name].append(measured + watched)
                elif i == -1:
                    calls[name] = max(1, math.ceil(fill / max(measured[0], 1e-3)))
    return {name: Timing(*zip(*measured, strict=True)) for name, measured in times.items()}


def _balanced_orders(names: Sequence[Name]) -> list[list[Name]]:
    """A Williams design: orders of the names in which each of them comes right after each other one
    equally often.
    """
    n = len(names)
    # 0, 1, n-1, 2, n-2: all differences, each once
    zigzag = [(k + 1) // 2 if k % 2 else (n - k // 2) % n for k in range(n)]
    rows = [[names[(place + i) % n] for place in zigzag] for i in range(n)]
    rows += [row[::-1] for row in rows] if n % 2 else []
    random.Random(0).shuffle(rows)  # so that a few rounds are not all alike
    return rows


def ratio(a: Timing, b: Timing) -> float:
    """How many times as long a takes as b: the median over the rounds of an alternated measurement,
    each against its own.
    """
    return statistics.median(x / y for x, y in zip(a.milliseconds, b.milliseconds, strict=True))


def _round(function: Function, calls: int) -> tuple[float, int | None]:
    """Milliseconds of a call, the mean of so many; an untimed one comes before several."""
    if calls > 1:
        function()
    before, started = machine.preemptions(), time.perf_counter()
    for _ in range(calls):
        function()
    milliseconds, after = (time.perf_counter() - started) * 1e3 / calls, machine.preemptions()
    return milliseconds, None if before is None or after is None else after - before


def _gpu_round(function: Function, calls: int) -> tuple[float, None]:
    """By events in the stream: they mark when the device, not Python, came past them."""
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
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
    """Work with so many CPU threads inside, and with as many as before after it, errors included;
    None leaves them.
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


def peak_memory(function: Function, *, device=CPU) -> int:
    """Most bytes of tensors that were alive at once during one call, beyond those that were there
    before.

    GPU: torch's allocator says it. CPU: the allocator's calls as torch's profiler notes them, in
    order. That sees what autograd keeps for the backward pass, and gives the same number on every
    run, as resident memory (the system's pages, which the allocator returns late) would not. What a
    kernel library allocates for itself is not seen.
    """
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        function()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    kinds = {
        "activities": [torch.profiler.ProfilerActivity.CPU],
        "profile_memory": True,
        "acc_events": True,
    }
    with _without_announcements(), torch.profiler.profile(**kinds) as run:
        function()
    with tempfile.TemporaryDirectory() as folder:
        run.export_chrome_trace(str(Path(folder) / "trace.json"))
        events = json.loads((Path(folder) / "trace.json").read_text(encoding="utf-8"))[
            "traceEvents"
        ]
    calls = sorted(
        (e["ts"], e["args"]["Bytes"])
        for e in events
        if e["name"] == "[memory]" and e["args"]["Device Type"] == 0
    )
    alive = peak = 0
    for _, change in calls:
        alive += change
        peak = max(peak, alive)
    return peak


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


@dataclass(frozen=True, kw_only=True)
class Ceilings:
    """What a machine can do at best: multiply-accumulates a second by type of number, and bytes a
    second.

    `memory` is the speed of copying what fits into no cache, counting what is read and what is
    written; `cache` of copying what fits, for layers whose maps do.
    """

    macs_per_second: dict[str, float]
    memory: float
    cache: float

    def attainable(self, intensity: float, dtype: str = "float32") -> float:
        """The roofline: the fewer of MACs a second that arithmetic allows and that memory allows,
        at so many MACs a byte.
        """
        checks.one_of("dtype", dtype, list(self.macs_per_second))
        return min(
            self.macs_per_second[dtype],
            checks.number("intensity", intensity, at_least=0) * self.memory,
        )

    def milliseconds(self, cost: Cost, *, batch: int = 1, dtype: str = "float32") -> float:
        """Shortest time for a layer: of its arithmetic or of its traffic with memory, whichever
        takes longer.
        """
        checks.one_of("dtype", dtype, list(self.macs_per_second))
        moved = cost.bytes_moved(batch=batch, bytes_per_element=getattr(torch, dtype).itemsize)
        return 1e3 * max(batch * cost.macs / self.macs_per_second[dtype], moved / self.memory)


def measure_ceilings(
    *,
    side: int = 2048,
    megabytes: int = 256,
    rounds: int = 7,
    threads: int | None = None,
    device=CPU,
) -> Ceilings:
    """Measure them here and now: square matrix products of `side`, fp32 and bf16, and copies of so
    many MiB and of 1/2 MiB.

    On a GPU, whose caches are larger and whose work takes microseconds to begin, the last is of 16
    MiB. A ceiling is what was reached once, so the fastest round counts.
    """
    checks.integer("side", side)
    checks.integer("megabytes", megabytes)
    functions: dict[str, Function] = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        functions[str(dtype).removeprefix("torch.")] = lambda a=a, b=b: a @ b
    on_gpu = torch.device(device).type == "cuda"
    sizes = {"memory": megabytes * 2**20, "cache": 2**24 if on_gpu else 2**19}
    for name, size in sizes.items():
        source, target = (torch.ones(size // 4, device=device) for _ in range(2))
        functions[name] = lambda source=source, target=target: target.copy_(source)
    times = alternate(
        functions, rounds=rounds, warmup=2, fill=1 if on_gpu else 0, threads=threads, device=device
    )
    fastest = {name: min(timing.milliseconds) / 1e3 for name, timing in times.items()}
    speeds = {name: 2 * size / fastest[name] for name, size in sizes.items()}
    return Ceilings(
        macs_per_second={name: side**3 / fastest[name] for name in ("float32", "bfloat16")},
        **speeds,
    )
