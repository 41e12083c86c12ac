"""Claims about the architecture walk: at every block it shows what torch's network has there."""

from functools import cache

import pytest
import torch
from torch import nn

from tests.helpers.modules import AttentionOnPatches, StagesInLists
from xception_edu.configs import VGGConfig
from xception_edu.explorers import walk, walk_explorer
from xception_edu.explorers.networks import network_of
from xception_edu.explorers.walk_panels import BAR, KINDS, PHOTO, TOP, _bar, _base
from xception_edu.inception_v3 import inception_v3
from xception_edu.measure import measured_cost, measured_layers
from xception_edu.vgg import vgg
from xception_edu.xception import xception

NETWORKS = {"xception": (xception, 299), "inception_v3": (inception_v3, 299), "vgg16": (vgg, 224)}
LATER = (nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.Dropout)  # these belong to the block before them
PANEL = 390  # pixels: width of the picture
every = pytest.mark.parametrize("network", NETWORKS)


@cache
def made():
    return walk_explorer()


def shown_views(network):
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
        "×".join(f"{side:,}" for side in (*sides, channels))
        if sides and sides != [1, 1]
        else f"vector of {channels:,}"
    )


@every
def test_every_block_has_the_shapes_parameters_and_macs_of_torchs_network(network):
    blocks, last = counted(network)
    leaves = [*(block["enters"] for block in blocks[1:]), last]
    if network == "vgg16":
        leaves[12] = (512, 7, 7)  # flattened before the first fully connected layer
        blocks[13]["enters"] = (512, 7, 7)
    views = [view for _, view, _ in shown_views(network)]
    for view, block, out in zip(views, blocks, leaves, strict=True):
        assert view["values"][:3] == [size(out), f"{block['params']:,}", f"{block['macs']:,}"]
        assert view["note"] == f"{size(block['enters'])} goes in, {size(out)} comes out"


@every
def test_the_memory_of_all_blocks_is_that_of_the_activations_that_torch_writes(network):
    model, shape = model_of(network)
    whole = 4 * measured_cost(model, shape).activations / 2**20
    shown = [mebibytes(view["values"][3]) for _, view, _ in shown_views(network)]
    assert sum(shown) == pytest.approx(whole, rel=2e-3)


def mebibytes(text):
    """What is said in MiB, or in KiB where it is less than one."""
    number, unit = text.split(" ")
    assert unit == "KiB" or float(number) >= 1
    return float(number) / {"MiB": 1, "KiB": 1024}[unit]


def test_receptive_fields_are_the_published_ones_and_never_shrink():
    """212 of VGG-16's convolutions (Araujo, Norris, Sim, Distill, 2019), 3 and 7 of the stems by
    hand.
    """
    for network in NETWORKS:
        fields = [view["values"][4] for _, view, _ in shown_views(network)]
        sides = [int(field.partition("×")[0].replace(",", "")) for field in fields]
        assert sides == sorted(sides)
        if network == "vgg16":
            assert fields[12] == "212×212"
        else:
            assert fields[:2] == ["3×3", "7×7"]


@every
def test_bars_are_as_high_as_torchs_counts_and_an_outline_in_ink_is_around_the_block(network):
    blocks, _ = counted(network)
    for stop, _, (profile, _) in shown_views(network):
        bars = [shape for shape in profile if shape[0] == "rect" and shape[1] in KINDS]
        for row, quantity in enumerate(("params", "macs"), 1):
            base, counts = _base(row), [block[quantity] for block in blocks]
            here = [
                bar for bar in bars if base - BAR - 0.2 <= bar[3] and bar[3] + bar[5] < base + 1
            ]
            for i, count in enumerate(counts):
                x, wide = _bar(i, len(blocks))
                high = sum(bar[5] for bar in here if x <= bar[2] + 0.1 and bar[2] < x + wide - 0.1)
                assert high == pytest.approx(count / max(counts) * BAR, abs=0.4)
            part = counts[stop - 1] / sum(counts)
            words = "<0.1%" if 0 < part < 0.001 else f"{part:.1%}" if part else "0%"
            said = f"{words} of the "
            assert any(str(shape[4]).startswith(said) for shape in profile if shape[0] == "text")
        outlines = [shape[2][0] for shape in profile if shape[:2] == ["line", "ink"]]
        x, wide = _bar(stop - 1, len(blocks))
        assert sum(run[0] == pytest.approx(x, abs=0.1) for run in outlines) == 4


@every
def test_the_layers_of_a_block_add_up_to_it(network):
    blocks, _ = counted(network)
    ours = network_of(network)
    for block, (_, rows) in zip(blocks, walk.blocks(ours), strict=True):
        assert sum(row["cost"]["macs"] for row in rows) == block["macs"]
        assert sum(row["cost"]["params"] for row in rows) == block["params"]


def test_batch_norm_relu_and_addition_are_listed():
    view = walk_explorer(block=6).view()
    words = view["alts"][1].partition(": ")[2].split(", ")
    step = ["ReLU", "3×3 depthwise", "1×1 conv", "batch norm"]
    assert words == [*step, *step, *step, "addition"]


def test_a_skip_is_drawn_from_the_input_to_the_addition_in_its_color():
    drawn = walk_explorer(block=6).shapes()[1]
    [skip] = [shape for shape in drawn if shape[:2] == ["line", "residual"]]
    texts = {shape[4]: shape[3] for shape in drawn if shape[0] == "text"}
    assert skip[2][0][1] == texts["in: 19×19×728"]
    assert skip[2][0][-1] == texts["addition"]


def test_towers_stand_side_by_side_and_meet_in_a_concatenation():
    network = network_of("inception_v3")
    rows = dict(walk.blocks(network))["mixed10"]
    layers = walk.lines(network, rows)
    *towers, end, _ = layers
    assert [layer.reads for layer in towers].count((-1,)) == 4
    assert end.words == "concatenation"
    # two towers end in a 1x3 and a 3x1 side by side
    assert len(end.reads) == 6


@every
def test_a_click_on_a_bar_goes_to_its_block(network):
    for _, _, (profile, _) in shown_views(network):
        clicks = [shape for shape in profile if shape[0] == "click"]
        assert [shape[1] for shape in clicks] == [*range(1, len(clicks) // 4 + 1)] * 4
        assert all(0 <= shape[2] <= PANEL for shape in clicks)


def test_the_field_is_a_square_upon_the_photograph_and_never_beyond_it():
    made = walk_explorer(network="vgg16")
    sides = []
    for made.block in range(1, 15):
        (field,) = (shape for shape in made.shapes()[0][-1:] if shape[:2] == ["line", "ink"])
        xs, ys = field[2][0][::2], field[2][0][1::2]
        sides.append(max(xs) - min(xs))
        assert max(ys) <= TOP + PHOTO
        assert made.block > 12 or sides[-1] == pytest.approx(
            made["Receptive field"][0] / 224 * PHOTO, abs=0.3
        )
    assert sides == sorted(sides)
    assert sides[-1] == PHOTO


# ---- a learner's own network ---------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self, ins, outs):
        super().__init__()
        self.conv = nn.Conv2d(ins, outs, 3, 2, 1)
        self.norm = nn.BatchNorm2d(outs)
        self.skip = nn.Conv2d(ins, outs, 1, 2)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)) + self.skip(x))


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.body = nn.Sequential(Block(4, 8), Block(8, 16))
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.body(self.norm(self.stem(x))).mean((2, 3)))


def test_blocks_are_the_modules_own_children_by_their_own_names():
    made = walk_explorer(Own(), input_size=28)
    titles = [view["title"] for view in made.table["views"][""]]
    names = ["stem, Conv2d", "body.0, Block", "body.1, Block", "head, Linear"]
    assert titles == [f"Own, block {i} of 4: {name}" for i, name in enumerate(names, 1)]
    cost = measured_cost(Own(), (1, 28, 28))
    rows = [view["values"] for view in made.table["views"][""]]
    assert sum(int(row[1].replace(",", "")) for row in rows) == cost.params
    assert sum(int(row[2].replace(",", "")) for row in rows) == cost.macs
    assert [row[0] for row in rows] == ["28×28×4", "14×14×8", "vector of 16", "vector of 10"]
    assert rows[1][4] == "5×5"
    assert (
        repr(made)
        == "xe.walk_explorer(block=1, module=module, input_size=28)  # supply your own module"
    )


def test_blocks_in_lists_and_dicts_are_shown_by_their_own_names():
    made = walk_explorer(StagesInLists(), input_size=12)
    shown = [(view["title"], view["values"][0]) for view in made.table["views"][""]]
    assert [title.partition(": ")[2] for title, _ in shown] == [
        "stem.0, Conv2d",
        "stages.0.0, Bottleneck",
        "stages.0.1, Bottleneck",
        "stages.1.0, Bottleneck",
        "heads.classes, Linear",
    ]
    shapes = ["12×12×8", "vector of 16", "vector of 10"]  # the mean belongs to the block before it
    assert [shape for _, shape in shown[2:]] == shapes


def test_a_network_of_ours_is_the_same_by_hand_and_as_a_module():
    """Shapes, costs and receptive fields of every block of VGG-16."""
    module = walk_explorer(model_of("vgg16")[0], input_size=224)
    by_hand = walk_explorer(VGGConfig())
    values = [[view["values"] for view in made.table["views"][""]] for made in (module, by_hand)]
    assert values[0] == values[1]


def test_where_attention_mixes_all_no_receptive_field_is_claimed():
    made = walk_explorer(AttentionOnPatches(), input_size=16, block=2)
    assert made["Receptive field"] == "–"
    assert "No rectangle, because of attention" in made.view()["alts"][0]
    made.block = 1
    assert made["Receptive field"] == (4, 4)


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        return self.conv(x) if x.sum() > 0 else x


def test_a_flow_that_depends_on_values_is_shown_on_one_path_and_says_so():
    note = walk_explorer(Gated(), input_size=8).view()["note"]
    assert note.endswith("the flow depends on values: one path is shown")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": "resnet"}, "network is 'resnet', but must be one of"),
        ({"block": 18}, "block is 18, but must be"),
        ({"network": "vgg16", "block": 17}, "block is 17, but must be"),
        ({"module": 5}, "module is 5, but must be a torch.nn.Module"),
        ({"module": nn.Linear(3, 3), "block": 2, "input_size": (1, 1, 3)}, "block is 2, but must"),
        ({"input_size": 100}, "input_size is 100, but must be given with a module"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        walk_explorer(**arguments)
