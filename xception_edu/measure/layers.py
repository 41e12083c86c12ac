"""Costs counted by machine: of every layer of a model, and of the whole, for one image."""

import torch
from torch import nn

from xception_edu.costs import Cost
from xception_edu.measure.operators import MeasuredLayer, OperatorCounter
from xception_edu.measure.shadow import image_of, method_of, taken, unwrapped, without_values
from xception_edu.specs import Shape


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
    shadow.forward = method_of(shadow, method)
    with torch.no_grad(), torch.device("meta"), taken(shape):
        image = image_of(shadow, shape)
        with counter:
            shadow(image)
    counter.warn_of_unknown(stacklevel=3)  # where the public function was called
    return counter


def measured_cost(model: nn.Module, shape: Shape | tuple[int, int, int]) -> Cost:
    """Cost of the whole model for one image of `shape`, (channels, height, width).

    It is the sum of its measured layers, and of the parameters and buffers of what did not run.
    Whatever torch's own counter counts is counted, of any dtype. A warning names the operators
    whose work is not known: they are counted as 0.
    """
    counter = _run(model, shape, "forward")
    cost = sum((layer.cost for layer in counter.layers), Cost())
    return sum((counter.own_tensors(module) for module in counter.modules.values()), cost)
