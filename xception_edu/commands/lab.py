"""`python -m xception_edu lab`: the course, opened in JupyterLab."""

import argparse
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

from xception_edu.commands import notebooks

FOLDER = "xception_edu_notebooks"


def command(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Write the notebooks that are not there yet and run JupyterLab until it is stopped; exit
    status 0.
    """
    parser.usage = "%(prog)s [-h] [--dir DIR] [-- ARGUMENT ...]"
    parser.epilog = "What stands after -- goes to JupyterLab, such as -- --ServerApp.port=8889."
    parser.add_argument(
        "--dir",
        default=FOLDER,
        help=f"folder of the notebooks; missing ones are written, others kept (default: {FOLDER})",
    )
    ours, theirs = _split(argv)
    folder = Path(parser.parse_args(ours).dir)
    if importlib.util.find_spec("jupyterlab") is None:
        raise ValueError("jupyterlab is not installed, but must be for lab: pip install jupyterlab")
    notebooks.write(folder)
    trust(folder)
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance([str(folder), "--ServerApp.ip=127.0.0.1", *_as_root(), *theirs])
    return 0


def trust(folder: Path) -> None:
    """Tell Jupyter that the course's notebooks may run what they saved, so that explorers move
    before a cell is run. Notebooks that a learner changed are trusted as JupyterLab saved them.
    """
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for notebook in notebooks.shipped():
        notary.sign(nbformat.read(notebook, as_version=4))


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before the first --, and what stands after it."""
    end = argv.index("--") if "--" in argv else len(argv)
    return list(argv[:end]), list(argv[end + 1 :])


def _as_root() -> list[str]:
    """Root, as in a container, has to be told to Jupyter."""
    return ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
