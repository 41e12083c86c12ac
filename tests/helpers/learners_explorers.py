"""Explorers with what a learner gives them: an own convolution, own kernels, measurements, runs."""

import json
from types import SimpleNamespace

import numpy as np

from tests.helpers import recorded
from xception_edu import explorers
from xception_edu.benchmark import records

RNG = np.random.default_rng(0)


def explorers_of_learners(folder):
    """One explorer after the other; `folder` is an empty one for files."""
    yield explorers.kernel_explorer(convolution(), RNG.random((8, 8)))
    yield explorers.kernels_explorer({"mine": RNG.normal(size=(30, 4, 4))})
    for measurements in (of_one_thread(), computed_densely()):
        yield explorers.roofline_explorer(measurements=measurements)
    yield explorers.playback_explorer(run=run())
    for shape in ((100, 2, 3, 3), (4, 2, 3, 3), (1, 1, 3, 3)):
        yield explorers.separability_explorer(RNG.normal(size=shape))
    yield explorers.swap_explorer("inception_v3")
    yield explorers.swap_explorer(one_layer())
    yield explorers.walk_explorer(one_layer() | {"layers": unusual_layers(), "ran_on": "values"})
    yield explorers.sweep_explorer(guess=4, runs=own_sweep(folder))


def convolution():
    """One channel in and two out, with a bias, as torch's module has it."""
    return SimpleNamespace(
        weight=RNG.normal(size=(2, 1, 3, 3)),
        bias=np.ones(2),
        groups=1,
        stride=(1, 1),
        padding=(0, 0),
        transposed=False,
    )


def one_layer():
    """What `traced` gives of a module that is one convolution."""
    cost = {"params": 36, "buffers": 0, "macs": 36, "inputs": 18, "activations": 2}
    conv = {"in_channels": 2, "out_channels": 2, "in": [2, 3, 3], "bias": False, "swappable": True}
    conv |= {"kernel": [3, 3], "stride": [1, 1], "padding": [0, 0], "groups": 1}
    row = {"name": "", "type": "Conv2d", "operator": "convolution", "reads": [-1]}
    row |= {"out": [2, 1, 1], "cost": cost, "field": [3, 3, 1], "why": "", "block": 0, "conv": conv}
    network = {"name": "Conv2d", "input": [2, 3, 3], "ran_on": "shapes", "layers": [row]}
    return network | {"blocks": [{"name": "", "type": "Conv2d"}], "cost": cost}


def unusual_layers():
    """More than there is room for, of tokens, without a receptive field."""
    [layer] = one_layer()["layers"]
    return [layer | {"out": [4, 8], "field": None, "why": "attention"}] * 40


def of_one_thread():
    """Measurements of a processor, one thread at work."""
    found = recorded.everything()
    found["segments_latency"]["threads"] = 1
    return found


def computed_densely():
    """Measurements of a GPU, all computed as one regular convolution."""
    found = recorded.everything()
    found["segments_latency"] |= {"device": "H100"}
    for case in found["segments_latency"]["cases"]:
        case["forms"]["ours"]["takes"] = "dense"
    return found


def run():
    """A run with more kernels than are shown."""
    epochs = [{"epoch": i, "loss": 1.0, "lr": 0.1, "top1": 0.5} for i in range(3)]
    kernels = RNG.normal(size=(3, 70, 3, 3)).tolist()
    return {"recipe": {"name": "mine"}, "layer": "first", "epochs": epochs, "kernels": kernels}


def own_sweep(folder):
    """The folder of a sweep with a single run, of a point that the project did not train."""
    record = records.read_record("sweep_spectrum_params")
    like = next(line for line in record["runs"] if line["point"] == "4" and line["test_top1"])
    line = like | {"point": "5", "segments": 5, "test_top1": 0.5, "key": "a"}
    (folder / "spectrum_params.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    plan = json.dumps(record["plan"])
    (folder / "spectrum_params.plan.json").write_text(plan, encoding="utf-8")
    return folder
