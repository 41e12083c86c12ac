"""Claims about the architecture walk: at every block it shows what torch's network has there."""

from functools import cache
from itertools import groupby

import pytest
import torch
from torch import nn

from xception_edu.explorers import walk_explorer
from xception_edu.inception_v3 import inception_v3
from xception_edu.measure import measured_cost, measured_layers
from xception_edu.vgg import vgg
from xception_edu.xception import xception

NETWORKS = {"xception": (xception, 299), "inception_v3": (inception_v3, 299), "vgg16": (vgg, 224)}
LATER = (nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.Dropout)  # these belong to the block before them
PANEL, BAR = 390, 62  # pixels: width of the picture, height of the highest bar
every = pytest.mark.parametrize("network", NETWORKS)


@cache
def made():
    return walk_explorer()


def shown(network):
    """Each block of a network with its view and, panel by panel, its shapes."""
    explorer = made()
    for stop, view in zip(
        explorer.table["stops"][network], explorer.table["views"][network], strict=True
    ):
        with explorer.hold_trait_notifications():
            explorer.network, explorer.block = network, stop
        yield stop, view, explorer.shapes()


@cache
def model_of(network):
    make, side = NETWORKS[network]
    with torch.device("meta"):
        return make(), (3, side, side)


@cache
def counted(network):
    """What torch's network has in each block: the map that enters it, its parameters, its MACs; and
    what leaves the last.
    """
    model, shape = model_of(network)
    stages = [
        (f"{name}.{part}".rstrip("."), module)
        for name, child in model.named_children()
        for part, module in (
            child.named_children() if isinstance(child, nn.Sequential) else [("", child)]
        )
    ]
    entered = {}

    def note(module, args):
        entered[module] = tuple(args[0].shape[1:])

    for _, module in stages:
        module.register_forward_pre_hook(note)
    last = tuple(model.eval()(torch.empty(1, *shape, device="meta")).shape[1:])
    layers, blocks = measured_layers(model, shape), []
    for name, module in stages:
        if not isinstance(module, LATER):
            blocks.append({"enters": entered[module], "params": 0, "macs": 0})
        blocks[-1]["params"] += sum(p.numel() for p in module.parameters())
        blocks[-1]["macs"] += sum(
            layer.cost.macs for layer in layers if f"{layer.name}.".startswith(f"{name}.")
        )
    return blocks, last


def size(shape):
    """A map as the explorer writes it: height×width×channels."""
    channels, *sides = shape
    return (
        "×".join(map(str, (*sides, channels)))
        if sides and sides != [1, 1]
        else f"vector of {channels}"
    )


@every
def test_every_block_has_the_shapes_parameters_and_macs_of_torchs_network(network):
    blocks, last = counted(network)
    leaves = [*(block["enters"] for block in blocks[1:]), last]
    if network == "vgg16":
        leaves[12] = (512, 7, 7)  # flattened before the first fully connected layer
        blocks[13]["enters"] = (512, 7, 7)
    views = [view for _, view, _ in shown(network)]
    for view, block, out in zip(views, blocks, leaves, strict=True):
        assert view["values"][:3] == [size(out), f"{block['params']:,}", f"{block['macs']:,}"]
        assert view["note"] == f"{size(block['enters'])} goes in, {size(out)} comes out"


@every
def test_the_memory_of_all_blocks_is_that_of_the_activations_that_torch_writes(network):
    model, shape = model_of(network)
    whole = 4 * measured_cost(model, shape).activations / 2**20
    assert sum(float(view["values"][3]) for _, view, _ in shown(network)) == pytest.approx(
        whole, abs=0.0005 * 17
    )


def test_receptive_fields_are_the_published_ones_and_never_shrink():
    """212 of VGG-16's convolutions (Araujo, Norris, Sim, Distill, 2019), 3 and 7 of the stems by
    hand.
    """
    for network in NETWORKS:
        fields = [view["values"][4] for _, view, _ in shown(network)]
        sides = [int(field.partition("×")[0]) for field in fields]
        assert sides == sorted(sides)
        if network == "vgg16":
            assert fields[12] == "212×212"
        else:
            assert fields[:2] == ["3×3", "7×7"]


@every
def test_bars_are_as_high_as_torchs_counts_and_the_one_of_the_block_is_colored(network):
    blocks, _ = counted(network)
    for stop, _, (profile, _) in shown(network):
        bars = [shape for shape in profile if shape[0] == "rect"]
        gray, colored = (
            [bar for bar in bars if bar[1] == color] for color in ("elementwise", "depthwise")
        )
        assert len(gray) == 3 * len(blocks)
        assert len(colored) == 3
        words = [shape[4] for shape in profile if shape[0] == "text"]
        for row, quantity in enumerate(("params", "macs")):
            counts = [block[quantity] for block in blocks]
            for bar, count in zip(gray[row * len(blocks) :], counts, strict=False):
                assert bar[5] == pytest.approx(max(count / max(counts) * BAR, 1), abs=0.06)
            assert colored[row][2:6] == gray[row * len(blocks) + stop - 1][2:6]
            assert any(
                one.startswith(f"{counts[stop - 1] / sum(counts):.1%} of the ") for one in words
            )


@every
def test_the_list_of_layers_adds_up_to_the_block(network):
    blocks, _ = counted(network)
    for stop, view, (_, listing) in shown(network):
        lines = [[shape[4] for shape in row] for row in _rows(listing)]
        times = [
            int(words.split(" × ")[0]) if words.split(" × ")[0].isdigit() else 1
            for words, _ in lines
        ]
        macs = [
            int(count.removesuffix(" MACs").replace(",", "")) if count else 0 for _, count in lines
        ]
        assert (
            sum(n * each for n, each in zip(times, macs, strict=True)) == blocks[stop - 1]["macs"]
        )
        assert all(words in view["alts"][1] for words, _ in lines)


def _rows(listing):
    """The texts of a list, line by line."""
    return [
        list(row)
        for _, row in groupby(
            (shape for shape in listing if shape[0] == "text"), key=lambda shape: shape[3]
        )
    ]


@every
def test_a_click_on_a_bar_goes_to_its_block(network):
    for _, _, (profile, _) in shown(network):
        clicks = [shape for shape in profile if shape[0] == "click"]
        assert [shape[1] for shape in clicks] == [*range(1, len(clicks) // 3 + 1)] * 3
        assert all(0 <= shape[2] <= PANEL for shape in clicks)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": "resnet"}, "network is 'resnet', but must be one of"),
        ({"block": 18}, "block is 18, but must be"),
        ({"network": "vgg16", "block": 17}, "block is 17, but must be"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        walk_explorer(**arguments)
