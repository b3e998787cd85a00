"""What is kept of a run besides its end: where early stopping would have stopped, the snapshot nearest to a loss."""

import itertools

import pytest
import torch
from test_training import SMALL, dies_at_write, equal, run, same

from benevolent.analysis import load_results
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.training.cohort_training import CohortTraining

EVERY = {"epochs": list(range(40)), "measure_at": "checkpoints"}
NOISY = SMALL | {"label_corruption": 0.4}
FAST = {"batch_size": 10, "lr": 0.1, "momentum": 0.9}


def curve(trained, run_id: str, split: str, name: str = "loss", phase: str = "train") -> dict[int, float]:
    """An outcome by epoch, from a run that recorded every epoch."""
    table = trained.table("outcomes").query("run_id == @run_id and split == @split and name == @name")
    steps = trained.table("dynamics").query("run_id == @run_id and phase == @phase")
    epochs = dict(zip(steps.step, steps.epoch, strict=True))
    rows = table[table.phase == phase]
    return {int(epochs[step]): value for step, value in zip(rows.step, rows.value, strict=True)}


# ---- early stopping


@pytest.mark.parametrize("pretrain", [0, 2])
@pytest.mark.parametrize("every", [1, 3])
def test_the_lowest_validation_loss_and_the_test_outcomes_of_that_epoch(cohort, every, pretrain):
    def one(name: str, record: dict):
        stop = {"train_loss": None, "max_epochs": 14, "check_every": every}
        settings = {"data": NOISY, "optimizer": FAST, "stop": stop, "pretrain": {"epochs": pretrain}}
        return cohort(name, [run(seed, **settings) for seed in range(3)], record=record).train()

    truth, found = one("truth", EVERY), one("found", {"epochs": [0], "early_stop": True})
    assert equal(truth.final(), found.final())
    stops = set()
    for run_id in truth.run_ids:
        looked = {e: v for e, v in curve(truth, run_id, "validation").items() if e % every == 0 or e == 14}
        epoch = min(looked, key=lambda e: (looked[e], e))
        stops.add(epoch)
        assert found.value(run_id, "early_stop_epoch") == epoch
        assert found.value(run_id, "early_stop_loss") == pytest.approx(looked[epoch], rel=1e-12)
        for name in ("loss", "error"):
            expected = curve(truth, run_id, "test", name)[epoch]
            assert found.value(run_id, f"early_stop_{name}", "test") == pytest.approx(expected, rel=1e-12)
    assert stops != {14}
    assert not truth.table("outcomes").name.str.startswith("early").any()


def test_what_early_stopping_says_does_not_depend_on_the_company_and_is_in_the_table_of_runs(cohort, tmp_path):
    stops = [{"train_loss": loss, "max_epochs": most} for loss, most in ((None, 9), (0.5, 20), (None, 4))]
    configs = [run(seed, optimizer=FAST, stop=stop) for seed, stop in enumerate(stops)]
    together = cohort("all", configs, record={"early_stop": True}).train()
    table = load_results(tmp_path).table().set_index("run_id")
    assert {"early_stop_epoch", "early_stop_loss", "test_early_stop_loss", "test_early_stop_error"} <= {*table}
    for position, config in enumerate(configs):
        alone = cohort(f"alone{position}", [config], record={"early_stop": True}).train()
        for name, split in (("early_stop_loss", None), ("early_stop_epoch", None), ("early_stop_error", "test")):
            values = [trained.value(alone.run_ids[0], name, split) for trained in (alone, together)]
            assert values[0] == values[1] >= 0


def test_a_run_that_has_it_is_done_for_those_who_do_not_ask_and_not_the_other_way_round():
    plain, early = RecordConfig(), RecordConfig(early_stop=True)
    assert early.covers(plain, 9) and not plain.covers(early, 9) and plain.union(early) == early
    spec = {"name": "s", "base": {"stop": {"max_epochs": 3}}}
    before, after = (
        expand(SweepSpec.parse(spec | {"record": {"early_stop": flag}})).new_manifests()[0] for flag in (False, True)
    )
    assert before.run_ids == after.run_ids and before.cohort_id != after.cohort_id and after.record.early_stop


def test_early_stopping_without_validation_data_is_refused_at_planning():
    spec = {"name": "s", "base": {"data": {"validation_size": 0}}, "record": {"early_stop": True}}
    with pytest.raises(BadInput, match="record.early_stop: needs a validation split, and data.validation_size is 0"):
        expand(SweepSpec.parse(spec)).new_manifests()


# ---- the snapshot nearest to a loss


def snapped(cohort, name: str, record: dict | None = None, losses=(1.3, 1.6, None), **stop):
    stops = [{"train_loss": None, "max_epochs": 13, "snapshot_loss": loss} | stop for loss in losses]
    configs = [run(seed, optimizer=FAST, stop=one, pretrain={"epochs": 2}) for seed, one in enumerate(stops)]
    return cohort(name, configs, record=record)


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("record", [{"epochs": [0]}, EVERY, {"early_stop": True}])
def test_a_run_ends_as_it_was_nearest_to_the_loss_asked_for(cohort, tmp_path, every, record):
    truth = snapped(cohort, "truth", EVERY, losses=(None,) * 3, check_every=every).train()
    found = snapped(cohort, "found", record, check_every=every).train()
    runs = found.table("runs").set_index("run_id")
    results, ends = load_results(tmp_path).table().set_index("run_id"), set()
    for plain, config in zip(truth.run_ids, found.configs, strict=True):
        run_id, target = config.run_id, config.stop.snapshot_loss
        losses = curve(truth, plain, "train")
        checks = [epoch for epoch in losses if epoch and (epoch % every == 0 or epoch == 13)]
        epoch = 13 if target is None else min(checks, key=lambda e: (abs(losses[e] - target), e))
        ends.add(epoch)
        assert tuple(runs.loc[run_id, ["phase", "epoch", "step", "status"]]) == ("train", epoch, 10 * epoch, "limit")
        there = truth.checkpoint(f"train-{10 * epoch:08d}")[plain]
        assert all(torch.equal(found.final()[run_id][name], value) for name, value in there.items())
        assert results.loc[run_id, "train_loss"] == pytest.approx(losses[epoch], rel=1e-12)
        for name in ("loss", "error"):
            expected = curve(truth, plain, "test", name)[epoch]
            assert results.loc[run_id, f"test_{name}"] == pytest.approx(expected, rel=1e-12)
        path = truth.table("dynamics").query("run_id == @plain and phase == 'train' and epoch == @epoch")
        for name, value in path.set_index("name").value.items():
            assert results.loc[run_id, name] == pytest.approx(value, rel=1e-12)
    assert len(ends) == 3
    keys = ["run_id", "phase", "step", "split", "name"]
    assert not found.table("outcomes").duplicated(keys).any()


def test_a_snapshot_of_a_run_that_meets_its_target_has_converged(cohort):
    trained = snapped(cohort, "c", losses=(1.6,), train_loss=1.0, max_epochs=50).train()
    (row,) = trained.table("runs").to_dict("records")
    assert row["status"] == "converged" and row["epoch"] < trained.value(row["run_id"], "epochs_to_target")


def test_a_run_that_diverges_has_no_snapshot(cohort):
    wild = run(
        optimizer={"batch_size": 30, "lr": 1e12}, stop={"train_loss": None, "max_epochs": 9, "snapshot_loss": 1.0}
    )
    assert cohort("c", [wild]).train().table("runs").status.tolist() == ["diverged"]


def test_a_network_pruned_from_a_snapshot_starts_from_it(cohort):
    base = run(optimizer=FAST, stop={"train_loss": None, "max_epochs": 9, "snapshot_loss": 1.0})
    parent = cohort("parent", [base]).train()
    child = cohort("child", [base | {"prune": {"fraction": 0.5, "rewind": "none"}}], ("parent",)).train()
    (dense,), (start,) = parent.final().values(), child.checkpoint("prune1-00000000").values()
    assert all(torch.equal(value, dense[name] * (value != 0)) for name, value in start.items())


# ---- killed anywhere


def test_killed_at_any_write_both_are_as_if_it_had_not_been(cohort, monkeypatch):
    def one(name: str):
        record = {"epochs": [0, 2], "early_stop": True}
        stops = [{"train_loss": None, "max_epochs": most, "snapshot_loss": 1.3} for most in (3, 5)]
        return cohort(
            name, [run(0, optimizer=FAST, stop=stop, pretrain={"epochs": 1}) for stop in stops], record=record
        )

    monkeypatch.setattr(CohortTraining, "_steps_until", lambda *_: 5)  # every step is in test_training
    whole = one("whole").train()
    assert (whole.table("runs").epoch < [5, 3]).any()
    for at in itertools.count():
        broken = one(f"broken{at}")
        died = dies_at_write(broken, monkeypatch, at, save_every_seconds=0)
        assert broken.start(save_every_seconds=0).advance(1e9).done
        same(whole, broken)
        if not died:
            break
    assert at > 5
