"""Made images with one dial: how much the color and the shape of a class belong together.

The hypothesis behind a separable convolution is about data: that what goes on between channels and
what goes on in space can be looked at apart. Here it is true, or false, by construction. Each of
ten classes is a small stamp, put at random places into colored noise:

- entanglement 0: a stamp is one shape times one color. One spatial kernel, the same for all three
  channels, and one mixture of channels find it: all that a separable convolution has.
- entanglement 1: each of the three channels has a shape of its own. The best filter for it is a
  kernel with as many shapes as channels, which is what a regular convolution has.
- between: both added, with the shares 1 - e and e of their energy.

At every dial the stamps have the same energy, and so has the noise.
"""

import torch
from torch import Tensor

from xception_edu import checks
from xception_edu.data.dataset import Dataset

CLASSES, SIDE, STAMP = 10, 16, 5  # pixels a side of an image, and of a stamp
TRAINING, VALIDATION = 6000, 2000
STAMPS = 3  # in an image
CONTRAST = 4.0  # norm of a stamp over the standard deviation of the noise in a pixel
GRAY, SCALE = 127.5, 36.0  # bytes: the middle, and a standard deviation of the noise


def load_entangled(entanglement: float) -> Dataset:
    """Images (N, 3, 16, 16) and their classes, always the same for one entanglement from 0 to 1."""
    checks.number("entanglement", entanglement, at_least=0, at_most=1)
    stamps = make_stamps(entanglement)
    train_images, train_labels = _images(stamps, TRAINING, seed=1)
    test_images, test_labels = _images(stamps, VALIDATION, seed=2)
    names = tuple(f"stamp {n + 1}" for n in range(CLASSES))
    return Dataset(train_images, train_labels, test_images, test_labels, names)


def make_stamps(entanglement: float) -> Tensor:
    """The stamp of each class (classes, 3, 5, 5), each of norm 1.

    Its energy is 1 - entanglement of a shape times a color, and entanglement of three shapes, one a
    channel, that have nothing of the former.
    """
    generator = torch.Generator().manual_seed(0)
    shapes = torch.randn(CLASSES, STAMP * STAMP, generator=generator, dtype=torch.float64)
    colors = torch.randn(CLASSES, 3, generator=generator, dtype=torch.float64)
    apart = _unit(torch.einsum("nc,ns->ncs", colors, shapes))
    own = torch.randn(CLASSES, 3, STAMP * STAMP, generator=generator, dtype=torch.float64)
    own = own - apart * (own * apart).sum(dim=(1, 2), keepdim=True)
    together: Tensor = (1 - entanglement) ** 0.5 * apart + entanglement**0.5 * _unit(own)
    return together.view(CLASSES, 3, STAMP, STAMP)


def _unit(stamps: Tensor) -> Tensor:
    units: Tensor = stamps / stamps.norm(dim=(1, 2), keepdim=True)
    return units


def _images(stamps: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Bytes (count, 3, side, side), noise with stamps of one class at random places."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    images = torch.randn(count, 3, SIDE, SIDE, generator=generator, dtype=torch.float64)
    places = torch.randint(SIDE - STAMP + 1, (count, STAMPS, 2), generator=generator)
    for image, label, where in zip(images, labels.tolist(), places.tolist(), strict=True):
        for top, left in where:
            image[:, top : top + STAMP, left : left + STAMP] += CONTRAST * stamps[label]
    return (GRAY + SCALE * images).round().clamp(0, 255).to(torch.uint8), labels
