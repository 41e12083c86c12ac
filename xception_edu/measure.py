"""Counted by machine: the same Cost record as counting by hand, read off a running torch model.

The model runs on torch's meta device, where tensors have shapes and no values, so the largest
network takes no memory. Every operator is seen as it is dispatched; MACs come from torch's own
formulas (torch.utils.flop_counter), halved, since those count a multiply-accumulate as two.
"""

import contextlib
import copy
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from xception_edu import checks
from xception_edu.costs import Cost
from xception_edu.specs import Shape

aten = torch.ops.aten
# What a layer does that multiplies and adds nothing by torch's counting: it makes a feature map out
# of feature maps. Operators that act on every element alone, and those that reduce, are known by
# torch's tags; these are the others. In place they have the same names with a _ at the end.
MAKES_MAPS = re.compile(
    r"_?(native_|fused_|miopen_|cudnn_)?(batch|layer|group|rms)_norm(_legit|_no_training|_backward)*"
    r"|_(safe_|log_)?softmax|_?(adaptive_)?(avg|max)_pool[123]d(_with_indices)?|_?upsample_.*"
    r"|hardswish|_prelu_kernel|glu|celu|selu|cum(sum|prod)|grid_sampler.*|affine_grid.*"
    r"|embedding(_bag)?|native_dropout|rrelu_with_noise|topk|sort|logcumsumexp"
)
# What places or copies a map, or makes one of nothing: no layer of its own.
PLACES_MAPS = re.compile(
    r"cat|stack|clone|_?to_copy|_?copy(_from)?|lift(_fresh)?(_copy)?|as_strided|(constant|reflection|replication)_pad.*"
    r"|_?unsafe_.*|.*_copy|pixel_(un)?shuffle|(native_)?channel_shuffle|roll|flip|repeat.*|rot90"
    r"|_?index(_select|_put|_copy|_fill|_add)?|gather|.*scatter|tri[lu].*|fill|zero|set|resize.*"
    r"|(new_|rand|zeros|ones|full|empty|arange|bernoulli|normal|uniform|scalar_tensor|eye|linspace).*"
    r"|im2col|col2im|nonzero|masked_(select|fill|scatter)|_?local_scalar_dense|_?assert.*"
    r"|(_conj|detach|alias|argsort|one_hot|bucketize|searchsorted|meshgrid).*"
)


class MeasuredLayer(NamedTuple):
    """One layer as the machine saw it, and what it cost for one image.

    `name` is that of the module that ran it, `operator` torch's.
    """

    name: str
    operator: str
    cost: Cost


class OperatorCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Lists what every operator reads, writes and multiplies.

    Each with the innermost module that called it, and with the parameters and buffers that were
    not counted before: the module's own, and those that the operator reads from elsewhere.
    """

    def __init__(self, model: nn.Module):
        super().__init__()  # type: ignore[no-untyped-call]
        self.layers: list[MeasuredLayer] = []
        self.unknown: Counter[str] = Counter()
        self.modules = dict(model.named_modules())
        self.owners: dict[int, str] = {}  # of a storage: the module whose parameter it is
        # Parameters, buffers and what is computed of them alone are no maps. They are kept, since
        # the storage of a tensor that is gone may come back as another's.
        self.constants: dict[int, Tensor] = {}
        self.running = [""]
        for name, module in self.modules.items():
            module.register_forward_pre_hook(self._enter(name), prepend=True)
            module.register_forward_hook(self._leave, always_call=True)
            for tensor in (*module._parameters.values(), *module._buffers.values()):
                if tensor is not None:
                    self.owners.setdefault(_storage(tensor), name)
                    self.constants[_storage(tensor)] = tensor
        self.left = {id(tensor) for tensor in self.constants.values()}

    def _enter(self, name: str) -> Callable[[nn.Module, Any], None]:
        return lambda module, args: self.running.append(name)

    def _leave(self, *_: Any) -> None:
        self.running.pop()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        read = tensors_in((args, kwargs))
        maps = [tensor for tensor in read if _storage(tensor) not in self.constants]
        packet = func.overloadpacket
        if packet in flop_registry or (maps and _makes_maps(func)):
            cost = Cost(macs=_macs(packet, args, kwargs or {}, out))
            if maps:  # what is computed of weights alone writes no map
                written = out[0] if isinstance(out, (tuple, list)) else out
                inputs = sum(tensor.numel() for tensor in maps)
                cost += Cost(inputs=inputs, activations=written.numel())
            cost += self._new_tensors(read)
            operator = packet.__name__.removesuffix("_")
            self.layers.append(MeasuredLayer(self.running[-1], operator, cost))
        elif maps and not _is_view(func) and not _named(PLACES_MAPS, func):
            self.unknown[str(packet)] += 1
        for tensor in tensors_in(out):
            if maps:
                self.constants.pop(_storage(tensor), None)
            else:
                self.constants[_storage(tensor)] = tensor
        return out

    def _new_tensors(self, read: list[Tensor]) -> Cost:
        """Parameters and buffers of the running module and of what is read, each counted once."""
        owners = [self.owners.get(_storage(tensor)) for tensor in read]
        cost = Cost()
        for name in {self.running[-1], *owners} - {None}:
            cost += self.own_tensors(self.modules[name])
        return cost

    def own_tensors(self, module: nn.Module) -> Cost:
        """Parameters and buffers that hang on this module and were not counted before.

        Those of a ParameterList count as its owner's.
        """
        lists = [child for child in module.children() if isinstance(child, nn.ParameterList)]
        params = buffers = 0
        for owner in (module, *lists):
            params += sum(map(self._new_values, owner._parameters.values()))
        for name, buffer in module._buffers.items():
            if name != "num_batches_tracked":  # a counter, not a statistic
                buffers += self._new_values(buffer)
        return Cost(params=params, buffers=buffers)

    def _new_values(self, tensor: Tensor | None) -> int:
        """How many values it has; 0 of a tensor that was counted before."""
        if tensor is None or id(tensor) not in self.left:
            return 0
        self.left.remove(id(tensor))
        return tensor.numel()


def tensors_in(values: Any) -> list[Tensor]:
    """Every tensor in values that may be nested."""
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def _storage(tensor: Tensor) -> int:
    """What views of the same numbers have in common."""
    return tensor.untyped_storage()._cdata if tensor.layout is torch.strided else id(tensor)


def _named(names: re.Pattern[str], func: Any) -> bool:
    return names.fullmatch(func.overloadpacket.__name__.removesuffix("_")) is not None


def _makes_maps(func: Any) -> bool:
    if _is_view(func) or _named(PLACES_MAPS, func):
        return False
    return not {torch.Tag.pointwise, torch.Tag.reduction}.isdisjoint(func.tags) or _named(
        MAKES_MAPS, func
    )


def _is_view(func: Any) -> bool:
    aliases = [result.alias_info for result in func._schema.returns]
    return any(alias is not None and not alias.is_write for alias in aliases)


def measured_layers(
    model: nn.Module, shape: Shape | tuple[int, int, int], *, method: str = "forward"
) -> list[MeasuredLayer]:
    """Every layer of the model in the order of the computation, for one image of `shape`.

    The model is in inference form, and left as it was; `shape` is (channels, height, width). The
    blocks of one SegmentedConv2d are one layer. `method` is what to run, such as
    "forward_with_aux" of InceptionV3; what it does not run is not counted. A warning names the
    operators whose work is not known: they are counted as 0.
    """
    return _merged(_run(model, shape, method).layers)


def _merged(measured: list[MeasuredLayer]) -> list[MeasuredLayer]:
    """The layers, of which those that follow one another in the same module are one."""
    layers: list[MeasuredLayer] = []
    for name, operator, cost in measured:
        if layers and layers[-1][:2] == (name, operator):
            cost += layers.pop().cost
        layers.append(MeasuredLayer(name, operator, cost))
    return layers


def _run(model: nn.Module, shape: Shape | tuple[int, int, int], method: str) -> OperatorCounter:
    """What the operators of a copy of the model, without values, did on one image."""
    shadow = without_values(unwrapped(model)).eval()
    counter = OperatorCounter(shadow)
    # called through the module, so that the counter sees it enter
    shadow.forward = _method(shadow, method)
    with torch.no_grad(), torch.device("meta"), _taken(shape):
        image = _image(shadow, shape)
        with counter:
            shadow(image)
    if counter.unknown:
        names = ", ".join(counter.unknown)
        warnings.warn(f"operators that are not known are counted as 0: {names}", stacklevel=4)
    return counter


def unwrapped(model: nn.Module) -> nn.Module:
    """The model without what torch.compile and DataParallel put around it."""
    checks.instance("model", model, nn.Module, "a torch.nn.Module")
    while isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
        model = inner
    if isinstance(model, nn.DataParallel):
        model = model.module
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError("model is a program of TorchScript, but must be the module that it is of")
    return model


def _method(model: nn.Module, name: str) -> Any:
    """The model's method of that name; ValueError where it has none."""
    method = getattr(model, checks.text("method", name), None)
    if not callable(method):
        raise checks.wrong("method", name, "a method of the model, such as 'forward'")
    return method


@contextlib.contextmanager
def _taken(shape: object) -> Iterator[None]:
    """What torch says inside of an image that does not fit, or of a model that looks at its values,
    becomes a ValueError.
    """
    try:
        yield
    except (RuntimeError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise checks.wrong("shape", shape, f"one that the model takes: {reason}") from error


def _image(model: nn.Module, shape: Shape | tuple[int, int, int]) -> Tensor:
    """One image without values, of the dtype of the model's first weight."""
    weights = [p for p in model.parameters() if p.is_floating_point() or p.is_complex()]
    dtype = weights[0].dtype if weights else torch.float32
    return torch.empty(1, *Shape.of(shape), device="meta", dtype=dtype)


def without_values(model: nn.Module) -> nn.Module:
    """A copy on the meta device, whose tensors are shared as the model's are."""
    memo: dict[int, Any] = {}
    for tensor in _all_tensors(model):
        if nn.parameter.is_lazy(tensor):
            raise ValueError("model has parameters without a shape: run it on one image before")
        twin = torch.empty_like(tensor, device="meta", requires_grad=False)
        if isinstance(tensor, nn.Parameter):
            twin = nn.Parameter(twin, requires_grad=tensor.requires_grad)
        memo[id(tensor)] = twin
    return copy.deepcopy(model, memo)


def _all_tensors(model: nn.Module) -> Iterator[Tensor]:
    """Parameters, buffers, and tensors that are merely attributes."""
    for module in model.modules():
        for values in (module._parameters, module._buffers, vars(module)):
            yield from (value for value in values.values() if isinstance(value, Tensor))


def measured_cost(model: nn.Module, shape: Shape | tuple[int, int, int]) -> Cost:
    """Cost of the whole model for one image of `shape`, (channels, height, width).

    It is the sum of its measured layers, and of the parameters and buffers of what did not run.
    Whatever torch's own counter counts is counted, of any dtype. A warning names the operators
    whose work is not known: they are counted as 0.
    """
    counter = _run(model, shape, "forward")
    cost = sum((layer.cost for layer in counter.layers), Cost())
    return sum((counter.own_tensors(module) for module in counter.modules.values()), cost)


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
    checks.function("function", function)
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
        name = func.overloadpacket.__name__
        if not _is_view(func) and not name.startswith("empty"):
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
    checks.instance("model", model, nn.Module, "a torch.nn.Module")
    shadow = without_values(model).eval()
    stages: list[tuple[str, Shape]] = []
    for name, stage in stages_of(shadow).items():
        stage.register_forward_hook(_recorder(stages, name))
    with torch.no_grad(), _taken(shape):
        shadow(_image(shadow, shape))
    return stages


def stages_of(model: nn.Module) -> dict[str, nn.Module]:
    """The model's direct children by name, those of an nn.Sequential one by one."""
    stages: dict[str, nn.Module] = {}
    for name, child in model.named_children():
        if isinstance(child, nn.Sequential):
            stages |= {f"{name}.{part}": stage for part, stage in child.named_children()}
        else:
            stages[name] = child
    return stages


def _recorder(stages: list[tuple[str, Shape]], name: str) -> Any:
    """A hook that notes the output's shape under `name`."""
    return lambda module, args, out: stages.append(
        (name, Shape(*out.shape[1:], *(1,) * (4 - out.dim())))
    )
