"""Exercises of notebooks 1 and 2: a regular convolution, and how Inception splits it."""

import torch
from torch.nn import functional as F

from xception_edu.costs import cost_of
from xception_edu.exercises import draws
from xception_edu.exercises.exercise import Exercise, Misconception
from xception_edu.layers import ReformulatedInception
from xception_edu.specs import ConvSpec, Shape


def _layer(in_channels, out_channels, kernel, side):
    return cost_of(
        ConvSpec(in_channels, out_channels, kernel, padding=kernel // 2),
        Shape(in_channels, side, side),
    )


def _layer_and_side(g):
    """Channels in and out, a kernel, and the side of the output."""
    return *draws.integers(g, 2, 2, 64), draws.kernel(g), draws.integer(g, 2, 40)


def _window(g):
    """An input's side, a kernel that fits, a stride and a padding."""
    side, padding = draws.integer(g, 7, 99), draws.integer(g, 0, 3)
    return side, draws.kernel(g), draws.integer(g, 1, 4), padding


def _place(g, channels=None):
    """An input, the weight of one output channel, and a place that fits."""
    channels = channels or draws.integer(g, 2, 5)
    height, width, row, column = draws.integers(g, 4, 0, 4)
    shapes = (channels, row + height + 3, column + width + 3), (channels, 3, 3)
    x, weight = draws.tensors(g, *shapes)
    return x.double(), weight.double(), row, column


def _three_towers(g):
    """Weights of three 1×1 over the same input."""
    inputs = draws.integer(g, 2, 9)
    return draws.tensors(g, *[(outputs, inputs, 1, 1) for outputs in draws.integers(g, 3, 1, 6)])


def _channels(g):
    """Four images whose channels can be cut."""
    channels, segments = draws.segmented(g)
    return torch.randn(4, channels, 2, 3, generator=g), segments


EXERCISES = (
    Exercise(
        name="01-parameters",
        title="Count the parameters",
        task="How many parameters has a regular convolution with a bias? Write the function.",
        stub="def parameters(in_channels, out_channels, kernel):\n    return ...",
        answer="parameters",
        cases=lambda g: [
            (3, 4, 3),
            *draws.several(g, lambda g: (*draws.integers(g, 2, 2, 64), draws.kernel(g))),
        ],
        reference=lambda i, o, k: sum(p.numel() for p in torch.nn.Conv2d(i, o, k).parameters()),
        hints=(
            "each output channel has a kernel of its own for every input channel.",
            "a kernel has kernel × kernel weights; an output channel has one bias.",
        ),
        solutions=(
            "def parameters(in_channels, out_channels, kernel):\n"
            "    return out_channels * (in_channels * kernel**2 + 1)",
            "def parameters(in_channels, out_channels, kernel):\n"
            "    weights = kernel * kernel * in_channels * out_channels\n"
            "    return weights + out_channels",
        ),
        reason=(
            "Every pair of an input and an output channel has its k × k weights, and every output"
            " channel one bias."
        ),
        misconceptions=(
            Misconception(
                name="bias left out",
                code="def parameters(i, o, k):\n    return k * k * i * o",
                says="These are the weights alone. The bias is one more for each output channel.",
            ),
            Misconception(
                name="one kernel a channel",
                code="def parameters(i, o, k):\n    return k * k * o + o",
                says=(
                    "This gives each output channel one kernel. It has one for every input"
                    " channel, and adds up what they find."
                ),
            ),
            Misconception(
                name="a bias for each input",
                code="def parameters(i, o, k):\n    return k * k * i * o + i",
                says=(
                    "The bias is added to an output value, so there is one for each output"
                    " channel, not for each input channel."
                ),
            ),
            Misconception(
                name="kernel side for kernel area",
                code="def parameters(i, o, k):\n    return k * i * o + o",
                says="This counts a kernel as k weights. It is a square of k × k.",
            ),
        ),
    ),
    Exercise(
        name="01-macs",
        title="Count the MACs",
        task="How many multiply-accumulates does it take, at"
        " [stride](guide.ipynb#cell-id=stride) 1, for an output of"
        " `side` × `side` positions? Write the function.",
        stub="def macs(in_channels, out_channels, kernel, side):\n    return ...",
        answer="macs",
        cases=lambda g: [(3, 4, 3, 8), *draws.several(g, _layer_and_side)],
        reference=lambda i, o, k, side: _layer(i, o, k, side).macs,
        hints=(
            "first count the MACs of one output value.",
            "an output value takes kernel × kernel × in_channels MACs; how many values are there?",
        ),
        solutions=(
            "def macs(in_channels, out_channels, kernel, side):\n"
            "    one_value = kernel**2 * in_channels\n"
            "    return one_value * out_channels * side**2",
            "def macs(in_channels, out_channels, kernel, side):\n"
            "    return in_channels * out_channels * (kernel * side) ** 2",
        ),
        reason="One value takes k × k × in MACs, and there are out × side × side values.",
        misconceptions=(
            Misconception(
                name="FLOPs for MACs",
                code="def macs(i, o, k, s):\n    return 2 * k * k * i * o * s * s",
                says=(
                    "These are FLOPs: a multiplication and an addition counted as two. A MAC is"
                    " both together."
                ),
            ),
            Misconception(
                name="parameters for MACs",
                code="def macs(i, o, k, s):\n    return k * k * i * o",
                says="These are the weights. Each of them is used at every position of the output.",
            ),
            Misconception(
                name="one output channel",
                code="def macs(i, o, k, s):\n    return k * k * i * s * s",
                says="This computes one output channel. There are out_channels of them.",
            ),
            Misconception(
                name="one input channel",
                code="def macs(i, o, k, s):\n    return k * k * o * s * s",
                says=(
                    "This looks at one input channel: that is a depthwise convolution. A regular"
                    " one multiplies with all of them."
                ),
            ),
        ),
    ),
    Exercise(
        name="01-side",
        title="How large is the output?",
        task="An input of `side` × `side`, a kernel, a stride and a padding on every edge: how many"
        " positions has a side of the output?",
        stub="def output_side(side, kernel, stride, padding):\n    return ...",
        answer="output_side",
        cases=lambda g: [(8, 3, 1, 1), (299, 3, 2, 0), *draws.several(g, _window)],
        reference=lambda n, k, s, p: F.conv2d(
            torch.zeros(1, 1, n, n), torch.zeros(1, 1, k, k), stride=s, padding=p
        ).shape[-1],
        hints=(
            "at stride 1 without padding, a kernel of 3 fits side - 2 times.",
            "padding makes the side longer at both ends; the first place is there even at a large"
            " stride.",
        ),
        solutions=(
            "def output_side(side, kernel, stride, padding):\n"
            "    return (side + 2 * padding - kernel) // stride + 1",
            "def output_side(side, kernel, stride, padding):\n"
            "    starts = range(-padding, side + padding - kernel + 1, stride)\n"
            "    return len(starts)",
        ),
        reason="The window starts at the first place and moves by the stride as long as it fits.",
        misconceptions=(
            Misconception(
                name="padding at one end",
                code="def output_side(n, k, s, p):\n    return (n + p - k) // s + 1",
                says="The padding lies at both ends of a side, so it counts twice.",
            ),
            Misconception(
                name="padding left out",
                code="def output_side(n, k, s, p):\n    return (n - k) // s + 1",
                says="This is the answer without padding, which lets the window begin before the"
                " edge and end behind it.",
            ),
            Misconception(
                name="the first place forgotten",
                code="def output_side(n, k, s, p):\n    return (n + 2 * p - k) // s",
                says="These are the moves of the window. Its first place comes before the first"
                " move: one more.",
            ),
            Misconception(
                name="the stride left out",
                code="def output_side(n, k, s, p):\n    return n + 2 * p - k + 1",
                says="This moves the window by one. At stride s it takes only every s-th place.",
            ),
        ),
    ),
    Exercise(
        name="01-value",
        title="One output value, by hand",
        task="Compute the output value at `row`, `column`, without padding, from an input `x`"
        " (channels, height, width) and the `weight` of one output channel (channels, 3, 3).",
        stub="def value(x, weight, row, column):\n    return ...",
        answer="value",
        cases=lambda g: [_place(g, 1), *draws.several(g, _place)],
        reference=lambda x, w, row, column: F.conv2d(x[None], w[None])[0, 0, row, column],
        hints=(
            "which 3×3 window of the input lies under the kernel?",
            "multiply the window of all channels with the weight, number by number, and add up.",
        ),
        solutions=(
            "def value(x, weight, row, column):\n"
            "    window = x[:, row : row + 3, column : column + 3]\n"
            "    return (window * weight).sum()",
            "def value(x, weight, row, column):\n"
            "    total = 0.0\n"
            "    for c in range(len(x)):\n"
            "        for i in range(3):\n"
            "            for j in range(3):\n"
            "                total += x[c, row + i, column + j] * weight[c, i, j]\n"
            "    return total",
        ),
        reason="A value is the sum over window and channels of input times weight.",
        misconceptions=(
            Misconception(
                name="mathematics' flipped kernel",
                code="def value(x, w, r, c):\n"
                "    return (x[:, r : r + 3, c : c + 3] * w.flip(1, 2)).sum()",
                says="This flips the kernel, as a convolution in mathematics does. Deep learning's"
                " convolution does not: it is a correlation.",
            ),
            Misconception(
                name="the first channel only",
                code="def value(x, w, r, c):\n    return (x[0, r : r + 3, c : c + 3] * w[0]).sum()",
                says="This looks at the first channel. A regular convolution adds up over all input"
                " channels.",
            ),
            Misconception(
                name="mean for sum",
                code="def value(x, w, r, c):\n    return (x[:, r : r + 3, c : c + 3] * w).mean()",
                says="This is the mean of the products. A convolution adds them up.",
            ),
            Misconception(
                name="row and column swapped",
                code="def value(x, w, r, c):\n"
                "    window = x.mT[:, r : r + 3, c : c + 3]\n"
                "    padded = torch.zeros(len(x), 3, 3)\n"
                "    padded[:, : window.shape[1], : window.shape[2]] = window\n"
                "    return (padded * w).sum()",
                says="Row and column are swapped: a tensor is (channels, height, width), so the row"
                " comes first.",
            ),
        ),
    ),
    Exercise(
        name="02-towers",
        title="Three towers as one",
        task="Three towers begin with a 1×1 each, of weights `a`, `b` and `c`, all over the same"
        " input. Which weight has the *one* 1×1 that gives their outputs side by side?",
        stub="def one_by_one(a, b, c):\n    return ...",
        answer="one_by_one",
        cases=lambda g: [
            draws.tensors(g, *[(2, 6, 1, 1)] * 3),
            *draws.several(g, _three_towers),
        ],
        reference=lambda a, b, c: torch.stack([row for w in (a, b, c) for row in w]),
        hints=(
            "what is the shape of the weight of a 1×1 from 6 to 6 channels?",
            "a weight is (outputs, inputs, 1, 1), and the towers bring outputs, not inputs.",
        ),
        solutions=(
            "def one_by_one(a, b, c):\n    return torch.cat([a, b, c])",
            "def one_by_one(a, b, c):\n    return torch.vstack((a, b, c))",
        ),
        reason="All towers see the same input, so their output channels, laid one below the other,"
        " are one weight: that is Figure 3.",
        misconceptions=(
            Misconception(
                name="added up",
                code="def one_by_one(a, b, c):\n"
                "    n = min(len(a), len(b), len(c))\n"
                "    return a[:n] + b[:n] + c[:n]",
                says="This adds the towers up. Inception lays their outputs side by side.",
            ),
            Misconception(
                name="put behind one another",
                code="def one_by_one(a, b, c):\n"
                "    n = min(len(a), len(b), len(c))\n"
                "    return torch.cat([a[:n], b[:n], c[:n]], dim=1)",
                says="This joins along the inputs, as if each tower had input channels of its own."
                " All of them read the same input.",
            ),
            Misconception(
                name="the first tower alone",
                code="def one_by_one(a, b, c):\n    return a",
                says="This is the first tower. The one 1×1 must give the outputs of all three.",
            ),
        ),
    ),
    Exercise(
        name="02-count",
        title="What a module of three segments holds",
        task="Figure 3 with 48 channels: one 1×1 from 48 to 48, then 3×3 over three segments, no"
        " biases. How many parameters are that?",
        stub="count = ...",
        answer="count",
        reference=lambda: sum(
            p.numel() for p in ReformulatedInception(48, 48, segments=3).parameters()
        ),
        hints=(
            "count the 1×1 first; it sees all channels.",
            "each segment is a regular 3×3 from 16 to 16 channels.",
        ),
        solutions=("count = 48 * 48 + 3 * (9 * 16 * 16)", "count = 48**2 + 9 * 48**2 // 3"),
        reason="2,304 in the 1×1, and 9 × 48 × 16 in the 3×3, a third of a regular one.",
        misconceptions=(
            Misconception(
                name="segments left out",
                code="count = 48 * 48 + 9 * 48 * 48",
                says=(
                    "This 3×3 sees all 48 channels: that is one segment. With three, an output"
                    " sees 16."
                ),
            ),
            Misconception(
                name="the 1×1 left out",
                code="count = 9 * 48 * 16",
                says="This is the 3×3 alone. Before it stands a 1×1 over all channels.",
            ),
            Misconception(
                name="one segment counted",
                code="count = 48 * 48 + 9 * 16 * 16",
                says="This is one of the three segments. Each has 9 × 16 × 16 weights of its own.",
            ),
            Misconception(
                name="depthwise for three segments",
                code="count = 48 * 48 + 9 * 48",
                says="This is a segment a channel, Figure 4. Three segments have 16 channels each.",
            ),
        ),
    ),
    Exercise(
        name="02-split",
        title="Cut the channels",
        task="Cut `x` (N, channels, H, W) into `segments` tensors of equally many channels, in"
        " order.",
        stub="def split(x, segments):\n    return ...",
        answer="split",
        cases=lambda g: [(torch.randn(4, 4, 2, 3, generator=g), 1), *draws.several(g, _channels)],
        reference=lambda x, s: list(x.unflatten(1, (s, -1)).unbind(1)),
        hints=("which dimension are the channels?", "`torch.chunk` cuts along `dim`."),
        solutions=(
            "def split(x, segments):\n    return x.chunk(segments, dim=1)",
            "def split(x, segments):\n"
            "    width = x.shape[1] // segments\n"
            "    return [x[:, i * width : (i + 1) * width] for i in range(segments)]",
        ),
        reason="Segments are runs of neighboring channels, dimension 1 of (N, channels, H, W).",
        misconceptions=(
            Misconception(
                name="images cut, not channels",
                code="def split(x, s):\n    return x.chunk(s, dim=0)",
                says="This cuts the batch: dimension 0 are the images. Channels are dimension 1.",
            ),
            Misconception(
                name="every s-th channel",
                code="def split(x, s):\n    return [x[:, i::s] for i in range(s)]",
                says=(
                    "This takes every s-th channel. Segments are neighbors: the first channels,"
                    " then the next ones."
                ),
            ),
            Misconception(
                name="segments as width",
                code="def split(x, s):\n    return x.split(s, dim=1)",
                says=(
                    "This makes pieces of `segments` channels. The number says how many pieces"
                    " there are, not how wide they are."
                ),
            ),
        ),
    ),
)
