"""The command `benchmark`: run one measurement, or all, and write what they find as JSON."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from tqdm import tqdm

from xception_edu import checks
from xception_edu.benchmark import layers, machine, mistakes, peaks, segments, timing
from xception_edu.benchmark.allocator import keep_freed_memory
from xception_edu.benchmark.devices import pick_device
from xception_edu.benchmark.records import as_json


class Benchmark(Protocol):
    """A module that measures."""

    FILE: str
    PACKAGES: Sequence[str]  # whose versions its record says, beside torch's

    def measure(self, *, quick: bool, device: torch.device, progress: tqdm) -> dict:
        """What it adds to its record, as the module's docstring says."""


BENCHMARKS: dict[str, Benchmark] = {
    "roofline": peaks,
    "layers": layers,
    "segments": segments,
    "mistakes": mistakes,
}
INTERRUPTED = 130  # as a shell says it: 128 and the number of SIGINT


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
    ask_for_huge_pages()
    device, folder = pick_device(args.device), folder_of(args.out)
    for name in list(BENCHMARKS) if args.name == "all" else [args.name]:
        record = run_benchmark(name, quick=args.quick, threads=args.threads, device=device)
        status = write(record, folder / BENCHMARKS[name].FILE)
        if status:
            return status
    return 0


def program(name: str, module: Benchmark) -> int:
    """The main function of a measuring program of experiments/, which runs on the CPU: read its
    arguments, measure, write; the exit status.
    """
    parser = argparse.ArgumentParser(description=(module.__doc__ or name).splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds and few cases")
    parser.add_argument("--threads", type=int, help="CPU threads (default: as torch takes)")
    parser.add_argument("--out", default="results", help="folder of the JSON file")
    args = parser.parse_args()
    ask_for_huge_pages()
    try:
        folder = folder_of(args.out)
        command = f"python experiments/{name}.py"
        record = record_of(name, module, command=command, quick=args.quick, threads=args.threads)
    except ValueError as error:
        parser.error(str(error))
    return write(record, folder / module.FILE)


def ask_for_huge_pages() -> None:
    """Let torch put tensors in huge pages: with small ones a convolution's time depends on where
    they lie. Torch looks when it makes its first tensor, so this comes first.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def write(record: dict, path: Path) -> int:
    """Write a record and print where; the exit status, 130 if Ctrl-C ended the measurement."""
    path.write_text(as_json(record), encoding="utf-8")
    print(path)
    if "left_out" not in record:
        return 0
    left_out = f"{record['left_out']} cases of {record['benchmark']} are left out"
    print(f"interrupted: {left_out}", file=sys.stderr)
    return INTERRUPTED


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


def run_benchmark(
    name: str,
    *,
    quick: bool = False,
    threads: int | None = None,
    device: torch.device = timing.CPU,
) -> dict:
    """One benchmark's record, in the shape that the package's docstring says.

    Args:
        name: of the benchmark.
        quick: a first look: few cases and rounds.
        threads: the number of CPU threads; None: as set.
        device: what is measured.
    """
    name = checks.one_of("name", name, list(BENCHMARKS))
    quick = checks.boolean("quick", quick)
    if threads is not None:
        threads = checks.integer("threads", threads)
    device = pick_device(device)
    command = f"python -m xception_edu benchmark {name}"
    return record_of(
        name, BENCHMARKS[name], command=command, quick=quick, threads=threads, device=device
    )


def record_of(
    name: str,
    module: Benchmark,
    *,
    command: str,
    quick: bool = False,
    threads: int | None = None,
    device: torch.device = timing.CPU,
) -> dict:
    """What a module measures, and how, where and with what it was measured."""
    options = ["--quick"] if quick else []
    options += [f"--threads {threads}"] if threads else []
    options += [f"--device {device}"] if device != timing.CPU else []
    torch.manual_seed(0)
    # else the system's pages, which one function gets and another does not, are part of what is
    # compared
    keep_freed_memory()
    with (
        # a GPU's float32 is float32, as its ceiling is
        torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
        timing.pinned(threads) as pinned,
        machine.background_load() as load,
        tqdm(desc=name, unit="case", disable=None) as progress,
    ):
        measured = module.measure(quick=quick, device=device, progress=progress)
    return {
        "benchmark": name,
        "command": " ".join([command, *options]),
        "quick": quick,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": pinned,
        "machine": machine.facts("torch", *module.PACKAGES),
        "load": load,
        **measured,
    }
