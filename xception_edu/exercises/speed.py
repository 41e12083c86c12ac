"""Exercises of notebook 8: counters, the roofline, and time."""

import torch

from xception_edu.exercises import draws, fake_gpu
from xception_edu.exercises.exercise import Exercise, Misconception

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
            Misconception(
                name="multiplied out twice",
                code="def macs(f):\n    return f * 1e9 / 4",
                says=(
                    "This halves twice. A MAC is two operations: one multiplication and one"
                    " addition."
                ),
            ),
            Misconception(
                name="a giga of 1024³",
                code="def macs(f):\n    return f * 2**30 / 2",
                says="Giga is 10⁹ here; powers of 1024 are for memory (GiB).",
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
            Misconception(
                name="the weights not read",
                code="def intensity(c, s):\n    return 9 / 8",
                says=(
                    "This counts the maps alone. The weights are read, too: 9 a channel, which"
                    " shows on small maps."
                ),
            ),
            Misconception(
                name="turned upside down",
                code=(
                    "def intensity(c, s):\n    return 4 * (2 * c * s * s + 9 * c) / (9 * c * s * s)"
                ),
                says="These are bytes for each MAC. MACs for each byte are asked for.",
            ),
            Misconception(
                name="a regular layer's weights",
                code=(
                    "def intensity(c, s):\n"
                    "    return 9 * c * s * s / (4 * (2 * c * s * s + 9 * c * c))"
                ),
                says=(
                    "The weights are those of a regular convolution. A depthwise one has 9 a"
                    " channel."
                ),
            ),
            Misconception(
                name="every value read nine times",
                code=(
                    "def intensity(c, s):\n"
                    "    return 9 * c * s * s / (4 * (10 * c * s * s + 9 * c))"
                ),
                says=(
                    "This reads each value once for each of the nine windows that it is in. It is"
                    " read from memory once, and reused."
                ),
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
            Misconception(
                name="the roof, not the time",
                code="def seconds(m, b, p, w):\n    return min(p, w * m / b)",
                says=(
                    "This is how many MACs a second the layer can reach. The time is its MACs"
                    " divided by that."
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
        judge=fake_gpu.timed,
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
            Misconception(
                name="all runs for one",
                code=(
                    "def timed(launch, synchronize, clock):\n"
                    "    launch()\n"
                    "    synchronize()\n"
                    "    started = clock()\n"
                    "    for _ in range(10):\n"
                    "        launch()\n"
                    "    synchronize()\n"
                    "    return clock() - started"
                ),
                says="This is the time of all runs together. Divide by how many there were.",
            ),
            Misconception(
                name="the first run among the others",
                code=(
                    "def timed(launch, synchronize, clock):\n"
                    "    times = []\n"
                    "    for _ in range(5):\n"
                    "        started = clock()\n"
                    "        launch()\n"
                    "        synchronize()\n"
                    "        times.append(clock() - started)\n"
                    "    return sum(times) / 5"
                ),
                says=(
                    "The mean is over the first run, too, which is slower. Let one go before the"
                    " clock is read, or take the median."
                ),
            ),
            Misconception(
                name="the start less the end",
                code=(
                    "def timed(launch, synchronize, clock):\n"
                    "    launch()\n"
                    "    synchronize()\n"
                    "    started = clock()\n"
                    "    launch()\n"
                    "    synchronize()\n"
                    "    return started - clock()"
                ),
                says="The time is negative: take the start from the end.",
            ),
            Misconception(
                name="the clock not read around a run",
                code=(
                    "def timed(launch, synchronize, clock):\n"
                    "    launch()\n"
                    "    synchronize()\n"
                    "    launch()\n"
                    "    synchronize()\n"
                    "    return clock()"
                ),
                says=(
                    "Read the clock twice, before the run and after it: the time is the difference."
                ),
            ),
        ),
    ),
)
