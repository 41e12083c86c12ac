"""The architecture walk: Xception (Figure 5), Inception V3 and VGG-16, block by block: shape,
costs, receptive field.
"""

from collections.abc import Sequence
from itertools import groupby

from xception_edu import architectures
from xception_edu.costs import Cost, total
from xception_edu.explorers.engine.scene import Scene
from xception_edu.explorers.engine.scene_explorer import SceneExplorer, View, scene_explorer
from xception_edu.plots.depth_profiles import block_names, depth_profile
from xception_edu.plots.pieces import concept, map_size, title_of
from xception_edu.receptive_field import Field, receptive_fields
from xception_edu.specs import Shape, Spec

NETWORKS = {
    "xception": ("Xception", architectures.xception),
    "inception_v3": ("Inception V3", architectures.inception_v3),
    "vgg16": ("VGG-16", architectures.vgg),
}
COLUMNS = (
    ("Output", "height×width×channels"),
    ("Parameters", ""),
    ("MACs", "per image"),
    ("Memory", "MiB of activations, float32"),
    ("Receptive field", "pixels"),
)
QUANTITIES = {"params": "Parameters", "macs": "MACs", "activation_bytes": "Memory of activations"}
WORDS = {"params": "the parameters", "macs": "the MACs", "activation_bytes": "the memory"}
WIDTH, BAR, LEFT = 390, 62, 8  # pixels of a panel, of the highest bar, and left of the bars
ROW = 21  # pixels of a line of the list of layers
Layer = tuple[Spec, Shape, Field]


def walk_explorer(*, block: int = 1, network: str = "xception") -> SceneExplorer:
    """A walk through a whole network, block by block, for one image of its usual size (299x299;
    VGG-16: 224x224).

    `network` is one of "xception", "inception_v3", "vgg16"; `block` counts from 1. Shows where the
    block lies among all by parameters, MACs and activations, its layers, and what one output
    element sees. ValueError for anything else.
    """
    choices = {"network": ("Network", {name: title for name, (title, _) in NETWORKS.items()})}
    state = {"block": block, "network": network}
    return scene_explorer("walk_explorer", ("block", "Block"), choices, COLUMNS, views, state)


def views(network: str) -> list[View]:
    """The views of every block of a network."""
    title, make = NETWORKS[network]
    layers = make()
    stages = blocks(layers)
    profile = depth_profile(title, layers)
    counts = {}
    for quantity in QUANTITIES:
        counts[quantity] = [block.total(quantity) for block in profile.blocks]
    return [_view(title, i, stages, counts) for i in range(len(stages))]


def blocks(layers: architectures.Layers) -> list[list[Layer]]:
    """A network's layers with their receptive fields, block by block."""
    fields = receptive_fields(layers)
    rows = zip(block_names(layers), layers, fields, strict=True)
    by_block: dict[str, list[Layer]] = {}
    for block, layer, field in rows:
        by_block.setdefault(block, []).append((*layer, field))
    return list(by_block.values())


def _view(
    title: str, at: int, stages: Sequence[Sequence[Layer]], counts: dict[str, list[int]]
) -> View:
    stage, number = stages[at], f"{at + 1} of {len(stages)}"
    cost, out, field = (
        block_cost(stage),
        output(stages, at),
        Field(*map(max, zip(*(f for *_, f in stage), strict=True))),
    )
    name = architectures.block_of(stage[0][0].name)
    return View(
        stop=at + 1,
        short=number,
        title=f"{title}, block {number}: {name.replace('stem_', 'stem, ')}",
        note=f"{map_size(stage[0][1])} goes in, {map_size(out)} comes out",
        values=(
            map_size(out),
            f"{cost.params:,}",
            f"{cost.macs:,}",
            f"{cost.activation_bytes() / 2**20:,.3f}",
            _sees(field),
        ),
        scenes=(_profile(at, counts), _listing(stage)),
        alts=(
            (
                f"Bars of parameters, MACs and memory of the {len(stages)} blocks; block {at + 1}"
                " is marked"
            ),
            f"Layers of block {at + 1}: "
            + ", ".join(f"{n} × {words}" if n > 1 else words for n, words, *_ in lines(stage)),
        ),
    )


def block_cost(stage: Sequence[Layer]) -> Cost:
    """What a block costs for one image."""
    return total([(spec, shape) for spec, shape, _ in stage])


def output(stages: Sequence[Sequence[Layer]], at: int) -> Shape:
    """What leaves a block: what enters the next one, towers concatenated, or the output of the last
    layer of all.
    """
    if at + 1 < len(stages):
        return stages[at + 1][0][1]
    spec, shape, _ = stages[at][-1]
    return spec.output_shape(shape)


def _sees(field: Field) -> str:
    return f"{field.height}×{field.width}"


def lines(stage: Sequence[Layer]) -> list[tuple[int, str, str, int]]:
    """The block's layers that are more than BN, ReLU or an addition: how many alike, in words, the
    color, MACs of each.
    """
    told = [
        (title_of(spec), concept(spec), total([(spec, shape)]).macs) for spec, shape, _ in stage
    ]
    rows = [(words, color, macs) for words, color, macs in told if color != "elementwise"]
    return [(len(list(group)), *row) for row, group in groupby(rows)]


def _profile(at: int, counts: dict[str, list[int]]) -> Scene:
    """Three rows of bars, one a block; each bar takes the slider to its block."""
    scene = Scene(WIDTH, 3 * (BAR + 34))
    n = len(next(iter(counts.values())))
    pitch = (WIDTH - 2 * LEFT) / n
    for row, (quantity, label) in enumerate(QUANTITIES.items()):
        base = (row + 1) * (BAR + 34) - 6
        most = max(counts[quantity])
        scene.text(f"{label}, block by block", LEFT, base - BAR - 14, color="quiet", size="small")
        scene.line("line", (LEFT, base, WIDTH - LEFT, base))
        for i, count in enumerate(counts[quantity]):
            high = max(count / most * BAR, 1)
            scene.rect("elementwise", LEFT + i * pitch + 1, base - high, pitch - 2, high)
            scene.click(i + 1, LEFT + i * pitch, base - BAR, pitch, BAR, f"block {i + 1}")
    for row, (quantity, counted) in enumerate(counts.items()):
        base, high = (row + 1) * (BAR + 34) - 6, max(counted[at] / max(counted) * BAR, 1)
        scene.rect("depthwise", LEFT + at * pitch + 1, base - high, pitch - 2, high)
        share = counted[at] / sum(counted)
        scene.text(
            f"{share:.1%} of {WORDS[quantity]}",
            WIDTH - LEFT,
            base - BAR - 14,
            size="small",
            anchor="end",
        )
    return scene


def _listing(stage: Sequence[Layer]) -> Scene:
    scene = Scene(WIDTH, 3 * (BAR + 34))
    for i, (n, words, color, macs) in enumerate(lines(stage)):
        y = 16 + i * ROW
        scene.rect(color, LEFT, y - 6, 12, 12)
        scene.text(f"{n} × {words}" if n > 1 else words, LEFT + 20, y)
        scene.text(f"{macs:,} MACs" if macs else "", WIDTH - LEFT, y, anchor="end", color="quiet")
    return scene
