"""Exercises of notebooks 4 and 4b: depthwise separable convolutions, and what a swap costs."""

import torch
from torch import nn
from torch.nn import functional as F

from xception_edu.exercises import draws
from xception_edu.exercises.exercise import Exercise, Misconception
from xception_edu.layers import SeparableConv2d, SpatiallySeparableConv2d


def _image_and_kernels(g):
    """Images, depthwise kernels and the 1×1's weight."""
    inputs, outputs, height, width = draws.integers(g, 4, 2, 7)
    return draws.tensors(g, (2, inputs, height, width), (inputs, 1, 3, 3), (outputs, inputs, 1, 1))


def _square(g):
    """Depthwise kernels and the weight of a 1×1, from as many channels to as many."""
    channels = draws.integer(g, 2, 7)
    return draws.tensors(g, (channels, 1, 3, 3), (channels, channels, 1, 1))


def _separable(x, depthwise, pointwise):
    """The layer, with these weights."""
    layer = SeparableConv2d(x.shape[1], len(pointwise))
    first, second = (p for p in layer.parameters() if p.dim() == 4)
    with torch.no_grad():
        first.copy_(depthwise)
        second.copy_(pointwise)
        return layer(x)


EXERCISES = (
    Exercise(
        name="04-share",
        title="What is left of the MACs",
        task="A regular k × k convolution becomes a depthwise separable one, with `out_channels`"
        " outputs. Which share of the MACs is left?",
        stub="def share(out_channels, kernel):\n    return ...",
        answer="share",
        cases=lambda g: [
            (728, 3),
            *draws.several(g, lambda g: (draws.integer(g, 2, 99), draws.kernel(g))),
        ],
        reference=lambda o, k: (
            sum(p.numel() for p in SeparableConv2d(16, o, k).parameters())
            / nn.Conv2d(16, o, k, bias=False).weight.numel()
        ),
        hints=(
            "write down both steps' MACs for one position, and divide by the regular ones.",
            "(k² · in + in · out) / (k² · in · out); what cancels?",
        ),
        solutions=(
            "def share(out_channels, kernel):\n    return 1 / out_channels + 1 / kernel**2",
            "def share(out_channels, kernel):\n"
            "    return (kernel**2 + out_channels) / (kernel**2 * out_channels)",
        ),
        reason="The depthwise step leaves 1/out of the MACs, the 1×1 leaves 1/k²; the second is the"
        " larger one.",
        misconceptions=(
            Misconception(
                name="the 1×1 left out",
                code="def share(o, k):\n    return 1 / o",
                says="This is the depthwise step alone. The 1×1 behind it has most of the MACs.",
            ),
            Misconception(
                name="the depthwise step left out",
                code="def share(o, k):\n    return 1 / k**2",
                says="This is the 1×1 alone: close for many channels, but the depthwise step adds"
                " 1/out.",
            ),
            Misconception(
                name="multiplied, not added",
                code="def share(o, k):\n    return 1 / (o * k**2)",
                says="The two steps follow one another, so that their MACs add up; this multiplies"
                " their shares.",
            ),
            Misconception(
                name="turned around",
                code="def share(o, k):\n    return 1 / (1 / o + 1 / k**2)",
                says="This is how many times fewer MACs there are. The share that is left is one"
                " divided by it.",
            ),
        ),
    ),
    Exercise(
        name="04-forward",
        title="Write the layer",
        task=(
            "Compute a depthwise separable convolution of `x` (N, in, H, W), depthwise first,"
            " padding 1, with `depthwise` (in, 1, 3, 3) and `pointwise` (out, in, 1, 1)."
        ),
        stub="def separable(x, depthwise, pointwise):\n    return ...",
        answer="separable",
        cases=lambda g: draws.several(g, _image_and_kernels),
        reference=_separable,
        hints=(
            "`F.conv2d` has `groups`: how many for one input channel each?",
            "nothing stands between the two steps.",
        ),
        environment=("import torch", "from torch.nn import functional as F"),
        solutions=(
            "def separable(x, depthwise, pointwise):\n"
            "    y = F.conv2d(x, depthwise, padding=1, groups=x.shape[1])\n"
            "    return F.conv2d(y, pointwise)",
            "def separable(x, depthwise, pointwise):\n"
            "    maps = [F.conv2d(x[:, [i]], depthwise[[i]], padding=1) for i in"
            " range(x.shape[1])]\n"
            "    return torch.einsum('oi,nihw->nohw', pointwise[:, :, 0, 0], torch.cat(maps,"
            " 1))",
        ),
        reason="One kernel for each channel, then a sum of channels at each position.",
        misconceptions=(
            Misconception(
                name="a ReLU between",
                code="def separable(x, d, p):\n"
                "    return F.conv2d(F.relu(F.conv2d(x, d, padding=1, groups=x.shape[1])), p)",
                says="There is a ReLU between the two steps. A separable convolution has none: that"
                " is one of its two differences from an Inception module.",
            ),
            Misconception(
                name="one kernel for all channels",
                code="def separable(x, d, p):\n"
                "    shared = d[:1].expand_as(d)\n"
                "    return F.conv2d(F.conv2d(x, shared, padding=1, groups=x.shape[1]), p)",
                says="All channels share the first kernel here. Each channel has one of its own.",
            ),
            Misconception(
                name="the depthwise step left out",
                code="def separable(x, d, p):\n    return F.conv2d(x, p)",
                says="This is the 1×1 alone: no pixel sees its neighbors.",
            ),
            Misconception(
                name="a ReLU at the end",
                code="def separable(x, d, p):\n"
                "    y = F.conv2d(x, d, padding=1, groups=x.shape[1])\n"
                "    return F.relu(F.conv2d(y, p))",
                says="The layer ends with the 1×1. An activation behind it is a layer of its own.",
            ),
        ),
    ),
    Exercise(
        name="04-order",
        title="Which step first?",
        task="From 32 to 64 channels, 3×3, no biases, *pointwise first*: how many parameters?",
        stub="count = ...",
        answer="count",
        reference=lambda: (
            nn.Conv2d(32, 64, 1, bias=False).weight.numel()
            + nn.Conv2d(64, 64, 3, groups=64, bias=False).weight.numel()
        ),
        hints=(
            "how many channels has the map between the two steps?",
            "after the 1×1 there are 64 channels, each with a 3×3 of its own.",
        ),
        solutions=("count = 32 * 64 + 9 * 64", "count = 64 * (32 + 9)"),
        reason="The order decides on which side the depthwise step works: here on the 64 channels.",
        misconceptions=(
            Misconception(
                name="order swapped",
                code="count = 9 * 32 + 32 * 64",
                says="This is depthwise first, as in the paper's network. Pointwise first, the"
                " depthwise step works on 64 channels.",
            ),
            Misconception(
                name="a regular 3×3 behind",
                code="count = 32 * 64 + 9 * 64 * 64",
                says="This 3×3 is regular. A depthwise one has a single kernel for each channel.",
            ),
            Misconception(
                name="the 1×1 left out",
                code="count = 9 * 64",
                says="These are the depthwise kernels. The 1×1 has 32 × 64 weights.",
            ),
        ),
    ),
    Exercise(
        name="04-multiplier",
        title="The depth multiplier",
        task="With a [depth multiplier](guide.ipynb#cell-id=depth-multiplier) m the depthwise step"
        " gives m maps for each input channel, and"
        " the 1×1 sees them all. How many parameters, for 3×3 kernels and no biases?",
        stub="def parameters(in_channels, out_channels, multiplier):\n    return ...",
        answer="parameters",
        cases=lambda g: [
            (32, 64, 1),
            *draws.several(g, lambda g: (*draws.integers(g, 2, 2, 64), draws.integer(g, 2, 9))),
        ],
        reference=lambda i, o, m: (
            nn.Conv2d(i, i * m, 3, groups=i, bias=False).weight.numel()
            + nn.Conv2d(i * m, o, 1, bias=False).weight.numel()
        ),
        hints=(
            "how many channels lie between the two steps?",
            "in × m channels lie between, and both steps count them.",
        ),
        solutions=(
            "def parameters(in_channels, out_channels, multiplier):\n"
            "    between = in_channels * multiplier\n"
            "    return 9 * between + between * out_channels",
            "def parameters(in_channels, out_channels, multiplier):\n"
            "    return in_channels * multiplier * (9 + out_channels)",
        ),
        reason="The multiplier widens the map between: both steps grow with it.",
        misconceptions=(
            Misconception(
                name="multiplier on the first step only",
                code="def parameters(i, o, m):\n    return 9 * i * m + i * o",
                says="The 1×1 reads m maps for each input channel, so that its weights grow with m,"
                " too.",
            ),
            Misconception(
                name="multiplier on the outputs",
                code="def parameters(i, o, m):\n    return 9 * i + i * o * m",
                says=(
                    "This multiplies the outputs. The multiplier widens the map between the steps."
                ),
            ),
            Misconception(
                name="multiplier left out",
                code="def parameters(i, o, m):\n    return 9 * i + i * o",
                says="This is a multiplier of 1, which all of Xception has.",
            ),
            Misconception(
                name="depthwise taken for regular",
                code="def parameters(i, o, m):\n    return 9 * i * i * m + i * m * o",
                says="The first step is regular here: each map would see all inputs. It sees one.",
            ),
        ),
    ),
    Exercise(
        name="04b-composed",
        title="The regular convolution that it is",
        task=(
            "A separable convolution without an activation is *some* regular convolution. Build"
            " its weight (out, in, 3, 3) from `depthwise` (in, 1, 3, 3) and `pointwise` (out, in,"
            " 1, 1)."
        ),
        stub="def composed(depthwise, pointwise):\n    return ...",
        answer="composed",
        cases=lambda g: draws.several(g, _square),
        reference=lambda d, p: (
            F.conv2d(torch.eye(len(d))[:, :, None, None] * torch.ones(1), p).transpose(0, 1)
            * d.transpose(0, 1)
        ),
        hints=(
            "which number does output o multiply the filtered channel i with?",
            "weight[o, i] is a number times a 3×3 kernel.",
        ),
        solutions=(
            "def composed(depthwise, pointwise):\n    return pointwise * depthwise[:, 0]",
            "def composed(depthwise, pointwise):\n"
            "    return torch.einsum('oi,ijk->oijk', pointwise[:, :, 0, 0], depthwise[:, 0])",
        ),
        reason=(
            "Every output uses the same kernel of channel i, and only scales it: a kernel of its"
            " own for each output is what a separable convolution cannot give."
        ),
        misconceptions=(
            Misconception(
                name="the kernel belongs to the output",
                code="def composed(d, p):\n    return p * d",
                says="This gives each *output* its kernel. A depthwise kernel belongs to an input"
                " channel; outputs only scale it.",
            ),
            Misconception(
                name="added, not multiplied",
                code="def composed(d, p):\n    return p + d[:, 0]",
                says=(
                    "The steps follow one another: what the kernel finds is multiplied by the"
                    " 1×1's weight, not added to it."
                ),
            ),
            Misconception(
                name="outputs and inputs swapped",
                code="def composed(d, p):\n    return (p * d[:, 0]).transpose(0, 1)",
                says="The weight of a convolution is (outputs, inputs, 3, 3); here the two are"
                " swapped.",
            ),
        ),
    ),
    Exercise(
        name="04b-multiplier",
        title="When it can be any convolution",
        task="From which depth multiplier on can a depthwise separable k × k convolution be *any*"
        " regular one, whatever its channels?",
        stub="def multiplier(kernel):\n    return ...",
        answer="multiplier",
        cases=lambda g: [(3,), (5,), *draws.several(g, lambda g: draws.integers(g, 1, 1, 9))],
        reference=lambda k: torch.linalg.matrix_rank(torch.eye(k * k)).item(),
        hints=(
            "for one input channel: what are the kernels of all outputs mixed from?",
            "how many kernels does it take, so that every k × k table is a mixture of them?",
        ),
        solutions=(
            "def multiplier(kernel):\n    return kernel**2",
            "def multiplier(kernel):\n"
            "    return len([1 for _ in range(kernel) for _ in range(kernel)])",
        ),
        reason=(
            "All k × k tables are a space of k² dimensions: with k² kernels for a channel, the 1×1"
            " mixes any table from them."
        ),
        misconceptions=(
            Misconception(
                name="rank of one table",
                code="def multiplier(k):\n    return k",
                says=(
                    "k is the rank of one k × k table. Here the *space* of tables has to be"
                    " spanned, which has k² dimensions."
                ),
            ),
            Misconception(
                name="none is needed",
                code="def multiplier(k):\n    return 1",
                says=(
                    "With a multiplier of 1 all outputs share one kernel for each input channel:"
                    " that is a real restriction."
                ),
            ),
            Misconception(
                name="rows and columns added",
                code="def multiplier(k):\n    return 2 * k",
                says="2k is what a spatially separable kernel stores, a column and a row: something"
                " else with the same word.",
            ),
            Misconception(
                name="one short of it",
                code="def multiplier(k):\n    return k * k - 1",
                says=(
                    "k² - 1 kernels leave one direction of the k² open: a kernel along it is out"
                    " of reach."
                ),
            ),
            Misconception(
                name="3×3 alone",
                code="def multiplier(k):\n    return 9",
                says="That is right for 3×3 alone: 9 is k² there.",
            ),
        ),
    ),
    Exercise(
        name="04b-spatial",
        title="The other 'separable'",
        task=(
            "A *spatially* separable convolution is a k × 1 and then a 1 × k, each over all"
            " channels, from C to C, no biases. How many parameters?"
        ),
        stub="def parameters(channels, kernel):\n    return ...",
        answer="parameters",
        cases=lambda g: [
            (8, 3),
            (5, 5),
            *draws.several(g, lambda g: (draws.integer(g, 2, 20), draws.kernel(g))),
        ],
        reference=lambda c, k: sum(
            p.numel() for p in SpatiallySeparableConv2d(c, c, k).parameters()
        ),
        hints=(
            "each of the two is a convolution over all channels.",
            "a k × 1 from C to C has k · C · C weights.",
        ),
        solutions=(
            "def parameters(channels, kernel):\n    return 2 * kernel * channels**2",
            "def parameters(channels, kernel):\n"
            "    column = kernel * channels * channels\n"
            "    return column + column",
        ),
        reason="2k in the place of k², and all channels in both: nothing is depthwise here.",
        misconceptions=(
            Misconception(
                name="spatially taken for depthwise separable",
                code="def parameters(c, k):\n    return k * k * c + c * c",
                says="This is a *depthwise* separable convolution. The spatial one cuts the kernel,"
                " and not the channels.",
            ),
            Misconception(
                name="one channel each",
                code="def parameters(c, k):\n    return 2 * k * c",
                says="Both steps see all channels: C × C pairs, not C.",
            ),
            Misconception(
                name="the whole kernel",
                code="def parameters(c, k):\n    return k * k * c * c",
                says=(
                    "This is a regular k × k convolution. A column and a row have 2k weights, not"
                    " k²."
                ),
            ),
            Misconception(
                name="biases counted",
                code="def parameters(c, k):\n    return 2 * k * c * c + 2 * c",
                says="This counts a bias for every output of both steps. There are none here.",
            ),
            Misconception(
                name="one step of two",
                code="def parameters(c, k):\n    return k * c * c",
                says="This is one of the two steps. A column and then a row: there are two.",
            ),
        ),
    ),
)
