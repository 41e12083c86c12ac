"""The paper's module over its segments: four ways to compute the segmented 3x3, what
SegmentedConv2d does, and the 1x1.

`cases`: a row for each map (`channels`, `side`), number of `segments` (all divisors of the
channels, and ten others: `divides`), `dtype` (on a GPU bfloat16 alone: its float32 is one thing
with TF32 and another without, and ours leaves it as it comes), `mode` ("forward", or "training":
forward, and backward with gradients of map and weights) and `layout` of the map that comes in (nchw
or channels_last); `batch` is the same for all. In a row: `macs`, `params`, `bytes` (fewest that
must move in a forward pass), `intensity` (MACs a byte), `attainable_ms` (the roofline's time of the
forward pass; of training thrice that, since each of the two gradients costs as much again), and
`forms`, the times of

  grouped_nchw           torch's grouped convolution (three at most, if uneven), maps in NCHW
  grouped_channels_last  the same, maps in channels_last
  dense                  one regular convolution with the block-diagonal weight, made before
  loop                   a convolution a piece, one after another
  ours                   SegmentedConv2d; `takes` is the form that its rule chose

A form that wants the other layout is timed with the conversion of its input. `best` is the fastest
of the first four, `ratio` how many times as long ours takes as that (median over rounds, each
against its own), `regret` how many times as long the form that ours took would have been, timed by
itself: where it is 1 the rule chose the fastest, and the rest of `ratio` is the rule's own time,
and what one computation timed twice differs by. A time depends on where the tensors lie in memory,
so half of the rounds have them at another place; and for minutes one of two equal functions can be
the faster, so after all others a case whose `ratio` or `ratio_near` is over 1.05 is measured at
four places more, and then again if it still is; all rounds count. `ratio_near` is `ratio` over the
rounds in which the cores lay near each other (null if fewer than three did), for which the places
more wait some seconds; `cores` says in how many of all rounds they did not (see cores.py).
`ratio_converted` is the same as `ratio`, but against the fastest form when its input comes in the
layout that it wants; `fraction` is attainable_ms over the time of ours. With one segment, dense and
loop are the grouped form, and are not timed again; the dense form's time does not depend on the
segments, so beyond 8 of them, where ours is another one, that of one is repeated (`"repeated":
true`).

`pointwise`: the 1x1 of the module, a row for each map, dtype, mode and layout, with the same
columns and one time.
"""

import contextlib
import random

import torch
from torch import Tensor, nn
from tqdm import tqdm

from xception_edu.benchmark import left_out, roofline, timing
from xception_edu.benchmark.cores import Cores, handover
from xception_edu.benchmark.segment_forms import FORM, Form
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
# by `quick`
EFFORT = {
    True: {"rounds": 3, "fill": 5},
    False: {"rounds": 9, "seconds": 1, "fill": 8, "watch": handover},
}
PLACES = 2  # of the tensors in memory, each with so many rounds
SLOWER = 1.05  # beyond this ratio a case is looked at again, at twice as many places more
LOOKS = 2  # again, at most
STEADY = {"rounds": 4, "seconds": 1, "fill": 5}  # on a GPU, where the same takes the same time
FORMS = ("grouped_nchw", "grouped_channels_last", "dense", "loop")


def measure(*, quick: bool, device: torch.device, progress: tqdm) -> dict:
    """All rows; a quick run takes a few numbers of segments."""
    ceilings = timing.measure_ceilings(device=device, **roofline.sizes_of(quick, device))
    dtypes = DTYPES[::-1] if device.type == "cpu" else DTYPES[-1:]
    settings = [
        (c, side, dtype, mode) for dtype in dtypes for c, side in MAPS.items() for mode in MODES
    ]
    wanted = [(setting, counts(setting[0], quick)) for setting in settings]
    progress.reset(sum(1 + len(numbers) for _, numbers in wanted))
    cases: list[Case] = []
    pointwise: list[dict] = []
    cores = Cores()
    with contextlib.suppress(KeyboardInterrupt):
        for (channels, side, dtype, mode), numbers in wanted:
            effort = STEADY if device.type == "cuda" and not quick else EFFORT[quick]
            bench = Bench(channels, side, dtype, mode, ceilings, device, effort, cores)
            pointwise += bench.pointwise()
            progress.update()
            for segments in numbers:
                case = Case(bench, segments)
                case.look()
                cases.append(case)
                progress.update()
        for _ in range(LOOKS):
            slower = [case for case in cases if case.slower()]
            progress.total += len(slower)
            for case in slower:
                case.look(again=True)
                progress.update()
    rows = [row for case in cases for row in case.rows()]
    missing = left_out(sum(len(LAYOUTS) * len(numbers) for _, numbers in wanted), len(rows))
    about = {
        "ceilings": roofline.as_dict(ceilings),
        "batch": BATCH[device.type],
        "cores": cores.record(),
        **missing,
    }
    return about | {"cases": rows, "pointwise": pointwise}


def counts(channels: int, quick: bool) -> list[int]:
    """The numbers of segments that are measured, in order."""
    divisors = [n for n in range(1, channels + 1) if channels % n == 0]
    every = sorted([*divisors, *UNEVEN[channels]])
    return [n for n in every if n in QUICK] if quick else every


class Bench:
    """One map, number type and mode, and what is timed of them."""

    def __init__(
        self,
        channels: int,
        side: int,
        dtype: str,
        mode: str,
        ceilings: timing.Ceilings,
        device: torch.device,
        effort: dict,
        cores: Cores,
    ):
        self.shape, self.dtype, self.training = (
            Shape(channels, side, side),
            dtype,
            mode == "training",
        )
        self.about = {"channels": channels, "side": side, "dtype": dtype, "mode": mode}
        self.ceilings, self.device, self.effort, self.cores = ceilings, device, effort, cores
        self.dense_times: dict[str, dict] = {}  # by layout, of one segment
        self.batch = BATCH[device.type]
        self.x = torch.randn(self.batch, *self.shape, device=device).to(getattr(torch, dtype))
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
        channels = self.shape.channels
        cost = cost_of(ConvSpec(channels, channels, 1), self.shape)
        conv = nn.Conv2d(channels, channels, 1, bias=False).to(
            self.device, getattr(torch, self.dtype)
        )
        functions = {layout: self._timed(conv, layout) for layout in LAYOUTS}
        with torch.set_grad_enabled(self.training):
            times = timing.alternate(functions, device=self.device, **self.effort)
        return [
            {
                **self.about,
                "layout": layout,
                **self.costs(cost),
                **times[layout].record(),
                "fraction": self.fraction(cost, times[layout]),
            }
            for layout in LAYOUTS
        ]

    def function(self, ours: SegmentedConv2d, layout: str, form: str) -> timing.Function:
        """What computes in a form from the map in a layout, with the weights of `ours`."""
        if form == "ours":
            module = SegmentedConv2d(
                ours.in_channels, ours.out_channels, segments=ours.segments
            ).to(ours.weights[0])
            module.load_state_dict(ours.state_dict())
            return self._timed(
                (
                    module.to(memory_format=torch.channels_last)
                    if layout == "channels_last"
                    else module
                ),
                layout,
            )
        wanted = {"grouped_nchw": "nchw", "grouped_channels_last": "channels_last"}.get(
            form, layout
        )
        return self._timed(Form(*FORM[form](ours), LAYOUTS[wanted]), layout)

    def _timed(self, module: nn.Module, layout: str) -> timing.Function:
        x = self.maps[layout]
        if not self.training:
            return lambda: module(x)
        return timing.with_backward(lambda: module(x), [x, *module.parameters()])

    def costs(self, cost: Cost) -> dict:
        """Columns of a row that are counted, not timed."""
        size = {"batch": self.batch, "bytes_per_element": getattr(torch, self.dtype).itemsize}
        return {
            "macs": self.batch * cost.macs,
            "params": cost.params,
            "bytes": cost.bytes_moved(**size),
            "intensity": round(cost.intensity(**size), 4),
            "attainable_ms": round(self._attainable(cost), 4),
        }

    def _attainable(self, cost: Cost) -> float:
        return self.ceilings.milliseconds(cost, batch=self.batch, dtype=self.dtype) * (
            3 if self.training else 1
        )

    def fraction(self, cost: Cost, time: timing.Timing) -> float:
        """Of the roofline."""
        return round(self._attainable(cost) / time.median, 4)


class Case:
    """A number of segments in a bench: its times by layout and form, looked at once or more; ours
    and all forms alternate.
    """

    def __init__(self, bench: Bench, segments: int):
        self.bench, self.segments = bench, segments
        channels = bench.shape.channels
        self.cost = cost_of(ConvSpec(channels, channels, 3, segments=segments), bench.shape)
        self.ours = SegmentedConv2d(channels, channels, segments=segments).to(
            bench.device, bench.x.dtype
        )
        with torch.set_grad_enabled(bench.training):
            self.takes = {layout: self.ours.algorithm_for(bench.maps[layout]) for layout in LAYOUTS}
        repeated = {"dense", "loop"} if segments == 1 else set()
        if segments > 8 and "dense" not in self.takes.values():
            repeated = {"dense"}
        self.forms = [form for form in (*FORMS, "ours") if form not in repeated]
        self.times: dict[tuple[str, str], timing.Timing] = {}

    def look(self, *, again: bool = False) -> None:
        """Measure at PLACES of the tensors in memory; again, at twice as many, and wait for near
        cores before each.
        """
        for _ in range(2 * PLACES if again else PLACES):
            self.bench.place()
            if again:
                self.bench.cores.wait()
            with torch.set_grad_enabled(self.bench.training):
                keys = [(layout, form) for layout in LAYOUTS for form in self.forms]
                functions = {key: self.bench.function(self.ours, *key) for key in keys}
                start = len(self.times["nchw", "ours"].milliseconds) if self.times else 0
                found = timing.alternate(
                    functions, device=self.bench.device, start=start, **self.bench.effort
                )
            self.bench.cores.handovers += found["nchw", "ours"].watched
            self.times = (
                {key: self.times[key] + found[key] for key in keys} if self.times else found
            )
        if self.segments == 1:
            self.bench.dense_times = {
                name: self.times[name, f"grouped_{name}"].record() for name in LAYOUTS
            }

    def slower(self) -> bool:
        """Whether ours seems to be, in a layout, over all rounds or those with near cores."""
        rows = self.rows()
        return any(max(row["ratio"], row["ratio_near"] or 0) > SLOWER for row in rows)

    def rows(self) -> list[dict]:
        """A row a layout."""
        return [self._row(layout) for layout in LAYOUTS]

    def _row(self, layout: str) -> dict:
        bench = self.bench
        mine = self.times[layout, "ours"]
        measured = {form: self.times[layout, form] for form in FORMS if form in self.forms}
        forms = {form: times.record() for form, times in measured.items()}
        if self.segments == 1:
            forms |= dict.fromkeys(("dense", "loop"), forms[f"grouped_{layout}"])
        elif "dense" not in forms:
            forms["dense"] = bench.dense_times[layout] | {"repeated": True}
        best = min(measured, key=lambda form: measured[form].median)
        native = [times for (_, form), times in self.times.items() if form in ("dense", "loop")]
        native += [self.times[name, f"grouped_{name}"] for name in LAYOUTS]
        takes = self.takes[layout]
        return {
            **bench.about,
            "segments": self.segments,
            "divides": bench.shape.channels % self.segments == 0,
            "layout": layout,
            **bench.costs(self.cost),
            "forms": (
                {form: forms[form] for form in FORMS} | {"ours": mine.record() | {"takes": takes}}
            ),
            "best": best,
            "ratio": round(timing.ratio(mine, measured[best]), 3),
            "ratio_near": bench.cores.ratio(mine, list(measured.values())),
            "regret": round(timing.ratio(measured[takes], measured[best]), 3),
            "ratio_converted": round(
                timing.ratio(mine, min(native, key=lambda times: times.median)), 3
            ),
            "fraction": bench.fraction(self.cost, mine),
        }
