"""MACs counted by hand are those of torchinfo, fvcore, ptflops and torch's counter, where they
count the same thing.
"""

import warnings

import pytest

from experiments import counting
from xception_edu import architectures
from xception_edu.costs import Cost, cost_of, total
from xception_edu.specs import BatchNormSpec, ConvSpec, LinearSpec, Shape

LAYERS = architectures.xception()
NORMS = sum((cost_of(*pair) for pair in LAYERS if isinstance(pair[0], BatchNormSpec)), Cost())
TOOLS = {"torch": "meta", "torchinfo": "meta", "fvcore": "cpu", "ptflops": "meta"}


@pytest.fixture(scope="module")
def said():
    """What every tool says, and whether it can say it again, as the benchmark asks."""
    with warnings.catch_warnings(action="ignore"):  # the tools' own
        counted = {tool: counting.TOOLS[tool](device) for tool, device in TOOLS.items()}
        assert all(again() is not None for _, again in counted.values())
    return {tool: row for tool, (row, _) in counted.items()}


@pytest.mark.parametrize("tool", counting.TOOLS)
def test_a_tool_counts_convolutions_and_linear_layers_as_we_do(tool, said):
    hand, _ = counting.by_hand()
    assert said[tool]["convolutions"] == hand["convolutions"] == 8_355_355_496
    assert said[tool]["linear"] == hand["linear"] == 2_048_000
    assert said[tool]["total"] == sum(
        said[tool][kind] for kind in ("convolutions", "linear", "biases", "others")
    )


def test_what_else_the_tools_count_is_known(said):
    assert (said["torch"]["others"], said["torch"]["biases"]) == (0, 0)
    assert said["torchinfo"]["others"] == NORMS.params  # BN's scale and shift, once a channel
    # BN's scale and shift, once an element
    assert said["fvcore"]["others"] == 2 * NORMS.activations
    assert said["ptflops"]["others"] > said["fvcore"]["others"]  # ReLU too
    assert said["ptflops"]["biases"] == said["torchinfo"]["biases"] == 1000


def test_by_hand_the_total_is_all_there_is():
    hand, _ = counting.by_hand()
    kinds = [
        sum(cost_of(*pair).macs for pair in LAYERS if isinstance(pair[0], kind))
        for kind in (ConvSpec, LinearSpec)
    ]
    assert hand["total"] == total(LAYERS).macs == sum(kinds)
    assert (hand["biases"], hand["others"]) == (0, 0)


def test_one_convolution_with_bn_is_a_different_number_for_each_tool_and_why():
    """230,400 MACs by hand: two images, ten by ten positions, 16 times 8 times 9 products each."""
    with warnings.catch_warnings(action="ignore"):
        record = counting.small()
    (ins, outs), images, positions = record["channels"], record["input"][0], 100
    macs = images * cost_of(ConvSpec(ins, outs, 3, bias=True), Shape(*record["input"][1:])).macs
    values = images * outs * positions
    assert macs == 230_400
    assert {row["tool"]: row["said"] for row in record["counters"]} == {
        "torch": 2 * macs,  # a multiplication and an addition
        # the bias, and BN's parameters once an image
        "torchinfo": macs + values + 2 * outs * images,
        "fvcore": macs + 2 * values,  # BN's scale and shift, and no bias
        "ptflops": (macs + values + 2 * values) // images,  # both, of one image
    }
    assert [row["said"] for row in record["counters"]][:3] == [460_800, 233_664, 236_800]
