"""Claims about the time of a step on many workers: a ring that is really walked, limits, and this
machine's measurement.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xception_edu.training.scaling import Cluster, ring_all_reduce_bytes

RESULT = json.loads((Path(__file__).parents[2] / "results" / "scaling.json").read_text())
clusters = st.builds(
    Cluster,
    images_per_second=st.floats(0.1, 1e4),
    bandwidth=st.floats(1e6, 1e12),
    latency=st.floats(0, 1e-2),
    overlap=st.floats(0, 1),
)


def walk_the_ring(buffers):
    """All-reduce by hand: pieces go round and are added up, then go round again; the bytes that
    each worker sent.
    """
    n = len(buffers)
    pieces = [np.array_split(buffer.copy(), n) for buffer in buffers]
    sent = [0] * n
    for phase in range(2):
        for turn in range(n - 1):
            moving = [(worker, (worker - turn + phase) % n) for worker in range(n)]
            parcels = [pieces[worker][piece].copy() for worker, piece in moving]
            for (worker, piece), parcel in zip(moving, parcels, strict=True):
                sent[worker] += parcel.nbytes
                there = pieces[(worker + 1) % n]
                there[piece] = parcel if phase else there[piece] + parcel
    return [np.concatenate(own) for own in pieces], sent


@given(workers=st.integers(1, 9), length=st.integers(1, 20))
def test_a_ring_adds_up_and_sends_what_the_formula_says(workers, length):
    buffers = [np.arange(length * workers, dtype=np.float64) * (i + 1) for i in range(workers)]
    sums, sent = walk_the_ring(buffers)
    assert all(np.array_equal(own, sum(buffers)) for own in sums)
    assert sent == [pytest.approx(ring_all_reduce_bytes(buffers[0].nbytes, workers))] * workers


@given(cluster=clusters, batch=st.integers(1, 512), size=st.integers(0, 10**9))
def test_one_worker_exchanges_nothing(cluster, batch, size):
    assert cluster.step_seconds(1, batch, size) == pytest.approx(batch / cluster.images_per_second)
    assert cluster.efficiency(1, batch, size) == pytest.approx(1)


@given(
    cluster=clusters,
    workers=st.integers(2, 64),
    part=st.integers(1, 64),
    size=st.integers(0, 10**9),
)
def test_a_step_takes_at_least_its_arithmetic_and_at_most_both(cluster, workers, part, size):
    batch = workers * part
    compute, exchange = (
        cluster.compute_seconds(workers, batch),
        cluster.exchange_seconds(workers, size),
    )
    step = cluster.step_seconds(workers, batch, size)
    assert max(compute, exchange) <= step * (1 + 1e-9) or cluster.overlap > 0
    assert compute <= step <= (compute + exchange) * (1 + 1e-9)
    assert 0 < cluster.efficiency(workers, batch, size) <= 1


def test_a_training_by_hand():
    """10 images a second; 100 bytes of gradients over 50 bytes/s: 2 workers send 100 bytes each, 2
    seconds a step.
    """
    cluster = Cluster(images_per_second=10, bandwidth=50)
    assert cluster.step_seconds(2, 40, 100) == 2 + 2
    assert cluster.training_seconds(2, 40, 100, images=400, epochs=3) == 30 * 4
    assert cluster.efficiency(2, 40, 100) == 0.5
    assert (
        Cluster(images_per_second=10, bandwidth=50, overlap=0.5).step_seconds(2, 40, 100) == 2 + 1
    )
    assert Cluster(images_per_second=10, bandwidth=50, cores=2).step_seconds(4, 40, 0) == 1 * 2


def test_wrong_numbers_are_refused_by_name():
    for name, wrong in (
        ("images_per_second", 0),
        ("bandwidth", -1),
        ("latency", -1),
        ("overlap", 1.5),
        ("cores", 0),
    ):
        with pytest.raises(ValueError, match=name):
            Cluster(**{"images_per_second": 1, "bandwidth": 1, name: wrong})
    with pytest.raises(ValueError, match="workers is 5, but must be an integer from 1 to 4"):
        Cluster(images_per_second=1, bandwidth=1).step_seconds(5, 4, 0)


def test_the_prediction_was_held_against_1_2_and_4_processes():
    """Two cores: 4 processes take turns on them. The prediction uses one process and the bare
    exchange between two.
    """
    cluster = Cluster(**RESULT["cluster"])
    assert [row["workers"] for row in RESULT["rows"]] == [1, 2, 4]
    for row in RESULT["rows"]:
        predicted = cluster.step_seconds(
            row["workers"], row["batch_size"], RESULT["gradient_bytes"]
        )
        assert predicted == pytest.approx(row["predicted_step_seconds"], abs=1e-4)
        assert 0.5 < row["predicted_over_measured"] < 2
