"""Every weight of a file accounted for: what is missing, unexpected or mis-shaped, in one line."""

from collections.abc import Mapping

from torch import Tensor

from xception_edu import checks
from xception_edu.weights.rename import Renamed

TOP = ("fc.", "classifier.", "aux.classifier.")
ROOM = 300  # letters for the names in a message, which begins with the file's


def checked_state(
    found: Renamed, expected: Mapping[str, Tensor], include_top: bool
) -> dict[str, Tensor]:
    """The state for the model, if every weight is there, fits, and none is left over.

    ValueError with the first names, and all of them as its details, otherwise.
    """
    tensors, names = found.tensors, found.names
    if not include_top:
        expected = {key: value for key, value in expected.items() if not key.startswith(TOP)}
        tensors = {key: value for key, value in tensors.items() if not key.startswith(TOP)}
    needed = [key for key in expected if not key.endswith("num_batches_tracked")]
    missing = [key for key in needed if key not in tensors]
    problems = {
        "missing": [names.get(key, key) for key in missing],
        "unexpected": sorted(tensors.keys() - expected.keys()),
        "mis-shaped (in torch's layout)": [
            f"{names.get(key, key)} is {_described(tensors[key])} instead of {_described(value)}"
            for key, value in expected.items()
            if key in tensors and not _fits(tensors[key], value)
        ],
    }
    if any(problems.values()):
        only_top = bool(missing) and all(key.startswith(TOP) for key in missing)
        raise _problem(problems, only_top)
    return tensors


def _problem(problems: Mapping[str, list[str]], only_top: bool) -> checks.DetailedError:
    """All that is wrong, with as many names of each kind as a line has room for."""
    hints = ["without the classifier, load it with include_top=False (--no-top)"] * only_top
    if max(map(len, problems.values())) > 3:
        hints.append("--verbose names all")
    for first in (3, 2, 1):
        said = [_listed(what, names, first) for what, names in problems.items() if names]
        message = "; ".join([*said, *hints])
        if len(message) <= ROOM:
            break
    details = (f"{what}: {name}" for what, names in problems.items() for name in names)
    return checks.DetailedError(message, details)


def _listed(what: str, names: list[str], first: int) -> str:
    shown = ", ".join(
        name if len(name) <= 120 else f"{name[:60]}...{name[-50:]}" for name in names[:first]
    )
    return f"{len(names)} {what}: {shown}{', ...' if len(names) > first else ''}"


def _fits(tensor: Tensor, expected: Tensor) -> bool:
    same_kind = tensor.is_floating_point() == expected.is_floating_point()
    return same_kind and tensor.shape == expected.shape


def _described(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
