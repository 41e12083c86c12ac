"""One contender of networks.py: a network in a form, in a process of its own, which does what lines
of standard input say.

    python -m experiments.contender '["ours", "channels_last", "training", "bfloat16", 4, "cpu"]'

The list is who ("ours", "timm", "keras"), form, mode, dtype, batch and device. Every answer is a
line of JSON: first "ready", then one for each line that comes in: step (milliseconds of a step, and
how often the system interrupted it), memory, losses (of 20 steps), profile (milliseconds by
operator); or "out of memory", where a GPU has too little for it.

Ours is the training step of `steps.py`, with freed memory kept as the command `train` does, and for
inference BN folded and weights in the dtype: eager and compiled. Peers are eager, in channels_last,
in bf16 by autocast, in both, and compiled. On a GPU float32 is float32 and not TF32, for all.
"""

import contextlib
import json
import sys
import time

import torch
from torch.nn import functional as F

from xception_edu.benchmark import machine, timing
from xception_edu.benchmark.allocator import keep_freed_memory
from xception_edu.configs import XceptionConfig
from xception_edu.weights.export import fold_batchnorm
from xception_edu.xception import xception

SIDE, CLASSES = 299, 1000
OUT_OF_MEMORY = "out of memory"


def work(who: str, form: str, mode: str, dtype: str, batch: int, device: str) -> None:
    """Make the step, and answer."""
    if who == "ours" and device == "cpu":
        keep_freed_memory()
    torch.backends.cudnn.allow_tf32 = False
    step = contender(who, form, mode, getattr(torch, dtype), batch, torch.device(device))
    print(json.dumps("ready"), flush=True)
    answers = {
        "step": lambda: timed(step, device),
        "memory": lambda: {"peak_bytes": timing.peak_memory(step, device=device)},
        "losses": lambda: [float(step()) for _ in range(20)],
        "profile": lambda: profile(step, torch.device(device)),
    }
    for line in sys.stdin:
        try:
            answer = answers[line.strip()]()
        except torch.OutOfMemoryError:
            answer = OUT_OF_MEMORY
        if device != "cpu":
            torch.cuda.empty_cache()  # the others need it
        print(json.dumps(answer), flush=True)


def timed(step: timing.Function, device: str) -> tuple[float, int | None]:
    """Milliseconds of a step, and how often the system interrupted it. On a GPU an untimed step
    comes first, for its memory.
    """
    if device == "cpu":
        before, started = machine.preemptions(), time.perf_counter()
        step()
        return 1e3 * (time.perf_counter() - started), machine.preemptions() - before
    (milliseconds,) = timing.latency(step, rounds=1, device=device).milliseconds
    return milliseconds, None


def contender(
    who: str,
    form: str,
    mode: str,
    dtype: torch.dtype,
    batch: int,
    device: torch.device,
    side: int = SIDE,
) -> timing.Function:
    """A function that takes one step, or one forward pass, and returns its loss or logits."""
    torch.manual_seed(0)
    layout = torch.channels_last if "channels_last" in form else torch.contiguous_format
    images, labels = (
        photographs(batch, side, device, layout),
        torch.arange(batch, device=device) * 7 % CLASSES,
    )
    model = network(who, side, layout, device)
    if mode == "inference":
        return inference(who, model.eval(), images, dtype, compiled="compiled" in form)
    forward = torch.compile(model) if "compiled" in form else model
    optimizer = torch.optim.SGD(
        model.parameters(), 0.001, momentum=0.9, weight_decay=1e-5, fused=who == "ours"
    )

    def step():
        model.train()
        optimizer.zero_grad()
        with autocast(device, dtype):
            loss = F.cross_entropy(forward(images).float(), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def inference(
    who: str, model: torch.nn.Module, images, dtype: torch.dtype, *, compiled: bool
) -> timing.Function:
    """Logits without gradients. Ours is in inference form, its weights in the dtype; peers have
    autocast.
    """
    peer = who != "ours"
    if not peer:
        model, images = fold_batchnorm(model).to(dtype), images.to(dtype)
    forward = (
        torch.compile(model, options=None if peer else {"freezing": True}) if compiled else model
    )

    def step():
        with torch.no_grad(), autocast(images.device, dtype) if peer else contextlib.nullcontext():
            return forward(images)

    return step


def autocast(device: torch.device, dtype: torch.dtype):
    """Autocast to the dtype; for float32 none."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def network(
    who: str, side: int, layout: torch.memory_format, device: torch.device
) -> torch.nn.Module:
    """A network with the weights of our He initialization; Keras' takes (N, C, H, W) here as well
    and turns them itself.
    """
    from experiments import peers

    model = xception(
        XceptionConfig(padding="symmetric", bn_eps=1e-5) if who != "keras" else XceptionConfig()
    )
    if who == "timm":
        model = peers.timm_xception(model)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 0.01  # as ours; it changes no time
    elif who == "keras":
        return Keras(peers.keras_xception(model, (side, side))).to(device)
    return model.to(device, memory_format=layout)


class Keras(torch.nn.Module):
    """Keras' network behind torch's interface."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        """(N, C, H, W) to logits; Keras' layout is (N, H, W, C), which for channels_last is a
        view.
        """
        return self.network(images.permute(0, 2, 3, 1).contiguous(), training=self.training)


def photographs(batch: int, side: int, device: torch.device, layout: torch.memory_format):
    """Crops of two photographs, different in every place of the batch."""
    from experiments import peers

    two = peers.photographs(side, side, 2)
    images = torch.stack([two[i % 2].roll(13 * i, dims=-1) for i in range(batch)])
    return images.to(device).contiguous(memory_format=layout)


def profile(step: timing.Function, device: torch.device) -> list[dict]:
    """Milliseconds a step by operator, the longest first; those above 1 % of the step."""
    on_gpu = device.type == "cuda"
    kinds = torch.profiler.ProfilerActivity
    step()
    with torch.profiler.profile(
        activities=[kinds.CPU, kinds.CUDA] if on_gpu else [kinds.CPU]
    ) as run:
        for _ in range(3):
            step()
        if on_gpu:
            torch.cuda.synchronize()
    name = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    operators = [
        event for event in run.key_averages() if event.device_type == torch.autograd.DeviceType.CPU
    ]
    times = {event.key: getattr(event, name) / 3e3 for event in operators}
    total = sum(times.values())
    rows = sorted(times.items(), key=lambda item: -item[1])
    return [
        {"operator": k, "ms": round(v, 2), "share": round(v / total, 4)}
        for k, v in rows
        if v > total / 100
    ]


if __name__ == "__main__":
    work(*json.loads(sys.argv[1]))
