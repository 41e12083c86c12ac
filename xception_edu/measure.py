"""Counted by machine: the same Cost record as counting by hand, read off a running torch model.

The model runs on torch's meta device, where tensors have shapes and no values, so the largest
network takes no memory. Every operator is seen as it is dispatched; MACs come from torch's own
formulas (torch.utils.flop_counter), halved, since those count a multiply-accumulate as two.
"""

import copy
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from torch.utils.module_tracker import ModuleTracker

from xception_edu.costs import Cost
from xception_edu.specs import Shape

aten = torch.ops.aten
# The operators that make a feature map out of feature maps: how many of their first arguments are
# maps. Reshaping, splitting, padding and concatenation place a map and make none.
MAP_ARGUMENTS = {
    aten.convolution: 1,
    aten.native_batch_norm: 1,
    aten._native_batch_norm_legit: 1,
    aten._native_batch_norm_legit_no_training: 1,
    aten.relu: 1,
    # in place it costs the same here: a layer's output is counted, not where it lies
    aten.relu_: 1,
    aten.elu: 1,
    aten.max_pool2d_with_indices: 1,
    aten.avg_pool2d: 1,
    aten.mean: 1,
    aten.mm: 1,
    aten.add: 2,
}
LINEAR = aten.addmm  # (bias, input, weight)


class MeasuredLayer(NamedTuple):
    """One layer as the machine saw it, and what it cost for one image.

    `name` is that of the module that ran it, `operator` torch's.
    """

    name: str
    operator: str
    cost: Cost


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Lists what every operator reads, writes and multiplies.

    Each with the innermost module that called it.
    """

    def __init__(self, tracker: ModuleTracker):
        super().__init__()  # type: ignore[no-untyped-call]
        self.tracker = tracker
        self.layers: list[MeasuredLayer] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        if packet is LINEAR or packet in MAP_ARGUMENTS:
            maps = args[1:2] if packet is LINEAR else args[: MAP_ARGUMENTS[packet]]
            written = out[0] if isinstance(out, tuple) else out
            macs = _macs(packet, args, kwargs or {}, out)
            cost = Cost(macs=macs, inputs=sum(m.numel() for m in maps), activations=written.numel())
            # Names nest, so the longest is the innermost; "Global" is the tracker's word for the
            # world around the model.
            module = max(self.tracker.parents - {"Global"}, key=len)
            operator = packet.__name__.removesuffix("_")
            self.layers.append(MeasuredLayer(module, operator, cost))
        return out


def measured_layers(
    model: nn.Module, shape: Shape | tuple[int, int, int], *, method: str = "forward"
) -> list[MeasuredLayer]:
    """Every layer of the model in the order of the computation, for one image of `shape`.

    The model is in inference form, and left as it was; `shape` is (channels, height, width). The
    blocks of one SegmentedConv2d are one layer. `method` is what to run, such as
    "forward_with_aux" of InceptionV3; what it does not run is not counted.
    """
    shadow, counter = _run(model, shape, method)
    unseen = dict(shadow.named_modules())
    layers: list[MeasuredLayer] = []
    for tracked, operator, cost in counter.layers:
        name = _own_name(shadow, tracked)
        # a module's parameters are counted with its first operator, however often it runs
        if name in unseen:
            cost += _own_tensors(unseen.pop(name))
        # the next block of the same segmented convolution
        if layers and layers[-1][:2] == (name, operator):
            cost += layers.pop().cost
        layers.append(MeasuredLayer(name, operator, cost))
    return layers


def _run(
    model: nn.Module, shape: Shape | tuple[int, int, int], method: str
) -> tuple[nn.Module, _Counter]:
    """A copy of the model without values, and what its operators did on one image."""
    shadow = copy.deepcopy(model).to("meta").eval()
    # called through the module, so that the tracker sees it enter
    shadow.forward = getattr(shadow, method)
    with torch.no_grad(), ModuleTracker() as tracker, _Counter(tracker) as counter:
        shadow(torch.empty(1, *Shape.of(shape), device="meta"))
    return shadow, counter


def _own_name(model: nn.Module, tracked: str) -> str:
    return tracked.removeprefix(type(model).__name__).removeprefix(".")


def _own_tensors(module: nn.Module) -> Cost:
    """Parameters and buffers that hang on this module.

    Those of a ParameterList count as its owner's.
    """
    lists = [child for child in module.children() if isinstance(child, nn.ParameterList)]
    params = buffers = 0
    for owner in (module, *lists):
        trained = [p for p in owner.parameters(recurse=False) if p.requires_grad]
        params += sum(p.numel() for p in trained)
    for name, buffer in module.named_buffers(recurse=False):
        if name != "num_batches_tracked":  # a counter, not a statistic
            buffers += buffer.numel()
    return Cost(params=params, buffers=buffers)


def measured_cost(model: nn.Module, shape: Shape | tuple[int, int, int]) -> Cost:
    """Cost of the whole model for one image of `shape`, (channels, height, width).

    It is the sum of its measured layers.
    """
    return sum((layer.cost for layer in measured_layers(model, shape)), Cost())


class OperatorCalls(NamedTuple):
    """What a function asked of torch.

    Calls of each operator, their MACs, and those that returned a map in another layout.
    """

    calls: Counter[str]
    macs: int
    layout_copies: list[str]


def operator_calls(function: Callable[[], object]) -> OperatorCalls:
    """Count the operators that `function` runs, backward passes included.

    Views and empty tensors cost nothing and are not counted.

    Layouts are NCHW and channels_last: an operator that takes a map in one and returns it in the
    other has copied it. The counts are the same on every machine, and on the meta device without
    work, where a time would not be.
    """
    with _Calls() as counter:
        function()
    return OperatorCalls(counter.calls, counter.macs, counter.layout_copies)


class _Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: Counter[str] = Counter()
        self.macs = 0
        self.layout_copies: list[str] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        is_view = any(
            r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns
        )
        name = func.overloadpacket.__name__
        if not is_view and not name.startswith("empty"):
            self.calls[name] += 1
            self.macs += _macs(func.overloadpacket, args, kwargs or {}, out)
            results = out if isinstance(out, (tuple, list)) else [out]
            before, after = _layouts(args), _layouts(results[:1])
            if before and after and before != after:
                self.layout_copies.append(name)
        return out


def _macs(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int:
    """MACs of one call: torch's count, halved.

    Each gradient of a convolution, for map or weight, costs what it does itself.

    torch (2.13) counts the weight's gradient as if groups were 1, for a depthwise convolution too
    many by a factor of channels.
    """
    if operator is aten.convolution_backward:
        gradient, _, weight, *_, wanted = args
        return int(sum(wanted[:2]) * gradient.numel() * weight[0].numel())
    if operator not in flop_registry:
        return 0
    return int(flop_registry[operator](*args, **kwargs, out_val=out)) // 2


def _layouts(values: Iterable[Any]) -> set[str]:
    """The layouts of the maps among the values."""
    return {layout for layout in map(_layout, values) if layout}


def _layout(x: Any) -> str | None:
    """The layout of a map; None for what is no map.

    None too where the two layouts are one: of one channel or one position.
    """
    if not isinstance(x, torch.Tensor) or x.dim() != 4:
        return None
    is_nchw = x.is_contiguous()
    if is_nchw == x.is_contiguous(memory_format=torch.channels_last):
        return None
    return "nchw" if is_nchw else "channels_last"


def stage_shapes(model: nn.Module, shape: Shape | tuple[int, int, int]) -> list[tuple[str, Shape]]:
    """Name and output shape of every stage that runs, in order, for one image of `shape`.

    `shape` is (channels, height, width).

    Stages are the model's direct children; an nn.Sequential's children count one by one. On the
    meta device, so without work; the model is left as it was. A vector of n features is (n, 1, 1).
    """
    shadow = copy.deepcopy(model).to("meta").eval()
    stages: list[tuple[str, Shape]] = []
    for name, child in shadow.named_children():
        parts = child.named_children() if isinstance(child, nn.Sequential) else [("", child)]
        for part, stage in parts:
            stage.register_forward_hook(_recorder(stages, f"{name}.{part}".rstrip(".")))
    with torch.no_grad():
        shadow(torch.empty(1, *Shape.of(shape), device="meta"))
    return stages


def _recorder(stages: list[tuple[str, Shape]], name: str) -> Any:
    """A hook that notes the output's shape under `name`."""
    return lambda module, args, out: stages.append(
        (name, Shape(*out.shape[1:], *(1,) * (4 - out.dim())))
    )
