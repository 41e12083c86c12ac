"""What is on a figure's page: its texts, boxes and lines, and where they collide."""

import functools

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from xception_edu.plots import gallery, style


class Page:
    """A figure laid out: every text that a renderer draws, every box, and where; in pixels from the
    bottom left.
    """

    def __init__(self, figure):
        self.figure, self.texts = figure, {}
        renderer, draw = FigureCanvasAgg(figure).get_renderer(), Text.draw

        def recorded(text, *args, **kwargs):
            if text.get_visible() and text.get_text().strip():
                self.texts[text] = Text.get_window_extent(text, renderer)
            return draw(text, *args, **kwargs)

        with pytest.MonkeyPatch.context() as patch, style.context():
            patch.setattr(Text, "draw", recorded)
            figure.draw_without_rendering()
        self.words = {text.get_text() for text in self.texts}
        self.boxes = {
            box: box.get_window_extent()
            for box in figure.findobj(FancyBboxPatch)
            if box.get_visible()
        }


@functools.cache
def page(name):
    return Page(gallery.figure(name))


def drawn(draw, data):
    """A page with one block diagram of other data than the gallery's."""
    with style.context():
        figure, ax = style.page()
        draw(ax, data)
        return Page(style.fit(figure))


def shrunk(box, by=0.5):
    return Bbox.from_extents(box.x0 + by, box.y0 + by, box.x1 - by, box.y1 - by)


def overlaps(page):
    texts = list(page.texts.items())
    return [
        (a.get_text(), b.get_text())
        for i, (a, one) in enumerate(texts)
        for b, two in texts[:i]
        if shrunk(one).overlaps(two)
    ]


def off_the_page(page):
    width, height = page.figure.canvas.get_width_height()
    return [
        t.get_text()
        for t, b in page.texts.items()
        if b.x0 < 2 or b.y0 < 2 or b.x1 > width - 2 or b.y1 > height - 2
    ]


def cut_by_a_box(page):
    """Texts that are neither wholly in a box nor wholly outside it."""
    return [
        text.get_text()
        for text, place in page.texts.items()
        for edge in page.boxes.values()
        if edge.overlaps(place)
        and Bbox.intersection(edge, place).bounds != pytest.approx(place.bounds)
    ]


def crossed_by_a_line(page):
    """Texts that a line or an arrow runs through, unless an opaque box lies between the two."""
    lines = [*page.figure.findobj(Line2D), *page.figure.findobj(FancyArrowPatch)]
    # of diagrams, not ticks
    lines = [line for line in lines if line.axes is not None and not line.axes.axison]
    opaque = [edge for box, edge in page.boxes.items() if box.zorder > 2]
    covered = {
        text for text, place in page.texts.items() if any(edge.overlaps(place) for edge in opaque)
    }
    found = []
    for line in lines:
        path = line.get_transform().transform_path(line.get_path()).interpolated(40)
        found += [
            t.get_text()
            for t, b in page.texts.items()
            if t not in covered and path_touches(path, shrunk(b))
        ]
    return found


def path_touches(path, box):
    x, y = path.vertices.T
    return bool(((x > box.x0) & (x < box.x1) & (y > box.y0) & (y < box.y1)).any())
