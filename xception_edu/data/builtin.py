"""Images that come with packages: digits, patches of photographs, and mosaics of photographs.

`digits` are in scikit-learn's wheel, `photos` in scikit-image's and scikit-learn's. A mosaic is a
small stand-in for JFT, whose images have several labels each: nine patches, three by three, of one
to four photographs; the labels say of which. The pixels are real, the composition is made, and of
the 17,000 classes of JFT there are ten here: this shows how such a network is trained and judged,
and nothing about how well one does on JFT.
"""

import os
import tempfile
from importlib.resources import files
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from xception_edu import checks
from xception_edu.data.dataset import Dataset

DIGITS_VALIDATION = 500  # of 1,797
SMALLEST_PATCH, LARGEST_PATCH = 32, 96  # pixels a side
PATCHES_A_PHOTO = 400  # training patches from each left half
LATTICE = 14  # validation patches from each right half: 14 rows of 14
# The color photographs in the wheels, file by file. The stereo pair counts once: its two pictures
# show the same.
PHOTOGRAPHS = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "chelsea": ("skimage", "data/chelsea.png"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "coffee": ("skimage", "data/coffee.png"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "hubble": ("skimage", "data/hubble_deep_field.jpg"),
    "immunohistochemistry": ("skimage", "data/ihc.png"),
    "motorcycle": ("skimage", "data/motorcycle_left.png"),
    "retina": ("skimage", "data/retina.jpg"),
    "rocket": ("skimage", "data/rocket.jpg"),
}
TRAINING_MOSAICS, VALIDATION_MOSAICS = 1000, 400
GRID = 3  # patches a side
PATCH = 96  # pixels a side of the photographs, before they are fitted into the mosaic
MOST = 4  # photographs in one mosaic


# ---- digits --------------------------------------------------------------------------------------


def load_digits() -> Dataset:
    """1,797 handwritten digits, 8x8 gray, of which 500 are always those of the validation.

    They are the test part of UCI's "Optical Recognition of Handwritten Digits", 13 writers who are
    not told apart here: both splits have digits of each writer, so that a stranger's digits are
    harder than these.
    """
    from sklearn import datasets

    digits = datasets.load_digits()
    # ink from 0 to 16
    images = torch.from_numpy(digits.images * 255 / 16).round().to(torch.uint8)[:, None]
    labels = torch.from_numpy(digits.target).long()
    train, test = digits_split(digits.target)
    return Dataset(images[train], labels[train], images[test], labels[test], tuple("0123456789"))


def digits_split(labels) -> tuple[list[int], list[int]]:
    """Indices of the training and the validation digits: always the same, stratified by class."""
    from sklearn.model_selection import train_test_split

    return train_test_split(
        list(range(len(labels))), test_size=DIGITS_VALIDATION, stratify=labels, random_state=0
    )


# ---- photos --------------------------------------------------------------------------------------


def load_photos(side: int, seed: int = 0) -> Dataset:
    """Square patches of ten color photographs; the label is the photograph.

    Training patches come from the left halves at random places, decided by `seed`; validation
    patches from the right halves at a lattice of places, always the same. No pixel is in both.
    Patches of one split overlap one another.
    """
    checks.integer("image_size", side, at_least=SMALLEST_PATCH, at_most=LARGEST_PATCH)
    generator = torch.Generator().manual_seed(seed)
    train, test = [], []
    for name in PHOTOGRAPHS:
        left, right = halves(load_photograph(name))
        train.append(crops(left, random_places(left, side, PATCHES_A_PHOTO, generator), side))
        test.append(crops(right, lattice_places(right, side), side))
    labels = [
        torch.arange(len(PHOTOGRAPHS)).repeat_interleave(len(patches[0]))
        for patches in (train, test)
    ]
    return Dataset(torch.cat(train), labels[0], torch.cat(test), labels[1], tuple(PHOTOGRAPHS))


def write_photographs(
    folder: str | os.PathLike[str] | None = None,
    *,
    train: int = 40,
    validation: int = 20,
    side: int = 96,
) -> Path:
    """A folder of JPEG files to practice with: train/CLASS/ and val/CLASS/ of ten photographs.

    Args:
        folder: is made if need be; files of the same names are overwritten. Left out: `photographs`
            in a new temporary folder.
        train: patches of each photograph's left half, at random places, always the same.
        validation: patches of each right half, spread over it.
        side: of a patch, in pixels, from 32 to 96.
    """
    checks.integer("train", train, at_most=PATCHES_A_PHOTO)
    checks.integer("validation", validation, at_most=LATTICE**2)
    side = checks.integer("side", side, at_least=SMALLEST_PATCH, at_most=LARGEST_PATCH)
    if folder is None:
        folder = Path(tempfile.mkdtemp()) / "photographs"
    folder = checks.path("folder", folder, "the path of a folder")
    data = load_photos(side)
    parts = {
        "train": (data.train_images, data.train_labels, train),
        "val": (data.test_images, data.test_labels, validation),
    }
    for part, (images, labels, count) in parts.items():
        for number, name in enumerate(data.classes):
            of_class = images[labels == number]
            (folder / part / name).mkdir(parents=True, exist_ok=True)
            for i, patch in enumerate(of_class[:: len(of_class) // count][:count]):
                picture = Image.fromarray(patch.permute(1, 2, 0).numpy())
                picture.save(folder / part / name / f"{i:03d}.jpg", quality=90)
    return folder


def load_photograph(name: str) -> Tensor:
    """One of PHOTOGRAPHS as uint8 (3, H, W), read from the installed wheel and nowhere else."""
    from skimage.io import imread

    checks.one_of("name", name, PHOTOGRAPHS)
    package, path = PHOTOGRAPHS[name]
    return torch.from_numpy(imread(str(files(package) / path))).permute(2, 0, 1)


def halves(photo: Tensor) -> tuple[Tensor, Tensor]:
    """Left and right half of (C, H, W); the right one is a column wider where the width is odd."""
    middle = photo.shape[2] // 2
    return photo[:, :, :middle], photo[:, :, middle:]


def random_places(
    photo: Tensor, side: int, count: int, generator: torch.Generator
) -> list[tuple[int, int]]:
    """(top, left) of `count` patches that lie in the photo, each place as likely as the other."""
    tops = torch.randint(photo.shape[1] - side + 1, (count,), generator=generator)
    lefts = torch.randint(photo.shape[2] - side + 1, (count,), generator=generator)
    return list(zip(tops.tolist(), lefts.tolist(), strict=True))


def lattice_places(photo: Tensor, side: int) -> list[tuple[int, int]]:
    """(top, left) of LATTICE rows of LATTICE patches, evenly spread from edge to edge."""
    _, height, width = photo.shape
    tops = [i * (height - side) // (LATTICE - 1) for i in range(LATTICE)]
    lefts = [i * (width - side) // (LATTICE - 1) for i in range(LATTICE)]
    return [(top, left) for top in tops for left in lefts]


def crops(photo: Tensor, places: list[tuple[int, int]], side: int) -> Tensor:
    """Patches (N, C, side, side) of a photo (C, H, W), at (top, left)."""
    return torch.stack([photo[:, top : top + side, left : left + side] for top, left in places])


# ---- mosaics -------------------------------------------------------------------------------------


def load_mosaics(side: int) -> Dataset:
    """Mosaics (N, 3, side, side) with labels (N, 10) of zeros and ones, always the same.

    Training patches come from the left halves of the photographs, validation patches from the right
    halves. Photographs are as common as 1, 1/2, 1/3, ... in the order of their names, as classes
    are that people take pictures of.
    """
    checks.integer("image_size", side, at_least=32, at_most=512, because="the side of a mosaic")
    left, right = zip(*(halves(load_photograph(name)) for name in PHOTOGRAPHS), strict=True)
    train_images, train_labels = _mosaics(left, TRAINING_MOSAICS, side, seed=0)
    test_images, test_labels = _mosaics(right, VALIDATION_MOSAICS, side, seed=1)
    return Dataset(train_images, train_labels, test_images, test_labels, tuple(PHOTOGRAPHS))


def _mosaics(photos: tuple[Tensor, ...], count: int, side: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = _labels(count, len(photos), generator)
    images = []
    for row in labels:
        shown = [photos[i] for i in row.nonzero().flatten()]
        images.append(_mosaic(shown, side, generator))
    return torch.stack(images), labels


def _labels(count: int, classes: int, generator: torch.Generator) -> Tensor:
    """Zeros and ones (count, classes), up to MOST ones a row; the first classes are most common."""
    common = 1 / torch.arange(1, classes + 1)
    labels = torch.zeros(count, classes)
    numbers = torch.randint(1, MOST + 1, (count,), generator=generator).tolist()
    for row, number in enumerate(numbers):
        labels[row, torch.multinomial(common, number, generator=generator)] = 1.0
    return labels


def _mosaic(photos: list[Tensor], side: int, generator: torch.Generator) -> Tensor:
    """Bytes (3, side, side): each photo at least once, in no order."""
    cells = GRID * GRID
    more = torch.randint(len(photos), (cells - len(photos),), generator=generator)
    order = torch.randperm(cells, generator=generator)
    which = torch.cat([torch.arange(len(photos)), more])[order].tolist()
    patches = torch.cat(
        [crops(photos[i], random_places(photos[i], PATCH, 1, generator), PATCH) for i in which]
    )
    cell = -(-side // GRID)
    small = F.interpolate(
        patches.float(), size=(cell, cell), mode="bilinear", antialias=True, align_corners=False
    )
    # 3, row, y, column, x
    rows = small.round().to(torch.uint8).view(GRID, GRID, 3, cell, cell).permute(2, 0, 3, 1, 4)
    return rows.reshape(3, GRID * cell, GRID * cell)[:, :side, :side]
