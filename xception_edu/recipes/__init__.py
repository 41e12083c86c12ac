"""The recipes by name, each with its reasons. Standard library only.

What a recipe takes and reaches is measured, never typed: experiments/train_seeds.py writes
results/train_NAME.json with the command, the machine, the seconds and the accuracy over 3 seeds. A
recipe without such a file has not been run to its end here.
"""

from xception_edu import paper
from xception_edu.configs import XceptionConfig
from xception_edu.recipes.recipe import Recipe, differences
from xception_edu.recipes.schedule import (
    averaging_hint,
    learning_rate,
    peak_learning_rate,
    rate_rule,
)

__all__ = [
    "CIFAR10",
    "DIGITS",
    "FINETUNE",
    "IMAGEFOLDER",
    "IMAGENET",
    "IMAGENET_MODERN",
    "JFT",
    "PHOTOS",
    "RECIPES",
    "Recipe",
    "averaging_hint",
    "differences",
    "learning_rate",
    "peak_learning_rate",
    "rate_rule",
]

# 1,797 real handwritten digits from scikit-learn's wheel, enlarged from 8x8 to 16x16 pixels on the
# device. python -m xception_edu train --recipe digits --out runs/digits On two cores; seconds and
# accuracy over 3 seeds: results/train_digits.json.
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

# Which of ten photographs is this patch from? Cut from the pictures in scikit-image's and
# scikit-learn's wheels: training patches from the left halves, held-out patches from the right
# halves, so that the network must know the scene again. python -m xception_edu train --recipe
# photos --out runs/photos On two cores; seconds and accuracy over 3 seeds:
# results/train_photos.json.
PHOTOS = Recipe(
    name="photos",
    dataset="photos",
    image_size=64,
    model=XceptionConfig(
        num_classes=10, entry_widths=(8, 16, 32, 64), middle_blocks=1, exit_widths=(96, 128, 160)
    ),
    epochs=12,
    polyak_decay=0.99,
    random_shift=8,
    random_rotation=15.0,
    random_zoom=0.2,
    color_jitter=0.3,
    random_flip=True,
)

# CIFAR-10: 50,000 training and 10,000 held-out images of 32x32 pixels, ten classes. python -m
# xception_edu train --recipe cifar10 --out runs/cifar10                (from the hub:
# uoft-cs/cifar10) python -m xception_edu train --recipe cifar10 --data FOLDER --out runs/cifar10
# (train.parquet and test.parquet) Stem stride 1 keeps 28x28 positions for the first block: slower
# an image than stride 2, but it learns more of it. bf16 and channels_last take a third of the time
# of fp32 and NCHW on cores with AVX-512 BF16; elsewhere --precision fp32 may be faster. On two
# cores; seconds and accuracy over 3 seeds: results/train_cifar10.json. The weights of seed 0 are
# `load_pretrained("cifar10")`; what they reach: results/shipped_cifar10.json. With a GPU, four
# times as wide, longer, and with squares erased; meant to pass 94 %, but not run to its end yet:
# python -m xception_edu train --recipe cifar10 --model.width 4 --epochs 60 --random-erase 8 --out
# runs/wide --batch-size 512 --lr-rule sqrt keeps a GPU busy; --polyak-decay 0.98 then looks back as
# many images as 0.995 does here.
CIFAR10 = Recipe(
    name="cifar10",
    dataset="cifar10",
    image_size=32,
    model=XceptionConfig(
        num_classes=10,
        entry_widths=(16, 32, 48, 128),
        middle_blocks=3,
        exit_widths=(256, 384, 512),
        stem_stride=1,
    ),
    batch_size=128,
    reference_batch_size=128,
    lr_rule="linear",
    epochs=14,
    evaluate_every=2,
    learning_rate=0.2,
    label_smoothing=0.1,
    polyak_decay=0.995,
    random_shift=4,
    random_flip=True,
    precision="bf16",
)

# Your own photographs, a folder a class: DATA/train/CLASS/*.jpg and DATA/val/CLASS/*.jpg, or
# DATA/CLASS/*.jpg alone, of which a share is held out then. A narrow network at 128 pixels, which
# some hundred images a class can teach. python -m xception_edu train --recipe imagefolder --data
# DATA --model.num_classes 5 --out runs/mine
IMAGEFOLDER = Recipe(
    name="imagefolder",
    dataset="imagefolder",
    image_size=128,
    model=XceptionConfig(
        num_classes=10,
        entry_widths=(16, 32, 64, 128, 256),
        middle_blocks=2,
        exit_widths=(384, 512, 768),
    ),
    batch_size=64,
    lr_rule="linear",
    epochs=30,
    label_smoothing=0.1,
    polyak_decay=0.995,
    random_crop_area=0.35,
    color_jitter=0.3,
    random_saturation=0.3,
    random_flip=True,
    center_crop=0.875,
)

# Your own photographs and somebody's trained Xception, which is how most people use one. First the
# base is frozen, and a classifier learns on its features, which are computed once; then, if
# --unfreeze says so, more of the network learns at a small rate. BN keeps the statistics of its
# training, as Keras' guide to transfer learning advises: a few small batches of a new kind would
# overwrite what millions of images have given them, and every layer behind them with it.
# python -m xception_edu train --recipe finetune --init imagenet --data DATA --out runs/mine
# python -m xception_edu train --recipe finetune --init imagenet --data DATA --out runs/mine2 \
# --unfreeze exit
# What it reaches, and in which time: results/finetune.json.
FINETUNE = Recipe(
    name="finetune",
    dataset="imagefolder",
    image_size=160,  # a quarter of the MACs of 299; the weights saw 299
    model=XceptionConfig(dropout=0.2),  # its other fields are those of the weights
    init="imagenet",
    head_epochs=30,
    head_learning_rate=3e-3,
    unfreeze="none",
    bn_statistics="fixed",
    batch_size=32,
    reference_batch_size=32,
    optimizer="adamw",
    learning_rate=3e-5,
    weight_decay=1e-2,
    epochs=5,
    warmup_epochs=1.0,
    random_crop_area=0.5,
    random_flip=True,
    color_jitter=0.2,
)

# ImageNet as the paper trained it (Sections 4.2 and 4.3), as far as the paper says. torchrun
# --nproc-per-node 60 -m xception_edu train --recipe imagenet --data FOLDER --out runs/imagenet
# torchrun --nproc-per-node 8 -m xception_edu train --recipe imagenet --data FOLDER --out
# runs/imagenet --accumulate 8 python -m xception_edu train --recipe imagenet --data FOLDER --out
# runs/imagenet --accumulate 60
IMAGENET = Recipe(
    name="imagenet",
    dataset="imagenet",
    # The paper says all of these: 299 pixels (Section 3), dropout 0.5, SGD, momentum 0.9, 0.045 x
    # 0.94 every 2 epochs, L2 of 1e-5 for Xception (4e-5 for Inception V3), averaged weights for
    # inference. No auxiliary tower: Xception has none.
    image_size=paper.INPUT_SIZE,
    model=XceptionConfig(num_classes=1000, dropout=0.5),
    optimizer="sgd",
    momentum=0.9,
    learning_rate=0.045,
    schedule="steps",
    decay_rate=0.94,
    decay_epochs=2.0,
    weight_decay=paper.WEIGHT_DECAY["Xception"],
    # It says none of these.
    # 60 GPUs, each with the 32 images of Inception V3's paper; accumulated, fewer GPUs take the
    # same
    batch_size=1920,
    reference_batch_size=1920,
    # Goyal et al. 2017: as many times the rate as images; without it another batch size is another
    # recipe
    lr_rule="linear",
    # 28 steps/s (Table 3) x 3 days x 32 images are 181 epochs, if a step is that of one GPU
    epochs=180,
    # not mentioned, and not needed at 0.045 for 1920 images, a sixteenth of what Goyal et al. warm
    # up to
    warmup_epochs=0.0,
    nesterov=False,  # not mentioned
    # 4e-5 for Inception V3 is TF-slim's number, whose l2 loss is lambda/2 * w^2; Keras' lambda *
    # w^2 is "loss"
    l2="decay",
    label_smoothing=0.1,  # of Inception V3's paper; the runs were tuned for that network
    polyak_decay=0.9999,  # TF-slim's moving_average_decay for Inception V3
    bn_momentum=0.01,  # Keras' 0.99 in the author's own code
    # this and the ratio: Szegedy et al. 2014, Section 6, Inception's way to cut
    random_crop_area=0.08,
    random_crop_ratio=4 / 3,
    random_flip=True,
    # brightness by up to 32/255 and color by up to a half: TF-slim's distortions for Inception
    color_jitter=0.125,
    random_saturation=0.5,
    # one crop (Table 1), of no stated size: what ports of the published weights were checked with
    center_crop=299 / 333,
    resampling="bilinear",  # half the time of bicubic
)

# JFT as the paper trained it (Sections 4.2 and 4.3), as far as the paper says. JFT is Google's own,
# 350 million images with 17,000 classes, several an image: nobody else has it. What stands in here
# without --data are mosaics of real photographs, labeled with the photographs that they show.
# python -m xception_edu train --recipe jft --out runs/jft --image-size 96 --model.width 0.25
# --batch-size 32
JFT = Recipe(
    name="jft",
    dataset="mosaics",
    labels="many",
    # The paper says: RMSprop, momentum 0.9, 0.001 x 0.9 every 3,000,000 samples, L2 as on ImageNet,
    # no dropout, averages. Read literally, one epoch of 350 million images multiplies by 0.9 116
    # times and leaves a rate near 5e-9: nothing would be learned in the second, while the paper
    # says that training after a month was not yet done. "Steps" for "samples" would fit (30 million
    # of them: x 0.35); that is a guess. As printed here; --decay-images says otherwise.
    image_size=paper.INPUT_SIZE,
    # 17,000 classes there; fc_widths=(4096, 4096) in half of Table 2
    model=XceptionConfig(num_classes=10, dropout=0.0),
    optimizer="rmsprop",
    momentum=0.9,
    learning_rate=0.001,
    schedule="steps",
    decay_rate=0.9,
    decay_by="images",
    decay_images=3_000_000,
    weight_decay=paper.WEIGHT_DECAY["Xception"],
    # It says none of these.
    # of one GPU, as in Inception V3's paper: the 60 GPUs worked asynchronously, each with its own
    # steps
    batch_size=32,
    reference_batch_size=32,
    # RMSprop divides the gradient by its size, so that noise, not length, changes with the batch
    lr_rule="sqrt",
    epochs=3,  # 30 million iterations x 32 images are 2.7 times 350 million
    warmup_epochs=0.0,  # not mentioned
    # with 0.001, Keras' defaults of that year, so that its epsilon is taken, too
    rmsprop_decay=0.9,
    rmsprop_epsilon=1e-8,
    l2="decay",  # as imagenet
    polyak_decay=0.9999,  # as imagenet; the stand-in's few steps want less, such as 0.99
    bn_momentum=0.01,  # as imagenet
    random_flip=True,  # this, and no more: 350 million images hardly repeat
)

# ImageNet as one would train the same network today: cosine, warm-up, clipping, stronger
# augmentation, a batch that 8 GPUs hold in bf16. Not measured here: it takes GPUs and ImageNet.
# torchrun --nproc-per-node 8 -m xception_edu train --recipe imagenet_modern --data FOLDER --out
# runs/modern The full network on some thousand images of ten classes, such as Imagenette's, on one
# GPU: python -m xception_edu train --recipe imagenet_modern --data FOLDER --model.num-classes 10
# --batch-size 64 \ --polyak-decay 0.99 --out runs/imagenette
IMAGENET_MODERN = Recipe(
    name="imagenet_modern",
    dataset="imagenet",
    image_size=paper.INPUT_SIZE,
    model=XceptionConfig(num_classes=1000, dropout=0.2),
    batch_size=1024,
    reference_batch_size=256,
    lr_rule="linear",  # 0.1 for 256 images (Goyal et al. 2017), 0.4 for these 1024
    learning_rate=0.1,
    epochs=100,
    warmup_epochs=5.0,
    weight_decay=5e-5,
    clip_norm=5.0,
    label_smoothing=0.1,
    polyak_decay=0.9999,
    random_crop_area=0.08,
    random_flip=True,
    color_jitter=0.3,
    random_saturation=0.3,
    random_erase=64,
    center_crop=299 / 333,
    precision="bf16",
)

RECIPES = {
    r.name: r
    for r in (DIGITS, PHOTOS, CIFAR10, IMAGEFOLDER, FINETUNE, IMAGENET, JFT, IMAGENET_MODERN)
}
