"""Weight files as Keras, timm and Cadene write them, made by hand from a network of ours."""

import json
import zipfile

import h5py
import torch

from xception_edu.architectures import XceptionConfig
from xception_edu.weights.names import WEIGHTS, timm_names, xception_layers
from xception_edu.xception import Xception

SMALL = XceptionConfig(
    num_classes=7, entry_widths=(4, 6, 8, 10, 12), middle_blocks=2, exit_widths=(14, 16, 18)
)
TIMM = {"padding": "symmetric", "bn_eps": 1e-5}
KERAS_1 = {
    "kernel": "W",
    "bias": "b",
    "moving_mean": "running_mean",
    "moving_variance": "running_std",
}
CLASS_NAMES = {  # of a layer without a name, in Keras 1 and since Keras 2
    "conv": ("convolution2d", "conv2d"),
    "separable": ("separableconvolution2d", "separable_conv2d"),
    "batch_norm": ("batchnormalization", "batch_normalization"),
    "linear": ("dense", "dense"),
}


def network(config=SMALL, seed=0):
    """A network whose every weight is a number of its own."""
    torch.manual_seed(seed)
    model = Xception(config).eval()
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    return model


def layers_of(model):
    return xception_layers(len(model.config.entry_widths) - 2, model.config.middle_blocks)


def in_computing_order(layers):
    """As Keras lists them in model.layers: a block's skip and its BN after the block's other
    layers.
    """
    waiting, ordered = [], []
    for layer in layers:
        if ".skip" in layer.ours:
            waiting.append(layer)
            continue
        ordered.append(layer)
        if layer.ours.endswith("sep2.bn") and waiting:
            ordered, waiting = ordered + waiting, []
    return ordered


def keras_array(tensor, name):
    if tensor.dim() == 4:
        tensor = (
            tensor.permute(2, 3, 0, 1)
            if name.startswith("depthwise")
            else tensor.permute(2, 3, 1, 0)
        )
    return (tensor.t() if tensor.dim() == 2 else tensor).contiguous().numpy()


def write_keras(model, path, layout):
    """`layout`: "named" (.weights.h5), "unnamed" (the same before names were noted), "old" (Keras
    2), "oldest" (Keras 1).
    """
    state, counts = model.state_dict(), {}
    layers = layers_of(model) if layout == "oldest" else in_computing_order(layers_of(model))
    with h5py.File(path, "w") as file:
        for layer in layers:
            count = counts[layer.kind] = counts.get(layer.kind, -1) + 1
            old_class, new_class = CLASS_NAMES[layer.kind]
            automatic = f"{new_class}_{count}" if count else new_class
            for number, (ours, _, theirs) in enumerate(WEIGHTS[layer.kind]):
                array = keras_array(state[f"{layer.ours}.{ours}"], ours)
                if layout == "oldest":
                    name = f"{old_class}_{count + 1}"
                    file[f"{name}/{name}_{KERAS_1.get(theirs, theirs)}:0"] = array
                elif layout == "old":
                    name = layer.keras or automatic
                    file[f"{name}/{name}/{theirs}:0"] = array
                else:
                    file[f"layers/{automatic}/vars/{number}"] = array
            if layout == "named":
                file[f"layers/{automatic}/vars"].attrs["name"] = layer.keras or automatic
        file["optimizer/vars/0"] = 3  # training state, which no network needs
    return path


def write_keras_zip(model, path):
    write_keras(model, path.with_suffix(".part"), "named")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({}))
        archive.write(path.with_suffix(".part"), "model.weights.h5")
    return path


def timm_tensors(model):
    """The state under timm's names, as it is: no epsilon moved."""
    return {
        theirs: model.state_dict()[ours] for ours, theirs in timm_names(layers_of(model)).items()
    }


def cadene_tensors(model):
    """As in Cadene's first files: another name for the head, matrices for pointwise weights, no
    counters of batches.
    """
    tensors = {
        k.replace("fc.", "last_linear."): v
        for k, v in timm_tensors(model).items()
        if "num_batches" not in k
    }
    return {k: v[:, :, 0, 0] if k.endswith("pointwise.weight") else v for k, v in tensors.items()}
