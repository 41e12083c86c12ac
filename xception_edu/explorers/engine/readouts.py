"""The numbers below an explorer's pictures: how they are written, and by their names:
`explorer["MACs"]`.
"""

import re
from collections.abc import Mapping, Sequence

from xception_edu import checks

Value = int | float | str
LEAST = 0.001  # of a share that is written out
LESS = f"<{LEAST:.1%}"
NUMBER = re.compile(r"−?[\d,]+(\.\d+)?%?")


def in_percent(part: float) -> str:
    """A share in percent, to a tenth: "12.3%"; "<0.1%" for less, and "0%" for nothing at all."""
    if 0 < part < LEAST:
        return LESS
    return f"{part:.1%}" if part else "0%"


def extent(*sides: int) -> str:
    """Sides of a map with a multiplication sign: 8×8×2,048."""
    return "×".join(f"{side:,}" for side in sides)


def named(columns: Sequence[Sequence[str]], values: Sequence[object]) -> dict[str, object]:
    """Each value by its column's label; where two columns have one label, by label and unit."""
    labels = [label for label, _ in columns]
    names = [label if labels.count(label) == 1 else f"{label} {unit}" for label, unit in columns]
    return dict(zip(names, values, strict=True))


def look_up(readouts: Mapping[str, object], name: object) -> Value | tuple[Value, ...]:
    """The readout of that name: a number where the explorer shows one, a tuple where it shows
    several, as "61% | 60%" and "19×19×728"; ValueError for a name that no readout has.
    """
    checks.one_of("name", name, list(readouts))
    shown = readouts[str(name)]
    if isinstance(shown, int | float):
        return shown
    text = str(shown)
    parts = [_value(part) for part in re.split(r" \| |×", text)]
    if len(parts) == 1 or not all(isinstance(part, int | float) for part in parts):
        return _value(text)
    return tuple(parts)


def _value(text: str) -> Value:
    """A number of a readout; "61%" is 0.61, "<0.1%" is 0, and what is no number stays text."""
    if text == LESS:
        return 0.0
    if not NUMBER.fullmatch(text):
        return text
    plain = text.replace(",", "").replace("−", "-")
    if plain.endswith("%"):
        return round(float(plain[:-1]) / 100, 6)
    return float(plain) if "." in plain else int(plain)
