"""The pace of this machine, by a probe, and what `bth plan` makes of it."""

import pytest
import torch

from benevolent.orchestrator.estimates import machine_pace
from benevolent.orchestrator.estimates.prices import SECONDS_PER_PROBE, cohort_works
from benevolent.orchestrator.estimates.rehearsal import RunTime
from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.spec.sweep_spec import SweepSpec

SMALL = {"train_size": 40, "validation_size": 8, "test_size": 8}
SPEC = {"name": "t", "base": {"data": SMALL, "stop": {"max_epochs": 8}}, "record": {"measures": ["path_norm"]}}


@pytest.fixture
def probed(monkeypatch):
    """Set the seconds of the probe, in those of its price."""

    def set_seconds(ratio: float) -> float:
        monkeypatch.setattr(machine_pace, "probe_seconds", lambda: ratio * SECONDS_PER_PROBE)
        return machine_pace.machine_pace.__wrapped__()

    return set_seconds


def test_the_pace_is_that_of_the_probe_and_does_not_wobble(probed):
    assert probed(2.4) == pytest.approx(2.4) and probed(0.01) > 0
    assert {probed(ratio) for ratio in (0.92, 0.97, 1.0, 1.05, 1.08)} == {1.0}


def test_the_least_seconds_of_this_thread_count_and_torch_is_left_as_it_was(monkeypatch):
    """A process that starts Ray in another thread must not count that; what other programs do only adds to a repeat."""
    threads = torch.get_num_threads()
    readings = iter([0.0, 5.0, 10.0, 12.0, 20.0, 23.0])
    monkeypatch.setattr(machine_pace, "REPEATS", 3)
    monkeypatch.setattr(machine_pace.time, "thread_time", lambda: next(readings))
    assert machine_pace.probe_seconds() == 2
    assert torch.get_num_threads() == threads


def test_a_machine_of_another_pace_changes_all_but_what_was_rehearsed(monkeypatch):
    monkeypatch.setattr(
        "benevolent.orchestrator.estimates.sweep_estimate.rehearse", lambda config, runs, record: RunTime(0.5, 0.25)
    )
    plan = expand(SweepSpec.parse(SPEC))
    quick, slow = (estimate_sweep(plan, timed=True, pace=pace) for pace in (1.0, 3.0))
    epochs, records = 8, 5  # at 0, 1, 2, 4 and 8
    assert quick.seconds == slow.seconds == epochs * 0.5 + records * 0.25
    assert slow.report_seconds == pytest.approx(3 * quick.report_seconds)
    assert slow.startup_seconds == pytest.approx(3 * quick.startup_seconds)
    passes = 0.5 / 4  # a measure makes a pass, which is a quarter of an epoch
    assert slow.measuring_seconds - passes == pytest.approx(3 * (quick.measuring_seconds - passes))
    assert quick.measuring_seconds > passes


def test_the_work_of_a_cohort_ends_at_a_limit_of_steps_and_knows_its_records():
    base = {"data": SMALL, "optimizer": {"batch_size": 8}, "pretrain": {"epochs": 3}}
    base |= {"stop": {"max_epochs": 100, "max_steps": 22}}  # five steps make an epoch
    plan = expand(SweepSpec.parse(SPEC | {"base": base, "record": {"epochs": [1], "steps": [2]}}))
    (cohort,) = plan.new_manifests()
    (work,) = cohort_works([cohort], plan.record).values()
    assert work.limits == {"pretrain": 3, "train": 5}
    assert work.recorded == [0.4, 1, 3, 3.4, 4, 8]
