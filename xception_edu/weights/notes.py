"""What a file of weights says of how its network is used: classes, size and scale of the images."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from xception_edu import checks
from xception_edu.recipes.recipe import Recipe

LARGEST_IMAGE = 10_000  # pixels a side
LONGEST_NOTE = 2**24  # letters


@dataclass(frozen=True, kw_only=True)
class Notes:
    """How a network is used; None where the file does not say."""

    classes: tuple[str, ...] | None = None
    image_size: tuple[int, int] | None = None  # height and width
    scale: float = 1 / 127.5  # of pixels from 0 to 255
    offset: float = -1.0
    multi_label: bool = False  # an image may have several classes: a sigmoid for each
    recipe: Recipe | None = None  # by which it was trained, and which decides the preprocessing

    def to_metadata(self) -> dict[str, str]:
        """As words for the header of a file; `from_metadata` reads them."""
        said: dict[str, Any] = {}
        if self.classes is not None:
            said["classes"] = list(self.classes)
        if self.recipe is not None:
            said["recipe"] = self.recipe.to_dict()
        if self != Notes(classes=self.classes, recipe=self.recipe):
            said["input"] = {
                "image_size": self.image_size,
                "scale": self.scale,
                "offset": self.offset,
                "multi_label": self.multi_label,
            }
        return {name: json.dumps(value) for name, value in said.items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> "Notes":
        """What a header says; ValueError names what is wrong with it."""
        notes = cls()
        if "classes" in metadata:
            notes = replace(notes, classes=class_names(_parsed("classes", metadata)))
        if "input" in metadata:
            notes = replace(notes, **_input(_parsed("input", metadata)))
        if "recipe" in metadata:
            recipe = _recipe(_parsed("recipe", metadata))
            notes = replace(notes, recipe=recipe, multi_label=recipe.labels == "many")
        return notes

    def scaled(self, images: Tensor) -> Tensor:
        """Images from -1 to 1 as the network wants them."""
        if (self.scale, self.offset) == (Notes.scale, Notes.offset):
            return images
        return images.add(1).mul(127.5 * self.scale).add(self.offset)

    def check_classes(self, num_classes: int) -> None:
        """ValueError unless there are as many names as classes, if there are any."""
        if self.classes is not None and len(self.classes) != num_classes:
            raise ValueError(
                f"it names {len(self.classes)} classes, but its network has {num_classes}"
            )


def class_names(value: object) -> tuple[str, ...]:
    """Names of classes out of a file: a list, or a mapping from or to their numbers."""
    if isinstance(value, Mapping):
        pairs = list(value.items())
        if all(isinstance(number, int) for _, number in pairs):
            pairs = [(number, name) for name, number in pairs]
        numbered = {int(number): name for number, name in pairs if str(number).isdecimal()}
        value = [numbered.get(i) for i in range(len(pairs))]
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"its classes are {checks.shown(value)}, but must be a list of names")
    return tuple(value)


def _parsed(name: str, metadata: Mapping[str, str]) -> Any:
    text = metadata[name]
    if len(text) > LONGEST_NOTE:
        raise ValueError(f"its {name} has {len(text)} letters, but at most {LONGEST_NOTE} are read")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"its {name} is {checks.shown(text)}, but must be JSON") from None


def _recipe(value: object) -> Recipe:
    if not isinstance(value, Mapping):
        raise ValueError(f"its recipe is {checks.shown(value)}, but must be a recipe")
    try:
        return Recipe.from_dict(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"its recipe is none: {error}") from error


def _input(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"its input is {checks.shown(value)}, but must be a mapping")
    size = value.get("image_size")
    if size is not None:
        size = checks.pair("its image_size", size)
        checks.integer("its image_size", max(size), at_most=LARGEST_IMAGE)
    return {
        "image_size": size,
        "scale": checks.number("its scale", value.get("scale", Notes.scale)),
        "offset": checks.number("its offset", value.get("offset", Notes.offset)),
        "multi_label": checks.boolean("its multi_label", value.get("multi_label", False)),
    }
