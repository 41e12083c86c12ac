"""Claims about places in a network and kinds of layers: one answer each, for all networks."""

from itertools import groupby

import pytest

from xception_edu import architectures
from xception_edu.architectures import (
    InceptionV3Config,
    XceptionConfig,
    block_of,
    branch_of,
    role_of,
    stage_of,
    step_of,
)
from xception_edu.specs import (
    ActivationSpec,
    AddSpec,
    BatchNormSpec,
    ConvSpec,
    LinearSpec,
    PoolSpec,
    kind,
)

XCEPTION = architectures.xception(XceptionConfig(fc_widths=(8,), activation="relu"))
INCEPTION = architectures.inception_v3(InceptionV3Config(aux=True))
VGG = architectures.vgg()


def in_order(layers, place_of):
    """Places as a walk through the layers meets them."""
    return [place for place, _ in groupby(place_of(spec.name) for spec, _ in layers)]


def test_the_stages_of_each_network_follow_one_another():
    assert in_order(XCEPTION, stage_of) == ["entry", "middle", "exit", "head", "fc", "head"]
    assert in_order(INCEPTION, stage_of) == ["stem", "A", "B", "C", "head", "aux"]
    assert in_order(VGG, stage_of) == ["1", "2", "3", "4", "5", "fc", "head"]


def test_xceptions_blocks_are_its_two_convolutions_and_the_papers_modules():
    assert in_order(XCEPTION, block_of) == [
        *architectures.STEM,
        *(f"entry{i}" for i in (1, 2, 3)),
        *(f"middle{i}" for i in range(1, 9)),
        *(f"exit{i}" for i in (1, 2, 3)),
        "pool",
        "fc1",
        "classifier",
    ]


def test_inceptions_blocks_are_its_stems_layers_and_its_modules():
    stem = [*(f"stem_conv{i}" for i in (1, 2, 3)), "stem_pool4", "stem_conv5", "stem_conv6"]
    modules = [f"mixed{i}" for i in range(11)]
    assert in_order(INCEPTION, block_of) == [
        *stem,
        "stem_pool7",
        *modules,
        "pool",
        "classifier",
        "aux",
    ]


def test_vggs_blocks_are_its_layers():
    blocks = []
    for stage, depth in enumerate((2, 2, 3, 3, 3), 1):
        blocks += [f"conv{stage}_{i}" for i in range(1, depth + 1)]
        blocks.append(f"pool{stage}")
    assert in_order(VGG, block_of) == [*blocks, "fc1", "fc2", "classifier"]


def test_branches_are_towers_and_projections_and_nothing_else():
    in_xception = [spec.name for spec, _ in XCEPTION if branch_of(spec.name)]
    blocks = ("entry1", "entry2", "entry3", "exit1")
    assert in_xception == [f"{block}_skip{end}" for block in blocks for end in ("", "_bn")]
    for spec, _ in INCEPTION:
        assert branch_of(spec.name).startswith("tower") == spec.name.startswith("mixed")
    assert not any(branch_of(spec.name) for spec, _ in VGG)


def test_towers_of_a_module_are_numbered_from_left_to_right():
    module = [layer for layer in INCEPTION if block_of(layer[0].name) == "mixed0"]
    assert in_order(module, branch_of) == ["tower1", "tower2", "tower3", "tower4"]


def test_a_step_is_a_convolution_with_its_bn_and_a_separable_one_with_its():
    names = [spec.name for spec, _ in XCEPTION if step_of(spec.name) == "middle1_sep2"]
    assert [role_of(name) for name in names] == ["spatial", "activation", "pointwise", "bn"]
    assert step_of("conv1_bn") == step_of("conv1") == "conv1"
    assert (role_of("conv1_bn"), role_of("conv1"), role_of("entry1_skip")) == ("bn", "", "")


def test_names_of_no_network_have_no_stage_and_no_branch():
    for name in ("", "spatial", "1x1", "layer1_conv2", "towers", "convolution"):
        assert stage_of(name) == branch_of(name) == ""


@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        (ConvSpec(8, 16, 3), "regular"),
        (ConvSpec(8, 16, 3, segments=2), "segmented"),
        (ConvSpec(8, 16, 3, segments=8), "depthwise"),
        (ConvSpec(8, 16, 1), "pointwise"),
        (ConvSpec(8, 16, (1, 3)), "regular"),
        # of one channel regular and depthwise are one: called by what it is in most networks
        (ConvSpec(1, 1, 3), "regular"),
        (LinearSpec(8, 16), "linear"),
        (PoolSpec("max"), "pooling"),
        (PoolSpec("global_average"), "pooling"),
        (BatchNormSpec(8), "batch norm"),
        (ActivationSpec("elu"), "activation"),
        (AddSpec(), "add"),
    ],
)
def test_the_kind_of_a_layer(spec, answer):
    assert kind(spec) == answer


def test_only_a_segment_for_each_of_several_channels_is_depthwise():
    assert [n for n in range(1, 9) if ConvSpec(8, 8, segments=n).is_depthwise] == [8]
    assert not ConvSpec(1, 1).is_depthwise
