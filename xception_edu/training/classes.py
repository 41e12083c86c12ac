"""Classes by name: a network's outputs and a data set's labels mean the same, whatever their
order.
"""

import logging
import unicodedata
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from xception_edu import checks
from xception_edu.data.dataset import Images
from xception_edu.recipes.recipe import Recipe

log = logging.getLogger(__name__)


class Reordered:
    """A data set whose labels are numbers of another order of the same classes."""

    def __init__(self, data: Images, classes: tuple[str, ...], order: Tensor):
        self.data = data
        self.classes = classes
        self.order = order  # (classes,): of each class of `data`, its number in `classes`

    @property
    def train_size(self) -> int:
        """Number of training images; of a stream, those of an epoch."""
        return self.data.train_size

    @property
    def multi_label(self) -> bool:
        """Whether an image may have several classes."""
        return self.data.multi_label

    def to(self, device: torch.device | str) -> "Reordered":
        """The same, with batches on `device`."""
        return Reordered(self.data.to(device), self.classes, self.order.to(device))

    @property
    def class_weights(self) -> Tensor | None:
        """How common each class is, (classes,), if the data set says it."""
        weights = self.data.class_weights
        return None if weights is None else self._columns(weights)

    def training_images(
        self, recipe: Recipe, step: int, *, rank: int = 0, world_size: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Images and labels of step 0, 1, ..., as bytes on the device."""
        images, labels = self.data.training_images(recipe, step, rank=rank, world_size=world_size)
        return images, self._renumbered(labels)

    def validation_batches(
        self, batch_size: int = 250, *, rank: int = 0, world_size: int = 1
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of validation images and labels; rank r of n sees every n-th image."""
        batches = self.data.validation_batches(batch_size, rank=rank, world_size=world_size)
        for images, labels in batches:
            yield images, self._renumbered(labels)

    def _renumbered(self, labels: Tensor) -> Tensor:
        """Numbers (N,) by the other order, or zeros and ones (N, classes) likewise."""
        if labels.dim() == 2:
            return self._columns(labels)
        return self.order.to(labels.device)[labels]

    def _columns(self, values: Tensor) -> Tensor:
        """The last axis in the other order."""
        moved = torch.empty_like(values)
        moved[..., self.order.to(values.device)] = values
        return moved


def by_name(data: Images, classes: Sequence[str] | None, trained: str) -> Images:
    """The data set with its labels in the order of `classes`, which a network was trained with.

    ValueError, which names the difference, where the names are others; names are compared in
    Unicode's one form. Where it is not known which classes the network was trained with, the data
    set as it is. `trained` is what knows them, for messages.
    """
    if classes is None:
        log.warning("%s does not say its classes' names: they are taken in order", trained)
        return data
    known, found = _one_form(classes), _one_form(data.classes)
    if set(known) != set(found):
        raise ValueError(checks.line(_difference(known, found, trained)))
    if known == found:
        return data
    numbers = {name: number for number, name in enumerate(known)}
    order = torch.tensor([numbers[name] for name in found])
    return Reordered(data, tuple(classes), order)


def _one_form(names: Sequence[str]) -> list[str]:
    return [unicodedata.normalize("NFC", name) for name in names]


def _difference(known: Sequence[str], found: Sequence[str], trained: str) -> str:
    parts = []
    for what, ones, others in (
        (f"only in {trained}", known, found),
        ("only in the data", found, known),
    ):
        names = sorted(set(ones) - set(others))
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            parts.append(f"{what}: {', '.join(checks.shown(n) for n in names[:3])}{more}")
    return f"classes of the data must be those of the network, but differ; {'; '.join(parts)}"
