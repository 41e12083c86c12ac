"""Mosaics of real photographs: a small stand-in for JFT, whose images have several labels each.

Nine patches, three by three, of one to four photographs; the labels say of which. The pixels are real, the composition is
made, and of the 17,000 classes of JFT there are ten here: this shows how such a network is trained and judged, and nothing
about how well one does on JFT.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from xception_edu import checks
from xception_edu.data import PHOTOGRAPHS, Dataset, cut, halves, load_photograph, random_places

TRAINING, HELD_OUT = 1000, 400  # mosaics
GRID = 3  # patches a side
PATCH = 96  # pixels a side of the photographs, before they are fitted into the mosaic
MOST = 4  # photographs in one mosaic


def load_mosaics(side: int) -> Dataset:
    """Mosaics (N, 3, side, side) with labels (N, 10) of zeros and ones, always the same.

    Training patches come from the left halves of the photographs, held-out ones from the right halves. Photographs are as
    common as 1, 1/2, 1/3, ... in the order of their names, as classes are that people take pictures of.
    """
    checks.integer("image_size", side, at_least=32, at_most=512, because="the side of a mosaic")
    left, right = zip(*(halves(load_photograph(name)) for name in PHOTOGRAPHS), strict=True)
    train, test = _mosaics(left, TRAINING, side, seed=0), _mosaics(right, HELD_OUT, side, seed=1)
    return Dataset(*train, *test, tuple(PHOTOGRAPHS))


def _mosaics(photos: tuple[Tensor, ...], count: int, side: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = _labels(count, len(photos), generator)
    images = torch.stack([_mosaic([photos[i] for i in row.nonzero().flatten()], side, generator) for row in labels])
    return images, labels


def _labels(count: int, classes: int, generator: torch.Generator) -> Tensor:
    """Zeros and ones (count, classes), from one to MOST ones a row, the first classes being the most common."""
    common = 1 / torch.arange(1, classes + 1)
    labels = torch.zeros(count, classes)
    for row, number in enumerate(torch.randint(1, MOST + 1, (count,), generator=generator).tolist()):
        labels[row, torch.multinomial(common, number, generator=generator)] = 1.0
    return labels


def _mosaic(photos: list[Tensor], side: int, generator: torch.Generator) -> Tensor:
    """Bytes (3, side, side): each photo at least once, in no order."""
    cells = GRID * GRID
    more = torch.randint(len(photos), (cells - len(photos),), generator=generator)
    which = torch.cat([torch.arange(len(photos)), more])[torch.randperm(cells, generator=generator)].tolist()
    patches = torch.cat([cut(photos[i], random_places(photos[i], PATCH, 1, generator), PATCH) for i in which])
    cell = -(-side // GRID)
    small = F.interpolate(patches.float(), size=(cell, cell), mode="bilinear", antialias=True, align_corners=False)
    rows = small.round().to(torch.uint8).view(GRID, GRID, 3, cell, cell).permute(2, 0, 3, 1, 4)  # 3, row, y, column, x
    return rows.reshape(3, GRID * cell, GRID * cell)[:, :side, :side]
