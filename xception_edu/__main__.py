"""Command line: python -m xception_edu {costs,figures,...}. Exit status 2 and one line where an argument is wrong."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from xception_edu import architectures, checks, costs
from xception_edu.specs import Shape

DEFAULT_INPUT_SIZE = {"xception": 299, "inception_v3": 299, "inception_v3_paper": 299, "vgg16": 224, "module": 19}


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and one line on standard error."""
        self.exit(2, f"{checks.line(f'{self.prog}: error: {message}')}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. What the library answers to a wrong argument becomes the one line on standard error."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _parser("", "Xception made movable: count, draw, train, predict, measure.")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    lines = (f"  {name:16}{(run.__doc__ or name).splitlines()[0]}" for name, run in COMMANDS.items())
    parser.epilog = "\n".join(["commands (`COMMAND --help` explains each):", *lines])
    parser.add_argument("command", choices=COMMANDS, metavar="command", help="what to do")
    command = parser.parse_args(arguments[:1]).command
    try:
        status = COMMANDS[command](arguments[1:])
        sys.stdout.flush()
        return status
    except ValueError as error:
        Parser(prog=f"{parser.prog} {command}").error(str(error))
    except BrokenPipeError:  # the reader, `head` say, has seen enough; what is still buffered has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser(command: str, description: str) -> Parser:
    return Parser(prog=f"python -m xception_edu {command}".rstrip(), description=description, allow_abbrev=False)


def _integer(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"is {value!r}, but must be an integer of at least 1") from None


def _segments(value: str) -> int | str:
    return value if value == "channels" else _integer(value)


def run_costs(argv: Sequence[str]) -> int:
    """Print what a network costs, layer by layer and in total."""
    parser = _parser("costs", "Parameters, MACs, activations and traffic of a network, layer by layer, counted by hand.")
    parser.add_argument(
        "name", choices=DEFAULT_INPUT_SIZE, help="which network; `module` is the paper's module at 728 channels"
    )
    parser.add_argument("--input-size", type=_integer, help=f"side of the image in pixels (default: {DEFAULT_INPUT_SIZE})")
    parser.add_argument(
        "--segments", type=_segments, help="1 is regular, `channels` is depthwise (default); of xception and module"
    )
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")
    args = parser.parse_args(argv)
    size = DEFAULT_INPUT_SIZE[args.name] if args.input_size is None else args.input_size
    segments = "channels" if args.segments is None else args.segments
    if args.name == "xception":
        layers = architectures.xception(architectures.XceptionConfig(segments=segments), size)
    elif args.name == "module":
        pieces = 728 if segments == "channels" else segments
        layers = architectures.module(architectures.ModuleConfig(728, 728, pieces), Shape(728, size, size))
    elif args.segments is not None:
        parser.error(f"argument --segments: is {args.segments!r}, but {args.name} has no segments: leave it out")
    elif args.name.startswith("inception_v3"):
        variant = "standard" if args.name == "inception_v3" else "paper_count"
        layers = architectures.inception_v3(architectures.InceptionV3Config(variant=variant), size)
    else:
        layers = architectures.vgg(architectures.VGGConfig(input_size=size))
    write = {"table": costs.as_table, "json": costs.as_json, "csv": costs.as_csv}[args.format]
    print(write(args.name, layers).rstrip("\n"))
    return 0


def run_figures(argv: Sequence[str]) -> int:
    """Draw every figure as SVG, or with --check say which committed file differs."""
    from xception_edu.plots import gallery

    parser = _parser("figures", "Draw the paper's figures and the cost curves anew, as SVG.")
    parser.add_argument("--out", required=True, help="folder for the files; made if missing")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with status 1 if a file in the folder differs"
    )
    args = parser.parse_args(argv)
    return gallery.check(args.out) if args.check else gallery.write(args.out)


def run_train(argv: Sequence[str]) -> int:
    """Train a recipe."""
    from xception_edu import train

    return train.command(argv)


def run_evaluate(argv: Sequence[str]) -> int:
    """Print how good a checkpoint is on images that it was not trained on."""
    from xception_edu import evaluate

    return evaluate.command(_parser("evaluate", "Top-1, top-5 and loss of a run's checkpoint on held-out images."), argv)


def run_predict(argv: Sequence[str]) -> int:
    """Print the five likeliest classes of every image."""
    from xception_edu import predict

    return predict.command(_parser("predict", "The five likeliest classes of each image, with their probabilities."), argv)


def run_benchmark(argv: Sequence[str]) -> int:
    """Measure this machine and write what was found as JSON."""
    from xception_edu.benchmark import command

    return command.command(_parser("benchmark", "Measure times on this machine; write JSON to results/."), argv)


def run_import_weights(argv: Sequence[str]) -> int:
    """Write somebody's weight file as ours."""
    from xception_edu import weights

    parser = _parser(
        "import-weights",
        "Read the weights of Xception or Inception V3 from a file of Keras, timm, torchvision or Cadene; write ours.",
    )
    parser.add_argument("file", help=".weights.h5, .keras, .h5, .pth or .safetensors")
    parser.add_argument("--out", required=True, help=".safetensors file to write")
    parser.add_argument("--from", dest="source", choices=weights.SOURCES, help="whose file it is (default: as its keys say)")
    parser.add_argument("--no-top", action="store_true", help="leave the classifier at its initial weights")
    args = parser.parse_args(argv)
    if not args.out.endswith(".safetensors"):
        parser.error(f"argument --out: is {args.out!r}, but must end in .safetensors")
    weights.save_weights(weights.import_weights(args.file, source=args.source, include_top=not args.no_top), args.out)
    print(args.out)
    return 0


COMMANDS = {
    "costs": run_costs,
    "figures": run_figures,
    "train": run_train,
    "evaluate": run_evaluate,
    "predict": run_predict,
    "import-weights": run_import_weights,
    "benchmark": run_benchmark,
}

if __name__ == "__main__":
    sys.exit(main())
