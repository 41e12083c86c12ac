"""`python -m xception_edu notebooks`: the course, from the installed package, as files."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from xception_edu.benchmark.machine import ROOT
from xception_edu.commands import badges
from xception_edu.exercises import editions

MISCONCEPTIONS = "misconceptions.md"  # all of them, which would tell students the answers


def command(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Write them, and say on standard error which files were there and stay; exit status 0."""
    parser.add_argument("--out", required=True, help="folder for the notebooks; made if missing")
    parser.add_argument(
        "--force", action="store_true", help="overwrite what is there, a learner's changes too"
    )
    parser.add_argument(
        "--for",
        dest="edition",
        choices=editions.EDITIONS,
        help="students: without outputs and solutions; teachers: with both, graded by nbgrader",
    )
    parser.add_argument(
        "--repository",
        metavar="OWNER/NAME",
        help="the project's repository on GitHub: every notebook gets badges that open it, from"
        " notebooks/ there, on mybinder.org and in Colab",
    )
    args = parser.parse_args(argv)
    written, kept = write(
        args.out, force=args.force, edition=args.edition, repository=args.repository
    )
    if kept:
        names = ", ".join(kept)
        print(f"{args.out}: {names}: already there, kept (--force overwrites)", file=sys.stderr)
    for name in written:
        print(Path(args.out) / name)
    return 0


def shipped() -> list[Path]:
    """The notebooks of the course, in their order: in the package, where it was installed from a
    wheel, or else in the repository.
    """
    installed = Path(str(resources.files("xception_edu"))) / "notebooks"
    folder = installed if installed.is_dir() else ROOT / "notebooks"
    return sorted(folder.glob("*.ipynb"))


def content_of(notebook: Path, edition: str | None = None, repository: str | None = None) -> bytes:
    """A notebook as it is shipped, or as an edition for "students" or "teachers" has it; with
    badges if a repository is named.
    """
    content = notebook.read_bytes()
    if edition is None and repository is None:
        return content
    cells = json.loads(content)
    if edition is not None:
        (editions.for_students if edition == "students" else editions.for_teachers)(cells)
    if repository is not None:
        badges.put(cells, repository, notebook.name)
    text = json.dumps(cells, indent=1, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode()


def files_of(
    edition: str | None = None, repository: str | None = None
) -> Iterator[tuple[str, bytes]]:
    """Every file of an edition, by its name."""
    for notebook in shipped():
        yield notebook.name, content_of(notebook, edition, repository)
    if edition != "students":
        yield MISCONCEPTIONS, (shipped()[0].parent / MISCONCEPTIONS).read_bytes()
    if edition == "teachers":
        yield "nbgrader_config.py", editions.NBGRADER_CONFIG.encode()


def write(
    out: str | os.PathLike[str],
    *,
    force: bool = False,
    edition: str | None = None,
    repository: str | None = None,
) -> tuple[list[str], list[str]]:
    """Names of the files that were written into the folder, and of those that stay as they are
    since something else has their name: the notebooks, the page of misconceptions unless for
    students, and for teachers nbgrader's configuration.

    ValueError if the folder cannot be written to.

    Args:
        out: the folder; made if missing.
        force: whether to overwrite what is there.
        edition: "students" or "teachers"; None: as the notebooks are shipped.
        repository: OWNER/NAME on GitHub, where the badges of each notebook open it; None: none.
    """
    if repository is not None:
        badges.checked(repository)
    written, kept = [], []
    try:
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files_of(edition, repository):
            target = folder / name
            if target.exists() and target.read_bytes() == content:
                continue
            if target.exists() and not force:
                kept.append(name)
                continue
            target.write_bytes(content)
            written.append(name)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"out is {os.fspath(out)!r}, but must be a folder that can be written to ({reason})"
        ) from None
    return written, kept
