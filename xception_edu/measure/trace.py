"""Follows one image through a module: every layer with the module that ran it, the layers whose
maps it read, its costs, and what an element of its map depends on.

The layers and costs are those of `operators`; here they are a graph, as plain data for pictures.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from xception_edu import checks
from xception_edu.costs import Cost
from xception_edu.equivalence import is_swappable
from xception_edu.measure.operators import MeasuredLayer, OperatorCounter, tensors_in
from xception_edu.measure.positions import Seen, after, image_seen
from xception_edu.measure.shadow import image_of, unwrapped, without_values
from xception_edu.measure.stages import stages
from xception_edu.specs import Shape

Row = dict[str, Any]
IMAGE = -1  # in `reads`: the image itself
USUAL = 224  # pixels a side, where nothing is said


class _Tracer(OperatorCounter):  # type: ignore[no-untyped-call]
    """Counts as its base does, and follows every map to the layer that wrote it."""

    def __init__(self, model: nn.Module):
        super().__init__(model)
        self.model = model
        self.rows: list[Row] = []
        # by a tensor's identity: the tensor, which keeps its identity taken, and what it is
        self.maps: dict[int, tuple[Tensor, tuple[int, ...], Seen]] = {}

    def begin(self, image: Tensor) -> None:
        """Follow the image from here."""
        self.maps[id(image)] = image, (IMAGE,), image_seen(image)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        read = [self.maps[id(t)] for t in tensors_in((args, kwargs)) if id(t) in self.maps]
        count = len(self.layers)
        out = super().__torch_dispatch__(func, types, args, kwargs)
        made = [tensor for tensor in tensors_in(out) if tensor.dim()]
        if not read or not made:
            return out
        operator = func.overloadpacket.__name__.removesuffix("_")
        seen = after(operator, args, [(tensor, seen) for tensor, _, seen in read], out)
        sources = tuple(dict.fromkeys(row for _, rows, _ in read for row in rows))
        if len(self.layers) > count:
            sources = (self._row(self.layers[-1], sources, seen, func, args, made[0]),)
        elif operator == "cat" and len(sources) > 1:
            layer = MeasuredLayer(self.running[-1], operator, Cost())
            sources = (self._row(layer, sources, seen, func, args, made[0]),)
        elif operator == "cat":  # of the parts of one layer, whose map is whole now
            self._widen(sources[0], made[0])
        for tensor in made:
            self.maps[id(tensor)] = tensor, sources, seen
        return out

    def _row(
        self,
        layer: MeasuredLayer,
        sources: tuple[int, ...],
        seen: Seen,
        func: Any,
        args: tuple[Any, ...],
        out: Tensor,
    ) -> int:
        """Add a layer; what follows of the same module and operator is part of it."""
        last = self.rows[-1] if self.rows else {}
        costs = vars(layer.cost)
        if (last.get("name"), last.get("operator")) == layer[:2]:
            for name, value in costs.items():
                last["cost"][name] += value
            last["out"], last["why"] = _shape(out, seen), seen.why
            last["field"] = None if seen.field is None else list(seen.field)
            own = len(self.rows) - 1
            last["reads"] += [s for s in sources if s not in (*last["reads"], own)]
            return own
        field = None if seen.field is None else list(seen.field)
        row: Row = {"name": layer.name, "type": type(self.modules[layer.name]).__name__}
        row |= {"operator": layer.operator, "reads": list(sources), "out": _shape(out, seen)}
        row |= {"cost": dict(costs), "field": field, "why": seen.why}
        self.rows.append(row | _geometry(layer.operator, args, self.modules[layer.name]))
        return len(self.rows) - 1

    def _widen(self, row: int, out: Tensor) -> None:
        if row != IMAGE:
            self.rows[row]["out"] = list(out.shape[1:])


def _shape(out: Tensor, seen: Seen) -> list[int]:
    """A map's shape without the batch, the channels first wherever they lie in memory."""
    shape = list(out.shape[1:])
    return [shape[2], *shape[:2]] if out.dim() == 4 and seen.axes == (1, 2) else shape


def _geometry(operator: str, args: tuple[Any, ...], module: nn.Module) -> Row:
    """The window of a convolution or of a pooling."""
    if operator == "convolution":
        weight, stride, padding, groups = args[1], args[3], args[4], args[8]
        if module is not None and hasattr(module, "segments"):  # ours computes it in blocks
            return _of_module(module, list(args[0].shape[1:]))
        out, ins = (weight.shape[1], weight.shape[0]) if args[6] else weight.shape[:2]
        conv = {"in_channels": ins if args[6] else ins * groups, "out_channels": out}
        conv |= {"kernel": list(weight.shape[2:]), "stride": list(stride), "groups": groups}
        conv |= {"padding": list(padding), "bias": args[2] is not None}
        conv |= {"in": list(args[0].shape[1:]), "swappable": is_swappable(module)}
        return {"conv": conv}
    if "pool" in operator and "adaptive" not in operator:
        window = [args[1]] if isinstance(args[1], int) else list(args[1])
        return {"window": [window[0], window[-1]]}
    return {}


def _of_module(module: nn.Module, shape: list[int]) -> Row:
    """The same of a convolution's own arguments."""
    conv: Any = module
    sides = {"kernel": conv.kernel_size, "stride": conv.stride, "padding": conv.padding}
    pairs = {name: [v, v] if isinstance(v, int) else list(v) for name, v in sides.items()}
    groups = getattr(conv, "segments", getattr(conv, "groups", 1))
    found = {"in_channels": conv.in_channels, "out_channels": conv.out_channels, "groups": groups}
    found |= pairs | {"bias": conv.bias is not None, "in": [conv.in_channels, *shape[1:]]}
    return {"conv": found | {"swappable": is_swappable(module)}}


def traced(module: nn.Module, input_size: int | tuple[int, int, int] | Shape | None = None) -> Row:
    """What the module does with one image, as plain data that JSON can hold; the module stays.

    A dict with `name`, `input` (channels, height, width), `layers`, `blocks`, `cost` of the whole,
    and `ran_on`: "shapes", or "values" where the flow depends on values, so that a random image
    had to be run. A layer has its module's `name` and `type`, torch's `operator`, the layers whose
    maps it `reads` (-1 is the image), the map that comes `out`, its `cost`, its `block`, and the
    receptive `field` (height, width, jump), or None and `why`. Layers that did not run come last,
    with operator "" and nothing but parameters.

    `input_size` is (channels, height, width), or the pixels of one side; None: 224.
    """
    checks.instance("module", module, nn.Module, "a torch.nn.Module")
    model = unwrapped(module)
    shape = input_shape(model, input_size)
    tracer, ran_on = _run(model, shape)
    tracer.warn_of_unknown(stacklevel=2)
    rows = tracer.rows + _not_run(tracer)
    blocks, places = stages(tracer.model, [row["name"] for row in rows])
    for row, place in zip(rows, places, strict=True):
        row["block"] = place
    cost: dict[str, int] = dict(vars(sum((Cost(**row["cost"]) for row in rows), Cost())))
    network = {"name": type(model).__name__, "input": list(shape), "ran_on": ran_on}
    return network | {"layers": rows, "blocks": blocks, "cost": cost}


def input_shape(model: nn.Module, input_size: object) -> Shape:
    """The image's shape; a single side goes with the channels of the first convolution."""
    if input_size is None or isinstance(input_size, int):
        side = checks.integer("input_size", USUAL if input_size is None else input_size)
        first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
        return Shape(3 if first is None else first.in_channels, side, side)
    right = "the pixels of a side, or (channels, height, width)"
    if not isinstance(input_size, (tuple, list)) or len(input_size) != 3:
        raise checks.wrong("input_size", input_size, right)
    return Shape.of(input_size)


def _run(model: nn.Module, shape: Shape) -> tuple[_Tracer, str]:
    """Follow an image without values; with random ones where the module asks for values."""
    try:
        shadow = without_values(model).eval()
        return _followed(shadow, image_of(shadow, shape)), "shapes"
    except Exception as error:
        if "meta" not in str(error).lower():
            raise _refused(shape, error) from error
    try:
        shadow = copy.deepcopy(model).eval().cpu()
        dtype = image_of(shadow, shape).dtype
        values = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
        return _followed(shadow, values.to(dtype)), "values"
    except Exception as error:
        raise _refused(shape, error) from error


def _refused(shape: Shape, error: BaseException) -> ValueError:
    reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return checks.wrong("input_size", tuple(shape), f"one that the module takes: {reason}")


def _followed(shadow: nn.Module, image: Tensor) -> _Tracer:
    tracer = _Tracer(shadow)
    with torch.no_grad(), torch.device(image.device):
        tracer.begin(image)
        with tracer:
            shadow(image)
    return tracer


def _not_run(tracer: _Tracer) -> list[Row]:
    """Modules with parameters that the image did not pass: auxiliary classifiers and their like."""
    rows = []
    for name, module in tracer.modules.items():
        cost = tracer.own_tensors(module)
        if cost == Cost():
            continue
        row = {"name": name, "type": type(module).__name__, "operator": "", "reads": []}
        row |= {"out": [], "cost": dict(vars(cost)), "field": None, "why": "it did not run"}
        conv = {}
        if isinstance(module, nn.Conv2d):  # of a map that is as large as its kernel
            conv = _of_module(module, [0, *module.kernel_size])
        rows.append(row | conv)
    return rows
