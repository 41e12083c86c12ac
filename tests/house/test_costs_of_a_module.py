"""`costs --module`: a network of the user's own, named on the command line."""

import csv
import io
import json
import sys

import pytest

from tests.helpers.refusals import refused
from xception_edu.__main__ import main
from xception_edu.commands import measured

CODE = """
import torch
from torch import nn

network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
number = 3

class Spectrum(nn.Module):
    def __init__(self):
        super().__init__()
        self.unused = nn.Linear(5, 5)

    def forward(self, x):
        return torch.fft.fft2(x).abs()

class Looks(nn.Module):
    def forward(self, x):
        return x * x.sum().item()

class Models:
    @staticmethod
    def small():
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2))

def needs(width):
    return nn.Conv2d(3, width, 3)

def raises():
    raise RuntimeError("two\\nlines")

def leaves():
    raise SystemExit(0)
"""
LOUD = """
from our_networks import Models

print("imported")

def small():
    print("made")
    return Models.small()
"""


@pytest.fixture(autouse=True)
def mine(tmp_path, monkeypatch):
    """The current folder, with a module `our_networks` in it."""
    (tmp_path / "our_networks.py").write_text(CODE)
    (tmp_path / "loud.py").write_text(LOUD)
    (tmp_path / "needs_more.py").write_text("import not_there_at_all")
    monkeypatch.chdir(tmp_path)
    yield
    for name in ("our_networks", "loud"):
        sys.modules.pop(name, None)


def counted(capsys, name, form, size="3,8,8"):
    assert main(["costs", "--module", name, "--input", size, "--format", form]) == 0
    return capsys.readouterr()


def test_the_current_folder_is_searched_and_left(capsys):
    before = list(sys.path)
    out, err = counted(capsys, "loud:small", "json")
    data = json.loads(out)
    assert err == "imported\nmade\n"
    assert (data["name"], data["input"]) == ("loud:small", [3, 8, 8])
    assert [row["params"] for row in data["layers"]] == [112, 290]
    assert data["totals"]["macs"] == 108 * 36 + 288
    assert sys.path == before


def test_the_rows_of_each_format_add_up_to_its_total(capsys):
    rows = list(csv.DictReader(io.StringIO(counted(capsys, "our_networks:network", "csv").out)))
    assert [row["layer"] for row in rows] == ["convolution", "relu", "our_networks:network"]
    for column in ("params", "buffers", "macs", "inputs", "activations"):
        *layers, whole = (int(row[column]) for row in rows)
        assert sum(layers) == whole
    header, *_, total = counted(capsys, "our_networks:network", "table").out.splitlines()
    assert header.split()[:4] == ["layer", "operator", "params", "MACs"]
    assert total.split()[:5] == ["total", "our_networks:network,", "3x8x8", "112", "3,888"]


def test_what_does_not_run_has_a_row_and_what_is_unknown_a_warning(capsys):
    out, err = counted(capsys, "our_networks:Spectrum", "json")
    data = json.loads(out)
    assert data["totals"]["params"] == 30
    assert data["layers"][-1]["name"] == measured.NOT_RUN
    assert data["layers"][-1]["params"] == 30
    [line] = [line for line in err.splitlines() if line.startswith("warning: ")]
    assert "fft" in line


def test_help_says_that_it_runs_the_code(capsys):
    with pytest.raises(SystemExit):
        main(["costs", "--help"])
    assert "this RUNS that code" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("name", "size", "parts"),
    [
        ("our_networks", "3,8,8", ["--module", "PACKAGE.MODULE:FUNCTION"]),
        (".our_networks:network", "3,8,8", ["--module", "PACKAGE.MODULE:FUNCTION"]),
        ("our_network:network", "3,8,8", ["--module", "no our_network is in the current folder"]),
        ("our_networks.deep:f", "3,8,8", ["--module", "no our_networks.deep is"]),
        ("needs_more:f", "3,8,8", ["importing needs_more raised", "'not_there_at_all'"]),
        ("our_networks:networks", "3,8,8", ["has no networks; the nearest is network"]),
        ("our_networks:number", "3,8,8", ["number gives int, not an nn.Module"]),
        ("our_networks:needs", "3,8,8", ["needs() raised TypeError", "width"]),
        ("our_networks:raises", "3,8,8", ["raises() raised RuntimeError: two lines"]),
        ("our_networks:leaves", "3,8,8", ["leaves() raised SystemExit: 0"]),
        ("our_networks:network", "3,8", ["--input", "3,8", "channels,height,width"]),
        ("our_networks:network", "3,0,8", ["--input", "3,0,8", "at least 1"]),
        ("our_networks:network", "1,8,8", ["--input is '1,8,8'", "RuntimeError", "channel"]),
        ("our_networks:Looks", "3,8,8", ["--input is '3,8,8'", "(without values)", "item()"]),
        ("our_networks:Models.small", "3,9,9", ["--input is '3,9,9'", "RuntimeError"]),
    ],
)
def test_a_mistake_is_one_line(name, size, parts, capsys):
    line = refused(["costs", "--module", name, "--input", size], capsys)
    assert all(part in line for part in parts), line


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (["xception", "--input", "3,8,8"], ["--input", "--input-size"]),
        (["xception", "--module", "a:b", "--input", "3,8,8"], ["name", "'xception'", "--module"]),
        (["--module", "a:b", "--input", "3,8,8", "--segments", "2"], ["--segments", "2"]),
        (["--module", "a:b", "--input", "3,8,8", "--input-size", "2"], ["--input-size", "2"]),
        (["--module", "a:b"], ["--input", "3,224,224"]),
    ],
)
def test_arguments_of_ours_do_not_go_with_a_module(argv, parts, capsys):
    line = refused(["costs", *argv], capsys)
    assert all(part in line for part in parts), line


def test_verbose_says_where_in_the_code_it_went_wrong(capsys):
    with pytest.raises(SystemExit):
        main(["costs", "--verbose", "--module", "our_networks:raises", "--input", "3,8,8"])
    assert "in raises" in capsys.readouterr().err


def test_an_installed_module_is_found_as_well(capsys):
    out, _ = counted(capsys, "torch.nn:ReLU", "table", "1,2,2")
    assert "(network)  relu" in out
