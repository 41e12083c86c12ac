"""Lists of layers: what a network is here, each spec with the shape that reaches it."""

from xception_edu.specs import ActivationSpec, LinearSpec, Shape, Spec

Layers = list[tuple[Spec, Shape]]


def chain(shape: Shape, *specs: Spec) -> Layers:
    """Layers one after another: each spec with the shape that reaches it."""
    layers: Layers = []
    shape = Shape.of(shape)
    for spec in specs:
        layers.append((spec, shape))
        shape = spec.output_shape(shape)
    return layers


def output_shape(layers: Layers) -> Shape:
    """Shape that leaves the last layer."""
    spec, shape = layers[-1]
    return spec.output_shape(shape)


def classifier(shape: Shape, fc_widths: tuple[int, ...], num_classes: int) -> Layers:
    """Fully connected layers with ReLU, then the logistic regression."""
    layers: Layers = []
    for i, width in enumerate(fc_widths, 1):
        layers += chain(
            shape,
            LinearSpec(shape.elements, width, name=f"fc{i}"),
            ActivationSpec(name=f"fc{i}_relu"),
        )
        shape = output_shape(layers)
    return layers + chain(shape, LinearSpec(shape.elements, num_classes, name="classifier"))
