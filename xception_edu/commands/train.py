"""The command `train`: a run by its flags, and what is said at its end."""

import argparse
import functools
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from xception_edu.benchmark.allocator import keep_freed_memory
from xception_edu.benchmark.devices import pick_device
from xception_edu.recipes.recipe import Recipe
from xception_edu.training import dry_run, flags
from xception_edu.training.stopping import Interrupted, one_line_errors
from xception_edu.training.train import train
from xception_edu.weights import finetune


def command(_: argparse.ArgumentParser, argv: Sequence[str]) -> int:
    """Run `train` by its flags; exit status 0, or 128 and the number of the signal that came.

    Raises ValueError, of one line, if anything is wrong.
    """
    is_first = os.environ.get("RANK", "0") == "0"
    try:
        with one_line_errors():
            recipe, options = flags.parse(argv)
            text = plan(recipe, options) if options.dry_run else run(recipe, options)
    except Interrupted as stopped:
        if is_first:
            print(stopped, file=sys.stderr)
        return 128 + stopped.signum
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    if is_first:
        print(text)
    return 0


def plan(recipe: Recipe, options: flags.Options) -> str:
    """What the run would be."""
    lines = []
    if recipe.init is not None:
        recipe, first = finetune.plan(recipe, options.data, device=options.device)
        lines.append(first)
    if recipe.unfreeze != "none":
        after = dry_run.report(
            recipe, device=options.device, data=options.data, max_steps=options.max_steps
        )
        lines.append(after)
    return "\n".join(lines)


def run(recipe: Recipe, options: flags.Options) -> str:
    """Train; how well it went."""
    if pick_device(options.device).type == "cpu":
        keep_freed_memory()
    begun = train
    if recipe.init is not None:
        begun = functools.partial(finetune.finetune, features=options.features)
    elif options.features is not None:
        raise ValueError("features is for recipes that begin with weights: --init says whose")
    last = begun(
        recipe,
        options.out,
        resume=options.resume,
        device=options.device,
        data=options.data,
        skip_corrupt=options.skip_corrupt,
        max_pixels=options.max_pixels,
        max_steps=options.max_steps,
        checkpoint_minutes=options.checkpoint_minutes,
        tensorboard=options.tensorboard,
    )
    return summary(last, options.out)


def summary(last: dict[str, Any] | None, out: str) -> str:
    """The last line of metrics in words, and where the rest is."""
    if last is None:
        return f"no epoch has ended; the run is in {out}, and --resume goes on"
    loss = f"loss {last['loss']:.4f}"
    if last["epoch"] % 1:
        so_far = f"{loss}, {last['images_per_second']} images/s after step {last['step']}"
        return f"{so_far}, in the middle of an epoch; the run is in {out}, and --resume goes on"
    result = f"{last['top1']:.2%} top-1 on validation images" if "top1" in last else loss
    return f"{result} after epoch {last['epoch']}; all of it is in {out}"
