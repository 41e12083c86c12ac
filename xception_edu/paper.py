"""What the paper published, each number with its section or table.

F. Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, arXiv 1610.02357v3.

Each constant names its section or table. Nothing here is computed; what we count ourselves is held
against it in tests.
"""

from typing import NamedTuple


class Accuracy(NamedTuple):
    """Share of images whose label is the first answer, or among the first five."""

    top1: float
    top5: float


# Table 1: ImageNet validation, one crop, one model; the blacklisted validation images are left out.
IMAGENET_ACCURACY = {
    "VGG-16": Accuracy(0.715, 0.901),
    "ResNet-152": Accuracy(0.770, 0.933),
    "Inception V3": Accuracy(0.782, 0.941),  # without its auxiliary tower
    "Xception": Accuracy(0.790, 0.945),
}


class FastEvalMAP(NamedTuple):
    """MAP@100 on FastEval14k, in percent.

    Without and with two fully connected layers of 4096 units.
    """

    without_fc: float
    with_fc: float


# Table 2: trained on JFT.
JFT_MAP100 = {"Inception V3": FastEvalMAP(6.36, 6.50), "Xception": FastEvalMAP(6.70, 6.78)}


class SizeAndSpeed(NamedTuple):
    """Trained parameters, and training steps a second on 60 K80 GPUs."""

    params: int
    steps_per_second: int


# Table 3: ImageNet, 1000 classes, no fully connected layers.
IMAGENET_SIZE = {
    "Inception V3": SizeAndSpeed(23_626_728, 31),
    "Xception": SizeAndSpeed(22_855_952, 28),
}

# Section 4.4: for each network, on ImageNet and on JFT.
GPUS = 60

# Section 3: 36 convolutional layers (2 plain, 34 separable; the strided projections are not
# counted) in 14 modules.
PLAIN_CONVOLUTIONS = 2
SEPARABLE_CONVOLUTIONS = 34
MODULES = 14
RESIDUAL_MODULES = 12  # all but the first and the last

# Figure 5: sides of the feature maps for a 299x299 image. Its drawing in version 2 said 18 in the
# middle, the code gives 19.
INPUT_SIZE = 299
FEATURE_MAP_SIDES = (149, 147, 74, 37, 19, 10)
MIDDLE_FLOW_SHAPE = (728, 19, 19)

# Section 1.2: Inception modules lie between the ends of the spectrum, with 3 or 4 segments over a
# few hundred channels.
INCEPTION_SEGMENTS = (3, 4)

# Section 4.3: L2 weight decay, on both data sets.
WEIGHT_DECAY = {"Inception V3": 4e-5, "Xception": 1e-5}
