"""Images in files: decoded once where they are few, else by threads ahead of each step."""

import logging
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from xception_edu.data.dataset import class_weights
from xception_edu.data.decoding import (
    pool_of,
    preprocessing_of,
    random_crop_of,
    to_device,
    with_hint,
)
from xception_edu.data.image_files import MAX_PIXELS
from xception_edu.data.images import BadImageError, Preprocessing, load_array
from xception_edu.data.order import batch_indices, rank_rows, seed_for
from xception_edu.data.prefetch import Futures, Place, Prefetcher, one_ahead
from xception_edu.data.sources import ImageSet, Split
from xception_edu.recipes.recipe import Recipe

log = logging.getLogger(__name__)

TRIES = 100  # images in a row that may be corrupt before it is no longer an accident
CHUNK = 64  # images: submitting them one by one costs more than decoding them


def decode_split(
    split: Split, preprocessing: Preprocessing, pool: ThreadPoolExecutor, skip_corrupt: bool
) -> tuple[Tensor, Tensor]:
    """All images of a split (N, C, H, W) and their labels.

    Corrupt images are left out if they may be skipped; BadImageError otherwise.
    """

    def read(chunk: range) -> list[np.ndarray | BadImageError]:
        return [_array_or_error(split, i, preprocessing) for i in chunk]

    count, side = len(split.contents), preprocessing.size
    images = np.empty((count, preprocessing.channels, side, side), np.uint8)
    chunks = [range(count)[i : i + CHUNK] for i in range(0, count, CHUNK)]
    kept: list[int] = []
    for chunk, arrays in zip(chunks, pool.map(read, chunks), strict=True):
        for i, array in zip(chunk, arrays, strict=True):
            if isinstance(array, np.ndarray):
                images[len(kept)] = array
                kept.append(i)
            elif skip_corrupt:
                log.warning("%s", array)
            else:
                raise with_hint(array)
    if not kept:
        raise ValueError(
            f"data has {count} images in one of its splits, but none of them can be read"
        )
    if len(kept) < count:
        log.warning("%s of %s images are corrupt and were left out", count - len(kept), count)
    return torch.from_numpy(images[: len(kept)]), split.labels[kept]


def _array_or_error(
    split: Split, number: int, preprocessing: Preprocessing
) -> np.ndarray | BadImageError:
    try:
        return load_array(split.contents[number], split.names[number], preprocessing)
    except BadImageError as error:
        return error


def decode_all(
    image_set: ImageSet, recipe: Recipe, skip_corrupt: bool, max_pixels: int = MAX_PIXELS
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images and labels, validation images and labels, as a Dataset keeps them."""
    preprocessing = preprocessing_of(recipe, max_pixels)
    with pool_of(recipe) as pool:
        train = decode_split(image_set.train, preprocessing, pool, skip_corrupt)
        validation = decode_split(image_set.validation, preprocessing, pool, skip_corrupt)
    return *train, *validation


class FileSet:
    """A data set whose images are decoded by threads, step by step.

    Which images, and how they are cropped, is a function of seed and step. With `skip_corrupt` an
    unreadable training image is replaced by the next readable one, and a validation image is left
    out; `corrupt` counts them. ValueError otherwise, with the file or row, when the step that needs
    it comes.
    """

    def __init__(
        self,
        image_set: ImageSet,
        recipe: Recipe,
        *,
        skip_corrupt: bool = False,
        max_pixels: int = MAX_PIXELS,
    ):
        self.image_set, self.skip_corrupt = image_set, skip_corrupt
        self.preprocessing, self.crop = preprocessing_of(recipe, max_pixels), random_crop_of(recipe)
        self.classes, self.multi_label = image_set.classes, recipe.labels == "many"
        self.train_size = len(image_set.train.contents)
        self.device = torch.device("cpu")
        self._pool = pool_of(recipe)
        self._prefetcher = Prefetcher(self._start)
        self._corrupt: set[str] = set()

    def to(self, device: torch.device | str) -> "FileSet":
        """The same set, whose batches go to `device`."""
        self.device = torch.device(device)
        return self

    @property
    def class_weights(self) -> Tensor | None:
        """How common each class is (classes,), where an image may have several."""
        return class_weights(self.image_set.train.labels) if self.multi_label else None

    @property
    def corrupt(self) -> int:
        """How many images could not be read so far."""
        return len(self._corrupt)

    def training_images(
        self, recipe: Recipe, step: int, *, rank: int = 0, world_size: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) as bytes, and labels, of step 0, 1, ...

        Of `world_size` processes each gets its own rows of the batch.
        """
        place = Place(recipe.seed, recipe.batch_size, rank, world_size, step)
        images, numbers = zip(*self._prefetcher.get(place), strict=True)
        labels = self.image_set.train.labels[list(numbers)]
        return to_device(images, self.device), labels.to(self.device)

    def _start(self, place: Place) -> Futures:
        """Begin to decode the rows of a step."""
        seed, batch_size, rank, world_size, step = place
        rows = rank_rows(batch_size, rank, world_size)
        index = batch_indices(seed, self.train_size, batch_size, step)[rows].tolist()
        # "cut" is what the crop was called when the first runs were made: it decides their seeds
        return [
            self._pool.submit(self._training_image, i, seed_for(seed, "cut", step, row))
            for i, row in zip(index, range(batch_size)[rows], strict=True)
        ]

    def _training_image(self, index: int, seed: int) -> tuple[np.ndarray, int]:
        """The image of that number, cropped by `seed`, or the next readable one; and its number."""
        for i in range(TRIES):
            number = (index + i) % self.train_size
            image = self._read(self.image_set.train, number, random.Random(seed))
            if image is not None:
                return image, number
        raise BadImageError(
            f"{self.image_set.train.names[index]} and the {TRIES - 1} images after it cannot be"
            " read"
        )

    def _read(
        self, split: Split, number: int, rng: random.Random | None = None
    ) -> np.ndarray | None:
        """The image, cropped at random with `rng`; None if it is corrupt and may be skipped."""
        name = split.names[number]
        try:
            return load_array(split.contents[number], name, self.preprocessing, self.crop, rng)
        except BadImageError as error:
            if not self.skip_corrupt:
                raise with_hint(error) from None
            if name not in self._corrupt:
                self._corrupt.add(name)
                log.warning("%s; left out, as %s so far", error, self.corrupt)
            return None

    def validation_batches(
        self, batch_size: int = 250, *, rank: int = 0, world_size: int = 1
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of validation images and labels; rank r of n sees every n-th image."""
        split = self.image_set.validation
        numbers = range(rank, len(split.contents), world_size)
        batches = [numbers[i : i + batch_size] for i in range(0, len(numbers), batch_size)]

        def start(batch: Sequence[int]) -> Futures:
            return [self._pool.submit(self._read, split, i) for i in batch]

        for batch, images in one_ahead(start, batches):
            readable = [i for i, image in enumerate(images) if image is not None]
            if readable:
                labels = split.labels[[batch[i] for i in readable]]
                shown = to_device([images[i] for i in readable], self.device)
                yield shown, labels.to(self.device)
