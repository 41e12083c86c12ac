"""Command line: python -m xception_edu {costs,figures,...}. Exit status 2 and one line where an
argument is wrong.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from xception_edu import checks

# Every command: the module whose `command(parser, argv)` runs it, loaded when called; what it does.
COMMANDS = {
    "costs": ("commands.costs", "Count a network by hand, layer by layer and in total."),
    "figures": ("plots.command", "Draw every figure, or with --check say which file differs."),
    "notebooks": ("commands.notebooks", "Write the course's notebooks into a folder."),
    "lab": ("commands.lab", "Open the course in JupyterLab, on this computer only."),
    "train": ("commands.train", "Train a small Xception on real images."),
    "sweep": ("sweep.command", "Run a plan of many trainings, and go on where it was left."),
    "evaluate": (
        "training.evaluate",
        "Top-1, top-5 and loss of a run's checkpoint on images that it was not trained on.",
    ),
    "predict": (
        "weights.predict",
        "The five likeliest classes of each image, with their probabilities.",
    ),
    "import-weights": ("weights.command", "Write somebody's weight file as ours."),
    "benchmark": ("benchmark.command", "Measure times on this machine; write JSON to results/."),
}


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and one line on standard error."""
        self.exit(2, f"{checks.line(f'{self.prog}: error: {message}')}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. What the library answers to a wrong argument becomes the
    one line on standard error.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = _parser().parse_args(arguments[:1]).command
    module, summary = COMMANDS[command]
    parser = Parser(
        prog=f"python -m xception_edu {command}", description=summary, allow_abbrev=False
    )
    try:
        status: int = import_module(f"xception_edu.{module}").command(parser, arguments[1:])
        sys.stdout.flush()
        return status
    except ValueError as error:
        parser.error(str(error))
    # the reader, `head` say, has seen enough; what is still buffered has nowhere to go
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> Parser:
    """What reads the command's name, and lists all of them."""
    lines = [f"  {name:16}{summary}" for name, (_, summary) in COMMANDS.items()]
    parser = Parser(
        prog="python -m xception_edu",
        description="Xception made movable: count, draw, read, train, predict, measure.",
        epilog="\n".join(["commands (`COMMAND --help` explains each):", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="command", help="what to do")
    return parser


if __name__ == "__main__":
    sys.exit(main())
