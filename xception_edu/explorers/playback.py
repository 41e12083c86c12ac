"""Training played back: loss, accuracy and learning rate of a recorded run, and its first depthwise
kernels, epoch by epoch.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from xception_edu import checks
from xception_edu.benchmark import records
from xception_edu.explorers.engine.readouts import in_percent
from xception_edu.explorers.engine.scene_explorer import (
    SceneExplorer,
    View,
    as_arguments,
    scene_explorer,
)
from xception_edu.explorers.playback_panels import Run, draw_curves, draw_kernels

OWN = "playback_digits"  # the project's own record of a run
RECORD = "`python experiments/record_playback.py` records one"
MOST = 64  # kernels that are shown
COLUMNS = (
    ("Right at first guess", "of held-out images"),
    ("Loss", "mean of the epoch"),
    ("Learning rate", "of the last step"),
    ("Kernels changed", "in this epoch"),
    ("Kernels changed", "since before training"),
)
SUBJECTS = {"kernels": "The kernels", "change": "Change of each kernel since before training"}
SHOWN = {"kernels": "the kernels", "change": "their change since before training"}


def playback_explorer(
    *, epoch: int | None = None, show: str = "kernels", run: object = None
) -> SceneExplorer:
    """A training run played back, from before its first step (epoch 0) to its end.

    Shows loss, accuracy, learning rate and how much the kernels changed, over the epochs, and the
    kernels of the network's first depthwise layer as heat maps: `show` is "kernels" or "change"
    (since before training). `run` is a file that experiments/record_playback.py wrote, or what it
    holds; None: the repository's run of the recipe `digits`. Raises ValueError for anything else.
    """
    recorded = load(run)
    choices = {"show": ("Show", SHOWN)}
    arguments = as_arguments({"run": run})

    def views(show: str) -> list[View]:
        return [_view(recorded, i, show) for i in range(len(recorded.epochs))]

    state = {"epoch": min(3, len(recorded.epochs) - 1) if epoch is None else epoch, "show": show}
    return scene_explorer(
        "playback_explorer", ("epoch", "Epoch"), choices, COLUMNS, views, state, arguments
    )


# ---- the recorded run ----------------------------------------------------------------------------


def load(run: object = None) -> Run:
    """The run of a file or a dict, checked; ValueError that says what is wrong with it."""
    if run is None and not records.are_there(OWN):
        raise ValueError(
            f"run is None, but must be a file: no results lie beside this package, and {RECORD}"
        )
    if run is None or isinstance(run, str | os.PathLike):
        run = _read(records.path_of(OWN) if run is None else checks.path("run", run))
    if not isinstance(run, Mapping):
        raise checks.wrong("run", run, f"a file or a dict: {RECORD}")
    for key in ("recipe", "layer", "epochs", "kernels"):
        if key not in run:
            raise ValueError(f"run has no {key!r}, but must be as recorded: {RECORD}")
    try:
        kernels = np.asarray(run["kernels"], dtype=float)
    except (ValueError, TypeError):
        raise ValueError(
            "run has kernels of different sizes, but must have (epochs + 1, channels, k, k) numbers"
        ) from None
    epochs = run["epochs"]
    if not isinstance(epochs, Sequence) or not all(isinstance(e, Mapping) for e in epochs):
        raise checks.wrong("run['epochs']", epochs, f"a list of dicts: {RECORD}")
    if not isinstance(run["recipe"], Mapping) or "name" not in run["recipe"]:
        raise checks.wrong("run['recipe']", run["recipe"], f"a dict with a name: {RECORD}")
    if (
        kernels.ndim != 4
        or kernels.shape[0] != len(epochs)
        or kernels.shape[2] != kernels.shape[3]
        or kernels.size == 0
    ):
        raise ValueError(
            f"run has kernels {kernels.shape}, but must have (epochs + 1, channels, k, k):"
            f" {len(epochs)} first"
        )
    if len(epochs) < 2 or [line.get("epoch") for line in epochs] != list(range(len(epochs))):
        raise ValueError(
            "run has epochs that are not 0, 1, 2, ..., but must have them all, from before training"
        )
    _check_numbers(epochs, kernels)
    return Run(str(run["recipe"]["name"]), str(run["layer"]), epochs, kernels)


def _read(path: Path) -> object:
    try:
        if path.exists() and not path.is_file():
            raise checks.wrong("run", str(path), f"a regular file: {RECORD}")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        right = f"a file that can be read ({error.strerror}): {RECORD}"
        raise checks.wrong("run", str(path), right) from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        right = f"as recorded, and this is no JSON: {RECORD}"
        raise checks.wrong("run", str(path), right) from None


def _check_numbers(epochs: Sequence[Mapping], kernels: np.ndarray) -> None:
    for key in ("top1", "loss", "lr"):
        for line in epochs:
            value = line.get(key)
            # no step was taken yet
            unmeasured = value is None and (key, line["epoch"]) == ("loss", 0)
            if not unmeasured and not (isinstance(value, int | float) and np.isfinite(value)):
                where = f"run has {key} {checks.shown(value)} in epoch {line['epoch']}"
                raise ValueError(f"{where}, but must have a finite number there")
    if not np.isfinite(kernels).all() or not np.linalg.norm(kernels[0]):
        raise ValueError(
            "run has kernels that are not finite, or all 0, but must have finite numbers"
        )


# ---- the views -----------------------------------------------------------------------------------


def _view(run: Run, epoch: int, show: str) -> View:
    line, most = run.epochs[epoch], run.most_changed(epoch)
    now, total = run.change(epoch, epoch - 1) if epoch else 0.0, run.change(epoch, 0)
    loss = "–" if line["loss"] is None else f"{line['loss']:.3f}"
    rate = f"{line['lr']:.6f}" if epoch else "–"  # no step was taken yet
    names = ", ".join(str(i + 1) for i in most)
    left = f", the first {MOST} shown" if run.kernels.shape[1] > MOST else ""
    when = (
        f"in epoch {epoch} kernels {names} changed most"
        if epoch
        else f"kernels {names} will change most in the whole run"
    )
    return View(
        stop=epoch,
        short=f"{epoch} of {len(run.epochs) - 1}",
        title=(
            f"{run.name}, after epoch {epoch}: {line['top1']:.1%} right"
            if epoch
            else f"{run.name}, before training"
        ),
        note=(
            f"{run.kernels.shape[1]} kernels of its first depthwise layer ({run.layer}){left};"
            f" {when}"
        ),
        values=(f"{line['top1']:.1%}", loss, rate, in_percent(now), in_percent(total)),
        scenes=(draw_curves(run, epoch), draw_kernels(run, epoch, show, most)),
        alts=(
            (
                f"Four curves over the epochs; at epoch {epoch}: {line['top1']:.1%} of held-out"
                f" images right, loss {loss}, learning rate {rate}, kernels changed by"
                f" {in_percent(now)} in the epoch"
            ),
            (
                f"{SUBJECTS[show]} after epoch {epoch} as heat maps; kernels {names} are"
                f" outlined; {most[0] + 1} is shown large, in numbers, before training and now"
            ),
        ),
    )
