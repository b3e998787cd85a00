"""Replicates: which runs share their seeds, and which are trained when a sweep grows."""

import dataclasses
import io
import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from benevolent.orchestrator.estimates.plan_table import plan_table
from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep
from benevolent.orchestrator.plan.cohorts import ExistingRuns
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.plan.plan import Plan
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.config.identity_arrays import replicate_seeds
from benevolent.trainables.config.run import RunConfig

#: The network that others start or learn from.
NARROW = {"model": {"width": 8}, "optimizer": {"lr": 0.05}}


def plan_of(existing: ExistingRuns | None = None, **keys) -> Plan:
    spec = SweepSpec.parse({"name": "test", "base": NARROW, **keys})
    return expand(spec, existing)


def runs_of(**keys) -> pd.DataFrame:
    return plan_of(**keys).runs


def trained_anew(before: dict, after: dict) -> list[RunConfig]:
    """Return the runs that a sweep trains in a folder that holds an earlier one."""
    cohort_of_run = {}
    for cohort in plan_of(**before).new_manifests():
        cohort_of_run |= dict.fromkeys(cohort.run_ids, cohort.cohort_id)
    cohorts = plan_of(ExistingRuns(cohort_of_run), **after).new_manifests()
    return [config for cohort in cohorts for config in cohort.configs]


def test_seeds_are_philox_words_of_the_lineage_and_the_replicate():
    lineages = np.array([5, 2**64 - 3], np.uint64)
    found = replicate_seeds(lineages, [1, 200])
    for lineage, seeds in zip([5, 2**64 - 3], found.tolist(), strict=True):
        words = [np.random.Philox(key=lineage, counter=number - 1).random_raw() for number in (1, 200)]
        assert seeds == [int(word) >> 12 for word in words]
    assert found.max() < 2**52 and (found.astype(float) == found).all()
    assert json.loads(json.dumps(found.tolist())) == found.tolist()


def test_no_two_lineages_share_a_seed_and_all_runs_of_one_do():
    runs = runs_of(grid={"init.scale": [1, 2], "model.width": [8, 16], "prune.fraction": [0, 0.5, 0.8]}, seeds=5)
    by_lineage = runs.groupby(["lineage", "replicate"])["seed"]
    assert set(by_lineage.size()) == {3} and set(by_lineage.nunique()) == {1}
    assert runs["lineage"].nunique() == 4 and runs["seed"].nunique() == 4 * 5
    assert sorted(set(runs["replicate"])) == [0, 1, 2, 3, 4]


def test_a_run_of_the_plan_is_the_run_of_its_config_and_starts_from_its_own_dense_parent():
    plan = plan_of(grid={"prune.fraction": [0.5, 0.8], "init.scale": [1, 2]}, seeds=3)
    table = plan.runs.set_index("run_id")
    assert table["role"].value_counts().to_dict() == {"run": 12, "parent": 6}
    for cohort in plan.new_manifests():
        for config in cohort.configs:
            row = table.loc[config.run_id]
            assert (row["seed"], row["configuration"], row["lineage"]) == (
                config.seed,
                config.configuration,
                config.lineage,
            )
            if config.parent:
                assert row["parent"] == config.parent.run_id
                assert table.loc[row["parent"], "seed"] == row["seed"]


@pytest.mark.parametrize(
    ("seeds", "replicates"),
    [(2, [0, 1]), ({"count": 2}, [0, 1]), ({"count": 3, "first": 200}, [200, 201, 202])],
)
def test_replicates_are_numbered_from_the_first(seeds, replicates):
    runs = runs_of(seeds=seeds)
    assert list(runs["replicate"]) == replicates
    many = runs_of(seeds=300).set_index("replicate")["seed"]
    assert list(many[replicates]) == list(runs["seed"])


@pytest.mark.parametrize(
    ("seeds", "same"),
    [([4, 9], [4, 9]), ({"count": 2, "shared": True}, [0, 1]), ({"count": 2, "first": 7, "shared": True}, [7, 8])],
)
def test_shared_seeds_are_the_same_in_all_configurations(seeds, same):
    runs = runs_of(grid={"init.scale": [1, 2], "prune.fraction": [0, 0.5]}, seeds=seeds)
    assert list(runs["seed"]) == list(runs["replicate"]) == same * 4
    assert runs["lineage"].nunique() == 2


GROWN = [
    ({"prune.fraction": [0, 0.5, 0.8]}, {}, 2 * 3),
    ({"model.width": [8, 16, 32]}, {}, 2 * 3),
    ({}, {"seeds": 4}, 2 * 2),
    ({}, {"seeds": {"count": 5, "first": 1}}, 2 * 2 * 3),
    ({"init.scale": [1, 2]}, {}, 2 * 2 * 3),
]


@pytest.mark.parametrize(("axes", "keys", "new"), GROWN)
def test_a_value_that_joins_an_axis_trains_only_its_own_runs(axes, keys, new):
    grid = {"model.width": [8, 16], "prune.fraction": [0, 0.5]}
    before = {"grid": grid, "seeds": 3}
    after = before | {"grid": grid | axes} | keys
    assert len(trained_anew(before, after)) == new


def test_a_fraction_whose_dense_network_was_trained_starts_from_it():
    before = {"grid": {"model.width": [8, 16]}, "seeds": 3}
    after = {"grid": {"model.width": [8, 16], "prune.fraction": [0.5]}, "seeds": 3}
    dense = set(runs_of(**before)["run_id"])
    new = trained_anew(before, after)
    assert len(new) == 6 and {config.parent.run_id for config in new} == dense


#: Runs that start from, or learn from, the network of width 8.
SLOW = {"optimizer.lr": 0.001}
JOINING = {
    "init": SLOW | {"init.scheme": "run", "init.source": {"optimizer.lr": 0.05}},
    "labels": {"model.width": 32, "labels.source": {"model.width": 8}},
}


@pytest.mark.parametrize("by", JOINING)
def test_a_run_that_starts_or_learns_from_a_network_of_the_sweep_joins_its_lineage(by):
    listed = [{"model.width": 8}, {"model.width": 16}]
    before = {"list": listed, "seeds": 3}
    after = {"list": [*listed, JOINING[by]], "seeds": 3}
    new = trained_anew(before, after)
    assert len(new) == 3
    narrow = runs_of(**before).query("`model.width` == 8")
    relatives = [config.parent or config.teacher for config in new]
    assert {relative.run_id for relative in relatives} == set(narrow["run_id"])


#: Starts from the narrow network, and learns from a wide one: two roots.
TWO_ROOTS = SLOW | {
    "init.scheme": "run",
    "init.source": {"optimizer.lr": 0.05, "labels.source": None},
    "labels.source": {"optimizer.lr": 0.05, "model.width": 16, "init.scheme": "kaiming", "init.source": None},
}


def test_a_teacher_of_another_root_trains_for_both_and_the_plan_counts_it():
    plan = plan_of(list=[{"model.width": 8}, {"model.width": 16}, TWO_ROOTS], seeds=2)
    runs = plan.runs.set_index("run_id")
    assert runs["role"].value_counts().to_dict() == {"run": 6, "parent": 2}
    student = runs.query("teacher.notna()")
    narrow, wide = (runs.query("`model.width` == @width and role == 'run' and teacher.isna()") for width in (8, 16))
    again = runs.query("role == 'parent'")
    assert set(student["parent"]) == set(narrow.index) and set(student["teacher"]) == set(again.index)
    assert set(again["configuration"]) == set(wide["configuration"]) and not set(again["seed"]) & set(wide["seed"])
    assert set(again["seed"]) == set(student["seed"]) == set(narrow["seed"])
    assert set(again["lineage"]) == set(narrow["configuration"])
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(plan_table(dataclasses.replace(estimate_sweep(plan), name="x")))
    text = console.export_text()
    assert "+ 2 parent or teacher runs, 2 of them of these configurations" in text


def test_with_shared_seeds_a_teacher_of_another_root_trains_once():
    runs = runs_of(list=[{"model.width": 8}, {"model.width": 16}, TWO_ROOTS], seeds={"count": 2, "shared": True})
    assert len(runs) == 6 and set(runs["role"]) == {"run"}


def test_a_teacher_that_the_sweep_does_not_name_trains_only_for_those_that_need_it():
    runs = runs_of(list=[{"model.width": 8}, TWO_ROOTS], seeds=2)
    teachers = runs.query("role == 'parent'")
    assert len(runs) == 6 and set(teachers["seed"]) == set(runs.query("role == 'run'")["seed"])
