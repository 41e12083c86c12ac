"""Records are found beside the package or in it, and refused in one line where they are not
whole.
"""

import json
import re
from itertools import chain
from pathlib import Path

import nbformat
import pytest

from xception_edu.benchmark import records
from xception_edu.explorers import playback
from xception_edu.plots import gallery

ROOT = Path(__file__).parents[2]
RECORD = {"device": "cpu", "threads": 2, "quick": False, "machine": {"processor": "A processor"}}


def names_read():
    """Names of the records that notebooks, figures and explorers read."""
    names = set(chain.from_iterable(drawing.results for drawing in gallery.FIGURES.values()))
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in nbformat.read(path, 4).cells:
            if cell.cell_type == "code":
                names |= set(re.findall(r'read_record\("(.+?)"\)', cell.source))
    return sorted(names | set(records.PARTS) | {playback.OWN})


@pytest.mark.parametrize("name", names_read())
def test_what_notebooks_figures_and_explorers_read_is_there(name):
    assert records.read_record(name)
    assert records.path_of(name).parent in (ROOT / "results", ROOT / "results" / "gpu")


def test_an_installed_packages_records_lie_in_it(monkeypatch, tmp_path):
    assert records.folder() == ROOT / "results"
    (tmp_path / "gpu").mkdir()
    (tmp_path / "gpu" / "roofline.json").write_text("{}")
    monkeypatch.setattr(records, "INSTALLED", tmp_path)
    assert records.folder() == tmp_path
    assert records.read_record("gpu/roofline") == {}
    with pytest.raises(
        ValueError, match=r"^name is 'roofline', but must be one of .* here: gpu/roofline$"
    ):
        records.read_record("roofline")


@pytest.mark.parametrize("name", ["no_such", "", 3, None])
def test_a_record_that_is_not_here_is_refused_and_all_that_are_are_named(name):
    with pytest.raises(ValueError, match=f"name is {name!r}, but must be one of") as error:
        records.read_record(name)
    assert "segments_latency" in str(error.value)


def test_a_record_that_lacks_a_part_is_refused_by_the_parts_name():
    with pytest.raises(ValueError, match="measurements has no 'ceilings' in roofline"):
        records.read_records({"roofline": RECORD}, ["roofline"])


def test_a_machine_is_its_processor_and_threads_or_its_gpu():
    assert records.describe_machine(RECORD) == "A processor, 2 threads"
    assert records.describe_machine(RECORD | {"threads": 1}) == "A processor, 1 thread"
    assert records.describe_machine(RECORD | {"device": "A GPU"}) == "A GPU"
    assert records.describe_machine(RECORD | {"quick": True}).endswith(
        " (a first look: few cases and rounds)"
    )


@pytest.mark.parametrize("faster", ["nchw", "channels_last"])
def test_of_two_layouts_the_faster_is_taken_whichever_comes_first(faster):
    cases = [
        {"segments": 2, "layout": layout, "forms": {"ours": {"median_ms": 1 + (layout != faster)}}}
        for layout in ("nchw", "channels_last")
    ]
    assert records.over_segments({"cases": cases})[2]["layout"] == faster


def test_of_the_1x1_the_faster_layout_counts_if_it_was_measured():
    rows = [{"side": 19, "layout": "nchw", "median_ms": 2}, {"side": 19, "median_ms": 1}]
    assert records.pointwise({"pointwise": rows}, side=19) == rows[1]
    assert records.pointwise({"pointwise": rows}, side=56) is None


def test_a_separable_layer_is_as_many_times_as_fast_as_its_two_steps_together():
    sizes = {"channels": 8, "side": 19, "dtype": "float32", "mode": "forward"}
    cases = [
        {**sizes, "segments": segments, "forms": {"ours": {"median_ms": ms}}}
        for segments, ms in ((1, 12.0), (8, 1.0))
    ]
    record = {"cases": cases, "pointwise": [sizes | {"median_ms": 2.0}]}
    assert records.times_as_fast(record, channels=8, side=19, dtype="float32") == 12 / (1 + 2)
    with pytest.raises(ValueError, match="^record has no times of both ends for"):
        records.times_as_fast(record, channels=8, side=19, dtype="bfloat16")


def test_the_file_is_the_record_a_row_a_line():
    record = {"a": 1, "rows": [{"x": 1}, {"x": 2}], "none": []}
    text = records.as_json(record)
    assert json.loads(text) == record
    assert '\n  {"x": 1},\n  {"x": 2}\n' in text
