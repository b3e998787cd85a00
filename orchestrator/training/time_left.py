"""The time that a sweep still takes, learned from what it has trained and measured so far.

Work is counted in prices (`orchestrator.estimates.prices`), and the time that a unit of price takes is learned. Runs
that stop at a target take fewer epochs than their limit: how many is learned from those that have ended.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

#: Part of the runs of a cohort that have to end until they say anything: the first ones may be exceptions.
FEWEST_ENDED = 0.05
#: Runs that have to end in a cohort until they say as much about it as what is taken for granted.
RUNS_OF_PRIOR = 10
#: Epochs that a run still trains which has passed all that have ended, as a part of those it has trained.
FURTHER = 0.25


@dataclass(frozen=True)
class CohortWork:
    """Work of a cohort.

    Attributes:
        runs: of it.
        limits: of each phase by its name, in epochs.
        epoch_price: of one run.
        measuring_price: of one run's networks.
        places: of a run at which its network is measured.
    """

    runs: int
    limits: Mapping[str, int]
    epoch_price: float
    measuring_price: float
    places: int = 1

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
        price: of what was trained.
        shares: for each run that has ended since the start, the part of its limit that it took.
    """

    epochs: float = 0.0
    phase: str = ""
    epoch: int = 0
    runs_done: int = 0
    price: float = 0.0
    shares: list[float] = field(default_factory=list)


@dataclass
class TimeLeft:
    """The time left of a sweep.

    Args:
        works: of each cohort that is to be trained, by its id.
        clock: gives seconds.
        done_before: runs of each cohort that had ended before.
        seconds_after: the price of what comes after measuring, such as the report; nothing that is seen before
            corrects it.
    """

    works: Mapping[str, CohortWork]
    clock: Callable[[], float]
    done_before: Mapping[str, int] = field(default_factory=dict)
    seconds_after: float = 0.0

    def __post_init__(self) -> None:
        self.positions: dict[str, _Position] = {}
        for cohort_id in self.works:
            self.positions[cohort_id] = _Position(runs_done=self.done_before.get(cohort_id, 0))
        prices = [work.measuring_price / work.places for work in self.works.values()]
        self.mean_price = sum(prices) / len(prices)
        self.measured_price = 0.0
        self.begun_price = 0.0
        self.began: float | None = None  # when something was first heard of: workers take a while to start

    def trained(self, cohort_id: str, progress: Mapping[str, Any]) -> None:
        """Take in the fields of a `trainables.training.progress.Progress`."""
        work = self.works[cohort_id]
        position = self.positions[cohort_id]
        same_phase = progress["phase"] == position.phase
        passed = progress["epoch"] - (position.epoch if same_phase else 0)
        running = work.runs - (position.runs_done + progress["runs_done"]) / 2
        if self.began is None:
            self.began = self.clock()
        else:
            position.price += max(0, passed) * running * work.epoch_price
        position.epochs += max(0, passed)
        ended = progress["runs_done"] - position.runs_done
        position.shares += [min(1.0, position.epochs / work.limit)] * max(0, ended)
        position.phase, position.epoch = progress["phase"], progress["epoch"]
        position.runs_done = progress["runs_done"]

    def measured(self, cohort_id: str, networks: int) -> None:
        """Take in that networks have been measured, each at the end of its run or at a checkpoint."""
        work = self.works.get(cohort_id)
        if work is not None:
            self.measured_price += networks * work.measuring_price / work.places

    def measuring(self, networks: float) -> None:
        """Take in how many networks are being measured now; half of them count as done, in the mean."""
        self.begun_price = networks * self.mean_price / 2

    def seconds(self) -> float | None:
        """Return the seconds left, those after measuring included; None before anything is trained or measured."""
        done = self.measured_price + self.begun_price + sum(position.price for position in self.positions.values())
        if done <= 0 or self.began is None:
            return None
        elapsed = self.clock() - self.began
        return elapsed * (self._training_left() + self._measuring_left()) / done + self.seconds_after

    @property
    def is_bound(self) -> bool:
        """True while too few runs of any cohort have ended, so that only the limits of epochs are known."""
        return not any(
            len(position.shares) > FEWEST_ENDED * self.works[cohort_id].runs
            for cohort_id, position in self.positions.items()
        )

    def _training_left(self) -> float:
        shares = self._shares_of_running()
        left = 0.0
        for cohort_id, work in self.works.items():
            position = self.positions[cohort_id]
            passed = position.epochs / work.limit
            epochs = (shares[cohort_id] - passed) * work.limit
            left += max(0.0, epochs) * (work.runs - position.runs_done) * work.epoch_price
        return left

    def _shares_of_running(self) -> dict[str, float]:
        """Return for each cohort the part of the limit that its unfinished runs are expected to take, in the mean."""
        if self.is_bound:
            return dict.fromkeys(self.works, 1.0)
        of_finished = self._mean_of_finished()
        shares = {}
        for cohort_id, position in self.positions.items():
            if position.shares:
                shares[cohort_id] = self._share_by_own(cohort_id, of_finished)
        others = self._mean_share(shares)
        for cohort_id, work in self.works.items():
            if cohort_id not in shares:
                passed = self.positions[cohort_id].epochs / work.limit
                shares[cohort_id] = others if others > passed else min(1.0, passed * (1 + FURTHER))
        return shares

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

    def _measuring_left(self) -> float:
        total = 0.0
        for cohort_id, work in self.works.items():
            total += (work.runs - self.done_before.get(cohort_id, 0)) * work.measuring_price
        return max(0.0, total - self.measured_price - self.begun_price)


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
