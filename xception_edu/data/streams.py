"""Images as they come: webdataset shards (.tar), parquet or the hub, a share for each process.

An epoch is a number of steps that the recipe says, since a stream does not know its length. Each
epoch mixes the shards and a buffer of images anew, by the seed. A resumed run reads its epoch up to
where it was, without decoding, and so sees the same images as one that was never stopped.
"""

import logging
import os
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from xception_edu import checks
from xception_edu.data.decoding import (
    pool_of,
    preprocessing_of,
    random_crop_of,
    to_device,
    with_hint,
)
from xception_edu.data.image_files import MAX_PIXELS
from xception_edu.data.images import BadImageError, load_array
from xception_edu.data.labels import labels_tensor
from xception_edu.data.order import rank_rows, seed_for
from xception_edu.data.prefetch import Futures, Place, Prefetcher, results
from xception_edu.data.refusals import refusal
from xception_edu.data.shards import check_whole
from xception_edu.data.sources import Source, find_source, say_what_is_used
from xception_edu.data.tables import (
    class_names,
    columns,
    content_of,
    datasets_library,
    hub_splits,
    name_on_hub,
    one_line_errors,
)
from xception_edu.recipes.recipe import Recipe

log = logging.getLogger(__name__)

Options = dict[str, Any]  # of datasets.load_dataset


class Streams(NamedTuple):
    """Training and validation examples, undecoded, as IterableDatasets of `datasets`."""

    train: Any
    validation: Any
    where: str  # they are from


def open_streams(data: str | os.PathLike[str] | Source, *, skip_corrupt: bool = False) -> Streams:
    """The streams at `data`: .tar shards, .parquet files or a name on the hub.

    ValueError if there is no validation split, or a shard was cut short; with `skip_corrupt` one
    that was cut between two files is read as far as it goes, and a line says so.
    """
    datasets = datasets_library()
    source = data if isinstance(data, Source) else find_source(data)
    where = source.where
    kind, splits = _on_hub(where) if source.kind == "hub" else _in_files(source)
    if len(splits) < 2:
        raise refusal(
            where,
            "must have a validation split, such as val-000.tar: a stream cannot be split",
        )
    if source.kind == "shards":
        paths = [source.tree.path(parts) for shards in source.splits.values() for parts in shards]
        check_whole(where, paths, skip_corrupt)
    with one_line_errors(where):
        train, validation = (
            datasets.load_dataset(kind, streaming=True, **options) for options in splits
        )
    return Streams(_undecoded(train, where), _undecoded(validation, where), where)


def _in_files(source: Source) -> tuple[str, list[Options]]:
    """What `datasets` calls such files, and what to ask it for each split."""
    kinds = {"shards": "webdataset", "parquet": "parquet"}
    if source.kind not in kinds:
        raise refusal(
            source.where,
            "must be a folder of .tar shards or .parquet files, to be read as a stream",
        )
    files = {split: list(map(source.tree.path, tables)) for split, tables in source.splits.items()}
    numbers = ", ".join(f"{split} {len(paths):,}" for split, paths in files.items())
    say_what_is_used(f"{source.where}: files of {numbers}", source.left_out)
    return kinds[source.kind], [
        {"data_files": {split: paths}, "split": split} for split, paths in files.items()
    ]


def _on_hub(where: str) -> tuple[str, list[Options]]:
    """The name of the data set on the hub, and what to ask it for each split."""
    name, configuration = name_on_hub(where)
    with one_line_errors(where):
        names = datasets_library().get_dataset_split_names(name, configuration)
        splits = hub_splits(names, where)
    return name, [{"name": configuration, "split": split} for split in splits.values()]


def _undecoded(stream: Any, where: str) -> Any:
    """The stream with its columns "image", as the files' bytes, and "label"."""
    image, label = columns(stream.features or {}, where)
    renamed = {old: new for old, new in ((image, "image"), (label, "label")) if old != new}
    stream = stream.cast_column(image, datasets_library().Image(decode=False))
    return stream.rename_columns(renamed) if renamed else stream


class Stream:
    """A data set that is read once an epoch, in an order that seed and epoch decide.

    See `dataset.Images`. With `skip_corrupt` an unreadable training image is replaced by the next
    readable one of its batch, and a validation image is left out; `corrupt` counts them. ValueError
    otherwise, when the step that needs it comes.
    """

    class_weights = None  # unknown before all of it was read

    def __init__(
        self,
        streams: Streams,
        recipe: Recipe,
        *,
        skip_corrupt: bool = False,
        max_pixels: int = MAX_PIXELS,
    ):
        if recipe.steps_per_epoch is None:
            raise ValueError(
                "steps_per_epoch is None, but must be the steps of an epoch: a stream does not know"
                " its length"
            )
        self.streams, self.skip_corrupt, self.corrupt = streams, skip_corrupt, 0
        self.preprocessing, self.crop = preprocessing_of(recipe, max_pixels), random_crop_of(recipe)
        self.multi_label = recipe.labels == "many"
        self.steps, self.buffer = recipe.steps_per_epoch, recipe.shuffle_buffer
        numbers = tuple(map(str, range(recipe.model.num_classes)))
        self.classes = class_names(streams.train.features["label"]) or numbers
        self.train_size = recipe.steps_per_epoch * recipe.batch_size
        self.device = torch.device("cpu")
        self._pool, self._reader = pool_of(recipe), ThreadPoolExecutor(1, thread_name_prefix="read")
        self._prefetcher = Prefetcher(lambda place: [self._reader.submit(self._batch, place)])
        self._examples: Iterator[dict[str, Any]] = iter(())
        self._next: Place | None = None  # what self._examples gives next

    def to(self, device: torch.device | str) -> "Stream":
        """The same stream, whose batches go to `device`."""
        self.device = torch.device(device)
        return self

    def training_images(
        self, recipe: Recipe, step: int, *, rank: int = 0, world_size: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) as bytes, and labels, of step 0, 1, ...

        Of `world_size` processes each has a share of the stream. Steps in a row are read on; any
        other step is sought from the beginning of its epoch. ValueError if the stream ends before
        the epoch does.
        """
        place = Place(recipe.seed, recipe.batch_size, rank, world_size, step)
        [(images, labels)] = self._prefetcher.get(place)
        return to_device(images, self.device), labels.to(self.device)

    def _batch(self, place: Place) -> tuple[list[np.ndarray], Tensor]:
        """The next batch; in the one thread that reads the stream, one call after the other."""
        if place != self._next or place.step % self.steps == 0:
            self._examples = self._epoch(place)
        rows = rank_rows(place.batch_size, place.rank, place.world_size)
        count = rows.stop - rows.start
        examples = self._taken(self._examples, count)
        if len(examples) < count:
            raise ValueError(
                f"steps_per_epoch is {self.steps}, but must be at most {place.step % self.steps}:"
                f" {self.streams.where} has no more images"
            )
        self._next = place._replace(step=place.step + 1)
        # "cut" is what the crop was called when the first runs were made: it decides their seeds
        seeds = [seed_for(place.seed, "cut", place.step, place.rank, row) for row in range(count)]
        return self._readable(list(map(self._submit, examples, seeds)), examples)

    def _taken(self, examples: Iterator[dict[str, Any]], count: int) -> list[dict[str, Any]]:
        """The next examples; ValueError if their shard cannot be read."""
        with one_line_errors(self.streams.where):
            return list(islice(examples, count))

    def _epoch(self, place: Place) -> Iterator[dict[str, Any]]:
        """The examples of a process from the step on.

        The epoch is read from its beginning, without decoding.
        """
        epoch, position = divmod(place.step, self.steps)
        seed = seed_for(place.seed, "stream", epoch)
        mixed = self.streams.train.shuffle(seed=seed, buffer_size=self.buffer)
        examples = iter(_share(mixed, place.rank, place.world_size))
        return islice(examples, position * place.batch_size // place.world_size, None)

    def _submit(self, example: dict[str, Any], seed: int | None = None) -> Future[Any]:
        return self._pool.submit(self._read, example, seed)

    def _readable(
        self, futures: Futures, examples: list[dict[str, Any]]
    ) -> tuple[list[np.ndarray], Tensor]:
        """Images and labels of a batch.

        An unreadable image is replaced by the next readable one.
        """
        images, count = results(futures), len(futures)
        readable = [i for i, image in enumerate(images) if image is not None]
        if not readable:
            where = self.streams.where
            raise BadImageError(f"{where}: none of {count} images in a row can be read")
        chosen = [_next_of(readable, row) for row in range(count)]
        return [images[i] for i in chosen], self._labels([examples[i] for i in chosen])

    def _read(self, example: dict[str, Any], seed: int | None) -> np.ndarray | None:
        """The image, cropped at random by the seed; None if it is corrupt and may be skipped."""
        content, name = content_of(example["image"]), self._name(example)
        rng = None if seed is None else random.Random(seed)
        try:
            return load_array(content, name, self.preprocessing, self.crop, rng)
        except BadImageError as error:
            if not self.skip_corrupt:
                raise with_hint(error) from None
            self.corrupt += 1
            log.warning("%s; left out, as %s so far", error, self.corrupt)
            return None

    def _name(self, example: dict[str, Any]) -> str:
        return f"{self.streams.where}, {example_name(example)}"

    def _labels(self, examples: list[dict[str, Any]]) -> Tensor:
        labels = [self._label(example) for example in examples]
        return labels_tensor(labels, len(self.classes), self.multi_label)

    def _label(self, example: dict[str, Any]) -> int | list[int]:
        """The numbers of an example's classes, or of its only one; ValueError if it has none."""
        label: Any = example["label"]
        if isinstance(label, dict):  # of a .json beside the image
            label = label.get("label", label.get("labels"))
        for value in label if isinstance(label, list) else [label]:
            if not isinstance(value, int) or not 0 <= value < len(self.classes):
                label = checks.shown(value)
                right = f"must be an integer from 0 to {len(self.classes) - 1}"
                raise ValueError(
                    checks.line(f"{self._name(example)} has the label {label}, which {right}")
                )
        if isinstance(label, list) and not self.multi_label:
            raise ValueError(
                f"labels is 'one', but must be 'many' for {self.streams.where}: it has lists of"
                " labels"
            )
        return cast("int | list[int]", label)

    def validation_batches(
        self, batch_size: int = 250, *, rank: int = 0, world_size: int = 1
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of validation images and labels; of `world_size` processes each has a share."""
        examples = iter(_share(self.streams.validation, rank, world_size))
        while batch := self._taken(examples, batch_size):
            images = results(list(map(self._submit, batch)))
            readable = [i for i, image in enumerate(images) if image is not None]
            if readable:
                labels = self._labels([batch[i] for i in readable])
                shown = to_device([images[i] for i in readable], self.device)
                yield shown, labels.to(self.device)


def _next_of(numbers: list[int], start: int) -> int:
    """The first of the rising numbers that is not below `start`; after the last comes the first."""
    return next((number for number in numbers if number >= start), numbers[0])


def _share(stream: Any, rank: int, world_size: int) -> Any:
    from datasets.distributed import split_dataset_by_node

    return split_dataset_by_node(stream, rank, world_size) if world_size > 1 else stream


def example_name(example: Mapping[str, Any]) -> str:
    """What to call an example in an error: its shard and key, or the name of its file."""
    if "__key__" in example:
        return f"{example['__key__']} in {os.path.basename(example.get('__url__', ''))}"
    image = example["image"]
    path = image.get("path") if isinstance(image, dict) else None
    return f"image {path or 'without a name'}"
