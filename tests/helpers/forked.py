"""Processes that are forked from one that has imported everything, so that twenty of them start in
seconds.
"""

import multiprocessing
import os
import socket

import torch

PROCESSES = multiprocessing.get_context("forkserver")
PRELOAD = [
    "tests.training.test_kills",
    "tests.helpers.parallel_worker",
    "sklearn.datasets",
    "sklearn.model_selection",
    "torch._dynamo",
]  # the last: what optimizers import
PROCESSES.set_forkserver_preload(PRELOAD)


def two_ranks(work, *args):
    """The exit statuses of two processes that do `work(*args)` as torchrun's ranks would."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    ranks = [
        PROCESSES.Process(target=_as_rank, args=(rank, port, work, *args)) for rank in range(2)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    return [process.exitcode for process in ranks]


def _as_rank(rank, port, work, *args):
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TQDM_DISABLE": "1"}
    work(*args)
