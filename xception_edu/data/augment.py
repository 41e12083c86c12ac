"""What happens to a batch on the device: enlarged, normalized and augmented there."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from xception_edu import checks
from xception_edu.recipes.recipe import Recipe

LARGEST_SIDE, MOST_PROCESSES = 16384, 2**16
LUMA = (0.299, 0.587, 0.114)  # shares of red, green and blue in gray


def prepare(images: Tensor, image_size: int) -> Tensor:
    """Bytes (N, C, H, W) to floats from -1 to 1, enlarged to the size that the network sees."""
    _check_images(images)
    image_size = checks.integer("image_size", image_size, at_most=LARGEST_SIDE)
    images = images.float() / 127.5 - 1
    if images.shape[-1] != image_size:
        images = F.interpolate(
            images, size=(image_size, image_size), mode="bilinear", align_corners=False
        )
    # twice as fast as the default on a CPU
    return images.contiguous(memory_format=torch.channels_last)


def augment(images: Tensor, recipe: Recipe, *, rank: int = 0, world_size: int = 1) -> Tensor:
    """Prepared images (N, C, H, W), each moved, mirrored, colored and erased at random.

    The recipe says how far. All geometry is one affine map an image, sampled once. Random numbers
    come from torch's global generator of the CPU, so that every device sees the same ones; and each
    process draws those of the whole batch and takes its own, so that several processes see what one
    would.

    Args:
        images: from -1 to 1, as `prepare` makes them.
        recipe: says how far they are moved, mirrored, colored and erased.
        rank: which of the processes this one is.
        world_size: how many processes share the batch.
    """
    _check_images(images)
    checks.instance("recipe", recipe, Recipe, "a Recipe")
    world_size = checks.integer("world_size", world_size, at_most=MOST_PROCESSES)
    rank = checks.integer("rank", rank, at_least=0, at_most=world_size - 1)
    n, size = len(images), images.shape[-1]
    rows = slice(rank * n, (rank + 1) * n)

    def spread() -> Tensor:
        return (torch.rand(n * world_size) * 2 - 1)[rows]  # evenly from -1 to 1

    def column(values: Tensor) -> Tensor:
        return values.view(n, 1, 1, 1).to(images.device, images.dtype)

    angle, zoom = math.radians(recipe.random_rotation) * spread(), 1 + recipe.random_zoom * spread()
    # the image spans 2 in grid_sample's units
    right, down = (recipe.random_shift * 2 / size * spread() for _ in range(2))
    # whole pixels: the images stay as sharp as those of the validation
    if not (recipe.random_rotation or recipe.random_zoom):
        right, down = ((shift * size / 2).round() * 2 / size for shift in (right, down))
    flipped = (torch.rand(n * world_size)[rows] < 0.5) & recipe.random_flip
    mirror = torch.where(flipped, -1.0, 1.0)
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    maps = torch.stack([cos * mirror, -sin, right, sin * mirror, cos, down], dim=1).view(n, 2, 3)
    grid = F.affine_grid(maps.to(images.device), list(images.shape), align_corners=False)
    padding = "zeros" if recipe.fill == "black" else "reflection"
    # black is 0 in between
    images = F.grid_sample(images + 1, grid, padding_mode=padding, align_corners=False) - 1
    if recipe.color_jitter:
        contrast, brightness = (column(recipe.color_jitter * spread()) for _ in range(2))
        images = images * (1 + contrast) + brightness
    if recipe.random_saturation:
        gray = (images * images.new_tensor(LUMA).view(3, 1, 1)).sum(dim=1, keepdim=True)
        images = gray + (images - gray) * (1 + column(recipe.random_saturation * spread()))
    if recipe.random_erase:
        images = _erased(images, recipe.random_erase, column(spread()), column(spread()))
    return images.contiguous(memory_format=torch.channels_last)


def _check_images(images: Tensor) -> None:
    """ValueError unless it is a tensor (N, C, H, W)."""
    if not isinstance(images, Tensor) or images.dim() != 4 or images.is_complex():
        raise checks.wrong("images", images, "a tensor (N, C, H, W)")


def _erased(images: Tensor, side: int, down: Tensor, right: Tensor) -> Tensor:
    """Images with a gray square around a center (-1 to 1); at an edge a part of it is lost."""
    size = images.shape[-1]
    places = torch.arange(size, device=images.device)
    rows, columns = (((center + 1) * size / 2 - side / 2).floor() for center in (down, right))
    in_rows = (places.view(1, 1, size, 1) >= rows) & (places.view(1, 1, size, 1) < rows + side)
    in_columns = (places >= columns) & (places < columns + side)
    return images.masked_fill(in_rows & in_columns, 0.0)
