"""What a learner waits for: imports, explorers and their pictures, whole notebooks.

Writes startup.json.

    python experiments/startup.py [--quick] [--threads N] [--out DIR]

`imports`: a row for each `statement`, run by a fresh Python, all in alternation: the times of the
whole process, from its start to its end, and `times_as_long` as `import torch` alone takes. "pass"
is Python itself. `preempted` is of the process that waits, not of those that run. `explorers`: a
row for each explorer, with the times of `make` (its table: every position, counted once) and of
`picture` (the picture that a saved notebook keeps), in a process that has made one before. How fast
it then moves in the browser is in explorer_latency.json. `notebooks`: a row for each notebook of
the course, run once from first to last cell by nbclient, the kernel's start included: `seconds`, of
which it may take BOUND.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from tqdm import tqdm

from xception_edu import explorers
from xception_edu.benchmark import command, machine, timing

FILE = "startup.json"
PACKAGES = ("matplotlib", "anywidget", "jupyterlab", "nbclient")
TORCH = "import torch"
MODULES = (
    "costs",
    "architectures",
    "layers",
    "xception",
    "training.train",
    "plots.gallery",
    "explorers",
)
STATEMENTS = (
    "pass",
    TORCH,
    "import matplotlib.figure",
    *(f"import xception_edu.{module}" for module in MODULES),
)
NOTEBOOKS = machine.ROOT / "notebooks"
BOUND = 60  # seconds for a notebook


def measure(*, quick: bool, device: torch.device, progress: tqdm) -> dict:
    """All rows; a quick run has fewer rounds, two explorers and one notebook. On a GPU it is the
    same: nothing here uses it.
    """
    names = explorers.__all__[: 2 if quick else None]
    notebooks = sorted(NOTEBOOKS.glob("*.ipynb"))[: 1 if quick else None]
    progress.reset(1 + len(names) + len(notebooks))
    record: dict = {
        "imports": imports(rounds=3 if quick else 9),
        "explorers": [],
        "bound_seconds": BOUND,
        "notebooks": [],
    }
    progress.update()
    for name in names:
        record["explorers"].append(
            explorer(name, getattr(explorers, name), rounds=3 if quick else 9)
        )
        progress.update()
    for path in notebooks:
        record["notebooks"].append({"notebook": path.stem, "seconds": round(run(path), 2)})
        progress.update()
    return record


def imports(*, rounds: int) -> list[dict]:
    """Times of every one of STATEMENTS."""
    times = timing.alternate(
        {line: lambda line=line: fresh(line) for line in STATEMENTS}, rounds=rounds
    )
    return [
        {
            "statement": line,
            **times[line].record(),
            "times_as_long": round(timing.ratio(times[line], times[TORCH]), 3),
        }
        for line in STATEMENTS
    ]


def fresh(statement: str) -> None:
    """Run it in a Python of its own; subprocess.CalledProcessError if it fails."""
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment())


def environment() -> dict[str, str]:
    """For processes that are started: as many threads as this one, no progress bars."""
    return os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads()), "TQDM_DISABLE": "1"}


def explorer(name: str, make, *, rounds: int) -> dict:
    """A row: what makes the explorer, and what draws its picture."""
    made = make()
    times = timing.alternate({"make": make, "picture": made.picture}, rounds=rounds)
    return {"explorer": name} | {what: times[what].record() for what in times}


def run(path: Path) -> float:
    """Seconds to run a notebook in a kernel of its own; nbclient.exceptions.CellExecutionError if a
    cell fails.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, 4)
    client = NotebookClient(
        notebook, timeout=10 * BOUND, resources={"metadata": {"path": str(path.parent)}}
    )
    started = time.perf_counter()
    client.execute(env=environment())
    return time.perf_counter() - started


if __name__ == "__main__":
    raise SystemExit(command.program("startup", sys.modules[__name__]))
