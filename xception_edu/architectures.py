"""The dials of the networks, and the paper's figures as lists of layers for counting by hand.

A network here is a list of `(spec, input shape)` pairs. The torch networks read the same dials and nothing else from
this file: the structure is written down twice, so that agreement of the two counts proves something.
"""

from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal

from xception_edu import checks
from xception_edu.specs import (
    ActivationSpec,
    AddSpec,
    BatchNormSpec,
    ConvSpec,
    LinearSpec,
    PoolSpec,
    Shape,
    Spec,
    segment_sizes,
)

Layers = list[tuple[Spec, Shape]]
Order = Literal["pointwise_first", "spatial_first"]
Activation = Literal["relu", "elu"] | None

ORDERS = ("pointwise_first", "spatial_first")
ACTIVATIONS = (None, "relu", "elu")


# ---- dials ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModuleConfig:
    """The paper's module: a 1x1 and a segmented k x k convolution, `activation` between the two.

    order "pointwise_first" is the simplified Inception module (Figures 2 to 4), "spatial_first" the separable
    convolution. One segment is a 1x1 *plus* a regular convolution, not a regular convolution alone (Section 1.2).
    """

    in_channels: int
    out_channels: int
    segments: int
    _: KW_ONLY
    kernel_size: int = 3
    order: Order = "pointwise_first"
    activation: Activation = None

    def __post_init__(self) -> None:
        checks.integer("in_channels", self.in_channels)
        checks.integer("out_channels", self.out_channels)
        checks.odd("kernel_size", self.kernel_size)
        checks.one_of("order", self.order, ORDERS)
        checks.one_of("activation", self.activation, ACTIVATIONS)
        checks.segments(self.segments, self.spatial_channels, self.spatial_channels)

    @property
    def spatial_channels(self) -> int:
        """Width of the segmented convolution, the most segments there can be: the 1x1 changes the channel count."""
        return self.out_channels if self.order == "pointwise_first" else self.in_channels


@dataclass(frozen=True, kw_only=True)
class VGGConfig:
    """A VGG-style stack: stages of plain 3x3 convolutions, each stage closed by 2x2/2 max pooling; defaults are VGG-16."""

    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    depths: tuple[int, ...] = (2, 2, 3, 3, 3)
    fc_widths: tuple[int, ...] = (4096, 4096)
    num_classes: int = 1000
    in_channels: int = 3
    input_size: int = 224  # fixes the first fully connected layer, which sees the flattened map

    def __post_init__(self) -> None:
        for name in ("widths", "depths", "fc_widths"):
            object.__setattr__(self, name, checks.integers(name, getattr(self, name), shortest=name != "fc_widths"))
        if len(self.widths) != len(self.depths):
            raise ValueError(f"depths is {self.depths!r}, but must have {len(self.widths)} entries, one a stage of widths")
        checks.integer("num_classes", self.num_classes)
        checks.integer("in_channels", self.in_channels)
        checks.integer("input_size", self.input_size, at_least=2 ** len(self.widths), because="each stage halves the sides")


@dataclass(frozen=True, kw_only=True)
class XceptionConfig:
    """Every dial of the network of Figure 5; the defaults are the paper's ImageNet network.

    entry_widths are the two plain convolutions and the entry blocks, the last of them being the middle flow's width;
    exit_widths are the exit block's output and the two last separable convolutions. `segments` applies to every
    separable layer: "channels" is depthwise. `width` scales every width but the input's and the classes'.
    stem_stride=1 suits images of 28 to 96 pixels.
    """

    num_classes: int = 1000
    in_channels: int = 3
    entry_widths: tuple[int, ...] = (32, 64, 128, 256, 728)
    middle_blocks: int = 8
    exit_widths: tuple[int, ...] = (1024, 1536, 2048)
    segments: int | Literal["channels"] = "channels"
    order: Order = "spatial_first"
    activation: Activation = None  # between depthwise and pointwise; Section 4.7 found none to be best
    residual: bool = True
    fc_widths: tuple[int, ...] = ()  # (4096, 4096) in the paper's JFT runs with FC layers
    dropout: float = 0.0  # before the classifier; 0.5 in the paper's ImageNet runs
    padding: Literal["tensorflow", "symmetric"] = "tensorflow"  # where max pooling puts the odd pixel
    bn_eps: float = 1e-3
    width: float = 1.0
    stem_stride: int = 2

    def __post_init__(self) -> None:
        checks.integer("num_classes", self.num_classes)
        checks.integer("in_channels", self.in_channels)
        # JSON knows no tuples: what a config file brings as lists becomes tuples here.
        object.__setattr__(self, "entry_widths", checks.integers("entry_widths", self.entry_widths, shortest=3))
        object.__setattr__(self, "exit_widths", checks.integers("exit_widths", self.exit_widths, length=3))
        object.__setattr__(self, "fc_widths", checks.integers("fc_widths", self.fc_widths))
        checks.integer("middle_blocks", self.middle_blocks, at_least=0)
        checks.one_of("order", self.order, ORDERS)
        checks.one_of("activation", self.activation, ACTIVATIONS)
        checks.boolean("residual", self.residual)
        checks.number("dropout", self.dropout, at_least=0, below=1)
        checks.one_of("padding", self.padding, ("tensorflow", "symmetric"))
        checks.number("bn_eps", self.bn_eps, above=0)
        checks.number("width", self.width, above=0)
        checks.integer("stem_stride", self.stem_stride, at_most=2)
        if self.segments != "channels":
            # The narrowest layer that is cut: a separable layer's input, or its output where the 1x1 comes first.
            cut = self.scaled_entry_widths[1:] if self.order == "spatial_first" else self.scaled_entry_widths[2:]
            narrowest = min(*cut, *self.scaled_exit_widths)
            checks.integer(
                "segments", self.segments, at_most=narrowest, because="the narrowest layer; or 'channels' for depthwise"
            )

    def _scaled(self, widths: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(max(1, round(w * self.width)) for w in widths)

    @property
    def scaled_entry_widths(self) -> tuple[int, ...]:
        """entry_widths times the width multiplier, rounded, at least 1."""
        return self._scaled(self.entry_widths)

    @property
    def scaled_exit_widths(self) -> tuple[int, ...]:
        """exit_widths times the width multiplier, rounded, at least 1."""
        return self._scaled(self.exit_widths)


# ---- the figures, as layers -----------------------------------------------------------------------------------------


def chain(shape: Shape, *specs: Spec) -> Layers:
    """Layers one after another: each spec with the shape that reaches it."""
    layers: Layers = []
    for spec in specs:
        layers.append((spec, shape))
        shape = spec.output_shape(shape)
    return layers


def output_shape(layers: Layers) -> Shape:
    """Shape that leaves the last layer."""
    spec, shape = layers[-1]
    return spec.output_shape(shape)


def regular_convolution(in_channels: int, out_channels: int, shape: Shape, *, kernel_size: int = 3) -> Layers:
    """The plain regular convolution, to hold beside one segment of the paper's module, which has a 1x1 before it."""
    return chain(shape, ConvSpec(in_channels, out_channels, kernel_size, name="regular"))


def module(config: ModuleConfig, shape: Shape) -> Layers:
    """The paper's module (Figures 3 and 4, or a separable convolution by `order`), on an input of `shape`."""
    pointwise = ConvSpec(config.in_channels, config.out_channels, 1, name="pointwise")
    width = config.spatial_channels
    spatial = ConvSpec(width, width, config.kernel_size, segments=config.segments, name="spatial")
    between = () if config.activation is None else (ActivationSpec(config.activation, name="activation"),)
    first, second = (pointwise, spatial) if config.order == "pointwise_first" else (spatial, pointwise)
    return chain(shape, first, *between, second)


def canonical_inception(shape: Shape, *, widths: tuple[int, int, int, int] = (64, 64, 96, 64)) -> list[Layers]:
    """Figure 1, the canonical Inception V3 module, as its four towers from left to right; outputs are concatenated.

    `widths` are the towers' outputs: 1x1; 1x1 then 3x3; 1x1 then two 3x3; 3x3 average pooling then 1x1. The two 1x1 that
    lead into 3x3 are 48 and 64 wide, as in the network's second and third module (288 = 64 + 64 + 96 + 64 channels).
    """
    one, three, double, pool = checks.integers("widths", widths, length=4)
    c = shape.channels
    return [
        chain(shape, ConvSpec(c, one, 1, name="1x1")),
        chain(shape, ConvSpec(c, 48, 1, name="1x1"), ConvSpec(48, three, 3, name="3x3")),
        chain(
            shape,
            ConvSpec(c, 64, 1, name="1x1"),
            ConvSpec(64, double, 3, name="3x3"),
            ConvSpec(double, double, 3, name="3x3"),
        ),
        chain(shape, PoolSpec("average", 3, stride=1, padding=1, name="avg pool"), ConvSpec(c, pool, 1, name="1x1")),
    ]


def simplified_inception(config: ModuleConfig, shape: Shape) -> list[Layers]:
    """Figure 2: `segments` towers, each its own 1x1 and then a k x k, by the sizes that Figure 3's segments have."""
    if config.order != "pointwise_first":
        raise ValueError(f"order is {config.order!r}, but must be 'pointwise_first': the towers of Figure 2 begin with a 1x1")
    between = () if config.activation is None else (ActivationSpec(config.activation, name="activation"),)
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
    """A VGG-style stack: [3x3 convolution with bias, ReLU] a depth, 2x2 max pooling a stage, then fully connected layers."""
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
    layers += _classifier(shape, config.fc_widths, config.num_classes)
    return layers


def _classifier(shape: Shape, fc_widths: tuple[int, ...], num_classes: int) -> Layers:
    """Fully connected layers with ReLU, then the logistic regression."""
    layers: Layers = []
    for i, width in enumerate(fc_widths, 1):
        layers += chain(shape, LinearSpec(shape.elements, width, name=f"fc{i}"), ActivationSpec(name=f"fc{i}_relu"))
        shape = output_shape(layers)
    return layers + chain(shape, LinearSpec(shape.elements, num_classes, name="classifier"))


def xception(config: XceptionConfig = XceptionConfig(), input_size: int | tuple[int, int] = 299) -> Layers:
    """The whole network of Figure 5 for an input of `input_size` pixels, one side or (height, width).

    Layers stand in the order of the computation, a block's strided 1x1 projection after its two separable convolutions.
    """
    smallest = 3 + 2 * config.stem_stride  # what leaves the stem's two unpadded 3x3 convolutions one pixel
    shape = Shape(config.in_channels, *checks.pair("input_size", input_size, at_least=smallest))
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
        layers += _downsampling_block(config, f"entry{i}", output_shape(layers), width, width, leading_relu=i > 1)
    for i in range(1, config.middle_blocks + 1):
        layers += _middle_block(config, f"middle{i}", output_shape(layers))
    middle = output_shape(layers)
    layers += _downsampling_block(config, "exit1", middle, middle.channels, exit_block, leading_relu=True)
    for i, width in enumerate((late, last), 2):
        layers += _separable(config, f"exit{i}", output_shape(layers), width)
        layers += chain(output_shape(layers), ActivationSpec(name=f"exit{i}_relu"))
    layers += chain(output_shape(layers), PoolSpec("global_average", name="pool"))
    return layers + _classifier(output_shape(layers), config.fc_widths, config.num_classes)


def _conv_bn(name: str, in_channels: int, out_channels: int, kernel_size: int, stride: int) -> tuple[Spec, Spec]:
    """A plain convolution without padding ("valid") and its BN."""
    conv = ConvSpec(in_channels, out_channels, kernel_size, stride=stride, padding=0, name=name)
    return conv, BatchNormSpec(out_channels, name=f"{name}_bn")


def _separable(config: XceptionConfig, name: str, shape: Shape, out_channels: int) -> Layers:
    """A separable convolution, or what `segments`, `order` and `activation` make of it, and its BN."""
    width = shape.channels if config.order == "spatial_first" else out_channels
    segments = width if config.segments == "channels" else config.segments
    dials = ModuleConfig(shape.channels, out_channels, segments, order=config.order, activation=config.activation)
    named = [replace(spec, name=f"{name}_{spec.name}") for spec, _ in module(dials, shape)]
    return chain(shape, *named, BatchNormSpec(out_channels, name=f"{name}_bn"))


def _downsampling_block(config: XceptionConfig, name: str, shape: Shape, inner: int, out: int, *, leading_relu: bool) -> Layers:
    """[ReLU, Sep, ReLU, Sep, MaxPool 3x3/2], and beside it a strided 1x1 with BN where the network is residual."""
    layers = chain(shape, ActivationSpec(name=f"{name}_relu1")) if leading_relu else []
    layers += _separable(config, f"{name}_sep1", shape, inner)
    layers += chain(output_shape(layers), ActivationSpec(name=f"{name}_relu2"))
    layers += _separable(config, f"{name}_sep2", output_shape(layers), out)
    layers += chain(
        output_shape(layers),
        PoolSpec("max", 3, stride=2, padding="tensorflow" if config.padding == "tensorflow" else 1, name=f"{name}_pool"),
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
