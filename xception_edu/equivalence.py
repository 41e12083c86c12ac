"""One function in several forms: weights carried from one form of the paper's module to another.

The output is unchanged.

Figure 2 (towers) = Figure 3 (one 1x1, then pieces) = one grouped convolution, for every number of
segments; a segmented convolution = a regular one with a block-diagonal weight; a stack of extreme
modules = a stack of separable convolutions, cut at other places. Last, what is *not* equal but
near: the closest separable convolution to a given regular one.
"""

import copy
from collections.abc import Iterable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from xception_edu import checks
from xception_edu.configs import ORDERS
from xception_edu.layers import (
    ExtremeInception,
    ReformulatedInception,
    SegmentedInception,
    SeparableConv2d,
    SimplifiedInception,
)
from xception_edu.segmented_conv import PointwiseConv2d, SegmentedConv2d


def _sequences(modules: Iterable[nn.Module]) -> list[nn.Sequential]:
    """The entries of a ModuleList, which torch types as any Module, as what they are here."""
    return [cast("nn.Sequential", module) for module in modules]


def _merged(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """State of one convolution + BN that does what several do side by side.

    Everything lies along the output channels.
    """
    merged = {}
    for name, first in states[0].items():
        values = [state[name] for state in states]
        merged[name] = first if first.dim() == 0 else torch.cat(values)  # a counter has no channels
    return merged


def towers_to_segments(towers: SimplifiedInception) -> ReformulatedInception:
    """Figure 2 to Figure 3: the towers' 1x1 stacked into one large 1x1.

    Their spatial convolutions become those of the segments.
    """
    right = "a SimplifiedInception, as Figure 2 draws it"
    arguments = checks.instance("towers", towers, SimplifiedInception, right).arguments
    module = ReformulatedInception(
        arguments.in_channels,
        arguments.out_channels,
        arguments.kernel_size,
        segments=arguments.segments,
        batch_norm=arguments.batch_norm,
        activation=arguments.activation,
    )
    module = module.to(next(towers.parameters())).train(towers.training)
    steps = _sequences(towers.towers)
    module.pointwise.load_state_dict(_merged([tower[0].state_dict() for tower in steps]))
    for piece, tower in zip(module.spatial, steps, strict=True):
        piece.load_state_dict(tower[1].state_dict())
    return module


def segments_to_grouped(pieces: ReformulatedInception) -> SegmentedInception:
    """Figure 3 as drawn to Figure 3 as computed.

    The segments' weights laid one after another are a grouped convolution's.
    """
    right = "a ReformulatedInception, as Figure 3 draws it"
    arguments = checks.instance("pieces", pieces, ReformulatedInception, right).arguments
    module = SegmentedInception(
        arguments.in_channels,
        arguments.out_channels,
        arguments.kernel_size,
        segments=arguments.segments,
        batch_norm=arguments.batch_norm,
        activation=arguments.activation,
    )
    module = module.to(next(pieces.parameters())).train(pieces.training)
    module.pointwise.load_state_dict(pieces.pointwise.state_dict())
    conv, norm, _ = module.spatial
    steps = _sequences(pieces.spatial)
    weights = [cast("nn.Conv2d", piece[0]).weight for piece in steps]
    set_segment_weights(cast("SegmentedConv2d", conv), weights)
    norm.load_state_dict(_merged([piece[1].state_dict() for piece in steps]))
    return module


def set_segment_weights(conv: SegmentedConv2d, weights: list[Tensor]) -> None:
    """Give each segment its own kernel.

    `weights[i]` is (out of segment i, in of segment i, k, k).
    """
    if len(weights) != conv.segments:
        raise ValueError(
            f"weights has {len(weights)} entries, but must have {conv.segments}, one a segment"
        )
    first = 0
    with torch.no_grad():
        for weight, block in zip(conv.weights, conv.blocks, strict=True):
            weight.copy_(torch.cat(list(weights[first : first + block.segments])))
            first += block.segments


def segmented_to_regular(conv: SegmentedConv2d) -> nn.Conv2d:
    """The regular convolution with the block-diagonal weight that does what `conv` does.

    It has a regular convolution's cost.
    """
    regular = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        conv.stride,
        conv.padding,
        bias=conv.bias is not None,
    ).to(conv.weights[0])
    with torch.no_grad():
        regular.weight.copy_(conv.dense_weight())
        if conv.bias is not None and regular.bias is not None:
            regular.bias.copy_(conv.bias)
    return regular


def regroup(stack: nn.Sequential) -> nn.Sequential:
    """A stack of extreme modules (1x1 first), cut again into separable convolutions.

    First the first 1x1, then separable convolutions, then the last 3x3.

    [P1 S1][P2 S2][P3 S3] and P1 [S1 P2][S2 P3] S3 are the same steps in the same order, which is
    why the paper calls the order unimportant once modules are stacked (Section 1.2). For one module
    alone it does matter. The modules must be without BN and activation, and the new stack shares
    their weights.
    """
    right = "an nn.Sequential of ExtremeInception modules without batch_norm and activation"
    checks.instance("stack", stack, nn.Sequential, right)
    if not len(stack) or not all(_is_plain(module) for module in stack):
        raise checks.wrong("stack", stack, right)
    modules = [cast("ExtremeInception", module) for module in stack]
    pointwises = [cast("nn.Conv2d", module.pointwise[0]) for module in modules]
    spatials = [cast("SegmentedConv2d", module.spatial[0]) for module in modules]
    regrouped = nn.Sequential(pointwises[0])
    for spatial, pointwise in zip(spatials[:-1], pointwises[1:], strict=True):
        separable = SeparableConv2d(
            spatial.in_channels, pointwise.out_channels, spatial.kernel_size[0]
        )
        separable.depthwise = spatial
        separable.add_module("pointwise", pointwise)  # torch's own 1x1, not a PointwiseConv2d
        regrouped.append(separable)
    return regrouped.append(spatials[-1])


def _is_plain(module: nn.Module) -> bool:
    """Whether it is an extreme module without BN and activation."""
    if not isinstance(module, ExtremeInception):
        return False
    return not module.arguments.batch_norm and module.arguments.activation is None


def nearest_separable(conv: nn.Conv2d, depth_multiplier: int = 1) -> SeparableConv2d:
    """The depthwise separable convolution that is closest to `conv`.

    Its composed kernel is closest by least squares, found by truncated SVD.

    A separable convolution gives output o and input c the kernel sum_m P[o, c, m] D[c, m], so for
    each input channel the (out, k*k) matrix of its kernels has rank `depth_multiplier` at most, and
    the nearest such matrix is its truncated SVD. From min(k*k, out) on nothing is lost: there a
    separable convolution can be any regular one.
    """
    depth_multiplier = checks.integer("depth_multiplier", depth_multiplier)
    right = "a regular nn.Conv2d: groups 1, a square kernel, dilation 1"
    checks.instance("conv", conv, nn.Conv2d, right)
    if conv.groups != 1 or conv.kernel_size[0] != conv.kernel_size[1] or conv.dilation != (1, 1):
        raise checks.wrong("conv", conv, right)
    out, channels, k, _ = conv.weight.shape
    separable = SeparableConv2d(
        channels,
        out,
        k,
        depth_multiplier=depth_multiplier,
        stride=conv.stride[0],
        padding=conv.padding[0],  # type: ignore[arg-type]
        bias=conv.bias is not None,
    ).to(conv.weight)
    matrices = conv.weight.detach().transpose(0, 1).flatten(2)  # one a channel: (in, out, k*k)
    u, s, vh = torch.linalg.svd(matrices, full_matrices=False)
    rank = min(depth_multiplier, s.shape[1])
    root = s[:, :rank].sqrt()
    with torch.no_grad():
        kernels = torch.zeros(channels, depth_multiplier, k * k, dtype=s.dtype, device=s.device)
        mixing = torch.zeros(out, channels, depth_multiplier, dtype=s.dtype, device=s.device)
        kernels[:, :rank] = root[:, :, None] * vh[:, :rank]
        mixing[:, :, :rank] = (u[:, :, :rank] * root[:, None]).transpose(0, 1)
        separable.depthwise.weights[0].copy_(kernels.view(-1, 1, k, k))
        separable.pointwise.weight.copy_(mixing.view(out, -1, 1, 1))
        if conv.bias is not None and separable.pointwise.bias is not None:
            separable.pointwise.bias.copy_(conv.bias)
    return separable


def composed_weight(separable: SeparableConv2d) -> Tensor:
    """The (out, in, k, k) kernel that a depthwise separable convolution amounts to.

    It must be without activation.
    """
    checks.instance("separable", separable, SeparableConv2d, "a SeparableConv2d")
    depthwise = separable.depthwise.dense_weight()  # (middle, in, k, k)
    return torch.einsum("om,mikl->oikl", separable.pointwise.weight[:, :, 0, 0], depthwise)


class _Swap(NamedTuple):
    """What each regular k x k convolution becomes."""

    segments: int | str
    pointwise: bool
    multiplier: int
    order: str


def swapped(
    module: nn.Module,
    segments: int | str = "channels",
    *,
    pointwise: bool = True,
    multiplier: int = 1,
    order: str = "spatial_first",
) -> nn.Module:
    """A copy of a network with its regular k x k convolutions in segments: another function.

    Each regular convolution with a kernel larger than 1x1 becomes a segmented one of the same
    kernel, stride and padding, with new weights, and behind it a 1x1 that mixes the segments.
    Grouped, dilated and 1x1 convolutions stay, and so does padding other than zeros. The network
    must be trained anew: what it then reaches, no count can say.

    Args:
        module: the network; it stays as it is.
        segments: 1 or more, or "channels", one a channel (depthwise); a layer with fewer channels
            has one a channel.
        pointwise: whether there is a 1x1; without it, the segmented convolution makes the outputs.
        multiplier: kernels a channel (depth multiplier) of the k x k in front of its 1x1.
        order: "spatial_first", a separable convolution, or "pointwise_first", the module of
            Figures 3 and 4, whose k x k makes the outputs.
    """
    if not isinstance(segments, str) or segments != "channels":
        checks.integer("segments", segments, because="or 'channels'")
    checks.instance("module", module, nn.Module, "a torch.nn.Module")
    pointwise = checks.boolean("pointwise", pointwise)
    multiplier = checks.integer("multiplier", multiplier)
    checks.one_of("order", order, ORDERS)
    if multiplier > 1 and not (pointwise and order == "spatial_first"):
        needed = "1 unless a 1x1 follows the k x k: with pointwise=True, order='spatial_first'"
        raise ValueError(f"multiplier is {multiplier}, but must be {needed}")
    swap = _Swap(segments, pointwise, multiplier, order)
    if is_swappable(module):
        return _segmented(cast("nn.Conv2d", module), swap)
    network = copy.deepcopy(module)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if is_swappable(child):
                new = _segmented(cast("nn.Conv2d", child), swap)
                setattr(parent, name, new.train(child.training))
    return network


def is_swappable(module: nn.Module) -> bool:
    """Whether it is a regular convolution that `SegmentedConv2d` could be."""
    if not isinstance(module, nn.Conv2d) or isinstance(module, nn.LazyConv2d):
        return False
    plain = module.groups == 1 and module.dilation == (1, 1) and module.padding_mode == "zeros"
    return plain and module.kernel_size != (1, 1) and not isinstance(module.padding, str)


def _segmented(conv: nn.Conv2d, swap: _Swap) -> nn.Module:
    """The segmented convolution, with its 1x1, in the place of a regular one."""
    ins, outs, bias = conv.in_channels, conv.out_channels, conv.bias is not None
    if not swap.pointwise:
        return _spatial(conv, ins, outs, swap.segments, bias=bias)
    if swap.order == "pointwise_first":
        mix = PointwiseConv2d(ins, outs).to(conv.weight)
        return nn.Sequential(mix, _spatial(conv, outs, outs, swap.segments, bias=bias))
    middle = ins * swap.multiplier
    spatial = _spatial(conv, ins, middle, swap.segments, bias=False)
    return nn.Sequential(spatial, PointwiseConv2d(middle, outs, bias=bias).to(conv.weight))


def _spatial(
    conv: nn.Conv2d, in_channels: int, out_channels: int, segments: int | str, *, bias: bool
) -> SegmentedConv2d:
    """A segmented convolution with the kernel, stride and padding of a regular one."""
    channels = min(in_channels, out_channels)
    return SegmentedConv2d(
        in_channels,
        out_channels,
        conv.kernel_size,  # type: ignore[arg-type]  # torch's is a pair
        segments=channels if segments == "channels" else min(int(segments), channels),
        stride=conv.stride,  # type: ignore[arg-type]
        padding=conv.padding,  # type: ignore[arg-type]
        bias=bias,
    ).to(conv.weight)
