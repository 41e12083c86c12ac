"""Inside a trained network: the kernels of every layer, the few patterns that they nearly are, and
what a kernel does to a picture.
"""

from collections.abc import Sequence
from functools import cache, partial

import numpy as np

from xception_edu.explorers.convolution import maps_of, reduced
from xception_edu.explorers.engine.scene_explorer import (
    SceneExplorer,
    View,
    as_arguments,
    scene_explorer,
)
from xception_edu.explorers.kernel import default_picture
from xception_edu.explorers.kernel_layers import DEAD, by_chance, layers_of, published_layers
from xception_edu.explorers.kernel_patterns import Array
from xception_edu.explorers.kernels_panels import (
    Chosen,
    Layer,
    Profile,
    draw_chosen,
    draw_here,
    draw_lines,
    draw_mosaic,
    draw_pattern_rows,
    draw_shares,
)
from xception_edu.explorers.numpy_convolutions import depthwise

NAMES = (  # of the published network's patterns, the commonest first
    "box blur",
    "Gaussian",
    "identity",
    "edge –",
    "edge |",
    "two columns",
    "lower rows",
    "upper rows",
)
ODD = "odd"  # the kernel that is least like any pattern
PHOTO = 22  # pixels a side of the picture that a kernel is applied to
COLUMNS = (
    ("Kernels", "of this layer"),
    ("Like a pattern", "this layer | random"),
    ("Column × row", "this layer | random"),
    ("Like its pattern", "this kernel"),
    ("Column × row", "this kernel"),
)


def kernels_explorer(
    model: object = None, picture: object = None, *, layer: int = 1, kernel: str = "1"
) -> SceneExplorer:
    """The kernels of a trained network, layer by layer: what patterns they became, and how many
    are one column times one row.

    ValueError for wrong arguments.

    Args:
        model: any torch module, or a dict of arrays (kernels, k, k) by layer; None: the 34
            depthwise layers of Xception, as its author trained it on ImageNet. Of a network
            without depthwise convolutions slices of regular kernels are shown, as many as there is
            room for.
        picture: what a kernel is applied to: an array (height, width) or (height, width, 3), or an
            image file; None: a cat's eye.
        layer: counts from 1.
        kernel: "1" to "8", a typical kernel of that pattern, or "odd", the one least like any.
    """
    layers = published_layers() if model is None else layers_of(model)
    make = partial(views, layers, photo_of(picture))
    if model is None and picture is None:
        make = _published_views
    words = {str(i + 1): name for i, name in enumerate(_names(layers))} | {ODD: "the oddest"}
    return scene_explorer(
        "kernels_explorer",
        ("layer", "Layer"),
        {"kernel": ("Kernel", words)},
        COLUMNS,
        make,
        {"layer": layer, "kernel": kernel},
        as_arguments({"model": model, "picture": picture}),
    )


def _names(layers: Sequence[Layer]) -> Sequence[str]:
    """What the patterns are called: those of 3x3 by what they do, others by number."""
    count = max(len(layer.patterns) for layer in layers)
    known = all(layer.patterns.shape[1] == 3 for layer in layers)
    return NAMES[:count] if known else [f"pattern {i + 1}" for i in range(count)]


def photo_of(picture: object) -> Array:
    """A gray picture (height, width) of at most PHOTO pixels a side."""
    if picture is None:
        maps = maps_of(default_picture(), 3)
    else:
        gray = np.ndim(picture) == 2  # type: ignore[arg-type]
        maps = maps_of(picture, 1 if gray else 3)
    photo: Array = reduced(maps.mean(axis=0, keepdims=True), PHOTO)[0]
    return photo


# ---- views ---------------------------------------------------------------------------------------


def views(layers: Sequence[Layer], photo: Array, kernel: str) -> list[View]:
    """The views of all layers, with one kind of kernel chosen in each."""
    names = _names(layers)
    profile = Profile(
        explained=[float(layer.explained.mean()) for layer in layers],
        separable=[float(layer.separable.mean()) for layer in layers],
        chance=by_chance(layers[0].kernels.shape[1]),
    )
    lines = draw_lines(profile)
    of_side = {layer.kernels.shape[1]: layer for layer in layers}
    rows = {side: draw_pattern_rows(layer.patterns, names) for side, layer in of_side.items()}
    found = []
    for at, layer in enumerate(layers):
        place = choose(layer, kernel)
        pattern = None if place is None else int(layer.pattern[place])
        chosen = _chosen(layer, place, names, photo)
        found.append(
            View(
                stop=at + 1,
                short=f"{at + 1} of {len(layers)}",
                title=_title(at, layer, names),
                note=_note(layer),
                values=_values(layer, place),
                scenes=(
                    draw_mosaic(layer, place),
                    draw_shares(rows[layer.kernels.shape[1]], layer, pattern),
                    draw_chosen(chosen),
                    draw_here(lines, profile, at),
                ),
                alts=(
                    f"{len(layer.kernels):,} kernels, ordered by pattern",
                    _shares_in_words(layer, names),
                    chosen.words,
                    f"Lines over all layers; {at + 1} is marked",
                ),
            )
        )
    return found


def _title(at: int, layer: Layer, names: Sequence[str]) -> str:
    shares = layer.shares()
    most = int(shares.argmax())
    return f"Layer {at + 1}, {layer.name}: {shares[most]:.0%} {names[most]}"


def _shares_in_words(layer: Layer, names: Sequence[str]) -> str:
    """The three commonest patterns."""
    shares = layer.shares()
    most = np.argsort(-shares, kind="stable")[:3]
    return "Commonest: " + ", ".join(f"{names[i]} {shares[i]:.0%}" for i in most)


def _values(layer: Layer, place: int | None) -> tuple[str, ...]:
    explained, separable = by_chance(layer.kernels.shape[1])
    here = ("–", "–")
    if place is not None:
        here = (f"{layer.explained[place]:.0%}", f"{layer.separable[place]:.0%}")
    return (
        f"{len(layer.kernels):,}",
        f"{layer.explained.mean():.0%} | {explained:.0%}",
        f"{layer.separable.mean():.0%} | {separable:.0%}",
        *here,
    )


def _note(layer: Layer) -> str:
    """How separable the layer's kernels are, and how many are dead."""
    dead = f"; {layer.dead} pass{'es' * (layer.dead == 1)} on nothing" if layer.dead else ""
    mean, chance = layer.separable.mean(), by_chance(layer.kernels.shape[1])[1]
    how = "In part" if mean > chance + 0.05 else "As random ones are,"
    if mean > 0.9:
        how = "Nearly"
    return f"{how} one column times one row{dead}"


@cache  # pure, and made anew by every explorer
def _published_views(kernel: str) -> list[View]:
    return views(published_layers(), photo_of(None), kernel)


def choose(layer: Layer, kernel: str) -> int | None:
    """The place of the kernel that is shown: the middle one of a pattern, None where it has none;
    or the one that is least like any.
    """
    if kernel == ODD:
        alive = np.linalg.norm(layer.kernels, axis=(1, 2)) >= DEAD
        return int(np.where(alive, layer.explained, 2).argmin())
    members = np.flatnonzero(layer.pattern == int(kernel) - 1)
    middle = np.argsort(layer.explained[members], kind="stable")
    return int(members[middle[len(members) // 2]]) if len(members) else None


def _chosen(layer: Layer, place: int | None, names: Sequence[str], photo: Array) -> Chosen:
    """The chosen kernel, taken apart, with the picture before and after it."""
    if place is None:
        return Chosen(words="No kernel of this layer is nearest to this pattern", photo=photo)
    kernel, pattern = layer.kernels[place], int(layer.pattern[place])
    fitted = layer.scale[place] * layer.patterns[pattern]
    after = depthwise(photo[None] - photo.mean(), kernel[None])[0]
    explained = layer.explained[place]
    times = f"{layer.scale[place]:.2f}".replace("-", "−")
    return Chosen(
        words=f"Kernel {place + 1:,}: {times} times {names[pattern]}, {explained:.0%} of it",
        photo=photo,
        kernel=kernel,
        fitted=fitted,
        after=after,
    )
