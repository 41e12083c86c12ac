"""MACs counted by hand are those of torchinfo, fvcore, ptflops and torch's counter, where they count the same thing."""

import pytest

from xception_edu import architectures
from xception_edu.benchmark import counting
from xception_edu.costs import Cost, cost_of, total
from xception_edu.specs import BatchNormSpec, ConvSpec, LinearSpec

LAYERS = architectures.xception()
HAND = {kind: sum(cost_of(*pair).macs for pair in LAYERS if isinstance(pair[0], kind)) for kind in (ConvSpec, LinearSpec)}
TOOLS = [(tool, device) for tool in counting.TOOLS for device in ("cpu", "meta") if (tool, device) != ("fvcore", "meta")]


@pytest.mark.filterwarnings("ignore")  # the tools' own
@pytest.mark.parametrize(("tool", "device"), TOOLS)
def test_a_tool_counts_convolutions_and_linear_layers_as_we_do(tool, device):
    counted, again = counting.TOOLS[tool](device)
    assert counted["convolutions"] == HAND[ConvSpec] == 8_355_355_496
    assert counted["linear"] == HAND[LinearSpec] == 2_048_000
    assert counted["total"] == sum(counted[kind] for kind in ("convolutions", "linear", "biases", "others"))
    assert again() is not None


@pytest.mark.filterwarnings("ignore")
def test_what_else_the_tools_count_is_said():
    others = {tool: count("cpu")[0] for tool, count in counting.TOOLS.items()}
    norms = [cost_of(*pair) for pair in LAYERS if isinstance(pair[0], BatchNormSpec)]
    assert (others["torch"]["others"], others["torch"]["biases"]) == (0, 0)
    assert others["torchinfo"]["others"] == sum(norms, Cost()).params  # BN's scale and shift, once a channel
    assert others["fvcore"]["others"] == 2 * sum(norms, Cost()).activations  # BN's scale and shift, once an element
    assert others["ptflops"]["others"] > others["fvcore"]["others"]  # ReLU too
    assert others["ptflops"]["biases"] == others["torchinfo"]["biases"] == 1000


def test_by_hand_the_total_is_all_there_is():
    counted, _ = counting.by_hand()
    assert counted["total"] == total(LAYERS).macs == sum(HAND.values())
    assert (counted["biases"], counted["others"]) == (0, 0)
