"""pytest plugin beside nbval (-p tests.helpers.strict_notebooks): pictures are compared too, and a
notebook without its run fails.

nbval alone compares no image, and takes a cell without outputs and count for one that needs no
comparison, so that a stripped notebook passes.
"""

import base64
import io
import os
import pathlib

import numpy as np
from nbval.plugin import IPyNbCell, IPyNbFile
from PIL import Image

# root mean square over pixels, of 255: the versions are pinned, so a picture may hardly differ
TOLERANCE = 0.5
# The most that a cell may ask for by its metadata `picture_tolerance`: the curve of a training's
# first steps is another on each kind of processor (by 10.0 between SSE4 and AVX-512), and a curve
# that tells something else differs by 18 or more.
MOST_TOLERANCE = 12.0
ARTIFACTS = pathlib.Path("test-artifacts")
FORBIDDEN = (
    "nbval-skip",
    "nbval-ignore-output",
    "nbval-raises-exception",
    "raises-exception",
    "skip-execution",
)


def png_images(outputs):
    """The PNG pictures among a cell's outputs, a widget's picture included, as arrays (height,
    width, 3) of 0 to 255.
    """
    encoded = [o.get("data", {}).get("image/png") for o in outputs]
    opened = (Image.open(io.BytesIO(base64.b64decode(e))) for e in encoded if e)
    return [np.asarray(image.convert("RGB"), dtype=np.float32) for image in opened]


def difference(saved, new, tolerance=TOLERANCE):
    """Why two lists of pictures are not the same, or None."""
    if len(saved) != len(new):
        return f"{len(saved)} saved pictures, {len(new)} new"
    for i, (a, b) in enumerate(zip(saved, new, strict=True)):
        if a.shape != b.shape:
            return (
                f"picture {i} was {a.shape[1]}x{a.shape[0]} pixels, and is"
                f" {b.shape[1]}x{b.shape[0]}"
            )
        rms = float(np.sqrt(((a - b) ** 2).mean()))
        if rms > tolerance:
            return (
                f"picture {i} differs by {rms:.2f} of 255 (root mean square), and may by"
                f" {tolerance}"
            )
    return None


nbval_compare, nbval_collect = IPyNbCell.compare_outputs, IPyNbFile.collect


def compare_outputs(cell, test, ref, skip_compare=None):
    """nbval's comparison of a cell's new outputs with the saved ones, and then that of the
    pictures; True if all is equal.
    """
    if not nbval_compare(cell, test, ref, skip_compare):
        return False
    saved, new = png_images(ref), png_images(test)
    asked = cell.cell.metadata.get("picture_tolerance", TOLERANCE)
    reason = difference(saved, new, min(asked, MOST_TOLERANCE))
    if reason is None:
        return True
    cell.comparison_traceback.append(reason)
    ARTIFACTS.mkdir(exist_ok=True)
    for which, images in (("saved", saved), ("new", new)):
        for i, image in enumerate(images):
            path = (
                ARTIFACTS / f"{cell.parent.path.stem}-cell-{cell.cell_num}-picture-{i}-{which}.png"
            )
            Image.fromarray(image.astype("uint8")).save(path)
    return False


def collect(notebook):
    """The cells of a notebook that was run from first to last and skips nothing; CollectError
    otherwise.
    """
    for count, item in enumerate(nbval_collect(notebook), 1):
        where = f"{notebook.path.name}, code cell {count}"
        if item.cell.execution_count != count:
            raise notebook.CollectError(
                f"{where}: run as {item.cell.execution_count}; run `make notebooks` and commit"
            )
        tags = item.cell.metadata.get("tags", [])
        if any(tag.lower() in FORBIDDEN for tag in tags) or "NBVAL_" in item.cell.source:
            raise notebook.CollectError(f"{where}: no cell may be skipped or left uncompared")
        yield item


# Guesses of whoever works beside the notebooks are not those of the saved ones.
os.environ.setdefault("XCEPTION_EDU_PROGRESS", "none/progress.json")
# nbval makes its cells and files itself and leaves no other place to step in.
IPyNbCell.compare_outputs, IPyNbFile.collect = compare_outputs, collect
