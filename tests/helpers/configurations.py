"""Generated configurations, right by construction and wrong by construction; and torch twins
without memory.
"""

import contextlib

import torch
from hypothesis import strategies as st

from xception_edu.architectures import ACTIVATIONS, ORDERS, ModuleConfig, XceptionConfig


@st.composite
def channels_and_segments(draw, largest=40):
    """(in_channels, out_channels, segments) that fit together, uneven pieces included."""
    ins, outs = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    return ins, outs, draw(st.integers(1, min(ins, outs)))


@st.composite
def module_configs(draw):
    ins, outs = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    order = draw(st.sampled_from(ORDERS))
    segments = draw(st.integers(1, outs if order == "pointwise_first" else ins))
    kernel = draw(st.sampled_from([1, 3, 5, 7]))
    activation = draw(st.sampled_from(ACTIVATIONS))
    return ModuleConfig(ins, outs, segments, kernel_size=kernel, order=order, activation=activation)


@st.composite
def xception_configs(draw):
    widths = st.integers(6, 24)
    return XceptionConfig(
        num_classes=draw(st.integers(1, 20)),
        in_channels=draw(st.integers(1, 4)),
        entry_widths=tuple(draw(st.lists(widths, min_size=3, max_size=5))),
        middle_blocks=draw(st.integers(0, 2)),
        exit_widths=tuple(draw(st.lists(widths, min_size=3, max_size=3))),
        segments=draw(st.sampled_from(["channels", 1, 2, 3, 4, 5, 6])),
        order=draw(st.sampled_from(ORDERS)),
        activation=draw(st.sampled_from(ACTIVATIONS)),
        residual=draw(st.booleans()),
        fc_widths=tuple(draw(st.lists(widths, max_size=2))),
        dropout=draw(st.sampled_from([0.0, 0.5])),
        padding=draw(st.sampled_from(["tensorflow", "symmetric"])),
        width=draw(st.sampled_from([1.0, 1.3, 2.0])),
        stem_stride=draw(st.sampled_from([1, 2])),
    )


@contextlib.contextmanager
def without_memory():
    """Build torch modules with shapes and no values."""
    with torch.device("meta"):
        yield


# Values that are no positive integer, whatever the argument.
not_positive_integers = st.one_of(
    st.integers(max_value=0),
    st.floats(),
    st.booleans(),
    st.text(max_size=3),
    st.none(),
    st.lists(st.integers(), max_size=1),
)
