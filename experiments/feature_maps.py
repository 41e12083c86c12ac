"""Draw the feature maps of a photograph, stage by stage, and put the picture into notebook 11.

    python experiments/feature_maps.py --weights FILE

The published Xception on the cat of scikit-image. The picture lies in the notebook, so that
who has no weights sees it too. FILE is a Keras archive; left out, the weights are fetched.
"""

import argparse
import base64
import io
from pathlib import Path

import matplotlib
import nbformat
import torch
from matplotlib.figure import Figure
from PIL import Image
from ship_imagenet_kernels import base_of
from torch import Tensor

from xception_edu.benchmark.machine import ROOT
from xception_edu.data.builtin import load_photograph
from xception_edu.plots import style
from xception_edu.weights.feature_maps import feature_maps, strongest
from xception_edu.weights.predict import preprocess

NOTEBOOK = ROOT / "notebooks" / "11_inside_a_trained_xception.ipynb"
PICTURE = "feature_maps.webp"
COLUMNS = 6
# Stages of `xception`, and what they are called in Figure 5
STAGES = {
    "conv2": "stem",
    "entry.0": "entry flow, block 1",
    "entry.2": "entry flow, block 3",
    "middle.3": "middle flow, block 4",
    "middle.7": "middle flow, block 8",
    "exit": "exit flow, block",
    "sep4": "exit flow, the end",
}


def draw(photo: Tensor, maps: dict[str, Tensor]) -> Figure:
    """The photograph, then a row for each stage with the maps that vary most."""
    with style.context():
        size = (style.WIDTH / style.DPI, 1.42 * (len(STAGES) + 1))
        figure = Figure(figsize=size, dpi=style.DPI, layout="constrained")
        axes = figure.subplots(len(STAGES) + 1, COLUMNS)
        for ax in axes.ravel():
            ax.set_axis_off()
        axes[0, 0].imshow(((photo + 1) / 2).permute(1, 2, 0).clamp(0, 1))
        axes[0, 0].set_title("photograph", fontsize=style.TEXT, loc="left")
        for row, (stage, words) in zip(axes[1:], STAGES.items(), strict=True):
            channels, height, width = maps[stage].shape
            title = f"{words}: {channels} maps of {height}×{width}"
            row[0].set_title(title, fontsize=style.TEXT, loc="left")
            for ax, one in zip(row, strongest(maps[stage], COLUMNS), strict=True):
                ax.imshow(one, cmap="gray", interpolation="nearest")
    return figure


def put(picture: bytes) -> None:
    """Into the one cell of the notebook that shows it."""
    notebook = nbformat.read(NOTEBOOK, 4)
    (cell,) = [cell for cell in notebook.cells if f"attachment:{PICTURE}" in cell.source]
    cell.attachments = {PICTURE: {"image/webp": base64.b64encode(picture).decode()}}
    nbformat.write(notebook, NOTEBOOK)


def main() -> None:
    """Run the network, draw, and write."""
    parser = argparse.ArgumentParser(description="Put feature maps into notebook 11.")
    parser.add_argument("--weights", type=Path, help="a Keras archive with the network")
    weights = parser.parse_args().weights
    torch.set_num_threads(1)
    matplotlib.use("agg")
    pixels = load_photograph("chelsea").permute(1, 2, 0).numpy()
    photo = preprocess(Image.fromarray(pixels))
    maps = feature_maps(base_of(weights), photo)
    maps["sep4"] = maps["sep4"].relu()  # as its average takes it
    figure = draw(photo, maps)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    packed = io.BytesIO()
    Image.open(drawn).convert("RGB").save(packed, format="webp", quality=70, method=6)
    put(packed.getvalue())
    print(f"{len(packed.getvalue()) / 1000:.0f} KB are in {NOTEBOOK.name}")


if __name__ == "__main__":
    main()
