"""README's tables say what results/ says, and a table that does not is found."""

import importlib.util
import json
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location(
    "readme_tables", ROOT / "experiments" / "readme_tables.py"
)
readme_tables = importlib.util.module_from_spec(spec)
spec.loader.exec_module(readme_tables)

RECORD = {
    "command": "python experiments/networks.py",
    "quick": False,
    "device": "cpu",
    "threads": 2,
    "machine": {"processor": "A processor"},
    "load": {"wall_seconds": 9.0, "share_of_others": 0.0312},
    "settings": {"memory_kept": "", "channels_last": ""},
}


def around(ratio):
    return {"ratio": ratio, "low": ratio - 0.1, "high": ratio + 0.1}


ROWS = [
    {"who": who, "way": way, "median_ms": ms, "blocks": 10, "fraction": fraction}
    for who, way, ms, fraction in (
        ("ours", "default", 2000.0, 0.2),
        ("ours", "all", 1000.4, 0.456),
        ("timm", "default", 2500.0, 0.2),
        ("timm", "channels_last", 1130.0, 0.4),
    )
]
CASE = {
    "mode": "training",
    "batch": 4,
    "dtype": "bfloat16",
    "load": {"share_of_others": 0.0312},
    "rows": ROWS,
    "against": [
        {
            "peer": "timm",
            "default": {"ratio": 1.25, "low": 1.2, "high": 1.314},
            "best": {"ours": "all", "peer": "channels_last", "ratio": 1.1296, "low": 1, "high": 2},
        }
    ],
    "alone": [
        {"way": "memory_kept", "ours": around(1.004), "timm": around(1.1)},
        {"way": "channels_last", "ours": around(1.9), "timm": around(2.21)},
        {"way": "all", "ours": around(2.0), "timm": around(1.5)},
    ],
    "profile": [{"operator": "aten::convolution", "ms": 700.0, "share": 0.7012}],
}
LOSSES = [
    {"dtype": "float32", "largest_difference": 0.0012},
    {"dtype": "bfloat16", "largest_difference": 0.034},
]


@pytest.fixture
def readme(monkeypatch, tmp_path):
    """A README with one table, and a folder of results with its record."""
    monkeypatch.setattr(readme_tables, "PAGES", (tmp_path / "README.md",))
    monkeypatch.setattr(readme_tables, "RESULTS", tmp_path)
    (tmp_path / "README.md").write_text(
        "Before.\n\n<!-- table networks -->\nold\n<!-- end -->\n\nAfter.\n"
    )
    (tmp_path / "networks.json").write_text(
        json.dumps(RECORD | {"cases": [CASE], "losses": LOSSES})
    )
    return tmp_path / "README.md"


def test_readme_says_what_the_results_say(capsys):
    assert readme_tables.main(["--check"]) == 0, capsys.readouterr().out


def test_every_table_is_on_one_page_once():
    text = "".join(page.read_text(encoding="utf-8") for page in readme_tables.PAGES)
    assert sorted(found[2] for found in readme_tables.MARKED.finditer(text)) == sorted(
        readme_tables.TABLES
    )


@pytest.mark.parametrize("name", readme_tables.TABLES)
def test_the_measurements_of_every_table_are_committed(name):
    written = readme_tables.TABLES[name]()
    assert written.count("\n| ") >= 3 or name.startswith("headline")
    assert not {"nan", "None"} & set(written.split())


def test_a_table_is_written_between_its_markers_and_nothing_else_changes(readme):
    assert readme_tables.main(["--check"]) == 1
    assert readme_tables.main([]) == 0
    assert readme_tables.main(["--check"]) == 0
    table = readme.read_text()
    assert table.startswith(
        "Before.\n\n<!-- table networks -->\n\n| Xception at 299×299, ours is times as fast as |"
    )
    assert (
        "\n| timm: training, batch 4, bfloat16 | 1.25 [1.20, 1.31] | 1.13 [1.00, 2.00] | 1,000 ms"
        " (all) | 1,130 ms (channels last) | 46% |\n\nWhere a training step of ours (batch"
        " 4) goes: in bfloat16 70% `aten::convolution`. Losses of 20 steps of ours and timm's,"
        " equal at first, are parted by rounding: by at most 0.0012 in float32 and 0.034 in"
        " bfloat16. In brackets: what holds the median with 95 % (of fewer than six rounds with"
        " less; here 10 or more); other programs used at most 3% of the processors. `python"
        " experiments/networks.py` on A processor, 2 threads.\n\n"
        "<!-- end -->\n\nAfter.\n"
    ) in table


def test_a_setting_alone_is_shown_for_ours_and_the_peer(readme):
    table = readme_tables.settings()
    assert "\n| memory kept | 1.00 [0.90, 1.10] / 1.10 [1.00, 1.20] |\n| channels last |" in table


def test_a_share_over_the_roof_is_explained():
    rows = [{"fraction": 0.9}, {"fraction": 1.02}]
    ceilings = {"macs_per_second": {"float32": 76.4e9}}
    assert readme_tables._over_the_roof({"cases": [{"rows": rows[:1]}], "ceilings": ceilings}) == ""
    assert "float32: 76 GMAC/s" in readme_tables._over_the_roof(
        {"cases": [{"rows": rows}], "ceilings": ceilings}
    )


def test_a_changed_number_is_found_and_its_table_named(readme, capsys):
    readme_tables.main([])
    readme.write_text(readme.read_text().replace("1.13", "1.31"))
    assert readme_tables.main(["--check"]) == 1
    assert "table networks" in capsys.readouterr().out


def test_a_table_whose_measurements_are_missing_stays_as_it_is(readme, capsys):
    before = readme.read_text()
    readme.with_name("networks.json").unlink()
    assert readme_tables.main([]) == 0
    assert readme.read_text() == before
    assert "networks.json is not there" in capsys.readouterr().err


def test_a_marker_of_no_table_is_an_error(readme):
    readme.write_text("<!-- table nothing -->\n<!-- end -->")
    with pytest.raises(KeyError, match="nothing"):
        readme_tables.main([])


def test_a_first_look_says_so():
    assert "first look" not in readme_tables.conditions(RECORD)
    assert "a first look" in readme_tables.conditions(RECORD | {"quick": True})
    assert "on A GPU" in readme_tables.conditions(RECORD | {"device": "A GPU"})
    large = RECORD | {
        "too_large": ["training, batch 256, bfloat16", "inference, batch 256, bfloat16"]
    }
    assert (
        "for training, batch 256, bfloat16; inference, batch 256, bfloat16."
        in readme_tables.conditions(large)
    )


def test_the_ways_on_a_gpu_are_held_against_the_fastest_of_each_case(readme):
    def case(segments, **ms):
        forms = {
            form: {"median_ms": ms[form]}
            for form in ("grouped_nchw", "grouped_channels_last", "dense", "loop")
        }
        about = {
            "channels": 128,
            "segments": segments,
            "dtype": "bfloat16",
            "mode": "training",
            "layout": "nchw",
        }
        return {**about, "forms": forms | {"ours": {"median_ms": 0.1}}}

    cases = [
        # one segment: a copy pays
        case(1, grouped_nchw=9, grouped_channels_last=1, dense=9, loop=9),
        # depthwise: channels_last is picked
        case(128, grouped_nchw=4, grouped_channels_last=2, dense=6, loop=20),
        # the one with zeros is picked
        case(3, grouped_nchw=4.4, grouped_channels_last=8, dense=6, loop=4),
    ]
    (readme.parent / "gpu").mkdir()
    record = RECORD | {"device": "A GPU", "batch": 64, "left_out": 7, "cases": cases}
    (readme.parent / "gpu" / "segments_latency.json").write_text(json.dumps(record))
    table = readme_tables.segments_on_gpu()
    assert "| always grouped, NCHW | 2.00 | 9.0 | 3 of 3 |" in table
    assert "| always a convolution a piece | 9.00 | 10.0 | 2 of 3 |" in table
    assert "| what `SegmentedConv2d` picks | 1.00 | 1.5 | 1 of 3 |" in table
    assert "on A GPU" in table
    assert table.rstrip().endswith("**Stopped early: 7 cases are left out.**")
