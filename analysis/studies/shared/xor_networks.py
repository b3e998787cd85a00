"""Trained detectors of the XOR problem as a table, for the study of Brutzkus and Globerson 2019."""

from typing import NamedTuple

import pandas as pd
import torch

from benevolent.analysis.multi_run.pattern_detectors import clustered_share, exact_errors, explored
from benevolent.analysis.multi_run.stored_tensors import stored_tensors
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.network_outputs import example_config
from benevolent.analysis.studies.shared.seed_means import SeedMean, seed_mean
from benevolent.analysis.studies.shared.tables import rows_with

#: Largest angle between a filter and a pattern that it is near to.
DEGREES = 15.0
WEIGHT = "0.weight"
#: Dimension of the task where a sweep leaves it out.
DEFAULT_DIMENSION = 10


class Detectors(NamedTuple):
    """Networks with what they explored, where their filters ended, and their exact errors.

    Attributes:
        table: one row per network: `seed`, `filters` (k), `train_size`, `test_size`, `fits` (no training example is
            wrong), `explored` (at its initialization), `share_at_start` and `share_at_end` (of the norms near a
            pattern), `hard_error`, `usual_error`, `perfect` (errs on no input), the recorded `test_error`, and the
            filters `(2 k, 2)` as arrays, `start_filters` and `filters_at_end`.
    """

    table: pd.DataFrame

    @classmethod
    def of(cls, results: Results) -> "Detectors":
        """Return the networks of a sweep."""
        runs = results.table()
        dimension = example_config(results).data.dimension or DEFAULT_DIMENSION
        ends = stored_tensors(results, WEIGHT)
        starts = stored_tensors(results, WEIGHT, step=0)
        parts = []
        for _, rows in runs.groupby("model.filters"):
            end = torch.stack([ends[run_id] for run_id in rows["run_id"]])
            start = torch.stack([starts[run_id] for run_id in rows["run_id"]])
            parts.append(pd.concat([_settings(rows), _filters(start, end, dimension, rows.index)], axis=1))
        return cls(pd.concat(parts, ignore_index=True))

    @property
    def fitted(self) -> pd.DataFrame:
        """The networks that fit every training example."""
        return self.table[self.table["fits"]]

    @property
    def smallest(self) -> "Detectors":
        """The networks with the fewest filters."""
        return Detectors(rows_with(self.table, "filters", self.table["filters"].min()))

    @property
    def largest(self) -> "Detectors":
        """The networks with the most filters."""
        return Detectors(rows_with(self.table, "filters", self.table["filters"].max()))


def _settings(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the settings of networks, and what was recorded of them."""
    train_size = (rows["data.subset"] * rows["data.train_size"]).round()
    table = rows[["seed"]].assign(filters=rows["model.filters"], train_size=train_size.astype(int))
    table["test_size"] = rows["data.test_size"]
    table["fits"] = rows["train_error"] == 0
    table["test_error"] = rows["test_error"]
    return table


def _filters(start: torch.Tensor, end: torch.Tensor, dimension: int, index: pd.Index) -> pd.DataFrame:
    """Return what the filters of K networks `(K, 2 k, 2)` say, at initialization and at the end."""
    hard = exact_errors(end, dimension, hard=True)
    usual = exact_errors(end, dimension)
    table = pd.DataFrame({"explored": explored(start).numpy()}, index=index)
    table["share_at_start"] = clustered_share(start, DEGREES).numpy()
    table["share_at_end"] = clustered_share(end, DEGREES).numpy()
    table["hard_error"] = hard.numpy()
    table["usual_error"] = usual.numpy()
    table["perfect"] = (hard + usual == 0).numpy()
    table["start_filters"] = list(start.numpy())
    table["filters_at_end"] = list(end.numpy())
    return table


def paired(first: pd.DataFrame, second: pd.DataFrame, column: str) -> tuple["pd.Series[float]", "pd.Series[float]"]:
    """Return a column of both tables, of the seeds and training set sizes that both have.

    >>> first = pd.DataFrame({"seed": [0, 1], "train_size": 9, "error": [0.5, 0.25]})
    >>> [list(column) for column in paired(first, first.iloc[:1].assign(error=0.25), "error")]
    [[0.5], [0.25]]
    """
    key = ["seed", "train_size"]
    of_first = first.set_index(key)[column].astype(float).dropna()
    of_second = second.set_index(key)[column].astype(float).dropna()
    both = of_first.index.intersection(of_second.index)
    return of_first[both], of_second[both]


def differences(first: pd.DataFrame, second: pd.DataFrame, column: str) -> "pd.Series[float]":
    """Return the differences of a column between networks of one seed and training set size that both tables have.

    >>> first = pd.DataFrame({"seed": [0, 1], "train_size": 9, "error": [0.5, 0.25]})
    >>> differences(first, first.iloc[:1].assign(error=0.25), "error").tolist()
    [0.25]
    """
    of_first, of_second = paired(first, second, column)
    return of_first - of_second


def mean_difference(first: pd.DataFrame, second: pd.DataFrame, column: str) -> SeedMean:
    """Return the mean over seeds of `differences`, each seed's averaged over training set sizes."""
    pairs = differences(first, second, column).rename("difference").reset_index()
    return seed_mean(pairs, "difference")
