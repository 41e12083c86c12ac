"""What a torch model is, read off a run as the list of specs that `architectures` would write."""

from dataclasses import replace

import torch

from xception_edu import measure
from xception_edu.measure.shadow import image_of
from xception_edu.specs import (
    ActivationSpec,
    AddSpec,
    BatchNormSpec,
    ConvSpec,
    LinearSpec,
    PoolSpec,
    Shape,
)


class SpecCounter(measure.OperatorCounter):
    """The counter of `measure`, which also notes the spec and the input shape of every layer."""

    def __init__(self, model):
        super().__init__(model)
        self.specs = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        before = len(self.layers)
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if len(self.layers) > before:
            x = args[1] if func.overloadpacket is torch.ops.aten.addmm else args[0]
            shape = Shape(*x.shape[1:], *(1,) * (4 - x.dim()))
            self.specs.append((spec_of(self.layers[-1].operator, args), shape))
        return out


def measured_specs(model, shape):
    """`(spec, input shape)` pairs of a run on one image of `shape`; names are modules' paths.

    Each block of a SegmentedConv2d is a convolution of its own, so it comes back as one where its
    segments divide its channels.
    """
    shadow = measure.without_values(model).eval()
    image = image_of(shadow, shape)
    with torch.no_grad(), SpecCounter(shadow) as counter:
        shadow(image)
    names = [layer.name for layer in counter.layers]
    return [
        (replace(spec, name=name), at)
        for name, (spec, at) in zip(names, counter.specs, strict=True)
    ]


def spec_of(operator, args):
    """The spec of an operator that `measure` counts, from the arguments that it was called with."""
    if operator == "convolution":
        x, weight, bias, stride, padding, *_, groups = args
        return ConvSpec(
            x.shape[1],
            len(weight),
            tuple(weight.shape[2:]),
            segments=groups,
            bias=bias is not None,
            stride=tuple(stride),
            padding=tuple(padding),
        )
    if "batch_norm" in operator:
        return BatchNormSpec(args[0].shape[1], scale=args[1] is not None)
    if "pool2d" in operator:
        _, kernel, stride, padding, *more = (*args, [0])[: max(4, len(args))]
        kind = "max" if operator.startswith("max") else "average"
        # ceil_mode, as `xception.max_pool` has it
        over_the_end = kind == "max" and more[-1:] == [True]
        padding = "tensorflow" if over_the_end else padding[0]
        return PoolSpec(kind, kernel[0], stride=stride[0], padding=padding)
    if operator in ("addmm", "mm"):
        return LinearSpec(args[-1].shape[0], args[-1].shape[1], bias=operator == "addmm")
    if operator in ("relu", "elu"):
        return ActivationSpec(operator)
    return AddSpec() if operator == "add" else PoolSpec("global_average")
