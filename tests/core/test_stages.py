"""Claims about stage_shapes(): the stages are what runs, whatever holds it."""

import pytest
import torch
from torch import nn

from tests.helpers.modules import Bottleneck, StagesInLists
from xception_edu.measure import stage_shapes, stages_of, traced

STAGES = [
    ("stem.0", (8, 12, 12)),
    ("stem.1", (8, 12, 12)),
    ("stages.0.0", (8, 12, 12)),
    ("stages.0.1", (8, 12, 12)),
    ("stages.1.0", (16, 6, 6)),
    ("heads.classes", (10, 1, 1)),
]


class Held(nn.Module):
    """Runs what a container holds, one after the other."""

    def __init__(self, container):
        super().__init__()
        self.body = container

    def forward(self, x):
        for block in self.body.children():
            x = block(x)
        return x


class Namespace(nn.Module):
    """Holds modules as attributes and has no forward."""

    def __init__(self, first, second):
        super().__init__()
        self.first, self.second = first, second


def blocks():
    return Bottleneck(3, 8), Bottleneck(8, 16)


def test_stages_in_lists_and_dicts_are_shown_in_the_order_in_which_they_run():
    assert stage_shapes(StagesInLists(), (3, 12, 12)) == STAGES


def test_what_is_wrapped_has_the_stages_of_what_is_inside():
    assert stage_shapes(nn.DataParallel(StagesInLists()), (3, 12, 12)) == STAGES


class Otherwise(nn.Module):
    """Gives what a function makes of its input."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize("function", [torch.mean, lambda x: x.unflatten(1, (1, 3))])
def test_a_loss_and_maps_of_five_dimensions_are_left_out(function):
    made = Held(nn.Sequential(nn.Conv2d(3, 3, 1), Otherwise(function)))
    assert stage_shapes(made, (3, 9, 9)) == [("body.0", (3, 9, 9))]


def test_what_is_traced_has_the_blocks_that_are_the_stages():
    names = [block["name"] for block in traced(StagesInLists(), 12)["blocks"]]
    assert names[:-1] == [name for name, _ in STAGES]
    assert names[-1] == "heads.unused"  # which did not run


@pytest.mark.parametrize(
    "container",
    [
        nn.ModuleList(blocks()),
        nn.ModuleDict(zip(("low", "high"), blocks(), strict=True)),
        Namespace(*blocks()),
    ],
    ids=lambda container: type(container).__name__,
)
def test_any_container_shows_what_a_sequential_of_the_same_blocks_does(container):
    wanted = [shape for _, shape in stage_shapes(Held(nn.Sequential(*blocks())), (3, 12, 12))]
    names = [f"body.{name}" for name, _ in container.named_children()]
    assert stage_shapes(Held(container), (3, 12, 12)) == list(zip(names, wanted, strict=True))


def test_a_container_with_a_forward_of_its_own_is_a_stage():
    """As torchvision's _DenseBlock, which is a ModuleDict and runs."""

    class Dense(nn.ModuleDict):
        def forward(self, x):
            return self["conv"](x)

    block = Dense({"conv": nn.Conv2d(3, 8, 3)})
    assert list(stages_of(nn.ModuleDict({"features": nn.Sequential(block)}))) == ["features.0"]


def test_a_stage_that_gives_a_tuple_shows_its_first_tensor():
    model = nn.Sequential(nn.Flatten(2), nn.LSTM(36, 5, batch_first=True))
    assert stage_shapes(model, (3, 6, 6))[-1] == ("1", (3, 5, 1))
