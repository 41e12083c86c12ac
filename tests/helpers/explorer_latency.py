"""The latencies of the explorers as they were recorded, and what they may be at most; measured by
tests/browser.
"""

import json
from pathlib import Path

FILE = Path(__file__).parents[2] / "results" / "explorer_latency.json"
FIRST = 1500  # milliseconds to the first picture
MOVE = 50  # milliseconds that the 95th percentile of moves may take, of any explorer
HEADINGS = (
    "explorer",
    "median, ms",
    "95th percentile",
    "first picture",
    "`interact`: median",
    "its 95th percentile",
)


def most(name):
    """Milliseconds that the 95th percentile of an explorer's moves may take where nothing else
    runs.
    """
    return 20 if name == "segments_explorer" else MOVE


def rows(record):
    """The table of a record, a row an explorer in the order of HEADINGS: how a README may
    show it.
    """
    return [
        (
            name.removesuffix("_explorer"),
            f"{found['median_ms']:.1f}",
            f"{found['p95_ms']:.1f}",
            f"{found['first_appearance_ms']:,}",
            f"{found['plain_interact']['median_ms']:,.0f}",
            f"{found['plain_interact']['p95_ms']:,.0f}",
        )
        for name, found in record["explorers"].items()
    ]


def read():
    """The record."""
    return json.loads(FILE.read_text(encoding="utf-8"))
