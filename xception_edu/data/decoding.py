"""What decoding needs of a recipe: how an image is seen and cut, how many threads, and where its
bytes go.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from xception_edu.data.images import BadImageError, RandomCut, View
from xception_edu.recipes.recipe import Recipe

AHEAD = 2  # steps that are decoded while one is computed


def view_of(recipe: Recipe) -> View:
    """How the recipe's network sees an image."""
    return View(recipe.image_size, recipe.model.in_channels, recipe.center_crop, recipe.resampling)


def cut_of(recipe: Recipe) -> RandomCut | None:
    """The recipe's random cut of a training image, None where it is the center crop."""
    return (
        RandomCut(recipe.random_crop_area, recipe.random_crop_ratio)
        if recipe.random_crop_area < 1
        else None
    )


def pool_of(recipe: Recipe) -> ThreadPoolExecutor:
    """The threads that decode. Threads do: Pillow decodes and resizes without holding Python's
    lock.
    """
    return ThreadPoolExecutor(recipe.workers or os.cpu_count() or 1, thread_name_prefix="decode")


def with_hint(error: BadImageError) -> BadImageError:
    """The error, and what can be done about it."""
    return BadImageError(f"{error}; --skip-corrupt leaves such images out")


def to_device(images: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """One tensor of the images on `device`; to a GPU by pinned memory, while it computes."""
    batch = torch.from_numpy(np.stack(images))
    return (
        batch.pin_memory().to(device, non_blocking=True)
        if device.type == "cuda"
        else batch.to(device)
    )
