"""Receptive fields by hand: how many pixels of the image an element of a map depends on."""

from collections.abc import Sequence
from typing import NamedTuple

from xception_edu.architectures import block_of, branch_of
from xception_edu.specs import AddSpec, ConvSpec, LinearSpec, PoolSpec, Shape, Spec


class Field(NamedTuple):
    """Pixels of the image that an element of a map sees, down and across.

    Two neighbors' fields are `jump` pixels apart.
    """

    height: int = 1
    width: int = 1
    jump: int = 1

    def after(self, spec: Spec, shape: Shape) -> "Field":
        """The field one layer on, where `shape` reaches it.

        Each further row of the layer's window adds one jump.
        """
        match spec:
            case ConvSpec():
                (rows, columns), (stride, _) = spec.kernel_size, spec.stride  # type: ignore[misc]
            case PoolSpec(kind="max" | "average"):
                rows, columns, stride = spec.kernel_size, spec.kernel_size, spec.stride
            case PoolSpec() | LinearSpec():  # the whole map
                rows, columns, stride = shape.height, shape.width, 1
            case _:
                return self
        return Field(
            self.height + (rows - 1) * self.jump,
            self.width + (columns - 1) * self.jump,
            self.jump * stride,
        )


def receptive_fields(layers: Sequence[tuple[Spec, Shape]]) -> list[Field]:
    """The field after each layer of a network from `architectures`, in order.

    Padding counts as pixels.

    Where towers or a projection stand side by side, each begins with its module's input, and the
    module ends with the widest.
    """
    fields: list[Field] = []
    trunk, block, ends = Field(), "", dict[str, Field]()
    for spec, shape in layers:
        if block_of(spec.name) != block:
            trunk, block, ends = _widest(trunk, *ends.values()), block_of(spec.name), {}
        branch = branch_of(spec.name)
        ends[branch] = ends.get(branch, trunk).after(spec, shape)
        fields.append(_widest(*ends.values()) if isinstance(spec, AddSpec) else ends[branch])
    return fields


def _widest(*fields: Field) -> Field:
    return Field(*map(max, zip(*fields, strict=True)))
