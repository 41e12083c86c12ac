"""Short runs of two ranks, for tests/training/test_clean_end.py: each rank prints what is left of
the group after its run, of which a step may raise, and ends as an interpreter does.

python -m tests.helpers.clean_end_worker OUT RUNS
"""

import os
import pathlib
import socket
import sys
import weakref
from dataclasses import replace

import torch

from tests.helpers.tiny import TINY
from xception_edu.training import parallel, run, train


def gloo_threads():
    """How many threads of this process are Gloo's, by their names."""
    names = []
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/comm") as file:
            names.append(file.read())
    return sum("gloo" in name for name in names)


def one_rank(what, out):
    """Train, and print what is left."""
    held, while_open, distribute, take_step = [], [], parallel.distribute, train.take_step

    def noted(model, device):
        net = distribute(model, device)
        held.extend([weakref.ref(net), weakref.ref(torch.distributed.group.WORLD)])
        while_open.append(gloo_threads())
        return net

    def step(*args):
        loss = take_step(*args)
        if what == "raises" and len(while_open) == 3:
            raise FloatingPointError("loss is nan")
        while_open.append(gloo_threads())
        return loss

    run.parallel.distribute, train.take_step = noted, step
    try:
        train.train(replace(TINY, epochs=1), out, tensorboard=False)
    except FloatingPointError as error:
        kept = error  # as a notebook keeps the last one
        assert str(kept) == "loss is nan"
    left = [one() for one in held if one() is not None]
    print(min(while_open) > 0, len(held) == 2 and not left, gloo_threads())


def two_ranks(what, out):
    """The exit status of each of two ranks, and what it printed: processes that were forked, which
    have imported everything already.
    """
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    started = []
    for rank in range(2):
        log = out.with_suffix(f".rank-{rank}")
        child = os.fork()
        if not child:
            written = os.open(log, os.O_CREAT | os.O_WRONLY)
            os.dup2(written, 1), os.dup2(written, 2)
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            one_rank(what, out)
            sys.exit()  # and not os._exit: what is tried is the interpreter's end
        started.append((child, log))
    return [(os.waitstatus_to_exitcode(os.waitpid(c, 0)[1]), log.read_text()) for c, log in started]


def main(out, runs):
    """Print a line for every rank that did not end cleanly, and how many did."""
    torch.set_num_threads(1)
    train.train(replace(TINY, epochs=1), pathlib.Path(out, "alone"), tensorboard=False)  # imports
    clean = 0
    for number in range(int(runs)):
        what = ("whole", "raises")[number % 2]
        for status, said in two_ranks(what, pathlib.Path(out) / str(number)):
            if status == 0 and said.split()[-3:] == ["True", "True", "0"]:
                clean += 1
            else:
                print(f"run {number}, {what}: status {status}: {said[-600:]}")
    print(f"{clean} ranks ended cleanly")


if __name__ == "__main__":
    main(*sys.argv[1:])
