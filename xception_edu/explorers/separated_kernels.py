"""A regular kernel taken apart, input channel by input channel: what a depthwise separable
convolution can come to, at every depth multiplier. Arrays and counts only.
"""

from functools import cached_property

import numpy as np

from xception_edu.costs import total
from xception_edu.specs import ConvSpec, Shape


class Separated:
    """A regular kernel (out, in, k, k) and its singular values, input channel by input channel.

    Output o of a separable convolution sees input c through sum_m mixing[o, c, m] * kernels[c, m]:
    as a matrix (out, k*k), of rank m at most. The nearest such matrix is the singular value
    decomposition, cut off after m.
    """

    def __init__(self, weight: np.ndarray):
        self.weight = weight
        self.out, self.channels, self.side, _ = weight.shape
        u, s, vh = np.linalg.svd(
            weight.transpose(1, 0, 2, 3).reshape(self.channels, self.out, -1), full_matrices=False
        )
        # (in, rank, 1)
        first = np.take_along_axis(vh, np.abs(vh).argmax(axis=2)[:, :, None], axis=2)
        # of a pair of factors any sign will do: the largest number positive
        sign = np.where(first < 0, -1.0, 1.0)
        root = np.sqrt(s)
        self.kernels = (sign * root[:, :, None] * vh).reshape(
            self.channels, -1, self.side, self.side
        )
        self.mixing = (u * (sign[:, :, 0] * root)[:, None]).transpose(1, 0, 2)  # (out, in, rank)
        # of each kernel
        self.shares = s**2 / (
            (s**2).sum(axis=1, keepdims=True) + (s.sum(axis=1, keepdims=True) == 0)
        )

    @property
    def stops(self) -> range:
        return range(1, self.side**2 + 1)

    def rebuilt(self, multiplier: int) -> np.ndarray:
        """The nearest (out, in, k, k) that a separable convolution with this depth multiplier can
        be.
        """
        return np.einsum(
            "ocm,cmij->ocij", self.mixing[:, :, :multiplier], self.kernels[:, :multiplier]
        )

    def error(self, multiplier: int, channel: int | None = None) -> float:
        """What is missing, relative to the kernel: roots of sums of squares (Frobenius norms); of
        one input channel, or all.
        """
        at = slice(None) if channel is None else slice(channel, channel + 1)
        left, whole = self.weight[:, at] - self.rebuilt(multiplier)[:, at], self.weight[:, at]
        return float(np.linalg.norm(left) / (np.linalg.norm(whole) or 1))

    @cached_property
    def errors(self) -> list[float]:
        """The error of every multiplier from 0 on, over all channels."""
        return [1.0, *(self.error(m) for m in self.stops)]

    def channel(self, which: str) -> int:
        """The input channel that loses least, middling or most with one depthwise kernel."""
        order = np.argsort([self.error(1, c) for c in range(self.channels)], kind="stable")
        return int(order[{"easiest": 0, "typical": (self.channels - 1) // 2, "hardest": -1}[which]])

    def params(self, multiplier: int) -> int:
        """Parameters of the separable convolution; each works once an output position, so MACs
        compare alike.
        """
        c, shape = self.channels, Shape(self.channels, self.side, self.side)
        depthwise = ConvSpec(c, c * multiplier, self.side, segments=c)
        pointwise = ConvSpec(c * multiplier, self.out, 1)
        return total([(depthwise, shape), (pointwise, depthwise.output_shape(shape))]).params

    @cached_property
    def regular_params(self) -> int:
        return total(
            [
                (
                    ConvSpec(self.channels, self.out, self.side),
                    Shape(self.channels, self.side, self.side),
                )
            ]
        ).params
