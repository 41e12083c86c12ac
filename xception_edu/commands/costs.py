"""`python -m xception_edu costs`: what a network costs, ours by hand, any other by machine."""

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
        "Parameters, MACs, activations and traffic of a network, layer by layer: one of ours,"
        " counted by hand, or with --module your own, counted by machine."
    )
    parser.add_argument(
        "name",
        nargs="?",
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
    parser.add_argument(
        "--module",
        metavar="PACKAGE.MODULE:FUNCTION",
        help="your own network, instead of a name: this RUNS that code, found in the current"
        " folder or among what is installed; FUNCTION() returns an nn.Module",
    )
    parser.add_argument(
        "--input", metavar="C,H,W", help="one image of --module: channels,height,width"
    )
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")
    args = parser.parse_args(argv)
    _refuse_what_does_not_belong(parser, args)
    text = _measured(args) if args.module is not None else _by_hand(args)
    print(text.rstrip("\n"))
    return 0


def _refuse_what_does_not_belong(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Exit with one line where an argument is of the other way to name a network."""
    if args.module is None:
        if args.name is None:
            parser.error(
                f"argument name: is left out: give one of {', '.join(DEFAULT_INPUT_SIZE)}, or"
                " --module"
            )
        if args.input is not None:
            parser.error(
                f"argument --input: is {args.input!r}, but goes with --module only: for"
                f" {args.name} give --input-size"
            )
    else:
        of_ours = {"name": args.name, "--input-size": args.input_size, "--segments": args.segments}
        for name, value in of_ours.items():
            if value is not None:
                parser.error(
                    f"argument {name}: is {value!r}, but does not go with --module: leave it out"
                )
        if args.input is None:
            parser.error("argument --input: is left out: --module needs it, such as 3,224,224")
    if args.segments is not None and args.name not in ("xception", "module"):
        parser.error(
            f"argument --segments: is {args.segments!r}, but {args.name} has no segments: leave"
            " it out"
        )


def _by_hand(args: argparse.Namespace) -> str:
    """The costs of a network of ours."""
    size = DEFAULT_INPUT_SIZE[args.name] if args.input_size is None else args.input_size
    layers = layers_of(args.name, size, "channels" if args.segments is None else args.segments)
    write = {"table": costs.as_table, "json": costs.as_json, "csv": costs.as_csv}[args.format]
    return write(args.name, layers)


def _measured(args: argparse.Namespace) -> str:
    """The costs of the network that --module names."""
    # here, since counting by hand needs no torch
    from xception_edu.commands import measured

    return measured.as_text(args.module, args.input, args.format)


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
