"""How the command line refuses a wrong argument."""

import pytest

from xception_edu.__main__ import main


def refused(argv, capsys) -> str:
    """The one line on standard error with which the command line refuses `argv`."""
    with pytest.raises(SystemExit) as stop:
        main(argv)
    out, err = capsys.readouterr()
    assert stop.value.code == 2
    assert out == ""
    assert err.count("\n") == 1, err
    return err
