"""Every figure of `figures/`: what is drawn from what, on which page; writing them, and comparing
them with what is there.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from xception_edu import architectures, checks
from xception_edu.architectures import ModuleConfig, XceptionConfig
from xception_edu.benchmark import records
from xception_edu.plots import (
    ablation_chart,
    block_diagrams,
    cost_charts,
    depth_profiles,
    gpu_charts,
    measured_charts,
    network_diagram,
    pieces,
    rooms,
    slider_animation,
    style,
    sweep_chart,
    transfer_charts,
)
from xception_edu.specs import Shape

# Figures 2 to 4: few channels, so that each can be seen
SHAPE, MODULE = Shape(12, 35, 35), ModuleConfig(12, 12, 3)


class Drawing(NamedTuple):
    """A function that draws, what makes its data, and its page; `heading` is for charts, a block
    diagram writes its own.

    `results` names the measurements that are the data: one record, or several by their names.
    """

    draw: Callable[..., object]
    data: Callable[[], Any]
    page: Callable[[], tuple[Figure, Any]] = style.page
    heading: tuple[str, ...] = ()
    results: tuple[str, ...] = ()

    @property
    def can_be_drawn(self) -> bool:
        """Whether its measurements are there, if it draws any."""
        return records.are_there(*self.results)


def measured(draw: Callable[..., object], result: str, *heading: str, **page: int) -> Drawing:
    """A chart of two panels that draws one measurement; the page as `style.charts` takes it, where
    it is not as most are.
    """
    usual = {"height": 370, "left": 54, "top": 120, "right": 62, "bottom": 48, "across": 108}
    return Drawing(
        draw,
        partial(records.read_record, result),
        partial(style.charts, 1, 2, **usual | page),
        heading,
        (result,),
    )


# The file of a figure has the name of the function that draws it.
FIGURES = {
    drawing.draw.__name__: drawing
    for drawing in (
        Drawing(
            block_diagrams.draw_figure_1_canonical_inception,
            lambda: architectures.canonical_inception(Shape(288, 35, 35)),
        ),
        Drawing(
            block_diagrams.draw_figure_2_simplified_inception,
            lambda: architectures.simplified_inception(MODULE, SHAPE),
        ),
        Drawing(
            block_diagrams.draw_figure_3_equivalent_module,
            lambda: architectures.module(MODULE, SHAPE),
        ),
        Drawing(
            block_diagrams.draw_figure_4_extreme_inception,
            lambda: architectures.extreme_inception(12, 12, SHAPE),
        ),
        Drawing(network_diagram.draw_figure_5_xception, architectures.xception),
        Drawing(
            cost_charts.draw_cost_curves,
            lambda: [cost_charts.segments_curve(728, 19), cost_charts.segments_curve(256, 37)],
            partial(
                style.charts,
                4,
                2,
                height=850,
                left=50,
                top=130,
                right=24,
                bottom=46,
                across=60,
                down=44,
            ),
            (
                "From one segment to one a channel: what the module costs",
                (
                    "A 1×1 and a 3×3 over S segments, as many channels out as in. Nearly all of the"
                    " saving is there by S = 32;"
                ),
                (
                    "what then remains is the 1×1. Activations stay the same, so each byte moved"
                    " gets less and less work."
                ),
            ),
        ),
        Drawing(
            cost_charts.draw_xception_shares,
            lambda: cost_charts.xception_shares(architectures.xception()),
            partial(
                style.charts, 1, 2, height=280, left=142, top=100, right=116, bottom=16, across=232
            ),
            (
                "Where Xception keeps its parameters and does its work",
                "A color is a kind of layer, the same in both charts: the names are on the left.",
            ),
        ),
        Drawing(
            cost_charts.draw_xception_over_segments,
            lambda: cost_charts.xception_over_segments(
                (1, 2, 4, 8, 16, 32, 64, "channels"), XceptionConfig()
            ),
            partial(style.charts, 1, 1, height=420, left=50, top=112, right=24, bottom=70),
            (
                "Xception with fewer segments, widths unchanged",
                (
                    "Only the 3×3 grow, so a fair comparison of segment counts has to match"
                    " parameters or MACs by width."
                ),
                (
                    "Gray, at the foot: every layer that is no part of a separable convolution, and"
                    " batch normalization."
                ),
            ),
        ),
        Drawing(
            depth_profiles.draw_depth_profiles,
            lambda: [
                depth_profiles.depth_profile(
                    "VGG-16 at 224×224: five stages, fc", architectures.vgg()
                ),
                depth_profiles.depth_profile(
                    "Inception V3 at 299×299: stem, modules A, B, C", architectures.inception_v3()
                ),
                depth_profiles.depth_profile(
                    "Xception at 299×299: entry, middle and exit flow", architectures.xception()
                ),
            ],
            partial(
                style.charts,
                3,
                3,
                height=704,
                left=42,
                top=178,
                right=16,
                bottom=30,
                across=36,
                down=74,
            ),
            (
                "Three networks along their depth",
                (
                    "From input (left) to classes (right), a bar for each module, or each layer of"
                    " a stem and of VGG-16."
                ),
                (
                    "A column has one scale; two bars are cut and bear their value. Activations:"
                    " every map, float32, one image."
                ),
            ),
        ),
        measured(
            measured_charts.draw_latency_beside_macs,
            "segments_latency",
            "Fewer multiplications, more time?",
            "The 3×3 over its segments, each compared with one segment, where it is a regular"
            " convolution; forward, fp32.",
        ),
        measured(
            measured_charts.draw_intensity_over_segments,
            "segments_latency",
            "What there is to multiply for each byte that moves",
            "Below what is enough for a type of number, memory sets the pace, and fewer"
            " multiplications save no time.",
        ),
        measured(
            measured_charts.draw_half_precision,
            "segments_latency",
            "What bfloat16 gains, by the number of segments",
            "Time in fp32 over time in bf16, without conversions. Below the dashed line it is"
            " slower.",
            right=100,
            across=146,
        ),
        measured(
            gpu_charts.draw_ways_on_gpu,
            "gpu/segments_latency",
            "A 3×3 over its segments on a GPU, computed in four ways",
            "Grouped, its maps in two layouts; regular, with zeros where pieces do not meet; and a"
            " convolution for each piece.",
            "Dashed: what the arithmetic and the memory of the GPU allow.",
            height=420,
            top=140,
            right=84,
            across=136,
        ),
        measured(
            gpu_charts.draw_macs_beside_time_on_gpu,
            "gpu/layers",
            "Where the multiplications are on a GPU, and where the time is",
            "Gray: share of all MACs. Black: share of the time of all layers, each timed alone.",
            height=420,
            left=90,
            right=24,
            across=120,
        ),
        measured(
            measured_charts.draw_roofline,
            "layers",
            "Every layer under the roof",
            "Each different layer timed alone. Above the slope: its maps came from a cache, which"
            " is faster than memory.",
            height=460,
            top=146,
            right=24,
            across=60,
        ),
        measured(
            measured_charts.draw_time_lost,
            "layers",
            "Where the time goes, and how much of it is lost",
            "Gray: the time that the machine's limits allow each layer. Black: what it took beyond"
            " that.",
            height=420,
            left=90,
            right=24,
            across=120,
        ),
        Drawing(
            transfer_charts.draw_confusion,
            partial(records.read_record, "finetune"),
            partial(style.charts, 1, 1, height=580, left=170, top=84, right=230, bottom=132),
            (
                "What is taken for what",
                "A row is what a photograph shows, a column what was guessed; on the diagonal are"
                " the right ones.",
            ),
        ),
        Drawing(
            transfer_charts.draw_images_a_class,
            partial(records.read_record, "finetune"),
            partial(style.charts, 1, 1, height=420, left=54, top=120, right=24, bottom=48),
            (
                "How many photographs does a class take?",
                "Xception with the published weights, frozen; only a classifier learns. A gray dot"
                " is a seed, black",
                "the mean with its 95 % interval. Below, the same network with random weights.",
            ),
            ("finetune",),
        ),
        measured(
            sweep_chart.draw_sweep,
            "sweep_spectrum_params",
            "The open question of Section 5, at equal parameters",
            "A small Xception on CIFAR-10 (JPEG q75), every network with as many parameters and its"
            " own learning rate, the",
            "question and the test written down before the runs. Left: test accuracy; right:"
            " differences within a seed.",
            right=90,
            across=70,
        ),
        Drawing(
            ablation_chart.draw_ablations,
            ablation_chart.read_ablations,
            partial(
                style.charts, 1, 2, height=420, left=226, top=120, right=24, bottom=48, across=70
            ),
            (
                "What the paper changed, in small; and what the data decide",
                "A small Xception, parameters equal, a learning rate for each network, paired by"
                " seed, 95 % intervals. Left: CIFAR-10",
                "(JPEG q75). Right: made images, from one shape times one color a class to a shape"
                " of its own for each channel.",
            ),
            ablation_chart.RECORDS,
        ),
        Drawing(rooms.draw_rooms, lambda: rooms.PLAN),
    )
}

MOVING = {"segments_slider.webp": slider_animation}  # by file, the modules that draw frame by frame


def figure(name: str, data: Any = None) -> Figure:
    """The figure of FIGURES, drawn, from its own data or from other data of the same kind;
    ValueError for another name.
    """
    if not isinstance(name, str) or name not in FIGURES:
        raise checks.wrong("name", name, f"one of {', '.join(FIGURES)}")
    drawing = FIGURES[name]
    with style.context():
        page, axes = drawing.page()
        shown = drawing.data() if data is None else data
        drawing.draw(axes, shown)
        if not drawing.heading:
            return style.fit(page)
        width, height = page.get_size_inches() * style.DPI
        behind = style.in_pixels(page.add_axes((0, 0, 1, 1), zorder=-1), width, height)
        if drawing.results:
            one = shown if len(drawing.results) == 1 else shown[drawing.results[0]]
            on = f"Measured on {records.describe_machine(one)}."
            pieces.heading(behind, *drawing.heading, on)
        else:
            pieces.heading(behind, *drawing.heading)
    return page


def write(out: str | os.PathLike[str]) -> int:
    """Write every figure as SVG, and what moves as WebP, to the folder `out`, made if missing; 0.

    ValueError where that cannot be.
    """
    folder = _folder(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in drawable():
            (folder / f"{name}.svg").write_bytes(style.svg(figure(name)))
        for file, animation in MOVING.items():
            (folder / file).write_bytes(animation.webp())
    except OSError as error:
        raise ValueError(
            f"out is {str(out)!r}, but must be a folder that can be written ({error.strerror})"
        ) from None
    return 0


def check(out: str | os.PathLike[str]) -> int:
    """Compare the folder `out` with what `write` would write, and print a line for each file that
    is not the same.

    0 if nothing differs, is missing or does not belong there (names with a leading dot do not
    count), otherwise 1. ValueError if `out` is a file or cannot be read.
    """
    folder = _folder(out)
    try:
        there = (
            {path.name for path in folder.iterdir() if not path.name.startswith(".")}
            if folder.exists()
            else set()
        )
        faults = [_fault(folder / f"{name}.svg", name) for name in drawable()]
        faults += [_moving_fault(folder / file) for file in MOVING]
    except OSError as error:
        reason = error.strerror
        raise ValueError(
            f"out is {str(out)!r}, but must be a folder that can be read ({reason})"
        ) from None
    known = {f"{name}.svg" for name in FIGURES} | MOVING.keys()
    faults += [f"{folder / name}: drawn by no function" for name in sorted(there - known)]
    for fault in filter(None, faults):
        print(fault)
    return int(any(faults))


def drawable() -> list[str]:
    """The figures whose data are there: without the repository's results, those that are counted
    and not measured.
    """
    return [name for name, drawing in FIGURES.items() if drawing.can_be_drawn]


def _folder(out: str | os.PathLike[str]) -> Path:
    if not isinstance(out, (str, os.PathLike)) or not str(out) or "\0" in str(out):
        raise ValueError(f"out is {out!r}, but must be the path of a folder")
    return Path(out)


def _fault(path: Path, name: str) -> str:
    """What is wrong with the figure's file, or nothing."""
    if not path.exists():
        return f"{path}: missing"
    current = path.read_bytes() == style.svg(figure(name))
    return "" if current else f"{path}: differs from what is drawn now"


def _moving_fault(path: Path) -> str:
    """What is wrong with the file of a moving picture, or nothing."""
    if not path.exists():
        return f"{path}: missing"
    current = MOVING[path.name].is_current(path.read_bytes())
    return "" if current else f"{path}: differs from what is drawn now"
