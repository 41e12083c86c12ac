"""Counted by hand: what a layer costs for one image, by its spec and the shape that reaches it.

What is counted: multiply-accumulates (MACs) of convolutions and fully connected layers, as every
counter does; padding counts as multiplied, as the hardware does it. Batch normalization,
activations, pooling and additions have no MACs here, but their parameters, outputs and traffic
count. Concatenation is free: towers write into their places of one map.
"""

import csv
import io
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass

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
)

Layers = Sequence[tuple[Spec, Shape]]  # each layer with the shape of its input


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one layer, or a sum of layers, costs for one image.

    Counts of elements; the methods turn them into bytes.
    """

    params: int = 0  # trained: weights, biases, BN scale and shift
    buffers: int = 0  # kept but not trained: BN mean and variance
    macs: int = 0  # multiply-accumulates; one is two "FLOPs" where a tool counts those
    inputs: int = 0  # elements of the maps that the layer reads
    activations: int = 0  # elements of the map that the layer writes

    def __post_init__(self) -> None:
        for name, count in vars(self).items():
            object.__setattr__(self, name, checks.count(name, count, at_least=0))

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            params=self.params + other.params,
            buffers=self.buffers + other.buffers,
            macs=self.macs + other.macs,
            inputs=self.inputs + other.inputs,
            activations=self.activations + other.activations,
        )

    def activation_bytes(self, *, batch: int = 1, bytes_per_element: int = 4) -> int:
        """Bytes of all maps written; 4 bytes an element is float32.

        Training must keep as many if nothing is shared or recomputed.
        """
        return batch * self.activations * bytes_per_element

    def bytes_moved(self, *, batch: int = 1, bytes_per_element: int = 4) -> int:
        """Fewest bytes between memory and processor.

        Each input, weight, statistic and output once, layer after layer.
        """
        batch = checks.count("batch", batch)
        bytes_per_element = checks.integer("bytes_per_element", bytes_per_element)
        return (
            batch * (self.inputs + self.activations) + self.params + self.buffers
        ) * bytes_per_element

    def intensity(self, *, batch: int = 1, bytes_per_element: int = 4) -> float:
        """Arithmetic intensity, MACs per byte moved; 0 for no bytes.

        Where it is low, memory and not arithmetic sets the pace.
        """
        moved = self.bytes_moved(batch=batch, bytes_per_element=bytes_per_element)
        return batch * self.macs / moved if moved else 0.0


def block_diagonal_weights(in_channels: int, out_channels: int, segments: int) -> int:
    """Number of (input, output) channel pairs that are connected.

    The sum of in_i * out_i over the segments.

    In closed form. With in = S*a + r and out = S*b + t, every segment has a * b pairs; the first r
    have one more input (b pairs each), the first t one more output (a pairs each), and the
    first min(r, t) have both (1 pair each).
    """
    in_channels = checks.integer("in_channels", in_channels)
    out_channels = checks.integer("out_channels", out_channels)
    segments = checks.segments(segments, in_channels, out_channels)
    return _connected(in_channels, out_channels, segments)


def _connected(in_channels: int, out_channels: int, segments: int) -> int:
    a, r = divmod(in_channels, segments)
    b, t = divmod(out_channels, segments)
    return segments * a * b + r * b + t * a + min(r, t)


def cost_of(spec: Spec, shape: Shape) -> Cost:
    """Cost of one layer on an input of `shape`, (channels, height, width).

    Raises ValueError where the two do not fit.
    """
    return _as_cost(_counts(spec, shape))


def total(items: Iterable[Cost | tuple[Spec, Shape]]) -> Cost:
    """Sum of the costs of layers.

    They are `(spec, input shape)` pairs, Cost records, or both.
    """
    # Plain numbers, column by column: a record for each layer would take as long again to make and
    # to check.
    checks.instance("items", items, Iterable, "layers, such as an architecture's")
    rows = [astuple(item) if isinstance(item, Cost) else _counts(*_pair(item)) for item in items]
    return _as_cost(map(sum, zip(*rows, strict=True))) if rows else Cost()


def _pair(item: object) -> tuple[Spec, Shape]:
    """A layer as spec and input shape; ValueError where it is something else."""
    if isinstance(item, (tuple, list)) and len(item) == 2:
        return item[0], item[1]
    raise checks.wrong("a layer of items", item, "a pair (spec, input shape) or a Cost")


def _as_cost(counts: Iterable[int]) -> Cost:
    """A record of five counts, in the order of Cost's fields."""
    params, buffers, macs, inputs, activations = counts
    return Cost(params=params, buffers=buffers, macs=macs, inputs=inputs, activations=activations)


def _counts(spec: Spec, shape: Shape) -> tuple[int, int, int, int, int]:
    """The five counts of one layer, in the order of Cost's fields."""
    if not isinstance(spec, Spec):
        raise checks.wrong("spec", spec, "one of the classes in xception_edu.specs")
    shape = Shape.of(shape)
    out = spec.output_shape(shape)
    params = buffers = macs = 0
    inputs = shape.elements
    match spec:
        case ConvSpec():
            kernel_height, kernel_width = spec.kernel_size  # type: ignore[misc]
            weights = (
                kernel_height
                * kernel_width
                * _connected(spec.in_channels, spec.out_channels, spec.segments)
            )
            params = weights + spec.bias * spec.out_channels
            # every weight is used once at every output position
            macs = weights * out.height * out.width
        case BatchNormSpec():
            params, buffers = (1 + spec.scale) * spec.channels, 2 * spec.channels
        case LinearSpec():
            macs = spec.in_features * spec.out_features
            params = macs + spec.bias * spec.out_features
        case AddSpec():
            inputs *= 2
        case PoolSpec() | ActivationSpec():
            pass
    return params, buffers, macs, inputs, out.elements


def describe(spec: Spec) -> str:
    """A layer in a few words: "conv 3x3 /2", "conv 3x3, 4 segments", "max pool 3x3 /2"."""
    match spec:
        case ConvSpec():
            (kh, kw), stride = (
                checks.pair("kernel_size", spec.kernel_size),
                checks.pair("stride", spec.stride)[0],
            )
            kind = "depthwise" if spec.is_depthwise else "conv"
            segments = f", {spec.segments} segments" if 1 < spec.segments < spec.in_channels else ""
            return f"{kind} {kh}x{kw}" + (f" /{stride}" if stride > 1 else "") + segments
        case PoolSpec(kind="global_average"):
            return "global average pool"
        case PoolSpec():
            return f"{spec.kind} pool {spec.kernel_size}x{spec.kernel_size} /{spec.stride}"
        case ActivationSpec():
            return {"relu": "ReLU", "elu": "ELU"}[spec.kind]
        case LinearSpec():
            return "fully connected"
        case BatchNormSpec():
            return "batch norm"
        case _:
            return "add"


COUNTED = ("params", "MACs", "activations", "MiB moved", "MACs/byte")


def columns(cost: Cost) -> dict[str, int | float]:
    """All columns of a cost at batch 1 in float32."""
    extra = {
        "activation_bytes": cost.activation_bytes(),
        "bytes_moved": cost.bytes_moved(),
        "intensity": round(cost.intensity(), 4),
    }
    return {**asdict(cost), **extra}


def report(name: str, layers: Layers) -> dict[str, object]:
    """Costs of a network as plain data, in float32 at batch 1.

    `name`, `input`, `totals`, and `layers` with a row each.

    The keys say it all but for `bytes_moved` (the fewest bytes: every input, weight and output
    once) and `intensity` (MACs per byte moved).
    """
    rows = []
    for spec, shape in layers:
        what = {
            "name": spec.name,
            "layer": describe(spec),
            "input": list(shape),
            "output": list(spec.output_shape(shape)),
        }
        rows.append(what | columns(cost_of(spec, shape)))
    return {
        "name": name,
        "input": list(layers[0][1]),
        "totals": columns(total(layers)),
        "layers": rows,
    }


def as_json(name: str, layers: Layers) -> str:
    """`report` as JSON."""
    return json.dumps(report(name, layers), indent=1)


def _csv_row(row: dict[str, object]) -> dict[str, object]:
    """A layer of `report` with its shapes as 3x299x299."""
    return {k: "x".join(map(str, v)) if isinstance(v, list) else v for k, v in row.items()}


def as_csv(name: str, layers: Layers) -> str:
    """`report` as CSV: a header, a row a layer, and a last row named `total`.

    Shapes are written 3x299x299.
    """
    data = report(name, layers)
    rows = [_csv_row(row) for row in data["layers"]]  # type: ignore[attr-defined]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    writer.writerow({"name": "total", "input": "x".join(map(str, data["input"])), **data["totals"]})  # type: ignore[call-overload, dict-item]
    return out.getvalue()


def as_table(name: str, layers: Layers) -> str:
    """`report` as aligned text: a row a layer and the total; MiB are float32 at batch 1."""
    header = ("layer", "what", "output", *COUNTED)
    rows = [
        (
            spec.name,
            describe(spec),
            "x".join(map(str, spec.output_shape(shape))),
            *cells(cost_of(spec, shape)),
        )
        for spec, shape in layers
    ]
    rows.append(("total", name, "", *cells(total(layers))))
    return aligned([header, *rows], words=3)


def aligned(table: Sequence[Sequence[str]], *, words: int) -> str:
    """A table as text: its header, rows, and its last row between rules.

    The first `words` columns stand from the left, those of numbers to the right.
    """
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [_aligned(row, widths, words) for row in table]
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _aligned(row: Sequence[str], widths: Sequence[int], words: int) -> str:
    cells = zip(row, widths, strict=True)
    left = [cell.ljust(width) for cell, width in itertools.islice(cells, words)]
    return "  ".join([*left, *(cell.rjust(width) for cell, width in cells)]).rstrip()


def cells(cost: Cost) -> tuple[str, ...]:
    """A cost as the cells of a table, below COUNTED."""
    counts = (f"{n:,}" for n in (cost.params, cost.macs, cost.activations))
    return (*counts, f"{cost.bytes_moved() / 2**20:.2f}", f"{cost.intensity():.2f}")
