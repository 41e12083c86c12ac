"""Claims about the vocabulary of counting by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.configurations import channels_and_segments
from xception_edu.specs import (
    AddSpec,
    BatchNormSpec,
    ConvSpec,
    LinearSpec,
    PoolSpec,
    Shape,
    segment_sizes,
)


@given(channels_and_segments())
def test_segments_cut_channels_into_pieces_as_equal_as_can_be(case):
    channels, _, segments = case
    sizes = segment_sizes(channels, segments)
    assert len(sizes) == segments
    assert sum(sizes) == channels
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


def test_29_channels_in_3_segments_are_10_10_9():
    assert segment_sizes(29, 3) == [10, 10, 9]


def test_sides_of_the_stem_and_its_pools_are_those_of_figure_5():
    shape = Shape(3, 299, 299)
    shape = ConvSpec(3, 32, 3, stride=2, padding=0).output_shape(shape)
    assert shape == (32, 149, 149)
    shape = ConvSpec(32, 64, 3, padding=0).output_shape(shape)
    assert shape == (64, 147, 147)
    pool = PoolSpec("max", 3, padding="tensorflow")
    sides = []
    for _ in range(4):
        shape = pool.output_shape(shape)
        sides.append(shape.height)
    assert sides == [74, 37, 19, 10]


def test_non_square_kernels_keep_the_sides_with_padding_of_half_the_kernel():
    assert ConvSpec(4, 6, (1, 7)).output_shape(Shape(4, 17, 12)) == (6, 17, 12)
    assert ConvSpec(4, 6, (1, 7)).padding == (0, 3)


def test_a_linear_layer_takes_any_map_with_as_many_elements():
    assert LinearSpec(24, 5).output_shape(Shape(6, 2, 2)) == (5, 1, 1)


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        (ConvSpec(3, 8), Shape(4, 9, 9), "shape.channels is 4, but must be 3"),
        (BatchNormSpec(3), Shape(4, 9, 9), "shape.channels is 4, but must be 3"),
        (ConvSpec(3, 8, 5, padding=0), Shape(3, 4, 9), "height is 4, but must be at least 5"),
        (PoolSpec("max", 3), Shape(3, 9, 2), "width is 2, but must be at least 3"),
        (LinearSpec(24, 5), Shape(6, 2, 3), "36 elements, but must have 24"),
    ],
)
def test_a_shape_that_does_not_fit_is_named(spec, shape, message):
    with pytest.raises(ValueError, match=message):
        spec.output_shape(shape)


@given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9))
def test_an_addition_keeps_the_shape(c, h, w):
    assert AddSpec().output_shape(Shape(c, h, w)) == (c, h, w)
