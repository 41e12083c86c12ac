"""Everyone's weights of Xception and Inception V3 in our networks, and ours for timm.

Reads Keras (.weights.h5, .keras, the old .h5 of the released ImageNet files), timm's
legacy_xception and inception_v3, torchvision's inception_v3, Cadene's files, and our own
.safetensors. Every key of a file is accounted for, or nothing is returned.
"""

import dataclasses
import json
import os
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor

from xception_edu import checks
from xception_edu.configs import InceptionV3Config, XceptionConfig
from xception_edu.inception_v3 import InceptionV3
from xception_edu.training.run_folder import write_atomically
from xception_edu.weights.files import WeightFile, read_weight_file
from xception_edu.weights.infer_config import read_config
from xception_edu.weights.names import (
    Layer,
    block_counts,
    from_keras,
    keras_groups,
    keras_layer_counts,
    keras_names,
    timm_names,
    xception_keras_order,
    xception_layers,
)
from xception_edu.weights.names_inception import (
    inception_keras_order,
    inception_layers,
    keras_has_scale,
)
from xception_edu.weights.origins import XCEPTION_TIMM, Config, Origin, origin_of
from xception_edu.weights.published import weights_path
from xception_edu.xception import Xception

Source = Literal["keras", "timm", "torchvision"]
SOURCES = ("keras", "timm", "torchvision")
TOP = ("classifier.", "aux.classifier.")


def import_weights(
    path: str | os.PathLike[str],
    config: Config | None = None,
    *,
    source: Source | None = None,
    include_top: bool = True,
) -> Xception | InceptionV3:
    """Xception or Inception V3 in eval mode with the weights of a file.

    Its keys tell which network it is, and whose file: Keras' and timm's of both, Cadene's of
    Xception, torchvision's of Inception V3 (with timm's names), or our own. BN's counters of
    batches may be missing, and optimizer state in Keras files is passed over; every other key must
    fit.

    Where the file does not carry the config, as our own safetensors do, sizes, classes and the
    auxiliary tower come from names and shapes, the rest are the defaults of that library.
    Xception: Keras has padding "tensorflow" and BN epsilon 1e-3, timm "symmetric" and 1e-5.
    Inception V3: Keras has no gamma in BN and does not count the padding of average pools,
    torchvision and timm have both.

    Torchvision's `transform_input` is no weight, and our network has no such step: it takes what
    theirs takes behind it. For torchvision's published weights, and Keras', those are images from
    -1 to 1, as `predict.preprocess` makes them; a network that was trained on other inputs, such as
    ImageNet's mean and deviation, wants those.

    Raises ValueError that names the file and, by name, all missing, unexpected and mis-shaped
    weights.

    Args:
        path: the file of weights.
        config: the network's config; None: that of the file.
        source: whose file it is; None: its keys tell.
        include_top: False leaves classifiers (the auxiliary tower's too) at their initial weights,
            whether the file has them or not.
    """
    if source is not None:
        checks.one_of("source", source, SOURCES)
    checks.boolean("include_top", include_top)
    file = read_weight_file(path)
    try:
        origin = origin_of(file)
        _check_asked(origin, source, config)
        tensors, names = _renamed(file, origin, config)
        config = config or read_config(origin, tensors, file.notes)
        state = _checked(tensors, names, config, include_top)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error
    model = _build(config)
    model.load_state_dict(model.state_dict() | state)
    return model.eval()


def _check_asked(origin: Origin, source: str | None, config: Config | None) -> None:
    """ValueError if the caller asked for another library's file, or another network's."""
    if source not in (None, origin.source, *origin.also):
        raise ValueError(f"source is {source!r}, but the keys are of {origin.source!r}")
    if config is not None and not isinstance(config, origin.config):
        raise ValueError(
            f"config is {type(config).__name__}, but the keys are of {origin.config.__name__}'s"
            " network"
        )


def _build(config: Config) -> Xception | InceptionV3:
    return Xception(config) if isinstance(config, XceptionConfig) else InceptionV3(config)


def _renamed(
    file: WeightFile, origin: Origin, config: Config | None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors under our names, and for our names the file's, where they differ.

    Tensors that have no name of ours keep the file's.
    """
    if origin.source == "ours":
        return dict(file.tensors), {}
    if origin.source == "keras":
        names = _names_in_keras(file, origin, config)
        return _move(file.tensors, names, from_keras), names
    if origin.config is XceptionConfig:
        names = timm_names(_xception_layers(config, *_timm_layer_counts(file.tensors)))
    else:
        aux = any(key.startswith("AuxLogits.") for key in file.tensors)
        names = timm_names(_inception_layers(config, aux, bn_scale=True))
    if "last_linear.weight" in file.tensors:  # Cadene's name for the classifier
        names |= {"classifier.weight": "last_linear.weight", "classifier.bias": "last_linear.bias"}
    return _move(file.tensors, names, _four_dimensional), names


def _names_in_keras(file: WeightFile, origin: Origin, config: Config | None) -> dict[str, str]:
    """For our name of every weight the key in a file of Keras."""
    groups = keras_groups(list(file.tensors), file.notes)
    if origin.config is XceptionConfig:
        layers = _xception_layers(config, *keras_layer_counts(groups))
        return keras_names(groups, xception_keras_order(layers, groups))
    layers = _inception_layers(config, aux=False, bn_scale=keras_has_scale(groups))
    # the names of layers that a .weights.h5 notes have numbers of making, its groups those of
    # computing
    numbered_in_groups = any(key.startswith("layers/") for key in file.tensors)
    by_making = bool(file.notes) or not numbered_in_groups
    return keras_names(groups, inception_keras_order(layers, by_making))


def _timm_layer_counts(tensors: dict[str, Tensor]) -> tuple[int, int]:
    """(plain convolutions, separable convolutions) in timm's or Cadene's file of Xception."""
    stem = ("conv1.weight", "conv2.weight")
    convolutions = sum(key in stem or key.endswith(".skip.weight") for key in tensors)
    return convolutions, sum(key.endswith(".pointwise.weight") for key in tensors)


def _xception_layers(config: Config | None, convolutions: int, separables: int) -> list[Layer]:
    """Xception's layers, as many as the config has, or else the file."""
    if isinstance(config, XceptionConfig):
        return xception_layers(len(config.entry_widths) - 2, config.middle_blocks)
    return xception_layers(*block_counts(convolutions, separables))


def _inception_layers(config: Config | None, aux: bool, bn_scale: bool) -> list[Layer]:
    """Inception V3's layers, with auxiliary tower and gammas as in the config, or else the file."""
    if isinstance(config, InceptionV3Config):
        return inception_layers(aux=config.aux, bn_scale=config.bn_scale)
    return inception_layers(aux=aux, bn_scale=bn_scale)


def _move(
    tensors: dict[str, Tensor], names: dict[str, str], convert: Callable[[Tensor, str], Tensor]
) -> dict[str, Tensor]:
    renamed = {
        ours: convert(tensors[theirs], ours) for ours, theirs in names.items() if theirs in tensors
    }
    return renamed | {key: tensors[key] for key in tensors.keys() - set(names.values())}


def _four_dimensional(tensor: Tensor, ours: str) -> Tensor:
    """Old files hold pointwise weights as matrices."""
    matrix = ours.endswith(".pointwise.weight") and tensor.dim() == 2
    return tensor[:, :, None, None] if matrix else tensor


def _checked(
    tensors: dict[str, Tensor], names: dict[str, str], config: Config, include_top: bool
) -> dict[str, Tensor]:
    """The state for the model, if every weight is there, fits, and none is left over.

    ValueError with all names otherwise.
    """
    with torch.device("meta"):  # shapes without values
        expected = _build(config).state_dict()
    if not include_top:
        expected = {key: value for key, value in expected.items() if not key.startswith(TOP)}
        tensors = {key: value for key, value in tensors.items() if not key.startswith(TOP)}
    needed = {key for key in expected if not key.endswith("num_batches_tracked")}
    missing = needed - tensors.keys()
    shapes = [
        f"{names.get(key, key)} is {_described(tensors[key])} instead of {_described(value)}"
        for key, value in expected.items()
        if key in tensors and not _fits(tensors[key], value)
    ]
    problems = _listed("missing", (names.get(key, key) for key in expected if key in missing))
    problems += _listed("unexpected", sorted(tensors.keys() - expected.keys()))
    problems += _listed("mis-shaped (in torch's layout)", shapes)
    if missing and all(key.startswith(TOP) for key in missing):
        problems.append("without the classifier, load it with include_top=False (--no-top)")
    if problems:
        raise ValueError("; ".join(problems))
    return tensors


def _fits(tensor: Tensor, expected: Tensor) -> bool:
    same_kind = tensor.is_floating_point() == expected.is_floating_point()
    return same_kind and tensor.shape == expected.shape


def _described(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _listed(what: str, names: Iterable[str]) -> list[str]:
    listed = list(names)
    return [f"{len(listed)} {what}: {', '.join(listed)}"] if listed else []


# ---- writing -------------------------------------------------------------------------------------


def save_weights(
    model: Xception | InceptionV3,
    path: str | os.PathLike[str],
    *,
    names: Literal["ours", "timm"] = "ours",
    half: bool = False,
    notes: dict[str, str] | None = None,
) -> None:
    """Write a .safetensors file, under our names or timm's.

    Ours come with the config in the metadata; for timm's see `timm_state_dict`.

    Args:
        model: the network whose weights are written.
        path: the file, which is overwritten if it is there.
        names: "ours" or "timm".
        half: stores the weights of convolutions and classifiers in 16 bits (fp16); biases and BN,
            which are few, keep 32.
        notes: further words for the metadata.
    """
    from safetensors.torch import save

    checks.one_of("names", names, ("ours", "timm"))
    checks.boolean("half", half)
    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"path is {str(path)!r}, but its folder does not exist")
    if names == "ours":
        tensors = model.state_dict()
    elif isinstance(model, Xception):
        tensors = timm_state_dict(model)
    else:
        raise ValueError("names is 'timm', but must be 'ours': only Xception is written for timm")
    if half:
        tensors = {
            key: tensor.half() if tensor.dim() > 1 else tensor for key, tensor in tensors.items()
        }
    notes = {"format": "pt"} | (notes or {})
    if names == "ours":
        network = "xception" if isinstance(model, Xception) else "inception_v3"
        notes |= {"network": network, "config": json.dumps(dataclasses.asdict(model.config))}
    contiguous = {key: tensor.contiguous() for key, tensor in tensors.items()}
    write_atomically(path, save(contiguous, metadata=notes))


def timm_state_dict(model: Xception) -> dict[str, Tensor]:
    """The weights under the names of timm's legacy_xception, which has the paper's widths only.

    timm's BN epsilon is 1e-5: the difference to ours goes into the running variances, so the
    function stays the same. Its pooling pads symmetrically, and a warning says so where the model's
    does not: logits then differ by the pooling.
    """
    required = {
        "segments": "channels",
        "order": "spatial_first",
        "activation": None,
        "residual": True,
        "fc_widths": (),
    }
    for name, value in required.items():
        if getattr(model.config, name) != value:
            raise ValueError(
                f"config.{name} is {getattr(model.config, name)!r}, but must be {value!r}: timm has"
                " no such dial"
            )
    if model.config.padding != "symmetric":
        warnings.warn(
            f"padding is {model.config.padding!r}, but timm pads symmetrically: logits will differ",
            stacklevel=2,
        )
    names = timm_names(
        xception_layers(len(model.config.entry_widths) - 2, model.config.middle_blocks)
    )
    difference = model.config.bn_eps - XCEPTION_TIMM.rules["bn_eps"]
    return {
        names[key]: tensor + difference if key.endswith("running_var") else tensor.clone()
        for key, tensor in model.state_dict().items()
    }


# ---- trained weights by name ---------------------------------------------------------------------


def load_pretrained(name: str = "imagenet", *, include_top: bool = True) -> Xception:
    """A trained Xception: "imagenet", the author's (0.790 top-1), or "cifar10", a small one.

    "imagenet" (Keras, 92 MB) is downloaded once, checked by SHA-256 and kept in torch's folder for
    such files: TORCH_HOME, or ~/.cache/torch, in hub/checkpoints. Raises ValueError where it cannot
    be downloaded, and says how to bring it there by hand.

    "cifar10" is our own and comes with this library, less than 2 MB; `published.shipped_notes` has
    its recipe, what it reached, and its classes. It takes images of 32x32 from -1 to 1.
    """
    return cast(Xception, import_weights(weights_path(name), include_top=include_top))
