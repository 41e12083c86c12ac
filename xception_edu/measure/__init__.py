"""Counted by machine: the same Cost record as counting by hand, read off a running torch model; and
the model as a graph of its layers.
"""

from xception_edu.measure.calls import OperatorCalls, operator_calls
from xception_edu.measure.layers import measured_cost, measured_layers
from xception_edu.measure.operators import MeasuredLayer, OperatorCounter, tensors_in
from xception_edu.measure.shadow import unwrapped, without_values
from xception_edu.measure.stages import stage_shapes, stages_of
from xception_edu.measure.trace import traced

__all__ = [
    "MeasuredLayer",
    "OperatorCalls",
    "OperatorCounter",
    "measured_cost",
    "measured_layers",
    "operator_calls",
    "stage_shapes",
    "stages_of",
    "tensors_in",
    "traced",
    "unwrapped",
    "without_values",
]
