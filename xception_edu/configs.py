"""The configurations of the networks: frozen, checked, saved as JSON.

They are all that the lists of layers and the torch networks have in common.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal

from xception_edu import checks
from xception_edu.checks import fields
from xception_edu.checks.fields import Bounds

Order = Literal["pointwise_first", "spatial_first"]
Activation = Literal[None, "relu", "elu"]

MOST_LAYERS = 1000  # of a kind, in a network

ORDERS = ("pointwise_first", "spatial_first")
ACTIVATIONS = (None, "relu", "elu")


@dataclass(frozen=True)
class ModuleConfig:
    """The paper's module: a 1x1 and a segmented k x k convolution, `activation` between the two.

    order "pointwise_first" is the simplified Inception module (Figures 2 to 4), "spatial_first" the
    separable convolution. One segment is a 1x1 *plus* a regular convolution, not a regular
    convolution alone (Section 1.2).
    """

    in_channels: int
    out_channels: int
    segments: int
    _: KW_ONLY
    kernel_size: int = 3
    order: Order = "pointwise_first"
    activation: Activation = None

    def __post_init__(self) -> None:
        fields.settle(
            self,
            in_channels=checks.integer("in_channels", self.in_channels),
            out_channels=checks.integer("out_channels", self.out_channels),
            kernel_size=checks.odd("kernel_size", self.kernel_size),
            order=checks.one_of("order", self.order, ORDERS),
            activation=checks.one_of("activation", self.activation, ACTIVATIONS),
        )
        width = self.spatial_channels
        fields.settle(self, segments=checks.segments(self.segments, width, width))

    @property
    def spatial_channels(self) -> int:
        """Width of the segmented convolution, and so the most segments there can be.

        The 1x1 changes the channel count.
        """
        return self.out_channels if self.order == "pointwise_first" else self.in_channels


@dataclass(frozen=True, kw_only=True)
class VGGConfig:
    """A VGG-style stack; the defaults are VGG-16.

    Stages of plain 3x3 convolutions, each closed by 2x2 max pooling at stride 2.
    """

    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    depths: tuple[int, ...] = (2, 2, 3, 3, 3)
    fc_widths: tuple[int, ...] = (4096, 4096)
    num_classes: int = 1000
    in_channels: int = 3
    input_size: int = 224  # fixes the first fully connected layer, which sees the flattened map

    def __post_init__(self) -> None:
        for name in ("widths", "depths", "fc_widths"):
            object.__setattr__(
                self, name, checks.integers(name, getattr(self, name), shortest=name != "fc_widths")
            )
        if len(self.widths) != len(self.depths):
            raise ValueError(
                f"depths is {checks.shown(self.depths)}, but must have {len(self.widths)} entries,"
                " one a stage of widths"
            )
        if len(self.widths) > 30 or sum(self.depths) > MOST_LAYERS:
            name = "widths" if len(self.widths) > 30 else "depths"
            right = f"at most 30 stages of {MOST_LAYERS} layers in all"
            raise checks.wrong(name, getattr(self, name), right)
        fields.settle(
            self,
            num_classes=checks.integer("num_classes", self.num_classes),
            in_channels=checks.integer("in_channels", self.in_channels),
            input_size=checks.integer(
                "input_size",
                self.input_size,
                at_least=2 ** len(self.widths),
                because="each stage halves the sides",
            ),
        )


@dataclass(frozen=True, kw_only=True)
class XceptionConfig:
    """Every dial of the network of Figure 5; the defaults are the paper's ImageNet network.

    entry_widths are the two plain convolutions and the entry blocks, the last of them being the
    middle flow's width; exit_widths are the exit block's output and the two last separable
    convolutions. `segments` applies to every separable layer: "channels" is depthwise. `width`
    scales every width but the input's and the classes'. stem_stride=1 suits images of 28 to 96
    pixels.
    """

    num_classes: Annotated[int, "outputs of the classifier"] = 1000
    in_channels: Annotated[int, "channels of the images: 3 for color, 1 for gray"] = 3
    entry_widths: Annotated[
        tuple[int, ...],
        "channels of the two plain convolutions, then of the entry blocks; three or more",
    ] = (32, 64, 128, 256, 728)
    middle_blocks: Annotated[
        int, "blocks of the middle flow", Bounds(at_least=0, at_most=MOST_LAYERS)
    ] = 8
    exit_widths: Annotated[
        tuple[int, ...],
        "channels of the exit block and of the two last separable convolutions; three",
    ] = (1024, 1536, 2048)
    segments: Annotated[
        int | Literal["channels"],
        "of every separable layer: channels for depthwise, "
        "or an integer from 1 to the narrowest layer's channels",
    ] = "channels"
    order: Annotated[Order, "which of a separable layer's two convolutions is first"] = (
        "spatial_first"
    )
    # Section 4.7 of the paper found no activation to be best.
    activation: Annotated[Activation, "between the depthwise and the pointwise convolution"] = None
    residual: Annotated[bool, "shortcuts around the blocks"] = True
    # (4096, 4096) in those of the paper's JFT runs that have fully connected layers.
    fc_widths: Annotated[
        tuple[int, ...], "outputs of the fully connected layers before the classifier"
    ] = ()
    dropout: Annotated[
        float, "share dropped before the classifier", Bounds(at_least=0, below=1)
    ] = 0.0
    padding: Annotated[
        Literal["tensorflow", "symmetric"], "where max pooling puts the odd pixel"
    ] = "tensorflow"
    bn_eps: Annotated[float, "added to BN's variances", Bounds(above=0)] = 1e-3
    width: Annotated[
        float,
        "multiplies every width but the input's and the classes'",
        Bounds(above=0, at_most=1000),
    ] = 1.0
    stem_stride: Annotated[int, "stride of the first convolution", Bounds(at_most=2)] = 2

    def __post_init__(self) -> None:
        fields.check(self)
        # JSON knows no tuples: what a config file brings as lists becomes tuples here.
        object.__setattr__(
            self, "entry_widths", checks.integers("entry_widths", self.entry_widths, shortest=3)
        )
        object.__setattr__(
            self, "exit_widths", checks.integers("exit_widths", self.exit_widths, length=3)
        )
        object.__setattr__(self, "fc_widths", checks.integers("fc_widths", self.fc_widths))
        widest = max(*self.scaled_entry_widths, *self.scaled_exit_widths)
        if widest > checks.LARGEST:
            right = f"smaller: the widest layer would have {checks.shown(widest)} channels"
            raise checks.wrong("width", self.width, right)
        if not isinstance(self.segments, str) or self.segments != "channels":
            # The narrowest layer that is cut: a separable layer's input, or its output where the
            # 1x1 comes first.
            cut = (
                self.scaled_entry_widths[1:]
                if self.order == "spatial_first"
                else self.scaled_entry_widths[2:]
            )
            narrowest = min(*cut, *self.scaled_exit_widths)
            segments = checks.integer(
                "segments",
                self.segments,
                at_most=narrowest,
                because="the narrowest layer; or 'channels' for depthwise",
            )
            fields.settle(self, segments=segments)

    @property
    def smallest_input(self) -> int:
        """Fewest pixels a side: what the two unpadded 3x3 of the stem leave one position of."""
        return 3 + 2 * self.stem_stride

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


@dataclass(frozen=True, kw_only=True)
class InceptionV3Config:
    """Inception V3 (Szegedy et al., arXiv 1512.00567), which the paper compares with.

    variant "standard" is the network of the TensorFlow, Keras and torchvision releases.
    "paper_count" is the author's first Keras version (August 2016), whose trained parameters are
    exactly Table 3's 23,626,728: narrower pool projections, a narrower start of the last double
    7x7, convolutions with bias, then ReLU, then BN, and an average pool in the last grid reduction.
    The equal count does not prove that the paper's timings were made with it.

    aux adds the auxiliary tower. bn_scale=False leaves out BN's gamma, as TensorFlow and Keras do.
    padding_counted says whether average pools divide by the padding as well: torchvision does,
    TensorFlow does not.
    """

    variant: Literal["standard", "paper_count"] = "standard"
    aux: bool = False
    num_classes: int = 1000
    in_channels: int = 3
    fc_widths: tuple[int, ...] = ()  # of fully connected layers before the classifier
    dropout: float = 0.0  # before the classifier
    bn_eps: float = 1e-3
    bn_scale: bool = True
    padding_counted: bool = False

    def __post_init__(self) -> None:
        fields.settle(
            self,
            variant=checks.one_of("variant", self.variant, ("standard", "paper_count")),
            aux=checks.boolean("aux", self.aux),
            num_classes=checks.integer("num_classes", self.num_classes),
            in_channels=checks.integer("in_channels", self.in_channels),
            fc_widths=checks.integers("fc_widths", self.fc_widths),
            dropout=checks.number("dropout", self.dropout, at_least=0, below=1),
            bn_eps=checks.number("bn_eps", self.bn_eps, above=0),
            bn_scale=checks.boolean("bn_scale", self.bn_scale),
            padding_counted=checks.boolean("padding_counted", self.padding_counted),
        )

    @property
    def pool_projections(self) -> tuple[int, int, int]:
        """Width of the 1x1 behind the average pool, in each of the three modules at side 35."""
        return (32, 64, 64) if self.variant == "standard" else (32, 32, 32)

    @property
    def last_double_7x7(self) -> int:
        """Width at which the tower with two 7x7 starts, in the last module at side 17."""
        return 192 if self.variant == "standard" else 160

    @property
    def last_reduction_pool(self) -> Literal["max", "average"]:
        """How the pooling tower pools in the reduction from side 17 to 8."""
        return "max" if self.variant == "standard" else "average"

    @property
    def smallest_input(self) -> int:
        """Fewest pixels a side.

        They leave one position for the last 3x3 window, or for the auxiliary tower's 5x5.
        """
        return 299 if self.aux else 75
