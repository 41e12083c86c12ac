"""Hypothesis without its per-example deadline: torch's first call of an operator is slow, and that
is no failure. And which worker has which tests.
"""

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

settings.register_profile("xception_edu", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("xception_edu")


# What takes a minute or more, a file of tests at a time: it begins first, so that both workers end
# together. `--no-loadscope-reorder` keeps xdist from giving out first what has the most tests.
LONG = ("tests/browser/", "tests/house/test_wheel.py", "tests/training/test_parallel.py")
# Files that share a JupyterLab with every explorer, which takes as long to come as they take.
IN_JUPYTERLAB = ("tests/browser/test_explorers.py", "tests/browser/test_explorer_latency.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


class ByFile(LoadFileScheduling):
    """A file's tests on one worker, and those of IN_JUPYTERLAB on the same one."""

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        return "in JupyterLab" if file in IN_JUPYTERLAB else file


@pytest.hookimpl(optionalhook=True)  # there is none with `-p no:xdist`
def pytest_xdist_make_scheduler(config, log):
    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None
