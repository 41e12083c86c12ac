"""Hostile arguments, and what is wrong with a function's answer to one."""

import inspect
import warnings

import numpy as np


class Unspeakable:
    """A value that cannot even be shown."""

    def __repr__(self):
        raise RuntimeError("no")


HUGE = 10**30
NAME = "a\x1b\n"  # a disk would take it
HOSTILE = (
    None,
    -1,
    HUGE,
    float("nan"),
    "x" * 10**5,
    NAME,
    [],
    {},
    b"x",
    object(),
    Unspeakable(),
    np.zeros(3),
    [[[]]],
)
# Functions that read, write, train or measure: tests/house/test_hostile_runs.py has their right
# arguments, which need files.
OF_FILES = """
check class_names evaluate export_onnx findings finetune guess hint import_weights launch
load_dataset load_newest load_pretrained measure_roofline measure_segments read_metrics
read_plan run_benchmark save_weights show solution train trained_model training_batch verdict
write_photographs
""".split()  # noqa: SIM905 (a list of so many would be as many lines)


def parameters(function):
    """The parameters that have a name, and their defaults."""
    found = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


def wrong_answer(function, arguments, name):
    """What was raised instead of one short ValueError that names the argument; or None."""
    try:
        function(**arguments)
    except ValueError as error:
        said = str(error)
        short = len(said) <= 400 and said.isprintable()
        return None if short and name in said else f"{name}: {said[:200]!r}"
    except Exception as error:  # whatever it is, it is none of ours
        return f"{name}: {type(error).__name__}: {str(error)[:200]}"
    return None


def wrong_answers(function, right, *, called=None, taken=()):
    """All wrong answers to hostile values for each parameter.

    `right()` gives the other arguments; `called` what messages call a parameter, where it is not
    its own name; `taken` are pairs (parameter, value) that are right, and would take seconds.
    """
    answers = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for parameter, default in parameters(function).items():
            for value in HOSTILE:
                if (value is None and default is None) or (parameter, id(value)) in taken:
                    continue
                arguments = right() | {parameter: value}
                name = (called or {}).get(parameter, parameter)
                answers.append(wrong_answer(function, arguments, name))
    return [answer for answer in answers if answer]
