"""Inception V3 as a list of layers, for counting by hand: the network that Table 1 and Table 3 hold
beside Xception.

The torch network of `inception_v3` reads the same configs and nothing of this file.
"""

import itertools
from typing import Literal

from xception_edu import checks
from xception_edu.architectures.chains import Layers, chain, classifier, output_shape
from xception_edu.configs import InceptionV3Config
from xception_edu.specs import (
    ActivationSpec,
    BatchNormSpec,
    ConvSpec,
    LinearSpec,
    Pair,
    PoolSpec,
    Shape,
)

# A tower is a list of steps: (output channels, kernel), or (output channels, kernel, stride)
# without padding; "average" and "max" pool at stride 1, "max /2" and "average /2" at stride 2
# without padding; a list is steps side by side, which end it.
Step = tuple[int, Pair] | tuple[int, Pair, int] | str | list[tuple[int, Pair]]
Tower = list[Step]


def _inception_a(pool: int) -> list[Tower]:
    """Side 35: the module of Figure 1 with its second tower at 5x5."""
    return [[(64, 1)], [(48, 1), (64, 5)], [(64, 1), (96, 3), (96, 3)], ["average", (pool, 1)]]


def _reduction_a() -> list[Tower]:
    """Side 35 to 17."""
    return [[(384, 3, 2)], [(64, 1), (96, 3), (96, 3, 2)], ["max /2"]]


def _inception_b(width: int, double: int) -> list[Tower]:
    """Side 17: 7x7 as 1x7 and 7x1; `double` is where the tower with two 7x7 starts."""
    row, column = (1, 7), (7, 1)
    twice: Tower = [(double, 1), (width, column), (width, row), (width, column), (192, row)]
    return [[(192, 1)], [(width, 1), (width, row), (192, column)], twice, ["average", (192, 1)]]


def _reduction_b(pool: str) -> list[Tower]:
    """Side 17 to 8."""
    return [
        [(192, 1), (320, 3, 2)],
        [(192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)],
        [f"{pool} /2"],
    ]


def _inception_c() -> list[Tower]:
    """Side 8: towers that end in a 1x3 and a 3x1 side by side."""
    ends: Step = [(384, (1, 3)), (384, (3, 1))]
    return [[(320, 1)], [(384, 1), ends], [(448, 1), (384, 3), ends], ["average", (192, 1)]]


def inception_v3(
    config: InceptionV3Config = InceptionV3Config(), input_size: int | tuple[int, int] = 299
) -> Layers:
    """Inception V3, with its auxiliary tower if so asked.

    `input_size` is the image's pixels, one side or (height, width).

    Layers stand in the order of the computation: module by module, tower by tower, the auxiliary
    tower last. Concatenation is free. Raises ValueError where a side of the image is below
    `config.smallest_input`.
    """
    checks.instance("config", config, InceptionV3Config, "an InceptionV3Config")
    shape = Shape(
        config.in_channels, *checks.pair("input_size", input_size, at_least=config.smallest_input)
    )
    stem: Tower = [(32, 3, 2), (32, 3, 1), (64, 3), "max /2", (80, 1), (192, 3, 1), "max /2"]
    layers, shape = _tower(config, "stem", shape, stem)
    to_17 = [*map(_inception_a, config.pool_projections), _reduction_a(), _inception_b(128, 128)]
    to_17 += [
        _inception_b(160, 160),
        _inception_b(160, 160),
        _inception_b(192, config.last_double_7x7),
    ]
    to_8 = [_reduction_b(config.last_reduction_pool), _inception_c(), _inception_c()]
    for i, towers in enumerate(to_17 + to_8):
        if i == len(to_17):
            aux_shape = shape
        more, shape = _side_by_side(config, f"mixed{i}", shape, towers)
        layers += more
    layers += chain(shape, PoolSpec("global_average", name="pool"))
    layers += classifier(output_shape(layers), config.fc_widths, config.num_classes)
    return layers + _auxiliary_tower(config, aux_shape) if config.aux else layers


def _auxiliary_tower(config: InceptionV3Config, shape: Shape) -> Layers:
    """A classifier of its own on the last 17x17 map.

    5x5 average pooling at stride 3, a 1x1, a 5x5 without padding, a fully connected layer.
    """
    layers = chain(shape, PoolSpec("average", 5, stride=3, name="aux_pool"))
    more, shape = _tower(config, "aux", output_shape(layers), [(128, 1), (768, 5, 1)])
    layers += more + chain(shape, PoolSpec("global_average", name="aux_global_pool"))
    return layers + chain(
        output_shape(layers), LinearSpec(shape.channels, config.num_classes, name="aux_classifier")
    )


def _side_by_side(
    config: InceptionV3Config, name: str, shape: Shape, towers: list[Tower]
) -> tuple[Layers, Shape]:
    """Towers on one input: their layers, and the shape of their concatenated outputs."""
    built = [_tower(config, f"{name}_tower{i}", shape, steps) for i, steps in enumerate(towers, 1)]
    shape = built[0][1]._replace(channels=sum(out.channels for _, out in built))
    return list(itertools.chain.from_iterable(layers for layers, _ in built)), shape


def _tower(
    config: InceptionV3Config, name: str, shape: Shape, steps: Tower
) -> tuple[Layers, Shape]:
    """One step after another: the layers, and the shape that leaves them."""
    layers: Layers = []
    for i, step in enumerate(steps, 1):
        if isinstance(step, str):
            layers += _pool(f"{name}_pool{i}", shape, step)
            shape = output_shape(layers)
        elif isinstance(step, tuple):
            layers += _unit(config, f"{name}_conv{i}", shape, *step)
            shape = output_shape(layers)
        else:
            for j, end in enumerate(step, i):
                layers += _unit(config, f"{name}_conv{j}", shape, *end)
            shape = shape._replace(channels=sum(width for width, _ in step))
    return layers, shape


def _pool(name: str, shape: Shape, step: str) -> Layers:
    stride = 2 if step.endswith("/2") else 1
    kind: Literal["max", "average"] = "max" if step.startswith("max") else "average"
    return chain(shape, PoolSpec(kind, 3, stride=stride, padding=2 - stride, name=name))


def _unit(
    config: InceptionV3Config,
    name: str,
    shape: Shape,
    width: int,
    kernel: Pair,
    stride: int | None = None,
) -> Layers:
    """Convolution, BN, ReLU; a stated stride is unpadded.

    In the first Keras version convolution with bias, ReLU, BN.
    """
    first_keras = config.variant == "paper_count"
    padding = None if stride is None else 0
    conv = ConvSpec(
        shape.channels,
        width,
        kernel,
        stride=stride or 1,
        padding=padding,
        bias=first_keras,
        name=name,
    )
    norm = BatchNormSpec(width, scale=config.bn_scale, name=f"{name}_bn")
    relu = ActivationSpec(name=f"{name}_relu")
    return chain(shape, conv, relu, norm) if first_keras else chain(shape, conv, norm, relu)
