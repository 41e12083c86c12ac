"""Everyone's weights of Xception and Inception V3 in our networks, ours for timm, and the published
ImageNet weights.

Reads Keras (.weights.h5, .keras, the old .h5 of the released ImageNet files), timm's
legacy_xception and inception_v3, torchvision's inception_v3, Cadene's files, and our own
.safetensors. Every key of a file is accounted for, or nothing is returned.
"""

import dataclasses
import itertools
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor

from xception_edu import checks
from xception_edu.configs import InceptionV3Config, XceptionConfig
from xception_edu.inception_v3 import InceptionV3
from xception_edu.weights.files import WeightFile, read_weight_file
from xception_edu.weights.infer_config import CONFIGS, RULES, Config, read_config
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
    """Xception or Inception V3 in eval mode with the weights of a file; its keys tell which, and
    whose it is.

    Files are Keras' and timm's of both, Cadene's of Xception, torchvision's of Inception V3 (with
    timm's names), or our own. `config` None reads the dials from the file: our own safetensors
    carry them; else sizes, classes and the auxiliary tower come from names and shapes, the rest
    from the library's habits. Xception: Keras has padding "tensorflow" and BN epsilon 1e-3, timm
    "symmetric" and 1e-5. Inception V3: Keras has no gamma in BN and does not count the padding of
    average pools, torchvision and timm have both. `include_top=False` leaves classifiers (the
    auxiliary tower's too) at their initial weights, whether the file has them or not. BN's counters
    of batches may be missing, and optimizer state in Keras files is passed over; every other key
    must fit.

    Torchvision's `transform_input` is no weight, and our network has no such step: it takes what
    theirs takes behind it. For torchvision's published weights, and Keras', those are images from
    -1 to 1, as `predict.preprocess` makes them; a network that was trained on other inputs, such as
    ImageNet's mean and deviation, wants those.

    Raises ValueError that names the file and, by name, all missing, unexpected and mis-shaped
    weights.
    """
    if source is not None:
        checks.one_of("source", source, SOURCES)
    checks.boolean("include_top", include_top)
    file = read_weight_file(path)
    try:
        network, found = _origin(file)
        if source not in (None, found) and (network, source, found) != (
            "inception_v3",
            "timm",
            "torchvision",
        ):
            raise ValueError(f"source is {source!r}, but the keys are of {found!r}")
        if config is not None and not isinstance(config, CONFIGS[network]):
            raise ValueError(
                f"config is {type(config).__name__}, but the keys are of"
                f" {CONFIGS[network].__name__}'s network"
            )
        tensors, names = _renamed(file, network, found, config)
        config = config or read_config(network, found, tensors, file.notes)
        state = _checked(tensors, names, config, include_top)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error
    model = _build(config)
    model.load_state_dict(model.state_dict() | state)
    return model.eval()


def _build(config: Config) -> Xception | InceptionV3:
    return Xception(config) if isinstance(config, XceptionConfig) else InceptionV3(config)


def _origin(file: WeightFile) -> tuple[str, str]:
    """Which network the keys are of ("xception" or "inception_v3"), and in whose names."""
    keys = file.tensors.keys()
    if file.kind == "keras":
        convolutions, separables = keras_layer_counts(keras_groups(list(keys), file.notes))
        return "inception_v3" if convolutions and not separables else "xception", "keras"
    marks = {
        ("xception", "timm"): ("block1.rep.",),
        ("xception", "ours"): ("entry.0.", "sep3.", "sep4."),
        ("inception_v3", "torchvision"): ("Conv2d_1a_3x3.", "Mixed_5b.", "Mixed_7c."),
        ("inception_v3", "ours"): ("mixed0.", "mixed10."),
    }
    for origin, starts in marks.items():
        if any(key.startswith(starts) for key in keys):
            return origin
    some = ", ".join(itertools.islice(keys, 3)) or "none"
    raise ValueError(
        f"its keys ({some}, ...) are of no Xception of Keras, timm or this library (torchvision has"
        " no Xception), and of no Inception V3 of Keras, torchvision, timm or this library"
    )


def _renamed(
    file: WeightFile, network: str, source: str, config: Config | None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors under our names, those that have none under the file's; and for our names the
    file's, where they differ.
    """
    tensors = dict(file.tensors)
    if source == "ours":
        return tensors, {}
    groups = keras_groups(list(tensors), file.notes) if source == "keras" else {}
    layers = (_xception_layers if network == "xception" else _inception_layers)(
        tensors, groups, source, config
    )
    if source == "keras":
        if network == "xception":
            numbered = xception_keras_order(layers, groups)
        # the names of layers that a .weights.h5 notes have numbers of making, its groups those of
        # computing
        else:
            by_making = bool(file.notes) or not any(key.startswith("layers/") for key in tensors)
            numbered = inception_keras_order(layers, by_making)
        names = keras_names(groups, numbered)
        return _move(tensors, names, from_keras), names
    names = timm_names(layers)
    if "last_linear.weight" in tensors:  # Cadene's name for the classifier
        names |= {"classifier.weight": "last_linear.weight", "classifier.bias": "last_linear.bias"}
    return _move(tensors, names, _four_dimensional), names


def _xception_layers(
    tensors: dict[str, Tensor], groups: dict, source: str, config: XceptionConfig | None
) -> list[Layer]:
    """Xception's layers, as many as the config has, or else the file."""
    if config is not None:
        counts = len(config.entry_widths) - 2, config.middle_blocks
    elif source == "keras":
        counts = block_counts(*keras_layer_counts(groups))
    else:
        plain = sum(
            key in ("conv1.weight", "conv2.weight") or key.endswith(".skip.weight")
            for key in tensors
        )
        counts = block_counts(plain, sum(key.endswith(".pointwise.weight") for key in tensors))
    return xception_layers(*counts)


def _inception_layers(
    tensors: dict[str, Tensor], groups: dict, source: str, config: InceptionV3Config | None
) -> list[Layer]:
    """Inception V3's layers, with auxiliary tower and gammas as the config says, or else the file
    has them.
    """
    if config is not None:
        return inception_layers(aux=config.aux, bn_scale=config.bn_scale)
    if source == "keras":
        return inception_layers(aux=False, bn_scale=keras_has_scale(groups))
    return inception_layers(aux=any(key.startswith("AuxLogits.") for key in tensors), bn_scale=True)


def _move(
    tensors: dict[str, Tensor], names: dict[str, str], convert: Callable[[Tensor, str], Tensor]
) -> dict[str, Tensor]:
    renamed = {
        ours: convert(tensors[theirs], ours) for ours, theirs in names.items() if theirs in tensors
    }
    return renamed | {key: tensors[key] for key in tensors.keys() - set(names.values())}


def _four_dimensional(tensor: Tensor, ours: str) -> Tensor:
    """Old files hold pointwise weights as matrices."""
    return (
        tensor[:, :, None, None]
        if ours.endswith(".pointwise.weight") and tensor.dim() == 2
        else tensor
    )


def _checked(
    tensors: dict[str, Tensor], names: dict[str, str], config: Config, include_top: bool
) -> dict[str, Tensor]:
    """The state for the model, if every weight is there, fits, and none is left over; ValueError
    with all names otherwise.
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
        if key in tensors
        and (tensors[key].shape, tensors[key].is_floating_point())
        != (value.shape, value.is_floating_point())
    ]
    problems = _listed("missing", (names.get(key, key) for key in expected if key in missing))
    problems += _listed("unexpected", sorted(tensors.keys() - expected.keys()))
    problems += _listed("mis-shaped (in torch's layout)", shapes)
    if missing and all(key.startswith(TOP) for key in missing):
        problems.append("without the classifier, load it with include_top=False (--no-top)")
    if problems:
        raise ValueError("; ".join(problems))
    return tensors


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
    """Write a .safetensors file: with our names and the dials in its metadata, or with timm's names
    (`timm_state_dict`).

    `half` stores the weights of convolutions and classifiers in 16 bits (fp16); biases and BN,
    which are few, keep 32. `notes` are further words for the metadata.
    """
    from safetensors.torch import save_file

    checks.one_of("names", names, ("ours", "timm"))
    checks.boolean("half", half)
    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"path is {str(path)!r}, but its folder does not exist")
    network = "xception" if isinstance(model, Xception) else "inception_v3"
    if names == "timm" and network != "xception":
        raise ValueError("names is 'timm', but must be 'ours': only Xception is written for timm")
    tensors = timm_state_dict(model) if names == "timm" else model.state_dict()
    if half:
        tensors = {
            key: tensor.half() if tensor.dim() > 1 else tensor for key, tensor in tensors.items()
        }
    notes = {"format": "pt"} | (notes or {})
    if names == "ours":
        notes |= {"network": network, "config": json.dumps(dataclasses.asdict(model.config))}
    # whoever reads the file finds all of it or nothing
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        save_file(
            {key: tensor.contiguous() for key, tensor in tensors.items()},
            Path(folder) / "weights",
            notes,
        )
        os.replace(Path(folder) / "weights", path)


def timm_state_dict(model: Xception) -> dict[str, Tensor]:
    """The weights under timm's names, for timm's legacy_xception (which has the paper's widths
    only).

    timm's BN epsilon is 1e-5: the difference to ours goes into the running variances, so the
    function stays the same. Its pooling pads symmetrically, and a warning says so where the model's
    does not: logits then differ by the pooling.
    """
    dials = {
        "segments": "channels",
        "order": "spatial_first",
        "activation": None,
        "residual": True,
        "fc_widths": (),
    }
    for name, value in dials.items():
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
    difference = model.config.bn_eps - RULES["xception", "timm"]["bn_eps"]
    return {
        names[key]: tensor + difference if key.endswith("running_var") else tensor.clone()
        for key, tensor in model.state_dict().items()
    }


# ---- trained weights by name ---------------------------------------------------------------------


def load_pretrained(name: str = "imagenet", *, include_top: bool = True) -> Xception:
    """A trained Xception: "imagenet", the author's published weights (0.790 top-1), or "cifar10", a
    small one of our own.

    "imagenet" (Keras, 92 MB) is downloaded once, checked by SHA-256 and kept in torch's folder for
    such files: TORCH_HOME, or ~/.cache/torch, in hub/checkpoints. Raises ValueError where it cannot
    be downloaded, and says how to bring it there by hand.

    "cifar10" comes with this library, less than 2 MB; `published.shipped_notes` has its recipe,
    what it reached, and its classes. It takes images of 32x32 from -1 to 1.
    """
    return cast(Xception, import_weights(weights_path(name), include_top=include_top))
