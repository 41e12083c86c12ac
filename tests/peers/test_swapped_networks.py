"""torchvision's networks with their regular convolutions in segments cost what is counted by hand:
what is built, and measured, is what the specs say.
"""

import pytest
import torch
from torch import nn

from experiments.peers import define_torchvision_operators
from xception_edu.costs import Cost, cost_of
from xception_edu.equivalence import swapped
from xception_edu.measure import measured_cost
from xception_edu.specs import ConvSpec, Shape

IMAGE = (3, 224, 224)
# how many regular k x k convolutions each has: those that are swapped
REGULAR = {"resnet18": 17, "vgg16": 13, "convnext_tiny": 4, "mobilenet_v2": 1}
SWAPS = {
    "depthwise": {},
    "4 segments": {"segments": 4},
    "5 segments": {"segments": 5},
    "without a 1x1": {"segments": 4, "pointwise": False},
    "3 kernels a channel": {"multiplier": 3},
    "1x1 first": {"order": "pointwise_first"},
}


@pytest.fixture(scope="module", params=REGULAR)
def network(request):
    """A network of torchvision's without values, its regular convolutions, and its cost."""
    define_torchvision_operators()
    from torchvision import models

    with torch.device("meta"):
        model = getattr(models, request.param)().eval()
    layers = []
    hooks = [
        conv.register_forward_hook(lambda conv, args, _: layers.append((conv, args[0].shape[1:])))
        for conv in model.modules()
        if isinstance(conv, nn.Conv2d) and conv.groups == 1 and conv.kernel_size != (1, 1)
    ]
    model(torch.empty(1, *IMAGE, device="meta"))
    for hook in hooks:
        hook.remove()
    assert len(layers) == REGULAR[request.param]
    return model, layers, counts(measured_cost(model, IMAGE))


def window(conv):
    return {"kernel_size": conv.kernel_size, "stride": conv.stride, "padding": conv.padding}


def specs(conv, segments=None, pointwise=True, multiplier=1, order="spatial_first"):
    """The layers that a regular convolution becomes, written anew."""
    ins, outs, bias = conv.in_channels, conv.out_channels, conv.bias is not None
    if not pointwise:
        count = min(segments, ins, outs)
        return [ConvSpec(ins, outs, segments=count, bias=bias, **window(conv))]
    if order == "pointwise_first":
        spatial = ConvSpec(outs, outs, segments=segments or outs, bias=bias, **window(conv))
        return [ConvSpec(ins, outs, 1), spatial]
    middle = ins * multiplier
    count = min(segments or ins, ins)
    spatial = ConvSpec(ins, middle, segments=count, **window(conv))
    return [spatial, ConvSpec(middle, outs, 1, bias=bias)]


def by_hand(specs, shape):
    cost = Cost()
    for spec in specs:
        cost += cost_of(spec, shape)
        shape = spec.output_shape(shape)
    return cost


def counts(cost):
    return cost.params, cost.macs, cost.activations, cost.inputs


@pytest.mark.parametrize("swap", SWAPS)
def test_what_is_built_costs_what_is_counted(network, swap):
    model, layers, whole = network
    before, after = Cost(), Cost()
    for conv, shape in layers:
        regular = ConvSpec(
            conv.in_channels, conv.out_channels, bias=conv.bias is not None, **window(conv)
        )
        before += by_hand([regular], Shape(*shape))
        after += by_hand(specs(conv, **SWAPS[swap]), Shape(*shape))
    with torch.device("meta"):
        built = swapped(model, **SWAPS[swap])
    expected = zip(whole, counts(before), counts(after), strict=True)
    assert counts(measured_cost(built, IMAGE)) == tuple(
        total - old + new for total, old, new in expected
    )
