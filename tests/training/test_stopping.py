"""Errors of torch that a reader can put right, in one line; others as they are."""

import pytest
import torch
import torch.distributed as dist
from torch._dynamo.exc import BackendCompilerFailed

from xception_edu.training.stopping import one_line_errors


def said(error):
    """What one_line_errors makes of an error."""
    with pytest.raises(ValueError, match=".") as refused, one_line_errors():
        raise error
    assert "\n" not in str(refused.value)
    return str(refused.value)


def refused_memory():
    """The error with which torch refuses memory on a CPU."""
    with pytest.raises(RuntimeError) as error:
        torch.empty(10**15)
    return error.value


def compile_failed():
    def backend(graph, inputs):
        raise ValueError("no compiler\nand more")

    with pytest.raises(BackendCompilerFailed) as error:
        torch.compile(lambda x: x + 1, backend=backend)(torch.zeros(1))
    return error.value


@pytest.mark.parametrize("kind", ["a CPU", "a GPU", "Python"])
def test_too_little_memory_names_model_and_batch_size(kind):
    gpu, python = torch.OutOfMemoryError("CUDA"), MemoryError()
    error = {"a CPU": refused_memory(), "a GPU": gpu, "Python": python}[kind]
    assert said(error).startswith("model and batch_size need more memory than there is")


def test_a_network_that_cannot_be_compiled_names_compile():
    line = said(compile_failed())
    assert line.startswith("compile is True, but must be False: torch.compile fails here: ")
    assert "no compiler" in line


@pytest.mark.parametrize(
    "error",
    [
        dist.DistBackendError("NCCL"),
        dist.DistNetworkError("socket"),
        RuntimeError("[x/gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_talking_to_other_ranks_says_that_one_is_gone(error, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert said(error).startswith("rank 1: another process is gone, and this one stops, too")


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a peer, memory and a compiler"), dist.DistBackendError("there are no ranks")],
    ids=lambda error: type(error).__name__,
)
def test_another_error_is_a_traceback(error, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(type(error)), one_line_errors():
        raise error
