"""The command `benchmark`: run one measurement, or all, and write what they find as JSON."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from xception_edu import checks
from xception_edu.benchmark import (
    counting,
    layers,
    machine,
    mistakes,
    roofline,
    segments,
    startup,
    timing,
)
from xception_edu.benchmark.allocator import keep_freed_memory

# Each module has FILE, PACKAGES, and measure(quick, device, progress) -> a dict; its docstring says
# what is in it. One that compares with packages that are not installed everywhere has
# missing_peers() too.
BENCHMARKS = {
    "roofline": roofline,
    "layers": layers,
    "segments": segments,
    "mistakes": mistakes,
    "startup": startup,
    "counting": counting,
}
INTERRUPTED = 130  # as a shell says it: 128 and the number of SIGINT
# the same whatever the device: "all" runs them on a CPU only
OF_THE_PROCESSOR = ("startup", "counting")


def command(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Read the arguments, run what they name, write a file each; exit status 0, or 130 after
    Ctrl-C.
    """
    parser.add_argument(
        "name",
        nargs="?",
        choices=[*BENCHMARKS, "all"],
        help="which one; without a name, they are listed",
    )
    parser.add_argument(
        "--out",
        default="results",
        help="folder for the JSON files; made if missing (default: results)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="few rounds and few cases: a first look"
    )
    parser.add_argument(
        "--threads", type=int, help="CPU threads (default: torch's own number, a thread a core)"
    )
    parser.add_argument(
        "--device",
        default="cpu",
        help="cpu, or a GPU by torch's name for it, such as cuda (default: cpu)",
    )
    args = parser.parse_args(argv)
    checks.integer("threads", 1 if args.threads is None else args.threads)
    if args.name is None:
        for name, module in BENCHMARKS.items():
            print(f"{name:10}{(module.__doc__ or '').splitlines()[0]}")
        return 0
    # A convolution's time depends on where the system's small pages lie; with this torch asks for
    # huge ones. It looks when it makes its first tensor, so this comes first.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    device, folder = device_of(args.device), folder_of(args.out)
    names = list(BENCHMARKS) if args.name == "all" else [args.name]
    for name in names:
        if args.name == "all" and device.type != "cpu" and name in OF_THE_PROCESSOR:
            continue
        # of a benchmark that compares with others
        missing = getattr(BENCHMARKS[name], "missing_peers", list)()
        if missing and args.name == "all":
            print(
                f"{name} left out: it compares with {', '.join(missing)}; see `make benchmarks`",
                file=sys.stderr,
            )
            continue
        path = folder / BENCHMARKS[name].FILE
        record = run_benchmark(name, quick=args.quick, threads=args.threads, device=device)
        path.write_text(as_json(record), encoding="utf-8")
        print(path)
        if "left_out" in record:
            print(
                f"interrupted: {record['left_out']} cases of {name} are left out", file=sys.stderr
            )
            return INTERRUPTED
    return 0


def folder_of(out: str) -> Path:
    """The folder, made if missing and found writable before minutes are spent on what goes there;
    ValueError otherwise.
    """
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError as error:
        raise ValueError(
            f"out is {out!r}, but must be a folder that can be written: {error.strerror}"
        ) from None
    return folder


def device_of(name: str) -> torch.device:
    """The device of that name, if it is there; ValueError otherwise."""
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device is {name!r}, but must be one that torch finds here:"
            f" {str(error).splitlines()[0]}"
        ) from None
    return device


def run_benchmark(
    name: str,
    *,
    quick: bool = False,
    threads: int | None = None,
    device: torch.device = timing.CPU,
    arguments: str = "",
) -> dict:
    """One benchmark's record, in the shape that the package's docstring says."""
    checks.one_of("name", name, list(BENCHMARKS))
    module = BENCHMARKS[name]
    options = ["--quick"] * quick + ([f"--threads {threads}"] if threads else [])
    options += [f"--device {device}"] if device != timing.CPU else []
    torch.manual_seed(0)
    # else the system's pages, which one function gets and another does not, are part of what is
    # compared
    keep_freed_memory()
    with (
        # a GPU's float32 is float32, as its ceiling is
        torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
        timing.pinned(threads) as pinned,
        machine.load_of_others() as load,
        tqdm(desc=name, unit="case", disable=None) as progress,
    ):
        measured = module.measure(quick=quick, device=device, progress=progress)
    return {
        "benchmark": name,
        "command": " ".join(["python -m xception_edu benchmark", name, *options]),
        "quick": quick,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": pinned,
        "machine": machine.facts("torch", *module.PACKAGES),
        "load": load,
        **measured,
    }


def as_json(record: dict) -> str:
    """The record as JSON with a line for each of its parts, and for each row of a list: short to
    read, small to keep.
    """
    parts = []
    for key, value in record.items():
        if isinstance(value, list):
            rows = ",\n".join("  " + json.dumps(row) for row in value)
            parts.append(f" {json.dumps(key)}: [\n{rows}\n ]")
        else:
            parts.append(f" {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"
