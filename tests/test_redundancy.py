"""Predictors that say the same, and what one of each kind reaches together."""

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from benevolent.analysis.statistics.grouped_ridge import PENALTIES, held_out_predictions
from benevolent.analysis.statistics.joint_prediction import joint_prediction
from benevolent.analysis.statistics.redundancy import redundancy

AXES = ["scale", "width"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    random = np.random.default_rng(0)
    rows = pd.DataFrame(itertools.product(range(5), range(6), range(5)), columns=[*AXES, "replicate"])
    n = len(rows)
    rows["lineage"] = rows["scale"] * 6 + rows["width"]
    cause = random.normal(size=n)
    other = random.normal(size=n)
    rows["norm"] = rows["width"] + cause
    rows["norm_squared"] = np.exp(0.1 * rows["norm"])  # the same order
    rows["negative"] = -cause + 0.3 * random.normal(size=n)
    rows["margin"] = rows["scale"] + other
    rows["of_axes"] = rows["scale"] * rows["width"]
    rows["loss"] = rows["scale"] + 2 * rows["width"] + 2 * cause + 2 * other
    return rows


def test_predictors_that_order_replicates_alike_are_one_cluster(table):
    clusters = redundancy(table, ["margin", "norm", "negative", "norm_squared", "of_axes"], AXES)
    assert [set(cluster.members) for cluster in clusters] == [{"norm", "negative", "norm_squared"}, {"margin"}]
    first = clusters[0]
    assert first.representative == first.members[0] and first.correlations[:2] == pytest.approx((1, 1), abs=0.1)
    assert first.members[2] == "negative" and first.correlations[2] < -0.8


def test_clusters_do_not_depend_on_the_order_of_predictors_or_runs(table):
    names = ["norm", "negative", "norm_squared", "margin"]
    plain = {frozenset(cluster.members) for cluster in redundancy(table, names, AXES)}
    turned = redundancy(table.sample(frac=1, random_state=1), names[::-1], AXES)
    assert {frozenset(cluster.members) for cluster in turned} == plain


def test_a_predictor_that_some_runs_lack_is_compared_where_it_is_there(table):
    lacking = table.assign(rare=table["norm"].where(table["replicate"] != 0))
    (cluster,) = redundancy(lacking, ["rare", "norm"], AXES)
    assert cluster.representative == "norm" and cluster.correlations[1] > 0.9
    assert redundancy(table, ["of_axes"], AXES) == []


def test_joint_prediction_finds_what_is_there_and_no_more(table):
    reached = joint_prediction(table, ["norm", "margin"], "loss", AXES)
    assert reached.both_r2 > 0.9 > 0.7 > reached.axes_r2 > 0.3 and reached.gain_low > 0.1
    assert reached.predictors_r2 < reached.both_r2 and (reached.runs, reached.lineages) == (150, 30)
    random = np.random.default_rng(1)
    noise = table.assign(**{f"noise{i}": random.normal(size=len(table)) for i in range(5)})
    nothing = joint_prediction(noise, [f"noise{i}" for i in range(5)], "loss", AXES)
    assert nothing.gain < 0.02 and nothing.gain_low < 0 and nothing.predictors_r2 < 0.05
    assert np.isnan(joint_prediction(table[table["lineage"] < 7], ["norm"], "loss", AXES).both_r2)


def test_the_ridge_is_that_of_scikit_learn_with_the_penalty_chosen_inside():
    random = np.random.default_rng(2)
    columns = random.normal(size=(80, 6))
    columns = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    outcome = columns @ random.normal(size=6) + 3 * random.normal(size=80)
    fold = np.arange(80) % 4
    expected = np.empty(80)
    for held_out in range(4):
        errors = []
        inner = [number for number in range(4) if number != held_out]
        for penalty in PENALTIES:
            squares = 0.0
            for left in inner:
                train = np.isin(fold, [number for number in inner if number != left])
                ridge = Ridge(penalty * train.sum()).fit(columns[train], outcome[train])
                squares += ((outcome[fold == left] - ridge.predict(columns[fold == left])) ** 2).sum()
            errors.append(squares)
        train = fold != held_out
        ridge = Ridge(PENALTIES[np.argmin(errors)] * train.sum()).fit(columns[train], outcome[train])
        expected[fold == held_out] = ridge.predict(columns[fold == held_out])
    assert held_out_predictions(columns, outcome, fold) == pytest.approx(expected)
