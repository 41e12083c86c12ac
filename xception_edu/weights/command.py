"""`python -m xception_edu import-weights`: somebody's weight file, written as ours."""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from xception_edu import checks
from xception_edu.weights.load import SOURCES, read_weights, save_weights
from xception_edu.weights.predict import class_names


def command(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Read the one file and write the other; exit status 0."""
    parser.description = (
        "Read the weights of Xception or Inception V3 from a file of Keras, timm, torchvision or"
        " Cadene; write ours."
    )
    parser.add_argument(
        "file", help=".weights.h5, .keras, .h5, .pth or .safetensors, or a checkpoint of `train`"
    )
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
    parser.add_argument(
        "--ema", action="store_true", help="take the file's average of the weights (EMA)"
    )
    parser.add_argument(
        "--labels", help="text file with one class name a line, which the new file then brings"
    )
    args = parser.parse_args(argv)
    if not args.out.endswith(".safetensors"):
        parser.error(f"argument --out: is {args.out!r}, but must end in .safetensors")
    model, notes = read_weights(
        args.file, source=args.source, include_top=not args.no_top, ema=args.ema
    )
    if args.no_top:  # another classifier will have other classes
        notes = replace(notes, classes=None, multi_label=False)
    if args.labels is not None:
        classes = class_names(model.config.num_classes, args.labels)
        notes = replace(notes, classes=tuple(classes))
    save_weights(model, args.out, notes=notes.to_metadata())
    print(checks.printable(args.out))
    return 0
