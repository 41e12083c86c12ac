"""The vocabulary of counting by hand: what a layer is, without weights and without torch.

A spec says what a layer does; a Shape says what reaches it; `spec.output_shape(shape)` says what
leaves it. Everything that `costs` counts is a `(spec, shape)` pair, the shape being the layer's
input.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Literal, NamedTuple

from xception_edu import checks
from xception_edu.checks import fields

Pair = int | tuple[int, int]  # one number for both sides, or (height, width)


MOST_SEGMENTS = 2**20  # that a list of their sizes holds


class _Shape(NamedTuple):
    channels: int
    height: int
    width: int


class Shape(_Shape):
    """Shape of one image's feature map, (channels, height, width).

    A vector of n features is (n, 1, 1).

    Raises ValueError unless all three are integers of at least 1.
    """

    __slots__ = ()

    def __new__(cls, channels: int, height: int, width: int) -> "Shape":
        sides = (checks.integer("height", height), checks.integer("width", width))
        return tuple.__new__(cls, (checks.integer("channels", channels), *sides))

    @classmethod
    def of(cls, value: object) -> "Shape":
        """A Shape from any (channels, height, width); ValueError otherwise."""
        if isinstance(value, cls):  # checked when it was made
            return value
        right = "(channels, height, width)"
        sides = checks.sequence("shape", value, right)
        if len(sides) != 3:
            raise checks.wrong("shape", value, right)
        try:
            return cls(*sides)
        except ValueError as error:  # which names the side
            raise ValueError(checks.line(f"shape: {error}")) from None

    @property
    def elements(self) -> int:
        """Number of values in the map: channels * height * width."""
        channels, height, width = self
        return channels * height * width


def segment_sizes(channels: int, segments: int) -> list[int]:
    """Channels of each of `segments` contiguous segments, as equal as can be.

    With channels = q * segments + r, the first r have q + 1 channels and the others q (Section
    1.2's channel segments, for any integer).
    """
    channels = checks.integer("channels", channels)
    segments = checks.integer(
        "segments",
        segments,
        at_most=min(channels, MOST_SEGMENTS),
        because=f"channels is {channels}",
    )
    q, r = divmod(channels, segments)
    return [q + 1] * r + [q] * (segments - r)


def _window(side: str, size: int, kernel: int, stride: int, padding: int) -> int:
    """Number of positions of a sliding window along one side."""
    if size + 2 * padding < kernel:
        raise ValueError(
            f"{side} is {size}, but must be at least {kernel - 2 * padding} for kernel {kernel},"
            f" padding {padding}"
        )
    return (size + 2 * padding - kernel) // stride + 1


def _expect_channels(shape: Shape, channels: int, name: str = "in_channels") -> None:
    if shape.channels != channels:
        raise ValueError(
            f"shape.channels is {shape.channels}, but must be {channels} ({name} of the layer)"
        )


@dataclass(frozen=True)
class ConvSpec:
    """Convolution over `segments` independent segments of the channels (Section 1.2).

    1 is regular, in_channels is depthwise; segment i of the output sees only segment i of the
    input. `kernel_size`, `stride` and `padding` are one integer or (height, width); padding None is
    half the kernel, which keeps the sides at stride 1 and an odd kernel.
    """

    in_channels: int
    out_channels: int
    kernel_size: Pair = 3
    _: KW_ONLY
    segments: int = 1
    stride: Pair = 1
    padding: Pair | None = None
    bias: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        ins = checks.integer("in_channels", self.in_channels)
        outs = checks.integer("out_channels", self.out_channels)
        segments = checks.segments(self.segments, ins, outs)
        kernel = checks.pair("kernel_size", self.kernel_size)
        stride = checks.pair("stride", self.stride)
        padding = (
            (kernel[0] // 2, kernel[1] // 2)
            if self.padding is None
            else checks.pair("padding", self.padding, at_least=0)
        )
        bias = checks.boolean("bias", self.bias)
        checks.text("name", self.name)
        fields.settle(self, in_channels=ins, out_channels=outs, segments=segments, bias=bias)
        # pairs from here on: one form to read
        fields.settle(self, kernel_size=kernel, stride=stride, padding=padding)

    @property
    def is_depthwise(self) -> bool:
        """Whether each of several channels is convolved by itself."""
        return 1 < self.segments == self.in_channels

    def output_shape(self, shape: Shape) -> Shape:
        """(out_channels, height, width) of the output; ValueError where the window does not fit."""
        shape = Shape.of(shape)
        _expect_channels(shape, self.in_channels)
        kernel, kernel_width = self.kernel_size  # type: ignore[misc]
        stride, stride_width = self.stride  # type: ignore[misc]
        padding, padding_width = self.padding  # type: ignore[misc]
        height = _window("height", shape.height, kernel, stride, padding)
        return Shape(
            self.out_channels,
            height,
            _window("width", shape.width, kernel_width, stride_width, padding_width),
        )


@dataclass(frozen=True)
class LinearSpec:
    """Fully connected layer from `in_features` (the flattened input map) to `out_features`."""

    in_features: int
    out_features: int
    _: KW_ONLY
    bias: bool = True
    name: str = ""

    def __post_init__(self) -> None:
        fields.settle(
            self,
            in_features=checks.integer("in_features", self.in_features),
            out_features=checks.integer("out_features", self.out_features),
            bias=checks.boolean("bias", self.bias),
        )
        checks.text("name", self.name)

    def output_shape(self, shape: Shape) -> Shape:
        """(out_features, 1, 1); the input may be any map with in_features elements."""
        if shape.elements != self.in_features:
            raise ValueError(
                f"shape is {tuple(shape)} with {shape.elements} elements, but must have"
                f" {self.in_features} (in_features)"
            )
        return Shape(self.out_features, 1, 1)


@dataclass(frozen=True)
class PoolSpec:
    """Max or average over a sliding window, or over the whole map.

    Kernel and stride play no part where kind is "global_average".

    padding "tensorflow" is "same" as TensorFlow means it: ceil(side / stride) outputs, the odd
    pixel going to the end.
    """

    kind: Literal["max", "average", "global_average"]
    kernel_size: int = 3
    _: KW_ONLY
    stride: int = 2
    padding: int | Literal["tensorflow"] = 0
    name: str = ""

    def __post_init__(self) -> None:
        fields.settle(
            self,
            kind=checks.one_of("kind", self.kind, ("max", "average", "global_average")),
            kernel_size=checks.integer("kernel_size", self.kernel_size),
            stride=checks.integer("stride", self.stride),
        )
        if not isinstance(self.padding, str) or self.padding != "tensorflow":
            # A window may never lie wholly in the padding, so the padding is at most half of it
            # (torch has the same bound).
            padding = checks.integer(
                "padding",
                self.padding,
                at_least=0,
                at_most=self.kernel_size // 2,
                because="half the kernel; or 'tensorflow'",
            )
            fields.settle(self, padding=padding)
        checks.text("name", self.name)

    def output_shape(self, shape: Shape) -> Shape:
        """(channels, height, width) after pooling; ValueError where the window does not fit."""
        shape = Shape.of(shape)
        if self.kind == "global_average":
            return Shape(shape.channels, 1, 1)
        if self.padding == "tensorflow":
            return Shape(shape.channels, *(-(-side // self.stride) for side in shape[1:]))
        sides = (
            _window(n, s, self.kernel_size, self.stride, self.padding)
            for n, s in zip(("height", "width"), shape[1:], strict=True)
        )
        return Shape(shape.channels, *sides)


@dataclass(frozen=True)
class BatchNormSpec:
    """Batch normalization: a trained scale and shift a channel.

    Two statistics a channel are kept and not trained.

    scale=False leaves the scale (gamma) out, as TensorFlow and Keras do in Inception V3.
    """

    channels: int
    _: KW_ONLY
    scale: bool = True
    name: str = ""

    def __post_init__(self) -> None:
        channels = checks.integer("channels", self.channels)
        fields.settle(self, channels=channels, scale=checks.boolean("scale", self.scale))
        checks.text("name", self.name)

    def output_shape(self, shape: Shape) -> Shape:
        """The input's shape."""
        shape = Shape.of(shape)
        _expect_channels(shape, self.channels, "channels")
        return shape


@dataclass(frozen=True)
class ActivationSpec:
    """Elementwise non-linearity, "relu" or "elu"."""

    kind: Literal["relu", "elu"] = "relu"
    _: KW_ONLY
    name: str = ""

    def __post_init__(self) -> None:
        fields.settle(self, kind=checks.one_of("kind", self.kind, ("relu", "elu")))
        checks.text("name", self.name)

    def output_shape(self, shape: Shape) -> Shape:
        """The input's shape."""
        return Shape.of(shape)


@dataclass(frozen=True)
class AddSpec:
    """Sum of two maps of one shape: where a residual connection comes back."""

    _: KW_ONLY
    name: str = ""

    def __post_init__(self) -> None:
        checks.text("name", self.name)

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of either input."""
        return Shape.of(shape)


Spec = ConvSpec | LinearSpec | PoolSpec | BatchNormSpec | ActivationSpec | AddSpec
Kind = Literal[
    "pointwise",
    "depthwise",
    "segmented",
    "regular",
    "linear",
    "pooling",
    "batch norm",
    "activation",
    "add",
]


def kind(spec: Spec) -> Kind:
    """What kind of layer it is; any 1x1 convolution is "pointwise"."""
    match spec:
        case ConvSpec(kernel_size=(1, 1)):
            return "pointwise"
        case ConvSpec(is_depthwise=True):
            return "depthwise"
        case ConvSpec():
            return "regular" if spec.segments == 1 else "segmented"
        case LinearSpec():
            return "linear"
        case PoolSpec():
            return "pooling"
        case BatchNormSpec():
            return "batch norm"
        case ActivationSpec():
            return "activation"
    return "add"
