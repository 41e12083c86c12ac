"""What training asks of a data set, and a set that is kept in memory."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from xception_edu.data.order import batch_indices, rank_rows
from xception_edu.recipes.recipe import Recipe


class Images(Protocol):
    """What training and evaluation ask of a data set, wherever its images are."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""

    @property
    def train_size(self) -> int:
        """Number of training images; of a stream, those of an epoch."""

    @property
    def multi_label(self) -> bool:
        """Whether an image may have several classes."""

    def to(self, device: torch.device | str) -> "Images":
        """The same, with batches on `device`."""

    @property
    def class_weights(self) -> Tensor | None:
        """How common each class is (classes,), for MAP@100.

        None where an image has one class, or it is unknown.
        """

    def training_images(
        self, recipe: Recipe, step: int, *, rank: int = 0, world_size: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Images and labels of step 0, 1, ..., as bytes on the device.

        Of `world_size` processes each gets its own rows of the batch.
        """

    def validation_batches(
        self, batch_size: int = 250, *, rank: int = 0, world_size: int = 1
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of validation images and labels; rank r of n sees every n-th image."""


class Dataset(NamedTuple):
    """A set that is kept in memory: images as uint8 (N, C, H, W), and their labels.

    The test images are those that a run is validated with. Labels are int64 (N,), or float
    (N, classes) of zeros and ones where an image may have several.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]

    def to(self, device: torch.device | str) -> "Dataset":
        """The same on `device`."""
        return Dataset(
            self.train_images.to(device),
            self.train_labels.to(device),
            self.test_images.to(device),
            self.test_labels.to(device),
            self.classes,
        )

    @property
    def train_size(self) -> int:
        """Number of training images."""
        return len(self.train_images)

    @property
    def multi_label(self) -> bool:
        """Whether an image may have several classes."""
        return self.train_labels.dim() == 2

    @property
    def class_weights(self) -> Tensor | None:
        """How common each class is (classes,), where an image may have several."""
        return class_weights(self.train_labels) if self.multi_label else None

    def training_images(
        self, recipe: Recipe, step: int, *, rank: int = 0, world_size: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Images and labels of step 0, 1, ..., as bytes on the device.

        Of `world_size` processes each gets its own rows of the batch.
        """
        index = batch_indices(recipe.seed, self.train_size, recipe.batch_size, step)
        rows = rank_rows(recipe.batch_size, rank, world_size)
        index = index[rows].to(self.train_images.device)
        return self.train_images[index], self.train_labels[index]

    def validation_batches(
        self, batch_size: int = 250, *, rank: int = 0, world_size: int = 1
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of validation images and labels; rank r of n sees every n-th image."""
        images = torch.split(self.test_images[rank::world_size], batch_size)
        labels = torch.split(self.test_labels[rank::world_size], batch_size)
        yield from zip(images, labels, strict=True)


def class_weights(labels: Tensor) -> Tensor:
    """The share of images that have each class, (classes,).

    Labels are zeros and ones (N, classes).
    """
    return labels.float().mean(dim=0)
