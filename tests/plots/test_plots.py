"""The figures say what costs and specs say, can be read, and come out the same in every run."""

import inspect
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.pages import (
    crossed_by_a_line,
    cut_by_a_box,
    drawn,
    off_the_page,
    overlaps,
    page,
)
from xception_edu import __main__, architectures, costs, paper
from xception_edu.architectures import ModuleConfig, XceptionConfig
from xception_edu.plots import (
    ablation_chart,
    block_diagrams,
    cost_charts,
    depth_profiles,
    gallery,
    gpu_charts,
    measured_charts,
    network_diagram,
    pictures,
    rooms,
    style,
    sweep_chart,
    transfer_charts,
)
from xception_edu.plots.descriptions import PICTURES, WORDS
from xception_edu.specs import AddSpec, Shape, segment_sizes

ROOT = Path(__file__).parents[2]
NAMES = sorted(gallery.FIGURES)
DIAGRAMS = [name for name in NAMES if name.startswith("draw_figure_")]


# ---- can be read ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_no_text_overlaps_another(name):
    assert overlaps(page(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_text_leaves_the_page(name):
    assert off_the_page(page(name)) == []


@pytest.mark.parametrize("name", DIAGRAMS)
def test_no_box_or_line_cuts_a_text(name):
    assert cut_by_a_box(page(name)) == []
    assert crossed_by_a_line(page(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_letters_are_large_enough_at_the_width_of_a_readme(name):
    assert page(name).figure.canvas.get_width_height()[0] == style.WIDTH
    assert min(text.get_fontsize() for text in page(name).texts) >= style.SMALL
    assert style.SMALL * style.DPI / 72 > 10.5  # pixels


@pytest.mark.parametrize("name", NAMES)
def test_letters_have_contrast_on_white(name):
    dark = {text.get_color() for text in page(name).texts} - {style.PAPER}
    assert dark <= {style.INK, style.QUIET}
    assert min(contrast(color, style.PAPER) for color in dark) > 4.5
    # white letters stand on nothing else
    assert contrast(style.PAPER, style.COLORS["pointwise"]) > 4.5


def contrast(one, two):
    """Ratio of luminances as WCAG defines it."""
    lights = []
    for color in (one, two):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        ]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
    return max(lights) / min(lights)


VARIANTS = {
    "plain": (XceptionConfig(residual=False), 299),
    "fc": (XceptionConfig(middle_blocks=0, fc_widths=(4096, 4096)), 299),
    "segments": (XceptionConfig(segments=4, activation="relu"), 299),
    "small": (
        XceptionConfig(order="pointwise_first", activation="elu", width=0.25, stem_stride=1),
        64,
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_figure_5_stays_readable_for_other_dials(variant):
    config, size = VARIANTS[variant]
    other = drawn(network_diagram.draw_figure_5_xception, architectures.xception(config, size))
    assert (
        overlaps(other) + off_the_page(other) + cut_by_a_box(other) + crossed_by_a_line(other) == []
    )


# ---- says what specs say -------------------------------------------------------------------------


def test_labels_of_figure_1_change_with_the_specs():
    before = page("draw_figure_1_canonical_inception").words
    towers = architectures.canonical_inception(Shape(192, 28, 28), widths=(32, 40, 56, 24))
    after = drawn(block_diagrams.draw_figure_1_canonical_inception, towers).words
    assert {"288 → 64", "64 + 64 + 96 + 64 = 288 channels, 35×35×288"} <= before
    assert {
        "192 → 32",
        "48 → 40",
        "56 → 56",
        "28×28×56",
        "32 + 40 + 56 + 24 = 152 channels, 28×28×152",
    } <= after


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_figures_2_and_3_show_the_segments_of_the_spec(data):
    channels = data.draw(st.integers(1, 40), label="channels")
    segments = data.draw(st.integers(1, min(channels, 13)), label="segments")
    kernel = data.draw(st.sampled_from((1, 3, 5)), label="kernel_size") if segments > 1 else 3
    config = ModuleConfig(7, channels, segments, kernel_size=kernel)
    towers, layers = (
        architectures.simplified_inception(config, Shape(7, 9, 9)),
        architectures.module(config, Shape(7, 9, 9)),
    )
    figures = (
        (block_diagrams.draw_figure_2_simplified_inception, towers),
        (block_diagrams.draw_figure_3_equivalent_module, layers),
    )
    sizes = segment_sizes(channels, segments)
    for draw, given_layers in figures:
        other = drawn(draw, given_layers)
        labels = [text.get_text() for text in other.texts]
        assert all(labels.count(f"{n} → {n}") >= sizes.count(n) for n in sizes)
        assert overlaps(other) + off_the_page(other) == []


def test_figure_4_has_a_convolution_for_each_channel():
    labels = [text.get_text() for text in page("draw_figure_4_extreme_inception").texts]
    assert labels.count("1 → 1") == labels.count("3×3") == 12


def test_figures_2_and_3_cost_the_same():
    sizes = [
        {word for word in page(name).words if "parameters" in word}
        for name in ("draw_figure_2_simplified_inception", "draw_figure_3_equivalent_module")
    ]
    assert sizes[0] == sizes[1] != set()


def test_figure_5_is_the_network_of_the_paper():
    words = page("draw_figure_5_xception").words
    sides = {int(word.split("×")[0]) for word in words if word.count("×") == 2}
    assert sides >= {paper.INPUT_SIZE, *paper.FEATURE_MAP_SIDES}
    assert {
        "Middle flow, 8 times",
        "19×19×728 feature maps",
        "vector of 2048",
        "Logistic regression, 1000",
    } <= words
    assert any(f"{paper.IMAGENET_SIZE['Xception'].params:,} parameters" in word for word in words)


def test_figure_5_draws_every_layer_once():
    layers = architectures.xception()
    blocks = network_diagram.blocks_of(layers)
    in_blocks = [layer for block in blocks for step in (*block.steps, block.skip) for layer in step]
    assert sorted(spec.name for spec, _ in in_blocks) == sorted(
        s.name for s, _ in layers if not isinstance(s, AddSpec)
    )
    labels = [network_diagram.step_label(step) for block in blocks for step in block.steps]
    assert (
        sum(label.startswith("SeparableConv") for label in labels) == paper.SEPARABLE_CONVOLUTIONS
    )
    assert sum(label.startswith("Conv") for label in labels) == paper.PLAIN_CONVOLUTIONS
    assert sum(block.residual for block in blocks) == paper.RESIDUAL_MODULES


def test_labels_of_figure_5_change_with_the_dials():
    config = XceptionConfig(
        entry_widths=(8, 16, 24, 40), middle_blocks=3, exit_widths=(48, 56, 72), num_classes=10
    )
    words = drawn(network_diagram.draw_figure_5_xception, architectures.xception(config, 96)).words
    assert {
        "Conv 8, 3×3, stride 2",
        "SeparableConv 40, 3×3",
        "Middle flow, 3 times",
        "vector of 72",
        "10 classes",
    } <= words


# ---- shows what costs count ----------------------------------------------------------------------


def test_cost_curves_are_what_costs_counts_for_every_segment_count():
    axes = [ax for ax in page("draw_cost_curves").figure.axes if ax.axison]
    read = (lambda c: c.params, lambda c: c.macs, lambda c: c.activations, lambda c: c.intensity())
    for i, ax in enumerate(axes):
        channels, side = ((728, 19), (256, 37))[i % 2]
        shape, value = Shape(channels, side, side), read[i // 2]
        expected = [
            costs.total(architectures.module(ModuleConfig(channels, channels, s), shape))
            for s in range(1, channels + 1)
        ]
        curve, regular, separable = ax.lines
        assert list(curve.get_xdata()) == list(range(1, channels + 1))
        assert list(curve.get_ydata()) == [value(cost) for cost in expected]
        assert regular.get_ydata()[0] == value(
            costs.total(architectures.regular_convolution(channels, channels, shape))
        )
        assert separable.get_ydata()[0] == pytest.approx(value(expected[-1]))


@pytest.mark.parametrize(("channels", "side"), [(728, 19), (256, 37)])
def test_the_headline_of_the_cost_curves_holds(channels, side):
    curve = cost_charts.segments_curve(channels, side)
    first, at_32, last = (curve.module[s - 1] for s in (1, 32, channels))
    for name in ("params", "macs"):
        saving = (getattr(first, name) - getattr(at_32, name)) / (
            getattr(first, name) - getattr(last, name)
        )
        assert saving > 0.95
    assert len({cost.activations for cost in curve.module}) == 1
    assert first.intensity() > at_32.intensity() > last.intensity()


def test_shares_of_xception_are_the_known_counts():
    shares = cost_charts.xception_shares(architectures.xception())
    assert list(shares.params.values()) == [19_552_896, 207_432, 992_096, 2_049_000, 54_528]
    assert sum(sum(counts.values()) for counts in shares.macs.values()) == 8_357_403_496
    left, right = (ax for ax in page("draw_xception_shares").figure.axes if ax.axison)
    assert sorted(bar.get_width() for bar in left.patches) == sorted(shares.params.values())
    assert sum(bar.get_width() for bar in right.patches) == 8_357_403_496
    assert {"19,552,896 (85.5 %)", "207,432 (0.9 %)"} <= page("draw_xception_shares").words


def test_bars_over_segments_are_the_known_counts():
    ax = next(ax for ax in page("draw_xception_over_segments").figure.axes if ax.axison)
    heights = [sum(bar.get_height() for bar in bars) for bars in ax.containers]
    known = [183_616_904, 103_132_712, 62_890_616, 42_769_568]
    assert heights[:4] == known
    assert heights[-1] == paper.IMAGENET_SIZE["Xception"].params


PROFILED = {
    "VGG-16": architectures.vgg(),
    "Inception V3": architectures.inception_v3(),
    "Xception": architectures.xception(),
}


def test_depth_profiles_add_up_to_the_networks():
    for profile in gallery.FIGURES["draw_depth_profiles"].data():
        layers = next(layers for name, layers in PROFILED.items() if profile.title.startswith(name))
        cost = costs.total(layers)
        assert profile.total("params") == cost.params
        assert profile.total("macs") == cost.macs
        assert profile.total("activation_bytes") == cost.activation_bytes()


def test_bars_of_the_depth_profiles_are_the_blocks_and_two_are_cut():
    axes = [ax for ax in page("draw_depth_profiles").figure.axes if ax.axison]
    profiles = gallery.FIGURES["draw_depth_profiles"].data()
    missing = []
    for i, ax in enumerate(axes):
        profile, quantity = profiles[i // 3], list(depth_profiles.QUANTITIES)[i % 3]
        for j, block in enumerate(profile.blocks):
            bars = [bar for bar in ax.patches if round(bar.get_x() + bar.get_width() / 2) == j]
            drawn = sum(bar.get_height() for bar in bars)
            # one on the other
            assert max(
                [bar.get_y() + bar.get_height() for bar in bars], default=0
            ) == pytest.approx(drawn)
            if drawn != pytest.approx(block.total(quantity)):
                missing.append((block.name, quantity))
    assert missing == [("fc1", "params"), ("fc2", "params")]
    assert {"103", "17"} <= page("draw_depth_profiles").words


def test_depth_profiles_name_the_stages_of_each_network():
    stages = [profile.stages() for profile in gallery.FIGURES["draw_depth_profiles"].data()]
    assert stages[0] == [
        ("1", 0, 1),
        ("2", 2, 3),
        ("3", 4, 6),
        ("4", 7, 9),
        ("5", 10, 12),
        ("fc", 13, 15),
    ]
    assert stages[1] == [("stem", 0, 4), ("A", 5, 7), ("B", 8, 12), ("C", 13, 16)]
    assert stages[2] == [("entry", 0, 4), ("middle", 5, 12), ("exit", 13, 16)]


# ---- files ---------------------------------------------------------------------------------------


# That every run writes the committed bytes is shown in tests/house/test_wheel.py.


@pytest.mark.parametrize("name", NAMES)
def test_files_are_small_and_as_wide_as_a_readme(name):
    content = (ROOT / "figures" / f"{name}.svg").read_bytes()
    assert len(content) < 250_000
    points = ElementTree.fromstring(content).get("width").removesuffix("pt")
    assert float(points) * 96 / 72 == pytest.approx(style.WIDTH)


@pytest.fixture
def two_figures(monkeypatch, tmp_path):
    """A folder with two written figures, as if there were no others."""
    monkeypatch.setattr(gallery, "FIGURES", {name: gallery.FIGURES[name] for name in DIAGRAMS[1:3]})
    monkeypatch.setattr(gallery, "MOVING", {})
    assert gallery.write(tmp_path / "made" / "here") == 0
    return tmp_path / "made" / "here"


def test_check_is_silent_when_nothing_differs(two_figures, capsys):
    (two_figures / ".hidden").touch()
    assert gallery.check(two_figures) == 0
    assert capsys.readouterr().out == ""


def test_check_names_a_changed_byte_a_missing_file_and_a_stranger(two_figures, capsys):
    changed, missing = (two_figures / f"{name}.svg" for name in gallery.FIGURES)
    content = bytearray(changed.read_bytes())
    content[-2] ^= 1
    changed.write_bytes(content)
    missing.unlink()
    (two_figures / "stranger.png").touch()
    assert gallery.check(two_figures) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(": ")[0] for line in lines] == [
        str(changed),
        str(missing),
        str(two_figures / "stranger.png"),
    ]


def test_check_of_a_missing_folder_misses_every_file(two_figures, capsys):
    shutil.rmtree(two_figures)
    assert gallery.check(two_figures) == 1
    assert capsys.readouterr().out.count(": missing\n") == 2


BAD_FOLDERS = ["", "a\0b", 3, None, "file"]


@pytest.mark.parametrize(
    ("command", "out"),
    [(gallery.check, out) for out in BAD_FOLDERS]
    + [(gallery.write, out) for out in [*BAD_FOLDERS, "file/below"]],
)
def test_a_bad_folder_is_named(command, out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gallery, "FIGURES", {DIAGRAMS[1]: gallery.FIGURES[DIAGRAMS[1]]})
    Path("file").touch()
    with pytest.raises(ValueError, match=r"^out is .*, but must be "):
        command(out)


@pytest.mark.parametrize("flags", [[], ["--check"]])
def test_the_command_line_answers_a_bad_folder_in_one_line(flags, tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as stopped:
        __main__.main(["figures", "--out", str(tmp_path / "file"), *flags])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


# ---- house ---------------------------------------------------------------------------------------


def test_every_function_that_draws_is_in_the_gallery_under_its_name():
    modules = (
        ablation_chart,
        block_diagrams,
        network_diagram,
        cost_charts,
        depth_profiles,
        gpu_charts,
        measured_charts,
        rooms,
        sweep_chart,
        transfer_charts,
    )
    functions = {
        n: f
        for m in modules
        for n, f in inspect.getmembers(m, inspect.isfunction)
        if n.startswith("draw_")
    }
    assert {name: picture.draw for name, picture in gallery.FIGURES.items()} == functions


def test_a_picture_says_what_the_gallery_says_of_it_or_what_it_is_told():
    assert set(WORDS) == set(gallery.FIGURES)
    assert all(len(words) > 60 and words.endswith(".") for words in WORDS.values())
    name = "draw_figure_4_extreme_inception"
    assert repr(pictures.show(name)) == f"Picture: {WORDS[name]}"
    assert repr(pictures.show(name, words="A picture.")) == "Picture: A picture."


def test_a_drawn_picture_takes_its_words_from_its_name_or_from_its_titles():
    images, titles = [np.zeros((2, 2))] * 2, ["left", "right"]
    named = pictures.show_images(images, titles, name="digits", columns=2)
    assert repr(named) == f"Picture: {PICTURES['digits']}"
    assert repr(pictures.show_images(images, titles, columns=2)) == "Picture: left; right"
    assert repr(pictures.show_images(images, titles, words="Two.", columns=2)) == "Picture: Two."
    with pytest.raises(ValueError, match="^name is 'digit', but must be one of 'cat_edges'"):
        pictures.show_images(images, titles, name="digit")


def test_an_unknown_figure_is_an_error():
    with pytest.raises(ValueError, match="name is 'figure_6', but must be one of draw_figure_1"):
        gallery.figure("figure_6")


@pytest.mark.parametrize(("channels", "segments"), [(65, 1), (60, 14)])
def test_more_than_can_be_told_apart_is_an_error(channels, segments):
    config, shape = ModuleConfig(8, channels, segments), Shape(8, 9, 9)
    with pytest.raises(ValueError, match=r"is (65|14), but must be an integer from 1 to (64|13)"):
        drawn(block_diagrams.draw_figure_3_equivalent_module, architectures.module(config, shape))
    with pytest.raises(ValueError, match=r"is (65|14), but must be an integer from 1 to (64|13)"):
        drawn(
            block_diagrams.draw_figure_2_simplified_inception,
            architectures.simplified_inception(config, shape),
        )


def test_figures_3_and_4_refuse_other_modules():
    shape = Shape(8, 9, 9)
    separable = architectures.module(ModuleConfig(8, 8, 8, order="spatial_first"), shape)
    with pytest.raises(ValueError, match="must be a 1x1 and then"):
        drawn(block_diagrams.draw_figure_3_equivalent_module, separable)
    with pytest.raises(ValueError, match="one segment a channel"):
        drawn(
            block_diagrams.draw_figure_4_extreme_inception,
            architectures.module(ModuleConfig(8, 8, 2), shape),
        )


def test_importing_the_figures_loads_neither_torch_nor_pyplot():
    code = (
        "import sys; from xception_edu.plots import gallery; print({'torch', 'matplotlib.pyplot'} &"
        " sys.modules.keys())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert run.stdout.strip() == "set()"
