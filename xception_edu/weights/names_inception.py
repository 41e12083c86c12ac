"""Who calls which weight of Inception V3 what: our names, torchvision's and timm's, and Keras'."""

from xception_edu.weights.names import Groups, Layer, keras_kind

# The units of each module: our name, torchvision's, and how many steps before the module's last
# concatenation the unit stands. In module C the forks are concatenated once more.
STEM = {
    "conv1": "Conv2d_1a_3x3",
    "conv2": "Conv2d_2a_3x3",
    "conv3": "Conv2d_2b_3x3",
    "conv4": "Conv2d_3b_1x1",
    "conv5": "Conv2d_4a_3x3",
}
MODULE_A = (
    ("tower1", "branch1x1", 0),
    ("tower2.0", "branch5x5_1", 1),
    ("tower2.1", "branch5x5_2", 0),
    ("tower3.0", "branch3x3dbl_1", 2),
    ("tower3.1", "branch3x3dbl_2", 1),
    ("tower3.2", "branch3x3dbl_3", 0),
    ("tower4", "branch_pool", 0),
)
REDUCTION_A = (
    ("tower1", "branch3x3", 0),
    ("tower2.0", "branch3x3dbl_1", 2),
    ("tower2.1", "branch3x3dbl_2", 1),
    ("tower2.2", "branch3x3dbl_3", 0),
)
MODULE_B = (
    ("tower1", "branch1x1", 0),
    ("tower2.0", "branch7x7_1", 2),
    ("tower2.1", "branch7x7_2", 1),
    ("tower2.2", "branch7x7_3", 0),
    ("tower3.0", "branch7x7dbl_1", 4),
    ("tower3.1", "branch7x7dbl_2", 3),
    ("tower3.2", "branch7x7dbl_3", 2),
    ("tower3.3", "branch7x7dbl_4", 1),
    ("tower3.4", "branch7x7dbl_5", 0),
    ("tower4", "branch_pool", 0),
)
REDUCTION_B = (
    ("tower1.0", "branch3x3_1", 1),
    ("tower1.1", "branch3x3_2", 0),
    ("tower2.0", "branch7x7x3_1", 3),
    ("tower2.1", "branch7x7x3_2", 2),
    ("tower2.2", "branch7x7x3_3", 1),
    ("tower2.3", "branch7x7x3_4", 0),
)
MODULE_C = (
    ("tower1", "branch1x1", 0),
    ("tower2.0", "branch3x3_1", 2),
    ("tower2.1.row", "branch3x3_2a", 1),
    ("tower2.1.column", "branch3x3_2b", 1),
    ("tower3.0", "branch3x3dbl_1", 3),
    ("tower3.1", "branch3x3dbl_2", 2),
    ("tower3.2.row", "branch3x3dbl_3a", 1),
    ("tower3.2.column", "branch3x3dbl_3b", 1),
    ("tower4", "branch_pool", 0),
)
MODULES = (
    ("mixed0", "Mixed_5b", MODULE_A),
    ("mixed1", "Mixed_5c", MODULE_A),
    ("mixed2", "Mixed_5d", MODULE_A),
    ("mixed3", "Mixed_6a", REDUCTION_A),
    ("mixed4", "Mixed_6b", MODULE_B),
    ("mixed5", "Mixed_6c", MODULE_B),
    ("mixed6", "Mixed_6d", MODULE_B),
    ("mixed7", "Mixed_6e", MODULE_B),
    ("mixed8", "Mixed_7a", REDUCTION_B),
    ("mixed9", "Mixed_7b", MODULE_C),
    ("mixed10", "Mixed_7c", MODULE_C),
)
AUX = {"aux.conv1": "AuxLogits.conv0", "aux.conv2": "AuxLogits.conv1"}


def inception_layers(*, aux: bool, bn_scale: bool) -> list[Layer]:
    """Every layer of Inception V3 that has weights, in the order of Keras' code; the tower last."""
    units = dict(STEM)
    for ours, theirs, module in MODULES:
        units |= {f"{ours}.{unit}": f"{theirs}.{branch}" for unit, branch, _ in module}
    ends = [Layer("linear", "classifier", "fc", "predictions")]
    if aux:
        units |= AUX
        ends.append(Layer("linear", "aux.classifier", "AuxLogits.fc", ""))
    norm = "batch_norm" if bn_scale else "batch_shift"
    layers = []
    for ours, theirs in units.items():
        layers += [
            Layer("conv", f"{ours}.conv", f"{theirs}.conv", ""),
            Layer(norm, f"{ours}.bn", f"{theirs}.bn", ""),
        ]
    return layers + ends


def inception_keras_order(layers: list[Layer], by_making: bool) -> list[Layer]:
    """The layers in the order in which a Keras file numbers them.

    It is that of making, or else that of computing, as in `model.layers`. Keras computes the layers
    of a module that stand farthest from its end first, and of equally far ones the first made.
    """
    if by_making:
        return layers
    places = {
        f"{ours}.{unit}": (number, -steps)
        for number, (ours, _, module) in enumerate(MODULES)
        for unit, _, steps in module
    }

    def place(layer: Layer) -> tuple[int, int]:
        unit = layer.ours.rpartition(".")[0]
        return places.get(unit, (-1 if unit in STEM else len(MODULES), 0))

    return sorted(layers, key=place)


def keras_has_scale(groups: Groups) -> bool:
    """Whether the BNs of a Keras file have gamma: by its name, or by a fourth numbered weight."""
    norms = [dict(weights) for name, weights in groups.items() if keras_kind(name) == "batch_norm"]
    return any("gamma" in weights or "3" in weights for weights in norms)
