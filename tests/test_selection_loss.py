"""The outcome that is lost if networks are chosen by a predictor: against naive computation, and where it is known."""

import numpy as np
import pandas as pd
import pytest

from benevolent.analysis.statistics.selection_loss import BEST_ONE, BEST_TENTH, OTHER_DATA, SAME_RUNS, selection_loss


def made(seed: int = 0, lineages: int = 40, replicates: int = 5) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    rows = pd.DataFrame({"lineage": np.repeat(np.arange(lineages), replicates)})
    rows["width"] = rows["lineage"]
    rows["test_loss"] = random.normal(size=lineages)[rows["lineage"]] + random.normal(size=len(rows))
    rows["validation_loss"] = rows["test_loss"] + 0.3 * random.normal(size=len(rows))
    rows["noise"] = random.normal(size=len(rows))
    rows["itself"] = -rows["test_loss"]
    rows["coarse"] = rows["validation_loss"].round()
    return rows


def only(rows: pd.DataFrame, **values) -> pd.Series:
    for name, value in values.items():
        rows = rows[rows[name] == value]
    (row,) = rows.to_dict("records")
    return pd.Series(row)


def naive(table: pd.DataFrame, predictor: str, direction: int, count: int) -> float:
    """Mean outcome of a random choice among ties, by averaging over many orders of the ties."""
    outcomes = []
    for seed in range(400):
        shuffled = table.sample(frac=1, random_state=seed)
        ordered = shuffled.iloc[np.argsort(direction * shuffled[predictor].to_numpy(), kind="stable")]
        outcomes.append(ordered["test_loss"].head(count).mean())
    return float(np.mean(outcomes))


def test_losses_agree_with_a_naive_computation_also_where_networks_are_tied():
    table = made()
    rows = selection_loss(table, ["coarse", "validation_loss"], "test_loss", ["width"], resamples=0)
    best = np.sort(table["test_loss"])
    for choice, count in ((BEST_ONE, 1), (BEST_TENTH, 20)):
        row = only(rows, predictor="coarse", choice=choice)
        assert row["networks"] == count and row["direction"] == 1
        expected = naive(table, "coarse", 1, count)
        assert row["chosen"] == pytest.approx(expected, abs=0.05)
        assert row["lost_to_best"] == pytest.approx(row["chosen"] - best[:count].mean())
        assert row["lost_to_random"] == pytest.approx(row["chosen"] - best.mean())
        by_validation = table.nsmallest(count, "validation_loss")["test_loss"].mean()
        assert row["lost_to_reference"] == pytest.approx(row["chosen"] - by_validation)
    assert np.isnan(row["best_low"])


def test_nothing_is_lost_by_the_outcome_itself_and_nothing_gained_by_noise():
    table = made(1)
    rows = selection_loss(table, ["itself", "noise"], "test_loss", ["width"], resamples=200)
    perfect = only(rows, predictor="itself", choice=BEST_TENTH)
    assert perfect["direction"] == -1 and perfect["recovered"] == pytest.approx(1)
    assert perfect["lost_to_best"] == perfect["best_low"] == perfect["best_high"] == pytest.approx(0)
    assert perfect["reference_high"] < 0.01 and perfect["random_high"] < -0.5
    chance = only(rows, predictor="noise", choice=BEST_TENTH)
    assert chance["random_low"] < 0 < chance["random_high"] and chance["best_low"] > 0.5


def test_the_direction_on_a_data_set_may_come_from_the_others():
    table = made(2, lineages=60)
    table["data.name"] = np.where(table["lineage"] < 20, "a", np.where(table["lineage"] < 40, "b", "c"))
    table["turned"] = table["test_loss"].where(table["data.name"] != "c", -table["test_loss"])
    rows = selection_loss(table, ["turned"], "test_loss", ["width"], data_column="data.name", resamples=50)
    own = only(rows, data="c", direction_from=SAME_RUNS, choice=BEST_ONE)
    others = only(rows, data="c", direction_from=OTHER_DATA, choice=BEST_ONE)
    assert own["direction"] == -1 and own["lost_to_best"] == pytest.approx(0)
    assert others["direction"] == 1 and others["chosen"] == table.loc[table["data.name"] == "c", "test_loss"].max()
    assert others["lost_to_random"] > 0 and len(rows) == 12 and set(rows["lineages"]) == {20}


def test_intervals_resample_lineages_and_a_constant_is_a_random_choice():
    table = made(3).assign(constant=1.0)
    single = table.assign(lineage=range(len(table)))
    wide = selection_loss(table, ["validation_loss", "constant"], "test_loss", ["width"])
    narrow = selection_loss(single, ["validation_loss"], "test_loss", ["width"])
    own_width = wide["random_high"].iloc[1] - wide["random_low"].iloc[1]
    assert own_width > 1.2 * (narrow["random_high"].iloc[1] - narrow["random_low"].iloc[1])
    constant = only(wide, predictor="constant", choice=BEST_ONE)
    assert constant["direction"] == 0 and constant["lost_to_random"] == constant["recovered"] == 0


def test_runs_without_the_predictor_are_not_chosen_and_the_reference_may_be_absent():
    table = made(4).drop(columns="validation_loss")
    table["partly"] = table["test_loss"].where(table["width"] > 10)
    row = selection_loss(table, ["partly"], "test_loss", ["width"]).iloc[0]
    assert row["runs"] == 145 and row["chosen"] == table.loc[table["width"] > 10, "test_loss"].min()
    assert np.isnan(row["lost_to_reference"]) and np.isnan(row["reference_low"])
