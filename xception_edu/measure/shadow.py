"""A model's shadow: a copy on torch's meta device, where tensors have shapes and no values, so that
the largest network takes no memory; and the image that runs through it.
"""

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from xception_edu import checks
from xception_edu.specs import Shape


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


def method_of(model: nn.Module, name: str) -> Any:
    """The model's method of that name; ValueError where it has none."""
    method = getattr(model, checks.text("method", name), None)
    if not callable(method):
        raise checks.wrong("method", name, "a method of the model, such as 'forward'")
    return method


@contextlib.contextmanager
def taken(shape: object) -> Iterator[None]:
    """What torch says inside of an image that does not fit, or of a model that looks at its values,
    becomes a ValueError.
    """
    try:
        yield
    except (RuntimeError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise checks.wrong("shape", shape, f"one that the model takes: {reason}") from error


def image_of(model: nn.Module, shape: Shape | tuple[int, int, int]) -> Tensor:
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
