"""From towers to segments: Figures 1 to 4 of the paper morph into each other, compared in numbers
at every step.
"""

from collections.abc import Sequence
from functools import cache
from itertools import chain

import numpy as np

from xception_edu import architectures
from xception_edu.architectures import Layers, ModuleConfig
from xception_edu.costs import Cost, block_diagonal_weights, total
from xception_edu.explorers.engine.scene_explorer import SceneExplorer, View, scene_explorer
from xception_edu.explorers.numpy_convolutions import (
    Array,
    activate,
    average_pool,
    convolve,
    identity,
    pointwise,
)
from xception_edu.explorers.towers_matrices import Weights, matrices
from xception_edu.explorers.towers_panels import BETWEEN, KEYS, Progress, diagram
from xception_edu.specs import ConvSpec, Shape, segment_sizes

TOWERS = {3: "3", 4: "4"}
CHANNELS, SIDE = 12, 8
SHAPE = Shape(CHANNELS, SIDE, SIDE)
COLUMNS = (
    ("Convolutions", "1×1 + 3×3"),
    ("3×3 kernels", "one for each pair of channels"),
    ("Parameters", "weights"),
    ("MACs", "per 8×8 input"),
    ("Difference from Figure 2", "the largest, of the largest output"),
)  # the last one is as wide as it is; the others stay where they are
TITLES = (
    "Figure 1: a canonical Inception module",
    "Figure 2: the simplified module",
    "Figure 3: one large 1×1, then segments",
    "Figure 3 as one grouped convolution",
    "Figure 4: the extreme module",
)


def towers_explorer(*, step: int = 0, towers: int = 3) -> SceneExplorer:
    """The modules of Figures 1 to 4 with 12 channels, morphing into each other (Sections 1.1 and
    1.2).

    `step` is 0 for Figure 1, 8 for Figure 2, 16 for Figure 3, 24 for Figure 3 as one grouped
    convolution, 32 for Figure 4, and any integer between. `towers` is 3 or 4: how many towers
    Figure 2 has, and segments Figure 3. Every step is run on the same 8x8 input, weights carried
    over, and compared with Figure 2's output. ValueError for anything else.
    """
    choices = {"towers": ("Towers", TOWERS)}
    state = {"step": step, "towers": towers}
    return scene_explorer("towers_explorer", ("step", "Step"), choices, COLUMNS, views, state)


# ---- the modules in numbers ----------------------------------------------------------------------


def sizes(towers: int) -> list[int]:
    """Channels of each tower of Figure 1; the first `towers` ones are Figure 2's, 12 in all."""
    kept = segment_sizes(CHANNELS, towers)
    return kept + kept[-1:] * (4 - towers)


def example(towers: int) -> tuple[Array, Weights]:
    """An input (12, 8, 8) and weights, drawn at random from a fixed seed.

    All are multiples of 1/64, so that sums in float64 are exact in any order, and equal functions
    differ by 0, not by 1e-16.
    """
    rng, ns = np.random.default_rng(0), sizes(towers)

    def draw(*shape: int, scale: float = 1) -> Array:
        return np.round(rng.standard_normal(shape) * scale * 64) / 64

    weights = Weights(
        pointwise=[draw(n, CHANNELS, scale=(2 / CHANNELS) ** 0.5) for n in ns],
        spatial=[draw(n, n, 3, 3, scale=(2 / (9 * n)) ** 0.5) for n in ns[:towers]],
        second=draw(ns[2], ns[2], 3, 3, scale=(2 / (9 * ns[2])) ** 0.5),
    )
    return draw(*SHAPE), weights


def output(step: int, x: Array, w: Weights) -> Array:
    """What the module of a step makes of x (12, 8, 8): (12, 8, 8), without the pooling tower that
    Figure 2 drops.

    ReLU follows every convolution. From Figure 1 to 2, kernels that come or go are a mean of what
    they are and of the kernel that changes nothing; from the grouped convolution to Figure 4,
    kernels off the diagonal fade to 0.
    """
    at = Progress(step)
    if step < 2 * BETWEEN:
        towers = zip(w.pointwise, w.spatial, strict=False)
        return np.concatenate(
            [_tower(i, x, one, k, at.simplified, w.second) for i, (one, k) in enumerate(towers)]
        )
    between = _relu(pointwise(x, np.concatenate(w.pointwise[: len(w.spatial)])))
    if step < 3 * BETWEEN:
        pieces = np.split(between, np.cumsum([len(k) for k in w.spatial])[:-1])
        return np.concatenate(
            [_relu(convolve(piece, k)) for piece, k in zip(pieces, w.spatial, strict=True)]
        )
    return _relu(convolve(between, thinned(block_diagonal(w.spatial), at.thinned)))


def _tower(i: int, x: Array, one: Array, spatial: Array, simplified: float, second: Array) -> Array:
    """The i-th tower, on the way from Figure 1 (0) to Figure 2 (1)."""
    unchanged = identity(len(one))
    if i == 3:
        x = (1 - simplified) * average_pool(x) + simplified * x
    if i in (0, 3):  # which has no 3x3 in Figure 1
        spatial = (1 - simplified) * unchanged + simplified * spatial
    out = _relu(convolve(_relu(pointwise(x, one)), spatial))
    return (
        _relu(convolve(out, (1 - simplified) * second + simplified * unchanged)) if i == 2 else out
    )


def _relu(x: Array) -> Array:
    return activate(x, "relu")


def block_diagonal(blocks: Sequence[Array]) -> Array:
    """The weight (12, 12, 3, 3) of the regular convolution that does what the blocks do side by
    side.
    """
    weight, first = np.zeros((CHANNELS, CHANNELS, 3, 3)), 0
    for block in blocks:
        weight[first : first + len(block), first : first + len(block)] = block
        first += len(block)
    return weight


def thinned(weight: Array, share: float) -> Array:
    """The weight with every kernel between different channels reduced by `share`."""
    same = np.eye(len(weight))[:, :, None, None]
    return weight * (same + (1 - share) * (1 - same))


# ---- what they cost ------------------------------------------------------------------------------


def layers(towers: int) -> list[Layers]:
    """The layers of the five forms, counted from the paper's figures."""
    ns, config = sizes(towers), ModuleConfig(CHANNELS, CHANNELS, towers)
    figure_1 = architectures.canonical_inception(SHAPE, widths=tuple(ns), reduced=(ns[1], ns[2]))
    figure_2 = architectures.simplified_inception(config, SHAPE)
    grouped = architectures.module(config, SHAPE)
    figure_3 = grouped[:1] + [
        (ConvSpec(n, n, 3), Shape(n, SIDE, SIDE)) for n in segment_sizes(CHANNELS, towers)
    ]
    figure_4 = architectures.extreme_inception(CHANNELS, CHANNELS, SHAPE)
    return [list(chain(*figure_1)), list(chain(*figure_2)), figure_3, grouped, figure_4]


def _counted(form: Layers) -> tuple[str, ...]:
    """The readouts of a form: its convolutions, the kernels of the 3x3, parameters and MACs."""
    convs = [spec for spec, _ in form if isinstance(spec, ConvSpec)]
    large = [spec for spec in convs if spec.kernel_size == (3, 3)]
    kernels = sum(
        block_diagonal_weights(spec.in_channels, spec.out_channels, spec.segments) for spec in large
    )
    cost: Cost = total(form)
    return (
        f"{len(convs) - len(large)} + {len(large)}",
        f"{kernels}",
        f"{cost.params:,}",
        f"{cost.macs:,}",
    )


# ---- the views -----------------------------------------------------------------------------------


@cache  # pure, and made anew by every explorer
def views(towers: int) -> list[View]:
    """The views of all steps for a number of towers."""
    counted = [_counted(form) for form in layers(towers)]
    x, w = example(towers)
    reference = output(BETWEEN, x, w)
    reach = float(np.abs(reference).max())
    differences = [
        float(np.abs(output(step, x, w) - reference).max())
        for step in range(BETWEEN * (len(KEYS) - 1) + 1)
    ]
    return [_view(step, towers, one, reach, counted, w) for step, one in enumerate(differences)]


def _view(
    step: int,
    towers: int,
    apart: float,
    reach: float,
    counted: Sequence[tuple[str, ...]],
    w: Weights,
) -> View:
    at = Progress(step)
    number = f"{apart:.3f} of {reach:.3f}" if apart else "0"
    same = (
        "It computes something else than Figure 2."
        if apart
        else "Equal to Figure 2, to the last bit."
    )
    title = (
        TITLES[at.key]
        if at.is_key
        else f"From {KEYS[at.key]} to {KEYS[at.key + 1]}: {step % BETWEEN} of {BETWEEN}"
    )
    return View(
        stop=step,
        short=KEYS[at.key] if at.is_key else f"→ {KEYS[at.key + 1]}",
        title=title,
        note=_note(at, towers) + ("" if step == BETWEEN else f" {same}"),
        # on the way, nothing is saved yet: the counts are those of the figure left
        values=(*counted[at.key], number),
        scenes=(
            diagram(at, sizes(towers), towers),
            matrices(at, w, towers),
        ),
        alts=(
            f"{title}. {_diagram(at.key, towers)}",
            (
                "Weights of the 1×1 and of the 3×3 convolutions, colored by tower:"
                f" {_matrices(at.key, towers)}"
            ),
        ),
    )


def _note(at: Progress, towers: int) -> str:
    """What happens here, to be followed by how far it is from Figure 2."""
    pool = "the pooling tower goes" if towers == 3 else "a 3×3 takes the place of pooling"
    if at.is_key:
        return (
            "Four towers, no two alike: 1×1, one 3×3, two 3×3, pooling."
            + (f" Figure 2 keeps {towers}." if towers < 4 else ""),
            (
                f"Each of the {towers} towers is its own 1×1 and a 3×3. All other steps are"
                " compared with this one."
            ),
            (
                f"The {towers} 1×1s read the same input: stacked they are one 1×1, the weights"
                " unchanged."
            ),
            f"The {towers} 3×3s, one a segment, are the blocks on the diagonal of one weight.",
            "Each channel has a 3×3 of its own, with the weights it had; the others are gone.",
        )[at.key]
    return (
        f"The lone 1×1 gets a 3×3, the second 3×3 goes, {pool}.",
        "The 1×1s move together.",
        "The 3×3s move into one weight, where no kernel joins two segments.",
        "Kernels between different channels fade.",
    )[at.key]


def _diagram(key: int, towers: int) -> str:
    return (
        (
            "Input at the top, four towers below, concatenated: 1×1; 1×1 and 3×3; 1×1 and two 3×3;"
            " pooling and 1×1"
        ),
        f"Input at the top, {towers} towers below, each a 1×1 and a 3×3, concatenated",
        (
            f"Input at the top, one 1×1 over the whole width, below it {towers} 3×3 on a segment of"
            " channels each, concatenated"
        ),
        f"Input at the top, one 1×1, below it one 3×3 convolution in {towers} groups of channels",
        "Input at the top, one 1×1, below it twelve 3×3, one on each channel, concatenated",
    )[key]


def _matrices(key: int, towers: int) -> str:
    n = CHANNELS // towers
    return (
        (
            f"four matrices {n} by 12 of the 1×1, and 3×3 kernels of the second tower and, twice,"
            " of the third"
        ),
        f"{towers} matrices {n} by 12 of the 1×1, and {towers} blocks of 3×3 kernels, {n} by {n}",
        f"one matrix 12 by 12 of the 1×1, and {towers} blocks of 3×3 kernels, {n} by {n}",
        (
            f"two matrices 12 by 12; that of the 3×3 has {towers} blocks on its diagonal and is"
            " empty elsewhere"
        ),
        "two matrices 12 by 12; that of the 3×3 has its diagonal only",
    )[key]
