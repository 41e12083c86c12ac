"""Claims about the kernel microscope, at every position: what is painted is what torch computes,
and as much as it counts.
"""

import copy
import functools
import os
from importlib.resources import files

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from xception_edu.equivalence import set_segment_weights
from xception_edu.explorers import kernel_explorer
from xception_edu.explorers.convolution import maps_of, reduced
from xception_edu.explorers.engine.scene import CHOSEN, LEVELS
from xception_edu.explorers.kernel import KERNELS, SEGMENTS, default_picture, edge_detectors
from xception_edu.layers import SegmentedConv2d, SeparableConv2d
from xception_edu.measure import measured_cost

PHOTO = str(files("skimage").joinpath("data/coffee.png"))
RNG = np.random.default_rng(0)
OWN = {  # a learner's modules, each with a picture so small that it is shown as it is
    "regular": (lambda: nn.Conv2d(3, 4, 3, padding=1), RNG.random((5, 6, 3))),
    "gray": (lambda: nn.Conv2d(1, 1, 5, bias=False), RNG.random((8, 9))),
    "grouped": (
        lambda: nn.Conv2d(4, 6, (3, 5), stride=(1, 2), padding=(1, 2), groups=2),
        RNG.normal(size=(6, 7, 4)),
    ),
    "same": (lambda: nn.Conv2d(6, 12, 3, groups=6, padding="same"), RNG.random((4, 3, 6))),
    "uneven": (lambda: SegmentedConv2d(7, 9, segments=4, bias=True), RNG.normal(size=(4, 4, 7))),
    "half": (lambda: nn.Conv2d(2, 3, 1).to(torch.bfloat16), RNG.random((2, 3, 2))),
}
every = pytest.mark.parametrize("name", ["default", *OWN])


# ---- the same from torch -------------------------------------------------------------------------


def default_maps():
    """The six channels of the default picture, averaged over 12x12 pixels by torch."""
    color = torch.from_numpy(default_picture().astype(np.float64)).permute(2, 0, 1) / 255
    light = color.mean(0)
    down, across = torch.gradient(light)
    return F.avg_pool2d(torch.stack([*color, light, 12 * across, 12 * down]), 12)


def default_module(segments):
    conv = SegmentedConv2d(6, 6, segments=segments).double()
    dense = torch.from_numpy(edge_detectors(1).weight)
    set_segment_weights(
        conv, [dense[piece][:, piece] for piece in torch.arange(6).tensor_split(segments)]
    )
    return conv


@functools.cache
def case(name):
    """The table of an explorer, and by its number of segments ("" where there is no such choice) a
    module with its maps.
    """
    if name == "default":
        return kernel_explorer().table, {
            f"{s} ": (default_module(s), default_maps()) for s in SEGMENTS
        }
    torch.manual_seed(0)
    make, picture = OWN[name]
    module = make()
    maps = torch.from_numpy(np.atleast_3d(picture)).permute(2, 0, 1)
    return kernel_explorer(module, picture).table, {"": (module.double(), maps)}


def dense(module):
    """The weight (out, in, k, k) of the regular convolution that does the same."""
    if isinstance(module, SegmentedConv2d):
        return module.dense_weight().detach()
    weight = torch.zeros(
        module.out_channels, module.in_channels, *module.kernel_size, dtype=torch.float64
    )
    for outs, ins, own in zip(
        *pieces(module, module.groups), module.weight.detach().chunk(module.groups), strict=True
    ):
        weight[outs[:, None], ins] = own
    return weight


def pieces(module, segments):
    """The output channels and the input channels of every segment, as torch cuts them."""
    return [
        torch.arange(n).tensor_split(segments) for n in (module.out_channels, module.in_channels)
    ]


def padding(module):
    return [k // 2 for k in module.kernel_size] if module.padding == "same" else module.padding


def all_products(module, maps):
    """Every product of every position, (positions, out, in, k, k), and what the module gives,
    (positions, out).
    """
    windows = F.unfold(
        maps[None], module.kernel_size, padding=padding(module), stride=module.stride
    )[0].T
    weight = dense(module)
    products = windows.view(-1, 1, *weight.shape[1:]) * weight
    with torch.no_grad():
        return products.numpy(), module(maps[None])[0].flatten(1).T.numpy()


def looks(name):
    """For every combination of choices: its key, the channels that are shown, the module, products,
    outputs.
    """
    table, modules = case(name)
    for segments, (module, maps) in modules.items():
        numbers = all_products(module, maps)
        for key in table["views"]:
            if key.startswith(segments):
                channel = key.removeprefix(segments)
                one = (
                    int(channel) - 1
                    if channel.isdigit()
                    else 0
                    if module.out_channels == 1
                    else None
                )
                yield (
                    key,
                    list(range(module.out_channels)) if one is None else [one],
                    module,
                    *numbers,
                )


def cut_of(module):
    """The output channels and the input channels of each segment of a module."""
    return pieces(module, module.segments if isinstance(module, SegmentedConv2d) else module.groups)


def painted(table, key, index):
    """The shapes of the panel of products."""
    return table["stills"][key][1] + table["views"][key][index]["shapes"][1]


def product_cells(table, key, index, shown, module):
    """Sign and strength by (output, input, row, column) of every cell of a product that is painted,
    read off the picture.
    """
    shapes = [s for s in painted(table, key, index) if s[0] == "cells"]
    high, wide = module.kernel_size
    shapes = shapes if len(shown) > 1 else shapes[-1:]
    lines = next(s for s in painted(table, key, index) if s[0] == "line")
    left, top = (34, 42) if len(shown) > 1 else (shapes[0][2], 42)
    assert lines
    rows = range(module.in_channels)  # of one output channel only what it sees has rows
    if len(shown) == 1:
        rows = next(
            ins.tolist() for outs, ins in zip(*cut_of(module), strict=True) if shown[0] in outs
        )
    found = {}
    for _, names, x, y, pitch, columns, codes, levels in shapes:
        for i, (code, level) in enumerate(zip(codes, levels, strict=True)):
            row, column = (
                round((y - top) / pitch) + i // columns,
                round((x - left) / pitch) + i % columns,
            )
            out, channel = (
                (row // high, column // wide) if len(shown) > 1 else (shown[0], rows[row // high])
            )
            found[out, channel, row % high, column % wide] = (
                names[int(code, 36)],
                LEVELS.index(level),
            )
    return found


def number(words):
    return float(words.replace("−", "-"))


# ---- claims --------------------------------------------------------------------------------------


@every
def test_as_many_products_are_painted_as_torchs_counter_counts(name):
    """For a position as painted, for the layer as measured; padding counts, as it does for every
    counter.
    """
    table, modules = case(name)
    counted = {
        key: measured_cost(copy.deepcopy(module).float(), tuple(maps.shape)).macs
        for key, (module, maps) in modules.items()
    }
    for key, shown, module, products, _ in looks(name):
        macs = next(n for segments, n in counted.items() if key.startswith(segments))
        for i, view in enumerate(table["views"][key]):
            here, _, position, size, layer = view["values"]
            assert int(here.replace(",", "")) == len(product_cells(table, key, i, shown, module))
            assert (
                int(position.replace(",", "")) * len(products)
                == int(layer.replace(",", ""))
                == macs
            )
            assert (
                np.prod([int(n) for n in size.split("×")])
                == len(products)
                == len(table["stops"][key])
            )


@every
def test_every_cell_is_a_product_of_torchs_by_sign_and_size(name):
    table, _ = case(name)
    for key, shown, module, products, _ in looks(name):
        most = np.abs(products).max()
        shapes = painted(table, key, 0)
        full = 35 if any(s[0] == "rest" for s in shapes) else 17.5  # paler below numbers
        for i, here in enumerate(products):
            for at, (color, level) in product_cells(table, key, i, shown, module).items():
                assert abs(level - full * np.sqrt(abs(here[at]) / most)) < 0.51, (key, i, at)
                assert (color == "minus") == (here[at] < 0) or abs(here[at]) < 1e-12


@every
def test_numbers_where_the_mouse_rests_are_the_products(name):
    """Where no number is written into the cells: in all positions they are those of torch's, in the
    order of the cells.
    """
    table, _ = case(name)
    for key, shown, module, products, _ in looks(name):
        for i, here in enumerate(products):
            rests = [s for s in painted(table, key, i) if s[0] == "rest"]
            if not rests:
                assert len(shown) == 1
                continue
            blocks = [
                here[np.ix_(outs, ins)].transpose(0, 2, 1, 3).ravel()
                for outs, ins in zip(*cut_of(module), strict=True)
                if set(outs.tolist()) & set(shown)
            ]
            if len(shown) == 1:  # inputs, weights and, last, products; one output of its segment
                seen = next(
                    ins for outs, ins in zip(*cut_of(module), strict=True) if shown[0] in outs
                )
                rests, blocks = rests[-1:], [here[shown[0], seen].ravel()]
            said = [number(word) for rest in rests for word in rest[1]]
            decimals = len(rests[0][1][0].partition(".")[2])
            np.testing.assert_allclose(said, np.concatenate(blocks), atol=0.5001 * 10**-decimals)


def test_each_grid_has_the_decimals_that_its_numbers_need():
    """On a picture of hundreds a weight of 1/9 is not written as 0."""
    mean = nn.Conv2d(1, 1, 3, bias=False)
    nn.init.constant_(mean.weight, 1 / 9)
    made = kernel_explorer(mean, 100.0 * np.arange(25).reshape(5, 5), position=1)
    shapes = made.shapes()[1]
    weights, inputs, products, part = (s[6] for s in shapes if s[0] == "words")
    assert weights == [".11"] * 9
    assert inputs == ["0", "100", "200", "500", "600", "700", "1000", "1100", "1200"]
    assert products == [f"{value / 9:.0f}" for value in (map(int, inputs))]
    assert part == ["600"]


@pytest.mark.parametrize("largest", [3e-3, 0.04, 0.5, 1, 9.996, 12.34, 9994, 56189, 3e6, 1e30])
def test_a_number_in_a_cell_is_whole_or_the_mouse_says_it(largest):
    """Five characters of 56189 with its sign would be another number."""
    less = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(less.weight, -1)
    made = kernel_explorer(less, largest * np.array([[1, 0.5], [0.25, 1]]), position=1)
    shapes = {kind: [s for s in made.shapes()[1] if s[0] == kind] for kind in ("words", "rest")}
    cells = [s[6] for s in shapes["words"][:-1]] or [s[1] for s in shapes["rest"]]
    assert [number(words) for [words] in cells] == pytest.approx([-1, largest, -largest], rel=0.05)
    assert not shapes["rest"] or not 0.01 < largest < 9999
    assert shapes["rest"] or max(len(words) for [words] in cells) <= 5


@pytest.mark.parametrize("module", [nn.Conv2d(12, 2, (1, 25)), nn.Conv2d(1, 1, (1, 100))])
def test_products_that_do_not_fit_are_refused(module):
    with pytest.raises(
        ValueError, match=r"^module has kernels of 1×\d+ for \d+ channels, but must"
    ):
        kernel_explorer(module)


@every
def test_cells_are_empty_exactly_where_an_output_does_not_see_an_input(name):
    table, _ = case(name)
    for key, shown, module, _, _ in looks(name):
        cut = zip(*cut_of(module), strict=True)
        seen = {
            (o, c) for outs, ins in cut for o in outs.tolist() for c in ins.tolist() if o in shown
        }
        for i in range(len(table["views"][key])):
            assert {at[:2] for at in product_cells(table, key, i, shown, module)} == seen
        frames = [s[2] for s in table["views"][key][0]["shapes"][0] if s[0] == "line"]
        assert list(map(len, frames)) == [len({c for _, c in seen}), len(shown)]


@every
def test_the_window_goes_over_the_padded_picture_as_the_stride_says(name):
    table, _ = case(name)
    for key, _, module, _, _ in looks(name):
        views = table["views"][key]
        still = table["stills"][key][0]
        drawn = [[*still, *view["shapes"][0]] for view in views]
        outlines = [[s for s in shapes if s[:2] == ["line", CHOSEN]] for shapes in drawn]
        frames = [window[2][0] for window, _ in outlines]
        high, wide = frames[0][5] - frames[0][1], frames[0][2] - frames[0][0]
        columns = int(views[0]["values"][3].partition("×")[2])
        for i, frame in enumerate(frames):
            row, column = divmod(i, columns)
            assert (
                frame[0] - frames[0][0] == column * module.stride[1] * wide / module.kernel_size[1]
            )
            assert frame[1] - frames[0][1] == row * module.stride[0] * high / module.kernel_size[0]


@every
def test_products_with_padding_are_said_to_be_so(name):
    table, modules = case(name)
    for key, shown, module, _, _ in looks(name):
        maps = next(maps for segments, (_, maps) in modules.items() if key.startswith(segments))
        ones = F.unfold(
            torch.ones_like(maps)[None],
            module.kernel_size,
            padding=padding(module),
            stride=module.stride,
        )[0].T
        inside = (
            ones.view(-1, 1, *dense(module).shape[1:])
            .expand(-1, module.out_channels, -1, -1, -1)
            .bool()
        )
        zeros = [
            sum(not here[at] for at in product_cells(table, key, 0, shown, module))
            for here in inside
        ]
        assert [int(view["values"][1].replace(",", "")) for view in table["views"][key]] == zeros


@every
def test_the_sums_are_what_the_module_gives(name):
    table, _ = case(name)
    for key, shown, _, _, outputs in looks(name):
        for i, view in enumerate(table["views"][key]):
            said = [number(word) for word in view["alts"][1].partition("sums: ")[2].split(", ")]
            shapes = [s for s in view["shapes"][1] if s[0] in ("text", "words")]
            texts = shapes[-1][6] if len(shown) > 1 else [shapes[-1][4]]
            assert [number(word) for word in texts] == said
            decimals = len(texts[0].partition(".")[2])
            np.testing.assert_allclose(said, outputs[i, shown], atol=0.5001 * 10**-decimals, rtol=0)


@every
def test_every_pixel_of_a_shown_output_is_a_place_to_click(name):
    table, _ = case(name)
    for key, shown, *_ in looks(name):
        places = [s for s in table["stills"][key][0] if s[0] == "click"]
        assert sorted(s[1] for s in places) == sorted(table["stops"][key] * len(shown))


def test_colors_of_channels_are_those_of_their_segments():
    table, modules = case("uneven")
    ((module, _),) = modules.values()
    swatches = [
        s[1] for s in table["stills"]["all"][0] if s[0] == "rect" and s[1].startswith("hue")
    ]
    turns = [[f"hue{i}" for i, piece in enumerate(cut) for _ in piece] for cut in pieces(module, 4)]
    assert swatches == turns[1] + turns[0]


def test_more_segments_only_take_connections_away():
    whole = edge_detectors(1).weight
    for segments in SEGMENTS[1:]:
        cut = edge_detectors(segments).weight
        assert ((cut == whole) | (cut == 0)).all()
        assert np.count_nonzero(cut.any(axis=(2, 3))) == 36 // segments


# ---- pictures ------------------------------------------------------------------------------------


def test_a_large_picture_is_averaged_and_said_to_be():
    picture = RNG.random((60, 40, 1))
    maps = reduced(maps_of(picture, 1), 12)
    np.testing.assert_allclose(
        maps, F.avg_pool2d(torch.from_numpy(picture).permute(2, 0, 1), 5).numpy(), atol=1e-6
    )
    made = kernel_explorer(nn.Conv2d(1, 1, 3), PHOTO)
    captions = [s[4] for s in made.shapes()[0] if s[0] == "text"]
    assert "Your picture, averaged from 400×600 to 13×20" in captions


def test_bytes_files_and_tensors_are_the_same_picture():
    from PIL import Image

    array = np.asarray(Image.open(PHOTO).convert("RGB"))
    for other in (PHOTO, array / 255, torch.from_numpy(array.copy()), Image.fromarray(array)):
        np.testing.assert_allclose(maps_of(other, 3), array.transpose(2, 0, 1) / 255, atol=1e-12)


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(12, 12, 3, padding=1),
        nn.Conv2d(1, 1, 15, padding=7),
        nn.Conv2d(6, 24, 5, groups=6),
        nn.Conv2d(3, 24, 1),
        nn.Conv2d(6, 24, 3, padding=1),
        SegmentedConv2d(12, 24, segments=12),
    ],
    ids=str,
)
def test_tables_of_large_modules_stay_small(module):
    made = kernel_explorer(module, RNG.normal(size=(100, 90, module.in_channels)))
    assert 50_000 < len(made._table) < 600_000
    assert channels_of(made) == module.out_channels


def channels_of(made):
    """How many output channels can be chosen, one by one."""
    options = [control["options"] for control in made.table["controls"][1:]]
    chosen = [each[1:] for each in options if "all" in each] or [[1]]
    assert chosen[0] == list(range(1, len(chosen[0]) + 1))
    return len(chosen[0])


def test_a_module_without_choices_is_shown_and_moves():
    made = kernel_explorer(nn.Conv2d(1, 1, 3), OWN["gray"][1], position=2)
    assert made.state() == {"position": 2}
    before = made.view()
    made.position = 3
    assert made.view() != before
    assert repr(made) == (
        "xe.kernel_explorer(position=3, module=module, picture=picture)"
        "  # supply your own module and picture"
    )


def test_every_output_channel_can_be_looked_at():
    made = kernel_explorer()
    assert channels_of(made) == 6
    assert len(made._table) < 600_000
    for segments in SEGMENTS:
        titles = []
        for channel in range(1, 7):
            made.segments, made.channel = segments, channel
            titles.append(next(s[4] for s in made.shapes()[1] if s[0] == "text"))
        assert titles == [f"Output channel {i} {name}" for i, name in enumerate(KERNELS, 1)]


def test_any_output_channel_can_be_asked_for():
    assert kernel_explorer(channel=4, segments=6).state() == {
        "position": 25,
        "segments": 6,
        "channel": 4,
    }
    made = kernel_explorer(SegmentedConv2d(6, 6, segments=2), channel=2)
    assert made.table["controls"][1]["options"] == ["all", 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"module": nn.Linear(3, 3)}, "module is Linear, but must be one convolution"),
        ({"module": nn.Conv1d(3, 3, 3)}, "module is Conv1d, but must be one convolution"),
        (
            {"module": nn.ConvTranspose2d(3, 3, 3)},
            "module is ConvTranspose2d, but must be one convolution",
        ),
        ({"module": SeparableConv2d(3, 3)}, "such as its .depthwise"),
        ({"module": "conv"}, "module is str, but must be one convolution"),
        (
            {"module": nn.Conv2d(3, 3, 3, dilation=2)},
            r"module.dilation is \(2, 2\), but must be \(1, 1\)",
        ),
        (
            {"module": nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")},
            "padding_mode is 'reflect', but must be 'zeros'",
        ),
        ({"module": nn.Conv2d(3, 3, 2, padding="same")}, "padding is 'same', but must be a number"),
        ({"module": nn.Conv2d(13, 2, 3)}, "in_channels is 13, but must be at most 12"),
        ({"module": nn.Conv2d(3, 32, 3)}, "out_channels is 32, but must be at most 24"),
        (
            {"module": nn.Conv2d(12, 24, 3)},
            "2,592 products a position, but must have at most 1,500",
        ),
        (
            {"module": nn.Conv2d(4, 4, 3)},
            r"picture is None, but must be an array \(height, width, 4\)",
        ),
        ({"module": nn.Conv2d(3, 4, 3), "segments": 2}, "segments is 2, but must be left out"),
        (
            {"module": nn.Conv2d(3, 4, 3), "channel": 5},
            "channel is 5, but must be an integer from 1 to 4",
        ),
        (
            {"module": nn.Conv2d(3, 4, 3), "picture": np.zeros((3, 9, 9))},
            "9 channels, but must have 3.*channels come last",
        ),
        (
            {"module": nn.Conv2d(3, 4, 3), "picture": np.zeros((2, 2, 3))},
            "picture is 2x2, but must be no smaller than the 3x3",
        ),
        (
            {"module": nn.Conv2d(3, 4, 3), "picture": "no such file.png"},
            "no such file.png', but must be a picture file",
        ),
        ({"picture": PHOTO}, "is the file coffee.png, but must be an array"),
        ({"picture": np.zeros(9)}, r"picture has shape \(9,\), but must be"),
        ({"picture": np.zeros((0, 4, 6))}, r"picture has shape \(0, 4, 6\), but must be"),
        ({"picture": np.full((9, 9, 6), np.nan)}, "picture has NaN or infinite values"),
        ({"picture": [["a"]]}, "picture is list, but must be an array of numbers"),
        ({"segments": 4}, "segments is 4, but must be one of 1, 2, 3, 6"),
        ({"segments": True}, "segments is True"),
        ({"channel": 7}, "channel is 7, but must be an integer from 1 to 6"),
        ({"channel": "first"}, "channel is 'first'"),
        ({"position": 50}, "position is 50, but must be an integer from 1 to 49"),
        ({"position": 0}, "position is 0"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_what_can(arguments, words):
    with pytest.raises(ValueError, match=words):
        kernel_explorer(**arguments)


def test_a_picture_is_opened_as_those_of_trainings_are(tmp_path):
    """Upright; a program is started for none, and a pipe is not waited for."""
    photo = Image.effect_noise((20, 12), 80).convert("RGB")
    turned = Image.Exif()
    turned[0x0112] = 6
    photo.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=turned)
    assert (maps_of(tmp_path / "turned.png", 3).transpose(1, 2, 0) * 255 == np.asarray(photo)).all()
    program = tmp_path / "program.jpg"
    program.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    os.mkfifo(tmp_path / "pipe.png")
    for path in (program, tmp_path / "pipe.png"):
        with pytest.raises(ValueError, match="picture is .* must be a picture file that can be"):
            kernel_explorer(nn.Conv2d(3, 4, 3), picture=path)
