"""Exercises of notebook 11: inside a trained network."""

import numpy as np
import torch
from torch import nn

from xception_edu.exercises import draws
from xception_edu.exercises.exercise import Exercise, Misconception


def _bn_and_weight(g):
    """The weight of a convolution, and gamma, variance and epsilon of what follows it."""
    outputs, inputs = draws.integers(g, 2, 2, 5)
    weight, gamma = draws.tensors(g, (outputs, inputs, 3, 3), (outputs,))
    return weight, gamma, torch.rand(outputs, generator=g), draws.number(g, 0.05, 0.2)


def _folded(weight, gamma, variance, epsilon):
    """The weight of one layer that does what convolution and BN do, read off their output."""
    layer, bn = (
        nn.Conv2d(weight.shape[1], len(weight), 3, bias=False),
        nn.BatchNorm2d(len(weight), epsilon),
    )
    with torch.no_grad():
        bn.weight.copy_(gamma)
        bn.running_var.copy_(variance)
        fused = torch.nn.utils.fuse_conv_bn_eval(_with(layer, weight).eval(), bn.eval())
    return fused.weight.detach()


def _with(layer, weight):
    layer.weight.copy_(weight)
    return layer


EXERCISES = (
    Exercise(
        name="11-separable",
        title="How much is one column times one row?",
        task=(
            "Which share of a kernel's energy (the sum of its squares) does the best product of"
            " one column and one row hold?"
        ),
        stub="def share(kernel):\n    return ...",
        answer="share",
        cases=lambda g: draws.several(g, lambda g: draws.tensors(g, (3, 3))),
        reference=lambda k: (
            np.linalg.svd(k.double().numpy())[1][0] ** 2 / (k.double().numpy() ** 2).sum()
        ),
        hints=(
            "the singular values say how much each product of a column and a row holds.",
            "`torch.linalg.svdvals`; the squares add up to the energy.",
        ),
        solutions=(
            "def share(kernel):\n"
            "    values = torch.linalg.svdvals(kernel)\n"
            "    return values[0] ** 2 / (values**2).sum()",
            "def share(kernel):\n"
            "    return torch.linalg.matrix_norm(kernel, 2) ** 2 / kernel.norm() ** 2",
        ),
        reason="1 for a blur or a straight edge; about three quarters for random numbers.",
        misconceptions=(
            Misconception(
                name="values for squares",
                code="def share(k):\n    s = torch.linalg.svdvals(k)\n    return s[0] / s.sum()",
                says="These are shares of the singular values. The energy is a sum of *squares*.",
            ),
            Misconception(
                name="all but the last",
                code="def share(k):\n"
                "    s = torch.linalg.svdvals(k) ** 2\n    return (s[0] + s[1]) / s.sum()",
                says="This takes two products of a column and a row. One is asked for.",
            ),
            Misconception(
                name="rank for share",
                code="def share(k):\n    return 1 / torch.linalg.matrix_rank(k)",
                says=(
                    "This goes by the rank, which is 3 for nearly every table of numbers: it does"
                    " not say how *near* to 1 it is."
                ),
            ),
            Misconception(
                name="an energy for a share",
                code="def share(k):\n    return torch.linalg.svdvals(k)[0] ** 2",
                says=(
                    "This is the energy of the best product. Its *share* is asked for: divide by"
                    " the energy of the kernel."
                ),
            ),
            Misconception(
                name="the root of it",
                code="def share(k):\n    return torch.linalg.svdvals(k)[0] / k.norm()",
                says="This is the root of the share: the energy is made of squares.",
            ),
            Misconception(
                name="what is missed",
                code=(
                    "def share(k):\n"
                    "    s = torch.linalg.svdvals(k) ** 2\n"
                    "    return s[1:].sum() / s.sum()"
                ),
                says="This is what the best product misses. What it holds is asked for.",
            ),
        ),
    ),
    Exercise(
        name="11-fold",
        title="Fold a batch normalization",
        task="In a trained network, BN multiplies each output channel by a fixed number. Give the"
        " `weight` (out, in, 3, 3) of the convolution that does it itself, from BN's gamma, running"
        " variance and epsilon.",
        stub="def folded(weight, gamma, variance, epsilon):\n    return ...",
        answer="folded",
        cases=lambda g: draws.several(g, _bn_and_weight),
        reference=_folded,
        hints=(
            "BN divides by the standard deviation: what stands under the root?",
            "the factor belongs to the *output* channel, the first number of the shape.",
        ),
        solutions=(
            "def folded(weight, gamma, variance, epsilon):\n"
            "    factor = gamma / (variance + epsilon).sqrt()\n"
            "    return weight * factor[:, None, None, None]",
            "def folded(weight, gamma, variance, epsilon):\n"
            "    factor = gamma * torch.rsqrt(variance + epsilon)\n"
            "    return torch.einsum('o,oijk->oijk', factor, weight)",
        ),
        reason="Scale times convolution is a convolution: at inference BN costs nothing.",
        misconceptions=(
            Misconception(
                name="variance for deviation",
                code="def folded(w, g, v, e):\n    return w * (g / (v + e))[:, None, None, None]",
                says=(
                    "This divides by the variance. BN divides by its root, the standard deviation."
                ),
            ),
            Misconception(
                name="epsilon left out",
                code="def folded(w, g, v, e):\n    return w * (g / v.sqrt())[:, None, None, None]",
                says="Epsilon stands under the root, too: Keras' 1e-3 is no small number for a"
                " channel of small variance.",
            ),
            Misconception(
                name="gamma left out",
                code="def folded(w, g, v, e):\n    return w / (v + e).sqrt()[:, None, None, None]",
                says="This normalizes, and forgets the learned scale, gamma.",
            ),
            Misconception(
                name="epsilon outside the root",
                code=(
                    "def folded(w, g, v, e):\n"
                    "    return w * (g / (v.sqrt() + e))[:, None, None, None]"
                ),
                says=(
                    "Epsilon is added to the *variance*, under the root, and not to the standard"
                    " deviation."
                ),
            ),
            Misconception(
                name="nothing divided",
                code="def folded(w, g, v, e):\n    return w * g[:, None, None, None]",
                says=(
                    "This scales by gamma, and forgets that BN divides by the standard deviation"
                    " first."
                ),
            ),
            Misconception(
                name="multiplied, not divided",
                code=(
                    "def folded(w, g, v, e):\n"
                    "    return w * (g * (v + e).sqrt())[:, None, None, None]"
                ),
                says=(
                    "BN *divides* by the standard deviation: a channel that varies much is made"
                    " smaller."
                ),
            ),
            Misconception(
                name="the factor alone",
                code="def folded(w, g, v, e):\n    return g / (v + e).sqrt()",
                says=(
                    "This is the factor of each channel. The folded weight is the old weight times"
                    " it."
                ),
            ),
        ),
    ),
)
