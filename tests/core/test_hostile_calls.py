"""Every public function answers a hostile argument with one line that names the argument.

Those that need files are in tests/house/test_hostile_runs.py, explorers in
tests/explorers/test_hostile_arguments.py.
"""

import functools

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import xception_edu as xe
from tests.helpers.hostile_calls import OF_FILES, wrong_answers
from tests.helpers.tiny_sweep import tiny_plan
from xception_edu.benchmark.timing import Timing


def conv():
    return nn.Conv2d(4, 4, 3)


@functools.cache
def right():
    """Right arguments by function; the others are called with their defaults."""
    tiny = xe.XceptionConfig(width=0.05, middle_blocks=1, num_classes=10)
    recipe = xe.DIGITS
    images, logits = torch.zeros(2, 3, 8, 8), torch.zeros(2, 10)
    labels = torch.zeros(2, dtype=torch.long)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 10))
    timing = Timing((1.0, 2.0))
    latencies = xe.read_record("segments_latency")
    layers, roofline = xe.read_record("layers"), xe.read_record("roofline")
    plan = tiny_plan()
    kernels = np.eye(3)[None]
    sizes = {"in_channels": 4, "out_channels": 4}
    module = {**sizes, "segments": 2}
    tall = dict(zip(("channels", "side"), xe.maps_of(latencies)[0], strict=True))
    return {
        "describe_machine": {"record": roofline},
        "maps_of": {"record": latencies},
        "measured_at": {"record": layers},
        "over_segments": {"record": latencies},
        "read_record": {"name": "roofline"},
        "times_as_fast": {"record": latencies, **tall, "dtype": "float32"},
        "alternate": {"functions": {"a": int}, "rounds": 1},
        "latency": {"function": int, "rounds": 1},
        "peak_memory": {"function": int},
        "ratio": {"a": timing, "b": timing},
        "ModuleConfig": module,
        "block_diagonal_weights": module,
        "cost_of": {"spec": xe.ConvSpec(3, 4), "shape": (3, 8, 8)},
        "total": {"items": []},
        "feature_maps": {"model": nn.Conv2d(3, 4, 3), "image": images[0]},
        "strongest": {"maps": images[0]},
        "augment": {"images": images, "recipe": recipe},
        "prepare": {"images": images, "image_size": 8},
        "load_photograph": {"name": "coffee"},
        "composed_weight": {"separable": xe.SeparableConv2d(4, 4)},
        "nearest_separable": {"conv": conv()},
        "regroup": {"stack": nn.Sequential(xe.ExtremeInception(4, 4))},
        "segments_to_grouped": {"pieces": xe.ReformulatedInception(4, 4, segments=2)},
        "swapped": {"module": conv()},
        "traced": {"module": conv(), "input_size": (4, 8, 8)},
        "towers_to_segments": {"towers": xe.SimplifiedInception(4, 4, segments=2)},
        "find_patterns": {"kernels": kernels},
        "match_patterns": {"kernels": kernels, "patterns": kernels},
        "separable_share": {"kernels": kernels},
        "ExtremeInception": sizes,
        "ReformulatedInception": module,
        "SegmentedInception": module,
        "SeparableConv2d": sizes,
        "SimplifiedInception": module,
        "SpatiallySeparableConv2d": sizes,
        "segmented_module": {"config": xe.ModuleConfig(4, 4, 2)},
        "measured_cost": {"model": conv(), "shape": (4, 8, 8)},
        "measured_layers": {"model": conv(), "shape": (4, 8, 8)},
        "operator_calls": {"function": int},
        "stage_shapes": {"model": nn.Sequential(conv()), "shape": (4, 8, 8)},
        "shares_by_kind": {"record": layers, "network": "xception"},
        "times_of": {"record": latencies, "form": "dense", **tall},
        "gains_of_half_precision": {"record": latencies, **tall, "mode": "forward"},
        "time_by_kind": {"record": layers, "network": "xception"},
        "show_images": {"images": [kernels[0]], "titles": ["a"]},
        "show_lines": {"x": [1, 2, 3], "lines": {"a": [1, 2, 3]}, "title": "a", "x_label": "b"},
        "Plan": vars(plan),
        "Recipe": vars(recipe),
        "learning_rate": {"recipe": recipe, "epoch": 0.5},
        "rate_rule": {"recipe": recipe},
        "PointwiseConv2d": sizes,
        "SegmentedConv2d": module,
        "BatchNormSpec": {"channels": 3},
        "ConvSpec": sizes,
        "LinearSpec": {"in_features": 3, "out_features": 3},
        "PoolSpec": {"kind": "max"},
        "Shape": {"channels": 3, "height": 8, "width": 8},
        "kind": {"spec": xe.ConvSpec(3, 4)},
        "segment_sizes": {"channels": 8, "segments": 3},
        "recipe_of": {"plan": plan, "point": plan.points[0], "widths": {}},
        "with_points": {"plan": plan, "names": []},
        "detectable": {"std": 1.0, "count": 5},
        "holm": {"p_values": [0.1]},
        "interval": {"values": [1.0, 2.0]},
        "p_value": {"differences": [1.0, 2.0]},
        "power": {"effect": 1.0, "std": 1.0, "count": 5},
        "Cluster": {"images_per_second": 1.0, "bandwidth": 1.0},
        "ring_all_reduce_bytes": {"size": 1, "workers": 2},
        "loss_of": {"logits": logits, "labels": labels},
        "make_model": {"recipe": recipe},
        "make_optimizer": {"model": conv(), "recipe": recipe},
        "train_step": {
            "model": model,
            "images": images,
            "labels": labels,
            "optimizer": torch.optim.SGD(model.parameters(), 0.1),
        },
        "fold_batchnorm": {"model": conv()},
        "predict": {"model": model, "images": images},
        "preprocess": {"image": Image.new("RGB", (8, 8))},
        "DownsamplingBlock": {
            "in_channels": 4,
            "inner_channels": 4,
            "out_channels": 4,
            "config": tiny,
            "leading_relu": True,
        },
        "MiddleFlowBlock": {"channels": 4, "config": tiny},
        "SeparableConvBN": {**sizes, "config": tiny},
        "max_pool": {"x": images, "padding": "tensorflow"},
    }


NAMES = [
    name
    for name in xe.__all__
    if callable(getattr(xe, name)) and name not in OF_FILES and not name.endswith("_explorer")
]


@pytest.mark.parametrize("name", NAMES)
def test_hostile_arguments_are_answered_in_one_line(name):
    assert wrong_answers(getattr(xe, name), lambda: right().get(name, {})) == []


def test_what_is_tried_elsewhere_is_public():
    assert set(OF_FILES) <= set(xe.__all__)
    assert set(right()) <= set(NAMES)
