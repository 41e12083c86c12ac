"""Training configurations: everything that decides what a run computes, as data. Standard library only.

What a recipe takes and reaches is measured, never typed: benchmarks/train_seeds.py writes results/train_NAME.json with the
command, the machine, the seconds and the accuracy over 3 seeds.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Annotated, Any, Literal, Self, get_args

from xception_edu import checks
from xception_edu.dials import XceptionConfig

DatasetName = Literal["digits", "photos"]
Optimizer = Literal["sgd", "adamw"]
Schedule = Literal["cosine", "steps"]
Fill = Literal["black", "reflection"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides what a training run computes; `train` saves it as config.json beside what it made.

    The same recipe gives the same bits on the same machine. Lengths of time are epochs, lengths in images are pixels
    of what the network sees. Raises ValueError if a field is out of its range, or does not fit the data set or the model.
    """

    name: str
    dataset: Annotated[DatasetName, "where the images come from"]
    model: Annotated[XceptionConfig, "the dials of the network"]
    image_size: Annotated[int, "side in pixels of the images that the network sees"]
    seed: Annotated[int, "decides the weights at the start, the order of the images and their augmentation"] = 0
    batch_size: Annotated[int, "images a step"] = 64
    epochs: Annotated[int, "passes over the training images"] = 15
    optimizer: Annotated[Optimizer, "sgd (with Nesterov momentum) or adamw"] = "sgd"
    learning_rate: Annotated[float, "the highest, after warm-up"] = 0.1
    schedule: Annotated[Schedule, "cosine: down to 0 along half a wave; steps: x decay_rate every decay_epochs"] = "cosine"
    warmup_epochs: Annotated[float, "epochs in which the learning rate rises from 0 in a straight line"] = 1.0
    decay_rate: Annotated[float, "factor of schedule steps; 0.94 every 2 epochs in the paper's ImageNet runs"] = 0.94
    decay_epochs: Annotated[float, "epochs between two factors of schedule steps"] = 2.0
    momentum: Annotated[float, "of sgd, and the first beta of adamw"] = 0.9
    weight_decay: Annotated[float, "lambda in `gradient + lambda * weight` (sgd); not applied to biases and BN"] = 5e-4
    label_smoothing: Annotated[float, "share of the target that is spread evenly over all classes"] = 0.0
    polyak_decay: Annotated[float, "of the averaged weights that are evaluated, a step; 0: the last weights are"] = 0.0
    bn_momentum: Annotated[float, "share of a new batch in BN's running statistics; the paper's 0.01 is for long runs"] = 0.1
    random_shift: Annotated[int, "augmentation: up to so many pixels, down or up, left or right"] = 0
    random_rotation: Annotated[float, "augmentation: up to so many degrees, both ways"] = 0.0
    random_zoom: Annotated[float, "augmentation: up to such a share smaller or larger"] = 0.0
    random_light: Annotated[float, "augmentation: contrast and brightness up to such a share weaker or stronger"] = 0.0
    random_flip: Annotated[bool, "augmentation: every second image is mirrored, left to right"] = False
    fill: Annotated[Fill, "what augmentation puts where the image ends"] = "reflection"
    keep_checkpoints: Annotated[int, "how many of the newest checkpoints stay on the disk"] = 2
    threads: Annotated[int | None, "cores to use; null: all that torch finds. Another number, another rounding"] = None

    def __post_init__(self) -> None:
        checks.text("name", self.name)
        if not isinstance(self.model, XceptionConfig):
            raise ValueError(f"model is {self.model!r}, but must be an XceptionConfig")
        for name, options in (("dataset", DatasetName), ("optimizer", Optimizer), ("schedule", Schedule), ("fill", Fill)):
            checks.one_of(name, getattr(self, name), get_args(options))
        for name in ("image_size", "batch_size", "epochs", "keep_checkpoints"):
            checks.integer(name, getattr(self, name))
        checks.integer("seed", self.seed, at_least=0, at_most=2**63 - 1)
        checks.integer("random_shift", self.random_shift, at_least=0, at_most=self.image_size - 1)
        for name in ("learning_rate", "decay_epochs"):
            checks.number(name, getattr(self, name), above=0)
        for name in ("warmup_epochs", "weight_decay", "random_rotation"):
            checks.number(name, getattr(self, name), at_least=0)
        for name in ("momentum", "label_smoothing", "polyak_decay", "random_zoom", "random_light"):
            checks.number(name, getattr(self, name), at_least=0, below=1)
        for name in ("decay_rate", "bn_momentum"):
            checks.number(name, getattr(self, name), above=0, at_most=1)
        checks.boolean("random_flip", self.random_flip)
        if self.threads is not None:
            checks.integer("threads", self.threads, at_most=1024)
        self._check_images()

    def _check_images(self) -> None:
        """What the images of the data sets allow."""
        if self.dataset == "digits" and self.image_size % 8:
            raise ValueError(f"image_size is {self.image_size}, but must be a multiple of 8 for digits, which are 8x8 pixels")
        if self.dataset == "digits" and self.random_flip:
            raise ValueError("random_flip is True, but must be False for digits: in the mirror they are no digits")
        if self.dataset == "photos":
            checks.integer("image_size", self.image_size, at_least=32, at_most=96, because="the side of a patch of photos")

    def to_dict(self) -> dict[str, Any]:
        """The recipe as what JSON can hold; tuples become lists."""
        made = asdict(self)
        made["model"] = {name: list(v) if isinstance(v, tuple) else v for name, v in made["model"].items()}
        return made

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The recipe that `to_dict` gave; ValueError if a field is unknown, missing or wrong."""
        values = dict(values)
        model = values.get("model")
        if isinstance(model, Mapping):
            _known_fields(XceptionConfig, model, "model.")
            try:
                values["model"] = XceptionConfig(**model)
            except ValueError as error:
                raise ValueError(f"model.{error}") from None
        _known_fields(cls, values)
        for f in fields(cls):
            if f.default is MISSING and f.name not in values:
                raise ValueError(f"{f.name} is missing, but must be there: it has no default")
        return cls(**values)


def _known_fields(cls: Any, values: Mapping[str, Any], prefix: str = "") -> None:
    names = [f.name for f in fields(cls)]
    for name in values:
        if name not in names:
            raise ValueError(f"{prefix}{name} is no field of {cls.__name__}; these are: {', '.join(names)}")


def differences(recipe: Recipe, other: Recipe) -> list[str]:
    """One line for every field in which two recipes differ: "epochs is 3 and 5"."""
    one, two = (_flat(r.to_dict()) for r in (recipe, other))
    return [f"{name} is {one[name]!r} and {two[name]!r}" for name in one if one[name] != two[name]]


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if k != "model"} | {f"model.{k}": v for k, v in values["model"].items()}


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """Learning rate after `epoch` epochs (a real number): a straight rise from 0, then down along the schedule."""
    warm_up = min(1.0, epoch / recipe.warmup_epochs) if recipe.warmup_epochs else 1.0
    if recipe.schedule == "cosine":
        decay = (1 + math.cos(math.pi * min(1.0, epoch / recipe.epochs))) / 2
    else:
        decay = recipe.decay_rate ** (epoch // recipe.decay_epochs)
    return recipe.learning_rate * warm_up * decay


# 1,797 real handwritten digits from scikit-learn's wheel, enlarged from 8x8 to 16x16 pixels on the device.
#   python -m xception_edu train --recipe digits --out runs/digits
# On two cores; seconds and accuracy over 3 seeds: results/train_digits.json.
DIGITS = Recipe(
    name="digits",
    dataset="digits",
    image_size=16,
    model=XceptionConfig(
        num_classes=10,
        in_channels=1,
        entry_widths=(16, 32, 64),
        middle_blocks=1,
        exit_widths=(64, 96, 128),
        stem_stride=1,
    ),
    epochs=15,
    random_shift=2,
    random_rotation=10.0,
    random_zoom=0.1,
    fill="black",
)

# Which of ten photographs is this patch from? Cut from the pictures in scikit-image's and scikit-learn's wheels: training
# patches from the left halves, held-out patches from the right halves, so that the network must know the scene again.
#   python -m xception_edu train --recipe photos --out runs/photos
# On two cores; seconds and accuracy over 3 seeds: results/train_photos.json.
PHOTOS = Recipe(
    name="photos",
    dataset="photos",
    image_size=64,
    model=XceptionConfig(num_classes=10, entry_widths=(8, 16, 32, 64), middle_blocks=1, exit_widths=(96, 128, 160)),
    epochs=12,
    polyak_decay=0.99,
    random_shift=8,
    random_rotation=15.0,
    random_zoom=0.2,
    random_light=0.3,
    random_flip=True,
)

RECIPES = {recipe.name: recipe for recipe in (DIGITS, PHOTOS)}
