"""The record of what was tried to make a step faster grows case by case, and says what it is said
to say.
"""

import json
from itertools import product

import xception_edu as xe
from experiments import faster_step


def case(processor="A", batch=4, rows=()):
    named = {"mode": "training", "batch": batch, "dtype": "float32", "device": "cpu"}
    return named | {"machine": {"processor": processor}, "rows": list(rows)}


def test_a_case_takes_the_place_of_the_same_machines_and_of_no_other(tmp_path):
    path = tmp_path / "faster_step.json"
    for one in (case(), case("B"), case(batch=8), case(rows=[1])):
        faster_step.keep(one, path)
    kept = json.loads(path.read_text(encoding="utf-8"))["cases"]
    assert kept == [case("B"), case(batch=8), case(rows=[1])]


def test_one_candidate_paid_on_the_first_processor_and_none_on_the_second():
    cases = xe.read_record("faster_step")["cases"]
    second = [one for one in cases if one["machine"]["processor"] == "AMD EPYC"]
    both = product(("training", "inference"), (4, 8))
    assert [(one["mode"], one["batch"]) for one in second] == list(both)
    paid = [
        (one["machine"]["processor"].split()[0], row["candidate"])
        for one in cases
        for row in one["rows"]
        if row["over_ours"]["low"] > 1.05
    ]
    assert paid == [("Intel(R)", "products")]
