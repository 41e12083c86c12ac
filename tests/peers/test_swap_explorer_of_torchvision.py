"""The explorer of a learner's own network, on torchvision's: what it counts while its slider moves
is what `swapped` builds.
"""

import pytest
import torch

from experiments.peers import define_torchvision_operators
from xception_edu.equivalence import swapped
from xception_edu.explorers import swap_explorer
from xception_edu.measure import measured_cost

# how many regular k x k convolutions each has: those that are swapped
REGULAR = {"resnet18": 17, "vgg16": 13, "convnext_tiny": 4, "mobilenet_v2": 1}
STATES = [
    {},
    {"segments": 4},
    {"segments": 5},
    {"segments": 4, "pointwise": False},
    {"multiplier": 3},
    {"order": "pointwise_first"},
]


@pytest.fixture(scope="module", params=REGULAR)
def network(request):
    """A network of torchvision's without values, and its name."""
    define_torchvision_operators()
    from torchvision import models

    with torch.device("meta"):
        return getattr(models, request.param)(), request.param


@pytest.mark.parametrize("state", STATES, ids=str)
def test_what_is_counted_is_what_is_built(network, state):
    model, name = network
    made = swap_explorer(model, input_size=224, **state)
    cost = measured_cost(swapped(model, **state), (3, 224, 224))
    shown = (made["Parameters"], made["MACs"], made["Bytes moved"])
    assert shown == (cost.params, cost.macs, cost.bytes_moved())
    assert made.view()["alts"][0].startswith(f"{REGULAR[name]} layer")
