"""What a race says: ratios of throughput, each the median over rounds, between bounds that hold it.
[standard library only]
"""

import math
import statistics
from collections.abc import Mapping, Sequence

from experiments.race_settings import ALL, COMPILED

Times = Mapping[tuple[str, str], Sequence[float]]  # milliseconds of every round, by who and way


def ratio(slow: Sequence[float], quick: Sequence[float]) -> dict[str, float]:
    """How many times as fast `quick` is: the median of the rounds' own ratios, and `low` and
    `high`, which hold the true median with 95 % or more.
    """
    ratios = sorted(a / b for a, b in zip(slow, quick, strict=True))
    left = outside(len(ratios))
    return {
        "ratio": round(statistics.median(ratios), 3),
        "low": round(ratios[left], 3),
        "high": round(ratios[-1 - left], 3),
    }


def outside(rounds: int, share: float = 0.95) -> int:
    """How many of the lowest ratios, and of the highest, may be left out so that the others still
    hold the true median with this probability: the median is above a ratio or below, like a coin.

    0 where even all of them hold it with less (five rounds: 94 %).
    """
    left = 0
    while 1 - 2 * sum(math.comb(rounds, k) for k in range(left + 2)) / 2**rounds >= share:
        left += 1
    return left


def best(times: Times, who: str) -> str:
    """The way in which a contender was fastest."""
    ways = {way: statistics.median(taken) for (name, way), taken in times.items() if name == who}
    return min(ways, key=lambda way: ways[way])


def comparisons(times: Times) -> list[dict]:
    """Our throughput over each peer's: both by default, and both at their best."""
    found = []
    ours = best(times, "ours")
    for peer in sorted({who for who, _ in times} - {"ours"}):
        way = best(times, peer)
        found.append(
            {
                "peer": peer,
                "default": ratio(times[peer, "default"], times["ours", "default"]),
                "best": {"ours": ours, "peer": way} | ratio(times[peer, way], times["ours", ours]),
            }
        )
    return found


def gains(times: Times) -> list[dict]:
    """How many times as fast each setting alone makes a contender, and all of them, over its own
    default: a row a way, a column a contender that has it.
    """
    ways = list(dict.fromkeys(way for _, way in times if way != "default"))
    ways.sort(key=lambda way: (ALL, COMPILED).index(way) if way in (ALL, COMPILED) else -1)
    found = []
    for way in ways:
        names = [who for who, name in times if name == way]
        gain = {who: ratio(times[who, "default"], times[who, way]) for who in names}
        found.append({"way": way, **gain})
    return found
