"""Every public constructor answers a wrong value with a ValueError that names the argument and the
value.
"""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.configurations import not_positive_integers
from tests.helpers.wrong_values import not_an_option, not_boolean, not_positive, not_text
from xception_edu import checks
from xception_edu.architectures import (
    ModuleConfig,
    VGGConfig,
    XceptionConfig,
    canonical_inception,
    simplified_inception,
)
from xception_edu.costs import Cost, block_diagonal_weights
from xception_edu.layers import (
    ExtremeInception,
    ReformulatedInception,
    SegmentedConv2d,
    SegmentedInception,
    SeparableConv2d,
    SimplifiedInception,
    SpatiallySeparableConv2d,
)
from xception_edu.specs import (
    ActivationSpec,
    AddSpec,
    BatchNormSpec,
    ConvSpec,
    LinearSpec,
    PoolSpec,
    Shape,
    segment_sizes,
)

not_a_pair = st.one_of(
    st.integers(max_value=0),
    st.floats(),
    st.booleans(),
    st.text(max_size=3),
    st.tuples(st.integers(1, 3)),
    st.tuples(*[st.just(1)] * 3),
)
not_padding = st.one_of(
    st.integers(max_value=-1),
    st.floats(),
    st.booleans(),
    st.text(max_size=3),
    st.tuples(st.just(-1), st.just(1)),
)
not_even_one_size = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=3),
    st.just(()),
    st.lists(st.integers(max_value=0), min_size=3),
)
too_many_segments = st.one_of(
    st.integers(max_value=0),
    st.integers(min_value=9),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=3),
)
fraction = st.one_of(
    st.floats(max_value=-1e-9),
    st.floats(min_value=1),
    st.just(float("nan")),
    st.text(max_size=3),
    st.none(),
)

# Each constructor with arguments that are right, and for each argument the values that are wrong.
CONV = {"in_channels": 8, "out_channels": 8}
CASES = [
    (
        Shape,
        dict(channels=3, height=4, width=5),
        dict.fromkeys(("channels", "height", "width"), not_positive_integers),
    ),
    (
        ConvSpec,
        {**CONV, "kernel_size": 3, "segments": 2},
        dict(
            in_channels=not_positive_integers,
            out_channels=not_positive_integers,
            kernel_size=not_a_pair,
            segments=too_many_segments,
            stride=not_a_pair,
            padding=not_padding,
            bias=not_boolean,
            name=not_text,
        ),
    ),
    (
        LinearSpec,
        dict(in_features=3, out_features=4),
        dict(
            in_features=not_positive_integers,
            out_features=not_positive_integers,
            bias=not_boolean,
            name=not_text,
        ),
    ),
    (
        PoolSpec,
        dict(kind="max", kernel_size=3),
        dict(
            kind=not_an_option,
            kernel_size=not_positive_integers,
            stride=not_positive_integers,
            padding=not_padding,
            name=not_text,
        ),
    ),
    (
        BatchNormSpec,
        dict(channels=3),
        dict(channels=not_positive_integers, scale=not_boolean, name=not_text),
    ),
    (ActivationSpec, dict(kind="relu"), dict(kind=not_an_option, name=not_text)),
    (AddSpec, {}, dict(name=not_text)),
    (
        Cost,
        {},
        dict.fromkeys(
            ("params", "buffers", "macs", "inputs", "activations"),
            st.one_of(st.integers(max_value=-1), st.floats(), st.none()),
        ),
    ),
    (
        segment_sizes,
        dict(channels=8, segments=3),
        dict(channels=not_positive_integers, segments=too_many_segments),
    ),
    (block_diagonal_weights, {**CONV, "segments": 3}, dict(segments=too_many_segments)),
    (
        ModuleConfig,
        {**CONV, "segments": 2},
        dict(
            in_channels=not_positive_integers,
            out_channels=not_positive_integers,
            segments=too_many_segments,
            kernel_size=st.one_of(not_positive_integers, st.sampled_from([2, 4, 6])),
            order=not_an_option,
            activation=not_an_option,
        ),
    ),
    (
        VGGConfig,
        {},
        dict(
            widths=not_even_one_size,
            depths=not_even_one_size,
            fc_widths=st.one_of(st.integers(), st.none()),
            num_classes=not_positive_integers,
            in_channels=not_positive_integers,
            input_size=st.one_of(not_positive_integers, st.integers(1, 31)),
        ),
    ),
    (
        XceptionConfig,
        {},
        dict(
            num_classes=not_positive_integers,
            in_channels=not_positive_integers,
            entry_widths=st.one_of(not_even_one_size, st.just((3, 4))),
            middle_blocks=st.one_of(st.integers(max_value=-1), st.floats(), st.booleans()),
            exit_widths=st.one_of(not_even_one_size, st.just((3, 4))),
            segments=st.one_of(
                st.integers(max_value=0),
                st.integers(min_value=65),
                st.text(max_size=3),
                st.booleans(),
            ),
            order=not_an_option,
            activation=not_an_option,
            residual=not_boolean,
            fc_widths=st.one_of(st.integers(), st.none(), st.just((0,))),
            dropout=fraction,
            padding=not_an_option,
            bn_eps=not_positive,
            width=not_positive,
            stem_stride=st.one_of(not_positive_integers, st.integers(min_value=3)),
        ),
    ),
    (
        SegmentedConv2d,
        {**CONV, "segments": 2},
        dict(
            in_channels=not_positive_integers,
            out_channels=not_positive_integers,
            kernel_size=not_a_pair,
            segments=too_many_segments,
            stride=not_a_pair,
            padding=not_padding,
            bias=not_boolean,
        ),
    ),
    (
        SeparableConv2d,
        CONV,
        dict(
            in_channels=not_positive_integers,
            out_channels=not_positive_integers,
            kernel_size=not_a_pair,
            depth_multiplier=not_positive_integers,
            segments=too_many_segments,
            activation=not_an_option,
            stride=not_a_pair,
            padding=not_padding,
            bias=not_boolean,
        ),
    ),
    *(
        (
            form,
            {**CONV, "segments": 2},
            dict(
                in_channels=not_positive_integers,
                out_channels=not_positive_integers,
                kernel_size=st.one_of(not_positive_integers, st.just(2)),
                segments=too_many_segments,
                batch_norm=not_boolean,
                activation=not_an_option,
            ),
        )
        for form in (SimplifiedInception, ReformulatedInception, SegmentedInception)
    ),
    (
        ExtremeInception,
        CONV,
        dict(
            in_channels=not_positive_integers,
            out_channels=not_positive_integers,
            activation=not_an_option,
        ),
    ),
    (
        SpatiallySeparableConv2d,
        CONV,
        dict(
            in_channels=not_positive_integers,
            out_channels=not_positive_integers,
            kernel_size=st.one_of(not_positive_integers, st.just(2)),
        ),
    ),
]
ARGUMENTS = [
    pytest.param(call, right, name, wrong, id=f"{call.__name__}-{name}")
    for call, right, wrongs in CASES
    for name, wrong in wrongs.items()
]


@pytest.mark.parametrize(("call", "right", "name", "wrong"), ARGUMENTS)
@given(data=st.data())
def test_a_wrong_value_is_named(call, right, name, wrong, data):
    value = data.draw(wrong)
    with torch.device("meta"), pytest.raises(ValueError, match="must") as error:
        call(**{**right, name: value})
    message = str(error.value)
    assert name in message.split(" is ")[0], message
    assert "must be" in message or "must have" in message, message


@pytest.mark.parametrize(
    ("call", "right"), [pytest.param(c, r, id=c.__name__) for c, r, _ in CASES]
)
def test_the_right_values_beside_them_are_taken(call, right):
    with torch.device("meta"):
        call(**right)


@pytest.mark.parametrize(
    "config", [XceptionConfig, VGGConfig, ModuleConfig, ConvSpec, PoolSpec, LinearSpec]
)
def test_every_dial_is_among_the_wrong_values_above(config):
    tried = {name for call, _, wrongs in CASES if call is config for name in wrongs}
    assert tried == {field.name for field in dataclasses.fields(config) if field.init}


def test_figures_refuse_dials_that_they_do_not_have():
    with pytest.raises(ValueError, match="order is 'spatial_first', but must be 'pointwise_first'"):
        simplified_inception(ModuleConfig(8, 8, 2, order="spatial_first"), Shape(8, 4, 4))
    with pytest.raises(ValueError, match="widths is"):
        canonical_inception(Shape(8, 4, 4), widths=(1, 2, 3))
    with pytest.raises(ValueError, match="reduced is"):
        canonical_inception(Shape(8, 4, 4), reduced=(1, 2, 3))
    with pytest.raises(ValueError, match="depths is"):
        VGGConfig(depths=(1,))
    with pytest.raises(ValueError, match="shape is"):
        Shape.of((1, 2))
    with pytest.raises(
        ValueError, match="x is 3.5, but must be a finite number above 0 and below 2"
    ):
        checks.number("x", 3.5, above=0, below=2)
