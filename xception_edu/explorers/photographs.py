"""The photographs that explorers work on, as scikit-image ships them."""

from importlib.resources import as_file, files

from PIL import Image


def photograph(name: str) -> Image.Image:
    """A photograph in color, by the name of its file: "chelsea" is a cat, "coffee" a cup."""
    with as_file(files("skimage").joinpath(f"data/{name}.png")) as path, Image.open(path) as image:
        return image.convert("RGB")
