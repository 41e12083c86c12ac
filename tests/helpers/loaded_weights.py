"""What a weight file becomes: the same network, or one line that says what is wrong."""

import re

import pytest
import torch

from xception_edu.weights.load import import_weights


def refused_file(path, *parts, **arguments) -> str:
    """The message with which the file is refused: one line, with its name and all the parts."""
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        import_weights(path, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in parts), message
    return message


def assert_same_weights(model, expected) -> None:
    """Both have the same weights, whatever BN has counted."""
    state, expected = model.state_dict(), expected.state_dict()
    assert state.keys() == expected.keys()
    for key in state:
        assert key.endswith("num_batches_tracked") or torch.equal(state[key], expected[key]), key
