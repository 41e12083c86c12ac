"""The paper's figures and whole networks as lists of layers, for counting by hand.

A network here is a list of `(spec, input shape)` pairs. The torch networks read the same configs
and nothing of this file: the structure is written down twice, so that agreement of the two counts
proves something.
"""

import re
from dataclasses import replace

from xception_edu import checks

# "X as X": these are part of this module's public names too.
from xception_edu.configs import ACTIVATIONS as ACTIVATIONS
from xception_edu.configs import ORDERS as ORDERS
from xception_edu.configs import InceptionV3Config as InceptionV3Config
from xception_edu.configs import ModuleConfig as ModuleConfig
from xception_edu.configs import VGGConfig as VGGConfig
from xception_edu.configs import XceptionConfig as XceptionConfig
from xception_edu.inception_layers import inception_v3 as inception_v3
from xception_edu.specs import (
    ActivationSpec,
    AddSpec,
    BatchNormSpec,
    ConvSpec,
    PoolSpec,
    Shape,
    Spec,
    classifier,
    segment_sizes,
)
from xception_edu.specs import Layers as Layers
from xception_edu.specs import chain as chain
from xception_edu.specs import output_shape as output_shape


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


def vgg(config: VGGConfig = VGGConfig()) -> Layers:
    """A VGG-style stack of 3x3 convolutions, then fully connected layers.

    A stage is `depth` times a 3x3 convolution with bias and its ReLU, then 2x2 max pooling.
    """
    checks.instance("config", config, VGGConfig, "a VGGConfig")
    shape = Shape(config.in_channels, config.input_size, config.input_size)
    layers: Layers = []
    for stage, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True), 1):
        for i in range(1, depth + 1):
            name = f"conv{stage}_{i}"
            conv = ConvSpec(shape.channels, width, 3, bias=True, name=name)
            layers += chain(shape, conv, ActivationSpec(name=f"{name}_relu"))
            shape = output_shape(layers)
        layers += chain(shape, PoolSpec("max", 2, stride=2, name=f"pool{stage}"))
        shape = output_shape(layers)
    layers += classifier(shape, config.fc_widths, config.num_classes)
    return layers


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


# ---- places in a network, which the names of layers tell -----------------------------------------

# A block is a convolution by itself in stems and in VGG's stages, and elsewhere a module.
BLOCK = re.compile(r"stem_[^_]+|conv\d+_\d+|[^_]+")
BRANCH = re.compile(r"tower\d+|skip")
ROLES = ("spatial", "activation", "pointwise", "bn")  # of layers in a step, a convolution with BN
STEM = ("conv1", "conv2")  # of Xception: the blocks with its plain convolutions
STAGES = {
    r"(conv\d|entry\d+)$": "entry",
    r"middle\d+$": "middle",
    r"exit\d$": "exit",
    r"stem_": "stem",
    r"mixed[0-2]$": "A",
    r"mixed[3-7]$": "B",
    r"mixed": "C",
    r"aux$": "aux",
    r"fc\d+$": "fc",
    r"(pool|classifier)$": "head",
}


def block_of(name: str) -> str:
    """The block of a network that a layer belongs to: "conv1", "entry2", "mixed0", "stem_conv3"."""
    found = BLOCK.match(name)
    return found[0] if found else ""


def stage_of(name: str) -> str:
    """The stage that a layer belongs to, or a block.

    Of Xception "entry", "middle", "exit", "fc", "head"; of Inception V3 "stem", "A", "B", "C"
    (sides 35, 17, 8; a reduction counts to where it leads), "head", "aux"; of VGG the stage's
    number, "fc", "head". "" for names of no network here.
    """
    block = block_of(name)
    vgg = re.match(r"conv(\d+)_|pool(\d+)$", block)
    if vgg:
        return vgg[1] or vgg[2]
    return next((stage for pattern, stage in STAGES.items() if re.match(pattern, block)), "")


def branch_of(name: str) -> str:
    """Which of a block's layers side by side it is: "tower1" ..., "skip"; "" for the trunk."""
    rest = name.removeprefix(block_of(name)).removeprefix("_")
    branch = rest.partition("_")[0]
    return branch if BRANCH.fullmatch(branch) else ""


def step_of(name: str) -> str:
    """The step that a layer belongs to: a convolution with its BN, or a separable one with its."""
    step, _, role = name.rpartition("_")
    return step if role in ROLES else name


def role_of(name: str) -> str:
    """What a layer is in its step, one of ROLES; "" for a layer that is a step alone."""
    role = name.rpartition("_")[2]
    return role if role in ROLES else ""
