"""Xception at 299x299, ours against timm's and Keras' on torch: a training step and a forward pass.

    PYTHONPATH=. .venv-peers/bin/python experiments/networks.py    on two cores
    ... --device cuda --batches 64 128 256 --dtypes bfloat16              on a GPU

Every contender, a network in a form, is a process of its own that takes one step when it is told to
(contender.py). Rounds go through all of them in turn, so load meets all alike; a time is the median
over rounds, a ratio the median of the rounds' own ratios. Writes networks.json into results/, or
results/gpu/. `cases`: a row a `mode` ("training": forward, backward and SGD with momentum;
"inference": logits of images), `batch` and `dtype` (of the convolutions; bfloat16 is autocast's),
with

  rows              a row a contender: `who`, `form`, its times, `images_per_second`, `peak_bytes`
                    (most bytes of tensors alive at once in a step, beyond those before it),
                    `fraction` (the roofline's time of all layers over the median), `ratio` (of its
                    throughput to the best peer's)
  best_peer         the fastest of timm's and Keras' rows, "who form"
  throughput_ratio  how many times its throughput ours has, `ratio` of the fastest row of ours

`losses`: 20 steps of ours and of timm's from the same weights on the same photographs. `profile`:
where a step of ours spends its time, by operator, as torch's profiler says it (which makes short
operators look longer than they are).

Peers are measured eager, in channels_last (Keras' own layout), in bf16, in both, and in both
compiled. float32 is measured at the first batch alone; so are compiled forms, since compiling takes
a minute or more, but on a GPU only Keras' (--compile names other batches). A contender that a GPU's
memory does not hold is named in the case's `out_of_memory`; cases with nothing to compare for that
reason are in `too_large`. Every case is written when it is measured; `left_out` says how many are
not there, after Ctrl-C.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from experiments.contender import OUT_OF_MEMORY
from xception_edu import architectures
from xception_edu.benchmark import machine, peaks, timing
from xception_edu.benchmark.command import INTERRUPTED
from xception_edu.benchmark.records import as_json, left_out
from xception_edu.benchmark.roofline import Roofline
from xception_edu.costs import cost_of

ROOT = Path(__file__).parent.parent
MODES, DTYPES = ("training", "inference"), ("float32", "bfloat16")
PEERS = ("timm", "keras")
COMPILED = "channels_last, compiled"
ROUNDS = {"cpu": 15, "cuda": 7}


class Contender:
    """A process that does what it is told, a line at a time."""

    def __init__(self, who: str, form: str, mode: str, dtype: str, batch: int, device: str):
        self.who, self.form = who, form
        self.rounds: list[tuple[float, int | None]] = []
        order = [
            sys.executable,
            "-m",
            "experiments.contender",
            json.dumps([who, form, mode, dtype, batch, device]),
        ]
        self.process = subprocess.Popen(
            order, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def tell(self, what: str) -> None:
        """One of the lines that contender.py knows; `answer` waits for what it says."""
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()

    def answer(self):
        """What it says next; first, that it is "ready"."""
        for line in self.process.stdout:
            with contextlib.suppress(json.JSONDecodeError):  # libraries print too
                return json.loads(line)
        raise RuntimeError(
            f"{self.who} {self.form} ended with status {self.process.wait()}; its error is above"
        )

    def ask(self, what: str):
        """Its answer to a line; RuntimeError if memory does not hold what it takes."""
        self.tell(what)
        answer = self.answer()
        if answer == OUT_OF_MEMORY:
            raise RuntimeError(
                f"{self.who} {self.form} ran {OUT_OF_MEMORY} at {what!r}: smaller --batches need"
                " less"
            )
        return answer

    @property
    def timing(self) -> timing.Timing:
        """Its rounds."""
        return timing.Timing(*zip(*self.rounds, strict=True))

    def leave(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@contextlib.contextmanager
def contenders(orders: list[tuple]):
    """Contenders that are ready; their processes begin at once, and end here."""
    field = [Contender(*order) for order in orders]
    try:
        for one in field:
            one.answer()
        yield field
    except BaseException:  # nobody waits for what they are doing now
        for one in field:
            one.process.kill()
        raise
    finally:
        for one in field:
            one.leave()


def orders(mode: str, batch: int, dtype: str, args: argparse.Namespace) -> list[tuple]:
    """The contenders of a case, as Contender takes them: every network in its forms."""
    first, on_gpu = batch == args.batches[0], not args.device.startswith("cpu")
    compiled = dtype == "bfloat16" and (batch in args.compile if args.compile else first or on_gpu)
    found = []
    for who in ("ours", *args.peers):
        forms = (
            ["eager"] * (who == "timm")
            + ["channels_last"]
            + [COMPILED] * (compiled and (first or who != "keras"))
        )
        found += [(who, form, mode, dtype, batch, args.device) for form in forms]
    return found


def race(mode: str, batch: int, dtype: str, args: argparse.Namespace) -> dict:
    """One case: all contenders in turn; empty where memory holds no step of ours, or of no peer."""
    with contenders(orders(mode, batch, dtype, args)) as everyone:
        field = warm_up(everyone)
        who = {one.who for one in field}
        if "ours" not in who or len(who) == 1:
            return {}
        for i in range(args.rounds):
            for one in field[i % len(field) :] + field[: i % len(field)]:
                one.rounds.append(one.ask("step"))
        memory = {one: one.ask("memory") for one in field}
        found = field[0].ask("profile") if batch == args.batches[0] else None
    best = min((one for one in field if one.who != "ours"), key=lambda one: one.timing.median)
    rows = [row(one, best, batch, memory[one]) for one in field]
    ratio = max(r["ratio"] for r in rows if r["who"] == "ours")
    case = {
        "mode": mode,
        "batch": batch,
        "dtype": dtype,
        "best_peer": f"{best.who} {best.form}",
        "throughput_ratio": ratio,
    }
    absent = [f"{one.who} {one.form}" for one in everyone if one not in field]
    return (
        case
        | ({"out_of_memory": absent} if absent else {})
        | {"rows": rows}
        | ({"profile": found} if found else {})
    )


def warm_up(field: list[Contender]) -> list[Contender]:
    """A step of each: those that compile all at once, which takes them long, the others one by one,
    which need the memory. Returns those that found enough of it.
    """
    compiling = [one for one in field if one.form == COMPILED]
    for one in compiling:
        one.tell("step")
    answers = {one: one.answer() for one in compiling}
    for one in field:
        if one not in compiling:
            one.tell("step")
            answers[one] = one.answer()
    return [one for one in field if answers[one] != OUT_OF_MEMORY]


def row(one: Contender, best: Contender, batch: int, memory: dict) -> dict:
    """What one contender took, and its throughput over the best peer's, each round against
    its own.
    """
    times = one.timing
    return {
        "who": one.who,
        "form": one.form,
        **times.record(),
        "images_per_second": round(1e3 * batch / times.median, 2),
        **memory,
        "ratio": round(timing.ratio(best.timing, times), 3),
    }


def higher(a: Roofline, b: Roofline) -> Roofline:
    """The higher of two measurements of each peak, one before the races and one after: machines
    have slow moments.
    """
    speeds = {dtype: max(a.peak(dtype), b.peak(dtype)) for dtype in a.macs_per_second}
    return Roofline(
        macs_per_second=speeds, memory=max(a.memory, b.memory), cache=max(a.cache, b.cache)
    )


def ideal_ms(roofline: Roofline, mode: str, batch: int, dtype: str) -> float:
    """The roofline's time of a step, every layer by itself; thrice in training, since each of two
    gradients costs as much.
    """
    layers = (
        roofline.milliseconds(cost_of(*pair), batch=batch, dtype=dtype)
        for pair in architectures.xception()
    )
    return sum(layers) * (3 if mode == "training" else 1)


def losses(dtype: str, batch: int, device: str) -> dict:
    """The losses of 20 steps, of ours and timm's."""
    with contenders(
        [(who, "channels_last", "training", dtype, batch, device) for who in ("ours", "timm")]
    ) as field:
        found = {one.who: [round(loss, 5) for loss in one.ask("losses")] for one in field}
    apart = max(abs(a - b) for a, b in zip(found["ours"], found["timm"], strict=True))
    return {"dtype": dtype, "batch": batch, "largest_difference": round(apart, 5), **found}


def measure(args: argparse.Namespace, device: torch.device, save: Callable[[dict], None]) -> dict:
    """All races, one after the other, and the losses; what is measured is saved after each, for the
    next may end it all.
    """
    started, cases, too_large, curves = time.perf_counter(), [], [], []
    sizes = peaks.sizes_of(False, device)
    before = peaks.measure_roofline(device=device, **sizes)
    wanted = [
        (mode, batch, dtype)
        for mode in MODES
        for batch in args.batches
        for dtype in (args.dtypes if batch == args.batches[0] else args.dtypes[-1:])
    ]

    def summary(roofline: Roofline) -> dict:
        return {
            "ceilings": roofline.as_record(),
            **left_out(len(wanted), len(cases) + len(too_large)),
            **({"too_large": too_large} if too_large else {}),
            "cases": [with_fractions(case, roofline) for case in cases],
            "losses": curves,
        }

    try:
        curves += [losses(dtype, args.batches[0], args.device) for dtype in args.dtypes]
        for mode, batch, dtype in wanted:
            found = race(mode, batch, dtype, args)
            name = f"{mode}, batch {batch}, {dtype}"
            if found:
                cases.append(found)
            else:
                too_large.append(name)
            save(summary(before))
            says = (
                "{throughput_ratio:.2f} times the throughput of {best_peer}"
                if found
                else "memory is too small"
            )
            print(
                f"{time.perf_counter() - started:5.0f} s  {name}: {says.format(**found)}",
                flush=True,
            )
    except KeyboardInterrupt:
        print(f"interrupted: {len(cases) + len(too_large)} of {len(wanted)} cases", file=sys.stderr)
    return summary(higher(before, peaks.measure_roofline(device=device, **sizes)))


def with_fractions(case: dict, roofline: Roofline) -> dict:
    """A case whose rows have the roofline's time over their median."""
    ideal = ideal_ms(roofline, case["mode"], case["batch"], case["dtype"])
    return case | {
        "rows": [row | {"fraction": round(ideal / row["median_ms"], 4)} for row in case["rows"]]
    }


def main() -> int:
    """Measure, and write the record; exit status 0, or 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        description="Xception against timm's and Keras'; writes networks.json."
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 8])
    parser.add_argument(
        "--compile", type=int, nargs="*", help="batches at which bfloat16 is measured compiled, too"
    )
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    parser.add_argument("--rounds", type=int, help=f"default: {ROUNDS}")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument(
        "--out", type=Path, help="folder of networks.json; default: results/, or results/gpu/"
    )
    args = parser.parse_args()
    device = torch.device(args.device)
    args.rounds = args.rounds or ROUNDS[device.type]
    folder = args.out or ROOT / "results" / ("gpu" if device.type == "cuda" else ".")
    folder.mkdir(parents=True, exist_ok=True)
    load: dict = {"wall_seconds": None, "share_of_others": None}  # until the end
    about = {
        "benchmark": "networks",
        "command": " ".join(["python experiments/networks.py", *sys.argv[1:]]),
        "quick": args.rounds < ROUNDS[device.type],
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "machine": machine.facts("torch", "timm", "keras"),
        "load": load,
    }

    def save(measured: dict) -> None:
        (folder / "networks.json").write_text(as_json(about | measured), encoding="utf-8")

    with machine.background_load() as found:  # the contenders have all left before it is read
        measured = measure(args, device, save)
    load |= found
    save(measured)
    return INTERRUPTED if "left_out" in measured else 0


if __name__ == "__main__":
    raise SystemExit(main())
