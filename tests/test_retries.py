"""What happens to work that ends without its result: failures count, losses do not."""

import errno

import pytest
import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError
from ray.tune.search import Searcher

from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.orchestrator.training import ray_tune, retries
from benevolent.orchestrator.training.retries import DEATHS_WITHOUT_PROGRESS, MOST_SECONDS, Retries, describe
from benevolent.orchestrator.training.scheduling import CohortScheduler
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest


def died(text: str) -> ActorDiedError:
    error = ActorDiedError()
    error.error_msg = text
    return error


RAISED = RayTaskError("step", "a traceback", ValueError("no"))
MACHINE = died("The actor died because its node has died. Node Id: 0123")
PROCESS = died("The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR")
CUT_OFF = ActorUnavailableError("it cannot be reached", None)
KILLED_WHILE_TRAINING = ray.exceptions.OutOfMemoryError(
    "1 worker(s) were killed due to the node running low on memory."
)
OBJECT = RayTaskError("step", "a traceback", ray.exceptions.ObjectLostError("0" * 56, None, ""))


@pytest.fixture
def clock(monkeypatch):
    """`clock.now`, in seconds."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(retries.time, "monotonic", lambda: Clock.now)
    return Clock


def test_an_error_is_tried_again_once_and_losses_are_counted_apart():
    counted = Retries()
    assert counted.may_try_again("a", MACHINE) and counted.may_try_again("a", PROCESS)
    assert counted.may_try_again("a", RAISED) and counted.may_try_again("a", MACHINE)
    assert not counted.may_try_again("a", RAISED)
    assert counted.may_try_again("b", RAISED) and counted.losses == {"a": 3}


@pytest.mark.parametrize("error", [MACHINE, CUT_OFF, OBJECT])
def test_a_lost_machine_is_tried_again_without_limit(error):
    counted = Retries()
    assert all(counted.may_try_again("a", error) for _ in range(1000))


def test_a_process_that_dies_is_tried_again_as_long_as_it_gets_on():
    counted = Retries()
    assert all(counted.may_try_again("a", PROCESS, progress) for progress in range(100))
    more = [counted.may_try_again("a", PROCESS, 99) for _ in range(DEATHS_WITHOUT_PROGRESS)]
    assert more == [True] * (DEATHS_WITHOUT_PROGRESS - 2) + [False] * 2


def test_losses_in_a_row_are_tried_again_later_and_later(clock):
    counted = Retries()
    waits = []
    for _ in range(10):
        counted.may_try_again("a", MACHINE)
        waits.append(counted.seconds_to_wait("a"))
        clock.now += 1000
        assert counted.seconds_to_wait("a") == 0
    assert waits[:3] == [1, 2, 4] and waits[-1] == MOST_SECONDS
    counted.may_try_again("a", MACHINE, progress=1)
    assert counted.seconds_to_wait("a") == 1 and counted.seconds_to_wait("b") == 0


def test_reasons_are_a_line_without_words_of_ray():
    memory = died("a worker was killed due to the node running low on memory")
    reasons = [describe(error) for error in (RAISED, MACHINE, PROCESS, memory)]
    assert reasons[:3] == ["no", "its machine was lost", "its process died (killed, crashed, or out of memory)"]
    assert "memory" in reasons[3]


def scheduler(*cohorts: Manifest, **keywords) -> CohortScheduler:
    return CohortScheduler(cohorts, set(), {}, **keywords)


def start(order: CohortScheduler, trial: str) -> str | None:
    config = order.suggest(trial)
    return config["cohort_id"] if isinstance(config, dict) else config


def lose(order: CohortScheduler, trial: str, cohort_id: str, error: BaseException) -> None:
    order.on_trial_complete(trial, error=True)
    order.on_attempt_failed(cohort_id, error, 0)


def test_a_lost_cohort_comes_again_when_its_time_has_come_and_what_waits_for_it_follows(clock):
    lines: list[str] = []
    waits: list[int] = []
    parent, child = Manifest("parent", ()), Manifest("child", (), ("parent",))
    order = scheduler(parent, child, on_loss=lines.append, on_wait=lambda: waits.append(1))
    for trial in range(20):
        assert start(order, f"t{trial}") == "parent"
        lose(order, f"t{trial}", "parent", MACHINE)
        assert start(order, "none") is None and waits
        clock.now += MOST_SECONDS
    assert len(lines) == 20 and lines[0].startswith("cohort parent: its machine was lost; it goes on from its last")
    assert start(order, "last") == "parent"
    order.on_trial_complete("last")
    assert start(order, "t") == "child"
    order.on_trial_complete("t")
    assert order.suggest("end") == Searcher.FINISHED and order.failed == {}


def test_a_cohort_that_fails_again_is_given_up_and_others_go_on():
    order = scheduler(Manifest("parent", ()), Manifest("child", (), ("parent",)), Manifest("other", ()))
    assert [start(order, "1"), start(order, "2")] == ["parent", "other"]
    lose(order, "1", "parent", RAISED)
    assert start(order, "3") == "parent"
    lose(order, "3", "parent", RAISED)
    assert start(order, "4") is None  # the other one still trains
    order.on_trial_complete("2")
    assert order.suggest("5") == Searcher.FINISHED
    assert order.failed == {"parent": "no", "child": "cohort parent, which it waits for, failed"}


def test_after_a_full_disk_no_cohort_is_started():
    order = scheduler(Manifest("first", ()), Manifest("second", ()), Manifest("third", ()))
    assert [start(order, "1"), start(order, "2")] == ["first", "second"]
    full = OSError(errno.ENOSPC, "No space left on device", "runs/00000.parquet")
    lose(order, "1", "first", RayTaskError("step", "a traceback", full))
    assert start(order, "3") is None  # the second one still trains
    order.on_trial_complete("2")
    assert order.suggest("4") == Searcher.FINISHED and order.full_disk is full


class TunersInTurn:
    """Stands for `tune.Tuner`: the first ends by an error while it trains, the second trains all that is left."""

    fits = 0

    def __init__(self, trainable, tune_config, run_config):
        self.order = tune_config.search_alg

    def fit(self):
        number = TunersInTurn.fits = TunersInTurn.fits + 1
        while isinstance(config := self.order.suggest(f"{number}"), dict):
            if number == 1 and config["cohort_id"] == "second":
                raise RuntimeError("Caught unexpected exception") from KILLED_WHILE_TRAINING
            self.order.on_trial_complete(f"{number}")


def test_training_goes_on_where_a_process_that_was_killed_for_memory_ends_ray_tune(monkeypatch, tmp_path):
    monkeypatch.setattr(ray_tune.tune, "Tuner", TunersInTurn)
    monkeypatch.setattr(ray_tune, "_on_this_machine", lambda: True)
    monkeypatch.setattr(retries, "FIRST_SECONDS", 0)
    lines: list[str] = []
    cohorts = [Manifest("first", ()), Manifest("second", ()), Manifest("third", ())]
    nothing = {"on_progress": None, "on_tick": None, "on_loss": lines.append}
    failed = ray_tune.train_cohorts(Folder(tmp_path), cohorts, set(), ResourcesConfig(), 60, **nothing)
    assert failed == {} and TunersInTurn.fits == 2
    assert len(lines) == 1 and "; second: training goes on" in lines[0] and "memory" in lines[0]


def test_losses_that_end_ray_tune_are_counted_together_since_it_is_not_known_whose_they_are(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_SECONDS", 0)
    lines: list[str] = []
    order = CohortScheduler([Manifest("greedy", ()), Manifest("other", ())], set(), {}, on_loss=lines.append)

    def lose(progress):
        start(order, "1")
        start(order, "2")
        order.on_all_lost(KILLED_WHILE_TRAINING, progress)

    for saved in range(2 * DEATHS_WITHOUT_PROGRESS):
        lose(progress=saved + 1)
    assert order.failed == {} and "; greedy, other: training goes on" in lines[-1] and "memory" in lines[-1]
    for _ in range(DEATHS_WITHOUT_PROGRESS - 1):
        lose(progress=2 * DEATHS_WITHOUT_PROGRESS)
    assert {*order.failed} == {"greedy", "other"} and order.suggest("3") == Searcher.FINISHED


def test_other_errors_of_ray_tune_are_raised(monkeypatch, tmp_path):
    def fit(self):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(TunersInTurn, "fit", fit)
    monkeypatch.setattr(ray_tune.tune, "Tuner", TunersInTurn)
    monkeypatch.setattr(ray_tune, "_on_this_machine", lambda: True)
    nothing = {"on_progress": None, "on_tick": None, "on_loss": print}
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        ray_tune.train_cohorts(Folder(tmp_path), [Manifest("a", ())], set(), ResourcesConfig(), 60, **nothing)


def test_a_process_killed_for_memory_before_it_begins_is_a_loss():
    as_tune_tells_it = RuntimeError(f"Failure # 1 (occurred at 2026-11-29_07-44-27)\n{KILLED_WHILE_TRAINING}")
    counted = Retries()
    assert [counted.may_try_again("a", as_tune_tells_it) for _ in range(DEATHS_WITHOUT_PROGRESS)][-2:] == [True, False]
