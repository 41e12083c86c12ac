"""A recipe's data set: images that come with packages, or those in files of yours or the hub's."""

import os

from xception_edu import checks
from xception_edu.data.builtin import load_digits, load_mosaics, load_photos
from xception_edu.data.dataset import Dataset, Images
from xception_edu.data.entangled import load_entangled
from xception_edu.data.file_sets import FileSet, decode_all
from xception_edu.data.image_files import MAX_PIXELS, check_max_pixels
from xception_edu.data.refusals import refusal
from xception_edu.data.sources import RIGHT, find_source, open_images
from xception_edu.data.streams import Stream, open_streams
from xception_edu.recipes.recipe import Recipe

# where recipes find their images without --data
HUB = {"cifar10": "hf://uoft-cs/cifar10", "imagenet": "hf://ILSVRC/imagenet-1k"}
SMALL_SET = 2**30  # bytes of images that are kept in memory, on the device


def load_dataset(
    recipe: Recipe,
    path: str | os.PathLike[str] | None = None,
    *,
    skip_corrupt: bool = False,
    max_pixels: int = MAX_PIXELS,
    any_classes: bool = False,
) -> Images:
    """The recipe's data set: images that come with packages, or those at `path`.

    Files whose images are cropped at random, or are more than SMALL_SET bytes, are decoded step by
    step (a FileSet), streams are read as they come (a Stream); all others are kept in memory.

    Args:
        recipe: says which images, and how they are prepared.
        path: a folder, a file or a name on the hub.
        skip_corrupt: leave out images that cannot be read, and count them.
        max_pixels: a larger image counts as one that cannot be read.
        any_classes: do not ask for the recipe's number of classes, since the classifier will be
            made for those that there are.

    Raises:
        ValueError: the images, their number or their classes do not fit the recipe.
    """
    checks.instance("recipe", recipe, Recipe, "a Recipe, such as xe.DIGITS")
    checks.boolean("skip_corrupt", skip_corrupt)
    any_classes = checks.boolean("any_classes", any_classes)
    max_pixels = check_max_pixels(max_pixels)
    if path is not None:
        checks.instance("data", path, (str, os.PathLike), f"the path of images: {RIGHT}")
    if path is not None and recipe.dataset in ("digits", "photos", "entangled"):
        come = f"images of {recipe.dataset} come with a package, or are made"
        raise refusal(os.fspath(path), f"must be left out: {come}")
    path = path or HUB.get(recipe.dataset)
    if recipe.dataset == "digits":
        data: Images = load_digits()
    elif recipe.dataset == "photos":
        data = load_photos(recipe.image_size, recipe.seed)
    elif recipe.dataset == "entangled":
        data = load_entangled(recipe.entanglement)
    elif path is not None:
        data = load_files(recipe, path, skip_corrupt, max_pixels)
    elif recipe.dataset == "mosaics":
        data = load_mosaics(recipe.image_size)
    else:
        raise ValueError(
            "data is missing, but must say where the images are, such as --data FOLDER"
        )
    where = recipe.dataset if path is None else os.fspath(path)
    _check_fit(recipe, data, where, any_classes)
    return data


def _check_fit(recipe: Recipe, data: Images, where: str, any_classes: bool) -> None:
    facts = {} if any_classes else {"num_classes": len(data.classes)}
    if isinstance(data, Dataset):
        facts["in_channels"] = data.train_images.shape[1]
    for name, fact in facts.items():
        if getattr(recipe.model, name) != fact:
            right = f"must be {fact} for {checks.shown(where)}"
            raise ValueError(f"model.{name} is {getattr(recipe.model, name)}, but {right}")
    checks.integer(
        "batch_size",
        recipe.batch_size,
        at_most=data.train_size,
        because=f"the training images of {where}",
    )


def load_files(
    recipe: Recipe, path: str | os.PathLike[str], skip_corrupt: bool, max_pixels: int
) -> Images:
    """The images at `path`, which may be anything that `sources` and `streams` know."""
    if recipe.model.in_channels not in (1, 3):
        raise ValueError(
            f"model.in_channels is {recipe.model.in_channels}, but must be 3, or 1 for gray, for"
            " images in files"
        )
    source = find_source(path)
    if recipe.streaming or source.kind == "shards":
        streams = open_streams(source, skip_corrupt=skip_corrupt)
        return Stream(streams, recipe, skip_corrupt=skip_corrupt, max_pixels=max_pixels)
    image_set = open_images(
        source, multi_label=recipe.labels == "many", validation_share=recipe.held_out_share
    )
    images = len(image_set.train.contents) + len(image_set.validation.contents)
    large = images * recipe.model.in_channels * recipe.image_size**2 > SMALL_SET
    if recipe.random_crop_area < 1 or large:
        return FileSet(image_set, recipe, skip_corrupt=skip_corrupt, max_pixels=max_pixels)
    return Dataset(*decode_all(image_set, recipe, skip_corrupt, max_pixels), image_set.classes)
