"""Every operator of a running model, as torch dispatches it: what it reads, writes and multiplies.

MACs come from torch's own formulas (torch.utils.flop_counter), halved, since those count a
multiply-accumulate as two.
"""

import re
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from xception_edu.costs import Cost

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
            cost = Cost(macs=macs_of(packet, args, kwargs or {}, out))
            if maps:  # what is computed of weights alone writes no map
                written = out[0] if isinstance(out, (tuple, list)) else out
                inputs = sum(tensor.numel() for tensor in maps)
                cost += Cost(inputs=inputs, activations=written.numel())
            cost += self._new_tensors(read)
            operator = packet.__name__.removesuffix("_")
            self.layers.append(MeasuredLayer(self.running[-1], operator, cost))
        elif maps and not is_view(func) and not _named(PLACES_MAPS, func):
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

    def warn_of_unknown(self, stacklevel: int) -> None:
        """Name the operators whose work is not known, in a warning; it points at the frame that
        many levels up, 1 being the one that calls this.
        """
        if self.unknown:
            names = ", ".join(self.unknown)
            warnings.warn(
                f"operators that are not known are counted as 0: {names}",
                stacklevel=stacklevel + 1,
            )

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
    if is_view(func) or _named(PLACES_MAPS, func):
        return False
    return not {torch.Tag.pointwise, torch.Tag.reduction}.isdisjoint(func.tags) or _named(
        MAKES_MAPS, func
    )


def is_view(func: Any) -> bool:
    """Whether an operator returns the numbers that it was given, in another shape."""
    aliases = [result.alias_info for result in func._schema.returns]
    return any(alias is not None and not alias.is_write for alias in aliases)


def macs_of(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int:
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
