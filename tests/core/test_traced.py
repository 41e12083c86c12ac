"""Claims about traced(): the layers and costs of measure as a graph, with the receptive fields that
are derived by hand.
"""

import json

import pytest
import torch
from torch import nn

from tests.helpers.modules import AttentionOnPatches
from xception_edu import architectures
from xception_edu.inception_v3 import inception_v3
from xception_edu.measure import measured_cost, traced
from xception_edu.receptive_field import receptive_fields
from xception_edu.vgg import vgg
from xception_edu.xception import xception

OURS = {
    "xception": (xception, architectures.xception, 299),
    "inception_v3": (inception_v3, architectures.inception_v3, 299),
    "vgg16": (vgg, architectures.vgg, 224),
}


def on_meta(make, *args, **kwargs):
    with torch.device("meta"):
        return make(*args, **kwargs)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)) + x)


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.second = nn.Conv2d(4, 4, 3)

    def forward(self, x):
        y = self.first(x)
        return self.second(y) if y.sum() < 1e9 else y


@pytest.mark.parametrize("name", OURS)
def test_the_whole_costs_what_measure_counts_and_every_field_is_the_one_by_hand(name):
    make, layers, side = OURS[name]
    model = on_meta(make)
    found = traced(model, side)
    assert found["cost"] == vars(measured_cost(model, (3, side, side)))
    by_hand = {tuple(field) for field in receptive_fields(layers())}
    fields = {tuple(row["field"]) for row in found["layers"] if row["operator"]}
    assert by_hand <= fields  # by machine 1x3 and 3x1 side by side are not one behind the other
    assert fields == by_hand or name == "inception_v3"


def test_what_is_traced_is_plain_data_and_the_module_stays():
    model = Residual()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    found = traced(model.train(), (4, 9, 7))
    assert json.loads(json.dumps(found)) == found
    assert model.training
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_an_addition_reads_both_of_its_maps():
    conv, norm, add, relu = traced(Residual(), (4, 9, 7))["layers"]
    assert [row["operator"] for row in (conv, add, relu)] == ["convolution", "add", "relu"]
    assert [row["reads"] for row in (conv, norm, add, relu)] == [[-1], [0], [1, -1], [2]]
    assert conv["conv"]["kernel"] == [3, 3]
    assert conv["conv"]["swappable"]


def test_behind_attention_no_rectangle_of_pixels_is_claimed():
    rows = traced(on_meta(AttentionOnPatches), 16)["layers"]
    assert rows[0]["field"] == [4, 4, 4]
    assert rows[-1]["field"] is None
    assert rows[-1]["why"] == "attention"


def test_a_map_that_is_flattened_is_seen_whole_and_one_that_is_permuted_is_not():
    flat = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.Flatten(), nn.Linear(4 * 7 * 7, 5))
    assert traced(flat, 15)["layers"][-1]["field"] == [15, 15, 2]
    channels_last = nn.Sequential(nn.Conv2d(3, 4, 3, 2), Last(), nn.Linear(4, 5))
    assert traced(channels_last, 15)["layers"][-1]["field"] == [3, 3, 2]


class Last(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1)


def test_dilation_and_pooling_widen_the_field():
    model = nn.Sequential(nn.Conv2d(3, 3, 3, dilation=2), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1))
    fields = [row["field"] for row in traced(model, 20)["layers"]]
    assert fields == [[5, 5, 1], [6, 6, 2], [20, 20, 2]]


def test_a_flow_that_depends_on_values_is_run_with_values_and_says_so():
    found = traced(Gated(), 9)
    assert found["ran_on"] == "values"
    assert [row["name"] for row in found["layers"] if row["operator"] == "convolution"] == [
        "first",
        "second",
    ]
    assert traced(Residual(), 9)["ran_on"] == "shapes"


def test_blocks_are_the_modules_own_children_and_containers_are_opened():
    model = nn.ModuleDict({"stem": nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())})
    model["body"] = nn.Sequential(Residual(), Residual())
    network = nn.Sequential(*model.values())
    found = traced(network, 9)
    blocks = [(block["name"], block["type"]) for block in found["blocks"]]
    assert blocks == [("0.0", "Conv2d"), ("0.1", "ReLU"), ("1.0", "Residual"), ("1.1", "Residual")]
    assert [row["block"] for row in found["layers"]] == [0, 1, 2, 2, 2, 2, 3, 3, 3, 3]
    assert traced(nn.Conv2d(3, 4, 3), 9)["blocks"] == [{"name": "", "type": "Conv2d"}]


def test_what_did_not_run_is_counted_and_named():
    model = Gated()
    model.spare = nn.Conv2d(4, 4, 3)
    row = traced(model, 9)["layers"][-1]
    assert (row["name"], row["operator"], row["why"]) == ("spare", "", "it did not run")
    assert row["cost"]["params"] == 4 * 4 * 9 + 4


@pytest.mark.parametrize(
    ("module", "size", "said"),
    [
        ("resnet", 9, "module is 'resnet', but must be a torch.nn.Module"),
        (nn.Conv2d(3, 4, 3), 0, "input_size is 0"),
        (nn.Conv2d(3, 4, 3), (3, 9), "input_size is \\(3, 9\\), but must be the pixels"),
        (nn.Conv2d(3, 4, 3), (5, 9, 9), "input_size is \\(5, 9, 9\\), but must be one that"),
        (nn.Bilinear(3, 4, 3), 9, "input_size is \\(3, 9, 9\\), but must be .* TypeError"),
    ],
)
def test_wrong_arguments_are_answered_in_one_line(module, size, said):
    with pytest.raises(ValueError, match=said) as caught:
        traced(module, size)
    assert "\n" not in str(caught.value)


def test_a_side_alone_goes_with_the_channels_of_the_first_convolution():
    assert traced(nn.Conv2d(1, 4, 3), 9)["input"] == [1, 9, 9]
    assert traced(nn.Sequential(nn.Flatten(), nn.Linear(27, 2)), 3)["input"] == [3, 3, 3]
    assert traced(nn.Conv2d(3, 4, 3))["input"] == [3, 224, 224]
