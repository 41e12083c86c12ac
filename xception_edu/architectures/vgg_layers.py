"""VGG as a list of layers, for counting by hand."""

from xception_edu import checks
from xception_edu.architectures.chains import Layers, chain, classifier, output_shape
from xception_edu.configs import VGGConfig
from xception_edu.specs import ActivationSpec, ConvSpec, PoolSpec, Shape


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
