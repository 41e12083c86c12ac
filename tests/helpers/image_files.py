"""Small sets of real photographs, written as files of each kind that training reads."""

import io
import tarfile

import datasets
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from xception_edu.configs import XceptionConfig
from xception_edu.recipes import IMAGEFOLDER, Recipe

PHOTOS = [Image.fromarray(photo) for photo in load_sample_images().images]
CLASSES = ("china", "flower")


def photograph(number, size=(40, 30)):
    """A piece of one of two photographs; the class is the photograph."""
    photo = PHOTOS[number % 2]
    left, top = 7 * number % (photo.width - 80), 5 * number % (photo.height - 60)
    return photo.crop((left, top, left + 80, top + 60)).resize(size)


def encoded(image, kind="JPEG", **options):
    """The bytes of an image file."""
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def jpeg(number):
    return encoded(photograph(number))


def write_folder(root, numbers, part=""):
    """A folder a class, below `part`; the paths."""
    paths = []
    for number in numbers:
        path = root / part / CLASSES[number % 2] / f"{number:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number))
        paths.append(path)
    return paths


NAMED = datasets.ClassLabel(names=list(CLASSES))


def write_parquet(path, numbers, *, label=NAMED, labels=None, image="img", column="label"):
    """A table as the hub has them; `labels` may be anything."""
    rows = {
        image: [{"bytes": jpeg(n) if isinstance(n, int) else n, "path": None} for n in numbers],
        column: [n % 2 for n in numbers] if labels is None else labels,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict(
        rows, features=datasets.Features({image: datasets.Image(), column: label})
    ).to_parquet(path)
    return path


def write_shards(
    root, part, numbers, shards, *, label=lambda number: str(number % 2).encode(), suffix="cls"
):
    """Webdataset shards; the number is the key."""
    root.mkdir(parents=True, exist_ok=True)
    for shard in range(shards):
        with tarfile.open(root / f"{part}-{shard:03d}.tar", "w") as tar:
            for number in numbers[shard::shards]:
                for name, content in (("jpg", jpeg(number)), (suffix, label(number))):
                    entry = tarfile.TarInfo(f"{number:05d}.{name}")
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))


def photo_of_places(height, width):
    """A photo whose pixels say in which column they are: 256 * first channel + second channel."""
    columns = torch.arange(width).expand(height, width)
    return torch.stack([columns // 256, columns % 256, torch.zeros(height, width)]).to(torch.uint8)


def pixel_columns(patches):
    """The columns of the photo that these patches of `photo_of_places` came from."""
    return set((patches[:, 0].to(torch.int16) * 256 + patches[:, 1]).numpy().ravel().tolist())


def recipe(**changes) -> Recipe:
    """A recipe for two classes at 16 pixels, in batches of four."""
    model = XceptionConfig(
        num_classes=2, entry_widths=(4, 4, 8), middle_blocks=0, exit_widths=(8, 8, 8), stem_stride=1
    )
    values = IMAGEFOLDER.to_dict() | {
        "model": model,
        "image_size": 16,
        "batch_size": 4,
        "epochs": 2,
        "random_erase": 0,
    }
    return Recipe.from_dict(
        values | {"random_crop_area": 0.3, "center_crop": 1.0, "workers": 2} | changes
    )
