"""The time that a sweep still takes: by its prices at first, and by what it has trained and measured so far.

Work is counted in prices, seconds of one core (`orchestrator.estimates.prices`); how long a second of price takes is
learned. Wall time follows from what is left by the schedule of `wall_time`. Runs that stop at a target take fewer
epochs than their limit: how many is learned from those that have ended.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

from benevolent.orchestrator.training.wall_time import CohortSeconds, Workers, wall_seconds

#: Part of the runs of a cohort that have to end until they say anything: the first ones may be exceptions.
FEWEST_ENDED = 0.05
#: Runs that have to end in a cohort until they say as much about it as what is taken for granted.
RUNS_OF_PRIOR = 10
#: Epochs that a run still trains which has passed all that have ended, as a part of those it has trained; likewise the
#: seconds of a start that takes longer than its price.
FURTHER = 0.25
#: Seconds of price after which what they took counts as much as what was expected of them.
SECONDS_OF_PRIOR = 3.0


@dataclass(frozen=True)
class CohortWork:
    """Work of a cohort.

    Attributes:
        runs: of it.
        limits: of each phase by its name, in epochs.
        epoch_price: of one run.
        measuring_price: of one run's networks.
        places: of a run at which its network is measured.
        waits_for: ids of the cohorts that have to be trained before.
        usual_share: part of its limit that a run is taken to train until some have ended; 1 if none can end before.
    """

    runs: int
    limits: Mapping[str, int]
    epoch_price: float
    measuring_price: float
    places: int = 1
    waits_for: Sequence[str] = ()
    usual_share: float = 1.0

    @property
    def limit(self) -> int:
        """Epochs of all phases."""
        return max(1, sum(self.limits.values()))


@dataclass
class _Position:
    """The progress of a cohort, as far as it is known.

    Attributes:
        epochs: since its start, in all phases.
        phase: the present one.
        epoch: of it.
        runs_done: runs that have ended.
        price: of what was trained since the first report.
        received: seconds of a core that it has got since then.
        received_for_price: of these, those until the last whole epoch.
        reported: True if it has reported.
        measured: networks that have been measured, of all places.
        shares: for each run that has ended since the start, the part of its limit that it took.
    """

    epochs: float = 0.0
    phase: str = ""
    epoch: int = 0
    runs_done: int = 0
    price: float = 0.0
    received: float = 0.0
    received_for_price: float = 0.0
    reported: bool = False
    measured: int = 0
    shares: list[float] = field(default_factory=list)


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
    """

    works: Mapping[str, CohortWork]
    workers: Workers
    clock: Callable[[], float]
    done_before: Mapping[str, int] = field(default_factory=dict)
    start_price: float = 0.0
    actor_price: float = 0.0
    seconds_after: float = 0.0

    def __post_init__(self) -> None:
        self.positions: dict[str, _Position] = {}
        for cohort_id in self.works:
            self.positions[cohort_id] = _Position(runs_done=self.done_before.get(cohort_id, 0))
        prices = [work.measuring_price / work.places for work in self.works.values()]
        self.mean_price = sum(prices) / len(prices)
        self.measured_price = 0.0
        self.begun_price = 0.0
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
        same_phase = progress["phase"] == position.phase
        passed = progress["epoch"] - (position.epoch if same_phase else 0)
        running = work.runs - (position.runs_done + progress["runs_done"]) / 2
        if position.reported:
            position.price += max(0, passed) * running * work.epoch_price
            if passed > 0:
                position.received_for_price = position.received
        position.reported = True
        position.epochs += max(0, passed)
        ended = progress["runs_done"] - position.runs_done
        position.shares += [min(1.0, position.epochs / work.limit)] * max(0, ended)
        position.phase, position.epoch = progress["phase"], progress["epoch"]
        position.runs_done = progress["runs_done"]

    def measured(self, cohort_id: str, networks: int) -> None:
        """Take in that networks have been measured, each at the end of its run or at a checkpoint."""
        work = self.works.get(cohort_id)
        if work is None:  # of a cohort that was trained before
            self.measured_price += networks * self.mean_price
        else:
            self.measured_price += networks * work.measuring_price / work.places
            self.positions[cohort_id].measured += networks

    def measuring(self, jobs: int, networks: float) -> None:
        """Take in how many jobs are being worked on, and their networks; half of these count as done, in the mean."""
        self._pass_time()
        self.jobs = jobs
        self.actors_started = max(jobs, self.actors_started)
        self.begun_price = networks * self.mean_price / 2

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
        pace = self._pace()
        training_pace, measuring_pace = self._paces(pace)
        left = {}
        begun = self.begun_price
        running_first = sorted(self.works, key=lambda cohort_id: not self._is_training(cohort_id))
        for cohort_id in running_first:
            work = self.works[cohort_id]
            position = self.positions[cohort_id]
            own_pace = self._pace_of([cohort_id], training_pace)
            to_measure = (work.runs - self.done_before.get(cohort_id, 0)) * work.measuring_price
            to_measure -= position.measured * work.measuring_price / work.places
            if position.reported:
                to_measure, begun = max(0.0, to_measure - begun), max(0.0, begun - to_measure)
            left[cohort_id] = CohortSeconds(
                training=self._training_left(cohort_id, shares[cohort_id]) * own_pace,
                measuring=max(0.0, to_measure) * measuring_pace,
                waits_for=work.waits_for,
            )
        starts = [self.actor_price * pace] * (self.workers.actors - self.actors_started)
        started = [0.0] * self.actors_started
        return self._start_left() + wall_seconds(left, self.workers, started + starts) + self.seconds_after * pace

    def _start_left(self) -> float:
        """Return the seconds until the first report."""
        if self.began is not None:
            return 0.0
        elapsed = self.clock() - self.created
        return max(self.start_price - elapsed, FURTHER * elapsed)

    def _pace(self) -> float:
        """Return how long a second of price takes on a core, by all that has been done."""
        expected = self._pace_of_start()
        return self._pace_of(self.works, expected, self.measuring_received, self._price_of_measuring)

    def _paces(self, pace: float) -> tuple[float, float]:
        """Return how long a second of price takes in training, and in measuring."""
        return self._pace_of(self.works, pace), _blended(self.measuring_received, self._price_of_measuring, pace)

    def _pace_of(self, cohorts: Iterable[str], expected: float, received: float = 0.0, price: float = 0.0) -> float:
        """Return the pace of training.

        Only whole epochs count; the present one counts as whole where that makes the pace slower.

        Args:
            cohorts: ids of those that count.
            expected: the pace before anything is trained.
            received: seconds of a core that something else got which counts, too.
            price: of it.
        """
        whole, price_of_whole, all_received, most_price = received, price, received, price
        for cohort_id in cohorts:
            work = self.works[cohort_id]
            position = self.positions[cohort_id]
            whole += position.received_for_price
            price_of_whole += position.price
            all_received += position.received
            begun = (work.runs - position.runs_done) * work.epoch_price if position.reported else 0.0
            most_price += position.price + begun
        return max(_blended(whole, price_of_whole, expected), _blended(all_received, most_price, expected))

    @property
    def _price_of_measuring(self) -> float:
        return self.measured_price + self.begun_price + self.actors_started * self.actor_price

    def _pace_of_start(self) -> float:
        """Return how long a second of price takes by the start alone: it is slow where other programs are at work."""
        until = self.clock() if self.began is None else self.began
        elapsed = until - self.created
        return max(1.0, elapsed / self.start_price) if self.start_price else 1.0

    def _training_left(self, cohort_id: str, share: float) -> float:
        """Return the price of what is left to train of a cohort."""
        work = self.works[cohort_id]
        position = self.positions[cohort_id]
        epochs = max(0.0, share * work.limit - position.epochs)
        return epochs * (work.runs - position.runs_done) * work.epoch_price

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


def _blended(seconds: float, price: float, expected: float) -> float:
    """Return the seconds that a second of price takes, by what some took and by what was expected of all."""
    return (seconds + SECONDS_OF_PRIOR * expected) / (price + SECONDS_OF_PRIOR)


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
