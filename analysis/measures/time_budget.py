"""Time limits of measuring: long computations ask now and then if there is time left."""

import contextlib
import math
import time
from collections.abc import Iterator
from contextvars import ContextVar

_DEADLINE: ContextVar[float] = ContextVar("deadline", default=math.inf)


class OutOfTime(Exception):  # noqa: N818 - no error, but the end of a budget
    """The time for measuring is used up."""


@contextlib.contextmanager
def time_budget(seconds: float | None) -> Iterator[None]:
    """Let `check_time` raise `OutOfTime` within the block once these seconds have passed; None: never.

    >>> with time_budget(0):
    ...     check_time()
    Traceback (most recent call last):
    benevolent.analysis.measures.time_budget.OutOfTime
    """
    deadline = math.inf if seconds is None else time.perf_counter() + seconds
    token = _DEADLINE.set(min(deadline, _DEADLINE.get()))
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def has_time_budget() -> bool:
    """Return True within a `time_budget` that ends."""
    return _DEADLINE.get() < math.inf


def check_time() -> None:
    """Raise `OutOfTime` if a time budget is used up; to be called between parts of a long computation."""
    if time.perf_counter() >= _DEADLINE.get():
        raise OutOfTime
