"""Claims about the program that asks other tools to count, as far as none of them is needed."""

import sys

import pytest

from experiments import counting
from xception_edu import architectures
from xception_edu.benchmark import command
from xception_edu.costs import total


def test_counting_without_its_peers_says_in_one_line_how_to_get_them(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(counting, "PACKAGES", ("no_such_counter",))
    monkeypatch.setattr(sys, "argv", ["counting.py", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        command.program("counting", counting)
    assert stop.value.code == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert "missing: no_such_counter; run this with .venv-peers/bin/python" in line
    assert list(tmp_path.iterdir()) == []


def test_counting_by_torch_needs_no_peer_and_agrees():
    hand, _ = counting.by_hand()
    torchs, _ = counting.by_torch("meta")
    assert hand == torchs
    assert hand["total"] == total(architectures.xception()).macs
