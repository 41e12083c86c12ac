"""Command line: python -m xception_edu {costs,figures,...}. Exit status 2 and one line where an
argument is wrong.
"""

import argparse
import io
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    "sweep": (
        "training.sweep.command",
        "Run a plan of many trainings, and go on where it was left.",
    ),
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
    """Run one command; its exit status. What goes wrong becomes the one line on standard error;
    with --verbose, more lines say all that it leaves out.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    verbose, arguments = _verbose(arguments)
    parser = _parser()
    _escape_what_cannot_be_encoded()
    try:
        with _flushed_output():
            command = parser.parse_args(arguments[:1]).command
            module, summary = COMMANDS[command]
            parser = Parser(
                prog=f"{parser.prog} {command}", description=summary, allow_abbrev=False
            )
            parser.add_argument("--verbose", action="store_true", help="say all about an error")
            status: int = import_module(f"xception_edu.{module}").command(parser, arguments[1:])
            return status
    # the reader, `head` say, has seen enough
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        if verbose:
            _print_all(error)
        parser.error(checks.in_words(error))


def _verbose(argv: Sequence[str]) -> tuple[bool, list[str]]:
    """Whether --verbose is among the arguments, and the others; what follows -- is not ours."""
    end = argv.index("--") if "--" in argv else len(argv)
    ours = [argument for argument in argv[:end] if argument != "--verbose"]
    return len(ours) < end, [*ours, *argv[end:]]


def _escape_what_cannot_be_encoded() -> None:
    """Let what the output's encoding lacks, or no encoding has, be written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _flushed_output() -> Iterator[None]:
    """Write what is still buffered. Where that fails it goes nowhere, rather than fail once more
    when Python ends.
    """
    try:
        yield
    finally:
        try:
            if sys.stdout is not None and not sys.stdout.closed:
                sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise


def _print_all(error: Exception) -> None:
    """What the one line leaves out: the whole list, or where in the program it went wrong."""
    if isinstance(error, ValueError):
        for line in checks.details_of(error):
            print(checks.printable(line), file=sys.stderr)
    else:
        traceback.print_exception(error)


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
