"""Figures 1 and 5 drawn from the built torch networks are the figures drawn from the lists of
layers.
"""

from dataclasses import replace
from itertools import groupby, pairwise
from operator import itemgetter

import pytest
from hypothesis import given, settings

from tests.helpers.configurations import without_memory, xception_configs
from tests.helpers.measured_specs import measured_specs
from xception_edu import architectures
from xception_edu.architectures import VGGConfig, XceptionConfig
from xception_edu.inception_v3 import inception_v3
from xception_edu.plots import gallery, style
from xception_edu.specs import ConvSpec, LinearSpec, PoolSpec
from xception_edu.vgg import vgg
from xception_edu.xception import xception

FIGURE_1, FIGURE_5 = "draw_figure_1_canonical_inception", "draw_figure_5_xception"
ROLES = {
    "depthwise": "spatial",
    "pointwise": "pointwise",
    "bn": "bn",
    "skip": "skip",
    "skip_bn": "skip_bn",
}
ALONE = {"bn1": "conv1", "bn2": "conv2", "exit": "exit1", "sep3": "exit2", "sep4": "exit3"}


def built(build, *config):
    with without_memory():
        return build(*config)


def nameless(layers):
    """Specs without their names, each with its input's shape; a fully connected layer sees a
    flattened map.
    """
    bare = [(replace(spec, name=""), shape) for spec, shape in layers]
    return [
        (spec, shape.elements if isinstance(spec, LinearSpec) else shape) for spec, shape in bare
    ]


def named_as_in_figure_5(pairs):
    """The pairs with the figure's names in place of module paths: entry.0.sep1.conv.depthwise is
    entry1_sep1_spatial.
    """
    block, named = "", []
    for i, (spec, shape) in enumerate(pairs):
        first, *rest = spec.name.split(".")
        if first in ("entry", "middle"):
            block = f"{first}{int(rest.pop(0)) + 1}"
        # what the network itself computes, between its modules, belongs to the block before
        elif first:
            block = ALONE.get(first, first)
        elif isinstance(spec, PoolSpec):
            block = "pool"
        parts = [
            block,
            *(part for part in rest if part.startswith("sep")),
            *(ROLES[p] for p in rest[-1:] if p in ROLES),
        ]
        if first.startswith("bn"):
            parts.append("bn")
        elif not rest and first not in ("conv1", "conv2", "classifier"):
            parts.append(f"functional{i}")  # a step of its own
        named.append((replace(spec, name="_".join(parts)), shape))
    return named


@pytest.mark.slow
@given(xception_configs())
@settings(max_examples=20)
def test_a_built_xception_is_the_list_of_layers(config):
    config = replace(config, segments="channels", padding="tensorflow")  # one run a convolution
    machine = measured_specs(built(xception, config), (config.in_channels, 40, 43))
    assert nameless(machine) == nameless(architectures.xception(config, (40, 43)))


@pytest.mark.parametrize(
    "config", [VGGConfig(), VGGConfig(widths=(3, 5), depths=(1, 2), fc_widths=(), input_size=13)]
)
def test_a_built_vgg_is_the_list_of_layers(config):
    machine = measured_specs(built(vgg, config), (3, config.input_size, config.input_size))
    assert nameless(machine) == nameless(architectures.vgg(config))


def test_a_built_inception_v3_is_the_list_of_layers():
    assert nameless(measured_specs(built(inception_v3), (3, 299, 299))) == nameless(
        architectures.inception_v3()
    )


@pytest.mark.parametrize(
    "config", [XceptionConfig(), XceptionConfig(middle_blocks=2, exit_widths=(800, 900, 1000))]
)
def test_figure_5_drawn_from_the_built_network_is_figure_5(config):
    machine = named_as_in_figure_5(measured_specs(built(xception, config), (3, 299, 299)))
    hand = architectures.xception(config)
    assert style.svg(gallery.figure(FIGURE_5, machine)) == style.svg(gallery.figure(FIGURE_5, hand))


def towers(layers, tower_of):
    """Convolutions and pools by tower; a pool that stands between towers belongs to the one behind
    it.
    """
    drawn = [layer for layer in layers if isinstance(layer[0], ConvSpec | PoolSpec)]
    names = [tower_of(spec.name) for spec, _ in drawn]
    keys = [name or behind for name, behind in pairwise([*names, ""])]
    return [
        [layer for layer, _ in group]
        for _, group in groupby(zip(drawn, keys, strict=True), key=itemgetter(1))
    ]


def towers_of_the_built_module():
    return towers(
        measured_specs(built(inception_v3).mixed2, (288, 35, 35)), lambda name: name.split(".")[0]
    )


def test_figure_1_drawn_from_a_built_module_is_the_figure_of_its_layers():
    layers = [
        (spec, shape)
        for spec, shape in architectures.inception_v3()
        if spec.name.startswith("mixed2_")
    ]
    by_hand = towers(layers, lambda name: name.split("_")[1])
    machine = towers_of_the_built_module()
    assert [len(tower) for tower in machine] == [1, 2, 3, 2]
    assert style.svg(gallery.figure(FIGURE_1, machine)) == style.svg(
        gallery.figure(FIGURE_1, by_hand)
    )


def test_figure_1_differs_from_the_built_network_in_one_kernel_only():
    """The paper's figure has a 3x3 in its second tower, the network that was built a 5x5."""
    figure, machine = gallery.FIGURES[FIGURE_1].data(), towers_of_the_built_module()
    pairs = [
        (a, b)
        for one, two in zip(figure, machine, strict=True)
        for a, b in zip(nameless(one), nameless(two), strict=True)
    ]
    assert [(a[0].kernel_size, b[0].kernel_size) for a, b in pairs if a != b] == [((3, 3), (5, 5))]
