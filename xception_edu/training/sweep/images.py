"""The images of a sweep: the training set less a part for validation, and the test set for the end.

The recipes' own data sets have one set for validation; a sweep that also chooses something by
accuracy needs two, and must not look at the second before the end.
"""

import functools
from typing import NamedTuple

import torch
from torch import Tensor

from xception_edu.data.dataset import Dataset
from xception_edu.data.load import load_dataset
from xception_edu.data.order import seed_for
from xception_edu.recipes.recipe import Recipe

WITHOUT_FILES = ("digits", "photos", "entangled")  # whatever --data says: other plans need it


class SweepImages(NamedTuple):
    """`learned` has the training images and, as those that it is validated with, a part of the
    training set; `test` has the same training images and the test images.
    """

    learned: Dataset
    test: Dataset


@functools.lru_cache(maxsize=1)  # a worker's runs are of the same images
def load_images(recipe: Recipe, data: str | None, validation_images: int) -> SweepImages:
    """The images of a recipe, cut once and for all: the same part for every seed.

    ValueError where they cannot be kept in memory, or are too few.
    """
    loaded = load_dataset(recipe, None if recipe.dataset in WITHOUT_FILES else data)
    if not isinstance(loaded, Dataset):
        raise ValueError("data must fit into memory for a sweep, but is read as a stream")
    train_labels = loaded.train_labels
    if not 0 < validation_images < len(train_labels):
        raise ValueError(
            f"validation_images is {validation_images}, but must be from 1 to"
            f" {len(train_labels) - 1}, for the training set has {len(train_labels)}"
        )
    kept, validation = validation_part(train_labels, validation_images)
    images = loaded.train_images
    learned = Dataset(
        images[kept],
        train_labels[kept],
        images[validation],
        train_labels[validation],
        loaded.classes,
    )
    return SweepImages(learned, loaded)


def validation_part(labels: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Numbers of the images that are learned, and of `count` that are not: drawn once, evenly over
    the classes as far as that goes, whatever a run's seed is.
    """
    generator = torch.Generator().manual_seed(seed_for("sweep", "validation"))
    order = torch.randperm(len(labels), generator=generator)
    # the how-manieth of its class each image is, in that order: the first ones are taken
    place = torch.empty(len(labels), dtype=torch.long)
    for label in range(int(labels.max()) + 1):
        of_class = order[labels[order] == label]
        place[of_class] = torch.arange(len(of_class))
    by_place = order[place[order].argsort(stable=True)]
    return by_place[count:].sort().values, by_place[:count].sort().values
