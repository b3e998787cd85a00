"""The time left of a simulated sweep: two cores train and measure, and the clock is the simulation's."""

import numpy as np
import pytest

from benevolent.orchestrator.training import time_left
from benevolent.orchestrator.training.time_left import CohortWork, TimeLeft
from benevolent.orchestrator.training.wall_time import CohortSeconds, Workers, wall_seconds

RUNS = 60
LIMITS = {"pretrain": 10, "train": 120}
CORES = 2
START_UP = 3.0
ALONE = Workers(cohorts=1, actors=1, cores=1)
BOTH = Workers(cohorts=CORES, actors=CORES, cores=CORES)


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
        return {"phase": "train" if pretrained else "pretrain", "epoch": epoch, "runs_done": done}

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


def estimates(sweep: Sweep, works: dict[str, CohortWork]) -> list[tuple[float, float]]:
    """Run a sweep to its end; return the time and the estimate of the whole at every second, but for bounds."""
    left = TimeLeft(works, BOTH, lambda: sweep.now, start_price=START_UP + 1.0)
    shown = [(0.0, left.seconds())]
    sweep.now += START_UP
    while not sweep.is_done:
        for cohort in sweep.step(1.0):
            left.trained(str(cohort), sweep.progress(cohort))
        for cohort_id, networks in sweep.measured:
            left.measured(cohort_id, networks)
        jobs = len(sweep.to_measure[:CORES])
        left.measuring(jobs, RUNS * jobs)
        if not left.is_bound:
            shown.append((sweep.now, sweep.now + left.seconds()))
    return shown


def works_of(cost: tuple[float, ...], usual_share: float) -> dict[str, CohortWork]:
    """Return the work of cohorts as their prices have it."""
    works = {}
    for index, each in enumerate(cost):
        works[str(index)] = CohortWork(RUNS, LIMITS, each / 40, 0.1, usual_share=usual_share)
    return works


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
    shown = estimates(sweep, works_of(cost, 0.5))
    late = [estimate for now, estimate in shown if now > 0.1 * sweep.now]
    assert len(late) > 0.6 * sweep.now

    assert max(abs(estimate / sweep.now - 1) for estimate in late) < 0.3


@pytest.mark.parametrize("cost", [(1, 1, 1, 1), (4, 1, 4, 1), (1, 1, 1, 9)])
@pytest.mark.parametrize("speed", [1.0, 2.0])
def test_where_no_run_can_end_before_its_limit_the_whole_is_known_from_the_start(cost, speed):
    """And soon afterwards on a machine of half the speed that the prices were measured at."""
    sweep = Sweep(1.0, 0.1 * speed, tuple(each * speed for each in cost), 0)
    sweep.ends = [np.full(RUNS, LIMITS["train"]) for _ in cost]
    shown = estimates(sweep, works_of(cost, 1.0))
    late = [estimate for now, estimate in shown if speed == 1 or now > 0.1 * sweep.now]
    assert len(late) > 0.8 * sweep.now
    assert max(abs(estimate / sweep.now - 1) for estimate in late) < 0.3


def test_before_any_run_has_ended_there_is_a_bound():
    now = [0.0]
    work = CohortWork(10, {"train": 100}, 1.0, 0.0, usual_share=0.4)
    left = TimeLeft({"a": work}, ALONE, lambda: now[0], start_price=5.0)
    assert left.is_bound and (left.seconds(), left.most_seconds()) == (405, 1005)
    now[0] = 5.0
    left.trained("a", {"phase": "train", "epoch": 0, "runs_done": 0})
    now[0] = 105.0
    left.trained("a", {"phase": "train", "epoch": 10, "runs_done": 0})
    assert left.is_bound and (left.seconds(), left.most_seconds()) == (300, 900)
    left.trained("a", {"phase": "train", "epoch": 45, "runs_done": 0})
    assert left.seconds() < left.most_seconds()  # it has passed what is usual
    left.trained("a", {"phase": "train", "epoch": 45, "runs_done": 5})
    assert not left.is_bound


def test_a_start_that_takes_long_tells_that_the_machine_is_slow():
    now = [0.0]
    left = TimeLeft({"a": CohortWork(1, {"train": 100}, 1.0, 0.0)}, ALONE, lambda: now[0], start_price=5.0)
    now[0] = 4.0
    assert left.seconds() == 1 + 100
    now[0] = 20.0
    assert left.seconds() == 5 + 400


def test_the_time_is_that_of_the_schedule():
    """Wide networks, then those that start from them, beside narrow ones that are soon done."""
    works = {
        "wide": CohortWork(10, {"train": 100}, 0.03, 2.0),
        "narrow": CohortWork(10, {"train": 100}, 0.01, 0.1),
        "pruned": CohortWork(10, {"train": 100}, 0.03, 0.1, waits_for=["wide"]),
    }
    left = TimeLeft(works, BOTH, lambda: 0.0, actor_price=2.0)
    seconds = {
        "wide": CohortSeconds(30, 20),
        "narrow": CohortSeconds(10, 1),
        "pruned": CohortSeconds(30, 1, ["wide"]),
    }
    assert left.seconds() == pytest.approx(wall_seconds(seconds, BOTH, [2.0, 2.0]))
    assert wall_seconds(seconds, BOTH) == pytest.approx(66)  # two actors and the training share two cores


def test_what_comes_after_measuring_is_left_to_its_end():
    now = [0.0]
    work = CohortWork(10, {"train": 100}, 1.0, 50.0)
    left = TimeLeft({"a": work}, ALONE, lambda: now[0], seconds_after=15.0)
    left.trained("a", {"phase": "train", "epoch": 0, "runs_done": 0})
    now[0] = 500.0  # half of the runs trained in the mean
    left.trained("a", {"phase": "train", "epoch": 100, "runs_done": 10})
    left.measuring(1, 0)
    now[0] = 750.0
    left.measured("a", 5)
    left.measuring(1, 0)
    assert left.seconds() == pytest.approx(250 + 15)
    now[0] = 1000.0
    left.measured("a", 5)
    left.measuring(0, 0)
    assert left.seconds() == pytest.approx(15)


def test_runs_that_ended_before_are_no_work():
    now = [0.0]
    left = TimeLeft({"a": CohortWork(10, {"train": 100}, 1.0, 2.0)}, ALONE, lambda: now[0], {"a": 5})
    assert left.seconds() == 5 * 100 + 5 * 2
    left.trained("a", {"phase": "train", "epoch": 0, "runs_done": 5})
    now[0] = 250.0
    left.trained("a", {"phase": "train", "epoch": 50, "runs_done": 5})
    assert left.seconds() == pytest.approx(250 + 10)


def test_each_cohort_is_fitted_once_in_an_estimate(monkeypatch):
    """There may be thousands of cohorts, and a terminal shows the time several times a second."""
    work = CohortWork(2, {"train": 10}, 1.0, 1.0, usual_share=0.5)
    left = TimeLeft({str(index): work for index in range(30)}, BOTH, lambda: 0.0)
    for index in range(20):
        left.trained(str(index), {"phase": "train", "epoch": 5, "runs_done": 1})
    fitted = []
    monkeypatch.setattr(time_left, "share_after", lambda *about: fitted.append(about) or 1.0)
    assert left.seconds() > 0 and len(fitted) == 20


def test_an_estimate_looks_at_a_cohort_as_often_however_many_different_ones_there_are():
    class Counted(dict):
        count = 0

        def __getitem__(self, name):
            self.count += 1
            return super().__getitem__(name)

    looks = []
    for cohorts in (10, 40):
        works = {str(index): CohortWork(1, {"train": 10}, 1.0 + index, 1.0) for index in range(cohorts)}
        left = TimeLeft(works, BOTH, lambda: 0.0)
        left.positions = Counted(left.positions)
        assert left.seconds() > 0
        looks.append(left.positions.count)
    assert looks[1] == 4 * looks[0] > 0


def report(phase: str, epoch: float, runs_done: int = 0) -> dict:
    return {"phase": phase, "epoch": epoch, "runs_done": runs_done}


def test_epochs_at_the_end_of_a_phase_count_though_the_next_report_is_of_the_next_phase():
    now = [0.0]
    left = TimeLeft({"a": CohortWork(1, {"pretrain": 10, "train": 90}, 1.0, 0.0)}, ALONE, lambda: now[0])
    left.trained("a", report("pretrain", 6))
    assert left.seconds() == 94
    now[0] = 10.0
    left.trained("a", report("train", 6))  # ten epochs in ten seconds
    assert left.seconds() == 84


def test_records_are_work_of_which_most_is_at_the_start():
    now = [0.0]
    work = CohortWork(2, {"train": 64}, 0.5, 0.0, record_price=0.5, recorded=[0, 1, 2, 4, 8, 16, 32, 64])
    left = TimeLeft({"a": work}, ALONE, lambda: now[0])
    left.trained("a", report("train", 0))
    now[0] = 12.0  # eight epochs and four records of both runs
    left.trained("a", report("train", 8))
    assert left.seconds() == 2 * (56 * 0.5 + 3 * 0.5)


def test_networks_that_train_slowly_are_slow_to_measure_but_not_to_report_on():
    """Epochs of 7 s where their price is 1 s: with the second that is expected, 8 s for 2 s of price."""
    now = [0.0]
    work = CohortWork(10, {"train": 10}, 0.1, 0.2, measuring_epochs=1.0)
    left = TimeLeft({"a": work}, ALONE, lambda: now[0], seconds_after=5.0)
    left.trained("a", report("train", 0))
    assert left.seconds() == 10 + 10 * (0.2 + 0.1) + 5
    now[0] = 7.0
    left.trained("a", report("train", 1))
    assert left.seconds() == 4 * 9 + 10 * (0.2 + 4 * 0.1) + 5


def test_a_report_on_next_to_nothing_hardly_changes_the_pace():
    """The end of a cohort, in which files are written: with the second that is expected, 2.5 s for 1.25."""
    now = [0.0]
    works = {name: CohortWork(1, {"train": 100}, 1.0, 0.0) for name in "ab"}
    left = TimeLeft(works, ALONE, lambda: now[0])
    left.trained("a", report("train", 99.75))
    now[0] = 1.5
    left.trained("a", report("train", 100, runs_done=1))
    assert left.seconds() == 2.5 / 1.25 * 100


def test_runs_that_ended_between_two_reports_ended_half_way_between_them_in_the_mean():
    works = {name: CohortWork(40, {"train": 100}, 0.1, 0.0, usual_share=0.5) for name in "ab"}
    now = [0.0]
    left = TimeLeft(works, ALONE, lambda: now[0])
    left.trained("a", report("train", 10))
    now[0] = 40.0  # as priced: 20 epochs of 20 runs, in the mean
    left.trained("a", report("train", 30, runs_done=40))
    assert left.seconds() == pytest.approx(0.2 * 100 * 40 * 0.1)


def test_runs_that_trained_to_the_limit_trained_all_of_the_last_epochs():
    works = {name: CohortWork(2, {"train": 10}, 1.0, 0.0, usual_share=0.5) for name in "ab"}
    now = [0.0]
    left = TimeLeft(works, ALONE, lambda: now[0])
    left.trained("a", report("train", 0))
    now[0] = 20.0  # as priced
    left.trained("a", report("train", 10, runs_done=2))
    assert left.seconds() == 20


def test_cohorts_of_one_price_have_one_pace_and_others_their_own():
    now = [0.0]
    works = {name: CohortWork(1, {"train": 100}, price, 0.0) for name, price in {"a": 1.0, "b": 1.0, "c": 2.0}.items()}
    left = TimeLeft(works, ALONE, lambda: now[0])
    left.trained("a", report("train", 0))
    now[0] = 302.0
    left.trained("a", report("train", 100, runs_done=1))
    assert left.seconds() == 303 / 101 * (100 + 200)  # a second is expected to take a second; c goes by a
    left.trained("c", report("train", 0))
    now[0] = 315.0
    left.trained("c", report("train", 1))
    of_c = (13 + 1) / (2 + 1 / 3)  # what is expected of it is 3, by a
    of_a = (302 + 1) / (100 + 1 / (14 / 3))
    assert left.seconds() == pytest.approx(of_a * 100 + of_c * 2 * 99)


def test_the_first_networks_take_longer_to_measure_than_expected():
    now = [0.0]
    left = TimeLeft({"a": CohortWork(10, {"train": 10}, 1.0, 2.0)}, ALONE, lambda: now[0], actor_price=3.0)
    left.trained("a", report("train", 0))
    now[0] = 100.0
    left.trained("a", report("train", 10, runs_done=10))
    left.measuring(1, 10)
    assert left.seconds() == pytest.approx(2 * 10)
    now[0] = 113.0
    left.measuring(1, 10)
    assert left.seconds() == pytest.approx(10)
    now[0] = 143.0
    left.measuring(1, 10)
    assert left.seconds() == pytest.approx(time_left.FURTHER * 40)  # it has measured for 40 s


def test_the_pace_of_the_machine_counts_from_the_start():
    now = [0.0]
    work = CohortWork(1, {"train": 100}, 1.0, 10.0)
    left = TimeLeft({"a": work}, ALONE, lambda: now[0], start_price=2.0, seconds_after=5.0, machine_pace=3.0)
    assert left.seconds() == 3 * (2 + 100 + 10 + 5)
    now[0] = 6.0
    left.trained("a", report("train", 0))
    now[0] = 7.0
    left.trained("a", report("train", 1))
    assert left.seconds() == (1 + 1) / (1 + 1 / 3) * 99 + 3 * (10 + 5)
