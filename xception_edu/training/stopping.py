"""How a run stops: signals that are noted and acted on between two steps, and errors that are said
in one line.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from xception_edu.training import parallel


class Interrupted(KeyboardInterrupt):
    """A signal stopped the run, after it was saved."""

    def __init__(self, message: str, signum: int):
        super().__init__(message)
        self.signum = signum


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """Note SIGINT and SIGTERM, instead of dying in the middle of a step; a second one acts as ever.
    Main thread only.
    """
    noted: list[int] = []
    before: dict[int, Any] = {}

    def note(signum: int, frame: Any) -> None:
        noted.append(signum)
        signal.signal(signum, before[signum])

    if threading.current_thread() is threading.main_thread():
        for signum in (signal.SIGINT, signal.SIGTERM):
            before[signum] = signal.getsignal(signum) or signal.SIG_DFL
            signal.signal(signum, note)
    try:
        yield noted
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextmanager
def in_one_line(files: str = "out") -> Iterator[None]:
    """Turn what a reader can put right into a ValueError of one line: wrong values, files,
    divergence, too little memory.

    `files` is the argument that an OSError is about. Where torchrun started several processes,
    those but the first say which one they are.
    """
    try:
        with _reworded(files):
            yield
    except ValueError as error:
        rank = os.environ.get("RANK", "0")
        raise ValueError(f"{error}" if rank == "0" else f"rank {rank}: {error}") from None


@contextmanager
def _reworded(files: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise ValueError(f"{files} cannot be used: {error.strerror or error}{where}") from None
    except (ValueError, FloatingPointError) as error:
        raise ValueError(" ".join(str(error).splitlines())) from None
    except RuntimeError as error:
        if parallel.lost_rank(error):
            raise ValueError(
                f"another process is gone, and this one stops, too: {str(error).splitlines()[0]}"
            ) from None
        if "memory" in str(error):
            raise ValueError(
                "model and batch_size need more memory than there is: make one of them smaller"
            ) from None
        if "compiler" in str(error):
            raise ValueError(
                "compile is True, but must be False: torch.compile finds no working C++ compiler"
            ) from None
        raise
