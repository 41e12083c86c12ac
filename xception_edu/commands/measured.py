"""`python -m xception_edu costs --module`: a network of the user's, made by their own code, and
counted by machine.
"""

import csv
import io
import json
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

from torch import nn

from xception_edu import checks, costs
from xception_edu.costs import Cost
from xception_edu.measure import MeasuredLayer, measured_cost, measured_layers
from xception_edu.specs import Shape

NAMED = "must be PACKAGE.MODULE:FUNCTION, such as torchvision.models:resnet18"
NOT_RUN = "(not run)"


def as_text(name: str, size: str, form: str) -> str:
    """The costs of the network that `name` makes, layer by layer and in total.

    Args:
        name: PACKAGE.MODULE:FUNCTION, whose code is run; the current folder is searched first.
        size: the input, written channels,height,width.
        form: "table", "json" or "csv".
    """
    shape = shape_of(size)
    # what the user's code prints is no part of the answer
    with _importable_folder(), redirect_stdout(sys.stderr):
        layers, whole = _counted(_made(name), shape, size)
    write = {"table": as_table, "json": as_json, "csv": as_csv}[form]
    return write(name, shape, layers, whole)


def shape_of(size: str) -> Shape:
    """The shape that is written channels,height,width."""
    try:
        channels, height, width = map(int, size.split(","))
        return Shape(channels, height, width)
    except ValueError:
        right = "channels,height,width, each at least 1, such as 3,224,224"
        raise checks.wrong("--input", size, right) from None


@contextmanager
def _importable_folder() -> Iterator[None]:
    """Let the current folder be searched first, as Python itself does for `-m`."""
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = before


def _made(name: str) -> nn.Module:
    """The network that PACKAGE.MODULE:FUNCTION returns, or is."""
    where, _, what = name.partition(":")
    if not all(part.isidentifier() for part in [*where.split("."), *what.split(".")]):
        raise ValueError(f"--module is {checks.shown(name)}, but {NAMED}")
    module = _run_code(name, f"importing {where}", lambda: import_module(where))
    try:
        made: Any = attrgetter(what)(module)
    except AttributeError:
        hint = checks.nearest(what, list(vars(module)))
        raise ValueError(f"--module is {name!r}, but {where} has no {what}{hint}") from None
    if callable(made) and not isinstance(made, nn.Module):
        made = _run_code(name, f"{what}()", made)
    if not isinstance(made, nn.Module):
        kind = type(made).__name__
        raise ValueError(f"--module is {name!r}, but {what} gives {kind}, not an nn.Module")
    return made


def _run_code(name: str, step: str, code: Callable[[], Any]) -> Any:
    """What code of the user's returns; whatever it raises becomes one line."""
    try:
        return code()
    except (Exception, SystemExit) as error:
        where = name.partition(":")[0]
        missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{where}.".startswith(f"{missing}."):
            there = "in the current folder or among what is installed"
            raise ValueError(f"--module is {name!r}, but no {missing} is {there}") from None
        raised = f"{step} raised {_in_words(error)}"
        raise ValueError(f"--module is {name!r}, but {raised}") from _traceback(error)


def _in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _traceback(error: BaseException) -> checks.DetailedError:
    """Where in the user's code it went wrong, which --verbose shows."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return checks.DetailedError(str(error), lines)


def _counted(model: nn.Module, shape: Shape, size: str) -> tuple[list[MeasuredLayer], Cost]:
    """The layers that run, one for the parameters of what does not, and all of it."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            layers, whole = measured_layers(model, shape), measured_cost(model, shape)
    except Exception as error:
        cause = error.__cause__  # where counting has put torch's own words into its own
        first = cause if isinstance(cause, RuntimeError) else error
        raised = f"the network, run on such an image (without values), raised {_in_words(first)}"
        raise ValueError(f"--input is {size!r}, but {raised}") from _traceback(error)
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        print(f"warning: {checks.line(message)}", file=sys.stderr)
    ran = sum((layer.cost for layer in layers), Cost())
    left = Cost(params=whole.params - ran.params, buffers=whole.buffers - ran.buffers)
    if left != Cost():
        layers.append(MeasuredLayer(NOT_RUN, "", left))
    return layers, whole


def report(name: str, shape: Shape, layers: list[MeasuredLayer], whole: Cost) -> dict[str, Any]:
    """What `costs.report` says of a network of ours; `layer` is torch's operator."""
    rows = [{"name": at, "layer": what} | costs.columns(cost) for at, what, cost in layers]
    totals = costs.columns(whole)
    return {"name": name, "input": list(shape), "totals": totals, "layers": rows}


def as_json(name: str, shape: Shape, layers: list[MeasuredLayer], whole: Cost) -> str:
    """`report` as JSON."""
    return json.dumps(report(name, shape, layers, whole), indent=1)


def as_csv(name: str, shape: Shape, layers: list[MeasuredLayer], whole: Cost) -> str:
    """`report` as CSV: a header, a row a layer, and a last row named `total`."""
    data = report(name, shape, layers, whole)
    last = {"name": "total", "layer": name} | data["totals"]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(last), lineterminator="\n")
    writer.writeheader()
    writer.writerows([*data["layers"], last])
    return out.getvalue()


def as_table(name: str, shape: Shape, layers: list[MeasuredLayer], whole: Cost) -> str:
    """`report` as aligned text: a row a layer and the total; MiB are float32 at batch 1."""
    header = ("layer", "operator", *costs.COUNTED)
    rows = [(at or "(network)", what, *costs.cells(cost)) for at, what, cost in layers]
    total = ("total", f"{name}, {'x'.join(map(str, shape))}", *costs.cells(whole))
    return costs.aligned([header, *rows, total], words=2)
