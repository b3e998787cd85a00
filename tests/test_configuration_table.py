"""One row per configuration: replicates, their statuses, mean and deviation of every outcome, the best one first."""

import numpy as np
import pandas as pd
import pytest

from benevolent.analysis.configuration_table import configuration_table, has_several_values, outcome_columns


@pytest.fixture
def runs() -> pd.DataFrame:
    """Two configurations; the better one lost a run."""
    rows = [
        (8, "sgd", "converged", 0.4, 0.10),
        (8, "sgd", "limit", 0.6, 0.30),
        (8, "sgd", "diverged", np.inf, 0.90),
        (4, None, "converged", 0.8, 0.25),
        (4, None, "to do", np.nan, np.nan),
    ]
    return pd.DataFrame(rows, columns=["width", "rule", "status", "test_loss", "test_error"])


def test_only_runs_that_did_not_diverge_are_averaged_and_all_are_counted(runs):
    table = configuration_table(runs, ["width", "rule"], ["test_loss", "test_error"])
    assert table["width"].tolist() == [8, 4] and table["rule"].isna().tolist() == [False, True]
    assert table["replicates"].tolist() == [3, 1]
    counts = table[["converged", "limit", "diverged", "failed", "to do"]]
    assert counts.to_numpy().tolist() == [[1, 1, 1, 0, 0], [1, 0, 0, 0, 1]]
    assert table["test_loss"].tolist() == pytest.approx([0.5, 0.8])
    assert table["test_error_sd"].iloc[0] == pytest.approx(np.std([0.1, 0.3], ddof=1))
    assert np.isnan(table["test_error_sd"].iloc[1])


def test_a_configuration_without_an_averaged_run_is_last(runs):
    failed = runs.assign(status=runs["status"].where(runs["width"] == 4, "failed"))
    table = configuration_table(failed, ["width"], ["test_loss"], fields=["rule"])
    assert table["width"].tolist() == [4, 8] and table["replicates"].tolist() == [1, 0]
    assert np.isnan(table["test_loss"].iloc[1]) and table["failed"].iloc[1] == 3


def test_a_table_of_a_stranger_needs_no_status(runs):
    table = configuration_table(runs.drop(columns="status").head(2), ["width"], ["test_loss"])
    assert list(table) == ["width", "replicates", "test_loss", "test_loss_sd"]


def test_outcomes_are_those_of_the_test_split_and_the_losses_beside_them():
    names = ["model.width", "path_length", "gap", "validation_loss", "test_error", "test_loss", "test_loss_variance"]
    runs = pd.DataFrame([[1.0] * len(names)], columns=names)
    assert outcome_columns(runs) == ["test_loss", "test_error", "gap", "validation_loss"]
    assert has_several_values(pd.Series([[1], [2]])) and not has_several_values(pd.Series([1.0, 1.0]))
