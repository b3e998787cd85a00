"""What is chosen on one table is tested on another."""

import itertools

import numpy as np
import pandas as pd
import pytest

from benevolent import transport
from benevolent.analysis.judging.transport_predictors import FIT
from benevolent.trainables.errors import BadInput

AXES = ["scale", "width"]


def grid(seed: int, sign: int = 1, noises: int = 3) -> pd.DataFrame:
    """A grid of 12 configurations with five replicates, on which `path` and `margin` go with the loss."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(itertools.product([0.5, 1.0, 2.0], [8, 16, 32, 64], range(5)), columns=[*AXES, "replicate"])
    n = len(table)
    table["seed"] = 1000 * seed + np.arange(n)
    table["run_id"] = [f"{seed}-{place}" for place in range(n)]
    one, two = random.normal(size=(2, n))
    table["test_loss"] = 5 * table["scale"] + one + two
    table["path"] = sign * one + 0.3 * random.normal(size=n)
    table["margin"] = two + 0.6 * random.normal(size=n)
    table["validation_loss"] = table["test_loss"] + 2 * random.normal(size=n)
    for place in range(noises):
        table[f"noise{place}"] = random.normal(size=n)
    return table


PREDICTORS = ["path", "margin", "noise0", "noise1"]


def test_what_holds_on_both_tables_is_confirmed():
    found = transport(grid(1), grid(2), "test_loss", AXES, PREDICTORS, resamples=100)
    assert found.chosen == "path" and found.confirmed and found.table.loc["path", "low"] > 0.2
    assert found.table.loc[FIT, "second"] > found.table.loc["path", "second"]  # which knows the margin, too
    assert "holds on the second" in found.sentence and found.rival == "validation_loss"
    assert found.comparison.first == pytest.approx(found.comparison.second + found.comparison.difference.value)


def test_what_turns_its_sign_is_not_confirmed_however_strong():
    found = transport(grid(1), grid(2, sign=-1), "test_loss", AXES, PREDICTORS, resamples=20)
    row = found.table.loc["path"]
    assert found.chosen == "path" and not found.confirmed and row["p"] > 0.99 and not row["same_sign"]
    assert "is not shown on the second" in found.sentence


def test_the_best_of_many_predictors_without_a_relation_is_confirmed_at_the_level_only():
    names = [f"noise{place}" for place in range(10)]
    drawn = [grid(seed, noises=10).drop(columns="validation_loss") for seed in range(40)]
    pairs = zip(drawn[::2], drawn[1::2], strict=True)
    found = [transport(first, second, "test_loss", AXES, names) for first, second in pairs]
    assert sum(one.confirmed for one in found) <= 4  # of 20 at 0.05; more has probability 0.003
    assert np.mean([one.table["first"].abs().iloc[0] for one in found]) > 0.2  # each was the strongest of ten


def test_predictors_are_by_default_those_of_both_tables_and_the_rival_may_be_chosen():
    first = grid(1).drop(columns=["path", "margin"])
    found = transport(first.assign(test_error=1.0), grid(2), "test_loss", AXES, resamples=20)
    assert set(found.table.index) == {"validation_loss", "noise0", "noise1", "noise2", FIT}
    assert found.chosen == "validation_loss" and found.comparison is None and not found.beats_rival


def test_rows_that_are_equal_by_chance_are_no_common_runs():
    """Another data set with the same seeds: what the initial weights have is equal, and errors have few values."""
    first = grid(1).drop(columns="run_id")
    second = grid(2).assign(seed=first["seed"], path=first["path"]).drop(columns="run_id")
    first = first.assign(test_loss=(first["test_loss"] - 5 * first["scale"]).round())
    second = second.assign(test_loss=(second["test_loss"] - 5 * second["scale"]).round())
    assert (first["test_loss"] == second["test_loss"]).sum() > 3
    assert transport(first, second, "test_loss", AXES, ["path"], resamples=20).chosen == "path"
    first = first.assign(path=first["width"]).drop(columns="seed")  # a function of the axes, and no seeds
    second = second.assign(path=second["width"]).drop(columns="seed")
    assert len(first.merge(second, on=["test_loss", "path", *AXES])) > 20
    with pytest.raises(BadInput, match="nothing can be chosen"):  # but no refusal for common rows
        transport(first, second, "test_loss", AXES, ["path"])
    with pytest.raises(BadInput, match="rows in common"):
        transport(first, first, "test_loss", AXES, ["path"])


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(BadInput, match="60 runs are in both tables"):
        transport(grid(1), grid(1), "test_loss", AXES)
    without_ids = grid(1).drop(columns="run_id")
    with pytest.raises(BadInput, match="have 60 rows in common, equal in scale, width, seed, test_loss and all predic"):
        transport(without_ids, without_ids, "test_loss", AXES)
    overlap = pd.concat([without_ids.tail(7), grid(2)], ignore_index=True).sample(frac=1, random_state=0)
    with pytest.raises(BadInput, match="the tables have 7 rows in common"):
        transport(without_ids, overlap, "test_loss", AXES)
    few_values = without_ids.assign(test_loss=without_ids["test_loss"].round())
    with pytest.raises(BadInput, match="the tables have 60 rows in common"):
        transport(few_values, few_values, "test_loss", AXES)
    with pytest.raises(BadInput, match="axes is empty"):
        transport(grid(1), grid(2), "test_loss")
    with pytest.raises(BadInput, match="no predictor is in both tables"):
        transport(grid(1)[["test_loss", *AXES]], grid(2), "test_loss", AXES)
    with pytest.raises(BadInput, match="nothing can be chosen"):
        transport(grid(1).assign(path=1.0), grid(2), "test_loss", AXES, ["path"])
