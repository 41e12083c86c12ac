"""A row of segments_latency.json: every key, and what it means."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a row counts and does not time, of the whole batch."""

    macs: int
    params: int
    bytes: int  # fewest that must move in a forward pass
    intensity: float  # MACs a byte
    # The roofline's time of the forward pass; of training thrice that, since each of the two
    # gradients costs as much again.
    attainable_ms: float


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Map, number type and mode of a row."""

    channels: int
    side: int
    dtype: str
    mode: str  # "forward", or "training": with backward, to map and weights


@dataclass(frozen=True, kw_only=True)
class SegmentCase(Costs, Setting):
    """A row of `cases`: one number of segments in one setting and layout."""

    segments: int
    divides: bool  # the channels
    layout: str  # of the map that comes in: nchw or channels_last
    # Times by the way to compute it; one that wants the other layout converts its input.
    #   grouped_nchw           torch's grouped convolution (three at most, if uneven), maps in NCHW
    #   grouped_channels_last  the same, maps in channels_last
    #   dense                  one regular convolution with the block-diagonal weight, made before
    #   loop                   a convolution a segment, one after another
    #   ours                   SegmentedConv2d; `takes` is the algorithm that it chose
    # Of one segment, dense and loop are the grouped one. The dense one's time does not depend on
    # the segments: beyond 8, unless ours is it, that of one is repeated (`"repeated": true`).
    forms: dict[str, dict]
    best: str  # the fastest of the first four
    ratio: float  # time of ours over that: median over rounds, each against its own
    # Time of the algorithm that ours chose, run by itself, over the fastest: 1 where it chose
    # well. What `ratio` has beyond it is the choice's own time, and chance.
    regret: float
    ratio_converted: float  # as `ratio`, over the fastest whose input comes in the layout it wants
    fraction: float  # attainable_ms over the time of ours
