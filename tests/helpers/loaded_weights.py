"""What a weight file becomes: the same network, or one line that says what is wrong."""

import re

import pytest
import torch

from xception_edu import checks
from xception_edu.weights.load import import_weights


def refused_file(path, *parts, **arguments) -> str:
    """With what the file is refused: all details of the error, or its message where it has none.

    The message is one line with the file's name; all the parts are in it, or in the details.
    """
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        import_weights(path, **arguments)
    message, details = str(caught.value), "; ".join(checks.details_of(caught.value))
    assert message.isprintable()
    assert len(message) <= 400
    assert all(part in f"{message}; {details}" for part in parts), message
    return details or message


def assert_same_weights(model, expected) -> None:
    """Both have the same weights, whatever BN has counted."""
    state, expected = model.state_dict(), expected.state_dict()
    assert state.keys() == expected.keys()
    for key in state:
        assert key.endswith("num_batches_tracked") or torch.equal(state[key], expected[key]), key
