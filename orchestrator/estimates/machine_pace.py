"""The pace of this machine: how long a second of price takes on one of its cores."""

import contextlib
import functools
import time
from collections.abc import Iterator

import torch

from benevolent.orchestrator.estimates.prices import SECONDS_PER_PROBE

#: How often the probe is repeated; the least time counts, since other work only ever adds to it.
REPEATS = 12
#: Of the probe: steps of a small stack of networks, and records that plain Python sorts and counts.
STEPS = 200
STACK_SHAPE = (16, 32, 32)
RECORDS = 40_000


@functools.cache
def machine_pace() -> float:
    """Return how many seconds a second of price takes on this machine; probed once in a process.

    It is rounded to fifths, so that two commands seldom differ.
    """
    return max(1, round(5 * probe_seconds() / SECONDS_PER_PROBE)) / 5


def probe_seconds() -> float:
    """Return the seconds of CPU that some fixed work takes which is like that of a sweep.

    What other programs do in the meantime is not counted.
    """
    with one_thread():
        return min(_seconds_of_work() for _ in range(REPEATS))


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _seconds_of_work() -> float:
    start = time.thread_time()
    stack = torch.full(STACK_SHAPE, 0.01)
    for _ in range(STEPS):
        stack = torch.bmm(stack, stack).relu().add(0.01).mul(0.5)
    counts: dict[int, int] = {}
    for record in sorted(range(RECORDS), key=lambda number: number % 101):
        counts[record % 7] = counts.get(record % 7, 0) + 1
    return time.thread_time() - start
