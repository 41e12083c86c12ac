"""The classifier at a network's end, under whatever names: fully connected layers in a row."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

MOST = 8  # fully connected layers; more are no head


class Dense(NamedTuple):
    """A fully connected layer of a file: its weight's and its bias's key, and its widths."""

    name: str
    weight: str
    bias: str | None
    in_features: int
    out_features: int


def in_a_row(layers: Sequence[Dense], in_features: int) -> list[list[Dense]]:
    """The orders in which all of the layers follow one another; at most two of them.

    The first reads `in_features`, each of the others what the one before writes.
    """
    if not 0 < len(layers) <= MOST:
        return []
    orders = _orders(list(layers), in_features)
    return [order for order, _ in zip(orders, range(2), strict=False)]


def _orders(layers: list[Dense], in_features: int) -> Iterator[list[Dense]]:
    if not layers:
        yield []
    for i, layer in enumerate(layers):
        if layer.in_features == in_features:
            for rest in _orders(layers[:i] + layers[i + 1 :], layer.out_features):
                yield [layer, *rest]


def dense_of_torch(tensors: Mapping[str, Tensor], keys: Sequence[str]) -> list[Dense]:
    """The fully connected layers among the keys, in their order."""
    layers = []
    for key in keys:
        name, _, last = key.rpartition(".")
        if last != "weight" or tensors[key].dim() != 2:
            continue
        bias = f"{name}.bias" if f"{name}.bias" in keys else None
        outs, ins = tensors[key].shape
        layers.append(Dense(name, key, bias, ins, outs))
    return layers


def has_room_for_activations(layers: Sequence[Dense]) -> bool:
    """Whether something stands between layers that are numbered in an nn.Sequential."""
    places = [layer.name.rpartition(".") for layer in layers]
    for (parent, _, number), (other, _, following) in itertools.pairwise(places):
        in_one = parent == other and number.isdecimal() and following.isdecimal()
        if in_one and int(following) - int(number) < 2:
            return False
    return True


def names_of(layers: Sequence[Dense]) -> dict[str, str]:
    """Our names of the weights and biases of a head, and the file's."""
    names = {}
    for i, layer in enumerate(layers):
        ours = f"fc.{2 * i}" if i < len(layers) - 1 else "classifier"
        names[f"{ours}.weight"] = layer.weight
        if layer.bias is not None:
            names[f"{ours}.bias"] = layer.bias
    return names
