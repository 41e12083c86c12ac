"""The tensors of anyone's file under our names."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from xception_edu import checks
from xception_edu.configs import InceptionV3Config, XceptionConfig
from xception_edu.weights.files import WeightFile
from xception_edu.weights.heads import (
    Dense,
    dense_of_torch,
    has_room_for_activations,
    in_a_row,
    names_of,
)
from xception_edu.weights.keras_config import Described, described
from xception_edu.weights.names import (
    Groups,
    Layer,
    block_counts,
    from_keras,
    keras_base,
    keras_layer_counts,
    keras_models,
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
from xception_edu.weights.origins import INCEPTION_KERAS, Config, Origin, origin_of, origin_of_keras
from xception_edu.weights.wrappers import chosen_weights

log = logging.getLogger(__name__)
# Names of our own networks, where no classifier of another name is looked for.
OURS = (
    "conv", "bn", "entry.", "middle.", "exit.", "sep", "mixed", "aux.", "fc.", "classifier.",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Renamed:
    """A file's tensors under our names, and for our names the file's, where they differ.

    Tensors that have no name of ours keep the file's.
    """

    origin: Origin
    tensors: dict[str, Tensor]
    names: dict[str, str]
    described: Described | None = None  # by Keras

    @property
    def has_top(self) -> bool:
        """Whether the classifier is among them."""
        return "classifier.weight" in self.tensors


def renamed(file: WeightFile, config: Config | None, *, include_top: bool, ema: bool) -> Renamed:
    """The weights of the one network of the file; ValueError if there is none, or several.

    Args:
        file: what was read.
        config: of the network that the caller wants; None: the file's names and shapes tell.
        include_top: whether its classifier is wanted; if not, what stands outside of the network
            is passed over.
        ema: whether the average of its weights is wanted.
    """
    if file.kind == "keras":
        return _of_keras(file, config, include_top)
    tensors, beside = chosen_weights(file.parts, ema)
    origin = origin_of(tensors.keys())
    names = _names_of_torch(origin, tensors, config)
    if include_top:
        tensors |= beside
    left = [key for key in tensors if key not in names.values()]
    if origin.source == "ours":
        left = [key for key in left if not key.startswith(OURS)]
    return _with_head(
        Renamed(origin=origin, tensors=_move(tensors, names, _four_dimensional), names=names),
        dense_of_torch(tensors, left),
        include_top,
        lambda tensor: tensor,
    )


def _with_head(
    found: Renamed,
    layers: Sequence[Dense],
    include_top: bool,
    convert: Callable[[Tensor], Tensor],
    by_name: Sequence[str] = (),
) -> Renamed:
    """The same, with the fully connected layers in a row as our classifier.

    Without the top they are left out. Where they are in no row, they keep their names: as what is
    unexpected. `by_name` is their order, where the file says it.
    """
    if found.has_top or not layers:
        return found
    if not include_top:
        keys = {key for layer in layers for key in (layer.weight, layer.bias)}
        left = {key: tensor for key, tensor in found.tensors.items() if key not in keys}
        return replace(found, tensors=left)
    order = _order(found, layers, by_name)
    names = names_of(order)
    moved = {ours: convert(found.tensors[theirs]) for ours, theirs in names.items()}
    for ours in list(moved):
        bias = ours.replace(".weight", ".bias")
        if bias not in moved:
            moved[bias] = torch.zeros(len(moved[ours]), dtype=moved[ours].dtype)
    rest = {key: t for key, t in found.tensors.items() if key not in names.values()}
    return replace(found, tensors=rest | moved, names=found.names | names)


def _order(found: Renamed, layers: Sequence[Dense], by_name: Sequence[str]) -> Sequence[Dense]:
    """The layers as they follow one another; none where they do not. ValueError where unclear."""
    width = 2048  # of Inception V3
    if found.origin.config is XceptionConfig:
        width = len(found.tensors.get("sep4.bn.bias", ()))
    if sorted(by_name) == sorted(layer.name for layer in layers):
        layers = sorted(layers, key=lambda layer: by_name.index(layer.name))
        rows = in_a_row(layers, width)
        rows = [row for row in rows if row == layers] or rows
        return rows[0] if rows else []
    rows = [row for row in in_a_row(layers, width) if has_room_for_activations(row)]
    # Keras' own classifier ends in a softmax, and is no layer before another
    if any(layer.name == "predictions" for layer in layers):
        rows = [row for row in rows if row[-1].name == "predictions"]
    if len(rows) > 1 and not _are_numbered(layers):
        names = ", ".join(layer.name[-40:] for layer in layers[:3])
        raise ValueError(f"the order of its layers {names} is not known: --no-top reads the base")
    if rows and len(rows[0]) > 1 and found.described is None:
        names = ", ".join(layer.name[-40:] for layer in rows[0])
        log.warning(
            "%s", checks.line(f"between {names} there is taken to be ReLU: the file does not say")
        )
    return rows[0] if rows else []


def _are_numbered(layers: Sequence[Dense]) -> bool:
    """Whether they stand in the order of their numbers: dense, dense_1, ... or 0, 3, ..."""
    return all(re.fullmatch(r"(.*?[._])?\d*|dense(_\d+)?", layer.name) for layer in layers)


# ---- torch ---------------------------------------------------------------------------------------


def _names_of_torch(
    origin: Origin, tensors: Mapping[str, Tensor], config: Config | None
) -> dict[str, str]:
    """For our name of every weight the file's, where the names are another library's."""
    if origin.source == "ours":
        return {}
    if origin.config is XceptionConfig:
        names = timm_names(_xception_layers(config, *_timm_layer_counts(tensors)))
    else:
        aux = any(key.startswith("AuxLogits.") for key in tensors)
        names = timm_names(_inception_layers(config, aux, bn_scale=True))
    return names


def _timm_layer_counts(tensors: Mapping[str, Tensor]) -> tuple[int, int]:
    """(plain convolutions, separable convolutions) in timm's or Cadene's file of Xception."""
    stem = ("conv1.weight", "conv2.weight")
    convolutions = sum(key in stem or key.endswith(".skip.weight") for key in tensors)
    return convolutions, sum(key.endswith(".pointwise.weight") for key in tensors)


def _four_dimensional(tensor: Tensor, ours: str) -> Tensor:
    """Old files hold pointwise weights as matrices."""
    matrix = ours.endswith(".pointwise.weight") and tensor.dim() == 2
    return tensor[:, :, None, None] if matrix else tensor


# ---- Keras ---------------------------------------------------------------------------------------


def _of_keras(file: WeightFile, config: Config | None, include_top: bool) -> Renamed:
    """Xception or Inception V3 of a Keras file, by itself or inside another model."""
    tensors = file.parts[""]
    models = keras_models(tensors, file.notes)
    base = keras_base(models)
    origin = origin_of_keras(base)
    about = described(file.model_config)
    layers = [dense for groups in models.values() for dense in _dense_layers(groups, tensors)]
    names = _names_in_keras(file, base, origin, config)
    if about is not None and about.problem and include_top and layers:
        raise ValueError(
            f"its head has {about.problem[:80]}, but must be global average pooling, then fully"
            " connected layers with ReLU: read the base with include_top=False (--no-top)"
        )
    if about is not None and about.unread:
        steps = ", ".join(about.unread[:3])
        log.warning("%s", checks.line(f"its own steps before the network ({steps}) are not read"))
    if include_top:
        read = {key for groups in models.values() for keys in groups.values() for _, key in keys}
    else:  # what stands behind the base, and beside it
        read, layers = set(names.values()), []
    tensors = {key: tensor for key, tensor in tensors.items() if key in read}
    found = Renamed(
        origin=origin, tensors=_move(tensors, names, from_keras), names=names, described=about
    )
    by_name = () if about is None else about.dense
    return _with_head(found, layers, include_top, torch.t, by_name)


def _dense_layers(groups: Groups, tensors: Mapping[str, Tensor]) -> list[Dense]:
    """The fully connected layers among them, by the numbers in their names."""
    layers = []
    for name, weights in groups.items():
        keys = [key for _, key in sorted(weights, key=lambda pair: tensors[pair[1]].dim())]
        shapes = [tuple(tensors[key].shape) for key in keys]
        if len(shapes[-1]) == 2 and shapes[:-1] in ([], [shapes[-1][1:]]):
            ins, outs = shapes[-1]
            layers.append(Dense(name, keys[-1], keys[0] if len(keys) == 2 else None, ins, outs))
    return sorted(layers, key=lambda layer: _natural(layer.weight))


def _natural(name: str) -> list[tuple[str, int]]:
    """A key that sorts dense_2 before dense_10."""
    return [(word, int(number or 0)) for word, number in re.findall(r"(\D+)(\d{0,18})", name)]


def _names_in_keras(
    file: WeightFile, groups: Groups, origin: Origin, config: Config | None
) -> dict[str, str]:
    """For our name of every weight the key in a file of Keras; those of the head are left out."""
    dense = {layer.name for layer in _dense_layers(groups, file.parts[""])}
    groups = {name: weights for name, weights in groups.items() if name not in dense}
    if origin is not INCEPTION_KERAS:
        layers = _xception_layers(config, *keras_layer_counts(groups))
        return keras_names(groups, xception_keras_order(layers, groups))
    layers = _inception_layers(config, aux=False, bn_scale=keras_has_scale(groups))
    # the names of layers that a .weights.h5 notes have numbers of making, its groups those of
    # computing
    numbered_in_groups = any("/vars/" in key for weights in groups.values() for _, key in weights)
    by_making = bool(file.notes) or not numbered_in_groups
    return keras_names(groups, inception_keras_order(layers, by_making))


# ---- both ----------------------------------------------------------------------------------------


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
    tensors: Mapping[str, Tensor],
    names: Mapping[str, str],
    convert: Callable[[Tensor, str], Tensor],
) -> dict[str, Tensor]:
    moved = {
        ours: convert(tensors[theirs], ours) for ours, theirs in names.items() if theirs in tensors
    }
    return moved | {key: tensors[key] for key in tensors.keys() - set(names.values())}
