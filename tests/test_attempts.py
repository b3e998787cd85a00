"""Attempts: what the worker of an earlier attempt writes, when it was only cut off, is never read."""

import itertools

import pandas as pd
import pytest
import torch
from test_training import killable, run, same

from benevolent.analysis import load_results
from benevolent.trainables.store import attempts, paths
from benevolent.trainables.store.attempts import Superseded
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.training.cohort_training import CohortTraining


@pytest.fixture(params=[True, False])
def creates_once(request, monkeypatch) -> bool:
    """A store that can refuse to create a file twice, and one that cannot."""
    monkeypatch.setattr(Folder, "creates_once", request.param)
    return request.param


@pytest.fixture
def three_steps(monkeypatch) -> None:
    """Every call of `advance(0)` makes at most three steps."""
    monkeypatch.setattr(CohortTraining, "_steps_until", lambda *_: 3)


def test_a_worker_that_was_cut_off_writes_nothing_that_is_read(cohort, creates_once, three_steps, monkeypatch):
    whole = killable(cohort, "whole").train()
    cut_off_for = (1, 2, 5)
    for steps, turns in itertools.product((2, 4), cut_off_for):
        broken = killable(cohort, f"broken{steps}-{turns}")
        first = broken.start(save_every_seconds=0)
        for _ in range(steps):
            first.advance(0)
        second = broken.start(save_every_seconds=0)
        with monkeypatch.context() as patch:  # it writes after the last look at what is the latest attempt
            patch.setattr(CohortFiles, "check_latest", lambda files: None)
            while True:
                for _ in range(turns):
                    first.advance(0)
                if second.advance(0).done:
                    break
                for file in broken.files.parameter_files():
                    assert second.files.attempt.counts(file)
        same(whole, broken)
        assert load_results(broken.results).cohorts.ended[-1] == set(broken.run_ids)


def test_an_attempt_that_is_not_the_latest_stops_before_it_writes(cohort, creates_once, three_steps):
    trained = cohort("c", [run()])
    first = trained.start(save_every_seconds=0)
    second = trained.start(save_every_seconds=0)
    before = sorted(trained.files.folder.names("dynamics"))
    with pytest.raises(Superseded, match="another attempt has begun"):
        first.advance(1e9)
    assert before == sorted(trained.files.folder.names("dynamics"))
    assert second.advance(1e9).done


def test_of_two_attempts_that_begin_at_once_one_goes_on(cohort, creates_once, monkeypatch):
    files = [cohort("c", [run()]).files for _ in range(2)]
    begun = [attempts.next_attempt(each.folder, each.attempt, ()) for each in files]
    attempts.begin(files[0].folder, begun[0])
    if creates_once:
        with pytest.raises(Superseded):
            attempts.begin(files[1].folder, begun[1])
        attempts.check_latest(files[0].folder, begun[0])
        return
    monkeypatch.setattr(Folder, "exists", lambda *_: False)  # it looked before the other had written
    attempts.begin(files[1].folder, begun[1])
    with pytest.raises(Superseded):
        attempts.check_latest(files[0].folder, begun[0])
    assert begun[0].name != begun[1].name


def test_files_of_a_version_without_attempts_are_gone_on_from(cohort, three_steps):
    whole, old = killable(cohort, "whole").train(), killable(cohort, "old")
    training = old.start(save_every_seconds=0)
    for _ in range(5):
        training.advance(0)
    old.files.folder.delete(f"{paths.ATTEMPTS}/00001.json")
    assert old.files.attempt.number == 1
    old.train()
    same(whole, old)
    assert old.files.attempt.number == 2 and any("_2" not in name for name in old.files.names("dynamics"))


def test_the_failure_of_an_earlier_attempt_is_not_shown(cohort):
    trained = cohort("c", [run()])
    first = trained.start(save_every_seconds=0)
    trained.start(save_every_seconds=0)
    first.files.folder.write_json(first.files.failure_path, {"traceback": "RuntimeError: late"})
    assert trained.files.why_failed is None and load_results(trained.results).runs["status"].tolist() == ["to do"]


def test_networks_are_read_from_the_latest_attempt(cohort, three_steps):
    trained = killable(cohort, "c")
    trained.start(save_every_seconds=0).advance(0)
    trained.train()
    results = load_results(trained.results)
    run_id = trained.run_ids[1]
    places = [paths.checkpoint_place(name) for name in trained.files.names("checkpoints")]
    step = max(step for phase, step in places if phase == "train")
    kept = trained.checkpoint(f"train-{step:08d}")[run_id]
    for name, value in results.network(run_id, step).state_dict().items():
        assert torch.equal(value, kept[name])
    assert isinstance(results.table(), pd.DataFrame)
