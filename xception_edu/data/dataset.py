"""What training asks of a data set, and a set that is kept in memory."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from xception_edu.data.order import batch_indices, rank_rows
from xception_edu.recipes.recipe import Recipe


class Images(Protocol):
    """What training and evaluation ask of a data set, wherever its images are."""

    classes: tuple[str, ...]

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
        """How common each class is (classes,), for MAP@100; None where an image has one class, or
        it is unknown.
        """

    def training_images(
        self, recipe: Recipe, step: int, *, rank: int = 0, ranks: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Images and labels of step 0, 1, ..., as bytes on the device; of them the rows of one of
        `ranks` processes.
        """

    def held_out(
        self, batch_size: int = 250, *, rank: int = 0, ranks: int = 1
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of held-out images and labels; of `ranks` processes each sees every so manieth
        image.
        """


class Dataset(NamedTuple):
    """A set that is kept in memory: images as uint8 (N, C, H, W) and their labels, for training and
    held out.

    Labels are int64 (N,), or float (N, classes) of zeros and ones where an image may have several.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]

    def to(self, device: torch.device | str) -> "Dataset":
        """The same on `device`."""
        return Dataset(*(t.to(device) for t in self[:4]), self.classes)

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
        """How common each class is among the training images, (classes,), where an image may have
        several.
        """
        return class_weights(self.train_labels) if self.multi_label else None

    def training_images(
        self, recipe: Recipe, step: int, *, rank: int = 0, ranks: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Images and labels of step 0, 1, ..., as bytes on the device; of them the rows of one of
        `ranks` processes.
        """
        index = batch_indices(recipe.seed, self.train_size, recipe.batch_size, step)
        index = index[rank_rows(recipe.batch_size, rank, ranks)].to(self.train_images.device)
        return self.train_images[index], self.train_labels[index]

    def held_out(
        self, batch_size: int = 250, *, rank: int = 0, ranks: int = 1
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of held-out images and labels; of `ranks` processes each sees every so manieth
        image.
        """
        images, labels = self.test_images[rank::ranks], self.test_labels[rank::ranks]
        yield from zip(images.split(batch_size), labels.split(batch_size), strict=True)


def class_weights(labels: Tensor) -> Tensor:
    """How common each class is, (classes,): the share of images that have it, from labels of zeros
    and ones (N, classes).
    """
    return labels.float().mean(dim=0)
