"""How many calls of torch's operators a function makes, and which of them copy a layout."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from xception_edu import checks
from xception_edu.measure.operators import is_view, macs_of


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
        if not is_view(func) and not name.startswith("empty"):
            self.calls[name] += 1
            self.macs += macs_of(func.overloadpacket, args, kwargs or {}, out)
            results = out if isinstance(out, (tuple, list)) else [out]
            before, after = _layouts(args), _layouts(results[:1])
            if before and after and before != after:
                self.layout_copies.append(name)
        return out


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
