"""Claims about the explorer of a learner's own network: what it counts is what is built."""

import pytest
import torch
from torch import nn

import xception_edu as xe
from xception_edu.benchmark import records
from xception_edu.benchmark.roofline import Roofline
from xception_edu.configs import VGGConfig
from xception_edu.costs import cost_of
from xception_edu.explorers import swap_explorer
from xception_edu.explorers.swap_panels import amount, milliseconds
from xception_edu.measure import measured_cost, traced
from xception_edu.specs import ConvSpec, Shape

WAYS = [(1, 1, "spatial_first"), (1, 2, "spatial_first"), (1, 1, "pointwise_first")]
WAYS += [(0, 1, "spatial_first")]


class Twice(nn.Module):
    """A network with a skip, a grouped layer that stays, and a branch that does not run."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 10, 5, 2, 2)
        self.body = nn.Conv2d(10, 10, 3, padding=1, bias=False)
        self.grouped = nn.Conv2d(10, 10, 3, padding=1, groups=5)
        self.spare = nn.Conv2d(10, 6, 3)
        self.norm = nn.BatchNorm2d(10)
        self.head = nn.Linear(10, 4)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = x + self.norm(self.grouped(self.body(x)))
        return self.head(x.mean((2, 3)))


@pytest.fixture(scope="module")
def small():
    return Twice(), swap_explorer(Twice(), input_size=(3, 20, 17), segments=5)


def go(made, segments, pointwise, multiplier, order):
    with made.hold_trait_notifications():
        made.pointwise, made.multiplier, made.order = pointwise, multiplier, order
        made.segments = segments


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("segments", [1, 3, 5, 10])
def test_what_is_counted_is_what_is_built(small, segments, way):
    model, made = small
    go(made, segments, *way)
    pointwise, multiplier, order = way
    built = xe.swapped(
        model, segments, pointwise=bool(pointwise), multiplier=multiplier, order=order
    )
    cost = measured_cost(built, (3, 20, 17))
    shown = (made["Parameters"], made["MACs"], made["Bytes moved"])
    assert shown == (cost.params, cost.macs, cost.bytes_moved())


def test_vgg_by_hand_is_vgg_by_machine():
    """Nothing is given: the network is counted from its list of layers, and no torch is needed."""
    made = swap_explorer()
    with torch.device("meta"):
        cost = measured_cost(xe.swapped(xe.vgg()), (3, 224, 224))
    assert (made["Parameters"], made["MACs"]) == (cost.params, cost.macs)
    assert made["Bytes moved"] == cost.bytes_moved()


def test_the_time_is_the_sum_of_what_the_roofline_allows_each_layer():
    """A convolution alone: its k x k, then its 1x1."""
    made = swap_explorer(nn.Conv2d(64, 64, 3, padding=1, bias=False), input_size=56)
    roofline = Roofline.of(records.read_record("roofline"))
    parts = [ConvSpec(64, 64, 3, segments=64), ConvSpec(64, 64, 1)]
    ms = sum(roofline.milliseconds(cost_of(spec, Shape(64, 56, 56))) for spec in parts)
    assert made["Time at best"] == float(milliseconds(ms))


def test_it_says_what_it_cannot_know_and_where_that_is_known(small):
    assert "Accuracy: no count can say" in small[1].view()["note"]
    assert "notebook 13" in small[1].view()["note"]


def test_a_multiplier_without_a_1x1_behind_is_said_to_be_1(small):
    _, made = small
    go(made, 5, 0, 2, "spatial_first")
    assert made.view()["note"].startswith("Multiplier 1: no 1×1 follows")
    assert made["Parameters"] < measured_cost(Twice(), (3, 20, 17)).params


def test_every_swapped_layer_is_a_line_and_a_layer_that_did_not_run_takes_no_time(small):
    _, made = small
    go(made, 5, 1, 1, "spatial_first")
    layers = made.shapes()[0]
    names = [shape[4] for shape in layers if shape[0] == "text"]
    assert {"· stem", "· body", "· spare"} <= set(names)
    assert "· grouped" not in names
    times = [shape for shape in layers if shape[0] == "words"][-1][-1]
    assert times[-1] == "0.000"


def test_a_network_may_be_handed_over_as_plain_data_or_as_a_config(small):
    model, made = small
    go(made, 10, 1, 1, "spatial_first")
    assert swap_explorer(traced(model, (3, 20, 17))).readouts() == made.readouts()
    assert swap_explorer(VGGConfig()).readouts() == swap_explorer("vgg16").readouts()


def test_the_line_of_code_names_what_was_given(small):
    assert repr(small[1]).endswith(
        "module=module, input_size=(3, 20, 17))  # supply your own module"
    )
    assert repr(swap_explorer("vgg16", segments=5)).endswith("module='vgg16')")
    assert 5 in swap_explorer(segments=5).table["stops"]["1 1 spatial_first"]


def test_numbers_have_three_digits_and_a_unit_that_can_be_read():
    shown = [amount(123, 0), amount(4_567, 0), amount(999_999, 1), amount(8.13 * 2**20, 2)]
    assert shown == ["123", "4.57 k", "1 M", "8.13 MiB"]
    assert amount(3 * 2**30, 2) == "3,072 MiB"
    assert [amount(bytes_, 2) for bytes_ in (2**20, 4000, 512, 0)] == [
        *("1 MiB", "3.91 KiB", "0.5 KiB", "0 KiB")
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"module": "resnet"}, "module is 'resnet', but must be one of 'xception'"),
        ({"module": 5}, "module is 5, but must be a torch.nn.Module"),
        ({"module": {"layers": []}}, "module is a dict without name, input"),
        ({"module": nn.Linear(3, 3), "input_size": (1, 1, 3)}, "module is Linear, but must have a"),
        ({"segments": 513}, "segments is 513, but must be"),
        ({"segments": "all"}, "segments is 'all'"),
        ({"pointwise": "yes"}, "pointwise is 'yes'"),
        ({"multiplier": 0}, "multiplier is 0"),
        ({"order": "first"}, "order is 'first'"),
        ({"input_size": 100}, "input_size is 100, but must be 224"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        swap_explorer(**arguments)
