"""Keep what training on ImageNet made of Xception's 3x3 kernels, small enough to travel.

    python experiments/ship_imagenet_kernels.py [FILE]

FILE is a Keras archive (.keras) that holds the published Xception as a layer, as whoever fine-tunes
it saves it; without one the published weights themselves are read, or downloaded. Writes
xception_edu/weights/imagenet_kernels.safetensors: the 34 depthwise layers (channels, 3, 3) in 16
bits, and the eight `patterns` (8, 3, 3) that explain most of them, with source and license in the
metadata. Both ways give the same bytes, for the weights are the same.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from xception_edu.configs import XceptionConfig
from xception_edu.explorers.kernel_patterns import find_patterns
from xception_edu.weights.files import read_weight_file
from xception_edu.weights.load import load_pretrained
from xception_edu.weights.names import (
    from_keras,
    keras_groups,
    keras_names,
    xception_keras_order,
    xception_layers,
)
from xception_edu.xception import Xception, xception

PATH = Path(__file__).parents[1] / "xception_edu" / "weights" / "imagenet_kernels.safetensors"
NESTED = "layers/functional/"  # where Keras lays the layers of a network within a network
DEPTHWISE = ".conv.depthwise.weights.0"
NOTES = {
    "source": "Keras Applications, Xception, trained on ImageNet: the kernels of its 34 depthwise"
    " convolutions, rounded to 16 bits",
    "author": "F. Chollet",
    "license": "MIT",
}


def base_of(path: Path | None) -> Xception:
    """The published Xception in eval mode; its classifier is not trained where `path` has none."""
    if path is None:
        return load_pretrained("imagenet").eval()
    tensors = {
        key.removeprefix(NESTED): tensor
        for key, tensor in read_weight_file(path).tensors.items()
        if key.startswith(NESTED)
    }
    groups = keras_groups(list(tensors), {})
    names = keras_names(groups, xception_keras_order(xception_layers(), groups))
    model = xception(XceptionConfig())
    state = {ours: from_keras(tensors[key], ours) for ours, key in names.items()}
    missing = model.load_state_dict(state, strict=False).missing_keys
    left = [k for k in missing if not k.startswith("classifier.") and "num_batches" not in k]
    if left or len(names) != len(tensors):
        raise ValueError(f"{path}: holds no whole Xception within a network: lacks {left[:3]}")
    return model.eval()


def depthwise_kernels(model: Xception) -> dict[str, Tensor]:
    """By the layer's name, such as "middle.0.sep1", its kernels (channels, 3, 3)."""
    return {
        name.removesuffix(DEPTHWISE): weight[:, 0]
        for name, weight in model.state_dict().items()
        if name.endswith(DEPTHWISE)
    }


def main() -> None:
    """Read the weights, and write the kernels."""
    parser = argparse.ArgumentParser(description="Write Xception's trained kernels.")
    parser.add_argument("file", type=Path, nargs="?", help="a Keras archive with the network")
    kernels = {
        name: kernel.half().contiguous()
        for name, kernel in depthwise_kernels(base_of(parser.parse_args().file)).items()
    }
    patterns = find_patterns(torch.cat(list(kernels.values())).double().numpy())
    save_file({**kernels, "patterns": torch.from_numpy(patterns).float()}, PATH, metadata=NOTES)
    count = sum(len(kernel) for kernel in kernels.values())
    print(f"{PATH.name}: {count:,} kernels in {PATH.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
