"""Data parallel: many processes, each with its part of every batch, whose gradients are averaged
before each step.

    torchrun --nproc-per-node 2 -m xception_edu train --recipe digits --out runs/digits
    torchrun --nnodes 4 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500
        -m xception_edu train ...

torchrun starts the processes ("ranks") and tells each its number; `launch` does it from a notebook.
GPUs talk by NCCL, processors by Gloo. All ranks have the same weights; rank 0 alone writes. Without
torchrun everything here is rank 0 of 1.

What is not the same as one process with the same batch: batch normalization. Each rank's takes mean
and variance of its own part, and the running statistics, which inference uses, are rank 0's. One
process with `accumulate` = number of ranks sees the same parts, and takes the same steps. With
`sync_bn` every rank's statistics are of the whole batch.
"""

import datetime
import gc
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from xception_edu import checks
from xception_edu.benchmark.machine import ROOT

# a rank may wait so long for another: the slowest may have to read a large data set
TIMEOUT = datetime.timedelta(minutes=30)
MOST_PROCESSES = 1024  # of one machine; more would only fill its memory


def rank() -> int:
    """Number of this process: 0, 1, ..."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def process_group(device: torch.device) -> Iterator[torch.device]:
    """Join the processes that torchrun started, if it did; the device of this one: GPUs are dealt
    out in order.
    """
    if "RANK" not in os.environ or dist.is_initialized():
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", _local_gpu())
        torch.cuda.set_device(device)
    # Its functions have the group of that moment as a default argument. DDP would import it later,
    # and the group, with Gloo's threads, would live until the interpreter's exit: now it is none.
    from torch.distributed.nn import functional  # noqa: F401

    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        timeout=TIMEOUT,
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
        store=_store(),
    )
    try:
        yield device
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)  # which hold the network that DDP wrapped
        raise
    finally:
        # DDP's reducer keeps the group, and with it Gloo's threads, until it is collected: one that
        # outlives the group may be ended at the interpreter's exit, with SIGABRT.
        gc.collect()
        dist.destroy_process_group()


def _store() -> Any:
    """The store in which the ranks find one another, or None where torch may make it. It may not on
    one node, which torchrun may start again.

    torchrun's own store then still has the addresses of processes that are gone (pytorch issue
    135712), so that each attempt gets keys of its own. On several nodes the attempts may be counted
    differently: there set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 for torchrun if it is to restart.
    """
    shared = (
        os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        and os.environ.get("GROUP_WORLD_SIZE") == "1"
    )
    if not shared:
        return None
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = dist.TCPStore(host, port, is_master=False, timeout=TIMEOUT)  # type: ignore[attr-defined]
    attempt = f"attempt_{os.environ['TORCHELASTIC_RESTART_COUNT']}"
    return dist.PrefixStore(attempt, store)  # type: ignore[attr-defined]


def _local_gpu() -> int:
    number, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if number >= there:
        raise ValueError(
            f"--nproc-per-node is more than {number}, but must be at most {there}, the number of"
            " GPUs"
        )
    return number


def check_parts(batch_size: int, accumulate: int) -> None:
    """ValueError unless a batch can be cut into equal parts, `accumulate` for each rank."""
    parts = world_size() * accumulate
    if batch_size % parts:
        raise ValueError(
            f"batch_size is {batch_size}, but must be a multiple of {parts}: {world_size()} ranks,"
            f" {accumulate} parts each"
        )


def synchronize_bn(model: nn.Module, device: torch.device) -> nn.Module:
    """The model with BN whose mean and variance are over the batches of all ranks; ValueError on a
    CPU.
    """
    if world_size() > 1 and device.type == "cpu":
        raise ValueError(
            "sync_bn is True, but must be False on a CPU: torch synchronizes BN on GPUs only"
        )
    if world_size() == 1:
        return model
    synchronized: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return synchronized


def distribute(model: nn.Module, device: torch.device) -> nn.Module:
    """The model to call: wrapped in DDP when there are several processes, so that its backward
    averages the gradients over the ranks.
    """
    if world_size() == 1:
        return model
    device_ids = [device.index] if device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=device_ids)


def sync_gradients(model: nn.Module, now: bool) -> AbstractContextManager[None]:
    """Around a forward and backward: `now`, the ranks average their gradients; otherwise each adds
    up its own for later.
    """
    if now or not isinstance(model, DistributedDataParallel):
        return nullcontext()
    return model.no_sync()


def total(sums: dict[str, float]) -> dict[str, float]:
    """Each sum over all ranks; every rank gets them. A rank that has none, for want of images, adds
    nothing.
    """
    everyone = [sums]
    if world_size() > 1:
        everyone *= world_size()
        dist.all_gather_object(everyone, sums)
    totals: dict[str, float] = {}
    for own in everyone:
        for name, value in own.items():
            totals[name] = totals.get(name, 0.0) + value
    return totals


def device() -> torch.device:
    """Where tensors must lie to be exchanged: on this rank's GPU, or in its memory."""
    on_gpu = dist.is_initialized() and dist.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")


def signal_of_any(noted: Sequence[int]) -> int:
    """The number of a signal that one of the ranks noted, or 0: the same answer on every rank."""
    return mean_and_signal(torch.zeros((), device=device()), noted)[1]


def mean_and_signal(loss: Tensor, noted: Sequence[int]) -> tuple[float, int]:
    """Mean of `loss` over the ranks, and the number of a signal that one of them noted, or 0: the
    same on every rank.
    """
    if world_size() == 1:
        return loss.item(), max(noted, default=0)
    # float64, which the ranks' device has: it is a GPU of CUDA, or the CPU
    losses = torch.zeros(world_size(), 2, dtype=torch.float64, device=device())
    losses[rank(), 0], losses[rank(), 1] = loss, max(noted, default=0)
    dist.all_reduce(losses)
    return losses[:, 0].mean().item(), int(losses[:, 1].max())


def broadcast_buffers(model: nn.Module) -> None:
    """Give every rank the running statistics of rank 0, which are the ones that are saved."""
    if world_size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def wait_for_rank_0() -> None:
    """Return once every rank, and so rank 0, is here."""
    if world_size() > 1:
        dist.barrier()


def lost_rank(error: BaseException) -> bool:
    """Whether an error says that another rank is gone."""
    if "RANK" not in os.environ:
        return False
    if isinstance(error, dist.DistError):
        return True
    # Gloo raises nothing but RuntimeError, which says the name of a file of its own.
    return isinstance(error, RuntimeError) and "gloo" in str(error).lower()


def was_restarted() -> bool:
    """Whether torchrun (--max-restarts) started this process in the place of ones that failed."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def _listed(flags: object) -> tuple[Any, ...]:
    return checks.sequence("flags", flags, "a list of flags, such as ['--out', 'runs/digits']")


def launch(flags: Sequence[str], *, processes: int = 2, max_restarts: int = 0) -> str:
    """Train in so many processes of this machine and wait for the end, as from a notebook; what
    they printed.

    `flags` are those of `python -m xception_edu train`. RuntimeError with the last line of what was
    said if they failed; they are stopped, and their run saved, if the notebook is interrupted.
    """
    flags = [checks.text(f"flags[{i}]", flag) for i, flag in enumerate(_listed(flags))]
    processes = checks.integer("processes", processes, at_most=MOST_PROCESSES)
    max_restarts = checks.integer("max_restarts", max_restarts, at_least=0)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        str(processes),
    ]
    command += ["--max-restarts", str(max_restarts), "-m", "xception_edu", "train", *flags]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": paths, "TQDM_DISABLE": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as torchrun:
        try:
            printed, said = torchrun.communicate()
        except KeyboardInterrupt:
            torchrun.send_signal(signal.SIGINT)
            torchrun.communicate()
            raise
    if torchrun.returncode:
        lines = said.splitlines() or ["nothing was said"]
        ours = [line for line in lines if "xception_edu train: error:" in line]
        raise RuntimeError(f"training in {processes} processes failed: {(ours or lines)[0]}")
    return printed
