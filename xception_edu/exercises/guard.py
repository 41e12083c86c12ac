"""A learner's code is run so that nothing it does ends in a traceback, or never ends.

It runs in a thread of its own, which is left behind when its time is over, and its steps are
counted: an endless loop in Python is ended, on every system and within Jupyter. Code in C that
never comes back, such as 10**10**9, cannot be ended from Python; only the thread is left.
"""

import linecache
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

from xception_edu import checks

STEPS = 300_000  # lines of Python that an answer may take
SECONDS = 10.0


class Stopped(Exception):
    """The answer took more steps or more time than any right one needs."""


class Failed(Exception):
    """The learner's code raised; the message says what, and in which of its lines."""


def guarded(call: Callable[[], Any]) -> Any:
    """What `call` returns.

    Raises Failed with a sentence if it raised, Stopped if it did not come to an end.
    """
    found: dict[str, Any] = {}

    def run() -> None:
        sys.settrace(_counter())
        try:
            found["value"] = call()
        except BaseException as error:
            found["error"] = error
        finally:
            sys.settrace(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SECONDS)
    if thread.is_alive() or isinstance(found.get("error"), Stopped):
        raise Stopped("It does not come to an end: is there a loop whose condition stays true?")
    if "error" in found:
        raise Failed(said_of(found["error"]))
    return found["value"]


def _counter() -> Callable[..., Any]:
    """A trace function that raises Stopped after so many lines."""
    left = STEPS

    def trace(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        nonlocal left
        left -= 1
        if left < 0:
            raise Stopped
        return trace

    return trace


def said_of(error: BaseException) -> str:
    """What was raised, and the learner's own line that led there."""
    try:
        words = f"{type(error).__name__}: {error}"
    except Exception:
        words = type(error).__name__
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith("<") or "ipykernel" in frame.filename
    ]
    where = ""
    if frames:
        number = frames[-1].lineno
        text = linecache.getline(frames[-1].filename, number or 0).strip()
        where = f" in line {number}" + (f", `{text}`" if text else "")
    return checks.line(f"Your code raises{where}: {words}")
