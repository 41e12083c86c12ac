"""Xception as a list of layers, for counting by hand: the whole network of Figure 5."""

from dataclasses import replace

from xception_edu import checks
from xception_edu.architectures.chains import Layers, chain, classifier, output_shape
from xception_edu.architectures.figures import module
from xception_edu.configs import ModuleConfig, XceptionConfig
from xception_edu.specs import (
    ActivationSpec,
    AddSpec,
    BatchNormSpec,
    ConvSpec,
    PoolSpec,
    Shape,
    Spec,
)


def xception(
    config: XceptionConfig = XceptionConfig(), input_size: int | tuple[int, int] = 299
) -> Layers:
    """The whole network of Figure 5.

    `input_size` is the image's pixels, one side or (height, width).

    Layers stand in the order of the computation, a block's strided 1x1 projection after its two
    separable convolutions.
    """
    checks.instance("config", config, XceptionConfig, "an XceptionConfig")
    sides = checks.pair("input_size", input_size, at_least=config.smallest_input)
    shape = Shape(config.in_channels, *sides)
    first, second, *blocks = config.scaled_entry_widths
    exit_block, late, last = config.scaled_exit_widths
    layers = chain(
        shape,
        *_conv_bn("conv1", config.in_channels, first, 3, config.stem_stride),
        ActivationSpec(name="conv1_relu"),
        *_conv_bn("conv2", first, second, 3, 1),
        ActivationSpec(name="conv2_relu"),
    )
    for i, width in enumerate(blocks, 1):
        # Only the first entry block has no ReLU in front: the stem's second ReLU is just behind it.
        layers += _downsampling_block(
            config, f"entry{i}", output_shape(layers), width, width, leading_relu=i > 1
        )
    for i in range(1, config.middle_blocks + 1):
        layers += _middle_block(config, f"middle{i}", output_shape(layers))
    middle = output_shape(layers)
    layers += _downsampling_block(
        config, "exit1", middle, middle.channels, exit_block, leading_relu=True
    )
    for i, width in enumerate((late, last), 2):
        layers += _separable(config, f"exit{i}", output_shape(layers), width)
        layers += chain(output_shape(layers), ActivationSpec(name=f"exit{i}_relu"))
    layers += chain(output_shape(layers), PoolSpec("global_average", name="pool"))
    return layers + classifier(output_shape(layers), config.fc_widths, config.num_classes)


def _conv_bn(
    name: str, in_channels: int, out_channels: int, kernel_size: int, stride: int
) -> tuple[Spec, Spec]:
    """A plain convolution without padding ("valid") and its BN."""
    conv = ConvSpec(in_channels, out_channels, kernel_size, stride=stride, padding=0, name=name)
    return conv, BatchNormSpec(out_channels, name=f"{name}_bn")


def _separable(config: XceptionConfig, name: str, shape: Shape, out_channels: int) -> Layers:
    """A separable convolution, or what the config makes of it, and its BN."""
    width = shape.channels if config.order == "spatial_first" else out_channels
    segments = width if config.segments == "channels" else config.segments
    inner = ModuleConfig(
        shape.channels, out_channels, segments, order=config.order, activation=config.activation
    )
    named = [replace(spec, name=f"{name}_{spec.name}") for spec, _ in module(inner, shape)]
    return chain(shape, *named, BatchNormSpec(out_channels, name=f"{name}_bn"))


def _downsampling_block(
    config: XceptionConfig, name: str, shape: Shape, inner: int, out: int, *, leading_relu: bool
) -> Layers:
    """[ReLU, Sep, ReLU, Sep, MaxPool 3x3/2].

    Beside it a strided 1x1 with BN where the network is residual.
    """
    layers = chain(shape, ActivationSpec(name=f"{name}_relu1")) if leading_relu else []
    layers += _separable(config, f"{name}_sep1", shape, inner)
    layers += chain(output_shape(layers), ActivationSpec(name=f"{name}_relu2"))
    layers += _separable(config, f"{name}_sep2", output_shape(layers), out)
    layers += chain(
        output_shape(layers),
        PoolSpec(
            "max",
            3,
            stride=2,
            padding="tensorflow" if config.padding == "tensorflow" else 1,
            name=f"{name}_pool",
        ),
    )
    if not config.residual:
        return layers
    layers += chain(shape, *_conv_bn(f"{name}_skip", shape.channels, out, 1, 2))
    return layers + chain(output_shape(layers), AddSpec(name=f"{name}_add"))


def _middle_block(config: XceptionConfig, name: str, shape: Shape) -> Layers:
    """3 x [ReLU, Sep] at one width, added to its input where the network is residual."""
    layers: Layers = []
    for i in (1, 2, 3):
        layers += chain(shape, ActivationSpec(name=f"{name}_relu{i}")) + _separable(
            config, f"{name}_sep{i}", shape, shape.channels
        )
    return layers + chain(shape, AddSpec(name=f"{name}_add")) if config.residual else layers
