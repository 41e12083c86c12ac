"""Claims about memory that a process keeps, in a process of its own: the setting outlives any
test.
"""

import platform
import subprocess
import sys

import pytest

# Page faults of the last large tensor that is made and freed: the heap takes seven or eleven of
# them to come to rest.
FAULTS = """
import resource
import torch
from xception_edu.benchmark.allocator import keep_freed_memory
if {keep}:
    assert keep_freed_memory()
for _ in range(40):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is told so")
@pytest.mark.parametrize("keep", [False, True])
def test_kept_memory_is_not_asked_for_again(keep):
    said = subprocess.run(
        [sys.executable, "-c", FAULTS.format(keep=keep)], capture_output=True, text=True, check=True
    )
    pages = 2**24 * 4 // 4096
    # by 2 MiB where the system has huge pages
    assert int(said.stdout) < 100 if keep else int(said.stdout) > pages / 600
