"""Processor time, and how slow the processor is just now: others work on its other thread, or on
the same machine, and a bound in seconds is meant for one that is quiet.
"""

import time

SQUARES = 0.056  # seconds of a million squares on a quiet AMD EPYC


def seconds(call):
    """Processor time that a call takes."""
    start = time.process_time()
    call()
    return time.process_time() - start


def slowness():
    """How many times as long as on a quiet processor a million squares take, and no less than 1."""
    return max(1, seconds(_a_million_squares) / SQUARES)


def _a_million_squares():
    sum(i * i for i in range(1_000_000))
