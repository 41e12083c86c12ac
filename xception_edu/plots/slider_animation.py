"""The README's moving picture: the slider goes from regular to depthwise convolution and back."""

import io
from collections.abc import Iterable
from itertools import groupby

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageSequence

from xception_edu.plots import style
from xception_edu.plots.cost_charts import segments_curve
from xception_edu.plots.slider_frame import CHANNELS, SIDE, draw_knob, nearest, scene

# Milliseconds for which a position stays: long where the paper has a name for it.
PAUSES = {1: 2400, 2: 1000, 3: 1600, 4: 1600, CHANNELS: 2800}
PAUSE, PAUSE_ON_THE_WAY_BACK, GLIDE = 650, 240, 40
BETWEEN = (0.15, 0.5, 0.85)  # of the way to the next position: the knob starts and stops slowly


def timeline() -> list[tuple[float, int]]:
    """Every frame: where the knob is, from 1 to CHANNELS, and for how many milliseconds."""
    there, back = [], []
    for segments in range(1, CHANNELS):
        glide = [(segments + part, GLIDE) for part in BETWEEN]
        there += [(segments, PAUSES.get(segments, PAUSE)), *glide]
        back += [(segments, PAUSE_ON_THE_WAY_BACK), *glide]
    return [*there, (CHANNELS, PAUSES[CHANNELS]), *back[:0:-1]]  # the loop itself returns to 1


# ---- the file -----------------------------------------------------------------------------------


def frames() -> list[Image.Image]:
    """The frames of `timeline` as RGB images: of a scene that stays only the knob is drawn anew."""
    curve = segments_curve(CHANNELS, SIDE)
    places = sorted({place for place, _ in timeline()})
    with style.context():
        drawn = {}
        for segments, group in groupby(places, key=nearest):
            drawn |= _over(scene(curve, segments), list(group))
    return [drawn[place] for place, _ in timeline()]


def _over(figure: Figure, places: Iterable[float]) -> dict[float, Image.Image]:
    """One scene with the knob at each of the places."""
    canvas, (ax,) = FigureCanvasAgg(figure), figure.axes
    canvas.draw()
    without, images = canvas.copy_from_bbox(figure.bbox), {}
    for place in places:
        canvas.restore_region(without)
        for line in draw_knob(ax, place):
            ax.draw_artist(line)
        images[place] = Image.fromarray(np.array(canvas.buffer_rgba())[..., :3])
    return images


def webp() -> bytes:
    """The animation as the bytes of a WebP file that repeats without end; the same in every run."""
    # GitHub plays a WebP as it plays a GIF. Lossless it is 0.4 MB, with every color of the letters'
    # edges; as a GIF of 256 colors it would be 1.5 MB.
    first, *others = frames()
    file = io.BytesIO()
    first.save(
        file,
        format="WEBP",
        save_all=True,
        append_images=others,
        duration=[milliseconds for _, milliseconds in timeline()],
        loop=0,
        lossless=True,
        kmin=0,
        kmax=0,  # each frame is stored as its difference from the one before: half the size
        method=2,
        quality=50,  # of the compression: 80 saves 4 % more and takes longer
    )
    return file.getvalue()


def is_current(content: bytes) -> bool:
    """Whether a file of these bytes shows what `webp` would show now.

    Decoded frames are compared, not bytes: another version of the codec may pack the same pixels
    otherwise. A file that cannot be decoded is not current.
    """
    expected = frames()
    try:
        with Image.open(io.BytesIO(content), formats=["WEBP"]) as image:
            if (image.n_frames, image.info["loop"]) != (len(expected), 0):
                return False
            return all(map(_same, ImageSequence.Iterator(image), expected, timeline()))
    except (OSError, EOFError):
        return False


def _same(decoded: Image.Image, expected: Image.Image, frame: tuple[float, int]) -> bool:
    pixels = decoded.convert("RGB")  # decodes the frame, and with it reads its duration
    return decoded.info["duration"] == frame[1] and np.array_equal(pixels, expected)
