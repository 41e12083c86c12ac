"""Whether two answers are the same, for numbers, texts, tensors, and lists of them."""

import math
import sys
from typing import Any

import numpy as np
import torch

TOLERANCE = 1e-5  # relative, of numbers and tensors: two ways to add up differ in the last bits


def kind_of(value: Any) -> str:
    """What an answer is, in a word: what a learner should see if it is another kind."""
    if isinstance(value, bool | np.bool_):
        return "True or False"
    if isinstance(value, int | float | np.integer | np.floating):
        return "a number"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, torch.Tensor | np.ndarray):
        return "a tensor" if value.ndim else "a number"
    if isinstance(value, tuple | list | torch.Size):
        return "a list or tuple"
    return f"a {type(value).__name__}"


def same(answer: Any, right: Any, tolerance: float = TOLERANCE) -> bool:
    """Whether an answer is the right one; a True is no 1, and a tensor must have the shape."""
    if kind_of(answer) != kind_of(right):
        return False
    if kind_of(right) == "a number" and abs(answer) > sys.float_info.max:
        return False
    if kind_of(right) == "a number":
        return math.isclose(float(answer), float(right), rel_tol=tolerance, abs_tol=1e-9)
    if kind_of(right) == "a list or tuple":
        pairs = zip(answer, right, strict=False)
        return len(answer) == len(right) and all(same(a, b, tolerance) for a, b in pairs)
    if kind_of(right) == "a tensor":
        a, b = torch.as_tensor(answer), torch.as_tensor(right)
        return a.shape == b.shape and torch.allclose(
            a.double(), b.double(), rtol=tolerance, atol=1e-5
        )
    return bool(answer == right)
