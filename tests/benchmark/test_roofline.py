"""The roofline: its arithmetic, and what measures it; no test looks at a time."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xception_edu import architectures
from xception_edu.benchmark import peaks, records, timing
from xception_edu.benchmark.roofline import BYTES, Roofline
from xception_edu.benchmark.timing import Timing
from xception_edu.costs import Cost, cost_of
from xception_edu.specs import ConvSpec, Shape

MACHINE = Roofline(macs_per_second={"float32": 1e9, "bfloat16": 4e9}, memory=1e8, cache=1e9)


def test_the_roof_is_memorys_below_the_ridge_and_arithmetics_above():
    assert MACHINE.attainable(0) == 0
    assert MACHINE.attainable(5) == 5e8
    assert MACHINE.attainable(10) == MACHINE.attainable(1000) == 1e9
    assert MACHINE.attainable(1000, "bfloat16") == 4e9
    for wrong in (-1, float("nan"), "3"):
        with pytest.raises(ValueError, match="intensity is"):
            MACHINE.attainable(wrong)
    with pytest.raises(
        ValueError, match="dtype is 'int8', but must be one of 'float32', 'bfloat16'"
    ):
        MACHINE.attainable(1, "int8")


@given(
    st.integers(1, 8),
    st.sampled_from(["float32", "bfloat16"]),
    st.integers(1, 64),
    st.integers(1, 3),
)
def test_a_layers_shortest_time_and_its_attainable_speed_are_the_same_claim(
    batch, dtype, channels, kernel
):
    cost = cost_of(ConvSpec(channels, channels, 2 * kernel - 1), Shape(channels, 9, 9))
    size = getattr(torch, dtype).itemsize
    speed = MACHINE.attainable(cost.intensity(batch=batch, bytes_per_element=size), dtype)
    assert MACHINE.milliseconds(cost, batch=batch, dtype=dtype) == pytest.approx(
        1e3 * batch * cost.macs / speed
    )


def test_a_layer_without_arithmetic_takes_its_traffics_time():
    assert MACHINE.milliseconds(Cost(inputs=10**6, activations=10**6)) == pytest.approx(80)
    with pytest.raises(ValueError, match="dtype is"):
        MACHINE.milliseconds(Cost(), dtype="float64")


def test_a_network_at_its_roof_takes_longer_than_its_macs_at_the_peak():
    costs = [cost_of(*pair) for pair in architectures.xception()]
    assert (
        sum(MACHINE.milliseconds(cost) for cost in costs)
        > 1e3 * sum(cost.macs for cost in costs) / 1e9
    )


def test_a_measured_roofline_is_of_what_was_asked(monkeypatch):
    asked = {}

    def fixed(functions, **arguments):
        for function in functions.values():
            function()
        asked.update(arguments)
        return {
            "float32": Timing((4.0, 2.0)),
            "bfloat16": Timing((1.0,)),
            "memory": Timing((10.0,)),
            "cache": Timing((0.1,)),
        }

    monkeypatch.setattr(timing, "alternate", fixed)
    found = peaks.measure_roofline(side=100, megabytes=1, rounds=3, threads=1)
    # the fastest round
    assert found.macs_per_second == pytest.approx(
        {"float32": 100**3 / 2e-3, "bfloat16": 100**3 / 1e-3}
    )
    # a byte copied is a byte read and a byte written
    assert found.memory == pytest.approx(2 * 2**20 / 10e-3)
    assert found.cache == pytest.approx(2 * 2**19 / 0.1e-3)
    assert asked["rounds"] == 3
    for wrong in ({"side": 0}, {"megabytes": 0}):
        with pytest.raises(ValueError, match="is 0"):
            peaks.measure_roofline(**wrong)


@pytest.mark.parametrize("dtype", BYTES)
def test_a_number_type_has_as_many_bytes_as_torch_says(dtype):
    assert BYTES[dtype] == getattr(torch, dtype).itemsize


def test_the_ridge_is_where_arithmetic_takes_as_long_as_memory():
    assert MACHINE.ridge() == 10
    assert MACHINE.attainable(MACHINE.ridge("bfloat16"), "bfloat16") == MACHINE.peak("bfloat16")


@pytest.mark.parametrize("name", ["roofline", "layers", "segments_latency", "gpu/roofline"])
def test_a_committed_record_has_a_roofline_that_is_written_as_it_was_read(name):
    record = records.read_record(name)
    assert Roofline.of(record).as_record() == record["ceilings"]
