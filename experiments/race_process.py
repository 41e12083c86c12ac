"""The processes of a race, as networks.py sees them: contenders that answer a line at a time."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from experiments.race_settings import OF_THE_PROCESS
from xception_edu.benchmark import timing

ROOT = Path(__file__).parent.parent
OUT_OF_MEMORY = "out of memory"


class Process:
    """A process that does what it is told, a line at a time; contender.py is its program."""

    def __init__(self, orders: Sequence[dict], environment: Mapping[str, str] = {}):
        self.names = [f"{order['who']}, {order['way']}" for order in orders]
        huge = "1" if orders[0]["settings"].get("huge_pages") else "0"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "experiments.contender", json.dumps(list(orders))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"THP_MEM_ALLOC_ENABLE": huge} | dict(environment),
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
            f"the process of {'; '.join(self.names)} ended with status {self.process.wait()}; its"
            " error is above"
        )

    def leave(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Contender:
    """A network with settings, at its place in a process, and the blocks that it has run."""

    def __init__(self, order: dict, process: Process, place: int):
        self.order, self.who, self.way = order, order["who"], order["way"]
        self.process, self.place = process, place
        self.blocks: list[dict] = []

    def ask(self, what: str):
        """Its answer to a word and what follows it, such as "block 2 3"; RuntimeError if memory
        does not hold what it takes, except for a first step.
        """
        word, *numbers = what.split()
        self.process.tell(" ".join([word, str(self.place), *numbers]))
        answer = self.process.answer()
        if answer == OUT_OF_MEMORY and self.blocks:
            raise RuntimeError(
                f"{self.who}, {self.way} ran {OUT_OF_MEMORY} at {what!r}: smaller --batches need"
                " less"
            )
        return answer

    @property
    def milliseconds(self) -> list[float]:
        """A step's in each block."""
        return [block["ms"] for block in self.blocks]

    @property
    def timing(self) -> timing.Timing:
        """Its blocks."""
        preempted = tuple(block["preempted"] for block in self.blocks)
        return timing.Timing(tuple(self.milliseconds), preempted)


def shared(orders: Sequence[dict]) -> list[list[dict]]:
    """Contenders that can live in one process: those that want the same of it."""
    groups: dict[tuple, list[dict]] = {}
    for order in orders:
        key = tuple(bool(order["settings"].get(name)) for name in OF_THE_PROCESS)
        groups.setdefault(key, []).append(order)
    return list(groups.values())


@contextlib.contextmanager
def contenders(orders: Sequence[dict]) -> Iterator[list[Contender]]:
    """Contenders that are ready; their processes begin at once, and end here."""
    groups = shared(orders)
    running = [Process(group) for group in groups]
    try:
        for process in running:
            process.answer()
        field = []
        for group, process in zip(groups, running, strict=True):
            field += [Contender(order, process, i) for i, order in enumerate(group)]
        yield field
    except BaseException:  # nobody waits for what they are doing now
        for process in running:
            process.process.kill()
        raise
    finally:
        for process in running:
            process.leave()
