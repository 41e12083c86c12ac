"""Batches of a data set, and whether two runs saw the same ones."""

import torch


def batches(data, recipe, steps, **process):
    """(images, labels) of each step, for one of several processes if `process` says which."""
    return [data.training_images(recipe, step, **process) for step in steps]


def equal(one, other) -> bool:
    """Whether the same tensors are in both, bit for bit."""
    pairs = [pair for steps in zip(one, other, strict=True) for pair in zip(*steps, strict=True)]
    return all(torch.equal(a, b) for a, b in pairs)
