"""Flags of `train`: one for each field of a recipe, of its model, and of the options of a run.

Words are read as JSON where they are any; what is wrong with them the fields' own checks say.
"""

import argparse
import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

from xception_edu import checks
from xception_edu.checks import fields
from xception_edu.checks.fields import Bounds, Field, fields_of
from xception_edu.configs import XceptionConfig
from xception_edu.data.image_files import MAX_PIXELS
from xception_edu.recipes import RECIPES, Recipe
from xception_edu.training.run_folder import saved_recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a run is told beside its recipe: nothing in it changes what is computed."""

    recipe: Annotated[str | None, f"the defaults of all that follows: {', '.join(RECIPES)}"] = None
    out: Annotated[str, "folder for config.json, metrics.jsonl and checkpoints/"] = ""
    resume: Annotated[bool, "go on with the run in --out; its recipe is taken from there"] = False
    dry_run: Annotated[bool, "train nothing; print size, memory, steps and time"] = False
    device: Annotated[str | None, "such as cpu or cuda; left out: the GPU if there is one"] = None
    data: Annotated[
        str | None,
        "DIR with DIR/CLASS/..., or DIR/train/CLASS/... and the same below DIR/val, valid,"
        " validation or test; DIR with metadata.jsonl, .csv or .parquet (file_name, label of each"
        " image); .parquet files, a DIR of them or TRAIN,TEST; a DIR of .tar shards (webdataset);"
        " hf://OWNER/NAME[:CONFIGURATION] on the hub. Hidden and system folders are left out,"
        " linked ones followed; a line says what is used and what is left out. Not for digits and"
        " photos",
    ] = None
    skip_corrupt: Annotated[bool, "leave out images that cannot be read, and count them"] = False
    max_pixels: Annotated[
        int, "of an image; one of more is refused, since it would fill the memory"
    ] = MAX_PIXELS
    max_steps: Annotated[
        int | None, "save and leave the run after so many steps in all; --resume goes on"
    ] = None
    checkpoint_minutes: Annotated[
        float, "a checkpoint also after so many minutes", Bounds(at_least=0)
    ] = 10.0
    features: Annotated[
        str | None,
        "folder for features of a frozen base (--init); left out: beside torch's downloads",
    ] = None
    tensorboard: Annotated[
        bool | None, "write events for TensorBoard to OUT/tensorboard; left out: if it is installed"
    ] = None

    def __post_init__(self) -> None:
        fields.check(self)


# The flag that begins a group in the help, and the group's title.
GROUPS = {
    "recipe": "the run",
    "dataset": "images",
    "seed": "epochs and batches",
    "optimizer": "learning rate",
    "momentum": "optimizer, loss and averages",
    "random_crop_area": "augmentation and size of the images",
    "init": "weights at the start",
    "streaming": "machine",
    "model.num_classes": "network",
}


def parse(argv: Sequence[str]) -> tuple[Recipe, Options]:
    """Recipe and options from the flags; a resumed run's recipe comes from its folder.

    Raises ValueError, with flag, value and what would be right, if anything is wrong.
    """
    given, unknown = flag_parser(RECIPES["digits"]).parse_known_args(normalized(argv))
    values = vars(given)
    if values.pop("help", False):
        flag_parser(RECIPES.get(values.get("recipe", ""), RECIPES["digits"])).print_help()
        raise SystemExit(0)
    if unknown:
        _refuse(unknown)
    names = [field.name for field in fields_of(Options)]
    options = Options(**{name: values.pop(name) for name in names if name in values})
    recipe = changed(_base(options), values)
    if options.data is not None and recipe.dataset in ("digits", "photos"):
        right = f"left out: the images of {recipe.dataset} come with a package"
        raise ValueError(f"data is {checks.shown(options.data)}, but must be {right}")
    return recipe, options


def _base(options: Options) -> Recipe:
    """The recipe whose fields hold where no flag says otherwise."""
    if not options.resume:
        checks.one_of("recipe", options.recipe, RECIPES)
    if not options.out and not options.dry_run:
        right = "must be the folder of the run, as in --out runs/digits"
        raise ValueError(f"out is missing, but {right}")
    if not options.resume:
        return RECIPES[options.recipe or ""]
    saved = saved_recipe(Path(options.out))
    checks.one_of("recipe", options.recipe or saved.name, (saved.name,))
    return saved


def changed(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """A recipe with other values; those of its model by names such as "model.segments"."""
    changes = recipe.to_dict()
    for name, value in values.items():
        if name.startswith("model."):
            changes["model"][name.removeprefix("model.")] = value
        else:
            changes[name] = value
    return Recipe.from_dict(changes)


class FlagParser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are ValueErrors."""

    def error(self, message: str) -> NoReturn:
        """Raise ValueError: the caller says it in one line."""
        raise ValueError(message)


def flag_parser(recipe: Recipe) -> FlagParser:
    """A parser that knows every flag; the defaults in its help are those of `recipe`."""
    parser = FlagParser(
        prog="python -m xception_edu train",
        usage="%(prog)s --recipe NAME --out DIR [--FLAG VALUE ...]",
        description="Train a small Xception on real images. Flags have dashes or underscores; "
        "lists, true, false and null are written as in JSON.",
        argument_default=argparse.SUPPRESS,
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("-h", "--help", action="store_true", help="print this and leave")
    group: Any = parser
    for name, field, default in flags_of(recipe):
        if name in GROUPS:
            group = parser.add_argument_group(GROUPS[name])
        _add(group, name, field, default)
    return parser


def flags_of(recipe: Recipe) -> Iterator[tuple[str, Field, object]]:
    """Name, field and default of every flag."""
    for field in fields_of(Options):
        yield field.name, field, getattr(Options, field.name)
    for field in fields_of(Recipe):
        if field.name not in ("name", "model"):
            yield field.name, field, getattr(recipe, field.name)
    for field in fields_of(XceptionConfig):
        yield f"model.{field.name}", field, getattr(recipe.model, field.name)


def _add(group: Any, name: str, field: Field, default: object) -> None:
    """Add a flag; one that is true or false may stand without a value, for true."""
    about = [field.meaning, field.right]
    if default not in (None, ""):
        about.append(f"default: {default if isinstance(default, str) else json.dumps(default)}")
    is_switch = field.kind is bool
    group.add_argument(
        _spelled(name),
        dest=name,
        metavar="VALUE",
        type=reader_of(field),
        nargs="?" if is_switch else None,
        const=True if is_switch else None,
        help="; ".join(filter(None, about)).replace("%", "%%"),
    )


def _spelled(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def value_of(word: str) -> Any:
    """A word as JSON or as Python's True, False, None or number, if it is any; else as it is."""
    constants = {"True": True, "False": False, "None": None}
    if word in constants:
        return constants[word]
    for read in (functools.partial(json.loads, parse_int=_integer), float):
        try:
            return read(word)
        except (ValueError, RecursionError):
            pass
    return word


def _integer(digits: str) -> int | float:
    """An integer of up to 64 bits; a longer one, which no field takes, as a float."""
    return int(digits) if len(digits) < 20 else float(digits)


def real_of(word: str) -> Any:
    """A word as `value_of` reads it, an integer as the float that it is exactly."""
    value = value_of(word)
    return float(value) if type(value) is int and abs(value) < 2**53 else value


def text_or_none(word: str) -> str | None:
    """A word as it is, null as None."""
    return None if word == "null" else word


# Of the words of fields of such kinds; `value_of` for others.
READERS: dict[Any, Callable[[str], Any]] = {float: real_of, str: str}


def reader_of(field: Field) -> Callable[[str], Any]:
    """What reads the words of a field."""
    if field.kind is str and field.optional:
        return text_or_none
    return READERS.get(field.kind, value_of)


def normalized(argv: Sequence[str]) -> list[str]:
    """--image_size as --image-size, and a value that begins with "-" tied to its flag by "=".

    Otherwise argparse would take -1e-3 or -inf for a flag. ValueError for "--" as flag or value.
    """
    words: list[str] = []
    for word in argv:
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            words.append(flag.replace("_", "-") + equals + value)
        elif re.match(r"-(?!h$)", word) and words and re.fullmatch(r"--[^=]+", words[-1]):
            words[-1] += f"={word}"
        else:
            words.append(word)
    for word in words:
        if word == "--" or word.endswith("=--"):  # argparse would pass over the two dashes
            raise ValueError(f"{checks.shown(word)} is wrong, but must be a flag and its value")
    return words


def _refuse(unknown: Sequence[str]) -> NoReturn:
    """Raise ValueError for words that belong to no flag."""
    flags = [word.partition("=")[0] for word in unknown if word.startswith("--")]
    if not flags:
        raise ValueError(f"{checks.shown(unknown[0])} follows no flag, but must; --help lists them")
    known = [_spelled(name) for name, *_ in flags_of(RECIPES["digits"])]
    near = checks.nearest(flags[0], known)
    raise ValueError(f"{checks.shown(flags[0])} is no flag of train{near}; --help lists them all")
