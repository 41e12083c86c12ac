"""What a recipe is: all that decides what a training run computes. Standard library only."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass
from dataclasses import fields as dataclass_fields
from typing import Annotated, Any, Literal, Self

from xception_edu import checks
from xception_edu.checks import fields
from xception_edu.checks.fields import Bounds
from xception_edu.configs import XceptionConfig

DatasetName = Literal[
    "digits", "photos", "mosaics", "cifar10", "imagenet", "imagefolder", "entangled"
]
Labels = Literal["one", "many"]
Optimizer = Literal["sgd", "rmsprop", "adamw"]
Schedule = Literal["cosine", "steps"]
DecayBy = Literal["epochs", "images"]
RateRule = Literal["none", "linear", "sqrt"]
L2 = Literal["decay", "loss"]
Precision = Literal["fp32", "bf16", "fp16"]
Unfreeze = Literal["none", "exit", "all"]
SpatialKernels = Literal["trained", "random", "patterns"]
BnStatistics = Literal["batch", "fixed"]
Fill = Literal["black", "reflection"]
Resampling = Literal["bilinear", "bicubic"]

NOT_NEGATIVE = Bounds(at_least=0)
POSITIVE = Bounds(above=0)
BELOW_ONE = Bounds(at_least=0, below=1)
SHARE = Bounds(above=0, at_most=1)
CORES = Bounds(at_most=1024)

RENAMED = {"random_light": "color_jitter"}  # fields by the names that older files have


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides what a training run computes; saved as config.json beside the result.

    The same recipe gives the same bits on the same machine. Lengths of time are epochs, lengths in
    images are pixels of what the network sees. Raises ValueError if a field is out of its bounds,
    or does not fit the data set, the model or another field.
    """

    name: str
    dataset: Annotated[
        DatasetName,
        "where the images come from; --data says where cifar10, imagenet and imagefolder lie",
    ]
    model: Annotated[XceptionConfig, "the configuration of the network"]
    image_size: Annotated[
        int, "side in pixels of the images that the network sees", Bounds(at_most=16_384)
    ]
    labels: Annotated[
        Labels, "one: a class an image, softmax; many: any number of them, a sigmoid a class"
    ] = "one"
    held_out_share: Annotated[
        float,
        "share of each class that is held out where the data have no part for it",
        Bounds(above=0, below=1),
    ] = 0.1
    seed: Annotated[
        int,
        "decides the weights at the start, the order of the images and their augmentation",
        Bounds(at_least=0, at_most=2**63 - 1),
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
    optimizer: Annotated[Optimizer, "what turns gradients into steps"] = "sgd"
    learning_rate: Annotated[
        float, "the highest, after warm-up, for a batch of reference_batch_size", POSITIVE
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
        float, "epochs in which the learning rate rises from 0 in a straight line", NOT_NEGATIVE
    ] = 1.0
    decay_rate: Annotated[
        float, "factor of schedule steps; 0.94 every 2 epochs in the paper's ImageNet runs", SHARE
    ] = 0.94
    decay_by: Annotated[
        DecayBy, "what the intervals of schedule steps count: decay_epochs or decay_images"
    ] = "epochs"
    decay_epochs: Annotated[float, "epochs between two factors of schedule steps", POSITIVE] = 2.0
    decay_images: Annotated[
        int, "training images between two factors; 3,000,000 in the paper's JFT runs"
    ] = 3_000_000
    momentum: Annotated[float, "of sgd and rmsprop, and the first beta of adamw", BELOW_ONE] = 0.9
    nesterov: Annotated[bool, "sgd looks ahead along its momentum"] = True
    rmsprop_decay: Annotated[
        float, "of rmsprop's running mean of squared gradients, a step", BELOW_ONE
    ] = 0.9
    rmsprop_epsilon: Annotated[
        float, "added to the root of that mean, which divides the gradient", POSITIVE
    ] = 1e-8
    weight_decay: Annotated[float, "lambda, see l2; not applied to biases and BN", NOT_NEGATIVE] = (
        5e-4
    )
    l2: Annotated[
        L2,
        "decay: gradient + lambda * w, as torch; "
        "loss: lambda * w^2 in the loss, gradient + 2 * lambda * w",
    ] = "decay"
    clip_norm: Annotated[
        float, "longest gradient, over all weights together; 0: as long as it is", NOT_NEGATIVE
    ] = 0.0
    label_smoothing: Annotated[
        float, "share of the target that is spread evenly over all classes", BELOW_ONE
    ] = 0.0
    polyak_decay: Annotated[
        float,
        "decay a step of the averaged weights (EMA), which are evaluated; 0: the last weights are",
        BELOW_ONE,
    ] = 0.0
    bn_momentum: Annotated[
        float,
        "share of a new batch in BN's running statistics; the paper's 0.01 is for long runs",
        SHARE,
    ] = 0.1
    init: Annotated[
        str | None,
        "weights that the network begins with, a name or a file; null: random ones by the seed. "
        "The network is that of the weights, with a new classifier",
    ] = None
    head_epochs: Annotated[
        int,
        "passes in which only the classifier learns, on features of the frozen base computed once",
        NOT_NEGATIVE,
    ] = 0
    head_learning_rate: Annotated[
        float, "of those passes, at their start; it falls along half a cosine", POSITIVE
    ] = 1e-3
    unfreeze: Annotated[
        Unfreeze,
        "what learns after that, for `epochs`: none: nothing more; exit: the exit flow; all",
    ] = "all"
    bn_statistics: Annotated[
        BnStatistics,
        "what BN normalizes with in training: each batch's own mean and variance, or fixed: "
        "those of the weights it began with",
    ] = "batch"
    spatial_kernels: Annotated[
        SpatialKernels,
        "of the separable layers: trained; random: they stay as they begin; "
        "patterns: they stay the eight patterns that a trained Xception's nearly are",
    ] = "trained"
    entanglement: Annotated[
        float,
        "of the dataset entangled, how much color and shape of a class belong together: "
        "0 not at all, 1 each color has a shape of its own",
        Bounds(at_least=0, at_most=1),
    ] = 0.0
    random_crop_area: Annotated[
        float,
        "augmentation: smallest share of the image's area that a random crop keeps; "
        "1 switches it off",
        SHARE,
    ] = 1.0
    random_crop_ratio: Annotated[
        float,
        "augmentation: aspect ratio of that crop, between 1/ratio and ratio",
        Bounds(at_least=1),
    ] = 4 / 3
    random_shift: Annotated[
        int, "augmentation: up to so many pixels, down or up, left or right", NOT_NEGATIVE
    ] = 0
    random_rotation: Annotated[
        float, "augmentation: up to so many degrees, both ways", NOT_NEGATIVE
    ] = 0.0
    random_zoom: Annotated[
        float, "augmentation: up to such a share smaller or larger", BELOW_ONE
    ] = 0.0
    color_jitter: Annotated[
        float,
        "augmentation: brightness and contrast, each up to such a share weaker or stronger",
        BELOW_ONE,
    ] = 0.0
    random_saturation: Annotated[
        float,
        "augmentation: color up to such a share paler or stronger",
        Bounds(at_least=0, at_most=1),
    ] = 0.0
    random_erase: Annotated[
        int,
        "augmentation: a square of so many pixels a side, at a random place, becomes gray",
        NOT_NEGATIVE,
    ] = 0
    random_flip: Annotated[bool, "augmentation: every second image is mirrored, left to right"] = (
        False
    )
    fill: Annotated[Fill, "what augmentation puts where the image ends"] = "reflection"
    center_crop: Annotated[
        float,
        "side of the center crop over the shorter side, for images that are not cropped at random",
        SHARE,
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
        int | None,
        "threads that decode images; null: one a core. Any number gives the same images",
        CORES,
    ] = None
    threads: Annotated[
        int | None,
        "cores to use; null: all that torch finds. Another number, another rounding",
        CORES,
    ] = None

    def __post_init__(self) -> None:
        if not isinstance(self.model, XceptionConfig):
            raise checks.wrong("model", self.model, "an XceptionConfig")
        fields.check(self)
        for rules in (
            self._rules_of_data(),
            self._rules_of_augmentation(),
            self._rules_of_steps(),
            self._rules_of_weights(),
        ):
            for name, right in rules:
                raise checks.wrong(name, getattr(self, name), right)

    def _rules_of_data(self) -> Iterator[tuple[str, str]]:
        """Fields that do not fit the data set, each with what would be right."""
        if self.image_size < self.model.smallest_input:
            smallest = self.model.smallest_input
            yield "image_size", f"at least {smallest}: the stem leaves nothing of fewer pixels"
        if self.dataset == "digits" and self.image_size % 8:
            yield "image_size", "a multiple of 8 for digits, which are 8x8 pixels"
        if self.dataset == "photos" and not 32 <= self.image_size <= 96:
            yield "image_size", "an integer from 32 to 96 (the side of a patch of photos)"
        one_class = ("digits", "photos", "cifar10", "entangled")
        if self.dataset in one_class and self.labels == "many":
            yield "labels", f"'one' for {self.dataset}: its images have one class each"
        if self.entanglement and self.dataset != "entangled":
            yield "entanglement", "0 where dataset is not 'entangled'"
        if self.dataset == "mosaics" and self.labels == "one":
            yield "labels", "'many' for mosaics: they show several photographs"

    def _rules_of_augmentation(self) -> Iterator[tuple[str, str]]:
        """Fields that do not fit the images, each with what would be right."""
        if self.random_shift >= self.image_size:
            yield "random_shift", f"an integer from 0 to {self.image_size - 1}"
        if self.random_erase > self.image_size:
            yield "random_erase", f"an integer from 0 to {self.image_size}"
        if self.dataset == "digits" and self.random_flip:
            yield "random_flip", "False for digits: in the mirror they are no digits"
        if self.random_saturation and self.model.in_channels != 3:
            yield "random_saturation", "0: gray images have no color"
        in_memory = ("digits", "photos", "entangled")
        if self.dataset in in_memory and self.random_crop_area < 1:
            yield "random_crop_area", f"1 for {self.dataset}, which random_zoom and _shift vary"

    def _rules_of_steps(self) -> Iterator[tuple[str, str]]:
        """Fields of the training that do not fit each other, each with what would be right."""
        if self.accumulate > self.batch_size:
            yield "accumulate", f"an integer from 1 to {self.batch_size} (the images of a batch)"
        if self.batch_size % self.accumulate:
            yield "accumulate", f"a divisor of batch_size, which is {self.batch_size}"
        if self.labels == "many" and self.label_smoothing:
            yield "label_smoothing", "0 where labels is 'many'"
        if self.l2 == "loss" and self.optimizer == "adamw":
            yield "l2", "'decay' for adamw, which decays weights apart from the gradient"

    def _rules_of_weights(self) -> Iterator[tuple[str, str]]:
        """Fields about the weights at the start that do not fit, each with what would be right."""
        if self.init is None:
            if self.head_epochs:
                yield "head_epochs", "0 where init is None: features of random weights say little"
            if self.unfreeze != "all":
                yield "unfreeze", "'all' where init is None: random weights have to learn"
            if self.bn_statistics == "fixed":
                yield "bn_statistics", "'batch' where init is None: there are no statistics yet"
        if self.spatial_kernels == "patterns" and self.model.segments != "channels":
            yield "spatial_kernels", "'trained' or 'random' where a segment has several channels"
        if self.unfreeze == "none" and not self.head_epochs and self.init is not None:
            yield "head_epochs", "1 or more where unfreeze is 'none': else nothing learns"
        if self.head_epochs and self.labels == "many":
            yield "head_epochs", "0 where labels is 'many'"

    def to_dict(self) -> dict[str, Any]:
        """The recipe as what JSON can hold; tuples become lists."""
        made = asdict(self)
        for name, value in made["model"].items():
            if isinstance(value, tuple):
                made["model"][name] = list(value)
        return made

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The recipe that `to_dict` gave, now or by older names.

        Raises ValueError if a field is unknown, missing or wrong.
        """
        values = {RENAMED.get(name, name): value for name, value in values.items()}
        model = values.get("model")
        if isinstance(model, Mapping):
            _check_known(XceptionConfig, model, "model.")
            try:
                values["model"] = XceptionConfig(**model)
            except ValueError as error:
                raise ValueError(f"model.{error}") from None
        _check_known(cls, values)
        for field in dataclass_fields(cls):
            if field.default is MISSING and field.name not in values:
                raise ValueError(f"{field.name} is missing, but must be there: it has no default")
        return cls(**values)


def _check_known(cls: type, values: Mapping[str, Any], prefix: str = "") -> None:
    known = [field.name for field in fields.fields_of(cls)]
    for name in values:
        if name not in known:
            near = checks.nearest(str(name)[:80], known)
            raise ValueError(checks.line(f"{prefix}{name} is no field of {cls.__name__}{near}"))


def differences(recipe: Recipe, other: Recipe) -> list[str]:
    """One line for every field in which two recipes differ: "epochs is 3 and 5"."""
    ours, theirs = _flat(recipe), _flat(other)
    return [
        f"{name} is {ours[name]!r} and {theirs[name]!r}"
        for name in ours
        if ours[name] != theirs[name]
    ]


def _flat(recipe: Recipe) -> dict[str, Any]:
    values = recipe.to_dict()
    model = values.pop("model")
    return values | {f"model.{name}": value for name, value in model.items()}
