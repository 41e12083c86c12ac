"""Networks for explorers, as plain data: ours counted by hand, a learner's own by machine.

Both are what `measure.traced` writes: `name`, `input`, `layers`, `blocks`, `cost`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from xception_edu import architectures, checks, receptive_field
from xception_edu.architectures import Layers, block_of, branch_of
from xception_edu.configs import InceptionV3Config, VGGConfig, XceptionConfig
from xception_edu.costs import Cost, cost_of, total
from xception_edu.plots.depth_profiles import block_names
from xception_edu.specs import ActivationSpec, AddSpec, ConvSpec, PoolSpec, Shape, Spec, kind

Row = dict[str, Any]
Network = Mapping[str, Any]
IMAGE = -1  # in `reads` of a layer: the image
NETWORKS = {
    "xception": ("Xception", architectures.xception),
    "inception_v3": ("Inception V3", architectures.inception_v3),
    "vgg16": ("VGG-16", architectures.vgg),
}
CONFIGS = (XceptionConfig, InceptionV3Config, VGGConfig)
RIGHT = (
    "a torch.nn.Module, what traced() gave of one, a config of ours, or one of"
    f" {', '.join(map(repr, NETWORKS))}"
)


def network_of(module: object, input_size: object = None) -> Network:
    """A network as plain data; ValueError for what is none.

    `module` is one of ours by name or config, which is counted by hand; or a torch module, which
    `measure.traced` counts; or what that gave.
    """
    if isinstance(module, str):
        checks.one_of("module", module, NETWORKS)
        title, make = NETWORKS[module]
        return by_hand(title, make() if input_size is None else _sized(module, input_size))
    if isinstance(module, CONFIGS):
        return by_hand(type(module).__name__, _of_config(module, input_size))
    if isinstance(module, Mapping):
        return _checked(module)
    if not hasattr(module, "named_modules"):
        raise checks.wrong("module", module, RIGHT)
    # The one road from explorers to torch (pyproject's contract names it), taken only by those who
    # have a module: they have loaded torch.
    from xception_edu.measure import traced

    return traced(module, input_size)  # type: ignore[arg-type]  # it checks the size itself


def _sized(name: str, input_size: object) -> Layers:
    configs = {"xception": XceptionConfig, "inception_v3": InceptionV3Config}
    return _of_config(configs.get(name, VGGConfig)(), input_size)


def _of_config(config: Any, input_size: Any) -> Layers:
    """The layers that a config makes; VGG has its image's size in the config."""
    sides = None if input_size is None else _sides(input_size)
    if isinstance(config, VGGConfig):
        if sides not in (None, (config.input_size, config.input_size)):
            right = f"{config.input_size}, or none: VGG's config has it"
            raise checks.wrong("input_size", input_size, right)
        return architectures.vgg(config)
    make: Any = architectures.xception
    if isinstance(config, InceptionV3Config):
        make = architectures.inception_v3
    layers: Layers = make(config) if sides is None else make(config, sides)
    return layers


def _sides(input_size: object) -> tuple[int, int]:
    """Height and width of an image of one side, or of (channels, height, width)."""
    if not isinstance(input_size, tuple | list):
        side = checks.integer("input_size", input_size)
        return side, side
    if len(input_size) != 3:
        right = "the pixels of a side, or (channels, height, width)"
        raise checks.wrong("input_size", input_size, right)
    height, width = (checks.integer("input_size", side) for side in input_size[1:])
    return height, width


def _checked(network: Network) -> Network:
    """What was counted elsewhere, if it is whole."""
    missing = [key for key in ("name", "input", "layers", "blocks", "cost") if key not in network]
    if missing or not network["layers"]:
        raise ValueError(
            f"module is a dict without {', '.join(missing) or 'layers'}, but must be {RIGHT}"
        )
    return network


# ---- ours, counted by hand -----------------------------------------------------------------------


def by_hand(title: str, layers: Layers) -> Network:
    """A network from `architectures` in the form of a traced one."""
    fields, names = receptive_field.receptive_fields(layers), block_names(layers)
    blocks = list(dict.fromkeys(names))
    rows: list[Row] = []
    ends, module = {"": [IMAGE]}, ""  # the last layer of each branch, and where they are
    for (spec, shape), field, name in zip(layers, fields, names, strict=True):
        if block_of(spec.name) != module:
            module = block_of(spec.name)
            if len(ends) > 1:
                rows.append(_concatenation(rows, ends, list(shape)))
            ends = {"": [len(rows) - 1]}
            start = ends[""]
        row = _row(spec, shape, list(field)) | {"block": blocks.index(name)}
        branch = branch_of(spec.name)
        last = ends.get(branch, start)
        row["reads"] = _sources(rows, row, last)
        if row["reads"] != last:
            ends[f"{branch}, beside"] = last
        if branch and ends.get("") is start:
            del ends[""]  # the module's input goes on in its branches only
        if isinstance(spec, AddSpec):
            row["reads"] = _all(ends) if len(ends) > 1 else [*_all(ends), *start]
            ends = {}
        rows.append(row)
        ends[branch] = [len(rows) - 1]
    named = [{"name": name.replace("stem_", "stem, "), "type": ""} for name in blocks]
    network = {"name": title, "input": list(layers[0][1]), "ran_on": "shapes"}
    return network | {"layers": rows, "blocks": named, "cost": dict(vars(total(layers)))}


def _row(spec: Spec, shape: Shape, field: list[int]) -> Row:
    out = spec.output_shape(shape)
    row = {"name": spec.name, "type": "", "operator": _operator(spec), "why": ""}
    row |= {"out": list(out) if out[1:] != (1, 1) else [out.channels], "field": field}
    row |= {"cost": dict(vars(cost_of(spec, shape)))}
    if isinstance(spec, ConvSpec):
        row["conv"] = _conv(spec, list(shape))
    if isinstance(spec, PoolSpec) and spec.kind != "global_average":
        row["window"] = [spec.kernel_size] * 2
    return row


def _concatenation(rows: Sequence[Row], ends: Mapping[str, Sequence[int]], out: list[int]) -> Row:
    """Where towers come together: free, and a layer in pictures only."""
    sources = _all(ends)
    fields = [rows[i]["field"] for i in sources]
    field = list(map(max, zip(*fields, strict=True)))
    row = {"name": "", "type": "", "operator": "cat", "why": "", "out": out, "field": field}
    return row | {"cost": dict(vars(Cost())), "reads": sources, "block": rows[-1]["block"]}


def _sources(rows: Sequence[Row], row: Row, last: list[int]) -> list[int]:
    """What a layer reads: the last of its branch; but a 1x3 and a 3x1 that end a tower of Inception
    V3 stand side by side.
    """
    if row.get("conv", {}).get("kernel") == [3, 1] and rows[-3]["conv"]["kernel"] == [1, 3]:
        reads: list[int] = rows[-3]["reads"]
        return reads
    return last


OPERATORS = {
    "linear": "addmm",
    "batch norm": "batch_norm",
    "add": "add",
}


def _operator(spec: Spec) -> str:
    """The name that torch has for what the layer does."""
    if isinstance(spec, ConvSpec):
        return "convolution"
    if isinstance(spec, ActivationSpec):
        return spec.kind
    if isinstance(spec, PoolSpec):
        names = {"max": "max_pool2d", "average": "avg_pool2d"}
        return names.get(spec.kind, "mean")
    return OPERATORS[kind(spec)]


def _conv(spec: ConvSpec, shape: list[int]) -> Row:
    found = {"in_channels": spec.in_channels, "out_channels": spec.out_channels, "in": shape}
    found |= {"kernel": list(spec.kernel_size), "stride": list(spec.stride)}  # type: ignore[arg-type]
    found |= {"padding": list(spec.padding), "groups": spec.segments, "bias": spec.bias}  # type: ignore[arg-type]
    return found | {"swappable": kind(spec) == "regular"}


def _all(ends: Mapping[str, Sequence[int]]) -> list[int]:
    return [row for rows in ends.values() for row in rows]
