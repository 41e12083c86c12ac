"""A 1x1 convolution on a CPU, as oneDNN's convolution or as a product of matrices.

    PYTHONPATH=. python experiments/pointwise.py

Writes pointwise_latency.json into results/: a row for each 1x1 of Xception at 299x299, batch 4, and
of small networks, in channels_last, by `dtype` (bfloat16 is autocast's) and `mode` ("forward", or
"training" with both gradients): the times of both in alternation, and `product`, how many times as
fast the product is, round by round, between `low` and `high`. conv_algorithms.choose_pointwise goes
by them, and a test holds it to the rows whose bounds leave no doubt.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from experiments.race_ratios import ratio
from xception_edu import architectures
from xception_edu.benchmark import machine
from xception_edu.benchmark.records import as_json
from xception_edu.benchmark.timing import alternate
from xception_edu.segmented_conv import PointwiseConv2d
from xception_edu.specs import kind

BATCH = 4
# images, channels in and out, side of the map, stride: of digits' and CIFAR-10's networks
SMALL = (
    (64, 16, 32, 16, 1), (64, 32, 64, 8, 1), (64, 64, 96, 4, 1), (64, 96, 128, 2, 1),
    (64, 12, 40, 16, 1), (64, 64, 64, 8, 1), (64, 64, 64, 32, 1), (8, 16, 16, 16, 1),
)  # fmt: skip


def shapes() -> list[tuple[int, int, int, int, int]]:
    """Images, channels in and out, side of the map and stride of every 1x1, each once."""
    found = [
        (BATCH, spec.in_channels, spec.out_channels, shape[1], spec.stride[0])
        for spec, shape in architectures.xception()
        if kind(spec) == "pointwise"
    ]
    return [*dict.fromkeys(found), *SMALL]


def run(compute: Callable[[Tensor], Tensor], x: Tensor, dtype: str, mode: str) -> None:
    """A call, and in training its gradients."""
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
        y = compute(x)
    if mode == "training":
        y.backward(torch.ones_like(y))


def row(shape: tuple[int, int, int, int, int], dtype: str, mode: str, rounds: int) -> dict:
    """Times of both, and their ratio."""
    images, ins, outs, side, stride = shape
    torch.manual_seed(0)
    layer = PointwiseConv2d(ins, outs, stride=stride).to(memory_format=torch.channels_last)
    x = torch.randn(images, ins, side, side).to(memory_format=torch.channels_last)
    x.requires_grad_(mode == "training")
    ways = {"convolution": lambda x: nn.Conv2d.forward(layer, x), "matmul": layer.product}
    with torch.set_grad_enabled(mode == "training"):
        timings = alternate(
            {name: partial(run, way, x, dtype, mode) for name, way in ways.items()},
            rounds=rounds,
            min_ms=5.0,
        )
    case = dict(
        zip(("images", "in_channels", "out_channels", "side", "stride"), shape, strict=True)
    )
    case |= {"dtype": dtype, "mode": mode}
    times = {name: timing.milliseconds for name, timing in timings.items()}
    case |= {f"{name}_ms": round(timing.median, 4) for name, timing in timings.items()}
    return case | {"product": ratio(times["convolution"], times["matmul"])}


def rows(rounds: int) -> Iterator[dict]:
    """All cases."""
    for dtype in ("float32", "bfloat16"):
        for mode in ("forward", "training"):
            for shape in shapes():
                yield row(shape, dtype, mode, rounds)


def main() -> None:
    """Measure, and write the record."""
    parser = argparse.ArgumentParser(description="Writes pointwise_latency.json.")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--out", type=Path, default=machine.ROOT / "results")
    args = parser.parse_args()
    with machine.background_load() as load:
        found = list(rows(args.rounds))
    record = {
        "benchmark": "pointwise",
        "command": " ".join(["python experiments/pointwise.py", *sys.argv[1:]]),
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "machine": machine.facts("torch"),
        "load": load,
        "cases": found,
    }
    (args.out / "pointwise_latency.json").write_text(as_json(record), encoding="utf-8")


if __name__ == "__main__":
    main()
