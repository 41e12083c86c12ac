"""The four ways to write a segmented convolution that SegmentedConv2d is measured against."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xception_edu.layers import SegmentedConv2d
from xception_edu.specs import segment_sizes


class Form(nn.Module):
    """A form as one would write it: a module, as ours is, that wants its input in a layout."""

    def __init__(self, compute, weights: list[Tensor], layout: torch.memory_format):
        super().__init__()
        self.compute, self.layout = compute, layout
        self.weights = nn.ParameterList(w.detach().clone(memory_format=layout) for w in weights)

    def forward(self, x: Tensor) -> Tensor:
        """The same as SegmentedConv2d."""
        return self.compute(x.contiguous(memory_format=self.layout), self.weights)


def grouped(ours: SegmentedConv2d):
    """One grouped convolution for each run of equal pieces, and the weights for it."""
    ins = [n * piece_in for n, piece_in, _ in ours.blocks]

    def compute(x: Tensor, weights: list[Tensor]) -> Tensor:
        if len(weights) == 1:
            return F.conv2d(x, weights[0], padding=1, groups=ours.segments)
        runs = zip(x.split(ins, dim=1), weights, ours.blocks, strict=True)
        return torch.cat(
            [F.conv2d(part, w, padding=1, groups=n) for part, w, (n, *_) in runs], dim=1
        )

    return compute, list(ours.weights)


def dense(ours: SegmentedConv2d):
    """One regular convolution, most of whose weights are zero."""
    return lambda x, weights: F.conv2d(x, weights[0], padding=1), [ours.dense_weight()]


def loop(ours: SegmentedConv2d):
    """A convolution for every piece."""
    sizes = segment_sizes(ours.in_channels, ours.segments)
    pieces = [
        piece for w, (n, *_) in zip(ours.weights, ours.blocks, strict=True) for piece in w.chunk(n)
    ]

    def compute(x: Tensor, weights: list[Tensor]) -> Tensor:
        parts = zip(x.split(sizes, dim=1), weights, strict=True)
        return torch.cat([F.conv2d(part, w, padding=1) for part, w in parts], dim=1)

    return compute, pieces


FORM = {"grouped_nchw": grouped, "grouped_channels_last": grouped, "dense": dense, "loop": loop}
