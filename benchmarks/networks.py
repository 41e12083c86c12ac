"""Xception at 299x299, ours against timm's and Keras' on torch: a training step and a forward pass.

    PYTHONPATH=. .venv-peers/bin/python benchmarks/networks.py                                       batch 4 and 8
    PYTHONPATH=. .venv-peers/bin/python benchmarks/networks.py --device cuda --batches 64 128 256    on a GPU

Every contender, a network in a form, is a process of its own that takes one step when it is told to. Rounds go through all of
them in turn, so load meets all alike; a time is the median over rounds, a ratio the median of the rounds' own ratios. Writes
results/networks.json (on a GPU networks_cuda.json). `cases`: a row a `mode` ("training": forward, backward and SGD with
momentum; "inference": logits of images), `batch` and `dtype` (of the convolutions; bfloat16 is autocast's), with

  rows              a row a contender: `who`, `form`, its times, `images_per_second`, `peak_bytes` (most bytes of tensors
                    alive at once in a step, beyond those before it), `fraction` (the roofline's time of all layers over
                    the median), `ratio` (of its throughput to the best peer's)
  best_peer         the fastest of timm's and Keras' rows, "who form"
  throughput_ratio  how many times its throughput ours has, `ratio` of the fastest row of ours

`losses`: 20 steps of ours and of timm's from the same weights on the same photographs. `profile`: where a step of ours spends
its time, by operator, as torch's profiler says it (which makes short operators look longer than they are).

Peers are measured eager, in channels_last (Keras' own layout), in bf16, in both, and in both compiled (float32 and
compiled at the first batch alone: compiling takes a minute or more). Ours is the training step of `steps.py`, with freed memory
kept as the command `train` does, and for inference BN folded and weights in the dtype: eager and compiled.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

from xception_edu import architectures, machine, timing
from xception_edu.allocator import keep_freed_memory
from xception_edu.benchmark.command import as_json
from xception_edu.benchmark.roofline import as_dict, sizes_of
from xception_edu.costs import cost_of

ROOT = Path(__file__).parent.parent
SIDE, CLASSES = 299, 1000
MODES, DTYPES = ("training", "inference"), ("float32", "bfloat16")
PEERS = ("timm", "keras")
COMPILED = "channels_last, compiled"
ROUNDS = 15


# ---- a contender, in a process of its own -----------------------------------------------------------------------------


def work(who: str, form: str, mode: str, dtype: str, batch: int, device: str) -> None:
    """Take a step, or what else a line of standard input says, and answer with a line of JSON."""
    if who == "ours" and device == "cpu":
        keep_freed_memory()
    step = contender(who, form, mode, getattr(torch, dtype), batch, torch.device(device))
    step()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        match line.strip():
            case "step":
                answer = timed(step, device)
            case "memory":
                answer = {"peak_bytes": timing.peak_memory(step, device=device)}
            case "losses":
                answer = [float(step()) for _ in range(20)]
            case "profile":
                answer = profile(step, torch.device(device))
        print(json.dumps(answer), flush=True)


def timed(step, device: str) -> tuple[float, int | None]:
    """Milliseconds of a step, and how often the system interrupted it."""
    synchronize = torch.cuda.synchronize if device != "cpu" else lambda: None
    synchronize()
    before, started = machine.preemptions(), time.perf_counter()
    step()
    synchronize()
    return 1e3 * (time.perf_counter() - started), machine.preemptions() - before


def contender(who: str, form: str, mode: str, dtype: torch.dtype, batch: int, device: torch.device):
    """A function that takes one step, or one forward pass, and returns its loss or logits."""
    torch.manual_seed(0)
    layout = torch.channels_last if "channels_last" in form else torch.contiguous_format
    images, labels = photographs(batch, device, layout), torch.arange(batch, device=device) * 7 % CLASSES
    model = network(who, layout, device)
    if mode == "inference":
        return inference(who, model.eval(), images, dtype, compiled="compiled" in form)
    forward = torch.compile(model) if "compiled" in form else model
    optimizer = torch.optim.SGD(model.parameters(), 0.001, momentum=0.9, weight_decay=1e-5, fused=who == "ours")

    def step():
        model.train()
        optimizer.zero_grad()
        with autocast(device, dtype):
            loss = F.cross_entropy(forward(images).float(), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def inference(who: str, model, images, dtype: torch.dtype, *, compiled: bool):
    """Logits without gradients. Ours is in inference form, its weights in the dtype; peers have autocast."""
    if who == "ours":
        from xception_edu.inference import fold_batchnorm

        model, images, peer = fold_batchnorm(model).to(dtype), images.to(dtype), False
    else:
        peer = True
    forward = torch.compile(model, options=None if peer else {"freezing": True}) if compiled else model

    def step():
        with torch.no_grad(), autocast(images.device, dtype) if peer else contextlib.nullcontext():
            return forward(images)

    return step


def autocast(device: torch.device, dtype: torch.dtype):
    """Autocast to the dtype; for float32 none."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def network(who: str, layout: torch.memory_format, device: torch.device):
    """A network with the weights of our He initialization; Keras' takes (N, C, H, W) here as well and turns them itself."""
    from tests.peers import peers
    from xception_edu.dials import XceptionConfig
    from xception_edu.xception import xception

    model = xception(XceptionConfig(padding="symmetric", bn_eps=1e-5) if who != "keras" else XceptionConfig())
    if who == "timm":
        model = peers.timm_xception(model)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 0.01  # as ours; it changes no time
    elif who == "keras":
        return Keras(peers.keras_xception(model, (SIDE, SIDE))).to(device)
    return model.to(device, memory_format=layout)


class Keras(torch.nn.Module):
    """Keras' network behind torch's interface."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        """(N, C, H, W) to logits; Keras' layout is (N, H, W, C), which for channels_last is a view."""
        return self.network(images.permute(0, 2, 3, 1).contiguous(), training=self.training)


def photographs(batch: int, device: torch.device, layout: torch.memory_format):
    """Crops of two photographs, different in every place of the batch."""
    from tests.peers.peers import photographs

    two = photographs(SIDE, SIDE, 2)
    images = torch.stack([two[i % 2].roll(13 * i, dims=-1) for i in range(batch)])
    return images.to(device).contiguous(memory_format=layout)


def profile(step, device: torch.device) -> list[dict]:
    """Milliseconds a step by operator, the longest first; those above 1 % of the step."""
    activities = [torch.profiler.ProfilerActivity.CUDA if device.type == "cuda" else torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities) as run:
        for _ in range(3):
            step()
    name = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    times = {event.key: getattr(event, name) / 3e3 for event in run.key_averages()}
    total = sum(times.values())
    rows = sorted(times.items(), key=lambda item: -item[1])
    return [{"operator": k, "ms": round(v, 2), "share": round(v / total, 4)} for k, v in rows if v > total / 100]


# ---- the referee ------------------------------------------------------------------------------------------------------


class Contender:
    """A process that takes steps when told to."""

    def __init__(self, who: str, form: str, mode: str, dtype: str, batch: int, device: str):
        self.who, self.form = who, form
        self.rounds: list[tuple[float, int]] = []
        order = [sys.executable, __file__, "--work", json.dumps([who, form, mode, dtype, batch, device])]
        self.process = subprocess.Popen(order, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self._answer()

    def ask(self, what: str):
        """Its answer to one of `work`'s lines."""
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self):
        for line in self.process.stdout:
            with contextlib.suppress(json.JSONDecodeError):  # libraries print too
                return json.loads(line)
        raise RuntimeError(f"{self.who} {self.form} ended with status {self.process.wait()}; its error is above")

    @property
    def timing(self) -> timing.Timing:
        """Its rounds."""
        return timing.Timing(*zip(*self.rounds, strict=True))

    def leave(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def forms(who: str, compiled: bool) -> list[str]:
    """The forms in which a network is measured, for one dtype."""
    return ["eager"] * (who == "timm") + ["channels_last"] + [COMPILED] * compiled


def race(mode: str, batch: int, dtype: str, device: str, first: bool, rounds: int) -> dict:
    """One case: all contenders in turn."""
    compiled = first and dtype == "bfloat16"
    field = [Contender(who, form, mode, dtype, batch, device) for who in ("ours", *PEERS) for form in forms(who, compiled)]
    try:
        for i in range(rounds):
            for one in field[i % len(field) :] + field[: i % len(field)]:
                one.rounds.append(one.ask("step"))
        memory = {one: one.ask("memory") for one in field}
        found = field[0].ask("profile") if first else None
    finally:
        for one in field:
            one.leave()
    best = min((one for one in field if one.who != "ours"), key=lambda one: one.timing.median)
    rows = [row(one, best, batch, memory[one]) for one in field]
    ratio = max(r["ratio"] for r in rows if r["who"] == "ours")
    case = {"mode": mode, "batch": batch, "dtype": dtype, "best_peer": f"{best.who} {best.form}", "throughput_ratio": ratio}
    return case | {"rows": rows} | ({"profile": found} if found else {})


def row(one: Contender, best: Contender, batch: int, memory: dict) -> dict:
    """What one contender took, and its throughput over the best peer's, each round against its own."""
    times = one.timing
    return {
        "who": one.who,
        "form": one.form,
        **times.record(),
        "images_per_second": round(1e3 * batch / times.median, 2),
        **memory,
        "ratio": round(timing.ratio(best.timing, times), 3),
    }


def higher(a: timing.Ceilings, b: timing.Ceilings) -> timing.Ceilings:
    """The higher of two measurements of each ceiling, one before the races and one after: machines have slow moments."""
    speeds = {dtype: max(speed, b.macs_per_second[dtype]) for dtype, speed in a.macs_per_second.items()}
    return timing.Ceilings(macs_per_second=speeds, memory=max(a.memory, b.memory), cache=max(a.cache, b.cache))


def ideal_ms(ceilings: timing.Ceilings, mode: str, batch: int, dtype: str) -> float:
    """The roofline's time of a step, every layer by itself; thrice in training, since each of two gradients costs as much."""
    layers = (ceilings.milliseconds(cost_of(*pair), batch=batch, dtype=dtype) for pair in architectures.xception())
    return sum(layers) * (3 if mode == "training" else 1)


def losses(dtype: str, batch: int, device: str) -> dict:
    """The losses of 20 steps, of ours and timm's."""
    found = {}
    for who in ("ours", "timm"):
        one = Contender(who, "channels_last", "training", dtype, batch, device)
        found[who] = [round(loss, 5) for loss in one.ask("losses")]
        one.leave()
    apart = max(abs(a - b) for a, b in zip(found["ours"], found["timm"], strict=True))
    return {"dtype": dtype, "batch": batch, "largest_difference": round(apart, 5), **found}


def measure(args: argparse.Namespace, device: torch.device) -> dict:
    """All races, one after the other, and the losses."""
    started, cases = time.perf_counter(), []
    before = timing.measure_ceilings(device=device, **sizes_of(False, device))
    for mode in MODES:
        for batch in args.batches:
            for dtype in args.dtypes if batch == args.batches[0] else args.dtypes[-1:]:
                cases.append(race(mode, batch, dtype, args.device, batch == args.batches[0], args.rounds))
                found = cases[-1]
                print(f"{time.perf_counter() - started:5.0f} s  {mode}, batch {batch}, {dtype}: {found['throughput_ratio']:.2f}"
                      f" times the throughput of {found['best_peer']}", flush=True)  # fmt: skip
    ceilings = higher(before, timing.measure_ceilings(device=device, **sizes_of(False, device)))
    for case in cases:
        ideal = ideal_ms(ceilings, case["mode"], case["batch"], case["dtype"])
        case["rows"] = [row | {"fraction": round(ideal / row["median_ms"], 4)} for row in case["rows"]]
    curves = [losses(dtype, args.batches[0], args.device) for dtype in args.dtypes]
    return {"ceilings": as_dict(ceilings), "cases": cases, "losses": curves}


def main() -> None:
    """Measure, and write the record."""
    parser = argparse.ArgumentParser(description="Xception against timm's and Keras'; writes results/networks.json.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        return work(*json.loads(args.work))
    device = torch.device(args.device)
    with machine.load_of_others() as load:  # the contenders have all left before it is read
        measured = measure(args, device)
    name = "networks.json" if device.type == "cpu" else f"networks_{device.type}.json"
    record = {
        "benchmark": "networks",
        "command": " ".join(["python benchmarks/networks.py", *sys.argv[1:]]),
        "quick": args.rounds < ROUNDS,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "machine": machine.facts("torch", "timm", "keras"),
        "load": load,
        **measured,
    }
    (ROOT / "results" / name).write_text(as_json(record), encoding="utf-8")


if __name__ == "__main__":
    main()
