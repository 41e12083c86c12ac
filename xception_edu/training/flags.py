"""Command-line flags made from the fields of a Recipe, by jsonargparse; what is wrong is said in
one sentence.
"""

import argparse
import functools
import re
import types
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from xception_edu import checks
from xception_edu.configs import XceptionConfig
from xception_edu.recipes import RECIPES, Recipe
from xception_edu.training.run_folder import saved_recipe

# Options of the run that are no fields of its recipe: they do not change what it computes.
OF_TRAIN = (
    "resume",
    "device",
    "data",
    "skip_corrupt",
    "max_steps",
    "checkpoint_minutes",
    "tensorboard",
)


def parse(argv: Sequence[str]) -> tuple[Recipe, argparse.Namespace]:
    """Recipe and options from the flags; a resumed run's recipe comes from its folder. ValueError
    if anything is wrong.
    """
    known = first_look(argv)
    # spelling and types, or --help, come first
    parse_flags(recipe_parser(RECIPES.get(known.recipe, RECIPES["digits"])), argv)
    if not known.resume:
        checks.one_of("recipe", known.recipe, RECIPES)
    if not known.out and not known.dry_run:
        raise ValueError(
            "out is missing, but must be the folder of the run, such as --out runs/digits"
        )
    if known.resume:
        base = saved_recipe(Path(known.out))
        checks.one_of("recipe", known.recipe or base.name, (base.name,))
    else:
        base = RECIPES[known.recipe]
    options, values = parse_flags(recipe_parser(base), argv)
    if options.data is not None and base.dataset in ("digits", "photos"):
        raise ValueError(
            f"data is {options.data!r}, but must be left out: the images of {base.dataset} come"
            " with a package"
        )
    return Recipe.from_dict({"name": base.name} | values), options


def first_look(argv: Sequence[str]) -> argparse.Namespace:
    """What must be known before the parser can be made, since its defaults are the recipe's:
    recipe, out, resume.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--recipe")
    parser.add_argument("--out")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--dry_run", action="store_true")
    try:
        return parser.parse_known_args(spelled(argv))[0]
    except argparse.ArgumentError as error:
        raise ValueError(str(error)) from None


@functools.lru_cache(maxsize=2)
def recipe_parser(recipe: Recipe) -> Any:
    """A jsonargparse parser for a run: a flag for each field of the recipe but its name, and for
    each dial of its model.
    """
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(
        prog="python -m xception_edu train",
        description="Train a small Xception on real images.",
        exit_on_error=False,
        allow_abbrev=False,
        default_env=False,
    )
    run = parser.add_argument_group("the run")
    run.add_argument(
        "--recipe", type=str, help=f"one of {', '.join(RECIPES)}: the defaults of all fields below"
    )
    run.add_argument(
        "--out", type=str, help="folder for config.json, metrics.jsonl and checkpoints/"
    )
    run.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run that is in --out; its recipe is taken from there",
    )
    run.add_argument(
        "--device", type=str | None, help="such as cpu or cuda; null: the GPU if there is one"
    )
    run.add_argument(
        "--data", type=str | None, help="file, folder or name on the hub; not for digits and photos"
    )
    run.add_argument(
        "--max_steps",
        type=int | None,
        help="save and leave the run after so many steps in all; --resume goes on",
    )
    run.add_argument(
        "--dry_run", action="store_true", help="train nothing; print size, memory, steps and time"
    )
    run.add_argument(
        "--checkpoint_minutes",
        type=float,
        default=10.0,
        help="a checkpoint also after so many minutes",
    )
    run.add_argument(
        "--tensorboard",
        type=bool | None,
        help="write events for TensorBoard to OUT/tensorboard; null: if it is installed",
    )
    run.add_argument(
        "--skip_corrupt",
        action="store_true",
        help="leave out images that cannot be read, and count them",
    )
    says = f"fields of the recipe {recipe.name} (dashes or underscores; lists and null as in JSON)"
    group, hints = parser.add_argument_group(says), get_type_hints(Recipe, include_extras=True)
    for f in fields(Recipe):
        if f.name != "name":
            kind, help_text = get_args(hints[f.name])
            target = parser if kind is XceptionConfig else group
            target.add_argument(
                f"--{f.name}", type=kind, default=getattr(recipe, f.name), help=help_text
            )
    return parser


def parse_flags(parser: Any, argv: Sequence[str]) -> tuple[argparse.Namespace, dict[str, Any]]:
    """Options of the run, and values for the recipe; ValueError with name, value and what would be
    right if one is wrong.
    """
    try:
        values = parser.parse_args(spelled(argv)).as_dict()
    except argparse.ArgumentError as error:
        raise ValueError(_sentence(str(error))) from None
    options = {name: values.pop(name) for name in ("recipe", "out", "dry_run", *OF_TRAIN)}
    return argparse.Namespace(**options), values


def arguments_of_train(options: argparse.Namespace) -> dict[str, Any]:
    """Those of the options that `train.train` takes by name."""
    return {name: getattr(options, name) for name in OF_TRAIN}


def spelled(argv: Sequence[str]) -> list[str]:
    """--image-size as --image_size, and a negative value tied to its flag: argparse would take
    -1e-3 for a flag itself.
    """
    words: list[str] = []
    for word in argv:
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            word = "--" + flag[2:].replace("-", "_") + equals + value
        elif re.match(r"-[\d.]", word) and words and re.fullmatch(r"--[\w.]+", words[-1]):
            word = f"{words.pop()}={word}"
        words.append(word)
    return words


def _sentence(message: str) -> str:
    """Several lines of jsonargparse about a value as the house's one sentence; other messages as
    they are.
    """
    key = re.match(r'Parser key "([\w.]+)"', message)
    value = re.search(r"(?:Got value: |Given value: |Unable to load config )(.*)", message)
    kinds = get_type_hints(Recipe) | {
        f"model.{name}": kind for name, kind in get_type_hints(XceptionConfig).items()
    }
    if key and value and key[1] in kinds:
        said = value[1].strip("'")
        return f"{key[1]} is {said!r}, but must be {_in_words(kinds[key[1]])}"
    if message.startswith("unrecognized arguments"):
        message += "; --help lists those that there are"
    return message


def _in_words(kind: Any) -> str:
    """A type as a reader would say it."""
    if get_origin(kind) is Literal:
        return (
            f"one of {', '.join(map(repr, get_args(kind)))}"
            if len(get_args(kind)) > 1
            else repr(get_args(kind)[0])
        )
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(map(_in_words, get_args(kind)))
    if get_origin(kind) is tuple:
        return "integers in brackets, such as [16,32,64]"
    words = {int: "an integer", float: "a finite number", bool: "true or false", type(None): "null"}
    return words.get(kind, "given field by field, such as --model.segments 4")
