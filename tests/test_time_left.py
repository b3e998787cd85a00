"""The time left of a simulated sweep: two cores train and measure, and the clock is the simulation's."""

import numpy as np
import pytest

from benevolent.orchestrator.training import time_left
from benevolent.orchestrator.training.time_left import CohortWork, TimeLeft

RUNS = 60
LIMITS = {"pretrain": 10, "train": 120}
CORES = 2
START_UP = 3.0


class Sweep:
    """Four cohorts of which two train at once, at a second for 40 run-epochs; every file of a cohort is then measured.

    Args:
        share: part of the limit of the last phase that runs take in the mean.
        per_network: seconds of measuring one network.
        cost: of a run-epoch of each cohort, relative to the first.
        seed: of the epochs that runs take.
    """

    def __init__(self, share: float, per_network: float, cost: tuple[float, ...], seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.now = 0.0
        self.cost = cost
        self.ends = [np.sort(rng.normal(share, share / 4, RUNS).clip(0.02, 1) * LIMITS["train"]) for _ in cost]
        self.epochs = [0.0 for _ in cost]
        self.per_network = per_network
        self.to_measure: list[tuple[int, float]] = []
        self.measured: list[tuple[str, int]] = []

    def progress(self, cohort: int) -> dict:
        pretrained = self.epochs[cohort] >= LIMITS["pretrain"]
        epoch = self.epochs[cohort] - (LIMITS["pretrain"] if pretrained else 0)
        done = int((self.ends[cohort] <= epoch).sum()) if pretrained else 0
        return {"phase": "train" if pretrained else "pretrain", "epoch": int(epoch), "runs_done": done}

    def is_trained(self, cohort: int) -> bool:
        return self.progress(cohort)["runs_done"] == RUNS

    def step(self, seconds: float) -> list[int]:
        """Let the cores work; return the cohorts that trained."""
        training = [cohort for cohort in range(len(self.cost)) if not self.is_trained(cohort)][:CORES]
        measuring = self.to_measure[:CORES]
        share = seconds * min(1.0, CORES / max(1, len(training) + len(measuring)))
        for cohort in training:
            running = RUNS - self.progress(cohort)["runs_done"]
            self.epochs[cohort] += share * 40 / self.cost[cohort] / max(5, running)
            if self.is_trained(cohort):
                self.to_measure.append((cohort, RUNS * self.per_network))
        for position, (cohort, left) in enumerate(measuring):
            self.to_measure[position] = (cohort, left - share)
        self.measured = [(str(cohort), RUNS) for cohort, left in self.to_measure if left <= 0]
        self.to_measure = [job for job in self.to_measure if job[1] > 0]
        self.now += seconds
        return training

    @property
    def is_done(self) -> bool:
        return all(map(self.is_trained, range(len(self.cost)))) and not self.to_measure


def estimates(sweep: Sweep) -> list[tuple[float, float]]:
    """Run a sweep to its end; return the time and the estimate of the whole at every second."""
    prices = {str(index): CohortWork(RUNS, LIMITS, cost / 40, 0.1) for index, cost in enumerate(sweep.cost)}
    left = TimeLeft(prices, lambda: sweep.now)
    sweep.now += START_UP
    shown = []
    while not sweep.is_done:
        for cohort in sweep.step(1.0):
            left.trained(str(cohort), sweep.progress(cohort))
        for cohort_id, networks in sweep.measured:
            left.measured(cohort_id, networks)
        left.measuring(RUNS * len(sweep.to_measure[:CORES]))
        seconds = left.seconds()
        if seconds is not None and not left.is_bound:
            shown.append((sweep.now, sweep.now + seconds))
    return shown


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("share", "per_network", "cost"),
    [
        (0.15, 0.1, (1, 1, 1, 1)),
        (0.4, 0.1, (1, 4, 1, 4)),
        (0.9, 0.05, (1, 1, 1, 1)),
        (0.15, 0.2, (1, 1, 1, 1)),
    ],
)
def test_the_whole_is_known_within_30_percent_from_a_tenth_on(share, per_network, cost, seed):
    sweep = Sweep(share, per_network, cost, seed)
    shown = estimates(sweep)
    late = [estimate for now, estimate in shown if now > 0.1 * sweep.now]
    assert len(late) > 0.6 * sweep.now

    assert max(abs(estimate / sweep.now - 1) for estimate in late) < 0.3


def test_before_any_run_has_ended_the_limits_bound_the_time():
    now = [0.0]
    left = TimeLeft({"a": CohortWork(10, {"train": 100}, 1.0, 0.0)}, lambda: now[0])
    left.trained("a", {"phase": "train", "epoch": 0, "runs_done": 0})
    assert left.seconds() is None
    now[0] = 5.0
    left.trained("a", {"phase": "train", "epoch": 10, "runs_done": 0})
    assert left.is_bound and left.seconds() == pytest.approx(45)
    now[0] = 10.0
    left.trained("a", {"phase": "train", "epoch": 20, "runs_done": 5})
    assert not left.is_bound and left.seconds() < 10


def test_what_comes_after_measuring_is_left_to_its_end():
    now = [0.0]
    left = TimeLeft({"a": CohortWork(10, {"train": 100}, 1.0, 50.0)}, lambda: now[0], seconds_after=15.0)
    left.trained("a", {"phase": "train", "epoch": 0, "runs_done": 0})
    now[0] = 20.0
    left.trained("a", {"phase": "train", "epoch": 100, "runs_done": 10})
    left.measured("a", 5)
    done = 100 * 5 + 250  # half of the runs trained in the mean
    assert left.seconds() == pytest.approx(20 * 250 / done + 15)
    left.measured("a", 5)
    assert left.seconds() == 15


def test_runs_that_ended_before_are_no_work():
    now = [0.0]
    left = TimeLeft({"a": CohortWork(10, {"train": 100}, 1.0, 2.0)}, lambda: now[0], {"a": 5})
    left.trained("a", {"phase": "train", "epoch": 0, "runs_done": 5})
    now[0] = 1.0
    left.trained("a", {"phase": "train", "epoch": 50, "runs_done": 5})
    assert left.seconds() == pytest.approx(1.0 * (250 + 10) / 250)


def test_each_cohort_is_fitted_once_in_an_estimate(monkeypatch):
    """There may be thousands of cohorts, and a terminal shows the time several times a second."""
    left = TimeLeft({str(index): CohortWork(2, {"train": 10}, 1.0, 1.0) for index in range(30)}, lambda: 0.0)
    for index in range(20):
        left.trained(str(index), {"phase": "train", "epoch": 5, "runs_done": 1})
    fitted = []
    monkeypatch.setattr(time_left, "share_after", lambda *about: fitted.append(about) or 1.0)
    assert left.seconds() is not None and len(fitted) == 20
