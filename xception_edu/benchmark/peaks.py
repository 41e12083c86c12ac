"""The machine's roofline, measured: matrix products in fp32 and bf16, and copies.

`ceilings`: `macs_per_second` by number type, `memory` and `cache` in bytes a second (see
roofline.py); `sizes` says of what. `ridge` is the intensity, in MACs a byte, from which on
arithmetic and not memory is the limit.
"""

import torch
from tqdm import tqdm

from xception_edu import checks
from xception_edu.benchmark import timing
from xception_edu.benchmark.devices import pick_device
from xception_edu.benchmark.roofline import Roofline

FILE = "roofline.json"
PACKAGES = ()
DTYPES = ("float32", "bfloat16")


def measure(*, quick: bool, device: torch.device, progress: tqdm) -> dict:
    """The roofline and what it was measured with."""
    sizes = sizes_of(quick, device)
    found = measure_roofline(device=device, **sizes)
    progress.update()
    ridges = {dtype: round(found.ridge(dtype), 2) for dtype in found.macs_per_second}
    return {"ceilings": found.as_record(), "sizes": sizes, "ridge": ridges}


def sizes_of(quick: bool, device: torch.device) -> dict[str, int]:
    """What is multiplied and copied: more on a GPU, which smaller ones would not fill."""
    on_gpu = device.type == "cuda"
    side, megabytes = (8192, 1024) if on_gpu else (2048, 256)
    if quick:
        return {"side": side // 4, "megabytes": megabytes // 4, "rounds": 3}
    return {"side": side, "megabytes": megabytes, "rounds": 15}


def measure_roofline(
    *,
    side: int = 2048,
    megabytes: int = 256,
    rounds: int = 7,
    threads: int | None = None,
    device: torch.device | str = timing.CPU,
) -> Roofline:
    """Measure this machine's peaks: products of square matrices, in fp32 and bf16, and copies of
    large (`memory`) and of small arrays (`cache`).

    The small ones are of 1/2 MiB; on a GPU, whose caches are larger and whose work takes
    microseconds to begin, of 16 MiB. A peak is what was reached once, so the fastest round counts.

    Args:
        side: of the matrices.
        megabytes: of the large arrays, in MiB.
        rounds: how many products and copies are timed.
        threads: the number of CPU threads; None: as set.
        device: what is measured.
    """
    checks.integer("side", side)
    checks.integer("megabytes", megabytes)
    device = pick_device(timing.CPU if device is None else device)
    on_gpu = device.type == "cuda"
    sizes = {"memory": megabytes * 2**20, "cache": 2**24 if on_gpu else 2**19}
    functions = {dtype: _product(side, dtype, device) for dtype in DTYPES}
    functions |= {name: _copy(size, device) for name, size in sizes.items()}
    times = timing.alternate(
        functions, rounds=rounds, min_ms=1 if on_gpu else 0, threads=threads, device=device
    )
    fastest = {name: min(timing.milliseconds) / 1e3 for name, timing in times.items()}
    # a byte copied is a byte read and a byte written
    bandwidth = {name: 2 * size / fastest[name] for name, size in sizes.items()}
    peaks = {dtype: side**3 / fastest[dtype] for dtype in DTYPES}
    return Roofline(macs_per_second=peaks, memory=bandwidth["memory"], cache=bandwidth["cache"])


def _product(side: int, dtype: str, device: torch.device | str) -> timing.Function:
    a, b = (torch.randn(side, side, device=device).to(getattr(torch, dtype)) for _ in range(2))
    return lambda: a @ b


def _copy(size: int, device: torch.device | str) -> timing.Function:
    source, target = (torch.ones(size // 4, device=device) for _ in range(2))
    return lambda: target.copy_(source)
