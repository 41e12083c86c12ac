"""Claims about the separability microscope: what numpy finds is what torch finds, at every depth
multiplier.
"""

import copy
import functools
import json
from importlib.resources import files

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from torch import nn

from xception_edu.equivalence import composed_weight, nearest_separable
from xception_edu.explorers import separability_explorer
from xception_edu.explorers.engine.scene import LEVELS
from xception_edu.explorers.separability import CHANNELS, TRAINED, trained_kernel
from xception_edu.explorers.separated_kernels import Separated
from xception_edu.layers import SeparableConv2d
from xception_edu.measure import measured_cost
from xception_edu.recipes import Recipe

# fewer outputs than 9: 5 kernels are enough
GIVEN = np.random.default_rng(1).normal(size=(5, 3, 3, 3))
KERNELS = {
    "trained": trained_kernel(),
    "random": np.random.default_rng(0).normal(size=trained_kernel().shape),
    "given": GIVEN,
}


@functools.cache
def explorer(name):
    return separability_explorer(GIVEN if name == "given" else None)


@functools.cache
def by_torch(name, m):
    """The kernel as a torch convolution, and torch's nearest separable one."""
    weight = torch.from_numpy(KERNELS[name])
    conv = nn.Conv2d(
        weight.shape[1], weight.shape[0], weight.shape[2], padding=1, bias=False
    ).double()
    conv.weight.data = weight
    return conv, nearest_separable(conv, m).double()


@functools.cache
def measured(name, m):
    """What both cost, counted by machine."""
    return [
        measured_cost(copy.deepcopy(module).float(), (KERNELS[name].shape[1], 7, 7))
        for module in by_torch(name, m)
    ]


def states():
    """Name of the kernel, name of the channel, multiplier, the row of the table."""
    for name in KERNELS:
        table = explorer(name).table
        for channel in CHANNELS:
            for m, view in zip(
                table["stops"][f"{name} {channel}"],
                table["views"][f"{name} {channel}"],
                strict=True,
            ):
                yield name, channel, m, view


def channel_of(name, channel):
    """The input channel as it is written in the picture, from 0."""
    words = next(
        s[4] for s in explorer(name).table["stills"][f"{name} {channel}"][0] if s[0] == "text"
    )
    return int(words.split()[2]) - 1


def test_what_numpy_rebuilds_is_what_torch_composes():
    for name, weight in KERNELS.items():
        mine = Separated(weight)
        for m in range(1, 10):
            composed = composed_weight(by_torch(name, m)[1]).detach().numpy()
            np.testing.assert_allclose(mine.rebuilt(m), composed, atol=1e-10 * np.abs(weight).max())


def test_errors_are_those_of_torchs_nearest_separable_convolution():
    for name, channel, m, view in states():
        conv, separable = by_torch(name, m)
        left = (conv.weight - composed_weight(separable)).detach()
        at = channel_of(name, channel)
        weight = conv.weight.detach()
        expected = left.norm() / weight.norm(), left[:, at].norm() / weight[:, at].norm()
        assert view["values"][:2] == [f"{float(e):.1%}" for e in expected]


def test_parameters_are_those_that_the_machine_counts_and_macs_compare_alike():
    for name, _, m, view in states():
        regular, cost = measured(name, m)
        ratio = f"{cost.params / regular.params:.2f}"
        assert view["values"][2:] == [f"{cost.params:,}", f"{regular.params:,}", ratio]
        assert ratio == f"{cost.macs / regular.macs:.2f}"


def test_with_a_kernel_for_every_place_nothing_is_lost_and_before_something_is():
    for name, channel, m, view in states():
        enough = 5 if name == "given" else 9
        assert (view["values"][:2] == ["0.0%", "0.0%"]) == (m >= enough), (name, channel, m)
        assert view["note"].startswith("Nothing is lost") == (m >= enough)


def test_the_channels_are_the_easiest_the_middle_one_and_the_hardest():
    for name, weight in KERNELS.items():
        conv, separable = by_torch(name, 1)
        left = (conv.weight - composed_weight(separable)).detach()
        errors = left.flatten(2).norm(dim=(0, 2)) / conv.weight.detach().flatten(2).norm(dim=(0, 2))
        order = errors.argsort().tolist()
        expected = [order[0], order[(weight.shape[1] - 1) // 2], order[-1]]
        assert [channel_of(name, channel) for channel in CHANNELS] == expected


def cells(shapes):
    """Signed strengths of the painted cells, in the order of painting."""
    found = []
    for _, names, *_, columns, codes, levels in (s for s in shapes if s[0] == "cells"):
        signs = np.array([-1 if names[int(code, 36)] == "minus" else 1 for code in codes])
        found.append((signs * [LEVELS.index(level) for level in levels]).reshape(-1, columns))
    return found


def kernels_in(sheet, count, k=3):
    """The kernels of a sheet, row by row."""
    rows, columns = (n // k for n in sheet.shape)
    return sheet.reshape(rows, k, columns, k).swapaxes(1, 2).reshape(-1, k, k)[:count]


def test_the_kernels_painted_are_the_regular_ones_and_those_rebuilt_by_torch():
    for name, channel, m, view in states():
        at, weight = channel_of(name, channel), KERNELS[name]
        still = explorer(name).table["stills"][f"{name} {channel}"][0]
        sheets = cells([*still, *view["shapes"][0]])
        composed = composed_weight(by_torch(name, m)[1]).detach().numpy()
        most = np.abs(weight[:, at]).max()
        for sheet, kernels in zip(sheets, (weight[:, at], composed[:, at]), strict=True):
            levels = np.sign(kernels) * 35 * np.sqrt(np.minimum(np.abs(kernels) / most, 1))
            np.testing.assert_allclose(kernels_in(sheet, len(weight)), levels, atol=0.51)


def test_the_depthwise_kernels_painted_are_torchs_but_for_their_sign():
    for name, channel, m, view in states():
        at = channel_of(name, channel)
        still = explorer(name).table["stills"][f"{name} {channel}"][1]
        painted = np.array(cells([*still, *view["shapes"][1]]))
        kept = min(m, len(KERNELS[name]))
        assert len(painted) == kept
        found = (
            by_torch(name, m)[1].depthwise.weights[0].detach().view(-1, m, 3, 3)[at, :kept].numpy()
        )
        most = np.abs(
            by_torch(name, 9)[1].depthwise.weights[0].detach().view(-1, 9, 3, 3)[at].numpy()
        ).max()
        signs = np.sign((found * painted).sum(axis=(1, 2), keepdims=True))
        np.testing.assert_allclose(
            painted, np.sign(found * signs) * 35 * np.sqrt(np.abs(found) / most), atol=0.51
        )


def test_the_dot_is_on_the_curve():
    for name, channel, m, view in states():
        shapes = explorer(name).table["stills"][f"{name} {channel}"][1]
        run = next(
            s[2][0] for s in shapes if s[0] == "line" and s[1] == "ink" and len(s[2][0]) == 20
        )
        dot = next(s for s in [*shapes, *view["shapes"][1]] if s[0] == "dot")
        assert dot[2:4] == run[2 * m : 2 * m + 2]
        low, high = run[-1], run[1]  # the error of 9 kernels is 0, that of none 1
        assert (low - dot[3]) / (low - high) == pytest.approx(
            float(view["values"][0].rstrip("%")) / 100, abs=0.002
        )


def distance(conv, separable):
    return float(((conv.weight - composed_weight(separable)).norm() / conv.weight.norm()).detach())


@settings(deadline=None, max_examples=40)
@given(
    out=st.integers(1, 12), channels=st.integers(1, 4), k=st.integers(2, 4), seed=st.integers(0, 99)
)
def test_any_kernel_is_approximated_no_worse_than_by_torch(out, channels, k, seed):
    weight = np.random.default_rng(seed).normal(size=(out, channels, k, k))
    mine = Separated(weight)
    conv = nn.Conv2d(channels, out, k, bias=False).double()
    conv.weight.data = torch.from_numpy(weight)
    errors = [mine.error(m) for m in mine.stops]
    theirs = [distance(conv, nearest_separable(conv, m)) for m in mine.stops]
    np.testing.assert_allclose(errors, theirs, atol=1e-9)
    assert errors == sorted(errors, reverse=True) or errors[-1] < 1e-9


def test_a_separable_kernel_is_found_again():
    separable = SeparableConv2d(3, 20, depth_multiplier=2)
    weight = composed_weight(separable)
    made = separability_explorer(weight, multiplier=2)
    assert made.view()["values"][:2] == ["0.0%", "0.0%"]
    made.multiplier = 1
    assert made.view()["values"][0] != "0.0%"
    values = 'multiplier=1, kernel="given", channel="typical", weight=weight'
    assert repr(made) == f"xe.separability_explorer({values})  # supply your own weight"


def test_the_trained_kernel_says_how_it_was_trained():
    name, tensor = TRAINED
    with safe_open(files("xception_edu").joinpath(name), framework="pt") as file:
        notes, weight = file.metadata(), file.get_tensor(tensor)
    assert np.array_equal(trained_kernel(), weight.double().numpy())
    recipe = Recipe.from_dict(json.loads(notes["recipe"]))
    assert (weight.shape[1], weight.shape[0]) == recipe.model.entry_widths[:2]
    assert json.loads(notes["result"])["top1"] > 0.9


@pytest.mark.parametrize("shape", [(70, 2, 5, 5), (200, 3, 3, 3), (1, 1, 2, 2)], ids=str)
def test_tables_of_large_kernels_stay_small(shape):
    assert len(separability_explorer(np.random.default_rng(0).normal(size=shape))._table) < 600_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"weight": np.ones((3, 3))},
            r"weight has shape \(3, 3\), but must be that of a regular convolution",
        ),
        ({"weight": np.ones((2, 2, 3, 5))}, r"weight has shape \(2, 2, 3, 5\)"),
        ({"weight": np.ones((0, 2, 3, 3))}, r"weight has shape \(0, 2, 3, 3\)"),
        ({"weight": np.ones((4, 4, 1, 1))}, "k is 1, but must be an integer from 2 to 5"),
        ({"weight": np.ones((4, 4, 7, 7))}, "k is 7, but must be an integer from 2 to 5"),
        ({"weight": np.zeros((4, 4, 3, 3))}, "weight is 0 everywhere"),
        ({"weight": np.full((4, 4, 3, 3), np.inf)}, "weight has NaN or infinite values"),
        ({"weight": nn.Conv2d(3, 3, 3)}, "weight is Conv2d, but must be an array"),
        ({"multiplier": 10}, "multiplier is 10, but must be an integer from 1 to 9"),
        ({"multiplier": 0}, "multiplier is 0"),
        ({"kernel": "given"}, "kernel is 'given', but must be one of 'trained', 'random'"),
        (
            {"weight": GIVEN, "kernel": "trained"},
            "kernel is 'trained', but must be one of 'given', 'random'",
        ),
        ({"channel": 1}, "channel is 1, but must be one of 'easiest', 'typical', 'hardest'"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_what_can(arguments, words):
    with pytest.raises(ValueError, match=words):
        separability_explorer(**arguments)
