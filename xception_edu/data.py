"""Real images that pip packages ship, as bytes on the device; enlarged, normalized and augmented there, a batch at a time.

Nothing is downloaded: `digits` are in scikit-learn's wheel, `photos` in scikit-image's and scikit-learn's.
"""

import math
from importlib.resources import files
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from xception_edu import checks
from xception_edu.recipes import Recipe

DIGITS_HELD_OUT = 500  # of 1,797
PATCHES_A_PHOTO = 400  # training patches from each left half
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


class Dataset(NamedTuple):
    """Images as uint8 (N, C, H, W) with their labels as int64 (N,), for training and held out, and the classes' names."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]

    def to(self, device: torch.device | str) -> "Dataset":
        """The same on `device`."""
        return Dataset(*(t.to(device) for t in self[:4]), self.classes)


def load_dataset(recipe: Recipe) -> Dataset:
    """The recipe's data set; ValueError if its images or classes do not fit the recipe's model or batch size."""
    data = load_digits() if recipe.dataset == "digits" else load_photos(recipe.image_size, recipe.seed)
    facts = {"num_classes": len(data.classes), "in_channels": data.train_images.shape[1]}
    for name, fact in facts.items():
        if getattr(recipe.model, name) != fact:
            raise ValueError(f"model.{name} is {getattr(recipe.model, name)}, but must be {fact} for {recipe.dataset}")
    because = f"the training images of {recipe.dataset}"
    checks.integer("batch_size", recipe.batch_size, at_most=len(data.train_images), because=because)
    return data


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


def augment(images: Tensor, recipe: Recipe) -> Tensor:
    """Each prepared image shifted, turned, zoomed, mirrored and lit at random, as far as the recipe allows.

    All geometry is one affine map an image, sampled once. Random numbers come from torch's global generator of the CPU, so
    that every device sees the same ones.
    """
    n, size = len(images), images.shape[-1]
    angle, zoom = math.radians(recipe.random_rotation) * _spread(n), 1 + recipe.random_zoom * _spread(n)
    right, down = (recipe.random_shift * 2 / size * _spread(n) for _ in range(2))  # the image spans 2 in grid_sample's units
    mirror = torch.where((torch.rand(n) < 0.5) & recipe.random_flip, -1.0, 1.0)
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    maps = torch.stack([cos * mirror, -sin, right, sin * mirror, cos, down], dim=1).view(n, 2, 3)
    grid = F.affine_grid(maps.to(images.device), list(images.shape), align_corners=False)
    padding = "zeros" if recipe.fill == "black" else "reflection"
    images = F.grid_sample(images + 1, grid, padding_mode=padding, align_corners=False) - 1  # black is 0 in between
    if recipe.random_light:
        contrast, brightness = (recipe.random_light * _spread(n).view(n, 1, 1, 1).to(images.device) for _ in range(2))
        images = images * (1 + contrast) + brightness
    return images.contiguous(memory_format=torch.channels_last)


def _spread(n: int) -> Tensor:
    """`n` random numbers, evenly from -1 to 1."""
    return torch.rand(n) * 2 - 1
