"""The README's moving picture says what `costs` counts, can be read, and its file is current."""

import io
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from tests.helpers.pages import Page, off_the_page, overlaps
from xception_edu import architectures, costs
from xception_edu.explorers import segments as explorer
from xception_edu.plots import cost_charts, gallery, slider_animation, slider_frame, style
from xception_edu.specs import Shape

COMMITTED = Path(__file__).parents[2] / "figures" / "segments_slider.webp"
CHANNELS = slider_frame.CHANNELS
EVERY = range(1, CHANNELS + 1)


def frame(place):
    with style.context():
        return slider_frame.draw(cost_charts.segments_curve(CHANNELS, slider_frame.SIDE), place)


@cache
def page(place):
    return Page(frame(place))


@cache
def frames():
    return slider_animation.frames()


# ---- says what is counted -----------------------------------------------------------------------


@pytest.mark.parametrize("segments", EVERY)
def test_a_frame_shows_what_costs_counts(segments):
    shape = Shape(CHANNELS, slider_frame.SIDE, slider_frame.SIDE)
    config = architectures.ModuleConfig(CHANNELS, CHANNELS, segments)
    cost = costs.total(architectures.module(config, shape))
    alone = costs.total(architectures.regular_convolution(CHANNELS, CHANNELS, shape))
    assert cost.params / alone.params == cost.macs / alone.macs  # so that one bar stands for both
    ratio = f"{cost.params / alone.params:.2f} times a regular 3×3 alone"
    assert {f"{cost.params:,}", f"{cost.macs:,}", ratio} <= page(segments).words


@pytest.mark.parametrize("segments", EVERY)
def test_a_frame_says_what_the_explorer_says(segments):
    table = explorer.compute([CHANNELS], [3], [slider_frame.SIDE])
    state = explorer.position(
        table,
        segments=segments,
        channels=CHANNELS,
        kernel_size=3,
        input_side=slider_frame.SIDE,
        order="pointwise_first",
    )
    params, macs = (f"{number:,}" for number in state["costs"][:2])
    kernels = state["kept"].removesuffix(" kernels")
    assert {state["name"], params, macs, kernels} <= page(segments).words


def test_the_numbers_of_the_two_ends_are_those_counted_on_paper():
    assert {"1,440", "519,840", "144 of 144"} <= page(1).words  # 144 + 9 * 144, times 19 * 19
    assert {"252", "90,972", "12 of 144"} <= page(CHANNELS).words  # 144 + 9 * 12


def test_between_two_positions_the_nearer_one_is_shown():
    assert page(3.15).words == page(3).words
    assert page(3.5).words == page(3.85).words == page(4).words != page(3).words


# ---- can be read --------------------------------------------------------------------------------


@pytest.mark.parametrize("segments", EVERY)
def test_no_text_of_a_frame_overlaps_another_or_leaves_it(segments):
    assert overlaps(page(segments)) + off_the_page(page(segments)) == []


@pytest.mark.parametrize("segments", EVERY)
def test_letters_of_a_frame_are_large_and_dark_enough(segments):
    assert min(text.get_fontsize() for text in page(segments).texts) >= style.SMALL
    assert {text.get_color() for text in page(segments).texts} <= {style.INK, style.QUIET}


# ---- moves calmly -------------------------------------------------------------------------------


def test_the_slider_goes_from_one_to_one_a_channel_and_back_and_rests_at_both_ends():
    places, durations = zip(*slider_animation.timeline(), strict=True)
    top = places.index(CHANNELS)
    assert list(places[: top + 1]) == sorted(places[: top + 1])
    assert list(places[top:]) == sorted(places[top:], reverse=True)
    assert [place for place in places[: top + 1] if place in EVERY] == list(EVERY)
    assert min(durations[0], durations[top]) >= 2000
    steps = np.diff([*places, places[0]])  # the last one is where it repeats
    assert max(abs(steps)) < 0.4


def test_a_frame_of_the_file_is_the_frame_that_is_drawn_alone():
    place, _ = slider_animation.timeline()[10]
    canvas = FigureCanvasAgg(frame(place))
    with style.context():
        canvas.draw()
    assert np.array_equal(np.asarray(canvas.buffer_rgba())[..., :3], frames()[10])


# ---- its file -----------------------------------------------------------------------------------


def test_the_file_is_small_sharp_and_repeats_without_end():
    assert COMMITTED.stat().st_size < 600_000
    with Image.open(COMMITTED) as image:
        assert image.n_frames == len(slider_animation.timeline()) == 88
        assert image.width == slider_frame.SHARPNESS * style.WIDTH
        assert image.info["loop"] == 0


def test_the_committed_file_is_current(monkeypatch):
    monkeypatch.setattr(slider_animation, "frames", frames)
    assert slider_animation.is_current(COMMITTED.read_bytes())


def test_the_file_is_drawn_to_the_same_bytes_twice(monkeypatch):
    pace = slider_animation.timeline()[:6]
    monkeypatch.setattr(slider_animation, "timeline", lambda: pace)
    assert slider_animation.webp() == slider_animation.webp()


@pytest.fixture
def short(monkeypatch):
    """The first six frames and their pace, as if there were no more."""
    images, pace = frames()[:6], slider_animation.timeline()[:6]
    monkeypatch.setattr(slider_animation, "frames", lambda: images)
    monkeypatch.setattr(slider_animation, "timeline", lambda: pace)
    return images, pace


def test_the_same_frames_packed_otherwise_are_current(short):
    content = packed(*short)
    assert content != slider_animation.webp()
    assert slider_animation.is_current(content)


def test_another_pixel_another_pace_and_a_missing_frame_are_not_current(short):
    images, pace = short
    other = images[-1].copy()
    other.putpixel((5, 5), (254, 255, 255))
    assert not slider_animation.is_current(packed([*images[:-1], other], pace))
    assert not slider_animation.is_current(packed(images, [*pace[:-1], (2.15, 41)]))
    assert not slider_animation.is_current(packed(images[:-1], pace[:-1]))


def test_what_is_no_animation_is_not_current(short):
    content = slider_animation.webp()
    for broken in (b"", b"RIFF", content[:30], content[: len(content) // 2]):
        assert not slider_animation.is_current(broken)


def test_check_names_the_file_where_it_is_missing_or_differs(short, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(gallery, "FIGURES", {})
    assert gallery.write(tmp_path) == gallery.check(tmp_path) == 0
    file = tmp_path / COMMITTED.name
    file.write_bytes(file.read_bytes()[:-9])
    assert gallery.check(tmp_path) == 1
    file.unlink()
    assert gallery.check(tmp_path) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{file}: differs from what is drawn now",
        f"{file}: missing",
    ]


def packed(images, pace):
    """The images as another codec might pack them: faster, into a larger file."""
    file = io.BytesIO()
    images[0].save(
        file,
        format="WEBP",
        save_all=True,
        append_images=images[1:],
        duration=[milliseconds for _, milliseconds in pace],
        loop=0,
        lossless=True,
        kmin=0,
        kmax=0,
        method=0,
        quality=0,
    )
    return file.getvalue()
