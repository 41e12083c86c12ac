"""Processes that run the jobs of a sweep, each with its own cores, and no run twice."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from xception_edu.benchmark.allocator import keep_freed_memory
from xception_edu.training.sweep.plan import Job
from xception_edu.training.sweep.run import run_job


@dataclass
class Worker:
    """A process that waits for jobs at the other end of a pipe."""

    process: BaseProcess
    pipe: Connection
    job: Job | None = None  # what it is at

    def begin(self, job: Job, folder: Path) -> None:
        """Give it a job, and the folder of the run."""
        self.job = job
        self.pipe.send((job, folder))

    def result(self) -> dict[str, Any]:
        """The line of the job that it has done; ValueError as the run raised it, or where the
        process is gone.
        """
        job, self.job = self.job, None
        try:
            answer = self.pipe.recv()
        except EOFError:
            raise ValueError(
                f"the run of point {job and job.point!r} was killed; the same command goes on"
            ) from None
        if isinstance(answer, str):
            raise ValueError(answer)
        return dict(answer)


@contextmanager
def workers(count: int, data: str | None, device: str | None) -> Iterator[list[Worker]]:
    """So many processes, which are told to save and stop if this one is left before their end."""
    context = multiprocessing.get_context("spawn")
    made = []
    for _ in range(count):
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, data, device, os.getpid()))
        process.start()
        theirs.close()
        made.append(Worker(process, ours))
    try:
        yield made
    finally:
        for worker in made:
            worker.pipe.close()
            if worker.job is not None:
                worker.process.terminate()  # SIGTERM: the run is saved after its step
        for worker in made:
            worker.process.join()


def serve(pipe: Connection, data: str | None, device: str | None, parent: int) -> None:
    """Run one job after the other, until there are no more or the parent is gone."""
    os.environ["TQDM_DISABLE"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent stops its workers
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    keep_freed_memory()
    with pipe:
        while True:
            try:
                job, folder = pipe.recv()
            except (EOFError, OSError):
                return
            answer: dict[str, Any] | str
            try:
                answer = run_job(job, folder, data=data, device=device)
            except KeyboardInterrupt:  # SIGTERM: the run is saved
                return
            except ValueError as error:
                answer = str(error)
            pipe.send(answer)


def _leave_with(parent: int) -> None:
    """Stop this process, as SIGTERM does, once its parent is gone, however that ended."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
