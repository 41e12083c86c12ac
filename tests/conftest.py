"""Hypothesis without its per-example deadline: torch's first call of an operator is slow, and that
is no failure.
"""

from hypothesis import settings

settings.register_profile("xception_edu", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("xception_edu")
