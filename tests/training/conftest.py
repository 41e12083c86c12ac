"""Runs that several files of tests look at."""

import pytest

from tests.helpers.runs import KINDS
from xception_edu.data.builtin import load_digits
from xception_edu.training import train


@pytest.fixture(scope="module")
def digits_are_read_once():
    """`train` gets the digits at once, whatever data its recipe names."""
    digits = load_digits()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "load_dataset", lambda recipe, *_, **__: digits)
        yield


@pytest.fixture(scope="module", params=KINDS)
def uninterrupted(request, tmp_path_factory, digits_are_read_once):
    """A recipe and the folder of its run from beginning to end."""
    out = tmp_path_factory.mktemp("uninterrupted")
    train.train(KINDS[request.param], out)
    return KINDS[request.param], out
