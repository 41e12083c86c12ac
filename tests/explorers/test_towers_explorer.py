"""Claims about the towers explorer: what it says of every step is what torch computes with the same
weights.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from xception_edu.equivalence import segments_to_grouped, towers_to_segments
from xception_edu.explorers import towers, towers_explorer
from xception_edu.explorers.towers_panels import BETWEEN, HUES, KEYS, Progress, columns
from xception_edu.layers import ExtremeInception, SimplifiedInception
from xception_edu.measure import measured_cost

FIGURE_1, FIGURE_2, FIGURE_3, GROUPED, FIGURE_4 = range(0, 5 * BETWEEN, BETWEEN)
STEPS = range(FIGURE_4 + 1)
each_number = pytest.mark.parametrize("number", towers.TOWERS)


@cache
def example(number):
    """The explorer's input and weights as tensors."""
    x, w = towers.example(number)
    ones, spatial = ([torch.tensor(one) for one in kernels] for kernels in (w.pointwise, w.spatial))
    return (
        torch.tensor(x)[None],
        [one[:, :, None, None] for one in ones],
        spatial,
        torch.tensor(w.second),
    )


def conv(weight):
    layer = nn.Conv2d(
        weight.shape[1],
        weight.shape[0],
        weight.shape[-1],
        padding=weight.shape[-1] // 2,
        bias=False,
    )
    layer.weight.data = weight
    return nn.Sequential(layer, nn.ReLU())


class Side(nn.ModuleList):
    """Towers on one input."""

    def forward(self, x):
        return torch.cat([tower(x) for tower in self], dim=1)


def figure_1(number):
    """Figure 1 as torch has it: a lone 1x1, one 3x3, two 3x3, pooling."""
    _, ones, spatial, second = example(number)
    pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    ends = ([], [conv(spatial[1])], [conv(spatial[2]), conv(second)], [])
    return Side(
        nn.Sequential(*[pool] * (i == 3), conv(one), *ends[i]) for i, one in enumerate(ones)
    )


def figure_2(number):
    _, ones, spatial, _ = example(number)
    module = SimplifiedInception(12, 12, segments=number, activation="relu").double()
    for tower, one, kernel in zip(module.towers, ones, spatial, strict=False):
        tower[0][0].weight.data, tower[1][0].weight.data = one, kernel
    return module


def figure_4(number):
    grouped = segments_to_grouped(towers_to_segments(figure_2(number)))
    module = ExtremeInception(12, 12, activation="relu").double()
    module.pointwise.load_state_dict(grouped.pointwise.state_dict())
    dense = grouped.spatial[0].dense_weight().detach()
    module.spatial[0].weights[0].data = torch.stack([dense[i, i] for i in range(12)])[:, None]
    return module


@cache
def forms(number):
    """Each key step's torch module."""
    two = figure_2(number)
    three = towers_to_segments(two)
    return dict(
        zip(
            STEPS[::BETWEEN],
            (figure_1(number), two, three, segments_to_grouped(three), figure_4(number)),
            strict=True,
        )
    )


@torch.no_grad()
def on_the_way(number, step):
    """What torch makes of the input at any step: the layers of the last key step, with the kernels
    on their way.
    """
    x, ones, spatial, second = example(number)
    t = step / BETWEEN
    if FIGURE_2 <= step <= GROUPED:
        return forms(number)[step // BETWEEN * BETWEEN](x)
    if step > GROUPED:
        grouped = forms(number)[GROUPED]
        fade = torch.where(torch.eye(12) == 1, 1, 4 - t).double()[:, :, None, None]
        return F.conv2d(
            grouped.pointwise(x), grouped.spatial[0].dense_weight() * fade, padding=1
        ).relu()
    same = torch.zeros_like(second)
    for channel in range(len(second)):
        same[channel, channel, 1, 1] = 1
    pooled = torch.lerp(F.avg_pool2d(x, 3, 1, 1, count_include_pad=False), x, t)
    kernels = [
        (torch.lerp(same, spatial[0], t),),
        (spatial[1],),
        (spatial[2], torch.lerp(second, same, t)),
    ]
    kernels += [(torch.lerp(same, k, t),) for k in spatial[3:]]
    inputs = (x, x, x, pooled)
    made = [
        nn.Sequential(*map(conv, (one, *k)))(at)
        for at, one, k in zip(inputs, ones, kernels, strict=False)
    ]
    return torch.cat(made, dim=1)


@each_number
def test_every_step_computes_what_torch_computes(number):
    x, w = towers.example(number)
    for step in STEPS:
        np.testing.assert_allclose(
            towers.output(step, x, w), on_the_way(number, step)[0], rtol=0, atol=1e-12
        )


@each_number
def test_every_step_shows_its_largest_difference_from_figure_2(number):
    made = towers_explorer(towers=number)
    x, *_ = example(number)
    reference = forms(number)[FIGURE_2](x).detach()
    for step in STEPS:
        made.step = step
        apart = float((on_the_way(number, step) - reference).abs().max())
        expected = f"{apart:.3f} of {float(reference.max()):.3f}" if apart > 1e-12 else "0"
        assert made.view()["values"][-1] == expected, step
        assert ("to the last bit" in made.view()["note"]) == (expected == "0" and step != FIGURE_2)
        assert (expected == "0") == (FIGURE_2 <= step <= GROUPED)


@each_number
def test_figures_1_and_4_are_the_torch_modules_of_these_names(number):
    """The steps at both ends, from the layers and not from kernels on their way; Figure 1's pooling
    tower may be left out.
    """
    x, *_ = example(number)
    for step in (FIGURE_1, FIGURE_4):
        assert torch.allclose(
            forms(number)[step](x)[:, :12], on_the_way(number, step), rtol=0, atol=1e-12
        )


@each_number
def test_every_step_shows_what_torch_counts(number):
    """Convolutions, kernels of the 3x3, parameters and MACs of the key step that was reached
    last.
    """
    counted = []
    for module in forms(number).values():
        cost = measured_cost(module, (12, 8, 8))
        layers = [
            m for m in module.modules() if hasattr(m, "kernel_size") and hasattr(m, "in_channels")
        ]
        spatial = [m for m in layers if tuple(m.kernel_size) == (3, 3)]
        kernels = sum(p.numel() // 9 for m in spatial for p in m.parameters())
        counts = (
            f"{len(layers) - len(spatial)} + {len(spatial)}",
            f"{kernels}",
            f"{cost.params:,}",
            f"{cost.macs:,}",
        )
        counted.append(counts)
    made = towers_explorer(towers=number)
    for step in STEPS:
        made.step = step
        assert made.view()["values"][:-1] == [*counted[step // BETWEEN]], step


@each_number
def test_the_matrices_show_the_weights_that_there_are(number):
    """Painted cells: where the grouped convolution's dense weight is not zero, for Figure 4 on the
    diagonal alone.
    """
    dense = forms(number)[GROUPED].spatial[0].dense_weight().abs().sum(dim=(2, 3)) > 0
    made = towers_explorer(towers=number)
    for step, expected in ((GROUPED, dense), (FIGURE_4, torch.eye(12) == 1)):
        made.step = step
        assert torch.equal(painted(made.shapes()[1]), expected)


def painted(shapes):
    """Which of the 12x12 cells of the right matrix have a color, read off the picture."""
    frame = next(s for s in shapes if s[:2] == ["rect", "faint"])
    found = torch.zeros(12, 12, dtype=torch.bool)
    for kind, names, x, y, pitch, width, _, levels in (s for s in shapes if s[0] == "cells"):
        if kind == "cells" and names[0] in HUES:
            for i, level in enumerate(levels):
                row, column = (
                    round((y - frame[3]) / pitch) + i // width,
                    round((x - frame[2]) / pitch) + i % width,
                )
                found[row, column] = level != "0"
    return found


@each_number
def test_nothing_leaps(number):
    """From step to step every tower's edges move by less than the width of a narrow tower, and no
    tower passes another.
    """
    sizes = towers.sizes(number)
    rows = [columns(Progress(step), sizes, number) for step in STEPS]
    for before, after in pairwise(rows):
        for a, b in zip(before, after, strict=False):
            assert abs(a.left - b.left) < 14
            assert abs(a.left + a.width - b.left - b.width) < 14
    for row in rows:
        assert all(a.left + a.width <= b.left + 1e-9 for a, b in pairwise(row))


def test_a_click_on_a_figure_leads_there():
    made = towers_explorer()
    clicks = [shape for shape in made.shapes()[0] if shape[0] == "click"]
    assert [(stop, words) for _, stop, *_, words in clicks] == [
        (8 * i, f"go to {name}") for i, name in enumerate(KEYS)
    ]
    for _, stop, *_ in clicks:
        made.step = stop
        assert made.view()["short"] == KEYS[stop // 8]
