"""How near the cores of a CPU lie to each other while something is measured on them.

The cores of a virtual machine may share a cache in one minute and not in the next, as its host
likes it. A convolution whose steps hand maps from core to core then takes longer, and the one
beside it as long as before. No counter of the system tells; a job that is mostly waiting for the
other core does: it takes a short time or a long one, with little between.
"""

import math
import statistics
import time

import torch

from xception_edu.benchmark.timing import Timing, ratio

APART = 1.2  # times the shortest handover of a run, and beyond
PATIENCE = 10  # seconds


def handover() -> float:
    """Milliseconds in which the CPU threads share a copy of 256 KiB, the median of 31: a few
    thousandths.
    """
    source = torch.zeros(2**16)
    target = torch.empty_like(source)
    times = []
    for _ in range(31):
        started = time.perf_counter()
        target.copy_(source)
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)


class Cores:
    """The handovers of all rounds of a run; near is what the shortest of them says."""

    def __init__(self) -> None:
        self.handovers: list[float] = []

    def near(self, handover: float) -> bool:
        """Whether the cores lay near each other in a round with that handover, as far as is known
        by now.
        """
        return handover <= APART * min(self.handovers, default=math.inf)

    def wait(self) -> None:
        """Return once they are near, or after PATIENCE."""
        end = time.monotonic() + PATIENCE
        while not self.near(handover()) and time.monotonic() < end:
            time.sleep(0.5)

    def ratio(self, ours: Timing, forms: list[Timing]) -> float | None:
        """How many times as long ours takes as the fastest form, over the rounds with near cores;
        None if under three are.
        """
        near = [i for i, handover in enumerate(ours.watched) if self.near(handover)]
        if len(near) < 3:
            return None
        best = min(forms, key=lambda form: statistics.median(form.milliseconds[i] for i in near))
        return round(
            ratio(*(Timing(tuple(times.milliseconds[i] for i in near)) for times in (ours, best))),
            3,
        )

    def record(self) -> dict[str, float | int]:
        """As plain data: the shortest handover, the number of rounds, and of those in which the
        cores lay apart.
        """
        apart = sum(not self.near(handover) for handover in self.handovers)
        shortest = min(self.handovers, default=0.0)
        return {"handover_ms": round(shortest, 5), "rounds": len(self.handovers), "apart": apart}
