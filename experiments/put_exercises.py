"""Put the exercises into the notebooks, and write the page of misconceptions, from their data.

    python experiments/put_exercises.py           writes them
    python experiments/put_exercises.py --check   writes nothing; status 1 if a file differs

The outputs of the exercises' cells are written, too: a stub that is not filled in says so. No cell
is run, so all other outputs stay.
"""

import json
import pathlib
import sys

from xception_edu.exercises import EXERCISES, cells
from xception_edu.exercises.exercise import Exercise

ROOT = pathlib.Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
PAGE = NOTEBOOKS / "misconceptions.md"


def exercises_of(path: pathlib.Path) -> list[Exercise]:
    """The exercises of a notebook, by the number that its name begins with."""
    number = path.stem.partition("_")[0]
    return [one for one in EXERCISES.values() if one.notebook == number]


def with_exercises(path: pathlib.Path) -> str:
    """A notebook's text with its exercises."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells.put(notebook, exercises_of(path))
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def page() -> str:
    """All misconceptions, by notebook: name, what the check answers, the exercise that ends it."""
    count = sum(len(one.misconceptions) for one in EXERCISES.values())
    lines = [
        f"# {count} misconceptions, and the notebook that ends each",
        "",
        "<!-- written by experiments/put_exercises.py -->",
        f"Wrong answers that people give to the {len(EXERCISES)} exercises of the course. A check"
        " recognizes each, and answers what stands beside it.",
    ]
    for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        if exercises_of(path):
            title = json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"][0]
            lines += ["", f"## [{title.removeprefix('# ').strip()}]({path.name}#cell-id=exercises)"]
        for one in exercises_of(path):
            link = f"{path.name}#cell-id=task-{one.name}"
            ended = f"[notebook {one.notebook.removeprefix('0')}]({link})"
            lines += ["", f"**[{one.title}]({link})**", ""]
            lines += ["| misconception | answer | ended by |", "|---|---|---|"]
            for wrong in one.misconceptions:
                lines.append(f"| {_cell(wrong.name)} | {_cell(wrong.says)} | {ended} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write what differs, or with --check only name it."""
    texts = {path: with_exercises(path) for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))}
    texts[PAGE] = page()
    changed = [p for p in texts if not p.exists() or p.read_text(encoding="utf-8") != texts[p]]
    for path in changed:
        print(path.relative_to(ROOT))
        if "--check" not in sys.argv:
            path.write_text(texts[path], encoding="utf-8")
    return int(bool(changed) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
