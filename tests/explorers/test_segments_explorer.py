"""Claims about the segments explorer that need no browser: its table, its state, its picture. The
rest is in tests/browser.
"""

import json
from itertools import pairwise, product

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xception_edu as xe
from tests.helpers.configurations import not_positive_integers
from xception_edu.architectures import ORDERS, ModuleConfig, module, regular_convolution
from xception_edu.costs import total
from xception_edu.explorers import segments, segments_explorer
from xception_edu.specs import Shape, segment_sizes


def columns_of(layers):
    cost = total(layers)
    return [
        cost.params,
        cost.macs,
        cost.activations,
        cost.bytes_moved(),
        round(cost.intensity(), 2),
    ]


def check_position(table, state):
    """What one position shows is what `costs` and `segment_sizes` say of it."""
    c, k, shape = (
        state["channels"],
        state["kernel_size"],
        Shape(state["channels"], state["input_side"], state["input_side"]),
    )
    shown = segments.position(table, **state)
    layers = {
        s: module(ModuleConfig(c, c, s, kernel_size=k, order=state["order"]), shape)
        for s in (state["segments"], c)
    }
    assert shown["costs"][:5] == columns_of(layers[state["segments"]])
    assert shown["separable"][:5] == columns_of(layers[c])
    assert shown["regular"] == columns_of(regular_convolution(c, c, shape, kernel_size=k))
    sizes = segment_sizes(c, state["segments"])
    assert [b - a for a, b in pairwise(shown["edges"])] == sizes
    assert shown["kept"] == f"{sum(n * n for n in sizes):,} of {c * c:,} kernels"


def states(explorer):
    names, options = zip(
        *((c["name"], c["options"]) for c in explorer.table["controls"][1:]), strict=True
    )
    for values in product(*options):
        choices = dict(zip(names, values, strict=True))
        yield from ({"segments": s} | choices for s in range(1, choices["channels"] + 1))


def test_every_position_of_every_choice_shows_what_costs_counts():
    explorer = segments_explorer()
    checked = [check_position(explorer.table, state) for state in states(explorer)]
    assert len(checked) == (12 + 24 + 48) * 3 * 3 * 2


@given(
    st.integers(2, 64),
    st.sampled_from([1, 3, 5, 7, 15]),
    st.integers(1, 299),
    st.sampled_from(ORDERS),
    st.data(),
)
def test_any_channels_show_what_costs_counts(channels, kernel_size, side, order, data):
    table = segments.compute([channels], [kernel_size], [side])
    s = data.draw(st.integers(1, channels))
    check_position(
        table,
        {
            "segments": s,
            "channels": channels,
            "kernel_size": kernel_size,
            "input_side": side,
            "order": order,
        },
    )


def test_the_bars_fit_their_scale_and_the_parts_their_bar():
    # The scale ends at twice the regular convolution; it has room for the two maps that the module
    # writes.
    for table in (segments_explorer().table, segments.compute([2, 64], [1, 15], [1, 299])):
        for key, rows in table["costs"].items():
            first = table["pointwise"][key.rsplit(" ", 1)[0]]
            for row in rows:
                assert all(0 <= ratio <= 2 for ratio in row[5:])
                assert all(part <= whole for part, whole in zip(first, row[5:], strict=False))


def test_one_segment_is_a_1x1_more_than_the_regular_convolution():
    shown = segments.position(
        segments_explorer().table,
        segments=1,
        channels=48,
        kernel_size=3,
        input_side=19,
        order=ORDERS[0],
    )
    assert shown["costs"][0] == shown["regular"][0] + 48 * 48
    assert shown["name"] == "1 segment: a 1×1 plus a regular convolution"


@pytest.mark.parametrize(
    ("channels", "count", "words"),
    [
        (48, 1, "1 piece of 48 channels"),
        (48, 4, "4 pieces of 12 channels"),
        (48, 5, "3 pieces of 10 channels, 2 of 9"),
        (48, 47, "1 piece of 2 channels, 46 of 1"),
        (48, 48, "48 pieces of 1 channel"),
    ],
)
def test_pieces_are_told_in_words(channels, count, words):
    assert segments.pieces(channels, count)["words"] == words


def test_the_ends_of_the_spectrum_have_their_names():
    assert "extreme Inception" in segments.name(48, 48, "pointwise_first")
    assert "depthwise separable" in segments.name(48, 48, "spatial_first")
    assert segments.name(48, 4, "pointwise_first") == "4 segments: an Inception-like module"


def test_state_is_set_from_python_and_stays_valid():
    explorer = segments_explorer(segments=30)
    explorer.channels = 12
    assert explorer.segments == 12  # more cannot be
    explorer.order, explorer.kernel_size, explorer.input_side, explorer.segments = (
        "spatial_first",
        5,
        37,
        3,
    )
    assert explorer.state() == {
        "segments": 3,
        "channels": 12,
        "kernel_size": 5,
        "input_side": 37,
        "order": "spatial_first",
    }


def test_the_browsers_message_may_change_two_controls_at_once():
    explorer = segments_explorer(segments=12, channels=12)
    explorer.set_state({"segments": 40, "channels": 48})
    assert (explorer.segments, explorer.channels) == (40, 48)
    explorer.set_state({"segments": 24, "channels": 24})
    assert (explorer.segments, explorer.channels) == (24, 24)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("segments", 49),
        ("segments", 0),
        ("segments", "4"),
        ("channels", 13),
        ("kernel_size", 2),
        ("input_side", None),
        ("order", "both"),
    ],
)
def test_a_wrong_state_is_refused_by_name_and_changes_nothing(name, value):
    explorer = segments_explorer()
    before = explorer.state()
    with pytest.raises(ValueError, match=f"^{name} is {value!r}, but must be"):
        setattr(explorer, name, value)
    assert explorer.state() == before


@pytest.mark.parametrize("name", ["segments", "channels", "kernel_size", "input_side"])
@given(value=not_positive_integers.filter(lambda value: value is not None))
def test_arguments_that_are_no_positive_integers_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"^{name} is "):
        segments_explorer(**{name: value})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": 65}, "channels is 65, but must be an integer from 2 to 64"),
        (
            {"channels": 12, "segments": 13},
            "segments is 13, but must be an integer from 1 to 12 (channels is 12)",
        ),
        ({"kernel_size": 4}, "kernel_size is 4, but must be odd"),
        ({"input_side": 300}, "input_side is 300, but must be an integer from 1 to 299"),
        ({"order": "sideways"}, "order is 'sideways', but must be one of"),
        ({"channel_choices": ()}, "channel_choices is (), but must be"),
        ({"channel_choices": (1, 2)}, "channel_choices[0] is 1, but must be"),
        ({"kernel_choices": (3, 2)}, "kernel_choices[1] is 2, but must be odd"),
        ({"side_choices": "8"}, "side_choices is '8', but must be"),
        (
            {"side_choices": (1, 2, 3, 4, 5, 6), "input_side": 7},
            "side_choices is (1, 2, 3, 4, 5, 6), but must have at most 6",
        ),
    ],
)
def test_arguments_out_of_bounds_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match="but must") as error:
        segments_explorer(**arguments)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"segments": 7, "order": "spatial_first"},
        {"channels": 32},
        {"side_choices": (5, 3), "kernel_choices": [9]},
    ],
)
def test_the_repr_is_the_line_of_code_that_makes_the_state(arguments):
    explorer = segments_explorer(**arguments)
    again = eval(repr(explorer), {"xe": xe})
    assert (again.state(), again.table) == (explorer.state(), explorer.table)


def test_a_saved_notebook_has_a_picture_and_no_address():
    explorer = segments_explorer(segments=5)
    data, metadata = explorer._repr_mimebundle_()
    assert (
        data["text/plain"]
        == "xe.segments_explorer(segments=5, channels=48, kernel_size=3, input_side=19,"
        ' order="pointwise_first")'
    )
    assert explorer.picture().startswith(b"\x89PNG")
    assert len(data["image/png"]) < 100_000
    assert metadata["image/png"] == {"width": 830}
    assert "application/vnd.jupyter.widget-view+json" in data


def test_the_picture_is_the_same_bytes_each_time_whatever_the_reader_has_set():
    picture = segments_explorer(segments=5).picture()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 20}):
        assert segments_explorer(segments=5).picture() == picture
    assert segments_explorer(segments=6).picture() != picture


def test_two_explorers_have_the_same_state_but_for_the_ids_of_jupyter():
    first, second = (
        {k: v for k, v in segments_explorer().get_state().items() if k != "layout"}
        for _ in range(2)
    )
    assert json.dumps(first) == json.dumps(second)


def test_the_table_that_the_browser_gets_is_whole_and_small():
    explorer = segments_explorer()
    assert json.loads(explorer._table) == explorer.table
    assert len(explorer._table.encode()) < 150_000
