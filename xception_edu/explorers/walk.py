"""The architecture walk: any network block by block: what it is made of, what it costs, and what
one of its outputs sees of a photograph.
"""

import io
from collections.abc import Sequence
from functools import cache
from math import sqrt

from xception_edu import checks
from xception_edu.costs import Cost
from xception_edu.explorers.engine.readouts import extent
from xception_edu.explorers.engine.scene import Scene
from xception_edu.explorers.engine.scene_explorer import (
    SceneExplorer,
    View,
    as_arguments,
    scene_explorer,
)
from xception_edu.explorers.networks import NETWORKS, Network, Row, network_of
from xception_edu.explorers.photographs import photograph
from xception_edu.explorers.swap_panels import amount
from xception_edu.explorers.walk_panels import (
    Layer,
    Profile,
    Sight,
    draw_block,
    draw_here,
    draw_profile,
    photo_size,
)
from xception_edu.plots.pieces import times

COLUMNS = (
    ("Output", "height×width×channels"),
    ("Parameters", ""),
    ("MACs", "per image"),
    ("Memory", "of activations, float32"),
    ("Receptive field", "pixels"),
)
COLORS = 48  # of the photograph
OPERATORS = {  # torch's names in words; of others the name is shown
    "native_batch_norm": "batch norm",
    "batch_norm": "batch norm",
    "cudnn_batch_norm": "batch norm",
    "native_layer_norm": "layer norm",
    "native_group_norm": "group norm",
    "relu": "ReLU",
    "elu": "ELU",
    "hardtanh": "ReLU6",
    "gelu": "GELU",
    "silu": "SiLU",
    "add": "addition",
    "mul": "multiplication",
    "cat": "concatenation",
    "mean": "global avg pool",
    "_adaptive_avg_pool2d": "adaptive avg pool",
    "addmm": "fully connected",
    "mm": "fully connected",
    "bmm": "matrix product",
    "_softmax": "softmax",
    "_safe_softmax": "softmax",
    "": "did not run",
}
PRODUCTS = ("addmm", "mm", "bmm", "baddbmm")


def walk_explorer(
    module: object = None,
    *,
    input_size: object = None,
    block: int = 1,
    network: str = "xception",
) -> SceneExplorer:
    """A walk through a whole network, block by block, for one image.

    Shows where the block lies among all by map, parameters, MACs and activations; its layers, with
    what passes them by; and what one element of its output sees of a photograph. ValueError for
    wrong arguments.

    Args:
        module: any torch module, whose blocks are its own children, what `traced` gave of one, or
            a config of ours; None: the three networks that `network` chooses from.
        input_size: (channels, height, width), or the pixels of one side; None: the usual size of
            a network of ours, 224 for others.
        block: counts from 1.
        network: "xception", "inception_v3" or "vgg16".
    """
    if module is not None:
        own = network_of(module, input_size)
        given = as_arguments({"module": module, "input_size": input_size})
        walk = {"block": block}
        call = ("walk_explorer", ("block", "Block"))
        return scene_explorer(*call, {}, COLUMNS, lambda: views(own), walk, given)
    if input_size is not None:
        raise checks.wrong("input_size", input_size, "given with a module, and only with one")
    choices = {"network": ("Network", {name: title for name, (title, _) in NETWORKS.items()})}
    state = {"block": block, "network": network}
    return scene_explorer("walk_explorer", ("block", "Block"), choices, COLUMNS, ours, state)


@cache  # pure, and made anew by every explorer
def ours(network: str) -> list[View]:
    """The views of a network of ours, counted by hand."""
    return views(network_of(network))


def views(network: Network) -> list[View]:
    """The views of every block of a network."""
    stages = blocks(network)
    profile = profile_of(stages)
    image = tuple(network["input"][1:])
    still = draw_profile(profile, photo(image), image)
    most, before, found = max(len(rows) for _, rows in stages), network["input"], []
    for at, (name, rows) in enumerate(stages):
        after = _leaves(rows)
        sight = Sight(*_field(rows), image)
        layers = lines(network, rows)
        sizes, sides = (_size(before), _size(after)), (_side(before), _side(after))
        drawn = draw_block(name, layers, sizes, sides, most)
        scenes = (draw_here(still, profile, at, sight), drawn)
        place = (at + 1, len(stages), name)
        found.append(_view(network, place, rows, sizes, scenes, sight, layers))
        before = after
    return found


def _view(
    network: Network,
    place: tuple[int, int, str],
    rows: Sequence[Row],
    sizes: tuple[str, str],
    scenes: Sequence[Scene],
    sight: Sight,
    layers: Sequence[Layer],
) -> View:
    """What is shown at one block: its number, that of all, and its name are its `place`."""
    at, count, name = place
    cost = sum((Cost(**row["cost"]) for row in rows), Cost())
    said = f"{sizes[0]} goes in, {sizes[1]} comes out"
    if network["ran_on"] == "values":
        said += "; the flow depends on values: one path is shown"
    return View(
        stop=at,
        short=f"{at} of {count}",
        title=f"{network['name']}, block {at} of {count}: {name}",
        note=said,
        values=(
            sizes[1],
            f"{cost.params:,}",
            f"{cost.macs:,}",
            amount(cost.activation_bytes(), 2),
            extent(*sight.field[:2]) if sight.field else "–",
        ),
        scenes=scenes,
        alts=(
            f"Bars of the {count} blocks; block {at} is marked. {sight.in_words}",
            f"Layers of block {at}: {', '.join(layer.words for layer in layers)}",
        ),
    )


# ---- what a network has --------------------------------------------------------------------------


def blocks(network: Network) -> list[tuple[str, list[Row]]]:
    """Name and layers of every block; one without a MAC, such as a norm alone, belongs to the
    block before it.
    """
    by_block: dict[int, list[Row]] = {}
    for row in network["layers"]:
        by_block.setdefault(row["block"], []).append(row)
    found: list[tuple[str, list[Row]]] = []
    for place, rows in by_block.items():
        if found and not any(row["cost"]["macs"] for row in rows):
            found[-1][1].extend(rows)
            continue
        name, kind = network["blocks"][place]["name"], network["blocks"][place]["type"]
        found.append((f"{name}, {kind}" if name and kind else name or kind, rows))
    return found


def profile_of(stages: Sequence[tuple[str, list[Row]]]) -> Profile:
    """The numbers of every block, by kind of layer."""
    costs: dict[str, list[dict[str, int]]] = {"params": [], "macs": [], "activation_bytes": []}
    sides = []
    for _, rows in stages:
        sides.append(_side(_leaves(rows)))
        for strip, blocks in costs.items():
            counted: dict[str, int] = {}
            for row in rows:
                value = row["cost"]["activations" if strip == "activation_bytes" else strip]
                value *= 4 if strip == "activation_bytes" else 1
                counted[_kind(row)] = counted.get(_kind(row), 0) + value
            blocks.append(counted)
    most = {"side": f"{max(sides):,}"}
    for strip, blocks in costs.items():
        highest = max(sum(block.values()) for block in blocks)
        most[strip] = amount(highest, 2 if strip == "activation_bytes" else 0)
    return Profile(sides, costs, most)


def lines(network: Network, rows: Sequence[Row]) -> list[Layer]:
    """A block's layers, and which of them each reads."""
    numbers = {id(row): i for i, row in enumerate(network["layers"])}
    here = {numbers[id(row)]: at for at, row in enumerate(rows)}
    found = []
    for row in rows:
        reads = tuple(dict.fromkeys(here.get(source, -1) for source in row["reads"]))
        macs = row["cost"]["macs"]
        found.append(
            Layer(
                words=_words(row),
                kind=_kind(row),
                macs=amount(macs, 1) if macs else "",
                size=_size(row["out"]) if row["out"] else "",
                reads=reads,
                is_sum=row["operator"] == "add" and len(reads) > 1,
            )
        )
    return found


def _leaves(rows: Sequence[Row]) -> Sequence[int]:
    """The map behind the last layer that ran."""
    ran = [row for row in rows if row["operator"]] or rows
    out: Sequence[int] = ran[-1]["out"]
    return out


def _side(shape: Sequence[int]) -> int:
    """The longer side of a map; of tokens in a row that of a square of as many."""
    return round(sqrt(shape[0])) if len(shape) == 2 else max(shape[1:], default=1)


def _size(shape: Sequence[int]) -> str:
    """A map as the paper writes it, height×width×channels."""
    if len(shape) != 3 or tuple(shape[1:]) == (1, 1):
        return (
            f"vector of {shape[0]:,}"
            if len(shape) != 2
            else f"{shape[0]:,} vectors of {shape[1]:,}"
        )
    return extent(*shape[1:], shape[0])


def _field(rows: Sequence[Row]) -> tuple[tuple[int, int, int] | None, str]:
    """The widest field of a block's layers, or None and why."""
    ran = [row for row in rows if row["operator"]]
    lost = next((row["why"] for row in ran if row["field"] is None), None)
    if lost is not None or not ran:
        return None, lost or "what did not run"
    fields = zip(*(row["field"] for row in ran), strict=True)
    height, width, jump = map(max, fields)
    return (height, width, jump), ""


def _kind(row: Row) -> str:
    """The color of a layer's kind."""
    if "conv" in row:
        conv = row["conv"]
        if tuple(conv["kernel"]) == (1, 1):
            return "pointwise"
        return "depthwise" if 1 < conv["in_channels"] == conv["groups"] else "spatial"
    operator = row["operator"]
    if operator in PRODUCTS or "attention" in operator or row["type"] == "Linear":
        return "linear"
    return "pooling" if "pool" in operator or operator == "mean" else "elementwise"


def _words(row: Row) -> str:
    """A layer in two or three words."""
    if "conv" in row:
        conv = row["conv"]
        word = "depthwise" if _kind(row) == "depthwise" else "conv"
        stride = f" /{conv['stride'][0]}" if max(conv["stride"]) > 1 else ""
        ins = conv["in_channels"]
        groups = f", {conv['groups']} segments" if 1 < conv["groups"] < ins else ""
        return f"{times(*conv['kernel'])} {word}{stride}{groups}"
    operator = row["operator"]
    if "window" in row:
        return f"{times(*row['window'])} {'avg' if 'avg' in operator else 'max'} pool"
    if "attention" in operator:
        return "attention"
    return OPERATORS.get(operator, operator.strip("_").replace("_", " "))


# ---- the photograph ------------------------------------------------------------------------------


@cache
def photo(image: tuple[int, int]) -> bytes:
    """Chelsea the cat, as scikit-image ships her, cut to the proportions of the input: a PNG."""
    wide, high = map(round, photo_size(image))
    picture = photograph("chelsea")
    scale = min(picture.width / wide, picture.height / high)
    width, height = wide * scale, high * scale
    left, top = (picture.width - width) / 2 + 20, (picture.height - height) / 2
    left = min(left, picture.width - width)
    cut = picture.resize((wide, high), box=(left, top, left + width, top + height))
    buffer = io.BytesIO()
    cut.quantize(COLORS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
