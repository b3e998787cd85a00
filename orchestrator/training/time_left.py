"""The time that a sweep still takes: by its prices at first, and by what it has trained and measured so far.

Work is counted in prices, seconds of one core (`orchestrator.estimates.prices`); how long a second of price takes is
learned from the reports of cohorts, together for those whose epochs have the same price, since their networks are
alike. Measuring makes passes over the training examples, which are taken to be as slow as training until some networks
have been measured. What has nothing to do with the networks, such as the report, has the pace of the machine. Wall time
follows from what is left by the schedule of `wall_time`. Runs that stop at a target take fewer epochs than their limit:
how many is learned from those that have ended.
"""

import itertools
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, NamedTuple

from benevolent.orchestrator.training.wall_time import CohortSeconds, Workers, wall_seconds

#: Part of the runs of a cohort that have to end until they say anything: the first ones may be exceptions.
FEWEST_ENDED = 0.05
#: Runs that have to end in a cohort until they say as much about it as what is taken for granted.
RUNS_OF_PRIOR = 10
#: Epochs that a run still trains which has passed all that have ended, as a part of those it has trained; likewise the
#: seconds of a start, or of the first networks that are measured, which take longer than their price.
FURTHER = 0.25
#: Seconds of a core after which what they trained says as much as what was expected of them: those between two reports.
SECONDS_OF_PRIOR = 1.0


@dataclass(frozen=True)
class CohortWork:
    """Work of a cohort.

    Attributes:
        runs: of it.
        limits: of each phase by its name, in epochs, in the order of the phases.
        epoch_price: of one run.
        measuring_price: of one run's networks, besides passes over the training examples.
        measuring_epochs: epochs of one run that take as long as these passes.
        record_price: of one run, at each place that is recorded.
        recorded: these places in order, in epochs since the start.
        places: of a run at which its network is measured.
        waits_for: ids of the cohorts that have to be trained before.
        usual_share: part of its limit that a run is taken to train until some have ended; 1 if none can end before.
    """

    runs: int
    limits: Mapping[str, int]
    epoch_price: float
    measuring_price: float
    measuring_epochs: float = 0.0
    record_price: float = 0.0
    recorded: Sequence[float] = ()
    places: int = 1
    waits_for: Sequence[str] = ()
    usual_share: float = 1.0

    @property
    def limit(self) -> int:
        """Epochs of all phases."""
        return max(1, sum(self.limits.values()))

    def epochs_since_start(self, phase: str, epoch: float) -> float:
        """Return the epochs of all phases until an epoch of one: those before it have ended at their limits."""
        before = itertools.takewhile(lambda name: name != phase, self.limits)
        return sum(self.limits[name] for name in before) + epoch

    def training_price(self, epochs: float) -> float:
        """Return the price of so many epochs since the start of one run, and of what is recorded in them.

        >>> work = CohortWork(1, {"train": 8}, 1.0, 0.0, record_price=0.5, recorded=[0, 1, 2, 4, 8])
        >>> work.training_price(4) - work.training_price(1), work.training_price(8) - work.training_price(4)
        (4.0, 4.5)
        """
        return epochs * self.epoch_price + bisect_right(self.recorded, epochs) * self.record_price


@dataclass
class _Position:
    """The progress of a cohort, as far as it is known.

    Attributes:
        epochs: since its start, in all phases.
        runs_done: runs that have ended.
        price: of what was trained since the first report, which comes after what happens only once.
        received: seconds of a core that it has got since then.
        received_for_price: of these, those until the last report.
        reported: True if it has reported.
        measured: networks that have been measured, of all places.
        shares: for each run that has ended since the start, the part of its limit that it took.
    """

    epochs: float = 0.0
    runs_done: int = 0
    price: float = 0.0
    received: float = 0.0
    received_for_price: float = 0.0
    reported: bool = False
    measured: int = 0
    shares: list[float] = field(default_factory=list)


class _Trained(NamedTuple):
    """Training that was done.

    Attributes:
        price: of it.
        received: seconds of a core that it took.
    """

    price: float
    received: float

    def pace(self, expected: float) -> float:
        """Return how long a second of price takes by this, and by what is expected until there is much of it."""
        return (self.received + SECONDS_OF_PRIOR) / (self.price + SECONDS_OF_PRIOR / expected)


class _Measuring(NamedTuple):
    """Progress of measuring.

    Attributes:
        pace: how long it takes, relative to what is expected.
        done_of_begun: of the networks that are being measured, the expected seconds of what was done.
    """

    pace: float
    done_of_begun: float


@dataclass
class TimeLeft:
    """The time left of a sweep.

    Args:
        works: of each cohort that is to be trained, by its id, in the order to start them.
        workers: that are at work on it.
        clock: gives seconds.
        done_before: runs of each cohort that had ended before.
        start_price: seconds from now until the first report of a cohort: those in which its process starts.
        actor_price: seconds of a core that the start of an actor which measures takes.
        seconds_after: the price of what comes after measuring, such as the report.
        machine_pace: how long a second of price takes on this machine, by what is known of it.
    """

    works: Mapping[str, CohortWork]
    workers: Workers
    clock: Callable[[], float]
    done_before: Mapping[str, int] = field(default_factory=dict)
    start_price: float = 0.0
    actor_price: float = 0.0
    seconds_after: float = 0.0
    machine_pace: float = 1.0

    def __post_init__(self) -> None:
        self.positions: dict[str, _Position] = {}
        for cohort_id in self.works:
            self.positions[cohort_id] = _Position(runs_done=self.done_before.get(cohort_id, 0))
        self.alike: dict[float, list[str]] = defaultdict(list)
        for cohort_id, work in self.works.items():
            self.alike[work.epoch_price].append(cohort_id)
        self.networks_of_others = 0
        self.networks_begun = 0.0
        self.measuring_received = 0.0
        self.jobs = 0
        self.actors_started = 0
        self.created = self.clock()
        self.began: float | None = None  # when something was first heard of: workers take a while to start
        self.looked = self.created

    def trained(self, cohort_id: str, progress: Mapping[str, Any]) -> None:
        """Take in the fields of a `trainables.training.progress.Progress`."""
        self._pass_time()
        if self.began is None:
            self.began = self.clock()
        work = self.works[cohort_id]
        position = self.positions[cohort_id]
        epochs = work.epochs_since_start(progress["phase"], progress["epoch"])
        ended = progress["runs_done"] - position.runs_done
        if position.reported:
            running = work.runs - position.runs_done
            if work.usual_share < 1 and epochs < work.limit:
                running -= ended / 2  # they have trained half of these epochs, in the mean
            passed = work.training_price(epochs) - work.training_price(position.epochs)
            position.price += max(0.0, passed) * running
            position.received_for_price = position.received
        if ended > 0:
            half_way = (position.epochs + epochs) / 2  # where they ended, in the mean
            ended_at = epochs if epochs >= work.limit else half_way
            position.shares += [min(1.0, ended_at / work.limit)] * ended
        position.reported = True
        position.epochs = epochs
        position.runs_done = progress["runs_done"]

    def measured(self, cohort_id: str, networks: int) -> None:
        """Take in that networks have been measured, each at the end of its run or at a checkpoint."""
        if cohort_id in self.positions:
            self.positions[cohort_id].measured += networks
        else:  # it was trained before
            self.networks_of_others += networks

    def measuring(self, jobs: int, networks: float) -> None:
        """Take in how many jobs are being worked on, and their networks."""
        self._pass_time()
        self.jobs = jobs
        self.actors_started = max(jobs, self.actors_started)
        self.networks_begun = networks

    def _pass_time(self) -> None:
        """Share the time since the last look among the processes that were at work."""
        now = self.clock()
        training = [position for cohort_id, position in self.positions.items() if self._is_training(cohort_id)]
        active = len(training) + self.jobs
        if active:
            received = (now - self.looked) * min(1.0, self.workers.cores / active)
            self.measuring_received += received * self.jobs
            for position in training:
                position.received += received
        self.looked = now

    def _is_training(self, cohort_id: str) -> bool:
        position = self.positions[cohort_id]
        return position.reported and position.runs_done < self.works[cohort_id].runs

    def seconds(self) -> float:
        """Return the seconds that are expected to be left, those after measuring included."""
        return self._seconds(self._shares_of_running())

    def most_seconds(self) -> float:
        """Return the seconds that are left if no run ends before its limit."""
        return self._seconds(dict.fromkeys(self.works, 1.0))

    @property
    def is_bound(self) -> bool:
        """True while too few runs of any cohort have ended to tell how long those take that can end before."""
        return any(work.usual_share < 1 for work in self.works.values()) and not self._some_have_ended

    @property
    def _some_have_ended(self) -> bool:
        return any(
            work.usual_share < 1 and len(self.positions[cohort_id].shares) > FEWEST_ENDED * work.runs
            for cohort_id, work in self.works.items()
        )

    def _seconds(self, shares: Mapping[str, float]) -> float:
        """Return the seconds left, by the part of the limit that the unfinished runs of each cohort take."""
        paces = self._paces_of_training()
        machine_pace = self._pace_of_machine()
        networks = self._seconds_of_networks(paces, machine_pace)
        measuring = self._measuring(networks, machine_pace)
        left = {}
        begun = measuring.done_of_begun
        running_first = sorted(self.works, key=lambda cohort_id: not self._is_training(cohort_id))
        for cohort_id in running_first:
            work = self.works[cohort_id]
            position = self.positions[cohort_id]
            unmeasured = (work.runs - self.done_before.get(cohort_id, 0)) * work.places - position.measured
            to_measure = max(0, unmeasured) * networks[cohort_id]
            if position.reported:
                to_measure, begun = max(0.0, to_measure - begun), max(0.0, begun - to_measure)
            training = self._training_left(cohort_id, shares[cohort_id]) * paces[cohort_id]
            left[cohort_id] = CohortSeconds(training, to_measure * measuring.pace, work.waits_for)
        starts = [self.actor_price * machine_pace] * (self.workers.actors - self.actors_started)
        started = [0.0] * self.actors_started
        seconds = wall_seconds(left, self.workers, started + starts)
        return self._start_left() + seconds + self.seconds_after * machine_pace

    def _start_left(self) -> float:
        """Return the seconds until the first report."""
        if self.began is not None:
            return 0.0
        elapsed = self.clock() - self.created
        return max(self.start_price * self.machine_pace - elapsed, FURTHER * elapsed)

    def _pace_of_start(self) -> float:
        """Return how long a second of price takes by the start alone: it is slow where other programs are at work."""
        until = self.clock() if self.began is None else self.began
        elapsed = until - self.created
        return max(self.machine_pace, elapsed / self.start_price) if self.start_price else self.machine_pace

    def _paces_of_training(self) -> dict[str, float]:
        """Return the pace of each cohort: those that are like it say more about it than the others."""
        expected = self._pace_of_start()
        whole = self._trained(self.works)
        paces: dict[str, float] = {}
        for cohort_ids in self.alike.values():
            own = self._trained(cohort_ids)
            others = _Trained(whole.price - own.price, whole.received - own.received)
            paces |= dict.fromkeys(cohort_ids, own.pace(others.pace(expected)))
        return paces

    def _trained(self, cohort_ids: Iterable[str]) -> _Trained:
        """Return what some cohorts have trained since their first reports."""
        positions = [self.positions[cohort_id] for cohort_id in cohort_ids]
        price = sum(position.price for position in positions)
        return _Trained(price, sum(position.received_for_price for position in positions))

    def _pace_of_machine(self) -> float:
        """Return the pace of what no network is part of.

        Training may be slow for what its networks are, and the start for files that were read for the first time; if
        both are, other programs are at work.
        """
        start = self._pace_of_start()
        return max(self.machine_pace, min(start, self._trained(self.works).pace(start)))

    def _seconds_of_networks(self, paces: Mapping[str, float], machine_pace: float) -> dict[str, float]:
        """Return for each cohort the seconds that measuring a network is expected to take, by the pace of training."""
        seconds = {}
        for cohort_id, work in self.works.items():
            passes = work.measuring_epochs * work.epoch_price * paces[cohort_id]
            seconds[cohort_id] = (work.measuring_price * machine_pace + passes) / work.places
        return seconds

    def _measuring(self, networks: Mapping[str, float], machine_pace: float) -> _Measuring:
        """Return how measuring goes, against the seconds that a network of each cohort is expected to take.

        Until something has been measured, it is taken to go as expected, unless it has taken longer. The start of an
        actor takes more or less than its price, so that what was measured counts against the starts by its seconds.
        """
        mean = sum(networks.values()) / len(networks)
        measured = self.networks_of_others * mean
        measured += sum(position.measured * networks[cohort_id] for cohort_id, position in self.positions.items())
        begun = self.networks_begun * mean
        starts = self.actors_started * self.actor_price * machine_pace
        if measured:
            half = begun / 2  # of those that are being measured, in the mean
            return _Measuring(self.measuring_received / (measured + half + starts), half)
        received = max(0.0, self.measuring_received - starts)
        pace = max(1.0, (1 + FURTHER) * received / begun) if begun else 1.0
        return _Measuring(pace, received / pace)

    def _training_left(self, cohort_id: str, share: float) -> float:
        """Return the price of what is left to train of a cohort."""
        work = self.works[cohort_id]
        position = self.positions[cohort_id]
        price = work.training_price(share * work.limit) - work.training_price(position.epochs)
        return max(0.0, price) * (work.runs - position.runs_done)

    def _shares_of_running(self) -> dict[str, float]:
        """Return for each cohort the part of the limit that its unfinished runs are expected to take, in the mean."""
        if not self._some_have_ended:
            return {cohort_id: self._usual_share(cohort_id) for cohort_id in self.works}
        of_finished = self._mean_of_finished()
        shares = {}
        for cohort_id, position in self.positions.items():
            if position.shares and self.works[cohort_id].usual_share < 1:
                shares[cohort_id] = self._share_by_own(cohort_id, of_finished)
        others = self._mean_share(shares)
        for cohort_id, work in self.works.items():
            if work.usual_share == 1:
                shares[cohort_id] = 1.0
            elif cohort_id not in shares:
                passed = self.positions[cohort_id].epochs / work.limit
                shares[cohort_id] = others if others > passed else min(1.0, passed * (1 + FURTHER))
        return shares

    def _usual_share(self, cohort_id: str) -> float:
        """Return the part that the runs of a cohort are taken to train of which too few have ended."""
        work = self.works[cohort_id]
        passed = self.positions[cohort_id].epochs / work.limit
        return max(work.usual_share, min(1.0, passed * (1 + FURTHER)))

    def _share_by_own(self, cohort_id: str, of_finished: float) -> float:
        """Return that part for a cohort in which some runs have ended.

        Args:
            cohort_id: the cohort.
            of_finished: the mean part that runs took in cohorts that have ended; 0 if none has.
        """
        work = self.works[cohort_id]
        position = self.positions[cohort_id]
        passed = position.epochs / work.limit
        own = min(1.0, share_after(position.shares, work.runs, passed))
        if of_finished <= passed:
            return own
        weight = len(position.shares) / (len(position.shares) + RUNS_OF_PRIOR)
        return weight * own + (1 - weight) * of_finished

    def _mean_of_finished(self) -> float:
        """Return the mean part of their limits that runs took in cohorts that have ended; 0 if none has."""
        shares: list[float] = []
        for cohort_id, position in self.positions.items():
            if position.runs_done == self.works[cohort_id].runs:
                shares += position.shares
        return sum(shares) / len(shares) if shares else 0.0

    def _mean_share(self, of_running: Mapping[str, float]) -> float:
        """Return the mean part of their limits that the runs of some cohorts take, ended or not.

        Args:
            of_running: for each of these cohorts, the part that its unfinished runs are expected to take.
        """
        means = []
        for cohort_id, share in of_running.items():
            position = self.positions[cohort_id]
            running = self.works[cohort_id].runs - position.runs_done
            total = sum(position.shares) + running * share
            means.append(total / (len(position.shares) + running))
        return sum(means) / len(means)


def share_after(ended: Sequence[float], runs: int, passed: float) -> float:
    """Return the mean length that unfinished runs are expected to have, by the lengths of those that have ended.

    Those that end first are the shortest, so that their mean is too small for the others. The lengths of all runs are
    taken to be normal, with the shortest one and the present one as quantiles.

    Args:
        ended: lengths of the runs that have ended, in ascending order.
        runs: number of all runs.
        passed: the length that all unfinished runs have reached.

    >>> round(share_after([0.8, 0.9, 1.0], 6, 1.0), 2)
    1.19
    """
    normal = NormalDist()
    lowest = normal.inv_cdf(0.6 / runs)  # the median of the smallest of so many normal numbers
    present = normal.inv_cdf(min(len(ended), runs - 0.5) / (runs + 0.2))
    fitted = (passed - ended[0]) / max(0.1, present - lowest)
    deviation = (len(ended) * fitted + RUNS_OF_PRIOR * FURTHER * passed) / (len(ended) + RUNS_OF_PRIOR)
    beyond = normal.pdf(present) / (1 - normal.cdf(present))  # the mean of normal numbers above a bound
    return passed + deviation * (beyond - present)
