"""The roofline: what a machine can do at best, and how fast that lets a layer be.

A layer of few multiply-accumulates (MACs) a byte waits for memory, one of many for arithmetic
(Williams, Waterman and Patterson, 2009).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xception_edu import checks
from xception_edu.costs import Cost

BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """Peak MACs per second by number type, and bandwidth in bytes per second.

    `memory` is the bandwidth of copying what fits into no cache, reads and writes both counted;
    `cache` that of copying what fits, for layers whose maps do.
    """

    macs_per_second: Mapping[str, float]
    memory: float
    cache: float

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Roofline":
        """The one that a record was measured under, its part `ceilings`."""
        return cls(**record["ceilings"])

    def peak(self, dtype: str = "float32") -> float:
        """Peak MACs per second in that number type; ValueError where it was not measured."""
        checks.one_of("dtype", dtype, list(self.macs_per_second))
        return self.macs_per_second[dtype]

    def ridge(self, dtype: str = "float32") -> float:
        """MACs a byte from which on arithmetic, and not memory, is the limit."""
        return self.peak(dtype) / self.memory

    def attainable(self, intensity: float, dtype: str = "float32") -> float:
        """Attainable MACs per second at this intensity: min(peak, intensity x bandwidth)."""
        moved = checks.number("intensity", intensity, at_least=0) * self.memory
        return min(self.peak(dtype), moved)

    def milliseconds(self, cost: Cost, *, batch: int = 1, dtype: str = "float32") -> float:
        """Shortest time for a layer: of its arithmetic or of its traffic with memory, whichever
        takes longer.
        """
        arithmetic = batch * cost.macs / self.peak(dtype)
        moved = cost.bytes_moved(batch=batch, bytes_per_element=BYTES[dtype])
        return 1e3 * max(arithmetic, moved / self.memory)

    def as_record(self) -> dict[str, Any]:
        """As plain data, for a record's `ceilings`, rounded to what can be believed."""
        peaks = {dtype: _rounded(peak) for dtype, peak in self.macs_per_second.items()}
        bandwidths = {"memory": _rounded(self.memory), "cache": _rounded(self.cache)}
        return {"macs_per_second": peaks, **bandwidths}


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
