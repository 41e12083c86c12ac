"""The left panel of the kernel microscope: the maps that enter and those that leave, with the
window on them.
"""

from collections.abc import Sequence
from functools import partial

from xception_edu.explorers.engine.scene import CHOSEN, Scene
from xception_edu.explorers.engine.tiles import Tiles, frame, tiles
from xception_edu.explorers.kernel_look import Look
from xception_edu.plots.style import HUES

WIDTH, HEIGHT = 390, 400  # pixels of a panel
INPUTS, OUTPUTS = 280, 86  # pixels of height for the maps that enter and for those that leave
HEAD = 16  # pixels above a map, for its name


class Maps:
    """The maps of a look, which stand still, and the window on them at any position."""

    def __init__(self, look: Look):
        layer = look.layer
        self.look, self.still = look, Scene(WIDTH, HEIGHT)
        self.padding: tuple[int, int] = layer.conv.spec.padding  # type: ignore[assignment]
        height, width = layer.maps.shape[1:]
        high, wide = self.padding
        self.before = _tiles(len(layer.maps), (height + 2 * high, width + 2 * wide), 0, INPUTS, 24)
        self.after = _tiles(layer.out.channels, layer.out[1:], INPUTS + 8, OUTPUTS, 12)
        self._draw_inputs()
        self._draw_outputs()
        self.still.text(look.caption, 2, HEIGHT - 8, color="quiet", size="small")
        self._add_places()

    def at(self, row: int, column: int) -> Scene:
        """The window at a position, and the pixels that it gives."""
        look, scene = self.look, self.still.copy()
        down, right = look.layer.conv.spec.stride  # type: ignore[misc]
        high, wide = look.layer.conv.weight.shape[2:]
        seen = tuple(sorted({c for _, _, ins in look.pieces for c in ins}))
        window = (column * right, row * down, wide, high)
        for name, place, channels, cells in (
            ("window", self.before, seen, window),
            ("pixel", self.after, look.shown, (column, row, 1, 1)),
        ):
            frames = partial(_frames, place, channels, cells)
            scene.add(look.layer.once(name, channels, cells, draw=frames))
        return scene

    def _draw_inputs(self) -> None:
        layer, (high, wide), pitch = self.look.layer, self.padding, self.before.pitch
        height, width = layer.maps.shape[1:]
        edge = (width + 2 * wide) * pitch, (height + 2 * high) * pitch
        for c, (x, y) in enumerate(self.before.corners):
            self._name(x, y, c, self.look.inputs, 1)
            self.still.rect("faint", x, y, *edge, edge="line")
            place = box(pitch, x, y, wide, high, width, height)
            self.still.image(layer.pictures[0][c], *place)

    def _draw_outputs(self) -> None:
        out, pitch = self.look.layer.out, self.after.pitch
        for o, (x, y) in enumerate(self.after.corners):
            self._name(x, y, o, self.look.outputs, 0)
            place = box(pitch, x, y, 0, 0, out.width, out.height)
            self.still.image(self.look.layer.pictures[1][o], *place)

    def _name(self, x: float, y: float, channel: int, names: Sequence[str], side: int) -> None:
        """Number and name of a channel above its map, with the color of its segment where there
        are several.
        """
        pieces = self.look.layer.conv.pieces()
        hue = next(i for i, piece in enumerate(pieces) if channel in piece[side])
        if len(pieces) > 1:
            self.still.rect(f"hue{hue % len(HUES)}", x, y - 13, 9, 9)
        words = f"{channel + 1} {names[channel]}"
        self.still.text(words, x + 11 * (len(pieces) > 1), y - 8, size="small")

    def _add_places(self) -> None:
        """Every pixel of the maps that are looked at takes the slider to it."""
        out = self.look.layer.out
        for o in self.look.shown:
            for i in range(out.height * out.width):
                row, column = divmod(i, out.width)
                place = box(self.after.pitch, *self.after.corners[o], column, row, 1, 1)
                self.still.click(i + 1, *place, f"{row + 1}, {column + 1}")


def _frames(place: Tiles, channels: Sequence[int], cells: tuple[int, ...]) -> Scene:
    """The same cells outlined on several maps, with a halo so that ink is seen on every gray."""
    scene = Scene(WIDTH, HEIGHT)
    runs = [frame(*box(place.pitch, *place.corners[c], *cells)) for c in channels]
    scene.line(CHOSEN, *runs, width=2, halo=True)
    return scene


def _tiles(count: int, sides: Sequence[int], top: int, height: int, most: int) -> Tiles:
    """Places for maps with sides (rows, columns), in `height` pixels from `top` on."""
    rows, columns = sides
    return tiles(
        count,
        columns,
        rows,
        left=2,
        top=top,
        width=WIDTH - 4,
        height=height,
        gap=8,
        head=HEAD,
        least=30,
        most=most,
    )


def box(
    pitch: int, x: float, y: float, column: int, row: int, columns: int, rows: int
) -> tuple[float, float, float, float]:
    """Pixels of cells of a grid with its corner at x, y: x, y, width, height."""
    return x + column * pitch, y + row * pitch, columns * pitch, rows * pitch
