"""Processes of a group end cleanly: nothing that they leave holds on to the group."""

import socket
import subprocess
import sys
import textwrap

import pytest

WORKER = textwrap.dedent(
    """
    import os, sys, weakref
    import torch
    from torch import nn
    from xception_edu.training import parallel

    def threads():
        return [open(f"/proc/self/task/{t}/comm").read() for t in os.listdir("/proc/self/task")]

    def step():
        net = parallel.distribute(nn.Linear(2, 2), torch.device("cpu"))
        held.append(weakref.ref(net))
        net(torch.ones(1, 2)).sum().backward()
        raise FloatingPointError("loss is nan")

    held = []
    os.environ |= dict(RANK="0", WORLD_SIZE="1", MASTER_ADDR="127.0.0.1", MASTER_PORT=sys.argv[1])
    parallel.world_size = lambda: 2  # so that the network is wrapped
    try:
        with parallel.process_group(torch.device("cpu")):
            group = weakref.ref(torch.distributed.group.WORLD)
            step()
    except FloatingPointError as error:
        kept = error
    print(held[0]() is None, group() is None, not any("gloo" in name for name in threads()))
    """
)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_nothing_holds_the_network_or_the_group_when_a_step_raised():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    command = [sys.executable, "-c", WORKER, str(port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True"] * 3, done.stdout
