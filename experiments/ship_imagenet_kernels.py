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

from xception_edu.explorers.kernel_patterns import find_patterns
from xception_edu.weights.load import import_weights, load_pretrained
from xception_edu.xception import Xception

PATH = Path(__file__).parents[1] / "xception_edu" / "weights" / "imagenet_kernels.safetensors"
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
    return import_weights(path, include_top=False).eval()


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
