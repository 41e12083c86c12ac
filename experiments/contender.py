"""A process of networks.py: contenders that share the settings of a process, and do what lines of
standard input say.

    python -m experiments.contender '[{"who": "ours", "way": "default", "settings": {...},
                                       "mode": "training", "dtype": "bfloat16", "batch": 4,
                                       "device": "cpu"}, ...]'

What an allocator does holds for a whole process; so contenders that want the same of it are in one,
one after the other, and networks.py has a process for each of the others. Every answer is a line of
JSON: first "ready", then one for each line that comes in, a word and a contender's place in the
list: block (after SECONDS of steps that are not timed, the steps of SECONDS that are), memory,
losses (of 20 steps), profile (milliseconds by operator); or "out of memory".

A contender works as it would alone: step after step for some seconds before its block is timed, and
all through it. On a GPU float32 is float32 and not TF32, for all.
"""

import contextlib
import copy
import functools
import json
import math
import resource
import sys
import time
import warnings
from collections.abc import Callable, Mapping

import torch
from torch.nn import functional as F

from experiments import step_candidates
from xception_edu.benchmark import machine, timing
from xception_edu.benchmark.allocator import keep_freed_memory
from xception_edu.configs import XceptionConfig
from xception_edu.weights.export import fold_batchnorm
from xception_edu.xception import xception

SIDE, CLASSES = 299, 1000
OUT_OF_MEMORY = "out of memory"


def work(orders: list[dict]) -> None:
    """Make the contenders, and answer."""
    device = torch.device(orders[0]["device"])
    if orders[0]["settings"].get("memory_kept"):
        keep_freed_memory()
    torch.backends.cudnn.allow_tf32 = False
    steps = [contender(**{k: v for k, v in order.items() if k != "way"}) for order in orders]
    print(json.dumps("ready"), flush=True)
    answers: dict[str, Callable] = {
        "block": lambda step, warm, timed: block(step, warm, timed, device),
        "memory": lambda step: {"peak_bytes": timing.peak_memory(step, device=device)},
        "losses": lambda step: [float(step()) for _ in range(20)],
        "profile": lambda step: profile(step, device),
    }
    for line in sys.stdin:
        what, place, *numbers = line.split()
        try:
            answer = answers[what](steps[int(place)], *map(float, numbers))
        except torch.OutOfMemoryError:
            answer = OUT_OF_MEMORY
        if device.type == "cuda":
            torch.cuda.empty_cache()  # the others need it
        print(json.dumps(answer), flush=True)


def block(step: timing.Function, warm: float, timed: float, device: torch.device) -> dict:
    """Milliseconds a step while the contender stays busy: steps for `warm` seconds, then as many as
    take about `timed` seconds, one at least, by one clock around them all.

    Also how many, and a step's page faults and preemptions. Without `warm` it is one step, timed
    from whatever state the machine is in.
    """
    took, end = math.inf, time.perf_counter() + warm
    while time.perf_counter() < end:
        took = seconds(step, 1, device)
    steps = max(1, round(timed / took))
    faults, preempted = page_faults(), machine.preemptions() or 0
    milliseconds = 1e3 * seconds(step, steps, device) / steps
    return {
        "ms": round(milliseconds, 3),
        "steps": steps,
        "faults": round((page_faults() - faults) / steps),
        "preempted": (machine.preemptions() or 0) - preempted,
    }


def seconds(step: timing.Function, steps: int, device: torch.device) -> float:
    """How long so many steps take, one behind the other; a GPU is waited for at the end."""
    started = time.perf_counter()
    for _ in range(steps):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def page_faults() -> int:
    """How often this process has asked the system for a page that it had not, so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def contender(
    *,
    who: str,
    settings: Mapping[str, bool | int | None],
    mode: str,
    dtype: str,
    batch: int,
    device: str,
    side: int = SIDE,
    candidate: str | None = None,
) -> timing.Function:
    """A function that takes one step, or one forward pass, and returns its loss or logits; of a
    network that computes as a `candidate` of step_candidates.py does, if one is named.
    """
    place, numbers = torch.device(device), getattr(torch, dtype)
    layout = torch.channels_last if settings["channels_last"] else torch.contiguous_format
    images = photographs(batch, side, place, layout)
    policy = "bfloat16" if who == "keras" and settings.get("weights_in_bfloat16") else "float32"
    model = network(who, side, layout, place, mode, policy)
    if candidate is not None:
        model = copy.deepcopy(model)
    if mode == "inference":
        model = for_inference(who, model.eval(), numbers, settings)
    if candidate is not None:
        step_candidates.CANDIDATES[candidate](model)
    make = inference if mode == "inference" else training
    step = make(model, images, numbers, settings)

    def with_threads():
        with timing.pinned(settings["threads"] if place.type == "cpu" else None):
            return step()

    return with_threads


def training(model, images, dtype: torch.dtype, settings: Mapping) -> timing.Function:
    """Forward, backward, and SGD with momentum."""
    labels = torch.arange(len(images), device=images.device) * 7 % CLASSES
    forward = torch.compile(model) if settings["compiled"] else model
    optimizer = torch.optim.SGD(
        model.parameters(),
        0.001,
        momentum=0.9,
        weight_decay=1e-5,
        fused=bool(settings["fused_optimizer"]),
    )

    def step():
        model.train()
        optimizer.zero_grad()
        with autocast(images.device, dtype):
            loss = F.cross_entropy(forward(images).float(), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def for_inference(who: str, model, dtype: torch.dtype, settings: Mapping) -> torch.nn.Module:
    """The network with BN folded and its weights cast, where the settings say so."""
    if settings["batch_norm_folded"]:
        model = folded(who, model)
    if settings.get("weights_in_bfloat16") and who != "keras":
        model = copy.deepcopy(model).to(dtype)  # others of this process have the model too
    return model


def inference(model, images, dtype: torch.dtype, settings: Mapping) -> timing.Function:
    """Logits without gradients."""
    cast = bool(settings.get("weights_in_bfloat16"))
    images = images.to(dtype) if cast else images
    freezing = {"freezing": True}
    forward = torch.compile(model, options=freezing) if settings["compiled"] else model
    mixed = contextlib.nullcontext() if cast else autocast(images.device, dtype)

    def step():
        with torch.no_grad(), mixed:
            return forward(images)

    return step


def folded(who: str, model: torch.nn.Module) -> torch.nn.Module:
    """BN in the convolutions before it, with what each has for it: ours its own function, others
    torch's.
    """
    if who == "ours":
        return fold_batchnorm(model)
    with warnings.catch_warnings():  # of torch.jit, which torch itself imports there
        warnings.simplefilter("ignore", DeprecationWarning)
        from torch.fx.experimental import optimization

    return optimization.fuse(model)


def autocast(device: torch.device, dtype: torch.dtype):
    """Autocast to the dtype; for float32 none."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


@functools.cache
def network(
    who: str,
    side: int,
    layout: torch.memory_format,
    device: torch.device,
    mode: str,
    policy: str = "float32",
) -> torch.nn.Module:
    """A network with the weights of our He initialization, one for all contenders of a process that
    want the same; Keras' takes (N, C, H, W) here as well, turns them itself, and casts weights and
    images to its `policy`.
    """
    from experiments import peers

    torch.manual_seed(0)
    model = xception(
        XceptionConfig(padding="symmetric", bn_eps=1e-5) if who != "keras" else XceptionConfig()
    )
    if who == "timm":
        model = peers.timm_xception(model)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 0.01  # as ours; it changes no time
    elif who == "keras":
        return Keras(peers.keras_xception(model, (side, side), policy)).to(device)
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
    work(json.loads(sys.argv[1]))
