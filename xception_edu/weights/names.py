"""Who calls which weight what: Xception's layers with our names, timm's and Keras'.

A network is a list of `Layer`; the translations know nothing of Xception, so another network needs
its list and no more.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from torch import Tensor

# For each kind of layer its weights: our name, timm's, Keras' (in Keras' own order, which
# .weights.h5 numbers from 0).
WEIGHTS = {
    "conv": (("weight", "weight", "kernel"),),
    "separable": (
        ("depthwise.weights.0", "conv1.weight", "depthwise_kernel"),
        ("pointwise.weight", "pointwise.weight", "pointwise_kernel"),
    ),
    "batch_norm": (
        ("weight", "weight", "gamma"),
        ("bias", "bias", "beta"),
        ("running_mean", "running_mean", "moving_mean"),
        ("running_var", "running_var", "moving_variance"),
    ),
    "linear": (("weight", "weight", "kernel"), ("bias", "bias", "bias")),
}
WEIGHTS["batch_shift"] = WEIGHTS["batch_norm"][1:]  # BN without gamma, as in Keras' Inception V3
# Keras 1, which wrote the released ImageNet file, had other names. Its running_std is a variance
# all the same.
KERAS_1 = {
    "W": "kernel",
    "b": "bias",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
}
# Names that Keras gives to layers without one: the class and a number; the first spelling is Keras
# 1's.
_NORM = re.compile(r"(batchnormalization|batch_normalization)(?:_(\d{1,9}))?")
KERAS_KINDS = {
    "conv": re.compile(r"(convolution2d|conv2d)(?:_(\d{1,9}))?"),
    "separable": re.compile(r"(separableconvolution2d|separable_conv2d)(?:_(\d{1,9}))?"),
    "batch_norm": _NORM,
    "batch_shift": _NORM,
    "linear": re.compile(r"(dense)(?:_(\d{1,9}))?"),
}


class Layer(NamedTuple):
    """A layer with weights, and what each library calls it."""

    kind: str  # a key of WEIGHTS
    ours: str
    timm: str
    keras: str  # "" where it has no name


def xception_layers(entry_blocks: int = 3, middle_blocks: int = 8) -> list[Layer]:
    """Every layer of Xception that has weights, in the order of Keras' code: skips come first."""
    layers = [
        Layer("conv", "conv1", "conv1", "block1_conv1"),
        Layer("batch_norm", "bn1", "bn1", "block1_conv1_bn"),
        Layer("conv", "conv2", "conv2", "block1_conv2"),
        Layer("batch_norm", "bn2", "bn2", "block1_conv2_bn"),
    ]
    last = entry_blocks + middle_blocks + 1
    for block in range(1, last + 1):
        downsampling = block <= entry_blocks or block == last
        ours = (
            f"entry.{block - 1}" if block <= entry_blocks else f"middle.{block - entry_blocks - 1}"
        )
        ours = "exit" if block == last else ours
        if downsampling:
            layers.append(Layer("conv", f"{ours}.skip", f"block{block}.skip", ""))
            layers.append(Layer("batch_norm", f"{ours}.skip_bn", f"block{block}.skipbn", ""))
        for i in range(2 if downsampling else 3):
            # in timm's list [ReLU, Sep, BN, ...]; the first block has no leading ReLU
            step = 3 * i + (block > 1)
            layers += _separable(
                f"{ours}.sep{i + 1}",
                f"block{block}.rep.{step}",
                f"block{block}.rep.{step + 1}",
                block + 1,
                i + 1,
            )
    layers += _separable("sep3", "conv3", "bn3", last + 2, 1)
    layers += _separable("sep4", "conv4", "bn4", last + 2, 2)
    return [*layers, Layer("linear", "classifier", "fc", "predictions")]


def _separable(ours: str, timm: str, timm_bn: str, keras_block: int, number: int) -> list[Layer]:
    keras = f"block{keras_block}_sepconv{number}"
    return [
        Layer("separable", f"{ours}.conv", timm, keras),
        Layer("batch_norm", f"{ours}.bn", timm_bn, f"{keras}_bn"),
    ]


def block_counts(convolutions: int, separables: int) -> tuple[int, int]:
    """(entry blocks, middle blocks) of a network with so many layers.

    The paper's (3, 8) where no network has as many.
    """
    # besides the skips of the entry blocks: two in the stem and the exit block's skip
    entry = convolutions - 3
    middle, rest = divmod(separables - 2 * entry - 4, 3)
    return (entry, middle) if entry >= 1 and middle >= 0 and rest == 0 else (3, 8)


# ---- timm ----------------------------------------------------------------------------------------


def timm_names(layers: list[Layer]) -> dict[str, str]:
    """Our name of every weight, and timm's (of Inception V3 torchvision's too)."""
    names = {}
    for layer in layers:
        for ours, timm, _ in WEIGHTS[layer.kind]:
            names[f"{layer.ours}.{ours}"] = f"{layer.timm}.{timm}"
        if layer.kind.startswith("batch_"):
            counter = "num_batches_tracked"
            names[f"{layer.ours}.{counter}"] = f"{layer.timm}.{counter}"
    return names


# ---- Keras ---------------------------------------------------------------------------------------


# Of each layer of a Keras file its name, with [(weight's name or number, key in the file)].
Groups = dict[str, list[tuple[str, str]]]


def keras_models(keys: Iterable[str], notes: Mapping[str, str]) -> dict[tuple[str, ...], Groups]:
    """The layers of a Keras file, by the path of the model that they are in.

    Keys are "layers/conv2d_1/vars/0" (.weights.h5), "block1_conv1/block1_conv1/kernel:0" below an
    optional "model_weights" (Keras 2 and 3), or "convolution2d_1/convolution2d_1_W:0" (Keras 1).
    A model inside another has more names in front. `notes` are names of layers by their path.
    """
    models: dict[tuple[str, ...], Groups] = {}
    for key in keys:
        path = key.removeprefix("model_weights/").split("/")
        if any(name.startswith("seed_generator") for name in path):
            continue  # the state of a dropout
        if len(path) > 2 and path[-2] == "vars":
            model, layer, weight = path[:-3], path[-3], path[-1]
            layer = notes.get("/".join(path[:-2]), layer)
        else:
            layer, weight = ["", *path][-2:]
            model, weight = path[:-2], weight.removeprefix(f"{layer}_").split(":")[0]
            model = model[:-1] if model[-1:] == [layer] else model
        groups = models.setdefault(tuple(model), {})
        groups.setdefault(layer, []).append((KERAS_1.get(weight, weight), key))
    return models


def keras_base(models: Mapping[tuple[str, ...], Groups]) -> Groups:
    """The layers of the one Xception or Inception V3 among the models of a file.

    That with the most convolutions, if it has twice as many as any other; ValueError otherwise.
    """
    if not models:
        return {}
    counts = {path: sum(keras_layer_counts(groups)) for path, groups in models.items()}
    best, *others = sorted(counts, key=lambda path: counts[path], reverse=True)
    if others and 2 * counts[others[0]] > counts[best]:
        names = " and ".join(repr("/".join(path)[-60:]) for path in (best, others[0]))
        raise ValueError(f"has several networks ({names}), but must have one")
    return models[best]


def keras_kind(name: str) -> str | None:
    """The kind of layer that a name which Keras made up stands for."""
    return next((kind for kind, pattern in KERAS_KINDS.items() if pattern.fullmatch(name)), None)


def keras_layer_counts(groups: Iterable[str]) -> tuple[int, int]:
    """(plain convolutions, separable convolutions) among the layers of a Keras file."""
    separables = sum(
        keras_kind(name) == "separable" or bool(re.fullmatch(r"block\d+_sepconv\d", name))
        for name in groups
    )
    convolutions = sum(
        keras_kind(name) == "conv" or bool(re.fullmatch(r"block1_conv\d", name)) for name in groups
    )
    return convolutions, separables


def keras_names(groups: Groups, numbered: list[Layer]) -> dict[str, str]:
    """Our name of every weight that the Keras file has, and its key in the file.

    Layers are known by name; those whose names Keras made up, by the order of their numbers, which
    is that of `numbered`.
    """
    by_name = {layer.keras: layer for layer in numbered if layer.keras in groups}
    made_up: dict[str, list[tuple[int, str]]] = {}
    for name in groups:
        for kind, pattern in KERAS_KINDS.items():
            if match := pattern.fullmatch(name):
                made_up.setdefault(kind, []).append((int(match[2] or 0), name))
    for kind, found in made_up.items():
        waiting = [layer for layer in numbered if layer.kind == kind and layer.keras not in groups]
        by_name |= {name: layer for (_, name), layer in zip(sorted(found), waiting, strict=False)}
    names = {}
    for name, layer in by_name.items():
        keys = dict(groups[name])
        for number, (ours, _, keras) in enumerate(WEIGHTS[layer.kind]):
            if key := keys.get(keras, keys.get(str(number))):
                names[f"{layer.ours}.{ours}"] = key
    return names


def xception_keras_order(layers: list[Layer], groups: Iterable[str]) -> list[Layer]:
    """Xception's layers in the order in which a Keras file numbers them.

    Keras numbers in the order of making; in a .weights.h5 without names in the order of computing,
    where a skip's BN follows the block's second BN (which matters only there: with names, only the
    skips are numbered).
    """
    if any(name.startswith("batchnormalization") for name in groups):  # Keras 1 numbers all
        return layers
    place = {layer.ours: i for i, layer in enumerate(layers)}

    def order(layer: Layer) -> float:
        return place[layer.ours.replace("skip_bn", "sep2.bn")] + layer.ours.endswith("skip_bn") / 2

    return sorted(layers, key=order)


def from_keras(tensor: Tensor, ours: str) -> Tensor:
    """A Keras array in torch's layout: (h, w, in, out) to (out, in, h, w).

    A depthwise one is (h, w, in, 1), and becomes (in, 1, h, w).
    """
    if tensor.dim() == 4:
        depthwise = ours.endswith("depthwise.weights.0")
        return tensor.permute(2, 3, 0, 1) if depthwise else tensor.permute(3, 2, 0, 1)
    return tensor.t() if tensor.dim() == 2 else tensor
