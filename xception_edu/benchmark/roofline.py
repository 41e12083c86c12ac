"""The machine's ceilings: matrix products in fp32 and bf16, and copies.

`ceilings`: `macs_per_second` by number type, `memory` and `cache` in bytes a second; `sizes` says
of what. `ridge` is the intensity, in MACs a byte, from which on arithmetic and not memory is the
limit.
"""

import dataclasses

import torch
from tqdm import tqdm

from xception_edu.benchmark import timing
from xception_edu.benchmark.timing import Ceilings

FILE = "roofline.json"
PACKAGES = ()


def sizes_of(quick: bool, device: torch.device) -> dict[str, int]:
    """What is multiplied and copied: more on a GPU, which smaller ones would not fill."""
    large = (
        {"side": 8192, "megabytes": 1024}
        if device.type == "cuda"
        else {"side": 2048, "megabytes": 256}
    )
    return (
        {name: size // 4 for name, size in large.items()} | {"rounds": 3}
        if quick
        else large | {"rounds": 15}
    )


def measure(*, quick: bool, device: torch.device, progress: tqdm) -> dict:
    """The ceilings and what they were measured with."""
    sizes = sizes_of(quick, device)
    found = timing.measure_ceilings(device=device, **sizes)
    progress.update()
    return {"ceilings": as_dict(found), "sizes": sizes, "ridge": ridge(found)}


def as_dict(found: Ceilings) -> dict:
    """Ceilings as plain data, rounded to what can be believed."""
    return {
        key: {k: float(f"{v:.4g}") for k, v in value.items()}
        if isinstance(value, dict)
        else float(f"{value:.4g}")
        for key, value in dataclasses.asdict(found).items()
    }


def ridge(found: Ceilings) -> dict[str, float]:
    """Where the roof bends: MACs a byte at which arithmetic takes as long as traffic."""
    return {dtype: round(speed / found.memory, 2) for dtype, speed in found.macs_per_second.items()}
