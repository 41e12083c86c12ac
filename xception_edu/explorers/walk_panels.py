"""What the walk through a network draws: all blocks as bars, the field of the block's output upon a
photograph, and the block itself, layer by layer, with what passes beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from xception_edu.explorers.engine.readouts import extent, in_percent
from xception_edu.explorers.engine.scene import CHOSEN, Scene
from xception_edu.explorers.engine.tiles import frame
from xception_edu.plots.depth_profiles import KEY
from xception_edu.plots.pieces import counted

WIDTH, LEFT = 390, 8  # pixels of a panel, and left of what it has
STRIP, BAR = 64, 40  # from one strip of bars to the next, and the highest bar
AXIS = 62  # where bars begin
PHOTO, TOP = 178, 300  # side of the photograph, and where it begins
HEIGHT = TOP + PHOTO + 8
ICON = 26  # side of the map that enters a block
FIRST, LAST = 62, 40  # pixels above the first layer, and below the last
PITCH = 21  # pixels from layer to layer, at most
LANE, LANES = 8, 6  # pixels from one line beside the layers to the next, and how many there are
MOST = 24  # layers that there is room for
KINDS = tuple(KEY)  # from the bottom of a bar to its top
STRIPS = ("side", "params", "macs", "activation_bytes")


@dataclass(frozen=True)
class Layer:
    """A line of a block: what it is, its color, what it costs and which lines it reads, by number;
    -1 is what enters the block.
    """

    words: str
    kind: str
    macs: str
    size: str
    reads: tuple[int, ...]
    is_sum: bool = False


@dataclass(frozen=True)
class Sight:
    """What an element of the block's output sees: None where no rectangle says it, then `why`."""

    field: tuple[int, int, int] | None
    why: str
    image: tuple[int, int]  # height and width

    @property
    def words(self) -> list[str]:
        """What is said beside the photograph, line by line."""
        if self.field is None:
            return [f"No rectangle, because of {self.why}"]
        height, width, jump = self.field
        said = [f"{extent(height, width)} of {extent(*self.image)} pixels"]
        said.append(f"its neighbor: {counted(jump, 'pixel')} on")
        if height > self.image[0] or width > self.image[1]:
            said.append("beyond the picture: padding")
        return said

    @property
    def in_words(self) -> str:
        """The same in a sentence, for those who do not see the photograph."""
        return f"One output sees: {self.words[0]}"


@dataclass(frozen=True)
class Profile:
    """Every block in numbers: side of its map, and by kind of layer what it costs."""

    sides: Sequence[int]
    costs: Mapping[str, Sequence[Mapping[str, int]]]  # of a strip, of a block, by kind
    most: Mapping[str, str]  # the highest bar of a strip, in words

    def totals(self, strip: str) -> list[int]:
        """The heights of a strip."""
        if strip == "side":
            return list(self.sides)
        return [sum(block.values()) for block in self.costs[strip]]


LABELS = {
    "side": ("Side of the map that comes out, pixels", ""),
    "params": ("Parameters", "the parameters"),
    "macs": ("MACs", "the MACs"),
    "activation_bytes": ("Memory of activations", "the memory"),
}


# ---- all blocks ----------------------------------------------------------------------------------


def draw_profile(profile: Profile, photo: bytes, image: tuple[int, int]) -> Scene:
    """Four strips of bars, one a block, and the photograph; a click takes the slider to a block."""
    scene = Scene(WIDTH, HEIGHT)
    count = len(profile.sides)
    for row, strip in enumerate(STRIPS):
        base = _base(row)
        scene.text(LABELS[strip][0], LEFT, base - BAR - 11, size="small")
        ticks = ((base - BAR + 5, profile.most[strip]), (base - 2, "0"))
        for y, words in ticks[: 1 + (strip != "side")]:
            scene.text(words, AXIS - 5, y, color="quiet", size="small", anchor="end")
        scene.line("line", (AXIS, base, WIDTH - LEFT, base))
        _draw_bars(scene, profile, strip, base)
        for i in range(count):
            x, wide = _bar(i, count)
            scene.click(i + 1, x, base - BAR, wide, BAR, f"block {i + 1}")
    y = _base(len(STRIPS) - 1) + 11
    for i in dict.fromkeys((0, count // 2, count - 1)):
        x, wide = _bar(i, count)
        scene.text(f"{i + 1}", x + wide / 2, y, color="quiet", size="small", anchor="middle")
    scene.text("block →", LEFT, y, color="quiet", size="small")
    wide, high = photo_size(image)
    scene.image(photo, LEFT, TOP, wide, high)
    return scene


def photo_size(image: tuple[int, int]) -> tuple[float, float]:
    """Width and height of the photograph, in pixels, in the proportions of the input."""
    height, width = image
    scale = PHOTO / max(height, width)
    return max(width * scale, 8), max(height * scale, 8)


def _base(row: int) -> float:
    return 4 + (row + 1) * STRIP + row * 4


def _bar(at: int, count: int) -> tuple[float, float]:
    """Left edge and width of a block's bar."""
    pitch = (WIDTH - LEFT - AXIS) / count
    return AXIS + at * pitch, pitch


def _draw_bars(scene: Scene, profile: Profile, strip: str, base: float) -> None:
    """Bars by kind of layer; those of the map stand in the middle, as it shrinks."""
    totals = profile.totals(strip)
    most, count = max(totals) or 1, len(totals)
    for i, total in enumerate(totals):
        x, wide = _bar(i, count)
        gap = min(1, wide / 6)
        if strip == "side":
            high = max(total / most * BAR, 1)
            scene.rect("line", x + gap, base - (BAR + high) / 2, wide - 2 * gap, high)
            continue
        y, parts = base, profile.costs[strip][i]
        for kind in (kind for kind in KINDS if parts.get(kind)):
            high = parts[kind] / most * BAR
            y -= high
            if high >= 0.1:
                scene.rect(kind, x + gap, y, wide - 2 * gap, high)


def draw_here(still: Scene, profile: Profile, at: int, sight: Sight) -> Scene:
    """Where the block is among all, its shares, and its field upon the photograph."""
    scene = still.copy()
    for row, strip in enumerate(STRIPS):
        totals, base = profile.totals(strip), _base(row)
        x, wide = _bar(at, len(totals))
        scene.line(CHOSEN, frame(x, base - BAR, wide, BAR), width=2)
        words = counted(totals[at], "pixel")
        if strip != "side":
            words = f"{in_percent(totals[at] / (sum(totals) or 1))} of {LABELS[strip][1]}"
        y = base - BAR - 11
        scene.text(words, WIDTH - LEFT, y, size="small", anchor="end", bold=True)
    _draw_sight(scene, sight)
    return scene


def _draw_sight(scene: Scene, sight: Sight) -> None:
    """The field as a square in the middle of the photograph, its neighbor's dashed."""
    wide, high = photo_size(sight.image)
    left = LEFT + wide + 14
    scene.text("What one output sees", left, TOP + 8, bold=True)
    for i, words in enumerate(sight.words):
        scene.text(words, left, TOP + 30 + i * 18, size="small")
    if sight.field is None:
        return
    scale = wide / sight.image[1]
    height, width, jump = (side * scale for side in sight.field)
    x, y = LEFT + (wide - width) / 2, TOP + (high - height) / 2
    if jump > 3 and width + 2 * jump < wide:
        neighbor = frame(x + jump, y, width, height)
        scene.line("ink", neighbor, dash=True, halo=True)
    top, start = max(y, TOP), max(x, LEFT)
    end, bottom = min(x + width, LEFT + wide), min(y + height, TOP + high)
    own = frame(start, top, max(end - start, 2), max(bottom - top, 2))
    scene.line(CHOSEN, own, width=2, halo=True)  # so that ink is seen on every photograph


# ---- one block -----------------------------------------------------------------------------------


def draw_block(
    name: str,
    layers: Sequence[Layer],
    sizes: tuple[str, str],
    sides: tuple[int, int],
    most: int,
) -> Scene:
    """The block from its input, above, to its output, below: a line a layer; beside them lines of
    what passes them by, in the color of skips where the input goes around to an addition.
    """
    scene = Scene(WIDTH, HEIGHT)
    scene.text(f"· block: {name}", LEFT, 10, bold=True)
    rows = _rows(layers)
    pitch = min(PITCH, (scene.height - FIRST - LAST) / max(min(most, MOST + 1), 1))
    places = {-1: 40.0}
    for place, at in enumerate(rows):
        if at is not None:
            places[at] = FIRST + (place + 0.5) * pitch
    end = FIRST + len(rows) * pitch + LAST / 2
    places[len(layers)] = end
    left = LEFT + LANES * LANE + ICON
    _draw_edges(scene, layers, places, left)
    for words, side, y in (
        (f"in: {sizes[0]}", sides[0], 40.0),
        (f"out: {sizes[1]}", sides[1], end),
    ):
        icon = max(ICON * sqrt(side / max(sides)), 3)
        scene.rect("paper", left - 5 - icon / 2, y - icon / 2, icon, icon, edge="ink")
        scene.text(words, left + 14, y)
    for place, at in enumerate(rows):
        y = FIRST + (place + 0.5) * pitch
        if at is None:
            scene.text(f"… {len(layers) - MOST} more …", left + 14, y, color="quiet")
            continue
        layer = layers[at]
        scene.rect(layer.kind, left - 11, y - 6, 12, 12)
        scene.text(layer.words, left + 14, y)
        scene.text(layer.size, WIDTH - 76, y, size="small", color="quiet", anchor="end")
        scene.text(layer.macs, WIDTH - LEFT, y, size="small", anchor="end")
    scene.text("MACs", WIDTH - LEFT, 40, size="small", color="quiet", anchor="end")
    scene.text("output", WIDTH - 76, 40, size="small", color="quiet", anchor="end")
    return scene


def _rows(layers: Sequence[Layer]) -> list[int | None]:
    """Numbers of the layers that are shown, and None where some are left out."""
    count = len(layers)
    if count <= MOST:
        return list(range(count))
    half = MOST // 2
    return [*range(half), None, *range(count - half, count)]


def _draw_edges(
    scene: Scene, layers: Sequence[Layer], places: Mapping[int, float], left: float
) -> None:
    """A line from each layer to each that reads it: straight down to the next, else around."""
    lanes: list[list[tuple[int, int]]] = []
    for start, end in sorted(edges(layers), key=lambda edge: edge[1] - edge[0]):
        if start not in places or end not in places:
            continue
        a, b = places[start], places[end]
        if end - start == 1:
            scene.line("quiet", (left - 5, a, left - 5, b), width=1.5)
            continue
        lane = next((i for i, taken in enumerate(lanes) if _is_free(taken, start, end)), len(lanes))
        if lane == len(lanes):
            lanes.append([])
        lanes[lane].append((start, end))
        x = left - 16 - min(lane, LANES) * LANE
        is_skip = start == -1 and any(layer.is_sum for layer in layers)
        color = "residual" if is_skip else "quiet"
        run = (left - 5, a, x + 4, a, x, a + 4, x, b - 4, x + 4, b, left - 5, b)
        scene.line(color, run, width=2 if is_skip else 1.2)


def _is_free(taken: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    return all(end <= a or b <= start for a, b in taken)


def edges(layers: Sequence[Layer]) -> list[tuple[int, int]]:
    """From which line to which a map goes: -1 is the block's input, and the number behind the last
    layer its output, where whatever no layer reads goes.
    """
    found = [(source, at) for at, layer in enumerate(layers) for source in layer.reads]
    read = {source for source, _ in found}
    return found + [(at, len(layers)) for at in range(len(layers)) if at not in read]
