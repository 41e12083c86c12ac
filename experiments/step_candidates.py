"""What might make a step of our Xception faster: one function a candidate, each of which changes
how a network computes and not what. faster_step.py times them.
"""

import types
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xception_edu.segmented_conv import PointwiseConv2d, SegmentedConv2d
from xception_edu.xception import DownsamplingBlock, MiddleFlowBlock, SeparableConvBN, max_pool


def in_place_addition(model: nn.Module) -> None:
    """Add the skip to what BN or pooling gave, which nobody else reads: a map fewer is written."""
    for block in model.modules():
        if isinstance(block, MiddleFlowBlock):
            block.forward = types.MethodType(_middle, block)
        elif isinstance(block, DownsamplingBlock):
            block.forward = types.MethodType(_downsampling, block)


def _middle(block: MiddleFlowBlock, x: Tensor) -> Tensor:
    y = block.sep1(F.relu(x))
    y = block.sep2(F.relu_(y))
    return block.sep3(F.relu_(y)).add_(x)


def _downsampling(block: DownsamplingBlock, x: Tensor) -> Tensor:
    y = block.sep1(F.relu(x) if block.leading_relu else x)
    y = block.sep2(F.relu_(y))
    y = max_pool(y, block.padding)
    return y.add_(block.skip_bn(block.skip(x)))


def products(model: nn.Module) -> None:
    """Every 1x1 as a product of matrices: its gradients are one product each."""
    for conv in model.modules():
        if isinstance(conv, PointwiseConv2d):
            conv.forward = conv.product


def convolutions(model: nn.Module) -> None:
    """Every 1x1 as a convolution."""
    for conv in model.modules():
        if isinstance(conv, PointwiseConv2d):
            conv.forward = types.MethodType(nn.Conv2d.forward, conv)


def pool_by_slices(model: nn.Module) -> None:
    """3x3 max pooling as the maximum of three columns, then of three rows, without indices."""
    for block in model.modules():
        if isinstance(block, DownsamplingBlock):
            block.forward = types.MethodType(_pooled_by_slices, block)


def _pooled_by_slices(block: DownsamplingBlock, x: Tensor) -> Tensor:
    y = block.sep1(F.relu(x) if block.leading_relu else x)
    y = F.pad(block.sep2(F.relu_(y)), (1, 1, 1, 1), value=float("-inf"))
    y = _max_of_three(_max_of_three(y, 3), 2)
    return y.add_(block.skip_bn(block.skip(x)))


def _max_of_three(x: Tensor, dim: int) -> Tensor:
    """The maximum at stride 2 over windows of three."""
    count = (x.shape[dim] - 3) // 2 + 1
    slices = [x.narrow(dim, i, 2 * count - 1) for i in range(3)]
    index = [slice(None)] * x.dim()
    index[dim] = slice(None, None, 2)
    a, b, c = (part[tuple(index)] for part in slices)
    return torch.maximum(torch.maximum(a, b), c)


class _NormReLU(torch.autograd.Function):
    """BN with ReLU: the backward pass masks the gradient where it lies, and writes no map for it.

    That is right where nobody else holds the gradient: behind a convolution's backward pass.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, mean, variance, momentum, eps):
        y, saved_mean, inverse = torch.native_batch_norm(
            x, weight, bias, mean, variance, True, momentum, eps
        )
        y.relu_()
        ctx.save_for_backward(x, weight, saved_mean, inverse, y)
        ctx.eps = eps
        return y

    @staticmethod
    def backward(ctx, grad):
        x, weight, mean, inverse, y = ctx.saved_tensors
        torch.ops.aten.threshold_backward.grad_input(grad, y, 0, grad_input=grad)
        found = torch.ops.aten.native_batch_norm_backward(
            grad, x, weight, None, None, mean, inverse, True, ctx.eps, [True, True, True]
        )
        return *found, None, None, None, None


def norm_relu(model: nn.Module) -> None:
    """BN and the ReLU behind it as one function of autograd's, whose backward masks in place."""
    for block in model.modules():
        if isinstance(block, MiddleFlowBlock):
            block.forward = types.MethodType(_middle_fused, block)


def _middle_fused(block: MiddleFlowBlock, x: Tensor) -> Tensor:
    if not block.training:
        return _middle(block, x)
    y = _norm_relu(block.sep1, F.relu(x))
    y = _norm_relu(block.sep2, y)
    return block.sep3(y).add_(x)


def _norm_relu(sep: SeparableConvBN, x: Tensor) -> Tensor:
    bn = sep.bn
    bn.num_batches_tracked.add_(1)
    return _NormReLU.apply(
        sep.conv(x), bn.weight, bn.bias, bn.running_mean, bn.running_var, bn.momentum, bn.eps
    )


def fused_in_onednn(model: nn.Module) -> None:
    """For inference, BN folded: each 1x1 with the ReLU behind it, or the addition, in one call of
    oneDNN's, its weights laid out once and not in every call.
    """
    for block in model.modules():
        if isinstance(block, MiddleFlowBlock):
            block.forward = types.MethodType(_middle_in_onednn, block)


def _middle_in_onednn(block: MiddleFlowBlock, x: Tensor) -> Tensor:
    y = _with_relu(block.sep1.conv, F.relu(x))
    y = _with_relu(block.sep2.conv, y)
    last = block.sep3.conv
    one = last.pointwise
    return torch.ops.mkldnn._convolution_pointwise(
        last.depthwise(y), x, _packed(one), one.bias, [0, 0], [1, 1], [1, 1], 1,
        "add", 1.0, None, [], None,
    )  # fmt: skip


def _with_relu(conv: nn.Module, x: Tensor) -> Tensor:
    one = conv.pointwise
    return torch.ops.mkldnn._convolution_pointwise(
        conv.depthwise(x), _packed(one), one.bias, [0, 0], [1, 1], [1, 1], 1, "relu", [], None
    )


def _packed(conv: nn.Conv2d) -> Tensor:
    """The weight as oneDNN wants it, kept with the convolution."""
    if not hasattr(conv, "packed"):
        conv.packed = torch.ops.mkldnn._reorder_convolution_weight(
            conv.weight.detach(), [0, 0], [1, 1], [1, 1], 1, [4, conv.in_channels, 19, 19]
        )
    return conv.packed


def depthwise_nchw(model: nn.Module) -> None:
    """The depthwise layers in NCHW, between two copies."""
    for conv in model.modules():
        if isinstance(conv, SegmentedConv2d):
            conv.forward = types.MethodType(_in_nchw, conv)


def _in_nchw(conv: SegmentedConv2d, x: Tensor) -> Tensor:
    y = F.conv2d(
        x.contiguous(), conv.weights[0].contiguous(), conv.bias, conv.stride, conv.padding,
        groups=conv.segments,
    )  # fmt: skip
    return y.contiguous(memory_format=torch.channels_last)


FOR_INFERENCE = {"fused_in_onednn": fused_in_onednn}
FOR_TRAINING = {"norm_relu": norm_relu}
BOTH: dict[str, Callable[[nn.Module], None]] = {
    "in_place_addition": in_place_addition,
    "products": products,
    "convolutions": convolutions,
    "pool_by_slices": pool_by_slices,
    "depthwise_nchw": depthwise_nchw,
}
CANDIDATES = BOTH | FOR_TRAINING | FOR_INFERENCE
