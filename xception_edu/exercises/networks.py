"""Exercises of notebooks 5 and 6: the network block by block, and against others."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from xception_edu import architectures
from xception_edu.configs import InceptionV3Config, XceptionConfig
from xception_edu.costs import total
from xception_edu.exercises import draws
from xception_edu.exercises.exercise import Exercise, Misconception
from xception_edu.specs import ConvSpec, LinearSpec
from xception_edu.xception import max_pool

BUDGET = 5_000_000


def _sides(size):
    """Sides of the maps, by torch's own operators."""
    x = torch.zeros(1, 1, size, size)
    kernel = torch.zeros(1, 1, 3, 3)
    first = F.conv2d(x, kernel, stride=2)
    maps = [first, F.conv2d(first, kernel)]
    for _ in range(4):
        maps.append(max_pool(maps[-1], "tensorflow"))
    return [m.shape[-1] for m in maps]


@dataclass(frozen=True)
class Line:
    """A linear map, which a message can show."""

    times: float
    minus: float

    def __call__(self, x):
        """One value for each of x."""
        return self.times * x - self.minus


def _line(g):
    """An input, and what a block makes of it."""
    return *draws.tensors(g, draws.integers(g, 3, 2, 5)), Line(*draws.numbers(g, 2, 0.5, 2))


def _layers_of_the_paper(middle_blocks):
    """Convolutions without the second half of separable ones, and without those on the skips."""
    names = [
        spec.name
        for spec, _ in architectures.xception(XceptionConfig(middle_blocks=middle_blocks))
        if isinstance(spec, ConvSpec)
    ]
    return sum("pointwise" not in name and "skip" not in name for name in names)


def _vgg_share():
    """Percent of the parameters that lie in linear layers."""
    layers = architectures.vgg()
    linear = [(spec, shape) for spec, shape in layers if isinstance(spec, LinearSpec)]
    return 100 * total(linear).params / total(layers).params


def _under_budget(answer, g):
    """Whether a config keeps the network's depth and classes, and comes near the budget."""
    if not isinstance(answer, XceptionConfig):
        return f"This is a {type(answer).__name__}; what is asked for is an XceptionConfig."
    usual = XceptionConfig()
    if answer.num_classes != usual.num_classes:
        return "classes taken away"
    if answer.middle_blocks != usual.middle_blocks:
        return "blocks taken away"
    if answer.segments != "channels":
        return "segments changed"
    params = total(architectures.xception(answer)).params
    if params > BUDGET:
        return f"It has {params:,} parameters, which are more than {BUDGET:,}."
    if params < 0.95 * BUDGET:
        return f"It has {params:,} parameters: more than a twentieth of the budget is left over."
    return None


EXERCISES = (
    Exercise(
        name="05-sides",
        title="Why 19×19?",
        task=(
            "An image of `size` × `size`: give the sides of the maps after both stem convolutions"
            " (3×3 at stride 2, 3×3; no padding) and after the four poolings (which round up)."
        ),
        stub="def sides(size):\n    return ...",
        answer="sides",
        cases=lambda g: [
            (299,),
            (224,),
            *draws.several(g, lambda g: draws.integers(g, 1, 80, 400)),
        ],
        reference=_sides,
        hints=(
            "for 299 the first is 149, and the last 10.",
            "half of an odd side is rounded up: 37 becomes 19.",
        ),
        solutions=(
            "def sides(size):\n"
            "    found = [(size - 3) // 2 + 1]\n"
            "    found.append(found[0] - 2)\n"
            "    for _ in range(4):\n"
            "        found.append((found[-1] + 1) // 2)\n"
            "    return found",
            "def sides(size):\n"
            "    first = (size - 1) // 2\n"
            "    second = first - 2\n"
            "    return [first, second] + [-(-second // 2**i) for i in (1, 2, 3, 4)]",
        ),
        reason=(
            "'Same' pooling keeps a position for the odd column at the edge: 37 becomes 19, not 18."
        ),
        misconceptions=(
            Misconception(
                name="poolings round down",
                code="def sides(n):\n"
                "    f = [(n - 1) // 2, (n - 1) // 2 - 2]\n"
                "    for _ in range(4):\n        f.append(f[-1] // 2)\n    return f",
                says="These poolings round down, which leads to 18×18 in the middle. TensorFlow's"
                " 'same' rounds up.",
            ),
            Misconception(
                name="a padded stem",
                code="def sides(n):\n"
                "    f = [-(-n // 2), -(-n // 2)]\n"
                "    for _ in range(4):\n        f.append(-(-f[-1] // 2))\n    return f",
                says="Here the stem is padded. Its two convolutions take no padding, so that each"
                " loses an edge.",
            ),
            Misconception(
                name="the second stem convolution forgotten",
                code="def sides(n):\n"
                "    f = [(n - 1) // 2, (n - 1) // 2]\n"
                "    for _ in range(4):\n        f.append(-(-f[-1] // 2))\n    return f",
                says="The second convolution of the stem has stride 1, but no padding: it takes a"
                " pixel from every edge.",
            ),
        ),
    ),
    Exercise(
        name="05-skip",
        title="Find the planted fault",
        task="A block adds its input to what it makes of it. This one is wrong, and silent:"
        "\n\n    def block(x, f):\n        return f(x.relu_()) + x\n\n"
        "Write it right: `x` plus `f` of ReLU of `x`.",
        stub="def block(x, f):\n    return ...",
        answer="block",
        cases=lambda g: draws.several(g, _line),
        reference=lambda x, f: torch.add(x, f(F.relu(x))),
        hints=(
            "what is in `x` when the addition reads it?",
            "`relu_` writes into its argument; `relu` does not.",
        ),
        solutions=(
            "def block(x, f):\n    return x + f(x.relu())",
            "def block(x, f):\n    positive = x.clone().relu_()\n    return f(positive) + x",
        ),
        reason=(
            "The skip must read what came in. In place, the negative values are gone before it"
            " does."
        ),
        misconceptions=(
            Misconception(
                name="in-place ReLU",
                code="def block(x, f):\n    return f(x.relu_()) + x",
                says="The ReLU still writes into `x`, and the skip adds the cut values. Nothing"
                " warns: only the numbers differ.",
            ),
            Misconception(
                name="ReLU after the addition",
                code="def block(x, f):\n    return (x + f(x.relu())).relu()",
                says="There is no ReLU after an addition in Xception: it would cut the skip, too.",
            ),
            Misconception(
                name="the ReLU left out",
                code="def block(x, f):\n    return x + f(x)",
                says="The ReLU belongs before `f`; only the skip goes without it.",
            ),
            Misconception(
                name="the skip left out",
                code="def block(x, f):\n    return f(x.relu())",
                says="The input is no longer added: then it is no residual block.",
            ),
        ),
    ),
    Exercise(
        name="05-layers",
        title="36 layers",
        task="The paper counts convolutional layers: a separable convolution is one, strided 1×1 on"
        " the skips are none. With `middle_blocks` blocks of the middle flow, how many are there?",
        stub="def layers(middle_blocks):\n    return ...",
        answer="layers",
        cases=lambda g: [(8,), (0,), *draws.several(g, lambda g: draws.integers(g, 1, 1, 20))],
        reference=_layers_of_the_paper,
        hints=(
            "two are in the stem; each of three entry blocks has two.",
            "a middle block has three, the exit flow four.",
        ),
        solutions=(
            "def layers(middle_blocks):\n    return 2 + 3 * 2 + 3 * middle_blocks + 2 + 2",
            "def layers(middle_blocks):\n    return 12 + 3 * middle_blocks",
        ),
        reason="2 in the stem, 6 in the entry flow, 24 in the middle, 4 at the exit: 36.",
        misconceptions=(
            Misconception(
                name="the skips counted",
                code="def layers(n):\n    return 16 + 3 * n",
                says="This counts the four strided 1×1 on the skips, which the paper does not.",
            ),
            Misconception(
                name="separable counted as two",
                code="def layers(n):\n    return 2 + 2 * (10 + 3 * n)",
                says="Here each separable convolution is two layers. It is two operations, and one"
                " layer in the paper's count.",
            ),
            Misconception(
                name="modules for layers",
                code="def layers(n):\n    return 6 + n",
                says="These are the modules, 14 in the paper. A middle block has three layers.",
            ),
            Misconception(
                name="the stem forgotten",
                code="def layers(n):\n    return 10 + 3 * n",
                says="These are the separable convolutions. Two plain ones stand before them.",
            ),
        ),
    ),
    Exercise(
        name="05-bn",
        title="What batch normalization learns",
        task="How many *trainable* parameters has a batch normalization of `channels` channels?",
        stub="def parameters(channels):\n    return ...",
        answer="parameters",
        cases=lambda g: [(32,), *draws.several(g, lambda g: draws.integers(g, 1, 1, 999))],
        reference=lambda c: sum(p.numel() for p in nn.BatchNorm2d(c).parameters()),
        hints=(
            "mean and variance are measured; what is learned?",
            "gamma and beta, each a channel.",
        ),
        solutions=(
            "def parameters(channels):\n    return 2 * channels",
            "def parameters(channels):\n"
            "    return sum(p.numel() for p in torch.nn.BatchNorm2d(channels).parameters())",
        ),
        reason="Gamma and beta are learned; running mean and variance are kept, but not learned.",
        misconceptions=(
            Misconception(
                name="statistics counted",
                code="def parameters(c):\n    return 4 * c",
                says=(
                    "This counts running mean and variance. They are stored, and no gradient"
                    " changes them."
                ),
            ),
            Misconception(
                name="BN parameters left out",
                code="def parameters(c):\n    return 0 * c",
                says=(
                    "Batch normalization scales and shifts what it has normalized, and learns both."
                ),
            ),
            Misconception(
                name="beta left out",
                code="def parameters(c):\n    return c",
                says="This is gamma alone, or beta alone. It has both.",
            ),
        ),
    ),
    Exercise(
        name="06-vgg",
        title="Where VGG-16 keeps its parameters",
        task="Predict: how many percent of VGG-16's parameters lie in its three fully connected"
        " layers?",
        stub="percent = ...",
        answer="percent",
        tolerance=0.02,
        reference=_vgg_share,
        hints=(
            "the first of them sees 512 × 7 × 7 values, and has 4,096 outputs.",
            "that one alone has 103 of 138 million.",
        ),
        solutions=("percent = 89.4", "percent = 100 * 123_642_856 / 138_357_544"),
        reason="Nine tenths; in Xception the average pooling before the classifier leaves 9 %.",
        misconceptions=(
            Misconception(
                name="the convolutions' share",
                code="percent = 10.6",
                says="That is the share of the convolutions. They have most of the MACs, and few"
                " parameters.",
            ),
            Misconception(
                name="MACs for parameters",
                code="percent = 0.8",
                says="That is their share of the MACs. Each of their weights is used once an image,"
                " a convolution's at every position.",
            ),
            Misconception(
                name="Xception's share",
                code="percent = 9",
                says="That is about the share in Xception, which averages before its classifier.",
            ),
        ),
    ),
    Exercise(
        name="06-work",
        title="Same size, same work?",
        task=(
            "Xception has 3 % fewer parameters than Inception V3. How many times as many MACs has"
            " it, at 299×299?"
        ),
        stub="times = ...",
        answer="times",
        tolerance=0.02,
        reference=lambda: (
            total(architectures.xception()).macs
            / total(architectures.inception_v3(InceptionV3Config())).macs
        ),
        hints=(
            "count both with `xe.total(xe.architectures.xception()).macs`.",
            "`xe.architectures.inception_v3()` is the other list of layers.",
        ),
        solutions=(
            "times = 1.46",
            "both = [xe.architectures.xception(), xe.architectures.inception_v3()]\n"
            "xception, inception = [xe.total(layers).macs for layers in both]\n"
            "times = xception / inception",
        ),
        reason="Equal parameters are not equal work: more of Xception's are used at large maps.",
        misconceptions=(
            Misconception(
                name="parameters for MACs",
                code="times = 22_855_952 / 23_626_728",
                says="That is the ratio of the parameters. A weight counts as often as it is used.",
            ),
            Misconception(
                name="turned around",
                code="times = 1 / 1.4628",
                says="That is Inception V3 over Xception. Xception has more MACs.",
            ),
            Misconception(
                name="time for MACs",
                code="times = 31 / 28",
                says=(
                    "That is the ratio of Table 3's training speeds. Time is not MACs, as notebook"
                    " 8 shows."
                ),
            ),
        ),
    ),
    Exercise(
        name="06-budget",
        title="Design a network under a budget",
        task=(
            "Make an Xception of at most 5,000,000 parameters that uses at least 95 % of them."
            " Keep its depth, its 1,000 classes and its segments. `xe.XceptionConfig(width=...)`"
            " makes it narrower."
        ),
        stub="config = ...",
        answer="config",
        judge=_under_budget,
        hints=(
            "halve the width: how many parameters are left?",
            "they fall nearly with the *square* of the width; try 0.4 and go on from there.",
        ),
        solutions=(
            "config = xe.XceptionConfig(width=0.433)",
            "from xception_edu.budgets import width_for\n"
            "config = width_for(xe.XceptionConfig(), params=4_900_000)",
        ),
        reason=(
            "Parameters of a 1×1 are inputs times outputs, so they go with the square of the width."
        ),
        misconceptions=(
            Misconception(
                name="classes taken away",
                code="config = xe.XceptionConfig(width=0.45, num_classes=10)",
                says=(
                    "Fewer classes make the classifier smaller: that is another task, not a"
                    " smaller network for this one."
                ),
            ),
            Misconception(
                name="blocks taken away",
                code="config = xe.XceptionConfig(width=0.5, middle_blocks=5)",
                says=(
                    "This makes the network shallower. Keep its eight blocks, and change the width."
                ),
            ),
            Misconception(
                name="segments changed",
                code="config = xe.XceptionConfig(width=0.2, segments=1)",
                says="This is another point of the line: one segment. Keep one for each channel.",
            ),
        ),
    ),
)
