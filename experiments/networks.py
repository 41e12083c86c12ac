"""Xception at 299x299, ours against timm's and Keras' on torch, at equal settings: a training step
and a forward pass.

    PYTHONPATH=. .venv-peers/bin/python experiments/networks.py    on two cores
    ... --device cuda --batches 64 128 256 --dtypes bfloat16              on a GPU

A race is like use: a contender, a network with settings (race_settings.py), works step after step
for some seconds and goes on while it is timed; that is a block. Blocks go through all contenders in
shuffled order, round after round, so load meets all alike. A contender's time is the median of its
blocks; a ratio is the median of the rounds' own ratios, between `low` and `high`, which hold the
median with 95 % or more (the order statistics' interval, no distribution assumed). Every contender
is shown by default, with each setting alone, with all of them, and with all of them and compiled.

Writes networks.json into results/, or results/gpu/. `cases`: a row a `mode` ("training": forward,
backward and SGD with momentum; "inference": logits of images), `batch` and `dtype` (of the
convolutions; bfloat16 is autocast's, or the weights'), with

  rows      a row a contender: `who`, `way`, `settings`, its times, `images_per_second`, `faults`
            (page faults a step), `fraction` (the roofline's time of all layers over it), and with
            all settings `peak_bytes` (most bytes of tensors alive, beyond those before a step)
  against   how many times its throughput ours has, by peer: both by `default`, both at their `best`
  alone     how many times as fast each setting alone makes ours, and a peer
  load      of other programs meanwhile: share of the processors, load averages before and after
  command   what measured it

`losses`: 20 steps of ours and of timm's from the same weights on the same photographs. `profile`:
where a step of ours spends its time, by operator, as torch's profiler says it (which makes short
operators look longer than they are). Cases that are in the file already, from the same machine,
stay if they are not measured anew. The first batch has every way; others have default and all.
"""

import argparse
import json
import math
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from experiments import race_settings
from experiments.race_process import OUT_OF_MEMORY, Contender, contenders
from experiments.race_ratios import comparisons, gains
from xception_edu import architectures
from xception_edu.benchmark import machine, peaks
from xception_edu.benchmark.command import INTERRUPTED
from xception_edu.benchmark.records import as_json
from xception_edu.benchmark.roofline import Roofline
from xception_edu.costs import cost_of

ROOT = Path(__file__).parent.parent
PROGRAM = "python experiments/networks.py"
MODES, DTYPES = ("training", "inference"), ("float32", "bfloat16")
PEERS = ("timm", "keras")
# seconds of steps before a block is timed, and seconds that are timed
WARM, TIMED = {"training": 2.0, "inference": 1.0}, {"training": 3.0, "inference": 1.5}
BLOCKS, FEWEST = 10, 3


def orders(mode: str, batch: int, dtype: str, args: argparse.Namespace) -> list[dict]:
    """The contenders of a case, as Contender takes them: every network in its ways.

    Keras', which has never been the fastest, is there by default and with all settings alone.
    """
    threads, found = torch.get_num_threads(), []
    shown = args.ways or (None if batch == args.batches[0] else race_settings.SHORT)
    for who in ("ours", *args.peers):
        ways = race_settings.ways(who, mode, dtype, args.device, threads)
        if who == "keras":
            ways = {way: ways[way] for way in (*race_settings.SHORT, race_settings.COMPILED)}
        found += [
            {"who": who, "way": way, "settings": settings, "mode": mode, "dtype": dtype}
            | {"batch": batch, "device": args.device}
            for way, settings in ways.items()
            if shown is None or way in shown
        ]
    return found


def race(mode: str, batch: int, dtype: str, args: argparse.Namespace) -> dict:
    """One case: blocks of all contenders; without rows where memory holds no step of ours, or of no
    peer.
    """
    plan = orders(mode, batch, dtype, args)
    if lacking := race_settings.lacking(plan):
        raise ValueError(f"not a fair race: {'; '.join(lacking)}")
    before = os.getloadavg()
    with machine.background_load() as load, contenders(plan) as everyone:
        field = [one for one in everyone if one.ask("block 0 0") != OUT_OF_MEMORY]
        names = {one.who for one in field}
        if "ours" not in names or len(names) == 1:
            return {"mode": mode, "batch": batch, "dtype": dtype}
        end = time.perf_counter() + args.seconds
        for i in range(args.blocks):
            if i >= FEWEST and time.perf_counter() > end:
                break
            for one in random.Random(i).sample(field, len(field)):
                one.blocks.append(one.ask(f"block {args.warm[mode]} {args.timed[mode]}"))
        after = os.getloadavg()
        memory = {one: one.ask("memory") for one in field if one.way == race_settings.ALL}
        (ours,) = (one for one in memory if one.who == "ours")
        profile = ours.ask("profile") if batch == args.batches[0] else None
    rows = [row(one, batch) | memory.get(one, {}) for one in field]
    case = {"mode": mode, "batch": batch, "dtype": dtype}
    case["command"] = args.command
    case["load"] = load | {"average_before": rounded(before), "average_after": rounded(after)}
    absent = [f"{one.who}, {one.way}" for one in everyone if one not in field]
    case |= {"out_of_memory": absent} if absent else {}
    times = {(one.who, one.way): one.milliseconds for one in field}
    case |= {"against": comparisons(times), "alone": gains(times), "rows": rows}
    return case | ({"profile": profile} if profile else {})


def rounded(values: Sequence[float]) -> list[float]:
    """To two digits behind the point."""
    return [round(value, 2) for value in values]


def row(one: Contender, batch: int) -> dict:
    """What one contender was given, and what it took."""
    times = one.timing
    record = times.record()
    record["blocks"] = record.pop("rounds")
    return {
        "who": one.who,
        "way": one.way,
        "settings": one.order["settings"],
        **record,
        "steps": sum(block["steps"] for block in one.blocks),
        "faults": round(sum(block["faults"] for block in one.blocks) / len(one.blocks)),
        "images_per_second": round(1e3 * batch / times.median, 2),
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


def with_fractions(case: dict, roofline: Roofline) -> dict:
    """A case whose rows have the roofline's time over their median."""
    ideal = ideal_ms(roofline, case["mode"], case["batch"], case["dtype"])
    rows = [row | {"fraction": round(ideal / row["median_ms"], 4)} for row in case["rows"]]
    return case | {"rows": rows}


def losses(dtype: str, batch: int, args: argparse.Namespace) -> dict:
    """The losses of 20 steps, of ours and timm's."""
    plan = [
        order
        for order in orders("training", batch, dtype, args)
        if order["way"] == race_settings.ALL and order["who"] in ("ours", "timm")
    ]
    with contenders(plan) as field:
        found = {one.who: [round(loss, 5) for loss in one.ask("losses")] for one in field}
    apart = max(abs(a - b) for a, b in zip(found["ours"], found["timm"], strict=True))
    return {"dtype": dtype, "batch": batch, "largest_difference": round(apart, 5), **found}


def wanted(args: argparse.Namespace) -> list[tuple[str, int, str]]:
    """Mode, batch and dtype of every case: float32 at the first batch alone."""
    return [
        (mode, batch, dtype)
        for mode in args.modes
        for batch in args.batches
        for dtype in (args.dtypes if batch == args.batches[0] else args.dtypes[-1:])
    ]


def measure(args: argparse.Namespace, kept: dict) -> Iterator[dict]:
    """What is known after each race, `kept` and measured."""
    started, device = time.perf_counter(), torch.device(args.device)
    cases, too_large = dict(kept.get("cases", {})), []
    curves = {curve["dtype"]: curve for curve in kept.get("losses", [])}
    sizes = peaks.sizes_of(False, device)
    roofline = peaks.measure_roofline(device=device, **sizes)
    if "ceilings" in kept:
        roofline = higher(roofline, Roofline.of(kept))

    def summary(roofline: Roofline) -> dict:
        known = [with_fractions(cases[key], roofline) for key in sorted(cases, key=in_order)]
        return {
            "ceilings": roofline.as_record(),
            **({"too_large": too_large} if too_large else {}),
            "cases": known,
            "losses": list(curves.values()),
        }

    for dtype in args.dtypes if args.losses else ():
        curves[dtype] = losses(dtype, args.batches[0], args)
    for mode, batch, dtype in wanted(args):
        found, name = race(mode, batch, dtype, args), f"{mode}, batch {batch}, {dtype}"
        if "rows" in found:
            cases[mode, batch, dtype] = found
        else:
            too_large.append(name)
        says = found.get("against", "memory is too small")
        print(f"{time.perf_counter() - started:5.0f} s  {name}: {says}", flush=True)
        yield summary(roofline)
    yield summary(higher(roofline, peaks.measure_roofline(device=device, **sizes)))


def in_order(key: tuple[str, int, str]) -> tuple:
    """Training first, then smaller batches, then float32."""
    mode, batch, dtype = key
    return MODES.index(mode), batch, DTYPES.index(dtype)


def read(path: Path) -> dict:
    """What a file has of this machine and this program, with its cases by mode, batch and dtype."""
    if not path.is_file():
        return {}
    record = json.loads(path.read_text(encoding="utf-8"))
    here = machine.processor() == record["machine"]["processor"]
    if not here or "settings" not in record:
        return {}
    cases = {(case["mode"], case["batch"], case["dtype"]): case for case in record["cases"]}
    return record | {"cases": cases}


def seconds(words: Sequence[float] | None, standard: dict[str, float]) -> dict[str, float]:
    """The same seconds for both modes, if some are given."""
    return dict.fromkeys(MODES, words) if words is not None else standard


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description="Xception against timm's and Keras'; writes networks.json."
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    parser.add_argument("--ways", nargs="+", help="default: all; with more batches, short ones")
    parser.add_argument("--blocks", type=int, default=BLOCKS, help=f"default: {BLOCKS}")
    parser.add_argument("--warm", type=float, help=f"seconds before a block; default: {WARM}")
    parser.add_argument("--timed", type=float, help=f"seconds of a block; default: {TIMED}")
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="of a race, after which no round begins"
    )
    parser.add_argument("--losses", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument(
        "--out", type=Path, help="folder of networks.json; default: results/, or results/gpu/"
    )
    args = parser.parse_args(argv)
    args.command = " ".join([PROGRAM, *(sys.argv[1:] if argv is None else argv)])
    args.warm, args.timed = seconds(args.warm, WARM), seconds(args.timed, TIMED)
    on_gpu = not args.device.startswith("cpu")
    args.out = args.out or ROOT / "results" / ("gpu" if on_gpu else ".")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write the record; exit status 0, or 130 after Ctrl-C."""
    args = arguments(argv)
    device = torch.device(args.device)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "networks.json"
    about = {
        "benchmark": "networks",
        "command": PROGRAM,
        "quick": args.blocks < BLOCKS,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "machine": machine.facts("torch", "timm", "keras"),
        "settings": race_settings.LINES,
        "not_offered": race_settings.NOT_OFFERED,
    }
    try:
        for found in measure(args, read(path)):
            path.write_text(as_json(about | found), encoding="utf-8")
    except KeyboardInterrupt:
        print("interrupted: what was measured before is written", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
