"""Everyone's Xception weights in our network, ours for timm, and the published ImageNet weights.

Reads Keras (.weights.h5, .keras, the old .h5 of the released ImageNet file), timm's legacy_xception and Cadene's files, and
our own .safetensors. Every key of a file is accounted for, or nothing is returned.
"""

import dataclasses
import hashlib
import itertools
import json
import os
import tempfile
import urllib.request
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from xception_edu import checks
from xception_edu.architectures import XceptionConfig
from xception_edu.weight_files import WeightFile, read_weight_file
from xception_edu.weight_names import (
    block_counts,
    from_keras,
    keras_groups,
    keras_layer_counts,
    keras_names,
    timm_names,
    xception_layers,
)
from xception_edu.xception import Xception

Source = Literal["keras", "timm", "torchvision"]
SOURCES = ("keras", "timm", "torchvision")
# What the shapes of weights do not show: each library pads the pooling and guards BN in its own way (epsilon).
RULES = {
    "ours": {},
    "keras": {"padding": "tensorflow", "bn_eps": 1e-3},
    "timm": {"padding": "symmetric", "bn_eps": 1e-5},
}
WIDEST = 65_536  # channels; a wider layer in a file is a mistake or an attack on memory

# The author's own release, as Keras downloads it. Keras knows it by MD5 0a58e3b7378bc2990ea3b43d5981f1f6.
PUBLISHED = {
    "imagenet": {
        "url": "https://storage.googleapis.com/tensorflow/keras-applications/xception/"
        "xception_weights_tf_dim_ordering_tf_kernels.h5",
        "sha256": "c5bf1c05b020c4177164039b854c3ef92b16b73384734647c1f0ad5cf79f6975",
        "bytes": 91_884_032,
    },
}


def import_weights(
    path: str | os.PathLike[str],
    config: XceptionConfig | None = None,
    *,
    source: Source | None = None,
    include_top: bool = True,
) -> Xception:
    """Xception in eval mode with the weights of a file: Keras', timm's, Cadene's or our own, told apart by their keys.

    `config` None reads the dials from the file: our own files carry them; else widths, blocks and classes come from the
    shapes, padding and BN epsilon from the library's habits (Keras "tensorflow" and 1e-3, timm "symmetric" and 1e-5).
    `include_top=False` leaves the classifier at its initial weights, whether the file has one or not. BN's counters of
    batches may be missing, and optimizer state in Keras files is passed over; every other key must fit.

    Raises ValueError that names the file and, by name, all missing, unexpected and mis-shaped weights.
    """
    if source is not None:
        checks.one_of("source", source, SOURCES)
    checks.boolean("include_top", include_top)
    file = read_weight_file(path)
    try:
        found = _source(file)
        if source not in (None, found):
            raise ValueError(f"source is {source!r}, but the keys are of {found!r}")
        tensors, names = _renamed(file, found, config)
        config = config or _config(file, tensors, found)
        state = _checked(tensors, names, config, include_top)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error
    model = Xception(config)
    model.load_state_dict(model.state_dict() | state)
    return model.eval()


def _source(file: WeightFile) -> str:
    keys = file.tensors.keys()
    if file.kind == "keras":
        return "keras"
    if any(key.startswith("block1.rep.") for key in keys):
        return "timm"
    if any(key.startswith(("entry.0.", "sep3.", "sep4.")) for key in keys):
        return "ours"
    some = ", ".join(itertools.islice(keys, 3)) or "none"
    raise ValueError(f"its keys ({some}, ...) are no Xception's of Keras, timm or this library (torchvision has no Xception)")


def _renamed(file: WeightFile, source: str, config: XceptionConfig | None) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors under our names, those that have none under the file's; and for our names the file's, where they differ."""
    tensors = dict(file.tensors)
    if source == "ours":
        return tensors, {}
    groups = keras_groups(list(tensors), file.notes)
    if config is not None:
        counts = len(config.entry_widths) - 2, config.middle_blocks
    elif source == "keras":
        counts = block_counts(*keras_layer_counts(groups))
    else:
        plain = sum(key in ("conv1.weight", "conv2.weight") or key.endswith(".skip.weight") for key in tensors)
        counts = block_counts(plain, sum(key.endswith(".pointwise.weight") for key in tensors))
    layers = xception_layers(*counts)
    if source == "keras":
        names = keras_names(groups, layers)
        return _move(tensors, names, from_keras), names
    names = timm_names(layers)
    if "last_linear.weight" in tensors:  # Cadene's name for the classifier
        names |= {"classifier.weight": "last_linear.weight", "classifier.bias": "last_linear.bias"}
    return _move(tensors, names, _four_dimensional), names


def _move(tensors: dict[str, Tensor], names: dict[str, str], convert: Callable[[Tensor, str], Tensor]) -> dict[str, Tensor]:
    renamed = {ours: convert(tensors[theirs], ours) for ours, theirs in names.items() if theirs in tensors}
    return renamed | {key: tensors[key] for key in tensors.keys() - set(names.values())}


def _four_dimensional(tensor: Tensor, ours: str) -> Tensor:
    """Old files hold pointwise weights as matrices."""
    return tensor[:, :, None, None] if ours.endswith(".pointwise.weight") and tensor.dim() == 2 else tensor


def _config(file: WeightFile, tensors: dict[str, Tensor], source: str) -> XceptionConfig:
    """The dials: as the shapes show them, and in our own files as they are written there, if that agrees with the shapes."""
    seen = _config_from_shapes(tensors, source)
    if "config" not in file.notes:
        return seen
    try:
        config = XceptionConfig(**json.loads(file.notes["config"]))
        widths = (config.in_channels, config.scaled_entry_widths, config.middle_blocks, config.scaled_exit_widths)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"its config is no XceptionConfig: {error}") from error
    shown = (seen.in_channels, seen.entry_widths, seen.middle_blocks, seen.exit_widths)
    if max(config.num_classes, *config.fc_widths, 1) > WIDEST:
        raise ValueError(f"its config has {config.num_classes} classes and {config.fc_widths}, but {WIDEST} is the most")
    if widths != shown:
        raise ValueError(f"its config says (channels, entry, middle blocks, exit) {widths}, but its weights are of {shown}")
    return config


def _config_from_shapes(tensors: dict[str, Tensor], source: str) -> XceptionConfig:
    """Dials by the shapes of the weights; the paper's where a weight is missing, which the check then names."""

    def size(key: str, default: int, dim: int = 0) -> int:
        shape = tensors[key].shape if key in tensors else ()
        return shape[dim] if len(shape) > dim else default

    paper = XceptionConfig()
    blocks = {kind: {key.split(".")[1] for key in tensors if key.startswith(f"{kind}.")} for kind in ("entry", "middle")}
    entry = len(blocks["entry"]) or 3
    widths = [size("conv1.weight", 32), size("conv2.weight", 64)]
    widths += [size(f"entry.{i}.sep2.bn.weight", paper.entry_widths[min(2 + i, 4)]) for i in range(entry)]
    exits = zip(("exit.sep2", "sep3", "sep4"), paper.exit_widths, strict=True)
    exit_widths = [size(f"{name}.bn.weight", default) for name, default in exits]
    if max(*widths, *exit_widths) > WIDEST:
        raise ValueError(f"its widths are {widths} and {exit_widths}, but must be at most {WIDEST}")
    return XceptionConfig(
        num_classes=size("classifier.weight", 1000),
        in_channels=size("conv1.weight", 3, dim=1),
        entry_widths=tuple(widths),
        middle_blocks=len(blocks["middle"]),
        exit_widths=tuple(exit_widths),
        **RULES[source],
    )


def _checked(tensors: dict[str, Tensor], names: dict[str, str], config: XceptionConfig, include_top: bool) -> dict[str, Tensor]:
    """The state for the model, if every weight is there, fits, and none is left over; ValueError with all names otherwise."""
    with torch.device("meta"):  # shapes without values
        expected = Xception(config).state_dict()
    if not include_top:
        expected = {key: value for key, value in expected.items() if not key.startswith("classifier.")}
        tensors = {key: value for key, value in tensors.items() if not key.startswith("classifier.")}
    needed = {key for key in expected if not key.endswith("num_batches_tracked")}
    missing = needed - tensors.keys()
    shapes = [
        f"{names.get(key, key)} is {_described(tensors[key])} instead of {_described(value)}"
        for key, value in expected.items()
        if key in tensors and (tensors[key].shape, tensors[key].is_floating_point()) != (value.shape, value.is_floating_point())
    ]
    problems = _listed("missing", (names.get(key, key) for key in expected if key in missing))
    problems += _listed("unexpected", sorted(tensors.keys() - expected.keys()))
    problems += _listed("mis-shaped (in torch's layout)", shapes)
    if missing and all(key.startswith("classifier.") for key in missing):
        problems.append("without the classifier, load it with include_top=False (--no-top)")
    if problems:
        raise ValueError("; ".join(problems))
    return tensors


def _described(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _listed(what: str, names: Iterable[str]) -> list[str]:
    listed = list(names)
    return [f"{len(listed)} {what}: {', '.join(listed)}"] if listed else []


# ---- writing --------------------------------------------------------------------------------------------------------


def save_weights(model: Xception, path: str | os.PathLike[str], *, names: Literal["ours", "timm"] = "ours") -> None:
    """Write a .safetensors file: with our names and the dials in its metadata, or with timm's names (`timm_state_dict`)."""
    from safetensors.torch import save_file

    checks.one_of("names", names, ("ours", "timm"))
    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"path is {str(path)!r}, but its folder does not exist")
    tensors = timm_state_dict(model) if names == "timm" else model.state_dict()
    notes = {"format": "pt"}
    if names == "ours":
        notes |= {"network": "xception", "config": json.dumps(dataclasses.asdict(model.config))}
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # whoever reads the file finds all of it or nothing
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, Path(folder) / "weights", notes)
        os.replace(Path(folder) / "weights", path)


def timm_state_dict(model: Xception) -> dict[str, Tensor]:
    """The weights under timm's names, for timm's legacy_xception (which has the paper's widths only).

    timm's BN epsilon is 1e-5: the difference to ours goes into the running variances, so the function stays the same. Its
    pooling pads symmetrically, and a warning says so where the model's does not: logits then differ by the pooling.
    """
    dials = {"segments": "channels", "order": "spatial_first", "activation": None, "residual": True, "fc_widths": ()}
    for name, value in dials.items():
        if getattr(model.config, name) != value:
            raise ValueError(f"config.{name} is {getattr(model.config, name)!r}, but must be {value!r}: timm has no such dial")
    if model.config.padding != "symmetric":
        warnings.warn(f"padding is {model.config.padding!r}, but timm pads symmetrically: logits will differ", stacklevel=2)
    names = timm_names(xception_layers(len(model.config.entry_widths) - 2, model.config.middle_blocks))
    difference = model.config.bn_eps - RULES["timm"]["bn_eps"]
    return {
        names[key]: tensor + difference if key.endswith("running_var") else tensor.clone()
        for key, tensor in model.state_dict().items()
    }


# ---- the published weights ------------------------------------------------------------------------------------------


def load_pretrained(name: str = "imagenet", *, include_top: bool = True) -> Xception:
    """Xception with the author's published ImageNet weights (Keras, 0.790 top-1), downloaded once and checked by SHA-256.

    The file (92 MB) is kept in torch's folder for such files: TORCH_HOME, or ~/.cache/torch, in hub/checkpoints. Raises
    ValueError where it cannot be downloaded, and says how to bring it there by hand.
    """
    checks.one_of("name", name, PUBLISHED)
    published = PUBLISHED[name]
    path = Path(torch.hub.get_dir()) / "checkpoints" / published["url"].rsplit("/", 1)[-1]
    if not path.is_file() or _sha256(path) != published["sha256"]:
        _download(published, path)
    return import_weights(path, source="keras", include_top=include_top)


def _download(published: dict, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    by_hand = f"on a machine with internet download {published['url']}, and put it at {path}"
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder) / "part"
        try:
            with urllib.request.urlopen(published["url"], timeout=30) as reply, part.open("wb") as file:
                while file.tell() <= published["bytes"] and (block := reply.read(2**20)):
                    file.write(block)
        except OSError as error:
            raise ValueError(f"the published weights cannot be downloaded ({error}): {by_hand}") from error
        if _sha256(part) != published["sha256"]:
            raise ValueError(f"{published['url']} has SHA-256 {_sha256(part)}, but must have {published['sha256']}")
        os.replace(part, path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
