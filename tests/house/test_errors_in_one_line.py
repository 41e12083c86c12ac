"""Every command ends in one line, whatever goes wrong: files, output, and what no check foresaw."""

import io
import os
import subprocess
import sys

import pytest

from tests.helpers.refusals import refused
from xception_edu import checks
from xception_edu.__main__ import COMMANDS, main
from xception_edu.commands import costs


def raising(error):
    def command(parser, argv):
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "/x"), "error: /x: No space left on device"),
        (PermissionError(13, "Permission denied", b"/\xff"), "Permission denied"),
        (RuntimeError("a\nb"), "error: RuntimeError: a b"),
        (RecursionError("too deep"), "RecursionError: too deep"),
        (MemoryError(), "MemoryError"),
        (ValueError("name is 3"), "error: name is 3"),
        (ValueError("\x1b[31mred\x07\u202e" + "x" * 10**6), " [31mred  xxx"),
    ],
    ids=["disk", "permission", "bug", "recursion", "memory", "value", "hostile"],
)
def test_whatever_a_command_raises_is_one_line(error, said, monkeypatch, capsys):
    monkeypatch.setattr(costs, "command", raising(error))
    with pytest.raises(SystemExit) as stop:
        main(["costs"])
    line = capsys.readouterr().err
    assert stop.value.code == 2
    assert line.count("\n") == 1
    assert said in line
    assert len(line) <= 401
    assert line[:-1].isprintable()


def test_verbose_says_what_the_line_leaves_out(monkeypatch, capsys):
    error = ValueError("file: many")
    error.__cause__ = checks.DetailedError("many", ["one\x1b", "two"])
    monkeypatch.setattr(costs, "command", raising(error))
    assert "one" not in refused(["costs"], capsys)
    with pytest.raises(SystemExit):
        main(["costs", "--verbose"])
    assert capsys.readouterr().err.splitlines()[:2] == ["one ", "two"]
    monkeypatch.setattr(costs, "command", raising(RuntimeError("a bug")))
    with pytest.raises(SystemExit):
        main(["--verbose", "costs"])
    *traceback, line = capsys.readouterr().err.splitlines()
    assert "Traceback" in traceback[0]
    assert line.endswith("error: RuntimeError: a bug")


def test_an_interrupted_command_ends_as_a_shell_expects(monkeypatch, capsys):
    monkeypatch.setattr(costs, "command", raising(KeyboardInterrupt()))
    assert main(["costs"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_verbose(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--verbose", "--help"])
    assert stop.value.code == 0


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_what_the_output_cannot_encode_is_escaped_and_not_lost(encoding, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))

    def command(parser, argv):
        print("고양이 \udcff 0.9")
        return 0

    monkeypatch.setattr(costs, "command", command)
    assert main(["costs"]) == 0
    cat = "고양이" if encoding == "utf-8" else r"\uace0\uc591\uc774"
    assert written.getvalue().decode(encoding) == rf"{cat} \udcff 0.9" + "\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_output_that_cannot_be_written_is_one_line():
    with open("/dev/full", "w") as full:
        program = [sys.executable, "-m", "xception_edu", "costs", "module"]
        run = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.endswith("error: No space left on device\n")
    assert run.stderr.count("\n") == 1
