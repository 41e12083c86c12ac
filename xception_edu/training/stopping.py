"""How a run stops: by signals, which wait for the end of a step, and by errors, said in one
line.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from xception_edu.training import parallel


class Interrupted(KeyboardInterrupt):
    """A signal stopped the run, after it was saved."""

    def __init__(self, message: str, signum: int):
        super().__init__(message)
        self.signum = signum


@contextmanager
def deferred_signals() -> Iterator[list[int]]:
    """Note SIGINT and SIGTERM, instead of dying in the middle of a step; a second signal has its
    usual effect. Main thread only.
    """
    noted: list[int] = []
    before: dict[int, Any] = {}

    def note(signum: int, frame: Any) -> None:
        noted.append(signum)
        signal.signal(signum, before[signum])

    if threading.current_thread() is threading.main_thread():
        for deferred in (signal.SIGINT, signal.SIGTERM):
            before[deferred] = signal.getsignal(deferred) or signal.SIG_DFL
            signal.signal(deferred, note)
    try:
        yield noted
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextmanager
def one_line_errors(files: str = "out") -> Iterator[None]:
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
    except (RuntimeError, MemoryError) as error:
        message = _what_to_do(error)
        if message is None:
            raise
        raise ValueError(message) from None


def _what_to_do(error: RuntimeError | MemoryError) -> str | None:
    """A sentence about an error of torch that a reader can put right; None for another one."""
    # torch.compile wraps what its compiler raised.
    reason = getattr(error, "inner_exception", error)
    first_line = (str(reason).splitlines() or [""])[0]
    if parallel.lost_rank(error):
        return f"another process is gone, and this one stops, too: {first_line}"
    if _is_out_of_memory(error):
        return "model and batch_size need more memory than there is: make one of them smaller"
    if _is_of_compiling(error):
        return f"compile is True, but must be False: torch.compile fails here: {first_line}"
    return None


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was refused: torch has a type of error for that on a GPU, and none on a
    CPU.
    """
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return "DefaultCPUAllocator" in str(error)


def _is_of_compiling(error: BaseException) -> bool:
    """Whether torch.compile raised an error; its module, which takes seconds to import, is there
    then.
    """
    module = sys.modules.get("torch._dynamo.exc")
    return module is not None and isinstance(error, module.TorchDynamoException)
