"""Exercises of notebooks 8 and 9: time, counters, the roofline, and many workers."""

from collections.abc import Callable
from dataclasses import replace

import torch

from xception_edu.exercises import draws
from xception_edu.exercises.exercise import Exercise, Misconception, Unfilled, is_stub
from xception_edu.recipes import DIGITS, peak_learning_rate
from xception_edu.training.scaling import ring_all_reduce_bytes


class FakeGpu:
    """A GPU whose work is only queued: its own clock, a slow first run, and a queue.

    `launch` returns at once, `synchronize` waits until all queued work is done.
    """

    def __init__(self, seconds: float = 2.0, first: float = 9.0):
        self.now = self.queued = 0.0
        self.seconds, self.extra = seconds, first

    def launch(self) -> None:
        """Queue one run; the first takes longer."""
        self.now += 0.001
        self.queued += self.seconds + self.extra
        self.extra = 0.0

    def synchronize(self) -> None:
        """Wait for the queue."""
        self.now += self.queued
        self.queued = 0.0

    def clock(self) -> float:
        """Seconds on the wall."""
        return self.now


def _timed(answer: Callable[..., object], g: torch.Generator) -> str | None:
    """Whether a function measures fake GPUs rightly, or which mistake it makes."""
    if not callable(answer):
        return "What is asked for is a function."
    gpus = [FakeGpu(draws.number(g, 1, 3), draws.number(g, 8, 12)) for _ in range(3)]
    return next(filter(None, [_timed_one(answer, gpu) for gpu in gpus]), None)


def _timed_one(answer: Callable[..., object], gpu: FakeGpu) -> str | None:
    """The same for one of them."""
    first = gpu.seconds + gpu.extra
    found = answer(gpu.launch, gpu.synchronize, gpu.clock)
    if is_stub(found):
        raise Unfilled
    seconds = float(found)  # type: ignore[arg-type]
    if abs(seconds - gpu.seconds) < 0.02:
        return None
    if seconds < 0.05:
        return "synchronization forgotten"
    if abs(seconds - first) < 0.02:
        return "no warm-up"
    if gpu.seconds < seconds < first:
        return "warm-up measured too"
    return f"It says {seconds:.3g} seconds; a run takes {gpu.seconds:.3g}."


def _images_gpus_batch(g):
    """Images, GPUs, and images a GPU and step."""
    return draws.integer(g, 2000, 9999), draws.integer(g, 2, 60), draws.integer(g, 2, 32)


def _linear(rate, batch, reference):
    """What the library's own rule gives."""
    recipe = replace(
        DIGITS,
        learning_rate=rate,
        batch_size=batch,
        reference_batch_size=reference,
        lr_rule="linear",
    )
    return peak_learning_rate(recipe)


EXERCISES = (
    Exercise(
        name="08-flops",
        title="Two counters",
        task="A counter says that a network has `gflops` GFLOPs, counting a multiplication and an"
        " addition as two. How many MACs are that (as a plain number)?",
        stub="def macs(gflops):\n    return ...",
        answer="macs",
        cases=lambda g: [(16.7,), *draws.several(g, lambda g: (draws.number(g, 0.1, 40),))],
        reference=lambda f: f * 1e9 / 2,
        hints=("giga is 10⁹.", "a MAC is one multiplication *and* one addition."),
        solutions=(
            "def macs(gflops):\n    return gflops * 1e9 / 2",
            "def macs(gflops):\n    return 500_000_000 * gflops",
        ),
        reason=(
            "Half as many MACs as FLOPs; where a paper says FLOPs, look which of the two it means."
        ),
        misconceptions=(
            Misconception(
                name="FLOPs for MACs",
                code="def macs(f):\n    return f * 1e9",
                says="This takes FLOPs and MACs for the same. A MAC is two operations.",
            ),
            Misconception(
                name="doubled",
                code="def macs(f):\n    return f * 2e9",
                says="This doubles. There are fewer MACs than FLOPs, not more.",
            ),
            Misconception(
                name="giga left out",
                code="def macs(f):\n    return f / 2",
                says="These are GMACs; a plain number is asked for.",
            ),
        ),
    ),
    Exercise(
        name="08-intensity",
        title="MACs for each byte",
        task=(
            "A depthwise 3×3 at stride 1 over `channels` maps of `side` × `side`, in float32. It"
            " reads the input once, the weights once, and writes the output once. How many MACs"
            " for each byte?"
        ),
        stub="def intensity(channels, side):\n    return ...",
        answer="intensity",
        cases=lambda g: [(728, 19), *draws.several(g, lambda g: draws.integers(g, 2, 3, 80))],
        reference=lambda c, s: (
            torch.tensor(9.0 * c * s * s).item()
            / sum(t.numel() * 4 for t in (torch.empty(2, c, s, s), torch.empty(c, 1, 3, 3)))
        ),
        hints=(
            "9 MACs an output value; how many values are moved for it?",
            "input, output and weights, 4 bytes each.",
        ),
        solutions=(
            "def intensity(channels, side):\n"
            "    macs = 9 * channels * side**2\n"
            "    values = 2 * channels * side**2 + 9 * channels\n"
            "    return macs / (4 * values)",
            "def intensity(channels, side):\n    return 9 * side**2 / (8 * side**2 + 36)",
        ),
        reason=(
            "About one MAC a byte, whatever the channels: memory, not arithmetic, sets its time."
        ),
        misconceptions=(
            Misconception(
                name="the output not written",
                code="def intensity(c, s):\n    return 9 * c * s * s / (4 * (c * s * s + 9 * c))",
                says="The output is written, too: as many values again as are read.",
            ),
            Misconception(
                name="values for bytes",
                code="def intensity(c, s):\n    return 9 * c * s * s / (2 * c * s * s + 9 * c)",
                says="This divides by values. A float32 value is 4 bytes.",
            ),
            Misconception(
                name="FLOPs for MACs",
                code="def intensity(c, s):\n"
                "    return 18 * c * s * s / (4 * (2 * c * s * s + 9 * c))",
                says="These are FLOPs for each byte, twice as many. MACs are asked for.",
            ),
            Misconception(
                name="all channels multiplied",
                code="def intensity(c, s):\n"
                "    return 9 * c * c * s * s / (4 * (2 * c * s * s + 9 * c))",
                says="These MACs are those of a regular convolution. A depthwise one sees a single"
                " channel.",
            ),
        ),
    ),
    Exercise(
        name="08-roof",
        title="The least time",
        task=(
            "A layer has `macs` and moves `bytes_moved`; a machine does `peak` MACs a second and"
            " moves `bandwidth` bytes a second, both at once. How many seconds does the layer take"
            " at least?"
        ),
        stub="def seconds(macs, bytes_moved, peak, bandwidth):\n    return ...",
        answer="seconds",
        cases=lambda g: [
            (8e9, 1e8, 1e11, 1e10),
            (1e6, 1e8, 1e11, 1e10),
            *draws.several(g, lambda g: tuple(draws.numbers(g, 4, 1, 9))),
        ],
        reference=lambda m, b, p, w: (
            torch.tensor([m / p, b / w], dtype=torch.float64).amax().item()
        ),
        hints=(
            "how long for the arithmetic alone, how long for the bytes alone?",
            "both run at once.",
        ),
        solutions=(
            "def seconds(macs, bytes_moved, peak, bandwidth):\n"
            "    return max(macs / peak, bytes_moved / bandwidth)",
            "def seconds(macs, bytes_moved, peak, bandwidth):\n"
            "    compute, memory = macs / peak, bytes_moved / bandwidth\n"
            "    return compute if compute > memory else memory",
        ),
        reason="Whichever is slower sets the time: that is the roofline.",
        misconceptions=(
            Misconception(
                name="added up",
                code="def seconds(m, b, p, w):\n    return m / p + b / w",
                says="This lets the machine compute first and move then. It does both at once, so"
                " that the longer one counts.",
            ),
            Misconception(
                name="the faster one",
                code="def seconds(m, b, p, w):\n    return min(m / p, b / w)",
                says="This takes the part that ends first. The layer is done when both are.",
            ),
            Misconception(
                name="arithmetic alone",
                code="def seconds(m, b, p, w):\n    return m / p",
                says="This counts the arithmetic. A layer with few MACs a byte waits for memory.",
            ),
            Misconception(
                name="memory alone",
                code="def seconds(m, b, p, w):\n    return b / w",
                says=(
                    "This counts the bytes. A layer with many MACs a byte waits for its arithmetic."
                ),
            ),
        ),
    ),
    Exercise(
        name="08-timing",
        title="Time it rightly",
        task=(
            "On a GPU `launch()` only queues a run, `synchronize()` waits for all that is queued,"
            " and `clock()` reads the time. The first run is slower. Write a function that returns"
            " the seconds of one run."
        ),
        stub="def timed(launch, synchronize, clock):\n    return ...",
        answer="timed",
        judge=_timed,
        hints=(
            "let it run once before the clock starts.",
            "wait before you read the clock: both times.",
        ),
        solutions=(
            "def timed(launch, synchronize, clock):\n"
            "    launch()\n"
            "    synchronize()\n"
            "    started = clock()\n"
            "    launch()\n"
            "    synchronize()\n"
            "    return clock() - started",
            "def timed(launch, synchronize, clock):\n"
            "    for _ in range(3):\n"
            "        launch()\n"
            "    synchronize()\n"
            "    started = clock()\n"
            "    for _ in range(10):\n"
            "        launch()\n"
            "    synchronize()\n"
            "    return (clock() - started) / 10",
        ),
        reason="Warm up, wait, start the clock, run, wait, stop the clock.",
        misconceptions=(
            Misconception(
                name="synchronization forgotten",
                code="def timed(launch, synchronize, clock):\n"
                "    launch()\n    synchronize()\n    started = clock()\n    launch()\n"
                "    return clock() - started",
                says="The clock stops when the run is *queued*, long before it is done: wait with"
                " `synchronize()` first.",
            ),
            Misconception(
                name="no warm-up",
                code=(
                    "def timed(launch, synchronize, clock):\n"
                    "    started = clock()\n"
                    "    launch()\n"
                    "    synchronize()\n"
                    "    return clock() - started"
                ),
                says=(
                    "This measures the first run, which also loads and prepares. Let one go before."
                ),
            ),
            Misconception(
                name="warm-up measured too",
                code="def timed(launch, synchronize, clock):\n"
                "    launch()\n    started = clock()\n"
                "    for _ in range(10):\n        launch()\n"
                "    synchronize()\n    return (clock() - started) / 10",
                says=(
                    "The warm-up is still in the queue when the clock starts, and is measured,"
                    " too: wait before you start it."
                ),
            ),
        ),
    ),
    Exercise(
        name="09-ring",
        title="What a ring sends",
        task=(
            "`workers` GPUs average gradients of `size` bytes in a ring (all-reduce). How many"
            " bytes does each of them send?"
        ),
        stub="def sent(size, workers):\n    return ...",
        answer="sent",
        cases=lambda g: [
            (91_000_000, 60),
            *draws.several(g, lambda g: (draws.integer(g, 99, 10**6), draws.integer(g, 3, 80))),
        ],
        reference=lambda b, n: ring_all_reduce_bytes(b, n),
        hints=(
            "the gradient is cut into as many pieces as there are workers.",
            "each piece goes around twice: once to be added up, once to be told.",
        ),
        solutions=(
            "def sent(size, workers):\n    return 2 * (workers - 1) * size / workers",
            "def sent(size, workers):\n"
            "    piece = size / workers\n"
            "    return (workers - 1) * piece + (workers - 1) * piece",
        ),
        reason="Nearly twice the gradient, however many workers there are.",
        misconceptions=(
            Misconception(
                name="to everybody",
                code="def sent(b, n):\n    return (n - 1) * b",
                says=(
                    "This sends the whole gradient to every other worker. In a ring each sends"
                    " pieces to its neighbor."
                ),
            ),
            Misconception(
                name="once around",
                code="def sent(b, n):\n    return (n - 1) * b / n",
                says=(
                    "This is once around: then each sum is known to one worker only. They go"
                    " around again, to be told."
                ),
            ),
            Misconception(
                name="all workers together",
                code="def sent(b, n):\n    return 2 * (n - 1) * b",
                says="This is what all workers send together. One of them is asked for.",
            ),
        ),
    ),
    Exercise(
        name="09-steps",
        title="Steps in an epoch",
        task="`images` training images, `gpus` GPUs of `batch` images each and step, an incomplete"
        " last batch left out: how many steps has an epoch?",
        stub="def steps(images, gpus, batch):\n    return ...",
        answer="steps",
        cases=lambda g: [
            (1_281_167, 60, 32),
            (1000, 1, 32),
            *draws.several(g, _images_gpus_batch),
        ],
        reference=lambda n, g, b: len(torch.arange(n)[: n - n % (g * b) : g * b]),
        hints=("how many images does a step of all GPUs take?", "`//` leaves the rest out."),
        solutions=(
            "def steps(images, gpus, batch):\n    return images // (gpus * batch)",
            "def steps(images, gpus, batch):\n    return int(images / gpus / batch)",
        ),
        reason="More GPUs take fewer, larger steps through the same images.",
        misconceptions=(
            Misconception(
                name="one GPU's steps",
                code="def steps(n, g, b):\n    return n // b",
                says=(
                    "These are the steps of one GPU. Together they take gpus × batch images a step."
                ),
            ),
            Misconception(
                name="more GPUs, more steps",
                code="def steps(n, g, b):\n    return n // b * g",
                says="More GPUs do not make more steps: they share the images of each.",
            ),
            Misconception(
                name="rounded up",
                code="def steps(n, g, b):\n    return -(-n // (g * b))",
                says="This counts the incomplete last batch, which is left out.",
            ),
        ),
    ),
    Exercise(
        name="09-rate",
        title="A larger batch",
        task=(
            "A recipe is meant for `reference` images a step at `rate`. By the linear rule (Goyal"
            " et al. 2017), which learning rate is right for `batch` images?"
        ),
        stub="def scaled(rate, batch, reference):\n    return ...",
        answer="scaled",
        cases=lambda g: [
            (0.1, 1024, 256),
            *draws.several(g, lambda g: (draws.number(g, 0.01, 1), *draws.integers(g, 2, 1, 512))),
        ],
        reference=_linear,
        hints=("four times as many images: how many times fewer steps?", "rate per image stays."),
        solutions=(
            "def scaled(rate, batch, reference):\n    return rate * batch / reference",
            "def scaled(rate, batch, reference):\n    return batch * (rate / reference)",
        ),
        reason=(
            "A step of k times as many images stands for k small ones in nearly the same direction."
        ),
        misconceptions=(
            Misconception(
                name="left alone",
                code="def scaled(r, b, ref):\n    return r",
                says="This leaves the rate alone: a larger batch then takes fewer steps of the same"
                " length, and learns less.",
            ),
            Misconception(
                name="the square root",
                code="def scaled(r, b, ref):\n    return r * (b / ref) ** 0.5",
                says="This is the square-root rule, for optimizers that divide by the gradient's"
                " size. The linear one is asked for.",
            ),
            Misconception(
                name="turned around",
                code="def scaled(r, b, ref):\n    return r * ref / b",
                says="A larger batch gets a *higher* rate: it takes fewer steps.",
            ),
        ),
    ),
)
