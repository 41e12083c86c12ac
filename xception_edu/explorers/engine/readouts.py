"""The numbers below an explorer's pictures, by their names: `explorer["MACs"]`."""

import re
from collections.abc import Mapping, Sequence

from xception_edu import checks

Value = int | float | str
NUMBER = re.compile(r"−?[\d,]+(\.\d+)?%?")


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
    """A number of a readout; "61%" is 0.61, and what is no number stays text."""
    if not NUMBER.fullmatch(text):
        return text
    plain = text.replace(",", "").replace("−", "-")
    if plain.endswith("%"):
        return round(float(plain[:-1]) / 100, 6)
    return float(plain) if "." in plain else int(plain)
