"""A sweep from its plan to its results: which run is next, and what is written down.

DIR/NAME.jsonl has a line for each finished run of the plan, in the plan's order; DIR/NAME.plan.json
the plan; DIR/runs/ a folder a run, each of which `train` can resume.
"""

import json
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm  # type: ignore[import-untyped]

from xception_edu.benchmark.devices import pick_device
from xception_edu.training.run_folder import read_metrics, write_atomically
from xception_edu.training.sweep.matching import measured_widths
from xception_edu.training.sweep.plan import Job, Plan, jobs, merged, read_plan, with_points
from xception_edu.training.sweep.workers import Worker, workers

POLL_SECONDS = 5.0  # between two looks at how far the runs are


@dataclass
class Sweep:
    """A plan and its folder: what is there, and what shall be.

    `plan` has all points and seeds that the folder ever had; `points` and `seeds` are those that
    are run now.
    """

    plan: Plan
    out: Path
    points: tuple[str, ...]
    seeds: tuple[int, ...]
    widths: Mapping[str, float] = field(default_factory=dict)  # those that only measuring finds
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)  # by the keys of their jobs
    # what `jobs` found when there were so many lines: it takes a while, and is asked often
    _jobs: tuple[int, list[Job]] | None = None

    @property
    def jobs(self) -> list[Job]:
        """Every run of the plan that is known so far, in its order."""
        if self._jobs is None or self._jobs[0] != len(self.lines):
            self._jobs = len(self.lines), jobs(self.plan, self.lines, self.widths)
        return self._jobs[1]

    def wants(self, job: Job) -> bool:
        """Whether a run is among those that are asked for, or chooses the rate of one that is."""
        if job.purpose == "rate":
            return job.point in [self.plan.point(name).rate_of for name in self.points]
        return job.point in self.points and job.recipe.seed in self.seeds

    @property
    def pending(self) -> list[Job]:
        """The runs that are asked for and have no line, each once, in their order."""
        wanted = {job.key: job for job in self.jobs if self.wants(job)}
        return [job for key, job in wanted.items() if key not in self.lines]

    @property
    def unknown(self) -> int:
        """How many results still wait for their learning rate, and are not among the jobs."""
        known = sum(job.purpose == "result" for job in self.jobs if self.wants(job))
        return len(self.points) * len(self.seeds) - known

    @property
    def results(self) -> list[dict[str, Any]]:
        """The lines that are there, in the plan's order, each with what the plan calls it."""
        return [
            {"plan": job.plan, "point": job.point, **self.lines[job.key]}
            for job in self.jobs
            if job.key in self.lines
        ]

    def folder(self, job: Job) -> Path:
        """Where a run lies."""
        return self.out / "runs" / job.key

    def read(self) -> None:
        """Read the lines in the runs' folders; the learning rates that they choose name more."""
        before = -1
        while len(self.lines) > before:
            before = len(self.lines)
            for job in self.jobs:
                path = self.folder(job) / "line.json"
                if job.key not in self.lines and path.is_file():
                    self.lines[job.key] = json.loads(path.read_text(encoding="utf-8"))

    def write(self) -> None:
        """Write DIR/NAME.plan.json and DIR/NAME.jsonl anew."""
        plan = json.dumps(self.plan.to_dict(), indent=2) + "\n"
        write_atomically(self.out / f"{self.plan.name}.plan.json", plan.encode())
        self.write_results()

    def write_results(self) -> None:
        """Write DIR/NAME.jsonl anew."""
        text = "".join(json.dumps(line) + "\n" for line in self.results)
        write_atomically(self.out / f"{self.plan.name}.jsonl", text.encode())


def open_sweep(
    plan: Plan,
    out: Path,
    *,
    points: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    device: str | None = None,
) -> Sweep:
    """The sweep of a plan in a folder, which may have some of its runs, with what is there read.

    Args:
        plan: what is compared.
        out: the folder; plans that share it share the runs that are the same.
        points: the names of those that are run now, the plan's or numbers of segments; None: all.
        seeds: those that are run now; None: the plan's.
        device: where steps are timed, if the plan matches their time.
    """
    now = with_points(plan, points or ())
    asked = tuple(point.name for point in now.points if points is None or point.name in points)
    wanted = tuple(plan.seeds if seeds is None else seeds)
    there = out / f"{plan.name}.plan.json"
    if seeds is not None and not there.is_file():
        now = merged(now, _with_seeds(now, wanted))
    if there.is_file():
        now = merged(read_plan(there), _with_seeds(now, wanted))
    widths = measured_widths(now, out, pick_device(device))
    found = Sweep(now, out, asked, wanted, widths)
    found.read()
    return found


def _with_seeds(plan: Plan, seeds: tuple[int, ...]) -> Plan:
    return Plan.from_dict(plan.to_dict() | {"seeds": seeds})


def run_sweep(
    found: Sweep, *, count: int = 1, data: str | None = None, device: str | None = None
) -> None:
    """Run what is asked for and not yet there, `count` runs at a time.

    Args:
        found: the sweep, as `open_sweep` gives it.
        count: processes, each of which runs one job at a time.
        data: where the images are, as for `train`.
        device: such as "cpu" or "cuda"; by default the GPU if there is one.

    Raises:
        ValueError: a run cannot be made; what is finished is kept.
        KeyboardInterrupt: Ctrl-C or SIGTERM came, and the runs were saved.
    """
    (found.out / "runs").mkdir(parents=True, exist_ok=True)
    found.write()
    todo = found.pending
    if not todo:
        return
    with (
        sigterm_raises(),
        workers(min(count, len(todo)), data, device) as hands,
        progress(found) as bar,
    ):
        while give_work(found, hands):
            collect(found, hands)
            show(bar, found, hands)


def give_work(found: Sweep, hands: list[Worker]) -> bool:
    """Give the next runs to the workers that have none; whether any has one."""
    busy = [worker.job.key for worker in hands if worker.job]
    todo = [job for job in found.pending if job.key not in busy]
    for worker in hands:
        if worker.job is None and todo:
            job = todo.pop(0)
            worker.begin(job, found.folder(job))
    return any(worker.job for worker in hands)


def collect(found: Sweep, hands: list[Worker]) -> None:
    """Wait a while for results, and write down those that come."""
    at_work = {worker.pipe: (worker, worker.job) for worker in hands if worker.job}
    for pipe in wait(list(at_work), POLL_SECONDS):
        worker, job = at_work[pipe]  # type: ignore[index]
        found.lines[job.key] = worker.result()
        found.write_results()


# ---- signals and progress ------------------------------------------------------------------------


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """SIGTERM ends the sweep like Ctrl-C: its workers save their runs first."""

    def stop(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def progress(found: Sweep) -> Iterator[Any]:
    """A bar over the steps of all runs, with the time that is left."""
    done = sum(line["steps"] for line in found.lines.values())
    with tqdm(
        desc=found.plan.name,
        unit=" steps",
        smoothing=0.05,
        initial=done,
        total=done + steps_left(found),
        disable="TQDM_DISABLE" in os.environ,
    ) as bar:
        yield bar


def steps_left(found: Sweep) -> int:
    """Steps of the runs that are not finished, of those too whose learning rate is not chosen."""
    base = found.plan.base
    to_come = found.unknown * base.epochs * (base.steps_per_epoch or 0)
    return to_come + sum(job.steps for job in found.pending)


def show(bar: Any, found: Sweep, hands: list[Worker]) -> None:
    """Move the bar to where the runs are."""
    if bar.disable:
        return
    done = sum(line["steps"] for line in found.lines.values())
    bar.total = done + steps_left(found)
    for worker in hands:
        if worker.job:
            metrics = read_metrics(found.folder(worker.job) / "metrics.jsonl")
            done += metrics[-1]["step"] if metrics else 0
    bar.set_postfix_str(f"{len(found.lines)} runs done, {len(found.pending) + found.unknown} left")
    bar.update(done - bar.n)
