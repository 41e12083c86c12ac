"""Images in files, decoded when they are needed: once and for all where they are few, else by
threads ahead of each step.
"""

import logging
import random
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from xception_edu.data.dataset import class_weights
from xception_edu.data.decoding import AHEAD, cut_of, pool_of, to_device, view_of, with_hint
from xception_edu.data.images import BadImageError, RandomCut, View, view
from xception_edu.data.order import batch_indices, rank_rows, seed_for
from xception_edu.data.sources import Found, Part
from xception_edu.recipes.recipe import Recipe

log = logging.getLogger(__name__)

TRIES = 100  # images in a row that may be corrupt before it is no longer an accident


def decoded(
    part: Part, how: View, pool: ThreadPoolExecutor, skip_corrupt: bool
) -> tuple[Tensor, Tensor]:
    """All images of a part (N, C, H, W) and their labels, without the corrupt ones if these may be
    skipped.
    """

    def read(i: int) -> np.ndarray | BadImageError:
        try:
            return view(part.contents[i], part.names[i], how)
        except BadImageError as error:
            return error

    images = np.empty((len(part.contents), how.channels, how.side, how.side), np.uint8)
    # one by one, handing over takes longer
    handfuls = [range(len(images))[i : i + 64] for i in range(0, len(images), 64)]
    kept: list[int] = []
    for numbers, found in zip(
        handfuls, pool.map(lambda some: [read(i) for i in some], handfuls), strict=True
    ):
        for i, image in zip(numbers, found, strict=True):
            if isinstance(image, np.ndarray):
                images[len(kept)] = image
                kept.append(i)
            elif skip_corrupt:
                log.warning("%s", image)
            else:
                raise with_hint(image)
    if not kept:
        raise ValueError(
            f"data has {len(images)} images in one of its parts, but none of them can be read"
        )
    if len(kept) < len(images):
        log.warning(
            "%s of %s images are corrupt and were left out", len(images) - len(kept), len(images)
        )
    return torch.from_numpy(images[: len(kept)]), part.labels[kept]


def decode_all(
    found: Found, recipe: Recipe, skip_corrupt: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images and labels, held-out images and labels, as a Dataset keeps them."""
    with pool_of(recipe) as pool:
        train, test = (
            decoded(part, view_of(recipe), pool, skip_corrupt) for part in (found.train, found.test)
        )
    return *train, *test


class FileSet:
    """A data set whose images are decoded by threads, step by step; which, and cut how, is a
    function of seed and step.

    With `skip_corrupt` a training image that cannot be read is replaced by the one after it, a
    held-out one is left out. `corrupt` counts them. ValueError otherwise, with the file or row,
    when the step that needs it comes.
    """

    def __init__(self, found: Found, recipe: Recipe, *, skip_corrupt: bool = False):
        self.found, self.how, self.cut, self.skip_corrupt = (
            found,
            view_of(recipe),
            cut_of(recipe),
            skip_corrupt,
        )
        self.classes, self.multi_label = found.classes, recipe.labels == "many"
        self.train_size = len(found.train.contents)
        self.device = torch.device("cpu")
        self._pool = pool_of(recipe)
        self._ahead: dict[tuple, list[Future]] = {}
        self._corrupt: set[str] = set()

    def to(self, device: torch.device | str) -> "FileSet":
        """The same set, whose batches go to `device`."""
        self.device = torch.device(device)
        return self

    @property
    def class_weights(self) -> Tensor | None:
        """How common each class is among the training images, (classes,), where an image may have
        several.
        """
        return class_weights(self.found.train.labels) if self.multi_label else None

    @property
    def corrupt(self) -> int:
        """How many images could not be read so far."""
        return len(self._corrupt)

    def training_images(
        self, recipe: Recipe, step: int, *, rank: int = 0, ranks: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) as bytes, and labels, of step 0, 1, ...; of them the rows of one of
        `ranks` processes.
        """
        wanted = [(recipe.seed, recipe.batch_size, rank, ranks, step + i) for i in range(AHEAD + 1)]
        for key in self._ahead.keys() - set(wanted):
            for future in self._ahead.pop(key):
                future.cancel()
        for key in wanted:
            if key not in self._ahead:
                self._ahead[key] = [
                    self._pool.submit(self._training_image, *place) for place in self._places(*key)
                ]
        images, numbers = zip(
            *(future.result() for future in self._ahead.pop(wanted[0])), strict=True
        )
        return to_device(images, self.device), self.found.train.labels[list(numbers)].to(
            self.device
        )

    def _places(
        self, seed: int, batch_size: int, rank: int, ranks: int, step: int
    ) -> Iterable[tuple[int, int]]:
        """(number of the image, seed of its cut) for each row."""
        rows = rank_rows(batch_size, rank, ranks)
        index = batch_indices(seed, self.train_size, batch_size, step)[rows].tolist()
        return [
            (i, seed_for(seed, "cut", step, row))
            for i, row in zip(index, range(batch_size)[rows], strict=True)
        ]

    def _training_image(self, index: int, seed: int) -> tuple[np.ndarray, int]:
        """The image of that number, cut by `seed`, or the next one that can be read; and its
        number.
        """
        for i in range(TRIES):
            number = (index + i) % self.train_size
            image = self._read(self.found.train, number, self.cut, random.Random(seed))
            if image is not None:
                return image, number
        raise BadImageError(
            f"{self.found.train.names[index]} and the {TRIES - 1} images after it cannot be read"
        )

    def _read(
        self, part: Part, number: int, cut: RandomCut | None, chance: random.Random | None
    ) -> np.ndarray | None:
        try:
            return view(part.contents[number], part.names[number], self.how, cut, chance)
        except BadImageError as error:
            if not self.skip_corrupt:
                raise with_hint(error) from None
            if part.names[number] not in self._corrupt:
                self._corrupt.add(part.names[number])
                log.warning("%s; left out, as %s so far", error, self.corrupt)
            return None

    def held_out(
        self, batch_size: int = 250, *, rank: int = 0, ranks: int = 1
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of held-out images and labels; of `ranks` processes each sees every so manieth
        image.
        """
        test = self.found.test
        numbers = range(rank, len(test.contents), ranks)
        batches = [numbers[i : i + batch_size] for i in range(0, len(numbers), batch_size)]
        started = (
            [self._pool.submit(self._read, test, i, None, None) for i in batches[0]]
            if batches
            else []
        )
        for k, batch in enumerate(batches):
            images, upcoming = started, batches[k + 1] if k + 1 < len(batches) else ()
            started = [self._pool.submit(self._read, test, i, None, None) for i in upcoming]
            read = [
                (image, i)
                for future, i in zip(images, batch, strict=True)
                if (image := future.result()) is not None
            ]
            if read:
                yield (
                    to_device([image for image, _ in read], self.device),
                    test.labels[[i for _, i in read]].to(self.device),
                )
