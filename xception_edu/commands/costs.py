"""`python -m xception_edu costs`: what a network costs, counted by hand."""

import argparse
from collections.abc import Sequence

from xception_edu import architectures, costs
from xception_edu.specs import Shape

DEFAULT_INPUT_SIZE = {
    "xception": 299,
    "inception_v3": 299,
    "inception_v3_paper": 299,
    "vgg16": 224,
    "module": 19,
}


def command(parser: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Print parameters, MACs, activations and traffic, layer by layer and in total; exit status
    0.
    """
    parser.description = (
        "Parameters, MACs, activations and traffic of a network, layer by layer, counted by hand."
    )
    parser.add_argument(
        "name",
        choices=DEFAULT_INPUT_SIZE,
        help="which network; `module` is the paper's module at 728 channels",
    )
    parser.add_argument(
        "--input-size",
        type=_integer,
        help=f"side of the image in pixels (default: {DEFAULT_INPUT_SIZE})",
    )
    parser.add_argument(
        "--segments",
        type=_segments,
        help="1 is regular, `channels` is depthwise (default); of xception and module",
    )
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")
    args = parser.parse_args(argv)
    if args.segments is not None and args.name not in ("xception", "module"):
        parser.error(
            f"argument --segments: is {args.segments!r}, but {args.name} has no segments: leave"
            " it out"
        )
    size = DEFAULT_INPUT_SIZE[args.name] if args.input_size is None else args.input_size
    layers = layers_of(args.name, size, "channels" if args.segments is None else args.segments)
    write = {"table": costs.as_table, "json": costs.as_json, "csv": costs.as_csv}[args.format]
    print(write(args.name, layers).rstrip("\n"))
    return 0


def layers_of(name: str, size: int, segments: int | str) -> architectures.Layers:
    """The layers of the network of this name, for images of size x size pixels."""
    if name == "xception":
        return architectures.xception(architectures.XceptionConfig(segments=segments), size)
    if name == "module":
        pieces = 728 if segments == "channels" else segments
        config = architectures.ModuleConfig(728, 728, pieces)
        return architectures.module(config, Shape(728, size, size))
    if name == "vgg16":
        return architectures.vgg(architectures.VGGConfig(input_size=size))
    variant = "paper_count" if name == "inception_v3_paper" else "standard"
    return architectures.inception_v3(architectures.InceptionV3Config(variant=variant), size)


def _integer(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"is {value!r}, but must be an integer of at least 1"
        ) from None


def _segments(value: str) -> int | str:
    return value if value == "channels" else _integer(value)
