"""Everyone's weights of Xception and Inception V3 in our networks, and ours for timm.

Reads Keras (.weights.h5, .keras, the old .h5 of the released ImageNet files), timm's
legacy_xception and inception_v3, torchvision's inception_v3, Cadene's files, our own .safetensors
and the checkpoints of `train`; inside another model, or inside what a training saved around them.
Every key of a file is accounted for, or nothing is returned.
"""

import dataclasses
import functools
import json
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor

from xception_edu import checks
from xception_edu.configs import XceptionConfig
from xception_edu.inception_v3 import InceptionV3
from xception_edu.recipes.recipe import Recipe
from xception_edu.training.checkpoints import is_checkpoint, load_checkpoint
from xception_edu.training.evaluate import model_of
from xception_edu.training.run_folder import write_atomically
from xception_edu.weights.account import TOP, checked_state
from xception_edu.weights.files import WeightFile, read_weight_file
from xception_edu.weights.infer_config import read_config
from xception_edu.weights.names import timm_names, xception_layers
from xception_edu.weights.notes import Notes, class_names
from xception_edu.weights.origins import XCEPTION_TIMM, Config, Origin
from xception_edu.weights.published import moved, weights_path
from xception_edu.weights.rename import Renamed, renamed
from xception_edu.xception import Xception

log = logging.getLogger(__name__)
Source = Literal["keras", "timm", "torchvision"]
SOURCES = ("keras", "timm", "torchvision")


class Weights(NamedTuple):
    """A network with the weights of a file, in eval mode, and what the file says of its use."""

    model: Xception | InceptionV3
    notes: Notes


def import_weights(
    path: str | os.PathLike[str],
    config: Config | None = None,
    *,
    source: Source | None = None,
    include_top: bool = True,
    ema: bool = False,
) -> Xception | InceptionV3:
    """Xception or Inception V3 in eval mode with the weights of a file.

    Its keys tell which network it is, and whose file: Keras' and timm's of both, Cadene's of
    Xception, torchvision's of Inception V3 (with timm's names), or our own; a checkpoint of `train`
    gives the network that `evaluate` sees. BN's counters of batches may be missing, and what a
    training keeps for itself is passed over (optimizer, losses, metrics); every other key must fit.

    The network may be inside another model of Keras, or behind the prefixes of torch.compile,
    DistributedDataParallel, Lightning or a module of your own. Its head may have any name. Fully
    connected layers in a row become `fc_widths` and the classifier; a file of weights alone does
    not say what is between them, and a warning says that it is taken to be ReLU.

    Where the file does not carry the config, as our own safetensors do, sizes, classes and the
    auxiliary tower come from names and shapes, the rest are the defaults of that library.
    Xception: Keras has padding "tensorflow" and BN epsilon 1e-3, timm "symmetric" and 1e-5.
    Inception V3: Keras has no gamma in BN and does not count the padding of average pools,
    torchvision and timm have both.

    Torchvision's `transform_input` is no weight, and our network has no such step: it takes what
    theirs takes behind it. For torchvision's published weights, and Keras', those are images from
    -1 to 1, as `predict.preprocess` makes them; a network that was trained on other inputs, such as
    ImageNet's mean and deviation, wants those.

    Raises ValueError that names the file and the first missing, unexpected and mis-shaped weights;
    its `details` are all of them.

    Args:
        path: the file of weights.
        config: the network's config; None: that of the file.
        source: whose file it is; None: its keys tell.
        include_top: False leaves classifiers (the auxiliary tower's too) at their initial weights,
            whether the file has them or not.
        ema: takes the average of the weights, where the file has one beside them.
    """
    return read_weights(path, config, source=source, include_top=include_top, ema=ema).model


def read_weights(
    path: str | os.PathLike[str],
    config: Config | None = None,
    *,
    source: Source | None = None,
    include_top: bool = True,
    ema: bool = False,
) -> Weights:
    """The same network, and what its file says of classes, size and scale of the images."""
    path = moved(checks.path("path", path))
    if source is not None:
        checks.one_of("source", source, SOURCES)
    checks.boolean("include_top", include_top)
    checks.boolean("ema", ema)
    if path.is_file() and is_checkpoint(path):
        return _trained(path, config, source, include_top)
    file = read_weight_file(path)
    try:
        found = renamed(file, config, include_top=include_top, ema=ema)
        _check_asked(found.origin, source, config)
        config = config or read_config(found.origin, found.tensors, file.notes)
        state = checked_state(found, _without_values(config), include_top)
        notes = _notes(file, found, config)
    except ValueError as error:
        raise ValueError(checks.line(f"{os.fspath(path)}: {error}")) from error
    model = _build(config)
    model.load_state_dict(model.state_dict() | state)
    return Weights(model.eval(), notes)


def _trained(
    path: Path, config: Config | None, source: Source | None, include_top: bool
) -> Weights:
    """The network of a checkpoint of `train`, as its evaluation sees it."""
    checkpoint = load_checkpoint(path)
    model, progress = model_of(checkpoint), checkpoint.progress
    if source is not None or config not in (None, model.config):
        wrong = "source" if source is not None else "config"
        raise ValueError(f"{path}: {wrong} is for other files: this is a checkpoint of `train`")
    if not include_top:
        state = {key: t for key, t in model.state_dict().items() if not key.startswith(TOP)}
        model = Xception(model.config).eval()
        model.load_state_dict(model.state_dict() | state)
    recipe, classes = Recipe.from_dict(progress["recipe"]), progress.get("classes")
    names = None if classes is None else tuple(classes)
    return Weights(model, Notes(classes=names, recipe=recipe, multi_label=recipe.labels == "many"))


def _notes(file: WeightFile, found: Renamed, config: Config) -> Notes:
    notes = Notes.from_metadata(file.notes)
    if found.described is not None:
        notes = dataclasses.replace(
            notes,
            image_size=found.described.image_size,
            scale=found.described.scale,
            offset=found.described.offset,
            multi_label=found.described.multi_label,
        )
    if not found.has_top:
        return notes
    if file.kind == "torch" and len(notes.classes or ()) not in (0, config.num_classes):
        # what somebody's training saved under such a name may be anything
        log.warning("its %d names are not those of its classes", len(notes.classes or ()))
        return dataclasses.replace(notes, classes=None)
    notes.check_classes(config.num_classes)
    return notes


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


@functools.lru_cache(maxsize=4)
def _without_values(config: Config) -> Mapping[str, Tensor]:
    """The state that the network expects: shapes without values."""
    with torch.device("meta"):
        return _build(config).state_dict()


# ---- writing -------------------------------------------------------------------------------------


def save_weights(
    model: Xception | InceptionV3,
    path: str | os.PathLike[str],
    *,
    names: Literal["ours", "timm"] = "ours",
    half: bool = False,
    classes: Sequence[str] | None = None,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write a .safetensors file, under our names or timm's.

    Ours come with the config in the metadata; for timm's see `timm_state_dict`.

    Args:
        model: the network whose weights are written.
        path: the file, which is overwritten if it is there.
        names: "ours" or "timm".
        half: stores the weights of convolutions and classifiers in 16 bits (fp16); biases and BN,
            which are few, keep 32.
        classes: their names, which `predict` then shows.
        notes: further words for the metadata.
    """
    from safetensors.torch import save

    checks.one_of("names", names, ("ours", "timm"))
    half = checks.boolean("half", half)
    checks.instance("model", model, (Xception, InceptionV3), "an Xception or an InceptionV3")
    path = _file_to_write(path)
    if notes is not None:
        checks.instance("notes", notes, Mapping, "a dict of words")
        for key, word in notes.items():
            checks.text("a key of notes", key), checks.text(f"notes[{checks.shown(key)}]", word)
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
    notes = {"format": "pt"} | dict(notes or {})
    if classes is not None:
        named = Notes(classes=class_names(classes))
        named.check_classes(model.config.num_classes)
        notes |= named.to_metadata()
    if names == "ours":
        network = "xception" if isinstance(model, Xception) else "inception_v3"
        notes |= {"network": network, "config": json.dumps(dataclasses.asdict(model.config))}
    contiguous = {key: tensor.contiguous() for key, tensor in tensors.items()}
    try:
        write_atomically(path, save(contiguous, metadata=notes))
    except OSError as error:
        raise ValueError(
            f"path is {checks.shown(str(path))}, but must be a file that can be written"
            f" ({error.strerror or error})"
        ) from None


def _file_to_write(path: object) -> Path:
    """The path of a file that may be written; ValueError if its name or folder is wrong."""
    file = checks.path("path", path)
    if not os.path.isdir(file.parent):
        message = f"path is {checks.shown(str(file))}, but its folder does not exist"
        raise ValueError(checks.line(message))
    return file


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
    """A trained Xception: "imagenet", the author's (0.790 top-1), or a small one of ours, "cifar10"
    or "digits".

    "imagenet" (Keras, 92 MB) is downloaded once, checked by SHA-256 and kept in torch's folder for
    such files: TORCH_HOME, or ~/.cache/torch, in hub/checkpoints. Raises ValueError where it cannot
    be downloaded, and says how to bring it there by hand.

    Ours come with this library, less than 2 MB; `published.shipped_notes` has their recipes, what
    they reached, and their classes. They take images from -1 to 1: "cifar10" of 32x32 in three
    colors, "digits" of 16x16 in gray.
    """
    return cast(Xception, import_weights(weights_path(name), include_top=include_top))
