"""Features of a frozen network, computed once: what lies before its classifier.

A batch's features are kept in a file that is named by what they were computed from: the network's
weights, the pixels that it saw, and the precision. So they are found again by another run and by
one that was interrupted, and they cannot belong to something else. An image that is added moves
those behind it into other batches, which are computed anew.
"""

import copy
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor
from tqdm.auto import tqdm  # type: ignore[import-untyped]

from xception_edu.data.augment import prepare
from xception_edu.data.dataset import Dataset, Images
from xception_edu.data.file_sets import FileSet
from xception_edu.training.run_folder import write_atomically
from xception_edu.training.steps import autocast
from xception_edu.xception import Xception

BATCH = 32  # images whose features are computed together, and kept in one file


def default_store() -> Path:
    """Where features are kept: beside torch's downloaded weights, TORCH_HOME or ~/.cache/torch."""
    return Path(torch.hub.get_dir()) / "features"


def as_validation(data: Images) -> Images:
    """The training images in the place of the validation images: in order, each once, unchanged."""
    if isinstance(data, Dataset):
        return data._replace(test_images=data.train_images, test_labels=data.train_labels)
    if isinstance(data, FileSet):
        twin = copy.copy(data)
        twin.image_set = data.image_set._replace(validation=data.image_set.train)
        return twin
    raise ValueError("data is a stream, but must be images that can be read more than once")


def features_of(
    model: Xception, data: Images, image_size: int, *, store: Path, precision: str = "fp32"
) -> Iterator[tuple[Tensor, Tensor]]:
    """Features (N, channels) and labels (N,) of the validation images, batch after batch.

    The features are the means over the last feature map, what the classifier sees.

    Args:
        model: the frozen network, which is set to eval mode.
        data: whose validation images; see `as_validation` for the others.
        image_size: side in pixels to which images are prepared.
        store: folder in which features are looked up and kept.
        precision: of convolutions: "fp32", "bf16" or "fp16".
    """
    model.eval()
    begun = _weights_hash(model)
    begun.update(f"{image_size} {precision} {torch.__version__}".encode())
    store.mkdir(parents=True, exist_ok=True)
    for images, labels in data.validation_batches(BATCH):
        found = begun.copy()
        found.update(images.cpu().numpy().tobytes())
        path = store / f"{found.hexdigest()[:32]}.safetensors"
        if path.is_file():
            features = load_file(path)["features"]
        else:
            features = compute_features(model, images, image_size, precision)
            write_atomically(path, save({"features": features}))
        yield features.to(images.device), labels


@torch.no_grad()
def compute_features(
    model: Xception, images: Tensor, image_size: int, precision: str = "fp32"
) -> Tensor:
    """Features (N, channels) on the CPU of images (N, C, H, W), bytes; `model` is in eval mode."""
    with autocast(images.device, precision):
        maps = model.forward_features(prepare(images, image_size))
    return maps.float().mean(dim=(2, 3)).cpu()


def _weights_hash(model: Xception) -> "hashlib._Hash":
    """SHA-256 of all that lies before the classifier: config, names, weights and statistics."""
    found = hashlib.sha256(repr(model.config).encode())
    for name, tensor in model.state_dict().items():
        if not name.startswith(("classifier", "fc")):
            found.update(name.encode())
            found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found


def all_features(
    model: Xception,
    data: Images,
    image_size: int,
    *,
    store: Path,
    precision: str = "fp32",
    what: str = "features",
    count: int | None = None,
) -> tuple[Tensor, Tensor]:
    """What `features_of` gives, in one piece, with a progress bar of the images done."""
    found = []
    bar = tqdm(total=count, unit=" images", desc=what, disable="TQDM_DISABLE" in os.environ)
    with bar:
        for batch in features_of(model, data, image_size, store=store, precision=precision):
            found.append(batch)
            bar.update(len(batch[1]))
    features, labels = zip(*found, strict=True)
    return torch.cat(features), torch.cat(labels)
