"""What is said of a data set that does not fit: one line that begins with "data" and the place."""

from collections.abc import Sequence

from xception_edu import checks


def refusal(where: str, what: str) -> ValueError:
    """A ValueError that names the place and, in words that follow "but", what is wrong."""
    return ValueError(checks.line(f"data is {checks.shown(where)}, but {what}"))


def shown_names(names: Sequence[str]) -> str:
    """The first three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(checks.shown, names[:3])) + more
