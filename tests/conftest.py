"""Hypothesis without its per-example deadline: torch's first call of an operator is slow, and that
is no failure.
"""

from hypothesis import settings

settings.register_profile("xception_edu", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("xception_edu")


# What takes a minute or more, a file of tests at a time: it begins first, so that both workers end
# together. `--no-loadscope-reorder` keeps xdist from giving out first what has the most tests.
LONG = ("tests/browser/", "tests/house/test_wheel.py", "tests/training/test_parallel.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))
