"""The paper's module over its segments: four ways to compute the segmented 3x3, what SegmentedConv2d does, and the 1x1.

`cases`: a row for each map (`channels`, `side`), number of `segments` (all divisors of the channels, and ten others:
`divides`), `dtype` (on a GPU bfloat16 alone: its float32 is one thing with TF32 and another without, and ours leaves it as it
comes), `mode` ("forward", or "training": forward, and backward with gradients of map and weights) and `layout`
of the map that comes in (nchw or channels_last); `batch` is the same for all. In a row: `macs`, `params`, `bytes` (fewest
that must move in a forward pass), `intensity` (MACs a byte), `attainable_ms` (the roofline's time of the forward pass; of
training thrice that, since each of the two gradients costs as much again), and `forms`, the times of

  grouped_nchw           torch's grouped convolution (at most three, where segments do not divide), maps in NCHW
  grouped_channels_last  the same, maps in channels_last
  dense                  one regular convolution with the block-diagonal weight, made before
  loop                   a convolution a piece, one after another
  ours                   SegmentedConv2d; `takes` is the form that its rule chose

A form that wants the other layout is timed with the conversion of its input. `best` is the fastest of the first four,
`ratio` how many times as long ours takes as that (median over rounds, each against its own), `regret` how many times as long
the form that ours took would have been, timed by itself: where it is 1 the rule chose the fastest, and the rest of `ratio` is
what one computation timed twice differs by. A time depends on where the tensors lie in memory, so half of the rounds have them
at another place; a case whose `ratio` or `ratio_near` is over 1.05 then is measured at four places more, and all rounds count.
`ratio_near` is `ratio` over the rounds in which the cores lay near each other (null if fewer than three did), for which the
four places wait some seconds; `cores` says in how many of all rounds they did not (see cores.py).
`ratio_converted` is the same as `ratio`, but against the fastest form when its input comes in the layout that it wants;
`fraction` is attainable_ms over the time of ours.
With one segment, dense and loop are the grouped form, and are not timed again; the dense form's time does not depend on
the segments, so beyond 8 of them, where ours is another one, that of one is repeated (`"repeated": true`).

`pointwise`: the 1x1 of the module, a row for each map, dtype, mode and layout, with the same columns and one time.
"""

import contextlib
import random

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from xception_edu import timing
from xception_edu.benchmark import left_out, roofline
from xception_edu.benchmark.cores import Cores, handover
from xception_edu.costs import Cost, cost_of
from xception_edu.layers import SegmentedConv2d
from xception_edu.specs import ConvSpec, Shape, segment_sizes

FILE = "segments_latency.json"
PACKAGES = ()
BATCH = {"cpu": 4, "cuda": 64}  # a GPU would be idle between two layers of a small one
MAPS = {728: 19, 128: 56}  # channels: side
UNEVEN = {728: (3, 5, 6, 10, 17, 30, 100, 200, 300, 500), 128: (3, 5, 6, 7, 10, 12, 20, 40, 60, 100)}
QUICK = (1, 5, 91, 64, 128, 364, 728)
DTYPES = ("float32", "bfloat16")
MODES = ("forward", "training")
LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}
EFFORT = {True: {"rounds": 3, "fill": 5}, False: {"rounds": 9, "seconds": 1, "fill": 8, "watch": handover}}  # by `quick`
PLACES = 2  # of the tensors in memory, each with so many rounds
SLOWER = 1.05  # beyond this ratio a case is measured at twice as many places more
STEADY = {"rounds": 4, "seconds": 1, "fill": 5}  # on a GPU, where the same takes the same time
FORMS = ("grouped_nchw", "grouped_channels_last", "dense", "loop")
Times = dict[tuple[str, str], timing.Timing]  # by layout and form


def measure(*, quick: bool, device: torch.device, progress: tqdm) -> dict:
    """All rows; a quick run takes a few numbers of segments."""
    ceilings = timing.measure_ceilings(device=device, **roofline.sizes_of(quick, device))
    dtypes = DTYPES[::-1] if device.type == "cpu" else DTYPES[-1:]
    settings = [(c, side, dtype, mode) for dtype in dtypes for c, side in MAPS.items() for mode in MODES]
    wanted = [(setting, counts(setting[0], quick)) for setting in settings]
    progress.reset(sum(1 + len(numbers) for _, numbers in wanted))
    cases: list[dict] = []
    pointwise: list[dict] = []
    cores, rounds = Cores(), []
    with contextlib.suppress(KeyboardInterrupt):
        for (channels, side, dtype, mode), numbers in wanted:
            effort = STEADY if device.type == "cuda" and not quick else EFFORT[quick]
            bench = Bench(channels, side, dtype, mode, ceilings, device, effort, cores)
            pointwise += bench.pointwise()
            progress.update()
            for segments in numbers:
                for row, ours, forms in bench.cases(segments):
                    cases.append(row)
                    rounds.append((ours, forms))
                progress.update()
    for row, (ours, forms) in zip(cases, rounds, strict=True):  # at the end: only then the shortest handover is known
        row["ratio_near"] = cores.ratio(ours, forms)
    missing = left_out(sum(len(LAYOUTS) * len(numbers) for _, numbers in wanted), len(cases))
    about = {"ceilings": roofline.as_dict(ceilings), "batch": BATCH[device.type], "cores": cores.record(), **missing}
    return about | {"cases": cases, "pointwise": pointwise}


def ours_and_others(times: Times, layout: str) -> tuple[timing.Timing, list[timing.Timing]]:
    """What was timed in a layout: ours, and the forms."""
    return times[layout, "ours"], [times[layout, form] for form in FORMS if (layout, form) in times]


def counts(channels: int, quick: bool) -> list[int]:
    """The numbers of segments that are measured, in order."""
    divisors = [n for n in range(1, channels + 1) if channels % n == 0]
    every = sorted([*divisors, *UNEVEN[channels]])
    return [n for n in every if n in QUICK] if quick else every


class Bench:
    """One map, number type and mode: times of all forms for a number of segments."""

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
        self.shape, self.dtype, self.training = Shape(channels, side, side), dtype, mode == "training"
        self.about = {"channels": channels, "side": side, "dtype": dtype, "mode": mode}
        self.ceilings, self.device, self.effort, self.cores = ceilings, device, effort, cores
        self.dense_times: dict[str, dict] = {}
        self.batch = BATCH[device.type]
        self.x = torch.randn(self.batch, *self.shape, device=device).to(getattr(torch, dtype))
        self.maps: dict[str, Tensor] = {}
        self.random = random.Random(0)
        self._place()

    def _place(self) -> None:
        """New maps, one a layout for all forms, at another place in memory."""
        self.maps.clear()
        self.space = torch.empty(self.random.randrange(2**20), device=self.device)  # kept, so that what follows lies behind it
        for name, layout in LAYOUTS.items():
            self.maps[name] = self.x.clone(memory_format=layout).requires_grad_(self.training)

    def cases(self, segments: int) -> list[tuple[dict, timing.Timing, list[timing.Timing]]]:
        """A row a layout, and the rounds of ours and of the forms; both layouts and all forms are timed in alternation."""
        cost = cost_of(ConvSpec(self.shape.channels, self.shape.channels, 3, segments=segments), self.shape)
        ours = SegmentedConv2d(self.shape.channels, self.shape.channels, segments=segments)
        ours = ours.to(self.device, getattr(torch, self.dtype))
        with torch.set_grad_enabled(self.training):
            takes = {layout: ours.form_of(self.maps[layout]) for layout in LAYOUTS}
            repeated = {"dense", "loop"} if segments == 1 else set()
            if segments > 8 and "dense" not in takes.values():
                repeated = {"dense"}
            forms = [form for form in (*FORMS, "ours") if form not in repeated]
            times = self._times(ours, forms, {}, PLACES)
            if self._slower(times):
                times = self._times(ours, forms, times, 2 * PLACES, wait=True)
        return [
            (self._row(segments, cost, layout, times, takes[layout]), *ours_and_others(times, layout)) for layout in LAYOUTS
        ]

    def _slower(self, times: Times) -> bool:
        """Whether ours seems to be, in a layout, over all rounds or those with near cores."""
        for layout in LAYOUTS:
            mine, others = ours_and_others(times, layout)
            best = min(others, key=lambda other: other.median)
            if max(timing.ratio(mine, best), self.cores.ratio(mine, others) or 0) > SLOWER:
                return True
        return False

    def _times(self, ours: SegmentedConv2d, forms: list[str], times: Times, places: int, *, wait: bool = False) -> Times:
        """`times`, and the rounds of each layout and form at so many more places of the tensors in memory, in alternation; for
        each place it can wait for near cores.
        """
        for _ in range(places):
            self._place()
            if wait:
                self.cores.wait()
            functions = {(layout, form): self._function(ours, layout, form) for layout in LAYOUTS for form in forms}
            rounds = len(times["nchw", "ours"].milliseconds) if times else 0
            found = timing.alternate(functions, device=self.device, start=rounds, **self.effort)
            self.cores.handovers += found["nchw", "ours"].watched
            times = {key: times[key] + found[key] for key in found} if times else found
        return times

    def pointwise(self) -> list[dict]:
        """The 1x1 in both layouts."""
        channels = self.shape.channels
        cost = cost_of(ConvSpec(channels, channels, 1), self.shape)
        conv = nn.Conv2d(channels, channels, 1, bias=False).to(self.device, getattr(torch, self.dtype))
        functions = {layout: self._timed(conv, list(conv.parameters()), layout) for layout in LAYOUTS}
        with torch.set_grad_enabled(self.training):
            times = timing.alternate(functions, device=self.device, **self.effort)
        return [
            {
                **self.about,
                "layout": layout,
                **self._costs(cost),
                **times[layout].record(),
                "fraction": self._fraction(cost, times[layout]),
            }
            for layout in LAYOUTS
        ]

    def _function(self, ours: SegmentedConv2d, layout: str, form: str) -> timing.Function:
        if form == "ours":
            module = SegmentedConv2d(ours.in_channels, ours.out_channels, segments=ours.segments).to(ours.weights[0])
            module.load_state_dict(ours.state_dict())
            module.to(memory_format=LAYOUTS[layout])
            return self._timed(module, list(module.parameters()), layout)
        wanted = {"grouped_nchw": "nchw", "grouped_channels_last": "channels_last"}.get(form, layout)
        module = Form(*FORM[form](ours), LAYOUTS[wanted])
        return self._timed(module, list(module.parameters()), layout)

    def _timed(self, compute, weights: list[Tensor], layout: str) -> timing.Function:
        x = self.maps[layout]
        if not self.training:
            return lambda: compute(x)
        return timing.with_backward(lambda: compute(x), [x, *weights])

    def _row(self, segments: int, cost: Cost, layout: str, times: dict, takes: str) -> dict:
        forms = {form: times[layout, form].record() for form in FORMS if (layout, form) in times}
        if segments == 1:
            self.dense_times[layout] = forms[f"grouped_{layout}"] | {"repeated": True}
            forms |= dict.fromkeys(("dense", "loop"), forms[f"grouped_{layout}"])
        elif "dense" not in forms:
            forms["dense"] = self.dense_times[layout]
        measured = {form: times[layout, form] for form in FORMS if (layout, form) in times}
        best = min(measured, key=lambda form: measured[form].median)
        native = [times[key] for key in times if key[1] not in ("ours", "grouped_nchw", "grouped_channels_last")]
        native += [times[name, f"grouped_{name}"] for name in LAYOUTS]
        mine, fastest = times[layout, "ours"], min(native, key=lambda t: t.median)
        return {
            **self.about,
            "segments": segments,
            "divides": self.shape.channels % segments == 0,
            "layout": layout,
            **self._costs(cost),
            "forms": {form: forms[form] for form in FORMS} | {"ours": mine.record() | {"takes": takes}},
            "best": best,
            "ratio": round(timing.ratio(mine, measured[best]), 3),
            "regret": round(timing.ratio(measured[takes], measured[best]), 3),
            "ratio_converted": round(timing.ratio(mine, fastest), 3),
            "fraction": self._fraction(cost, mine),
        }

    def _costs(self, cost: Cost) -> dict:
        size = {"batch": self.batch, "bytes_per_element": getattr(torch, self.dtype).itemsize}
        return {
            "macs": self.batch * cost.macs,
            "params": cost.params,
            "bytes": cost.bytes_moved(**size),
            "intensity": round(cost.intensity(**size), 4),
            "attainable_ms": round(self._attainable(cost), 4),
        }

    def _attainable(self, cost: Cost) -> float:
        return self.ceilings.milliseconds(cost, batch=self.batch, dtype=self.dtype) * (3 if self.training else 1)

    def _fraction(self, cost: Cost, time: timing.Timing) -> float:
        return round(self._attainable(cost) / time.median, 4)


class Form(nn.Module):
    """A form as one would write it: a module, as ours is, that wants its input in a layout."""

    def __init__(self, compute, weights: list[Tensor], layout: torch.memory_format):
        super().__init__()
        self.compute, self.layout = compute, layout
        self.weights = nn.ParameterList(w.detach().clone(memory_format=layout) for w in weights)

    def forward(self, x: Tensor) -> Tensor:
        """The same as SegmentedConv2d."""
        return self.compute(x.contiguous(memory_format=self.layout), self.weights)


def grouped(ours: SegmentedConv2d):
    """One grouped convolution for each run of equal pieces, and the weights for it."""
    ins = [n * piece_in for n, piece_in, _ in ours.runs]

    def compute(x: Tensor, weights: list[Tensor]) -> Tensor:
        if len(weights) == 1:
            return F.conv2d(x, weights[0], padding=1, groups=ours.segments)
        runs = zip(x.split(ins, dim=1), weights, ours.runs, strict=True)
        return torch.cat([F.conv2d(part, w, padding=1, groups=n) for part, w, (n, *_) in runs], dim=1)

    return compute, list(ours.weights)


def dense(ours: SegmentedConv2d):
    """One regular convolution, most of whose weights are zero."""
    return lambda x, weights: F.conv2d(x, weights[0], padding=1), [ours.dense_weight()]


def loop(ours: SegmentedConv2d):
    """A convolution for every piece."""
    sizes = segment_sizes(ours.in_channels, ours.segments)
    pieces = [piece for w, (n, *_) in zip(ours.weights, ours.runs, strict=True) for piece in w.chunk(n)]

    def compute(x: Tensor, weights: list[Tensor]) -> Tensor:
        parts = zip(x.split(sizes, dim=1), weights, strict=True)
        return torch.cat([F.conv2d(part, w, padding=1) for part, w in parts], dim=1)

    return compute, pieces


FORM = {"grouped_nchw": grouped, "grouped_channels_last": grouped, "dense": dense, "loop": loop}
