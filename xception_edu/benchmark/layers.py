"""Every different layer of Xception and Inception V3 at 299x299, timed alone and held against the
roofline.

`ceilings`: as in roofline.json, measured in the same run. `layers`: a row for each layer that
differs in what it computes: `network`, `stage` (entry, middle, exit; stem, mixed0 to mixed10;
head), `kind` (depthwise, pointwise, regular, batch norm, ReLU, pooling, add, fully connected),
`layer` (in words), `name` of the first such layer and `count` of all in the stage, `input` and
`output` (channels, height, width), `params`, and `measurements`, one for every `batch` and `dtype`:
`macs`, `bytes` (fewest that must move), `intensity` (MACs a byte), `attainable_ms` (the roofline's
time), `layout` (the faster of nchw and channels_last; the slower one's time is `other_layout_ms`),
the times, and `fraction`, attainable over median: the share of the roofline that was reached. A
fraction above 1 says that the maps came from a cache and not from memory. Inference form, without
gradients.
"""

import contextlib
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from xception_edu import architectures
from xception_edu.benchmark import peaks, timing
from xception_edu.benchmark.records import left_out
from xception_edu.benchmark.roofline import Roofline
from xception_edu.benchmark.timing import Effort
from xception_edu.costs import cost_of, describe
from xception_edu.specs import (
    ActivationSpec,
    AddSpec,
    BatchNormSpec,
    ConvSpec,
    LinearSpec,
    PoolSpec,
    Shape,
    Spec,
    kind,
)

FILE = "layers.json"
PACKAGES = ()
BATCHES = {"cpu": (1, 2, 4), "cuda": (64,)}
EFFORT = {"cpu": Effort(rounds=9, min_ms=5), "cuda": Effort(rounds=5, min_ms=2)}
QUICK = Effort(rounds=3, min_ms=5)
NETWORKS = {"xception": architectures.xception, "inception_v3": architectures.inception_v3}
# kinds of layers that the record has a word of its own for
KINDS = {"segmented": "regular", "linear": "fully connected", "activation": "ReLU"}
LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


def measure(*, quick: bool, device: torch.device, progress: tqdm) -> dict:
    """All rows; a quick run takes every sixth, at batch 1 in float32."""
    roofline = peaks.measure_roofline(device=device, **peaks.sizes_of(quick, device))
    rows = [row for network in NETWORKS for row in different_layers(network)][:: 6 if quick else 1]
    batches = BATCHES[device.type]
    settings = (
        [(1, "float32")]
        if quick
        else [(batch, dtype) for dtype in ("float32", "bfloat16") for batch in batches]
    )
    progress.reset(len(rows) * len(settings))
    effort = QUICK if quick else EFFORT[device.type]
    layers: list[dict] = []
    with contextlib.suppress(KeyboardInterrupt):
        for row, spec, shape in rows:
            found = []
            for batch, dtype in settings:
                found.append(
                    measure_layer(spec, shape, batch, dtype, roofline, effort, device=device)
                )
                progress.update()
            layers.append({**row, "measurements": found})
    return {
        "ceilings": roofline.as_record(),
        **left_out(len(rows), len(layers)),
        "layers": layers,
    }


def different_layers(network: str) -> list[tuple[dict, Spec, Shape]]:
    """A row a different layer of the network, in the order of the first of its kind, with its spec
    and input shape.
    """
    rows: dict[tuple[Spec, Shape, str], dict] = {}
    for spec, shape in NETWORKS[network]():
        stage = stage_name(spec.name)
        key = (replace(spec, name=""), shape, stage)
        if key not in rows:
            what = {
                "network": network,
                "stage": stage,
                "kind": KINDS.get(kind(spec), kind(spec)),
                "layer": describe(spec),
            }
            sizes = {
                "input": list(shape),
                "output": list(spec.output_shape(shape)),
                "params": cost_of(spec, shape).params,
            }
            rows[key] = {**what, "name": spec.name, "count": 0, **sizes}
        rows[key]["count"] += 1
    return [(row, spec, shape) for (spec, shape, _), row in rows.items()]


def stage_name(name: str) -> str:
    """A layer's stage; in the three stages of Inception V3's modules, its module."""
    stage = architectures.stage_of(name)
    return architectures.block_of(name) if stage in ("A", "B", "C") else stage


def measure_layer(
    spec: Spec,
    shape: Shape,
    batch: int,
    dtype: str,
    roofline: Roofline,
    effort: Effort,
    *,
    device: torch.device,
) -> dict:
    """Cost, times in the faster of the two layouts, and the fraction of the roofline."""
    cost, element = cost_of(spec, shape), getattr(torch, dtype).itemsize
    functions = {
        layout: runner(spec, shape, batch, dtype, layout, device=device) for layout in LAYOUTS
    }
    with torch.inference_mode():
        times = effort.alternate(functions, device)
    layout, other = sorted(LAYOUTS, key=lambda name: times[name].median)
    attainable = roofline.milliseconds(cost, batch=batch, dtype=dtype)
    return {
        "batch": batch,
        "dtype": dtype,
        "macs": batch * cost.macs,
        "bytes": cost.bytes_moved(batch=batch, bytes_per_element=element),
        "intensity": round(cost.intensity(batch=batch, bytes_per_element=element), 4),
        "attainable_ms": round(attainable, 4),
        "layout": layout,
        **times[layout].record(),
        "other_layout_ms": round(times[other].median, 4),
        "fraction": round(attainable / times[layout].median, 4),
    }


def runner(
    spec: Spec, shape: Shape, batch: int, dtype: str, layout: str, *, device: torch.device
) -> timing.Function:
    """A function that computes the layer on random maps of the given type and layout, weights made
    before.
    """

    def tensor(*sizes: int) -> Tensor:
        made = torch.randn(sizes, device=device).to(getattr(torch, dtype))
        return made.to(memory_format=LAYOUTS[layout]) if made.dim() == 4 else made

    x = tensor(batch, *shape)
    match spec:
        case ConvSpec():
            weight = tensor(spec.out_channels, spec.in_channels // spec.segments, *spec.kernel_size)
            bias = tensor(spec.out_channels) if spec.bias else None
            return lambda: F.conv2d(
                x, weight, bias, spec.stride, spec.padding, groups=spec.segments
            )
        case LinearSpec():
            weight, bias, x = (
                tensor(spec.out_features, spec.in_features),
                tensor(spec.out_features),
                x.flatten(1),
            )
            return lambda: F.linear(x, weight, bias)
        case BatchNormSpec():
            # Statistics and their two parameters stay in float32, as under autocast.
            mean, shift, variance, scale = (
                torch.rand(spec.channels, device=device) + i // 2 for i in range(4)
            )
            return lambda: F.batch_norm(x, mean, variance, scale, shift)
        case ActivationSpec():
            return lambda: F.relu(x) if spec.kind == "relu" else F.elu(x)
        case AddSpec():
            y = tensor(batch, *shape)
            return lambda: x + y
        case PoolSpec(kind="global_average"):
            return lambda: x.mean(dim=(2, 3))
        case PoolSpec():
            return _pool(x, spec)


def _pool(x: Tensor, spec: PoolSpec) -> timing.Function:
    """Windowed pooling; "tensorflow" padding as `xception.max_pool` has it."""
    over_the_end = spec.padding == "tensorflow"
    padding = tuple(side % 2 for side in x.shape[2:]) if over_the_end else spec.padding
    pool = F.max_pool2d if spec.kind == "max" else F.avg_pool2d
    return lambda: pool(x, spec.kernel_size, spec.stride, padding, ceil_mode=over_the_end)
