"""What decoding needs of a recipe: preprocessing, crops and threads; and where the bytes go."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from xception_edu.data.image_files import MAX_PIXELS
from xception_edu.data.images import BadImageError, Preprocessing, RandomResizedCrop
from xception_edu.recipes.recipe import Recipe


def preprocessing_of(recipe: Recipe, max_pixels: int = MAX_PIXELS) -> Preprocessing:
    """What the recipe does to an image file, before its network sees it."""
    return Preprocessing(
        recipe.image_size,
        recipe.model.in_channels,
        recipe.center_crop,
        recipe.resampling,
        max_pixels,
    )


def random_crop_of(recipe: Recipe) -> RandomResizedCrop | None:
    """The recipe's random crop of a training image, None where it is the center crop."""
    if recipe.random_crop_area == 1:
        return None
    return RandomResizedCrop(recipe.random_crop_area, recipe.random_crop_ratio)


def pool_of(recipe: Recipe) -> ThreadPoolExecutor:
    """The threads that decode: Pillow does so without holding Python's lock."""
    return ThreadPoolExecutor(recipe.workers or os.cpu_count() or 1, thread_name_prefix="decode")


def with_hint(error: BadImageError) -> BadImageError:
    """The error, and what can be done about it."""
    return BadImageError(f"{error}; --skip-corrupt leaves such images out")


def to_device(images: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """One tensor of the images on `device`; to a GPU by pinned memory, while it computes."""
    batch = torch.from_numpy(np.stack(images))
    if device.type == "cuda":
        return batch.pin_memory().to(device, non_blocking=True)
    return batch.to(device)
