"""Checks and records at steps within an epoch: they change nothing, and see what a run is at that step."""

import itertools

import pytest
import torch
from test_training import SMALL, dies_at_write, equal, run, same, same_tables

from benevolent.analysis import load_results
from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.training.cohort_training import CohortTraining

STEPS = (1, 2, 6, 9, 11)  # of 4 an epoch
NOISY = {"family": "mlp", "width": 16, "depth": 3, "dropout": 0.3}
KEPT = {"steps": list(STEPS), "epochs": [0, 1, 2, 3], "measure_at": "checkpoints"}
ADAM = {"name": "adam", "batch_size": 30, "lr": 0.01}
FAST = {"batch_size": 10, "lr": 0.1, "momentum": 0.9}


def configs(**sections) -> list[dict]:
    stop = {"train_loss": None, "max_epochs": 3}
    return [run(seed, model=NOISY, optimizer=ADAM, stop=stop, **sections) for seed in range(3)]


def test_records_within_an_epoch_change_nothing_else(cohort):
    """Not even where layers draw, where the optimizer counts its steps, and where examples are fresh."""
    for name, sections in (("digits", {}), ("fresh", {"data": SMALL | {"name": "staircase", "fresh": True}})):
        plain = cohort(f"plain {name}", configs(**sections), record={"epochs": [0, 1, 2, 3]}).train()
        cut = cohort(f"cut {name}", configs(**sections), record=KEPT).train()
        assert equal(plain.final(), cut.final())
        dynamics = [one.table("dynamics").query("epoch == [0, 1, 2, 3]").reset_index(drop=True) for one in (plain, cut)]
        assert dynamics[0].drop(columns=["value", "epoch"]).equals(dynamics[1].drop(columns=["value", "epoch"]))
        assert dynamics[0].value.tolist() == pytest.approx(dynamics[1].value.tolist(), rel=1e-9)
        whole = cut.table("outcomes").query("step % 4 == 0").reset_index(drop=True)
        assert plain.table("outcomes").equals(whole)


def test_a_run_at_a_step_is_the_run_that_ends_there(cohort):
    """By its limit of steps, which leaves it with the same parameters, outcomes and path."""
    cut = cohort("cut", configs(), record=KEPT).train()
    table = cut.table("dynamics")
    assert sorted(table.epoch.unique()) == [0, 0.25, 0.5, 1, 1.5, 2, 2.25, 2.75, 3]
    for step in STEPS:
        ends = [one | {"stop": one["stop"] | {"max_steps": step}} for one in configs()]
        ended = cohort(f"ended{step}", ends).train()
        there = cut.checkpoint(f"train-{step:08d}")
        for own, other in zip(ended.run_ids, cut.run_ids, strict=True):
            assert all(torch.equal(ended.final()[own][name], value) for name, value in there[other].items())
            for kind in ("dynamics", "outcomes"):
                left, right = _at(ended.table(kind), own, step), _at(cut.table(kind), other, step)
                assert left.name.tolist() == right.name.tolist() and len(left) > 5
                assert left.value.tolist() == pytest.approx(right.value.tolist(), rel=1e-6)


def _at(table, run_id: str, step: int):
    return table[(table.run_id == run_id) & (table.step == step)]


@pytest.mark.parametrize("pretrain", [0, 1])
def test_early_stopping_every_few_steps(cohort, tmp_path, pretrain):
    def one(name: str, record: dict):
        stop = {"train_loss": None, "max_epochs": 4, "check_every_steps": 3}
        data = SMALL | {"label_corruption": 0.4}
        sections = {"data": data, "optimizer": FAST, "stop": stop, "pretrain": {"epochs": pretrain}}
        return cohort(name, [run(seed, **sections) for seed in range(3)], record=record).train()

    truth = one("truth", {"steps": list(range(40))})
    found = one("found", {"epochs": [0], "early_stop": True})
    assert equal(truth.final(), found.final())
    outcomes, stops = truth.table("outcomes").query("phase == 'train'"), set()
    for run_id in truth.run_ids:
        losses = outcomes.query("run_id == @run_id and split == 'validation' and name == 'loss'")
        losses = {
            step: loss for step, loss in zip(losses.step, losses.value, strict=True) if step % 3 == 0 or step == 40
        }
        best = min(losses, key=lambda step: (losses[step], step))
        stops.add(best % 10 > 0)
        assert found.value(run_id, "early_stop_epoch") == best / 10
        assert found.value(run_id, "early_stop_loss") == pytest.approx(losses[best], rel=1e-12)
        for name in ("loss", "error"):
            rows = outcomes.query("run_id == @run_id and split == 'test' and name == @name and step == @best")
            assert found.value(run_id, f"early_stop_{name}", "test") == pytest.approx(rows.value.item(), rel=1e-12)
    assert True in stops


def stopping() -> list[dict]:
    """Runs that end at different steps, some of them within an epoch, one as it was before."""
    stops = [
        {"train_loss": 1.25, "max_epochs": 9},
        {"train_loss": 1.4, "max_epochs": 9},
        {"train_loss": None, "train_error": 0.45, "max_epochs": 9},
        {"train_loss": None, "max_epochs": 2},
        {"train_loss": 1.6, "max_epochs": 9, "snapshot_loss": 1.75},
    ]
    data = SMALL | {"label_corruption": 0.1}
    rest = {"model": NOISY | {"dropout": 0.1}, "optimizer": FAST, "data": data, "pretrain": {"epochs": 1}}
    return [run(seed, stop=stop | {"check_every_steps": 3}, **rest) for seed, stop in enumerate(stops)]


RECORD = {"steps": [4, 7, 15], "epochs": [0], "early_stop": True, "measure_at": "checkpoints"}


def test_runs_that_stop_within_an_epoch_are_the_same_alone_and_in_a_stack(cohort):
    together = cohort("together", stopping(), record=RECORD).train()
    runs = together.table("runs").set_index("run_id").loc[together.run_ids]
    assert runs.status.tolist() == ["converged"] * 3 + ["limit", "converged"]
    assert all(step % 3 == 0 for step in runs.step if step % 10) and sum(step % 10 > 0 for step in runs.step) >= 3
    assert (runs.epoch * 10).tolist() == pytest.approx(runs.step.tolist())
    for config, run_id in zip(together.configs, together.run_ids, strict=True):
        loss = together.value(run_id, "loss", "train")
        assert config.stop.train_loss is None or config.stop.snapshot_loss or loss <= config.stop.train_loss
        alone = cohort(f"alone{run_id}", [config.model_dump()], record=RECORD).train()
        assert equal(alone.final(), {run_id: together.final()[run_id]})
        for kind in ("runs", "dynamics", "outcomes"):
            whole = together.table(kind)
            own = whole[whole.run_id == run_id].reset_index(drop=True)
            assert own.astype(object).equals(alone.table(kind).astype(object)), kind


def test_a_target_is_met_at_the_first_check_that_sees_it(cohort):
    stop = {"train_loss": 1.5, "max_epochs": 9, "check_every_steps": 3}
    found = cohort("found", [run(optimizer=FAST, stop=stop)]).train()
    every = {"train_loss": None, "max_epochs": 4}
    truth = cohort("truth", [run(optimizer=FAST, stop=every)], record={"steps": list(range(41))}).train()
    losses = truth.table("outcomes").query("split == 'train' and name == 'loss'").set_index("step").value
    first = next(step for step in range(3, 41, 3) if losses[step] <= 1.5)
    row = found.table("runs").iloc[0]
    assert (row.step, row.epoch, row.status) == (first, first / 10, "converged") and first % 10
    assert found.value(found.run_ids[0], "epochs_to_target") == first / 10


def test_killed_at_any_write_it_ends_as_if_it_had_not_been(cohort, monkeypatch):
    """Also where it had recorded, and runs had left, since the epoch began."""
    monkeypatch.setattr(CohortTraining, "_steps_until", lambda *_: 3)  # every step is in test_training
    long, short = stopping()[0], stopping()[4]  # with targets that they meet soon
    long["stop"] |= {"train_loss": 1.6}
    short["stop"] |= {"train_loss": 1.7, "snapshot_loss": 1.8}
    runs, record = [long, short], RECORD | {"steps": [7]}
    whole = cohort("whole", runs, record=record).train()
    assert (whole.table("runs").step % 10 > 0).all()
    for at in itertools.count():
        broken = cohort(f"broken{at}", runs, record=record)
        died = dies_at_write(broken, monkeypatch, at, save_every_seconds=0)
        assert broken.start(save_every_seconds=0).advance(1e9).done
        same(whole, broken)
        if not died:
            break
    assert at > 10


def test_the_same_cohort_twice_gives_the_same_tables(cohort):
    first, second = (cohort(name, stopping(), record=RECORD).train() for name in "ab")
    same_tables(first, second)


def test_predictors_can_be_read_within_an_epoch(cohort, tmp_path):
    trained = cohort("c", configs(), record=KEPT).train()
    results = load_results(tmp_path)
    table, rows = results.table(at=0.25).set_index("run_id"), trained.table("dynamics").query("step == 1")
    for row in rows.to_dict("records"):
        assert table.loc[row["run_id"], row["name"]] == row["value"]
    with pytest.raises(BadInput, match=r"at = 0.3: recorded epochs are 0, 0.25, 0.5, 1, 1.5, 2, 2.25, 2.75"):
        results.table(at=0.3)


def test_a_record_of_more_steps_covers_one_of_less():
    some, more = RecordConfig(steps=[1, 5]), RecordConfig(steps=[1, 2, 5])
    assert more.covers(some, 9) and not some.covers(more, 9) and some.union(RecordConfig(steps=[2])) == more
    assert more.covers(RecordConfig(), 9) and not RecordConfig().covers(some, 9)
    spec = {"name": "s", "base": {"stop": {"max_epochs": 3}}}
    plain, asked = (
        expand(SweepSpec.parse(spec | {"record": record})).new_manifests()[0] for record in ({}, {"steps": [5, 1]})
    )
    assert plain.run_ids == asked.run_ids and plain.cohort_id != asked.cohort_id and asked.record == some


def test_checks_and_records_are_priced():
    def group(**keys):
        base = {"stop": {"max_epochs": 4} | keys.pop("stop", {})}
        spec = SweepSpec.parse({"name": "s", "base": base, **keys})
        return estimate_sweep(expand(spec)).groups[0]

    plain, often = group(), group(stop={"check_every_steps": 8})
    kept = group(record={"steps": [1, 2, 3]})
    assert often.flops == plain.flops * (3 + 4) / (3 + 1)  # 32 steps an epoch, looked at four times
    tables = kept.disk_bytes - kept.parameter_bytes
    assert tables == (plain.disk_bytes - plain.parameter_bytes) * (4 + 3) / 4  # epochs 0, 1, 2 and 4
    at_checkpoints = group(record={"measure_at": "checkpoints"})
    assert at_checkpoints.parameter_bytes == plain.parameter_bytes * (4 + 1) / 2  # and, once more, the end


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"base": {"stop": {"check_every": 2, "check_every_steps": 5}}}, "check_every counts epochs and"),
        ({"base": {"stop": {"check_every_steps": 0}}}, "check_every_steps = 0: expected a number >= 1"),
        ({"record": {"steps": [2, 2]}}, "record.steps = .2, 2.: expected a list of different steps >= 0"),
        ({"record": {"steps": "log"}}, "record.steps = 'log': expected a list of different steps >= 0"),
    ],
)
def test_checks_and_records_without_sense_are_refused(keys, line):
    with pytest.raises(BadInput, match=line):
        SweepSpec.parse({"name": "s", **keys})
