"""Claims about the recorded latencies of the explorers: all were measured, within what they may
take, beside `interact`.
"""

import pytest

from tests.helpers import explorer_latency
from tests.helpers.explorer_notebooks import NAMES

RECORD = explorer_latency.read()


def test_every_explorer_was_measured_with_as_many_moves_as_promised_and_says_on_what():
    assert set(RECORD["explorers"]) == set(NAMES)
    assert RECORD["moves"] == 60
    assert {"processor", "cores", "versions", "commit"} <= set(RECORD["machine"])
    assert "XCEPTION_EDU_RECORD=1" in RECORD["command"]


@pytest.mark.parametrize("name", NAMES)
def test_an_explorer_keeps_its_limits_and_plain_interact_takes_longer(name):
    found = RECORD["explorers"][name]
    assert 0 < found["median_ms"] <= found["p95_ms"] <= explorer_latency.most(name)
    assert found["first_appearance_ms"] <= explorer_latency.FIRST
    assert found["plain_interact"]["median_ms"] > 2 * found["median_ms"]


def test_the_rows_of_the_table_are_the_record():
    table = explorer_latency.rows(RECORD)
    assert all(len(row) == len(explorer_latency.HEADINGS) for row in table)
    for (name, median, p95, first, *plain), found in zip(
        table, RECORD["explorers"].values(), strict=True
    ):
        assert RECORD["explorers"][f"{name}_explorer"] is found
        assert (float(median), float(p95)) == (found["median_ms"], found["p95_ms"])
        assert int(first.replace(",", "")) == found["first_appearance_ms"]
        assert [round(n) for n in found["plain_interact"].values()] == [
            int(n.replace(",", "")) for n in plain
        ]
