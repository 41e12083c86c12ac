"""What a recipe is: everything that decides what a training run computes, as data, checked.
Standard library only.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Annotated, Any, Literal, Self, get_args

from xception_edu import checks
from xception_edu.configs import XceptionConfig

DatasetName = Literal["digits", "photos", "mosaics", "cifar10", "imagenet", "imagefolder"]
Labels = Literal["one", "many"]
Optimizer = Literal["sgd", "rmsprop", "adamw"]
Schedule = Literal["cosine", "steps"]
DecayBy = Literal["epochs", "images"]
RateRule = Literal["none", "linear", "sqrt"]
L2 = Literal["decay", "loss"]
Precision = Literal["fp32", "bf16", "fp16"]
Fill = Literal["black", "reflection"]
Resampling = Literal["bilinear", "bicubic"]


CHOICES = {
    "dataset": DatasetName,
    "labels": Labels,
    "optimizer": Optimizer,
    "lr_rule": RateRule,
    "schedule": Schedule,
    "decay_by": DecayBy,
    "l2": L2,
    "fill": Fill,
    "resampling": Resampling,
    "precision": Precision,
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides what a training run computes; `train` saves it as config.json beside
    what it made.

    The same recipe gives the same bits on the same machine. Lengths of time are epochs, lengths in
    images are pixels of what the network sees. Raises ValueError if a field is out of its range, or
    does not fit the data set or the model.
    """

    name: str
    dataset: Annotated[
        DatasetName,
        "where the images come from; --data says where cifar10, imagenet and imagefolder lie",
    ]
    model: Annotated[XceptionConfig, "the dials of the network"]
    image_size: Annotated[int, "side in pixels of the images that the network sees"]
    labels: Annotated[
        Labels, "one: a class an image, softmax; many: any number of them, a sigmoid a class"
    ] = "one"
    held_out_share: Annotated[
        float, "share of each class that is held out where the data have no part for it"
    ] = 0.1
    seed: Annotated[
        int, "decides the weights at the start, the order of the images and their augmentation"
    ] = 0
    batch_size: Annotated[int, "images a step, over all processes and accumulated parts"] = 64
    accumulate: Annotated[
        int, "parts that a process cuts its share of a batch into; BN sees one part at a time"
    ] = 1
    epochs: Annotated[int, "passes over the training images"] = 15
    steps_per_epoch: Annotated[
        int | None, "steps an epoch; null: once over the images. Streams of unknown length need it"
    ] = None
    evaluate_every: Annotated[int, "epochs between two evaluations on the held-out images"] = 1
    optimizer: Annotated[Optimizer, "sgd, rmsprop or adamw"] = "sgd"
    learning_rate: Annotated[
        float, "the highest, after warm-up, for a batch of reference_batch_size"
    ] = 0.1
    reference_batch_size: Annotated[
        int, "images a step that learning_rate is meant for; see lr_rule"
    ] = 64
    lr_rule: Annotated[
        RateRule,
        "learning_rate x (batch_size / reference_batch_size), its square root, or left alone",
    ] = "none"
    schedule: Annotated[
        Schedule, "cosine: down to 0 along half a wave; steps: x decay_rate at every interval"
    ] = "cosine"
    warmup_epochs: Annotated[
        float, "epochs in which the learning rate rises from 0 in a straight line"
    ] = 1.0
    decay_rate: Annotated[
        float, "factor of schedule steps; 0.94 every 2 epochs in the paper's ImageNet runs"
    ] = 0.94
    decay_by: Annotated[
        DecayBy, "what the intervals of schedule steps count: decay_epochs or decay_images"
    ] = "epochs"
    decay_epochs: Annotated[float, "epochs between two factors of schedule steps"] = 2.0
    decay_images: Annotated[
        int, "training images between two factors; 3,000,000 in the paper's JFT runs"
    ] = 3_000_000
    momentum: Annotated[float, "of sgd and rmsprop, and the first beta of adamw"] = 0.9
    nesterov: Annotated[bool, "sgd looks ahead along its momentum"] = True
    rmsprop_decay: Annotated[float, "of rmsprop's running mean of squared gradients, a step"] = 0.9
    rmsprop_epsilon: Annotated[
        float, "added to the root of that mean, which divides the gradient"
    ] = 1e-8
    weight_decay: Annotated[float, "lambda, see l2; not applied to biases and BN"] = 5e-4
    l2: Annotated[
        L2,
        "decay: gradient + lambda * w, as torch; loss: lambda * w^2 in the loss, gradient + 2 *"
        " lambda * w",
    ] = "decay"
    clip_norm: Annotated[
        float, "longest gradient, over all weights together; 0: as long as it is"
    ] = 0.0
    label_smoothing: Annotated[
        float, "share of the target that is spread evenly over all classes"
    ] = 0.0
    polyak_decay: Annotated[
        float, "of the averaged weights that are evaluated, a step; 0: the last weights are"
    ] = 0.0
    bn_momentum: Annotated[
        float, "share of a new batch in BN's running statistics; the paper's 0.01 is for long runs"
    ] = 0.1
    random_crop_area: Annotated[
        float, "augmentation: a part of the image, of at least such a share of it; 1: no such cut"
    ] = 1.0
    random_crop_ratio: Annotated[
        float, "augmentation: that part is up to so many times wider than high, or higher"
    ] = 4 / 3
    random_shift: Annotated[
        int, "augmentation: up to so many pixels, down or up, left or right"
    ] = 0
    random_rotation: Annotated[float, "augmentation: up to so many degrees, both ways"] = 0.0
    random_zoom: Annotated[float, "augmentation: up to such a share smaller or larger"] = 0.0
    random_light: Annotated[
        float, "augmentation: contrast and brightness up to such a share weaker or stronger"
    ] = 0.0
    random_saturation: Annotated[
        float, "augmentation: color up to such a share paler or stronger"
    ] = 0.0
    random_erase: Annotated[
        int, "augmentation: a square of so many pixels a side, at a random place, becomes gray"
    ] = 0
    random_flip: Annotated[bool, "augmentation: every second image is mirrored, left to right"] = (
        False
    )
    fill: Annotated[Fill, "what augmentation puts where the image ends"] = "reflection"
    center_crop: Annotated[
        float,
        "side of the center crop over the shorter side, for images that are not cut at random",
    ] = 1.0
    resampling: Annotated[Resampling, "how images of files are resized"] = "bilinear"
    streaming: Annotated[
        bool,
        "read images as a stream, from the hub or the disk, without a copy; .tar shards always are",
    ] = False
    shuffle_buffer: Annotated[
        int, "images that a stream is mixed among; other data are mixed as a whole"
    ] = 10_000
    precision: Annotated[Precision, "of the forward pass; weights and sums stay fp32"] = "fp32"
    compile: Annotated[bool, "let torch.compile fuse the network's operators"] = False
    sync_bn: Annotated[bool, "BN's statistics over all processes; GPUs only"] = False
    keep_checkpoints: Annotated[int, "how many of the newest checkpoints stay on the disk"] = 2
    workers: Annotated[
        int | None, "threads that decode images; null: one a core. Any number gives the same images"
    ] = None
    threads: Annotated[
        int | None, "cores to use; null: all that torch finds. Another number, another rounding"
    ] = None

    def __post_init__(self) -> None:
        checks.text("name", self.name)
        if not isinstance(self.model, XceptionConfig):
            raise ValueError(f"model is {self.model!r}, but must be an XceptionConfig")
        for name, options in CHOICES.items():
            checks.one_of(name, getattr(self, name), get_args(options))
        for name in ("nesterov", "random_flip", "streaming", "compile", "sync_bn"):
            checks.boolean(name, getattr(self, name))
        self._check_integers()
        self._check_numbers()
        self._check_images()
        if self.l2 == "loss" and self.optimizer == "adamw":
            raise ValueError(
                "l2 is 'loss', but must be 'decay' for adamw, which decays weights apart from the"
                " gradient"
            )

    def _check_integers(self) -> None:
        for name in (
            "image_size",
            "batch_size",
            "reference_batch_size",
            "epochs",
            "evaluate_every",
            "decay_images",
        ):
            checks.integer(name, getattr(self, name))
        for name in ("shuffle_buffer", "keep_checkpoints"):
            checks.integer(name, getattr(self, name))
        checks.integer(
            "accumulate", self.accumulate, at_most=self.batch_size, because="the images of a batch"
        )
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"accumulate is {self.accumulate}, but must divide batch_size, which is"
                f" {self.batch_size}"
            )
        checks.integer("seed", self.seed, at_least=0, at_most=2**63 - 1)
        checks.integer("random_shift", self.random_shift, at_least=0, at_most=self.image_size - 1)
        checks.integer("random_erase", self.random_erase, at_least=0, at_most=self.image_size)
        for name, most in (("steps_per_epoch", None), ("workers", 1024), ("threads", 1024)):
            if getattr(self, name) is not None:
                checks.integer(name, getattr(self, name), at_most=most)

    def _check_numbers(self) -> None:
        for name in ("learning_rate", "decay_epochs", "rmsprop_epsilon"):
            checks.number(name, getattr(self, name), above=0)
        for name in ("warmup_epochs", "weight_decay", "clip_norm", "random_rotation"):
            checks.number(name, getattr(self, name), at_least=0)
        for name in (
            "momentum",
            "rmsprop_decay",
            "label_smoothing",
            "polyak_decay",
            "random_zoom",
            "random_light",
        ):
            checks.number(name, getattr(self, name), at_least=0, below=1)
        checks.number("random_saturation", self.random_saturation, at_least=0, at_most=1)
        checks.number("held_out_share", self.held_out_share, above=0, below=1)
        for name in ("decay_rate", "bn_momentum", "random_crop_area", "center_crop"):
            checks.number(name, getattr(self, name), above=0, at_most=1)
        checks.number("random_crop_ratio", self.random_crop_ratio, at_least=1)

    def _check_images(self) -> None:
        """What the images of the data sets allow."""
        if self.dataset == "digits" and self.image_size % 8:
            raise ValueError(
                f"image_size is {self.image_size}, but must be a multiple of 8 for digits, which"
                " are 8x8 pixels"
            )
        if self.dataset == "digits" and self.random_flip:
            raise ValueError(
                "random_flip is True, but must be False for digits: in the mirror they are no"
                " digits"
            )
        if self.random_saturation and self.model.in_channels != 3:
            raise ValueError(
                f"random_saturation is {self.random_saturation}, but must be 0: gray images have no"
                " color"
            )
        if self.dataset == "photos":
            checks.integer(
                "image_size",
                self.image_size,
                at_least=32,
                at_most=96,
                because="the side of a patch of photos",
            )
        if self.dataset in ("digits", "photos", "cifar10") and self.labels != "one":
            raise ValueError(
                f"labels is {self.labels!r}, but must be 'one' for {self.dataset}: its images have"
                " one class each"
            )
        if self.dataset == "mosaics" and self.labels != "many":
            raise ValueError(
                f"labels is {self.labels!r}, but must be 'many' for mosaics: they show several"
                " photographs"
            )
        if self.labels == "many" and self.label_smoothing:
            raise ValueError(
                f"label_smoothing is {self.label_smoothing}, but must be 0 where labels is 'many'"
            )
        if self.dataset in ("digits", "photos") and self.random_crop_area < 1:
            area = self.random_crop_area
            raise ValueError(
                f"random_crop_area is {area}, but must be 1 for {self.dataset}, which random_zoom"
                " and _shift vary"
            )

    def to_dict(self) -> dict[str, Any]:
        """The recipe as what JSON can hold; tuples become lists."""
        made = asdict(self)
        made["model"] = {
            name: list(v) if isinstance(v, tuple) else v for name, v in made["model"].items()
        }
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
            raise ValueError(
                f"{prefix}{name} is no field of {cls.__name__}; these are: {', '.join(names)}"
            )


def differences(recipe: Recipe, other: Recipe) -> list[str]:
    """One line for every field in which two recipes differ: "epochs is 3 and 5"."""
    one, two = (_flat(r.to_dict()) for r in (recipe, other))
    return [f"{name} is {one[name]!r} and {two[name]!r}" for name in one if one[name] != two[name]]


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if k != "model"} | {
        f"model.{k}": v for k, v in values["model"].items()
    }


def peak_learning_rate(recipe: Recipe) -> float:
    """The highest learning rate, for the batch size that there is: `learning_rate` by `lr_rule`."""
    ratio = recipe.batch_size / recipe.reference_batch_size
    return (
        recipe.learning_rate
        * {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[recipe.lr_rule]
    )


def rate_rule(recipe: Recipe) -> str:
    """One line: which learning rate the batch size leads to, and by which rule."""
    sizes, peak = f"{recipe.batch_size}/{recipe.reference_batch_size}", peak_learning_rate(recipe)
    if recipe.batch_size == recipe.reference_batch_size:
        return f"learning rate {peak:.6g}, meant for the {recipe.batch_size} images of a step"
    by = {
        "none": "left alone by the rule none",
        "linear": f"by the rule linear, {recipe.learning_rate:g} x {sizes}",
        "sqrt": f"by the rule sqrt, {recipe.learning_rate:g} x sqrt({sizes})",
    }
    return f"learning rate {peak:.6g} for {recipe.batch_size} images a step: {by[recipe.lr_rule]}"


def averaging_hint(recipe: Recipe, steps: int) -> str | None:
    """One line where the averaged weights still hold much of the start after so many steps in all;
    else None.
    """
    back = 1 / (1 - recipe.polyak_decay)  # a step that long ago counts e times less than the last
    if not recipe.polyak_decay or back <= steps / 3:
        return None
    looks = f"averaged weights look back some {back:,.0f} steps, and the run has {steps:,}"
    return f"{looks}: --polyak-decay {max(0.0, 1 - 10 / steps):.4g} forgets its start"


def learning_rate(recipe: Recipe, epoch: float, epoch_images: int | None = None) -> float:
    """Learning rate after `epoch` epochs (a real number): a straight rise from 0, then down along
    the schedule.

    `epoch_images`, the training images an epoch, is needed where decay_by is "images"; ValueError
    without it.
    """
    warm_up = min(1.0, epoch / recipe.warmup_epochs) if recipe.warmup_epochs else 1.0
    if recipe.schedule == "cosine":
        decay = (1 + math.cos(math.pi * min(1.0, epoch / recipe.epochs))) / 2
    elif recipe.decay_by == "epochs":
        decay = recipe.decay_rate ** (epoch // recipe.decay_epochs)
    else:
        images = (
            checks.integer("epoch_images", epoch_images, because="decay_by is 'images'") * epoch
        )
        decay = recipe.decay_rate ** (images // recipe.decay_images)
    return peak_learning_rate(recipe) * warm_up * decay
