"""`python -m xception_edu figures`: every figure as a file."""

import argparse
from collections.abc import Sequence

from xception_edu.plots import gallery


def command(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Draw the figures, or compare a folder's with them; exit status 1 if one differs."""
    parser.description = "Draw the figures anew, as SVG, and what moves as WebP."
    parser.add_argument("--out", required=True, help="folder for the files; made if missing")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit with status 1 if a file in the folder differs",
    )
    args = parser.parse_args(argv)
    return gallery.check(args.out) if args.check else gallery.write(args.out)
