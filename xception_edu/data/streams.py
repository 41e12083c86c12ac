"""Images as they come: webdataset shards (.tar), parquet or the hub, each process reading a part of
its own.

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
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from xception_edu.data.decoding import AHEAD, cut_of, pool_of, to_device, view_of, with_hint
from xception_edu.data.images import BadImageError, view
from xception_edu.data.order import rank_rows, seed_for
from xception_edu.data.sources import PARTS, labels_tensor, split_by_name
from xception_edu.data.tables import class_names, columns, content_of, hub_splits, one_line
from xception_edu.recipes.recipe import Recipe

log = logging.getLogger(__name__)


class Streams(NamedTuple):
    """Training and held-out examples, undecoded, as IterableDatasets of `datasets`; and where they
    are from.
    """

    train: Any
    test: Any
    where: str


def has_shards(path: str | os.PathLike[str]) -> bool:
    """Whether there are .tar files at `path`."""
    path = Path(path)
    return path.suffix == ".tar" or (path.is_dir() and next(path.rglob("*.tar"), None) is not None)


def open_parts(data: str | os.PathLike[str]) -> Streams:
    """The streams at `data`: .tar shards, .parquet files or a name on the hub; ValueError if there
    is no held-out part.
    """
    import datasets

    where, path = os.fspath(data), Path(data)
    if path.exists():
        kind = "webdataset" if has_shards(path) else "parquet"
        suffix = ".tar" if kind == "webdataset" else ".parquet"
        files = split_by_name(sorted(path.rglob(f"*{suffix}")), path) if path.is_dir() else {}
        if not files:
            raise ValueError(
                f"data is {where!r}, but must be a folder of .tar shards or .parquet files, to be"
                " read as a stream"
            )
        parts = {
            part: (kind, {"data_files": {part: list(map(str, paths))}, "split": part})
            for part, paths in files.items()
        }
    else:
        name, _, configuration = where.partition(":")
        with one_line(where):
            splits = hub_splits(
                datasets.get_dataset_split_names(name, configuration or None), where, PARTS
            )
        parts = {
            part: (name, {"name": configuration or None, "split": split})
            for part, split in splits.items()
        }
    if len(parts) < 2:
        raise ValueError(
            f"data is {where!r}, but must have a held-out part, such as val-000.tar: a stream"
            " cannot be split"
        )
    with one_line(where):
        streams = [
            datasets.load_dataset(name, streaming=True, **options)
            for name, options in parts.values()
        ]
    return Streams(*(_undecoded(stream, where) for stream in streams), where)


def _undecoded(stream: Any, where: str) -> Any:
    """The stream with its columns "image", as the files' bytes, and "label"."""
    import datasets

    image, label = columns(stream.features or {}, where)
    renamed = {old: new for old, new in ((image, "image"), (label, "label")) if old != new}
    stream = stream.cast_column(image, datasets.Image(decode=False))
    return stream.rename_columns(renamed) if renamed else stream


class Stream:
    """A data set that is read once an epoch, in an order that seed and epoch decide; see
    `data.Images`.

    With `skip_corrupt` the next readable image of the batch stands in for a training image that
    cannot be read, and a held-out one is left out; `corrupt` counts them. ValueError otherwise,
    when the step that needs it comes.
    """

    class_weights = None  # unknown before all of it was read

    def __init__(self, parts: Streams, recipe: Recipe, *, skip_corrupt: bool = False):
        if recipe.steps_per_epoch is None:
            raise ValueError(
                "steps_per_epoch is None, but must be the steps of an epoch: a stream does not know"
                " its length"
            )
        self.parts, self.skip_corrupt, self.corrupt = parts, skip_corrupt, 0
        self.how, self.cut, self.multi_label = (
            view_of(recipe),
            cut_of(recipe),
            recipe.labels == "many",
        )
        self.steps, self.buffer = recipe.steps_per_epoch, recipe.shuffle_buffer
        self.classes = class_names(parts.train.features["label"]) or tuple(
            map(str, range(recipe.model.num_classes))
        )
        self.train_size = recipe.steps_per_epoch * recipe.batch_size
        self.device = torch.device("cpu")
        self._pool, self._reader = pool_of(recipe), ThreadPoolExecutor(1, thread_name_prefix="read")
        self._ahead: dict[Place, Future] = {}
        self._examples: Iterator[dict] = iter(())
        self._at: Place | None = None  # what self._examples gives next

    def to(self, device: torch.device | str) -> "Stream":
        """The same stream, whose batches go to `device`."""
        self.device = torch.device(device)
        return self

    def training_images(
        self, recipe: Recipe, step: int, *, rank: int = 0, ranks: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) as bytes, and labels, of step 0, 1, ...; of `ranks` processes each
        has a part of the stream.

        Steps in a row are read on; any other step is sought from the beginning of its epoch.
        ValueError if the stream ends before the epoch does.
        """
        wanted = [
            Place(recipe.seed, recipe.batch_size, rank, ranks, step + i) for i in range(AHEAD + 1)
        ]
        if wanted[0] not in self._ahead:
            for future in self._ahead.values():
                future.cancel()
            self._ahead.clear()
        for place in wanted:
            if place not in self._ahead:
                self._ahead[place] = self._reader.submit(self._batch, place)
        images, labels = self._ahead.pop(wanted[0]).result()
        return to_device(images, self.device), labels.to(self.device)

    def _batch(self, place: "Place") -> tuple[list[np.ndarray], Tensor]:
        """The next batch; in the one thread that reads the stream, one call after the other."""
        if place != self._at or place.step % self.steps == 0:
            self._examples = self._epoch(place)
        count = len(range(place.batch_size)[rank_rows(place.batch_size, place.rank, place.ranks)])
        examples = list(islice(self._examples, count))
        if len(examples) < count:
            most = place.step % self.steps
            raise ValueError(
                f"steps_per_epoch is {self.steps}, but must be at most {most}: {self.parts.where}"
                " has no more images"
            )
        self._at = place._replace(step=place.step + 1)
        seeds = [seed_for(place.seed, "cut", place.step, place.rank, row) for row in range(count)]
        return self._good(
            [self._pool.submit(self._read, e, s) for e, s in zip(examples, seeds, strict=True)],
            examples,
        )

    def _epoch(self, place: "Place") -> Iterator[dict]:
        """The examples of a process from the step on: the epoch is read from its beginning, without
        decoding.
        """
        epoch, position = divmod(place.step, self.steps)
        mixed = self.parts.train.shuffle(
            seed=seed_for(place.seed, "stream", epoch), buffer_size=self.buffer
        )
        examples = iter(_share(mixed, place.rank, place.ranks))
        read = position * place.batch_size // place.ranks
        return islice(examples, read, None)

    def _good(self, futures: list[Future], examples: list[dict]) -> tuple[list[np.ndarray], Tensor]:
        """Images and labels of a batch; in the place of an image that cannot be read, the next that
        can.
        """
        images = [future.result() for future in futures]
        count, good = len(images), [i for i, image in enumerate(images) if image is not None]
        if not good:
            raise BadImageError(f"{self.parts.where}: none of {count} images in a row can be read")
        chosen = [
            next(j % count for j in range(i, i + count) if images[j % count] is not None)
            for i in range(count)
        ]
        return [images[i] for i in chosen], self._labels([examples[i] for i in chosen])

    def _read(self, example: dict, seed: int | None) -> np.ndarray | None:
        name = f"{self.parts.where}, {example_name(example)}"
        cut = None if seed is None else self.cut
        try:
            return view(content_of(example["image"]), name, self.how, cut, random.Random(seed))
        except BadImageError as error:
            if not self.skip_corrupt:
                raise with_hint(error) from None
            self.corrupt += 1
            log.warning("%s; left out, as %s so far", error, self.corrupt)
            return None

    def _labels(self, examples: list[dict]) -> Tensor:
        classes, numbers = len(self.classes), []
        for example in examples:
            label = example["label"]
            if isinstance(label, dict):  # of a .json beside the image
                label = label.get("label", label.get("labels"))
            for value in label if isinstance(label, list) else [label]:
                if not isinstance(value, int) or not 0 <= value < classes:
                    who = f"{self.parts.where}, {example_name(example)}"
                    raise ValueError(
                        f"{who} has the label {value!r}, which must be an integer from 0 to"
                        f" {classes - 1}"
                    )
            if isinstance(label, list) and not self.multi_label:
                raise ValueError(
                    f"labels is 'one', but must be 'many' for {self.parts.where}: it has lists of"
                    " labels"
                )
            numbers.append(label)
        return labels_tensor(numbers, classes, self.multi_label)

    def held_out(
        self, batch_size: int = 250, *, rank: int = 0, ranks: int = 1
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of held-out images and labels; of `ranks` processes each has a part."""
        examples = iter(_share(self.parts.test, rank, ranks))
        while batch := list(islice(examples, batch_size)):
            images = list(self._pool.map(self._read, batch, [None] * len(batch)))
            read = [
                (image, example)
                for image, example in zip(images, batch, strict=True)
                if image is not None
            ]
            if read:
                labels = self._labels([example for _, example in read])
                yield to_device([image for image, _ in read], self.device), labels.to(self.device)


class Place(NamedTuple):
    """Where in a stream: everything that decides which images a step of a process sees."""

    seed: int
    batch_size: int
    rank: int
    ranks: int
    step: int


def _share(stream: Any, rank: int, ranks: int) -> Any:
    from datasets.distributed import split_dataset_by_node

    return split_dataset_by_node(stream, rank, ranks) if ranks > 1 else stream


def example_name(example: Mapping[str, Any]) -> str:
    """What to call an example in an error: its shard and key, or the name of its file."""
    if "__key__" in example:
        return f"{example['__key__']} in {os.path.basename(example.get('__url__', ''))}"
    image = example["image"]
    return (
        "image"
        f" {image.get('path') or 'without a name' if isinstance(image, dict) else 'without a name'}"
    )
