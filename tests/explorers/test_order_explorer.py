"""Claims about the order explorer: its maps, differences and costs are those of the torch layers
with the same weights.
"""

import base64
import io
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import nn

from xception_edu import architectures
from xception_edu.configs import ModuleConfig
from xception_edu.equivalence import regroup
from xception_edu.explorers import order, order_explorer
from xception_edu.explorers.order_panels import LEVELS, MAP_SIDE, MOST
from xception_edu.layers import (
    ExtremeInception,
    SeparableConv2d,
    activation_layer,
    segmented_module,
)
from xception_edu.measure import measured_cost

STATES = list(product(order.ACTIVATIONS, order.KERNELS, order.STOPS))
SOBEL = torch.tensor([[1, 0, -1], [2, 0, -2], [1, 0, -1]]).double() / 4
BLUR = torch.outer(torch.tensor([1, 2, 1]), torch.tensor([1, 2, 1])).double() / 16


@cache
def made():
    return order_explorer()


def show(activation, kernels, mixing):
    with made().hold_trait_notifications():
        made().activation, made().kernels, made().mixing = activation, kernels, mixing
    return made().view()


def weights(kernels, mixing):
    """The two kernels by another route: a 3x3 for each channel, and the 1x1 on its way from the
    identity.
    """
    spatial = torch.stack([SOBEL, SOBEL.T, BLUR] if kernels == "own" else [SOBEL] * 3)[:, None]
    mixed = torch.tensor([[0.0, 1, 1], [1, 0, -1], [1, -1, 1]]).double()
    return spatial, torch.lerp(torch.eye(3).double(), mixed, mixing / 100)[:, :, None, None]


def torch_modules(activation, kernels, mixing):
    """A separable convolution and a module with the 1x1 first, with the same weights."""
    kind, (spatial, mixed) = None if activation == "none" else activation, weights(kernels, mixing)
    separable = SeparableConv2d(3, 3, activation=kind)
    separable.depthwise.weights[0].data, separable.pointwise.weight.data = spatial, mixed
    inception = segmented_module(ModuleConfig(3, 3, 3, activation=kind))
    inception[0].weight.data, inception[2].weights[0].data = mixed, spatial
    return nn.Sequential(separable.depthwise, separable.activation, separable.pointwise), inception


@cache
def cup():
    return torch.tensor(order.photo())[None]


@torch.no_grad()
def torch_maps(activation, kernels, mixing):
    """For both orders: after the first step, after the activation, and the output."""
    found = []
    for module in torch_modules(activation, kernels, mixing):
        first = module[0](cup())
        between = module[1](first)
        found.append((first, between, module[2](between)))
    return found


def largest(a, b):
    return float((a - b).abs().max())


def test_the_input_is_the_cup_in_the_range_that_xception_takes():
    """Reducing by the mean of boxes keeps the mean of each color, but for rounding to 256
    levels.
    """
    left, top, right, bottom = order.CUP
    pixels = torch.tensor(data.coffee()[top:bottom, left:right] / 127.5 - 1)
    assert cup().shape == (1, 3, MAP_SIDE, MAP_SIDE)
    assert torch.allclose(cup()[0].mean(dim=(1, 2)), pixels.mean(dim=(0, 1)), atol=1 / 127.5)
    assert float(cup().abs().max()) <= 1


def test_every_state_shows_how_far_the_torch_layers_are_apart():
    for state in STATES:
        view, ((first_a, between_a, a), (first_b, between_b, b)) = show(*state), torch_maps(*state)
        apart, reach = largest(a, b), max(float(m.abs().max()) for m in (a, b))
        assert view["values"][-1] == (f"{apart:.2f} of {reach:.2f}" if apart > 1e-12 else "0"), (
            state
        )
        lost = [
            ((m != 0) & (n == 0)).double().mean()
            for m, n in ((first_a, between_a), (first_b, between_b))
        ]
        assert view["values"][-2] == f"{lost[0]:.0%} | {lost[1]:.0%}", state
        assert ("same output" in view["title"]) == (apart < 1e-12), state


def test_every_map_is_the_torch_layers_to_half_a_color():
    for state in STATES:
        show(*state)
        (_, between_a, a), (_, between_b, b) = torch_maps(*state)
        shown = [maps_of(shapes) for shapes in made().shapes()[:2]]
        for pictures, expected in zip(shown, ((between_a, a), (between_b, b, a - b)), strict=True):
            assert len(pictures) == len(expected)
            for picture, maps in zip(pictures, expected, strict=True):
                clipped = maps[0].clamp(-MOST, MOST).numpy()
                np.testing.assert_allclose(picture, clipped, rtol=0, atol=MOST / LEVELS / 2 + 1e-9)


def maps_of(shapes):
    """Numbers read off the columns of colored maps of a panel, (3, 19, 19) each."""
    found = []
    for _, png, *_ in (shape for shape in shapes if shape[0] == "image"):
        image = Image.open(io.BytesIO(base64.b64decode(png)))
        # a column of maps, and not of greys
        if image.height > 3 * MAP_SIDE and len(set(image.getpalette()[:3])) > 1:
            rows = [
                np.asarray(image)[i * (MAP_SIDE + 1) :][:MAP_SIDE].astype(float) for i in range(3)
            ]
            found.append((np.stack(rows) - LEVELS) / LEVELS * MOST)
    return found


def test_without_an_activation_the_order_matters_where_channels_mix_and_have_kernels_of_their_own():
    for activation, kernels, mixing in STATES:
        if activation == "none":
            same = show(activation, kernels, mixing)["values"][-1] == "0"
            assert same == (mixing == 0 or kernels == "same")


def test_the_orders_part_further_the_more_the_1x1_mixes():
    apart = [float(show("none", "own", mixing)["values"][-1].split()[0]) for mixing in order.STOPS]
    assert apart == sorted(set(apart))


def test_a_stack_that_is_cut_elsewhere_is_the_same_and_one_that_is_swapped_is_not():
    """Regrouped by `equivalence.regroup`, where nothing is in between; else step by step."""
    for activation, kernels, mixing in STATES:
        show(activation, kernels, mixing)
        separable, inception = torch_modules(activation, kernels, mixing)
        between = activation_layer(None if activation == "none" else activation)
        with torch.no_grad():
            reference = nn.Sequential(inception, inception, inception)(cup())
            swapped = nn.Sequential(separable, separable, separable)(cup())
            # The 1x1, then twice [activation, 3x3, 1x1], then activation and 3x3.
            pair = nn.Sequential(between, separable[0], separable[2])
            cut = nn.Sequential(inception[0], pair, pair, between, inception[2])(cup())
        for expected, shapes in ((cut, made().shapes()[2]), (swapped, made().shapes()[3])):
            apart = largest(reference, expected)
            assert f"outputs differ by {apart:.2f}" in words_of(shapes) or (
                apart < 1e-12 and "outputs differ by 0" in words_of(shapes)
            ), (activation, kernels, mixing)
        assert largest(reference, cut) < 1e-12


def words_of(shapes):
    return [shape[4] for shape in shapes if shape[0] == "text"]


@torch.no_grad()
def test_the_stack_is_regrouped_as_equivalence_does_it():
    spatial, mixed = weights("own", 100)
    stack = nn.Sequential(*(ExtremeInception(3, 3) for _ in range(order.STACK))).double()
    for one in stack:
        one.pointwise[0].weight.data, one.spatial[0].weights[0].data = mixed, spatial
    expected = regroup(stack)(cup())[0].numpy()
    found = order.stacks(order.photo(), 100, "none", "own")
    for output in (found.cut_elsewhere, found.inception):
        np.testing.assert_allclose(output, expected, rtol=0, atol=1e-12)


def test_an_elu_sets_nothing_to_zero_and_a_relu_sets_what_is_below():
    for activation, kernels, mixing in STATES:
        shares = show(activation, kernels, mixing)["values"][-2]
        assert (shares == "0% | 0%") == (activation != "relu")


def test_costs_are_those_of_the_torch_layers():
    small, wide = (3, MAP_SIDE, MAP_SIDE), (128, 74, 74)
    three = [
        measured_cost(module, small).params
        for module in (SeparableConv2d(3, 3), ExtremeInception(3, 3))
    ]
    more = [
        measured_cost(module, wide)
        for module in (SeparableConv2d(128, 256), ExtremeInception(128, 256))
    ]
    expected = [f"{three[0]} | {three[1]}", f"{more[0].params:,} | {more[1].params:,}"]
    expected.append(f"{more[0].macs / 1e6:,.1f} | {more[1].macs / 1e6:,.1f}")
    assert show("none", "own", 100)["values"][:3] == expected


def test_the_wider_layer_is_one_of_xceptions():
    found = [
        (spec, shape)
        for spec, shape in architectures.xception()
        if spec.name == "entry2_sep1_pointwise"
    ]
    ((spec, shape),) = found
    assert (shape, spec.out_channels) == (order.LAYER, order.WIDER)


@pytest.mark.parametrize("mixing", [5, -10, 110])
def test_a_mixing_between_the_stops_is_refused(mixing):
    with pytest.raises(ValueError, match=f"mixing is {mixing}, but must be one of 0, 10, 20"):
        order_explorer(mixing=mixing)


# ---- a learner's picture -------------------------------------------------------------------------


def test_of_an_own_picture_the_middle_square_is_averaged():
    picture = np.random.default_rng(0).random((40, 38, 3))
    found = order.square_of(picture)
    middle = torch.tensor(picture[1:39]).permute(2, 0, 1)
    expected = nn.functional.avg_pool2d(middle, 2) * 2 - 1
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)


def test_an_own_picture_goes_through_both_orders_and_its_line_makes_it_again():
    picture = data.coffee()[:60, :90]
    own = order_explorer(picture, mixing=50, activation="relu")
    x = order.square_of(picture)
    a, b = (order.run(x, 50, "relu", "own", spatial_first=first).output for first in (True, False))
    assert (
        own["The orders differ by"]
        == f"{np.abs(a - b).max():.2f} of {max(np.abs(a).max(), np.abs(b).max()):.2f}"
    )
    assert own.view() != order_explorer(mixing=50, activation="relu").view()
    assert repr(own).endswith(", picture=picture)  # supply your own picture")


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((5, 5)), "picture has 1 channels, but must have 3"),
        (np.full((5, 5, 3), 200.0), "picture has values from 200 to 200, but must have bytes, or"),
        ("no such file.png", "picture is 'no such file.png', but must be a picture file"),
    ],
)
def test_another_picture_is_refused_with_what_would_be_right(picture, words):
    with pytest.raises(ValueError, match=words):
        order_explorer(picture)
