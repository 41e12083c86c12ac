"""The paper's Figures 1 to 4 as lists of layers, and the plain regular convolution beside them."""

from xception_edu import checks
from xception_edu.architectures.chains import Layers, chain
from xception_edu.configs import ModuleConfig
from xception_edu.specs import ActivationSpec, ConvSpec, PoolSpec, Shape, segment_sizes


def regular_convolution(
    in_channels: int, out_channels: int, shape: Shape, *, kernel_size: int = 3
) -> Layers:
    """The plain regular convolution.

    To hold beside one segment of the paper's module, which has a 1x1 before it.
    """
    spec = ConvSpec(in_channels, out_channels, kernel_size, name="regular")
    return chain(shape, spec)


def module(config: ModuleConfig, shape: Shape) -> Layers:
    """The paper's module on an input of `shape`.

    Figures 3 and 4, or a separable convolution, by `order`.
    """
    checks.instance("config", config, ModuleConfig, "a ModuleConfig")
    pointwise = ConvSpec(config.in_channels, config.out_channels, 1, name="pointwise")
    width = config.spatial_channels
    spatial = ConvSpec(width, width, config.kernel_size, segments=config.segments, name="spatial")
    between = (
        () if config.activation is None else (ActivationSpec(config.activation, name="activation"),)
    )
    first, second = (
        (pointwise, spatial) if config.order == "pointwise_first" else (spatial, pointwise)
    )
    return chain(shape, first, *between, second)


def canonical_inception(
    shape: Shape,
    *,
    widths: tuple[int, int, int, int] = (64, 64, 96, 64),
    reduced: tuple[int, int] = (48, 64),
) -> list[Layers]:
    """Figure 1, the canonical Inception V3 module: its four towers from left to right.

    Their outputs are concatenated.

    `widths` are the towers' outputs: 1x1; 1x1 then 3x3; 1x1 then two 3x3; 3x3 average pooling then
    1x1. `reduced` are the two 1x1 that lead into 3x3. By default all as in the network's second and
    third module (288 = 64 + 64 + 96 + 64 channels).
    """
    one, three, double, pool = checks.integers("widths", widths, length=4)
    before_three, before_double = checks.integers("reduced", reduced, length=2)
    shape = Shape.of(shape)
    c = shape.channels
    return [
        chain(shape, ConvSpec(c, one, 1, name="1x1")),
        chain(
            shape,
            ConvSpec(c, before_three, 1, name="1x1"),
            ConvSpec(before_three, three, 3, name="3x3"),
        ),
        chain(
            shape,
            ConvSpec(c, before_double, 1, name="1x1"),
            ConvSpec(before_double, double, 3, name="3x3"),
            ConvSpec(double, double, 3, name="3x3"),
        ),
        chain(
            shape,
            PoolSpec("average", 3, stride=1, padding=1, name="avg pool"),
            ConvSpec(c, pool, 1, name="1x1"),
        ),
    ]


def simplified_inception(config: ModuleConfig, shape: Shape) -> list[Layers]:
    """Figure 2: `segments` towers, each its own 1x1 and then a k x k.

    Their sizes are those of Figure 3's segments.
    """
    checks.instance("config", config, ModuleConfig, "a ModuleConfig")
    if config.order != "pointwise_first":
        raise ValueError(
            f"order is {config.order!r}, but must be 'pointwise_first': the towers of Figure 2"
            " begin with a 1x1"
        )
    between = (
        () if config.activation is None else (ActivationSpec(config.activation, name="activation"),)
    )
    return [
        chain(
            shape,
            ConvSpec(config.in_channels, n, 1, name="1x1"),
            *between,
            ConvSpec(n, n, config.kernel_size, name="spatial"),
        )
        for n in segment_sizes(config.out_channels, config.segments)
    ]


def extreme_inception(in_channels: int, out_channels: int, shape: Shape) -> Layers:
    """Figure 4: a 1x1, then one 3x3 for each of its output channels."""
    return module(ModuleConfig(in_channels, out_channels, out_channels), shape)
