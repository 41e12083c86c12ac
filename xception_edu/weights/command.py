"""`python -m xception_edu import-weights`: somebody's weight file, written as ours."""

import argparse
from collections.abc import Sequence

from xception_edu.weights.load import SOURCES, import_weights, save_weights


def command(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Read the one file and write the other; exit status 0."""
    parser.description = (
        "Read the weights of Xception or Inception V3 from a file of Keras, timm, torchvision or"
        " Cadene; write ours."
    )
    parser.add_argument("file", help=".weights.h5, .keras, .h5, .pth or .safetensors")
    parser.add_argument("--out", required=True, help=".safetensors file to write")
    parser.add_argument(
        "--from",
        dest="source",
        choices=SOURCES,
        help="whose file it is (default: as its keys say)",
    )
    parser.add_argument(
        "--no-top", action="store_true", help="leave the classifier at its initial weights"
    )
    args = parser.parse_args(argv)
    if not args.out.endswith(".safetensors"):
        parser.error(f"argument --out: is {args.out!r}, but must end in .safetensors")
    model = import_weights(args.file, source=args.source, include_top=not args.no_top)
    save_weights(model, args.out)
    print(args.out)
    return 0
