"""Inception V3's weight files as torchvision and Keras write them, made by hand from a network of
ours.
"""

import functools

import h5py
import torch

from tests.helpers.weight_writers import keras_array
from xception_edu.configs import InceptionV3Config
from xception_edu.inception_v3 import InceptionV3

# The numbers of the convolutions in the order of `model.layers`, copied from Keras 3.15.
KERAS_LISTED = [
    *(
        0,
        1,
        2,
        3,
        4,
        8,
        6,
        9,
        5,
        7,
        10,
        11,
        15,
        13,
        16,
        12,
        14,
        17,
        18,
        22,
        20,
        23,
        19,
        21,
        24,
        25,
        27,
        28,
        26,
        29,
    ),
    *(34, 35, 31, 36, 32, 37, 30, 33, 38, 39, 44, 45, 41, 46, 42, 47, 40, 43, 48, 49),
    *(
        54,
        55,
        51,
        56,
        52,
        57,
        50,
        53,
        58,
        59,
        64,
        65,
        61,
        66,
        62,
        67,
        60,
        63,
        68,
        69,
        72,
        73,
        70,
        74,
        71,
        75,
    ),
    *(80, 77, 81, 78, 79, 82, 83, 76, 84, 89, 86, 90, 87, 88, 91, 92, 85, 93),
]


@functools.cache
def inception(**dials):
    """A network whose every weight is a number of its own; do not change it."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        model = InceptionV3(InceptionV3Config(**dials)).eval()
    model = model.to_empty(device="cpu")
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        else:
            tensor.zero_()
    return model


def units(model):
    """The names of convolutions with their BN in the order in which the peers make them, without
    the auxiliary tower's.
    """
    return [
        name.removesuffix(".conv.weight")
        for name in model.state_dict()
        if name.endswith("conv.weight") and "aux" not in name
    ]


def write_keras_inception(model, path, layout, first=0):
    """`layout`: "named" (.weights.h5), "unnamed" (the same before names were noted), "old" (Keras
    2, counting from `first`).
    """
    state = model.state_dict()
    made = units(model)
    norm = [("bias", "beta"), ("running_mean", "moving_mean"), ("running_var", "moving_variance")]
    if model.config.bn_scale:
        norm.insert(0, ("weight", "gamma"))
    with h5py.File(path, "w") as file:

        def write(group, name, weights):
            for i, (ours, theirs) in enumerate(weights):
                key = f"{name}/{name}/{theirs}:0" if layout == "old" else f"layers/{group}/vars/{i}"
                file[key] = keras_array(state[ours], ours)
            if layout == "named":
                file[f"layers/{group}/vars"].attrs["name"] = name

        for place, number in enumerate(KERAS_LISTED):
            for kind, part, weights in (
                ("conv2d", "conv", [("weight", "kernel")]),
                ("batch_normalization", "bn", norm),
            ):
                name = f"{kind}_{number + first}" if number + first else kind
                group = f"{kind}_{place}" if place else kind
                write(
                    group,
                    name,
                    [(f"{made[number]}.{part}.{ours}", theirs) for ours, theirs in weights],
                )
        write(
            "dense", "predictions", [("classifier.weight", "kernel"), ("classifier.bias", "bias")]
        )
    return path
