"""Wall time of a sweep before it has passed: its cohorts and what measures them, on the cores that they share.

`bth plan` and the time that is left of a sweep that runs both simulate the same schedule: cohorts start in their order,
as many at a time as there is room for, each when those that it waits for have ended; then its networks are measured.
"""

import heapq
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: Measuring is divided into parts of about this price, so that several actors can work on a cohort; each part reads
#: files and builds the network anew.
SECONDS_OF_A_PART = 1.0


class CohortSeconds(NamedTuple):
    """Seconds of one core that a cohort takes.

    Attributes:
        training: of all its runs; 0 if it is trained.
        measuring: of their networks.
        waits_for: ids of the cohorts that have to be trained before.
    """

    training: float
    measuring: float
    waits_for: Sequence[str] = ()


class Workers(NamedTuple):
    """Processes that work at the same time.

    Attributes:
        cohorts: that train at once.
        actors: that measure beside them.
        cores: that all of them share; none uses more than one.
    """

    cohorts: int
    actors: int
    cores: int


def wall_seconds(cohorts: Mapping[str, CohortSeconds], workers: Workers, actor_starts: Sequence[float] = ()) -> float:
    """Return the seconds until all cohorts are trained and measured.

    Args:
        cohorts: by their ids, in the order to start them.
        workers: that are at work.
        actor_starts: seconds of one core before the first, second, ... actor measures; 0 where there are no more.

    Two cohorts of 10 s on two cores, one of them measured in 4 s by two actors; then the same one after the other:

    >>> two = {"a": CohortSeconds(10, 4), "b": CohortSeconds(10, 0)}
    >>> wall_seconds(two, Workers(2, 2, 2))
    12.0
    >>> wall_seconds(two | {"b": CohortSeconds(10, 0, ["a"])}, Workers(2, 2, 2))
    21.0
    """
    return _Schedule(cohorts, workers, actor_starts).seconds()


class _Schedule:
    """Simulation of the processes, which all get the same share of a core at any time.

    Attributes:
        clock: seconds since the start.
        received: seconds of a core that a process has got which has worked since the start.
        active: processes at work: what `received` will be when each is done, and the cohort that it trains, or None.
    """

    def __init__(self, cohorts: Mapping[str, CohortSeconds], workers: Workers, actor_starts: Sequence[float]) -> None:
        self.cohorts = cohorts
        self.workers = workers
        self.actor_starts = deque(actor_starts)
        self.order = {cohort_id: position for position, cohort_id in enumerate(cohorts)}
        self.blockers: dict[str, int] = {}
        self.released_by: dict[str, list[str]] = defaultdict(list)
        self.ready: list[tuple[int, str]] = []
        self.parts: deque[float] = deque()
        self.clock = 0.0
        self.received = 0.0
        self.active: list[tuple[float, int, str | None]] = []
        self.training = 0
        self.measuring = 0

    def seconds(self) -> float:
        """Run to the end."""
        for cohort_id, work in self.cohorts.items():
            if work.training <= 0:
                self._to_measure(work.measuring)
                continue
            waits_for = [name for name in work.waits_for if name in self.cohorts and self.cohorts[name].training > 0]
            self.blockers[cohort_id] = len(waits_for)
            for name in waits_for:
                self.released_by[name].append(cohort_id)
            if not waits_for:
                self.ready.append((self.order[cohort_id], cohort_id))
        self._start()
        while self.active:
            self._end_next()
            self._start()
        return self.clock

    def _start(self) -> None:
        """Start what there is room for."""
        while self.ready and self.training < self.workers.cohorts:
            cohort_id = heapq.heappop(self.ready)[1]
            self.training += 1
            self._begin(self.cohorts[cohort_id].training, cohort_id)
        while self.parts and self.measuring < self.workers.actors:
            starts = self.actor_starts.popleft() if self.actor_starts else 0.0
            self.measuring += 1
            self._begin(self.parts.popleft() + starts, None)

    def _begin(self, seconds: float, cohort_id: str | None) -> None:
        tie = -1 if cohort_id is None else self.order[cohort_id]
        heapq.heappush(self.active, (self.received + seconds, tie, cohort_id))

    def _end_next(self) -> None:
        """Pass the time until the next process is done."""
        share = min(1.0, self.workers.cores / len(self.active))
        end, _, cohort_id = heapq.heappop(self.active)
        self.clock += (end - self.received) / share
        self.received = end
        if cohort_id is None:
            self.measuring -= 1
            return
        self.training -= 1
        self._to_measure(self.cohorts[cohort_id].measuring)
        for name in self.released_by[cohort_id]:
            self.blockers[name] -= 1
            if not self.blockers[name]:
                heapq.heappush(self.ready, (self.order[name], name))

    def _to_measure(self, seconds: float) -> None:
        """Queue the measuring of a cohort, in parts."""
        if seconds > 0:
            parts = max(1, min(self.workers.actors, int(seconds / SECONDS_OF_A_PART)))
            self.parts.extend([seconds / parts] * parts)
