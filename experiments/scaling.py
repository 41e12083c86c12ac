"""Measure what `scaling.Cluster` needs on this machine, and hold its prediction against real
processes: results/scaling.json.

    python experiments/scaling.py

One process of one thread trains the whole 22.9 M-parameter Xception at 96x96 pixels (real
photographs), so that its 91 MB of gradients weigh against the arithmetic as they do on GPUs. From
that and from the bare all-reduce of two buffers in 2 processes come the cluster's numbers; then 1,
2 and 4 processes (gloo, DistributedDataParallel) take such steps.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from xception_edu.architectures import XceptionConfig
from xception_edu.benchmark import machine
from xception_edu.data.augment import prepare
from xception_edu.data.builtin import load_photos
from xception_edu.training.scaling import Cluster, ring_all_reduce_bytes
from xception_edu.training.steps import train_step
from xception_edu.xception import xception

ROOT = Path(__file__).parent.parent
# pixels, and images of a worker: the global batch grows with the workers ("weak scaling")
SIDE, PART = 96, 4
WORKERS = (1, 2, 4)
BUFFERS = (4_000, 91_424_000)  # bytes: one that shows the latency, one like the gradients
STEPS, WARM_UP = 7, 2


def seconds_of(take, *, steps=STEPS):
    """Median seconds of a call, all ranks beginning together."""
    times = []
    for _ in range(WARM_UP + steps):
        if dist.is_initialized():
            dist.barrier()
        started = time.perf_counter()
        take()
        times.append(time.perf_counter() - started)
    return statistics.median(times[WARM_UP:])


def exchange_seconds(size):
    """Seconds of the bare all-reduce of `size` bytes."""
    buffer = torch.zeros(size // 4)
    return seconds_of(lambda: dist.all_reduce(buffer))


def work():
    """One rank, started by torchrun: time the all-reduce of two buffers, then steps; rank 0 prints
    them as JSON.
    """
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    exchange = [exchange_seconds(size) for size in BUFFERS]
    torch.manual_seed(0)
    model = xception(XceptionConfig(num_classes=1000)).to(memory_format=torch.channels_last)
    params = sum(p.numel() for p in model.parameters())
    optimizer = torch.optim.SGD(model.parameters(), 0.045, momentum=0.9)
    called = DistributedDataParallel(model) if dist.get_world_size() > 1 else model
    data = load_photos(SIDE)
    first = dist.get_rank() * PART
    images, labels = (
        prepare(data.train_images[first : first + PART], SIDE),
        data.train_labels[first : first + PART],
    )
    step = seconds_of(lambda: train_step(called, images, labels, optimizer))
    if dist.get_rank() == 0:
        print(json.dumps({"exchange": exchange, "step": step, "params": params}))
    dist.destroy_process_group()


def measured(workers):
    """What `work` finds in so many processes."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        str(workers),
        __file__,
        "--rank",
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(run.stdout.strip().splitlines()[-1])


def main():
    """Measure, predict, and write both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "scaling.json")
    parser.add_argument("--rank", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.rank:
        work()
        return
    with machine.background_load() as load:
        found = {workers: measured(workers) for workers in WORKERS}
    gradients = found[1]["params"] * 4
    cluster = cluster_of(found)
    record = {
        "what": (
            f"a training step of Xception at {SIDE}x{SIDE}, {PART} images a process of one thread,"
            f" gloo; median of {STEPS}"
        ),
        "command": "python experiments/scaling.py",
        "cluster": asdict(cluster),
        "gradient_bytes": gradients,
        "rows": [row(cluster, gradients, workers, found[workers]) for workers in WORKERS],
        "machine": machine.facts("torch") | {"load_of_others": load["share_of_others"]},
    }
    args.out.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record["rows"], indent=1))


def cluster_of(found):
    """What one process, and the bare exchange between two, say of the cluster: nothing of it is
    fitted to the steps below.
    """
    small, large = found[2]["exchange"]
    return Cluster(
        images_per_second=PART / found[1]["step"],
        bandwidth=ring_all_reduce_bytes(BUFFERS[1], 2) / (large - small),
        latency=small / 2,  # a ring of two sends twice, one after the other
        cores=os.cpu_count(),
    )


def row(cluster, gradients, workers, measured):
    """Prediction beside measurement."""
    predicted = cluster.step_seconds(workers, workers * PART, gradients)
    return {
        "workers": workers,
        "batch_size": workers * PART,
        "measured_step_seconds": round(measured["step"], 4),
        "predicted_step_seconds": round(predicted, 4),
        "predicted_over_measured": round(predicted / measured["step"], 3),
        "exchange_alone_seconds": round(measured["exchange"][1], 4),
    }


if __name__ == "__main__":
    main()
