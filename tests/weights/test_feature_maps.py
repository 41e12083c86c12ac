"""Feature maps are what the stages hand on, and the strongest are those that vary most."""

import pytest
import torch
from torch import nn

from tests.helpers.modules import StagesInLists
from xception_edu.configs import XceptionConfig
from xception_edu.measure import stage_shapes
from xception_edu.weights.feature_maps import feature_maps, strongest
from xception_edu.xception import xception

SMALL = XceptionConfig(width=0.1, middle_blocks=1, num_classes=10)


def test_maps_are_those_of_every_stage_with_the_shapes_that_are_counted():
    model, image = xception(SMALL), torch.randn(3, 96, 80)
    found = {name: tuple(maps.shape) for name, maps in feature_maps(model, image).items()}
    counted = {name: tuple(shape) for name, shape in stage_shapes(model, (3, 96, 80))}
    assert found == {name: counted[name] for name in found}
    assert set(counted) - set(found) <= {"fc", "classifier", "dropout", "pool"}


def test_maps_are_what_the_rest_of_the_network_gets_and_the_model_stays_as_it_was():
    model, image = xception(SMALL).train(), torch.randn(3, 71, 71)
    model.entry[0].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    last = feature_maps(model, image)["sep4"]
    assert model.training
    assert not model.entry[0].training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    pooled = torch.relu(last).mean(dim=(1, 2))
    assert torch.allclose(model.classifier(pooled), model.eval()(image[None])[0], atol=1e-5)


def test_a_stage_that_changes_its_input_in_place_is_kept_as_it_was_handed_on():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True))
    assert feature_maps(model, torch.randn(3, 5, 5))["0"].min() < 0


def test_stages_that_lists_hold_give_their_maps():
    found = feature_maps(StagesInLists(), torch.randn(3, 12, 12))
    assert list(found) == ["stem.0", "stem.1", "stages.0.0", "stages.0.1", "stages.1.0"]


def test_what_is_wrapped_has_the_maps_of_what_is_inside():
    model, image = StagesInLists(), torch.rand(3, 12, 12)
    wrapped, maps = feature_maps(nn.DataParallel(model), image), feature_maps(model, image)
    assert wrapped.keys() == maps.keys()
    assert all(torch.equal(wrapped[name], maps[name]) for name in maps)


def test_the_strongest_vary_most():
    maps = torch.stack([scale * torch.arange(9.0).view(3, 3) + 100 for scale in (1, 3, 0, 2)])
    assert torch.equal(strongest(maps, 2), maps[[1, 3]])
    assert len(strongest(maps, 9)) == 4


@pytest.mark.parametrize(
    ("image", "named"),
    [(torch.zeros(1, 8, 8), "image is of shape"), (torch.zeros(8, 8), "image"), ("cat", "image")],
)
def test_what_is_no_image_for_the_model_is_named_in_a_line(image, named):
    with pytest.raises(ValueError, match=named) as refused:
        feature_maps(nn.Sequential(nn.Conv2d(3, 4, 3)), image)
    assert len(str(refused.value)) <= 400
    assert "\n" not in str(refused.value)
