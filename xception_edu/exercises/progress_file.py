"""What a learner has done, kept in one small file beside the notebooks and never sent anywhere."""

import html
import json
import os
from collections.abc import Iterable
from pathlib import Path

from xception_edu.exercises.exercise import Exercise, Verdict

FILE = "progress.json"
GUESSES = "guesses"  # the entry that has no exercise's name


def path() -> Path:
    """The file: in the current folder, or where XCEPTION_EDU_PROGRESS says."""
    return Path(os.environ.get("XCEPTION_EDU_PROGRESS", FILE))


def read() -> dict[str, dict[str, object]]:
    """What is known of each exercise: tries, and whether it is done; a damaged file is none."""
    try:
        found = json.loads(path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: entry for name, entry in found.items() if isinstance(entry, dict)}


def note(verdict: Verdict) -> None:
    """Write down a try; where nothing can be written, nothing is."""
    if not verdict.filled:
        return
    known = read()
    before = known.get(verdict.exercise, {})
    tries = before.get("tries", 0)
    known[verdict.exercise] = {
        "tries": (tries if isinstance(tries, int) else 0) + 1,
        "done": verdict.right or before.get("done") is True,
    }
    _write(known)


def guess(name: str) -> float | None:
    """The guess that was kept under this name, or None."""
    found = read().get(GUESSES, {}).get(name)
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if is_number else None  # type: ignore[arg-type]


def keep_guess(name: str, value: float) -> None:
    """Keep a guess beside what is done; where nothing can be written, nothing is."""
    known = read()
    known[GUESSES] = {**known.get(GUESSES, {}), name: value}
    _write(known)


def _write(known: dict[str, dict[str, object]]) -> None:
    """Write the file beside the old one, which it then replaces."""
    temporary = path().with_name(f"{path().name}.tmp")
    try:
        temporary.write_text(json.dumps(known, indent=1, sort_keys=True), encoding="utf-8")
        temporary.replace(path())
    except OSError:  # a folder that cannot be written, on a server say: the verdict stands
        return


class Progress:
    """What is done, as a table: a row a notebook, a mark an exercise."""

    def __init__(self, exercises: Iterable[Exercise]):
        self.exercises, self.known = list(exercises), read()

    def mark(self, exercise: Exercise) -> str:
        """A mark: done, tried, or not begun."""
        entry = self.known.get(exercise.name)
        if entry is None:
            return "○"
        return "●" if entry.get("done") is True else "◐"

    @property
    def done(self) -> int:
        """How many exercises are done."""
        return sum(self.mark(exercise) == "●" for exercise in self.exercises)

    def rows(self) -> dict[str, list[Exercise]]:
        """The exercises by the number of their notebook."""
        rows: dict[str, list[Exercise]] = {}
        for exercise in self.exercises:
            rows.setdefault(exercise.notebook, []).append(exercise)
        return rows

    def __repr__(self) -> str:
        lines = [f"{self.done} of {len(self.exercises)} exercises are done (● done, ◐ tried)"]
        for number, row in self.rows().items():
            lines.append(f"{number}  {' '.join(self.mark(one) for one in row)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><td>{number}</td><td>{'<br>'.join(map(self._described, row))}</td></tr>"
            for number, row in self.rows().items()
        ]
        head = f"{self.done} of {len(self.exercises)} exercises are done"
        return f"<p>{head} (● done, ◐ tried, ○ not begun)</p><table>{''.join(rows)}</table>"

    def _described(self, exercise: Exercise) -> str:
        return f"{self.mark(exercise)} {html.escape(exercise.title)} <code>{exercise.name}</code>"
