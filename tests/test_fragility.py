"""Signs that change along an axis: found where they do, not claimed where they do not, with intervals that cover."""

import itertools

import numpy as np
import pandas as pd
import pytest

from benevolent.analysis.judging import Verdicts, judge
from benevolent.analysis.statistics.associations import associations
from benevolent.analysis.statistics.beyond_free import beyond_free
from benevolent.analysis.statistics.clustered_correlation import PartsOfUnits
from benevolent.analysis.statistics.compared_runs import ACROSS, WITHIN
from benevolent.analysis.statistics.fragility import fragility, reversal_p
from benevolent.analysis.statistics.transfer import cross_validated_gain
from benevolent.analysis.statistics.within_configuration import within_configuration

AXES = ["scale", "width"]


def replicated(seed: int = 0, replicates: int = 6) -> pd.DataFrame:
    """A grid of 12 configurations with independent replicates; `turns` has another sign for the largest scale."""
    random = np.random.default_rng(seed)
    rows = list(itertools.product([0.5, 1.0, 2.0], [8, 16, 32, 64], range(replicates)))
    table = pd.DataFrame(rows, columns=[*AXES, "replicate"])
    table["seed"] = range(len(table))
    luck = random.normal(size=len(table))
    table["loss"] = 3 * table["scale"] + luck
    table["steady"] = table["width"] + luck + random.normal(size=len(table))
    sign = np.where(table["scale"] == 2, -1, 1)
    table["turns"] = sign * luck + 0.5 * random.normal(size=len(table))
    table["noise"] = random.normal(size=len(table))
    table["of_axes"] = table["width"] / table["scale"]
    return table


def test_a_sign_that_changes_along_one_axis_is_found_there_and_nowhere_else():
    rows = fragility(replicated(), ["turns", "steady", "noise", "of_axes"], "loss", AXES)
    found = rows[rows["reverses"]]
    assert set(zip(found["predictor"], found["axis"], strict=True)) == {("turns", "scale")}
    by_value = found.set_index("value")
    assert by_value.loc["0.5", "low"] > 0.4 and by_value.loc["2", "high"] < -0.4
    assert rows.loc[rows["predictor"] == "of_axes", "association"].isna().all() and set(rows["kind"]) == {WITHIN}
    assert set(rows.loc[rows["axis"] == "scale", "units"]) == {24} and (rows["reversal_q"].dropna() <= 1).all()


def test_without_replicates_runs_of_different_configurations_are_compared():
    random = np.random.default_rng(1)
    table = pd.DataFrame({"lr": random.choice([0.1, 0.2], 200), "size": random.permutation(200)})
    table["loss"] = random.normal(size=200)
    table["turns"] = table["loss"].where(table["lr"] == 0.1, -table["loss"])
    rows = fragility(table, ["turns"], "loss", ["lr", "size"])
    assert set(rows["kind"]) == {ACROSS}
    assert rows.groupby("axis")["reverses"].first().to_dict() == {"lr": True, "size": False}
    assert rows.loc[rows["axis"] == "size", "value"].tolist() == ["0 to 49", "50 to 99", "100 to 149", "150 to 199"]


def test_too_few_units_have_no_interval_and_no_test():
    table = replicated(2).assign(seed=lambda rows: rows["replicate"])  # the six seeds are common to all configurations
    rows = fragility(table, ["turns"], "loss", AXES)
    assert (rows["units"] == 6).all() and rows["low"].isna().all() and not rows["reverses"].any()
    assert rows["association"].notna().all()


def test_the_test_of_signs_keeps_its_level():
    effects = np.random.default_rng(3).normal(size=(2000, 4))

    def found(shift: list[float]) -> float:
        return float(np.mean([reversal_p(row) <= 0.05 for row in effects + shift]))

    assert 0.04 < found([9, 0, 0, 0]) < 0.06  # one strong effect, no other: the worst case of the null
    assert found([0, 0, 0, 0]) < 0.02 and found([2, 2, 2, 2]) < 0.01
    assert found([4, 4, 4, -4]) > 0.9
    assert np.isnan(reversal_p(np.array([1.0, np.nan])))


@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_intervals_cover_also_where_runs_of_a_lineage_share_their_luck(shared):
    """600 tables of 6 lineages, each of a dense and a pruned configuration, with five replicates."""
    random = np.random.default_rng(4)
    shape = (600, 6, 2, 5)  # table, lineage, configuration, replicate
    common = random.normal(size=(2, 600, 6, 1, 5))
    own = random.normal(size=(2, *shape))
    x, y = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
    y = 0.3 * x + np.sqrt(1 - 0.09) * y
    x, y = (values - values.mean(axis=3, keepdims=True) for values in (x, y))
    index = np.indices(shape)
    units = (index[1] * 5 + index[3]).ravel()
    parts = PartsOfUnits(index[0].ravel(), units, np.full(x.size, 0.8))
    found = parts.correlations(x.ravel(), y.ravel(), confidence=0.95)
    inside = (found.low <= 0.3) & (found.high >= 0.3)
    assert set(found.units) == {30} and 0.92 <= inside.mean() <= 0.975


def test_associations_of_a_whole_table_are_those_of_one_part():
    table = replicated(5)
    rows = associations(table, ["steady", "noise", "of_axes"], "loss", AXES)
    assert rows.loc["steady", "low"] > 0.3 and rows.loc["noise", "p"] > 0.01
    assert np.isnan(rows.loc["of_axes", "association"])
    one_value = fragility(table.assign(axis="same"), ["steady"], "loss", ["axis", *AXES]).iloc[0]
    assert one_value["association"] == pytest.approx(rows.loc["steady", "association"])
    assert one_value["low"] == pytest.approx(rows.loc["steady", "low"])


def test_a_path_that_only_follows_the_loss_says_nothing_beyond_it():
    table = replicated(6, replicates=12)
    random = np.random.default_rng(7)
    n = len(table)
    table["train_loss"] = table["loss"] + 0.3 * random.normal(size=n)
    table["step"] = 7.0
    table["path"] = table["train_loss"] + 0.1 * random.normal(size=n)
    rows = beyond_free(table, ["path", "steady", "train_loss", "of_axes"], "loss", AXES)
    plain = associations(table, ["path", "train_loss"], "loss", AXES)["association"]
    assert plain["path"] > 0.7 and abs(rows.loc["path", "within_beyond_free"]) < 0.3
    assert rows.loc["path", "within_beyond_free_low"] < 0 < rows.loc["path", "within_beyond_free_high"]
    assert rows.loc["path", "gain_beyond_free"] < 0.01 < cross_validated_gain(table, "path", "loss", AXES).gain
    assert rows.loc["train_loss", "within_beyond_free"] == pytest.approx(plain["train_loss"])
    assert np.isnan(rows.loc["of_axes", "within_beyond_free"]) and abs(rows.loc["of_axes", "gain_beyond_free"]) < 0.01


def test_what_acts_beside_the_free_columns_is_still_there():
    table = replicated(9, replicates=12)
    random = np.random.default_rng(10)
    other = random.normal(size=len(table))
    table["train_loss"] = table["loss"] + 0.1 * random.normal(size=len(table))
    table["loss"] += other
    table["margin"] = other + 0.1 * random.normal(size=len(table))
    row = beyond_free(table, ["margin"], "loss", AXES, resamples=200).loc["margin"]
    assert row["within_beyond_free_low"] > 0.8 and row["gain_beyond_free_low"] > 0.05


def test_without_free_columns_both_claims_are_those_of_a_verdict():
    table = replicated(8)
    row = beyond_free(table, ["steady"], "loss", AXES, free=["absent"]).loc["steady"]
    assert row["within_beyond_free"] == pytest.approx(within_configuration(table, "steady", "loss", AXES).correlation)
    assert row["gain_beyond_free"] == pytest.approx(cross_validated_gain(table, "steady", "loss", AXES).gain)


def test_verdicts_have_both_claims_beyond_what_is_free():
    table = replicated(11)
    table["train_loss"] = table["loss"] + np.random.default_rng(12).normal(size=len(table))
    table["path"] = table["steady"].where(table["replicate"] > 0)  # some runs lack it
    judged = judge(table, "loss", AXES, ["path", "train_loss"], permutations=0, resamples=50)
    expected = beyond_free(table, ["path", "train_loss"], "loss", AXES, resamples=50)
    pd.testing.assert_frame_equal(judged.table[list(expected)], expected)
    assert judged["path"].free == "train_loss" and Verdicts.from_json(judged.to_json()) == judged
    without = judge(table.drop(columns="train_loss"), "loss", AXES, ["path"], permutations=0, resamples=0)["path"]
    assert without.free == "" and np.isnan(without.within_beyond_free)


def test_one_free_column_is_the_textbook_partial_correlation():
    random = np.random.default_rng(8)
    values = random.normal(size=(3, 40))
    table = pd.DataFrame(values.T, columns=["x", "y", "z"]).assign(axis=0)
    table["y"] += table["z"]
    table["x"] += table["z"]
    r = table[["x", "y", "z"]].corr(method="spearman").to_numpy()
    expected = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    found = beyond_free(table, ["x"], "y", ["axis"], free=["z", "absent"])
    assert found["within_beyond_free"].iloc[0] == pytest.approx(expected, abs=0.01)
