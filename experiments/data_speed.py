"""How fast images are read, and whether that keeps up with training.

    python experiments/data_speed.py [--cifar10 FOLDER]

Speeds are images a second of processor time of one core, the median of several rounds, so that
other work on the machine counts little. The photographs are cut from scikit-learn's two, 500x375
pixels, JPEG of quality 90, as ImageNet's mostly are. Writes results/data_speed.json.
"""

import argparse
import importlib.metadata
import io
import json
import os
import pathlib
import platform
import random
import statistics
import tempfile
import time

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from train_seeds import commit, processor

from xception_edu.data import images
from xception_edu.data.augment import augment, prepare
from xception_edu.data.image_files import decoded, fast_jpeg, open_image
from xception_edu.data.images import Preprocessing, RandomResizedCrop, load_array
from xception_edu.data.load import load_dataset
from xception_edu.data.order import seed_everything
from xception_edu.recipes import CIFAR10, IMAGENET, Recipe
from xception_edu.training.steps import make_model, make_optimizer, train_step

ROOT = pathlib.Path(__file__).parent.parent
PHOTOGRAPHS = 64
ROUNDS = 5


def photographs(width: int = 500, height: int = 375) -> list[bytes]:
    """JPEG files of pieces of two photographs, each another one."""
    rng, photos, files = random.Random(0), load_sample_images().images, []
    for i in range(PHOTOGRAPHS):
        photo = photos[i % 2]
        top, left = (
            rng.randrange(photo.shape[0] - height + 1),
            rng.randrange(photo.shape[1] - width + 1),
        )
        content = io.BytesIO()
        Image.fromarray(photo[top : top + height, left : left + width]).save(
            content, "JPEG", quality=90
        )
        files.append(content.getvalue())
    return files


def per_core(read, files: list) -> float:
    """Images a second of processor time that `read` takes of the files, median over rounds."""
    speeds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for i, content in enumerate(files):
            read(content, i)
        speeds.append(len(files) / (time.process_time() - started))
    return round(statistics.median(speeds), 1)


def slow(content: bytes, side: int) -> np.ndarray:
    """What `load_array` does without the fast decoder."""
    image = decoded(open_image(content))
    return images.crop_and_resize(image, images.center_box(*image.size), Preprocessing(side))


def decoding() -> dict[str, float]:
    """Images a second and core from 500x375 photographs, and from small ones."""
    files, small, crop = photographs(), photographs(32, 32), RandomResizedCrop(0.08)

    def center(preprocessing: Preprocessing):
        return lambda content, i: load_array(content, "", preprocessing)

    def random_crop(preprocessing: Preprocessing):
        return lambda content, i: load_array(content, "", preprocessing, crop, random.Random(i))

    return {
        "decode_only_500x375": per_core(lambda content, i: fast_jpeg(content), files),
        "decode_only_500x375_pillow": per_core(
            lambda content, i: decoded(open_image(content)), files
        ),
        "random_crop_299_bilinear": per_core(random_crop(Preprocessing(299)), files),
        "random_crop_299_bicubic": per_core(
            random_crop(Preprocessing(299, resampling="bicubic")), files
        ),
        "center_crop_299": per_core(center(Preprocessing(299, center_crop=299 / 333)), files),
        "whole_32x32": per_core(center(Preprocessing(32)), small * 10),
        "whole_32x32_pillow": per_core(lambda content, i: slow(content, 32), small * 10),
    }


def loading_cifar10(folder: str) -> dict[str, float]:
    """What it takes to have CIFAR-10 in memory, once `datasets` has its own copy of the tables."""
    load_dataset(CIFAR10, folder)
    started, cpu = time.perf_counter(), time.process_time()
    data = load_dataset(CIFAR10, folder)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    kept = sum(t.nbytes for t in (data.train_images, data.test_images))
    return {
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(cpu, 1),
        "images": 60_000,
        "bytes_kept": kept,
    }


def loading_against_training(recipe: Recipe, steps: int = 3) -> dict[str, float]:
    """Processor time for an image of the full network's training: what its loading takes, and what
    its step takes.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for i, content in enumerate(photographs()):
            path = pathlib.Path(folder) / ("train" if i < 48 else "val") / str(i % 2) / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        data = load_dataset(recipe, folder)
        loading = []
        for step in range(12):
            started = time.process_time()
            batch, labels = data.training_images(recipe, step)
            loading.append((time.process_time() - started) / recipe.batch_size)
        data._pool.shutdown()
    model = make_model(recipe)
    optimizer = make_optimizer(model, recipe)
    training, augmenting = [], []
    for step in range(steps + 1):
        seed_everything(recipe.seed, "step", step)
        started = time.process_time()
        prepared = augment(prepare(batch, recipe.image_size), recipe)
        augmented = time.process_time()
        train_step(model, prepared, labels, optimizer)
        augmenting.append((augmented - started) / recipe.batch_size)
        training.append((time.process_time() - augmented) / recipe.batch_size)
    seconds = {
        "loading": statistics.median(loading[3:]),
        "augmenting": statistics.median(augmenting[1:]),
        "training": statistics.median(training[1:]),
    }
    return {f"{name}_cpu_seconds_an_image": round(value, 5) for name, value in seconds.items()}


def main() -> None:
    """Measure, and write the results file."""
    parser = argparse.ArgumentParser(
        description="How fast images are read; writes results/data_speed.json."
    )
    parser.add_argument("--cifar10", help="folder with train.parquet and test.parquet")
    args = parser.parse_args()
    recipe = Recipe.from_dict(IMAGENET.to_dict() | {"batch_size": 4, "accumulate": 1, "workers": 1})
    recipe = Recipe.from_dict(
        recipe.to_dict() | {"model": recipe.to_dict()["model"] | {"num_classes": 2}}
    )
    results = {
        "measured_by": "python experiments/data_speed.py"
        + (" --cifar10 FOLDER" if args.cifar10 else ""),
        "machine": f"{processor()}, {platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        # of others, too: above the cores, all speeds are lower than they could be
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{
            name: importlib.metadata.version(name)
            for name in ("torch", "pillow", "simplejpeg", "datasets")
        },
        "commit": commit(),
        "images_per_second_and_core": decoding(),
        "full_xception_at_299_on_one_core": loading_against_training(recipe),
        **({"cifar10_in_memory": loading_cifar10(args.cifar10)} if args.cifar10 else {}),
    }
    (ROOT / "results" / "data_speed.json").write_text(
        json.dumps(results, indent=2) + "\n", encoding="utf-8"
    )
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
