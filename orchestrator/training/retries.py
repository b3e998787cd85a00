"""Retries of work that ends without its result: a cohort that trains, or a file that is measured.

Work that raises an error has failed by itself. Work whose machine is lost has not, and is tried again without limit.
Between them is a process that dies while its machine lives: mostly it was killed by others, but the work may need more
memory than there is, or crash. So it is tried again as long as it makes progress.
"""

import time
from collections import Counter

import ray

#: How often work that raised an error is tried again within one command.
RETRIES = 1
#: How often in a row a process may die on a living machine without having saved anything new.
DEATHS_WITHOUT_PROGRESS = 10
#: Seconds to wait after a first loss; each further loss in a row doubles them, up to the most.
FIRST_SECONDS = 1.0
MOST_SECONDS = 60.0

#: In Ray's error (2.60) if a process has died and its machine lives; there is no other sign.
_PROCESS_DIED = "worker process has died"
#: In Ray's error if the process was killed because the memory of its machine was nearly full.
_LOW_MEMORY = "node running low on memory"


class Retries:
    """Failures and losses of each piece of work, which say whether it may be tried again, and when.

    Attributes:
        losses: how often processes or machines were lost, by the key of the work; not counted as failures.
    """

    def __init__(self) -> None:
        self.losses: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._deaths: Counter[str] = Counter()
        self._losses_in_a_row: Counter[str] = Counter()
        self._progress: dict[str, int] = {}
        self._next_try: dict[str, float] = {}

    def may_try_again(self, work: str, error: BaseException, progress: int = 0) -> bool:
        """Count why work ended without its result; return True if it is to be tried again.

        Args:
            work: key of the work.
            error: what ended it, as Ray raises it.
            progress: how much of it was saved, as any count that grows with what is saved.
        """
        if not is_loss(error):
            self._failures[work] += 1
            return self._failures[work] <= RETRIES
        if progress > self._progress.get(work, 0):
            self._progress[work] = progress
            self._deaths[work] = 0
            self._losses_in_a_row[work] = 0
        self.losses[work] += 1
        self._deaths[work] += process_died(error)
        seconds = min(FIRST_SECONDS * 2 ** min(self._losses_in_a_row[work], 10), MOST_SECONDS)
        self._losses_in_a_row[work] += 1
        self._next_try[work] = time.monotonic() + seconds
        return self._deaths[work] < DEATHS_WITHOUT_PROGRESS

    def seconds_to_wait(self, work: str) -> float:
        """Return the seconds until work is to be tried again; 0 if that may be now."""
        return max(0.0, self._next_try.get(work, 0.0) - time.monotonic())


def is_loss(error: BaseException) -> bool:
    """Return True if a process or a machine was lost, and not the work itself failed."""
    if killed_for_memory(error):  # Tune passes on only the text if that was before the process had begun
        return True
    if isinstance(error, ray.exceptions.RayTaskError):  # raised by the work, perhaps since an object on it was lost
        return isinstance(error.cause, ray.exceptions.RayError)
    if isinstance(error, ray.exceptions.RayActorError):
        return not error.actor_init_failed
    return isinstance(error, ray.exceptions.RayError)


def process_died(error: BaseException) -> bool:
    """Return True if a process was lost while its machine lives."""
    return _PROCESS_DIED in str(error) or killed_for_memory(error)


def killed_for_memory(error: BaseException) -> bool:
    """Return True if Ray killed a process because the memory of its machine was nearly full."""
    return _LOW_MEMORY in str(error)


def describe(error: BaseException) -> str:
    """Return in a line why work ended without its result."""
    if killed_for_memory(error):
        return "its process was killed, since the memory of its machine was nearly full"
    if process_died(error):
        return "its process died (killed, crashed, or out of memory)"
    if is_loss(error):
        return "its machine was lost"
    lines = str(getattr(error, "cause", None) or error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
