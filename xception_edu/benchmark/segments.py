"""The paper's module over its segments: four ways to compute the segmented 3x3, what
SegmentedConv2d does, and the 1x1.

`cases` has a row for each map, number of segments (all divisors of the channels, and ten others),
number type, mode and layout: the fields of segment_case.SegmentCase. `pointwise` has the 1x1 of the
module, a row for each map, number type, mode and layout, with the same costs and one time. `batch`
is the same for all.

On a GPU only bfloat16 is measured: its float32 is one thing with TF32 and another without, and ours
leaves it as it comes.

A time depends on where the tensors lie in memory, so half of the rounds have them at another place.
And for minutes one of two equal functions can be the faster; so after all others a case whose
`ratio` is over 1.05 is measured at four places more, and then again if it still is. All rounds
count.
"""

import contextlib
import random
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from xception_edu.benchmark import peaks, timing
from xception_edu.benchmark.records import left_out
from xception_edu.benchmark.roofline import Roofline
from xception_edu.benchmark.segment_case import Costs, SegmentCase, Setting
from xception_edu.benchmark.segment_forms import FORM, Form
from xception_edu.benchmark.timing import Effort
from xception_edu.costs import Cost, cost_of
from xception_edu.layers import SegmentedConv2d
from xception_edu.specs import ConvSpec, Shape

FILE = "segments_latency.json"
PACKAGES = ()
BATCH = {"cpu": 4, "cuda": 64}  # a GPU would be idle between two layers of a small one
MAPS = {728: 19, 128: 56}  # channels: side
UNEVEN = {
    728: (3, 5, 6, 10, 17, 30, 100, 200, 300, 500),
    128: (3, 5, 6, 7, 10, 12, 20, 40, 60, 100),
}
QUICK = (1, 5, 91, 64, 128, 364, 728)
DTYPES = ("float32", "bfloat16")
MODES = ("forward", "training")
LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}
FORMS = ("grouped_nchw", "grouped_channels_last", "dense", "loop")
FIRST_LOOK = Effort(rounds=3, min_ms=5)
EFFORT = {
    "cpu": Effort(rounds=9, seconds=1, min_ms=8),
    "cuda": Effort(rounds=4, seconds=1, min_ms=5),  # where the same takes the same time
}
PLACES = 2  # of the tensors in memory, each with so many rounds
SLOWER = 1.05  # beyond this ratio a case is measured again, at twice as many places more
REPEATS = 2  # at most


def measure(*, quick: bool, device: torch.device, progress: tqdm) -> dict:
    """All rows; a quick run takes a few numbers of segments."""
    roofline = peaks.measure_roofline(device=device, **peaks.sizes_of(quick, device))
    settings = settings_on(device)
    wanted = sum(len(counts(setting.channels, quick)) for setting in settings)
    progress.reset(wanted + len(settings))
    cases: list[Case] = []
    pointwise: list[dict] = []
    effort = FIRST_LOOK if quick else EFFORT[device.type]
    with contextlib.suppress(KeyboardInterrupt):
        for setting in settings:
            bench = Bench(setting, roofline, device, effort)
            pointwise += bench.pointwise()
            progress.update()
            for segments in counts(setting.channels, quick):
                case = Case(bench, segments)
                case.look(PLACES)
                cases.append(case)
                progress.update()
        look_again(cases, progress)
    rows = [asdict(row) for case in cases for row in case.rows()]
    return {
        "ceilings": roofline.as_record(),
        "batch": BATCH[device.type],
        **left_out(len(LAYOUTS) * wanted, len(rows)),
        "cases": rows,
        "pointwise": pointwise,
    }


def settings_on(device: torch.device) -> list[Setting]:
    """What is measured on a device, in order."""
    dtypes = ("bfloat16", "float32") if device.type == "cpu" else ("bfloat16",)
    return [
        Setting(channels=channels, side=side, dtype=dtype, mode=mode)
        for dtype in dtypes
        for channels, side in MAPS.items()
        for mode in MODES
    ]


def counts(channels: int, quick: bool) -> list[int]:
    """The numbers of segments that are measured, in order."""
    divisors = [n for n in range(1, channels + 1) if channels % n == 0]
    every = sorted([*divisors, *UNEVEN[channels]])
    return [n for n in every if n in QUICK] if quick else every


def look_again(cases: list["Case"], progress: tqdm) -> None:
    """Measure again, at other places in memory, where ours seems to be slower."""
    for _ in range(REPEATS):
        slower = [case for case in cases if case.is_slower()]
        progress.total += len(slower)
        for case in slower:
            case.look(2 * PLACES)
            progress.update()


class Bench:
    """One setting, and what is timed in it."""

    def __init__(self, setting: Setting, roofline: Roofline, device: torch.device, effort: Effort):
        self.setting, self.roofline = setting, roofline
        self.device, self.effort = device, effort
        self.training = setting.mode == "training"
        self.dtype = getattr(torch, setting.dtype)
        self.shape = Shape(setting.channels, setting.side, setting.side)
        self.batch = BATCH[device.type]
        self.dense_times: dict[str, dict] = {}  # by layout, of one segment
        self.x = torch.randn(self.batch, *self.shape, device=device).to(self.dtype)
        self.maps: dict[str, Tensor] = {}
        self.random = random.Random(0)
        self.place()

    def place(self) -> None:
        """New maps, one a layout for all forms, at another place in memory."""
        self.maps.clear()
        # kept, so that what follows lies behind it
        self.space = torch.empty(self.random.randrange(2**20), device=self.device)
        for name, layout in LAYOUTS.items():
            self.maps[name] = self.x.clone(memory_format=layout).requires_grad_(self.training)

    def pointwise(self) -> list[dict]:
        """The 1x1 in both layouts."""
        channels = self.setting.channels
        cost = cost_of(ConvSpec(channels, channels, 1), self.shape)
        conv = nn.Conv2d(channels, channels, 1, bias=False).to(self.device, self.dtype)
        functions = {layout: self._timed(conv, layout) for layout in LAYOUTS}
        times = self.times(functions)
        return [
            asdict(self.setting)
            | {"layout": layout}
            | asdict(self.costs(cost))
            | times[layout].record()
            | {"fraction": self.fraction(cost, times[layout])}
            for layout in LAYOUTS
        ]

    def times(self, functions: dict[Any, timing.Function]) -> dict[Any, timing.Timing]:
        """Of functions, in alternation."""
        with torch.set_grad_enabled(self.training):
            return self.effort.alternate(functions, self.device)

    def function(self, ours: SegmentedConv2d, layout: str, form: str) -> timing.Function:
        """What computes in a form from the map in a layout, with the weights of `ours`."""
        if form == "ours":
            sizes = (ours.in_channels, ours.out_channels)
            module = SegmentedConv2d(*sizes, segments=ours.segments).to(ours.weights[0])
            module.load_state_dict(ours.state_dict())
            if layout == "channels_last":
                module = module.to(memory_format=torch.channels_last)
            return self._timed(module, layout)
        own_layout = {"grouped_nchw": "nchw", "grouped_channels_last": "channels_last"}
        wanted = own_layout.get(form, layout)
        return self._timed(Form(*FORM[form](ours), LAYOUTS[wanted]), layout)

    def _timed(self, module: nn.Module, layout: str) -> timing.Function:
        x = self.maps[layout]
        if not self.training:
            return lambda: module(x)
        return timing.with_backward(lambda: module(x), [x, *module.parameters()])

    def costs(self, cost: Cost) -> Costs:
        """Of a layer whose cost for one image is given."""
        element = self.dtype.itemsize
        return Costs(
            macs=self.batch * cost.macs,
            params=cost.params,
            bytes=cost.bytes_moved(batch=self.batch, bytes_per_element=element),
            intensity=round(cost.intensity(batch=self.batch, bytes_per_element=element), 4),
            attainable_ms=round(self._attainable(cost), 4),
        )

    def _attainable(self, cost: Cost) -> float:
        forward = self.roofline.milliseconds(cost, batch=self.batch, dtype=self.setting.dtype)
        return 3 * forward if self.training else forward

    def fraction(self, cost: Cost, time: timing.Timing) -> float:
        """Of the roofline."""
        return round(self._attainable(cost) / time.median, 4)


class Case:
    """A number of segments in a bench: its times by layout and form, all in alternation."""

    def __init__(self, bench: Bench, segments: int):
        self.bench, self.segments = bench, segments
        channels = bench.setting.channels
        self.cost = cost_of(ConvSpec(channels, channels, 3, segments=segments), bench.shape)
        self.ours = SegmentedConv2d(channels, channels, segments=segments).to(
            bench.device, bench.dtype
        )
        with torch.set_grad_enabled(bench.training):
            self.takes = {layout: self.ours.algorithm_for(bench.maps[layout]) for layout in LAYOUTS}
        repeated = {"dense", "loop"} if segments == 1 else set()
        if segments > 8 and "dense" not in self.takes.values():
            repeated = {"dense"}
        self.forms = [form for form in (*FORMS, "ours") if form not in repeated]
        self.times: dict[tuple[str, str], timing.Timing] = {}

    def look(self, places: int) -> None:
        """Measure at so many places of the tensors in memory; the rounds add up."""
        keys = [(layout, form) for layout in LAYOUTS for form in self.forms]
        for _ in range(places):
            self.bench.place()
            functions = {key: self.bench.function(self.ours, *key) for key in keys}
            for key, times in self.bench.times(functions).items():
                self.times[key] = self.times.get(key, timing.Timing(())) + times
        if self.segments == 1:
            self.bench.dense_times = {
                name: self.times[name, f"grouped_{name}"].record() for name in LAYOUTS
            }

    def is_slower(self) -> bool:
        """Whether ours seems to be, in a layout, over all rounds."""
        return any(row.ratio > SLOWER for row in self.rows())

    def rows(self) -> list[SegmentCase]:
        """A row a layout."""
        return [self._row(layout) for layout in LAYOUTS]

    def _row(self, layout: str) -> SegmentCase:
        bench, takes = self.bench, self.takes[layout]
        ours = self.times[layout, "ours"]
        measured = {form: self.times[layout, form] for form in FORMS if form in self.forms}
        best = min(measured, key=lambda form: measured[form].median)
        unconverted = min(self._unconverted(), key=lambda times: times.median)
        return SegmentCase(
            **asdict(bench.setting),
            **asdict(bench.costs(self.cost)),
            segments=self.segments,
            divides=bench.setting.channels % self.segments == 0,
            layout=layout,
            forms=self._forms(layout) | {"ours": ours.record() | {"takes": takes}},
            best=best,
            ratio=round(timing.ratio(ours, measured[best]), 3),
            regret=round(timing.ratio(measured[takes], measured[best]), 3),
            ratio_converted=round(timing.ratio(ours, unconverted), 3),
            fraction=bench.fraction(self.cost, ours),
        )

    def _unconverted(self) -> list[timing.Timing]:
        """Times of all forms whose input comes in the layout that they want."""
        times = [times for (_, form), times in self.times.items() if form in ("dense", "loop")]
        return times + [self.times[name, f"grouped_{name}"] for name in LAYOUTS]

    def _forms(self, layout: str) -> dict[str, dict]:
        """Times of the four forms, those that are not measured again repeated."""
        forms = {form: self.times[layout, form].record() for form in FORMS if form in self.forms}
        if self.segments == 1:
            forms |= dict.fromkeys(("dense", "loop"), forms[f"grouped_{layout}"])
        elif "dense" not in forms:
            forms["dense"] = self.bench.dense_times[layout] | {"repeated": True}
        return {form: forms[form] for form in FORMS}
