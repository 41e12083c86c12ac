"""Exercises of notebook 3: the number of segments, from a regular to a depthwise convolution."""

import torch
from torch import nn

from xception_edu.exercises import draws
from xception_edu.exercises.exercise import Exercise, Misconception
from xception_edu.layers import SegmentedInception
from xception_edu.segmented_conv import SegmentedConv2d
from xception_edu.specs import segment_sizes


def _pairs(g):
    """Channels and segments: both ends of the line, and points between."""
    channels = draws.integer(g, 8, 60)
    return [(48, 4), (channels, 1), (channels, channels), *draws.several(g, draws.segmented)]


def _output(g):
    """Channels, segments and the number of an output."""
    channels, segments = draws.segmented(g)
    return channels, segments, draws.integer(g, 0, channels - 1)


def _uneven(g):
    """Channels, and segments that mostly do not divide them."""
    segments = draws.integer(g, 3, 9)
    return draws.integer(g, segments, 60), segments


def _grouped(g):
    """The weight of a grouped convolution, and its segments."""
    channels, segments = draws.segmented(g)
    return torch.randn(channels, channels // segments, 3, 3, generator=g), segments


def _dense(weight, segments):
    """The block-diagonal weight, from a layer that has just these weights."""
    out_channels, width, kernel, _ = weight.shape
    layer = SegmentedConv2d(width * segments, out_channels, kernel, segments=segments)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(weight)
    return layer.dense_weight().detach()


def _inputs_seen(channels, segments, output):
    """The inputs that move an output of a layer of ones."""
    layer = nn.Conv2d(channels, channels, 1, groups=segments, bias=False)
    nn.init.ones_(layer.weight)
    with torch.no_grad():
        moved = layer(torch.eye(channels)[:, :, None, None])[:, output, 0, 0]
    return moved.nonzero().flatten().tolist()


EXERCISES = (
    Exercise(
        name="03-groups",
        title="Parameters of a segmented 3×3",
        task="A 3×3 convolution without bias from `channels` to `channels`, over `segments` equal"
        " segments: how many parameters has it?",
        stub="def parameters(channels, segments):\n    return ...",
        answer="parameters",
        cases=_pairs,
        reference=lambda c, s: nn.Conv2d(c, c, 3, groups=s, bias=False).weight.numel(),
        hints=(
            "how many inputs does one output see?",
            "an output sees channels / segments inputs, through a 3×3 kernel each.",
        ),
        solutions=(
            "def parameters(channels, segments):\n    return 9 * channels * (channels // segments)",
            "def parameters(channels, segments):\n"
            "    width = channels // segments\n"
            "    return segments * 9 * width * width",
        ),
        reason="Each of the outputs sees one segment, so S segments leave an S-th of the weights.",
        misconceptions=(
            Misconception(
                name="all inputs seen",
                code="def parameters(c, s):\n    return 9 * c * c",
                says=(
                    "These are the parameters of a regular convolution: every output still sees"
                    " all inputs. It should see those of its own segment."
                ),
            ),
            Misconception(
                name="groups read as width",
                code="def parameters(c, s):\n    return 9 * c * s",
                says="This takes `segments` for how wide a segment is. It says how many there are:"
                " each is channels / segments wide.",
            ),
            Misconception(
                name="one segment counted",
                code="def parameters(c, s):\n    return 9 * (c // s) ** 2",
                says="These are the weights of one segment. There are `segments` of them, each with"
                " its own.",
            ),
            Misconception(
                name="always depthwise",
                code="def parameters(c, s):\n    return 9 * c",
                says="This is the depthwise end, one input for each output. Fewer segments let an"
                " output see more.",
            ),
        ),
    ),
    Exercise(
        name="03-shape",
        title="The weight's shape",
        task="Which shape has the weight of `nn.Conv2d(channels, channels, 3, groups=segments)`?",
        stub="def weight_shape(channels, segments):\n    return ...",
        answer="weight_shape",
        cases=_pairs,
        reference=lambda c, s: tuple(nn.Conv2d(c, c, 3, groups=s).weight.shape),
        hints=(
            "the first number counts outputs; how many are there?",
            "the second number counts the inputs that *one* output sees.",
        ),
        solutions=(
            "def weight_shape(channels, segments):\n"
            "    return (channels, channels // segments, 3, 3)",
            "def weight_shape(channels, segments):\n"
            "    return torch.nn.Conv2d(channels, channels, 3, groups=segments).weight.shape",
        ),
        reason="(outputs, inputs that one output sees, 3, 3): the second number shrinks, not the"
        " first.",
        misconceptions=(
            Misconception(
                name="both numbers divided",
                code="def weight_shape(c, s):\n    return (c // s, c // s, 3, 3)",
                says=(
                    "This is the weight of one segment. All outputs stand in one tensor, so the"
                    " first number stays `channels`."
                ),
            ),
            Misconception(
                name="the outputs divided",
                code="def weight_shape(c, s):\n    return (c // s, c, 3, 3)",
                says=(
                    "The two are swapped: there are `channels` outputs, and each sees fewer inputs."
                ),
            ),
            Misconception(
                name="nothing divided",
                code="def weight_shape(c, s):\n    return (c, c, 3, 3)",
                says=(
                    "This is the shape without groups. With them the zeros between segments are"
                    " not stored."
                ),
            ),
            Misconception(
                name="groups in the shape",
                code="def weight_shape(c, s):\n    return (s, c // s, 3, 3)",
                says="The number of groups does not stand in the shape. Each of the `channels`"
                " outputs has its kernels.",
            ),
        ),
    ),
    Exercise(
        name="03-sees",
        title="What an output sees",
        task="`channels` in and out, in `segments` equal segments. Which input channels does output"
        " channel number `output` see? Give the list.",
        stub="def seen(channels, segments, output):\n    return ...",
        answer="seen",
        cases=lambda g: [(12, 3, 7), (12, 12, 5), (12, 1, 3), *draws.several(g, _output)],
        reference=_inputs_seen,
        hints=(
            "in which segment does the output lie?",
            "a segment of width w begins at channel number w × its number.",
        ),
        solutions=(
            "def seen(channels, segments, output):\n"
            "    width = channels // segments\n"
            "    start = output // width * width\n"
            "    return list(range(start, start + width))",
            "def seen(channels, segments, output):\n"
            "    width = channels // segments\n"
            "    return [i for i in range(channels) if i // width == output // width]",
        ),
        reason="Segment i of the output sees segment i of the input, and nothing else.",
        misconceptions=(
            Misconception(
                name="the same channel only",
                code="def seen(c, s, o):\n    return [o]",
                says="That is a depthwise convolution, a segment a channel. Here an output sees its"
                " whole segment.",
            ),
            Misconception(
                name="interleaved",
                code="def seen(c, s, o):\n    return list(range(o % s, c, s))",
                says="This takes every segments-th channel. A segment is a run of neighbors.",
            ),
            Misconception(
                name="all of them",
                code="def seen(c, s, o):\n    return list(range(c))",
                says=(
                    "A regular convolution sees all inputs. With segments, an output sees its own."
                ),
            ),
            Misconception(
                name="segments as width",
                code=(
                    "def seen(c, s, o):\n    return list(range(o // s * s, min(c, o // s * s + s)))"
                ),
                says=(
                    "This makes segments of `segments` channels. The number says how many there"
                    " are."
                ),
            ),
        ),
    ),
    Exercise(
        name="03-uneven",
        title="Segments that do not divide",
        task=(
            "Cut `channels` into `segments` runs that are as equal as can be, the longer ones"
            " first. Give the list of their sizes."
        ),
        stub="def sizes(channels, segments):\n    return ...",
        answer="sizes",
        cases=lambda g: [(48, 5), (7, 7), (23, 6), *draws.several(g, _uneven)],
        reference=segment_sizes,
        hints=(
            "divide with remainder: what is left over, and who gets it?",
            "the first `remainder` segments have one channel more.",
        ),
        solutions=(
            "def sizes(channels, segments):\n"
            "    q, r = divmod(channels, segments)\n"
            "    return [q + 1] * r + [q] * (segments - r)",
            "def sizes(channels, segments):\n"
            "    return [channels // segments + (i < channels % segments) for i in"
            " range(segments)]",
        ),
        reason="No two of them differ by more than one channel, and none is left over.",
        misconceptions=(
            Misconception(
                name="the rest in the last one",
                code="def sizes(c, s):\n    return [c // s] * (s - 1) + [c - c // s * (s - 1)]",
                says="This puts the whole rest into the last segment, which may become much longer."
                " Spread it: one channel each for the first ones.",
            ),
            Misconception(
                name="the rest dropped",
                code="def sizes(c, s):\n    return [c // s] * s",
                says="Channels get lost: these sizes do not add up to all of them.",
            ),
            Misconception(
                name="rounded up",
                code="def sizes(c, s):\n"
                "    w = -(-c // s)\n"
                "    return [min(w, c - i) for i in range(0, c, w)]",
                says="Rounding up makes fewer segments than asked for, with a short last one.",
            ),
        ),
    ),
    Exercise(
        name="03-dense",
        title="The regular convolution behind it",
        task="A grouped convolution's `weight` is (channels, channels / segments, 3, 3). Build the"
        " weight (channels, channels, 3, 3) with which a *regular* convolution computes the same.",
        stub="def dense(weight, segments):\n    return ...",
        answer="dense",
        cases=lambda g: [
            (torch.randn(4, 1, 3, 3, generator=g), 4),
            (torch.randn(3, 3, 3, 3, generator=g), 1),
            *draws.several(g, _grouped),
        ],
        reference=_dense,
        hints=(
            "where an output does not see an input, which number stands there?",
            "begin with zeros; put each segment's block on the diagonal.",
        ),
        solutions=(
            "def dense(weight, segments):\n"
            "    channels, width = weight.shape[:2]\n"
            "    full = torch.zeros(channels, channels, 3, 3)\n"
            "    for i in range(segments):\n"
            "        run = slice(i * width, (i + 1) * width)\n"
            "        full[run, run] = weight[run]\n"
            "    return full",
            "def dense(weight, segments):\n"
            "    width = weight.shape[1]\n"
            "    full = torch.zeros(len(weight), len(weight), 3, 3)\n"
            "    for o in range(len(weight)):\n"
            "        start = o // width * width\n"
            "        full[o, start : start + width] = weight[o]\n"
            "    return full",
        ),
        reason="A segmented convolution is a regular one whose weight is zero off the blocks.",
        misconceptions=(
            Misconception(
                name="blocks everywhere",
                code="def dense(w, s):\n    return w.repeat(1, s, 1, 1)",
                says="This repeats the weight, so that every output sees all segments. Off the"
                " diagonal there must be zeros.",
            ),
            Misconception(
                name="all in the first columns",
                code="def dense(w, s):\n"
                "    full = torch.zeros(len(w), len(w), 3, 3)\n"
                "    full[:, : w.shape[1]] = w\n"
                "    return full",
                says=(
                    "Here all outputs see the first segment. Segment i of the output sees segment"
                    " i of the input."
                ),
            ),
            Misconception(
                name="the weight as it is",
                code="def dense(w, s):\n    return w",
                says=(
                    "This is still the grouped weight: its second number is the width of a"
                    " segment, and must become all channels."
                ),
            ),
        ),
    ),
    Exercise(
        name="03-module",
        title="One segment is not yet regular",
        task="The paper's module at one segment, 48 channels in and out, no biases: how many"
        " parameters?",
        stub="count = ...",
        answer="count",
        reference=lambda: sum(
            p.numel() for p in SegmentedInception(48, 48, segments=1).parameters()
        ),
        hints=("what stands before the 3×3 in Figure 3?", "the module is a 1×1 *and* a 3×3."),
        solutions=("count = 48 * 48 + 9 * 48 * 48", "count = 10 * 48**2"),
        reason=(
            "One segment is a regular 3×3 with a 1×1 before it; the paper calls that end 'regular"
            " convolution preceded by a 1×1'."
        ),
        misconceptions=(
            Misconception(
                name="one segment taken for a regular convolution alone",
                code="count = 9 * 48 * 48",
                says=(
                    "This is a regular 3×3 alone. The module has a 1×1 before it, at every point"
                    " of the line."
                ),
            ),
            Misconception(
                name="the other end",
                code="count = 48 * 48 + 9 * 48",
                says="This is a segment a channel. One segment is the other end of the line.",
            ),
            Misconception(
                name="the 1×1 after and before",
                code="count = 2 * 48 * 48 + 9 * 48 * 48",
                says="This has two 1×1. The module has one: before the 3×3, or behind it.",
            ),
        ),
    ),
)
