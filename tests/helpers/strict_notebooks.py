"""pytest plugin beside nbval (-p tests.helpers.strict_notebooks): pictures are compared too, and a
notebook without its run fails.

nbval alone compares no image, and takes a cell without outputs and count for one that needs no
comparison, so that a stripped notebook passes.
"""

import os
import pathlib

from nbval.plugin import IPyNbCell, IPyNbFile
from PIL import Image

from tests.helpers.compared_pictures import difference, png_images

ARTIFACTS = pathlib.Path("test-artifacts")
FORBIDDEN = (
    "nbval-skip",
    "nbval-ignore-output",
    "nbval-raises-exception",
    "raises-exception",
    "skip-execution",
)


nbval_compare, nbval_collect = IPyNbCell.compare_outputs, IPyNbFile.collect


def compare_outputs(cell, test, ref, skip_compare=None):
    """nbval's comparison of a cell's new outputs with the saved ones, and then that of the
    pictures; True if all is equal.
    """
    if not nbval_compare(cell, test, ref, skip_compare):
        return False
    saved, new = png_images(ref), png_images(test)
    reason = difference(saved, new, cell.cell.metadata.get("picture_tolerance"))
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
