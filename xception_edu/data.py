"""Images as bytes on the device; enlarged, normalized and augmented there, a batch at a time.

`digits` are in scikit-learn's wheel, `photos` in scikit-image's and scikit-learn's; all others are files of yours or the hub's.
"""

import math
import os
from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from xception_edu import checks
from xception_edu.metrics import class_weights
from xception_edu.order import batch_indices, rank_rows
from xception_edu.recipe import Recipe

HUB = {"cifar10": "uoft-cs/cifar10", "imagenet": "ILSVRC/imagenet-1k"}  # where recipes find their images without --data
DIGITS_HELD_OUT = 500  # of 1,797
PATCHES_A_PHOTO = 400  # training patches from each left half
LUMA = (0.299, 0.587, 0.114)  # shares of red, green and blue in gray
LATTICE = 14  # held-out patches from each right half: 14 rows of 14

# The color photographs in the wheels, file by file. The stereo pair counts once: its two pictures show the same.
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
        """How common each class is (classes,), for MAP@100; None where an image has one class, or it is unknown."""

    def training_images(self, recipe: Recipe, step: int, *, rank: int = 0, ranks: int = 1) -> tuple[Tensor, Tensor]:
        """Images and labels of step 0, 1, ..., as bytes on the device; of them the rows of one of `ranks` processes."""

    def held_out(self, batch_size: int = 250, *, rank: int = 0, ranks: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of held-out images and labels; of `ranks` processes each sees every so manieth image."""


class Dataset(NamedTuple):
    """A set that is kept in memory: images as uint8 (N, C, H, W) and their labels, for training and held out.

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
        """How common each class is among the training images, (classes,), where an image may have several."""
        return class_weights(self.train_labels) if self.multi_label else None

    def training_images(self, recipe: Recipe, step: int, *, rank: int = 0, ranks: int = 1) -> tuple[Tensor, Tensor]:
        """Images and labels of step 0, 1, ..., as bytes on the device; of them the rows of one of `ranks` processes."""
        index = batch_indices(recipe.seed, self.train_size, recipe.batch_size, step)
        index = index[rank_rows(recipe.batch_size, rank, ranks)].to(self.train_images.device)
        return self.train_images[index], self.train_labels[index]

    def held_out(self, batch_size: int = 250, *, rank: int = 0, ranks: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of held-out images and labels; of `ranks` processes each sees every so manieth image."""
        images, labels = self.test_images[rank::ranks], self.test_labels[rank::ranks]
        yield from zip(images.split(batch_size), labels.split(batch_size), strict=True)


def load_dataset(recipe: Recipe, path: str | os.PathLike[str] | None = None, *, skip_corrupt: bool = False) -> "Images":
    """The recipe's data set: images that come with packages, or those at `path`, a folder, a file or a name on the hub.

    Files whose images are cut at random, or are more than SMALL_SET bytes, are decoded step by step (a FileSet), streams
    are read as they come (a Stream); all others are kept in memory. With `skip_corrupt` unreadable images are left out.
    ValueError if the images, their number or their classes do not fit the recipe.
    """
    if path is not None and recipe.dataset in ("digits", "photos"):
        raise ValueError(f"data is {os.fspath(path)!r}, but must be left out: {recipe.dataset} come with a package")
    path = path or HUB.get(recipe.dataset)
    if recipe.dataset == "digits":
        data: Images = load_digits()
    elif recipe.dataset == "photos":
        data = load_photos(recipe.image_size, recipe.seed)
    elif path is not None:
        from xception_edu.file_sets import load_files

        data = load_files(recipe, path, skip_corrupt)
    elif recipe.dataset == "mosaics":
        from xception_edu.mosaics import load_mosaics

        data = load_mosaics(recipe.image_size)
    else:
        raise ValueError("data is missing, but must say where the images are, such as --data FOLDER")
    _check_fit(recipe, data, recipe.dataset if path is None else os.fspath(path))
    return data


def _check_fit(recipe: Recipe, data: "Images", where: str) -> None:
    facts = {"num_classes": len(data.classes)}
    if isinstance(data, Dataset):
        facts["in_channels"] = data.train_images.shape[1]
    for name, fact in facts.items():
        if getattr(recipe.model, name) != fact:
            raise ValueError(f"model.{name} is {getattr(recipe.model, name)}, but must be {fact} for {where}")
    checks.integer("batch_size", recipe.batch_size, at_most=data.train_size, because=f"the training images of {where}")


# ---- digits ---------------------------------------------------------------------------------------------------------


def load_digits() -> Dataset:
    """1,797 handwritten digits, 8x8 gray: the same 500 are always held out, each digit in its share.

    They are the test part of UCI's "Optical Recognition of Handwritten Digits", 13 writers who are not told apart here: both
    parts have digits of each writer, so that a stranger's digits are harder than these held-out ones.
    """
    from sklearn import datasets

    digits = datasets.load_digits()
    images = torch.from_numpy(digits.images * 255 / 16).round().to(torch.uint8)[:, None]  # ink from 0 to 16
    labels = torch.from_numpy(digits.target).long()
    train, test = digits_split(digits.target)
    return Dataset(images[train], labels[train], images[test], labels[test], tuple("0123456789"))


def digits_split(labels) -> tuple[list[int], list[int]]:
    """Indices of the training and of the held-out digits, always the same, in each class by its share."""
    from sklearn.model_selection import train_test_split

    return train_test_split(list(range(len(labels))), test_size=DIGITS_HELD_OUT, stratify=labels, random_state=0)


# ---- photos ---------------------------------------------------------------------------------------------------------


def load_photos(side: int, seed: int = 0) -> Dataset:
    """Square patches of ten color photographs; the label is the photograph.

    Training patches come from the left halves at random places, decided by `seed`; held-out patches from the right halves at
    a lattice of places, always the same. No pixel is in both. Patches of one part overlap one another.
    """
    checks.integer("image_size", side, at_least=32, at_most=96)
    generator = torch.Generator().manual_seed(seed)
    train, test = [], []
    for name in PHOTOGRAPHS:
        left, right = halves(load_photograph(name))
        train.append(cut(left, random_places(left, side, PATCHES_A_PHOTO, generator), side))
        test.append(cut(right, lattice_places(right, side), side))
    labels = [torch.arange(len(PHOTOGRAPHS)).repeat_interleave(len(patches[0])) for patches in (train, test)]
    return Dataset(torch.cat(train), labels[0], torch.cat(test), labels[1], tuple(PHOTOGRAPHS))


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


def random_places(photo: Tensor, side: int, count: int, generator: torch.Generator) -> list[tuple[int, int]]:
    """(top, left) of `count` patches that lie in the photo, each place as likely as the other."""
    tops = torch.randint(photo.shape[1] - side + 1, (count,), generator=generator)
    lefts = torch.randint(photo.shape[2] - side + 1, (count,), generator=generator)
    return list(zip(tops.tolist(), lefts.tolist(), strict=True))


def lattice_places(photo: Tensor, side: int) -> list[tuple[int, int]]:
    """(top, left) of LATTICE rows of LATTICE patches, evenly spread from edge to edge."""
    tops, lefts = ([i * (length - side) // (LATTICE - 1) for i in range(LATTICE)] for length in photo.shape[1:])
    return [(top, left) for top in tops for left in lefts]


def cut(photo: Tensor, places: list[tuple[int, int]], side: int) -> Tensor:
    """Patches (N, C, side, side) of a photo (C, H, W), at (top, left)."""
    return torch.stack([photo[:, top : top + side, left : left + side] for top, left in places])


# ---- on the device --------------------------------------------------------------------------------------------------


def pick_device(device: str | None = None) -> torch.device:
    """The device of that name, by default the GPU if torch sees one; ValueError if there is none such."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
        if device == "meta":
            raise ValueError("it holds no values")
        return torch.device(device)
    except (RuntimeError, AssertionError, ValueError, NotImplementedError) as error:
        there = "cpu, cuda" if torch.cuda.is_available() else "cpu"
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise ValueError(f"device is {device!r}, but must be one that is here ({there}): {reason}") from None


def prepare(images: Tensor, image_size: int) -> Tensor:
    """Bytes (N, C, H, W) to floats from -1 to 1 (mean and deviation 0.5), enlarged to the side that the network sees."""
    images = images.float() / 127.5 - 1
    if images.shape[-1] != image_size:
        images = F.interpolate(images, size=(image_size, image_size), mode="bilinear", align_corners=False)
    return images.contiguous(memory_format=torch.channels_last)  # twice as fast as the default on a CPU


def augment(images: Tensor, recipe: Recipe, *, rank: int = 0, ranks: int = 1) -> Tensor:
    """Each prepared image shifted, turned, zoomed, mirrored, lit, colored and erased at random, as far as the recipe allows.

    All geometry is one affine map an image, sampled once. Random numbers come from torch's global generator of the CPU, so
    that every device sees the same ones; and each process draws those of the whole batch and takes its own, so that several
    processes see what one would.
    """
    n, size = len(images), images.shape[-1]
    rows = slice(rank * n, (rank + 1) * n)

    def spread() -> Tensor:
        return (torch.rand(n * ranks) * 2 - 1)[rows]  # evenly from -1 to 1

    def column(values: Tensor) -> Tensor:
        return values.view(n, 1, 1, 1).to(images.device, images.dtype)

    angle, zoom = math.radians(recipe.random_rotation) * spread(), 1 + recipe.random_zoom * spread()
    right, down = (recipe.random_shift * 2 / size * spread() for _ in range(2))  # the image spans 2 in grid_sample's units
    if not (recipe.random_rotation or recipe.random_zoom):  # whole pixels: the images stay as sharp as the held-out ones
        right, down = ((shift * size / 2).round() * 2 / size for shift in (right, down))
    mirror = torch.where((torch.rand(n * ranks)[rows] < 0.5) & recipe.random_flip, -1.0, 1.0)
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    maps = torch.stack([cos * mirror, -sin, right, sin * mirror, cos, down], dim=1).view(n, 2, 3)
    grid = F.affine_grid(maps.to(images.device), list(images.shape), align_corners=False)
    padding = "zeros" if recipe.fill == "black" else "reflection"
    images = F.grid_sample(images + 1, grid, padding_mode=padding, align_corners=False) - 1  # black is 0 in between
    if recipe.color_jitter:
        contrast, brightness = (column(recipe.color_jitter * spread()) for _ in range(2))
        images = images * (1 + contrast) + brightness
    if recipe.random_saturation:
        gray = (images * images.new_tensor(LUMA).view(3, 1, 1)).sum(dim=1, keepdim=True)
        images = gray + (images - gray) * (1 + column(recipe.random_saturation * spread()))
    if recipe.random_erase:
        images = _erased(images, recipe.random_erase, column(spread()), column(spread()))
    return images.contiguous(memory_format=torch.channels_last)


def _erased(images: Tensor, side: int, down: Tensor, right: Tensor) -> Tensor:
    """Images with a gray square, its center anywhere (-1 to 1), so that at the edge a part of it is lost."""
    size = images.shape[-1]
    places = torch.arange(size, device=images.device)
    rows, columns = (((center + 1) * size / 2 - side / 2).floor() for center in (down, right))
    in_rows = (places.view(1, 1, size, 1) >= rows) & (places.view(1, 1, size, 1) < rows + side)
    in_columns = (places >= columns) & (places < columns + side)
    return images.masked_fill(in_rows & in_columns, 0.0)
