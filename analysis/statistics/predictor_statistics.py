"""Every statistic of many predictors on one table, with the work that predictors share done once."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.beyond_free import known_free
from benevolent.analysis.statistics.claims import Claims
from benevolent.analysis.statistics.complete_cases import CompleteCases, StatisticsSettings
from benevolent.analysis.statistics.configurations import numeric_column
from benevolent.analysis.statistics.free_columns import FreeColumns
from benevolent.analysis.statistics.noise_ceiling import (
    Ceiling,
    measurement_ceiling,
    measurement_variance,
    seed_ceiling,
)
from benevolent.analysis.statistics.sequential_permutation import PredictorTests
from benevolent.analysis.statistics.transfer import MINIMUM_LINEAGES


class PredictorStatistics:
    """The statistics of all predictors of one scope; predictors present in the same runs share `CompleteCases`.

    Args:
        table: one row per run; the target has no missing value.
        settings: see `StatisticsSettings`.
    """

    def __init__(self, table: pd.DataFrame, settings: StatisticsSettings):
        self.table = table
        self.settings = settings
        self._cases: dict[bytes, CompleteCases] = {}

    def cases(self, present: np.ndarray) -> CompleteCases:
        """Return the runs marked in the (n,) mask `present`."""
        key = present.tobytes()
        if key not in self._cases:
            self._cases[key] = CompleteCases(self.table[present], self.settings)
        return self._cases[key]

    def evaluate(self, predictors: Sequence[str]) -> list[tuple[dict[str, Any], PredictorTests | None]]:
        """Compute every statistic of the predictors; those that are present in the same runs together.

        Returns:
            For each predictor the statistics by name, without those that the data do not allow; and the permutation
            tests, None if there is nothing to test.
        """
        columns = {name: numeric_column(self.table, name, "predictor") for name in predictors}
        evaluated: dict[str, tuple[dict[str, Any], PredictorTests | None]] = {}
        together: dict[bytes, list[str]] = {}
        for name, values in columns.items():
            present = ~np.isnan(values)
            row, testable = self._described(name, values, present)
            evaluated[name] = (row, None)
            if testable:
                together.setdefault(present.tobytes(), []).append(name)
        for names in together.values():
            present = ~np.isnan(columns[names[0]])
            claims = Claims(self.cases(present), np.column_stack([columns[name][present] for name in names]))
            beyond = self._beyond_free(present, names, columns)
            for column, name in enumerate(names):
                row, _ = evaluated[name]
                evaluated[name] = (row | claims.estimates(column) | beyond[column], claims.tests(column))
        return [evaluated[name] for name in predictors]

    def _beyond_free(
        self, present: np.ndarray, names: Sequence[str], columns: Mapping[str, np.ndarray]
    ) -> list[dict[str, Any]]:
        """Return what predictors that are present in the same runs say beyond the columns that are free."""
        free = known_free(self.table, self.settings.target, self.settings.axes)
        given = {name: numeric_column(self.table, name, "column") for name in free}
        complete = present.copy()
        for values in given.values():
            complete &= ~np.isnan(values)
        if not free or not complete.any():
            return [{} for _ in names]
        known = {name: values[complete] for name, values in given.items()}
        values = np.column_stack([columns[name][complete] for name in names])
        rows = FreeColumns(self.cases(complete), known).estimates(names, values)
        text = ", ".join(free)
        return [row | {"free": text} for row in rows]

    def _described(self, predictor: str, values: np.ndarray, present: np.ndarray) -> tuple[dict[str, Any], bool]:
        """Return the statistics of one predictor that test nothing, and whether there is something to test."""
        row = _empty_row(present)
        if not present.any():
            return row | {"constant": predictor}, False
        cases = self.cases(present)
        row["configurations"] = len(cases.runs.sizes)
        row["lineages"] = len(cases.lineages)
        values = values[present]
        if np.unique(values).size < 2:
            return row | {"constant": predictor}, False
        if np.ptp(cases.outcome) == 0:
            return row | {"constant": self.settings.target}, False
        row["function_of_axes"] = cases.is_function_of_axes(values)
        ranks = cases.ranks(values)
        return row | cases.describe(ranks) | cases.mutual_information(ranks), True

    def ceilings(self, test_size: int | None, validation_size: int | None) -> list[Ceiling]:
        """Return the noise ceilings of these runs: of the seeds, and of the test set if its size is known.

        Args:
            test_size: number of test examples.
            validation_size: number of validation examples; see `measurement_variance`.
        """
        if self.table.empty:
            return []
        every_run = np.ones(len(self.table), dtype=bool)
        cases = self.cases(every_run)
        ceilings = [seed_ceiling(cases.runs, cases.outcome)]
        if test_size is not None:
            outcome = numeric_column(self.table, self.settings.target, "target")
            variance = measurement_variance(self.table, self.settings.target, test_size, validation_size)
            ceiling = measurement_ceiling(outcome, variance, self.settings.random_seed)
            ceilings.append(ceiling)
        return [ceiling for ceiling in ceilings if not np.isnan(ceiling.kendall_tau)]

    def evaluate_axes(self) -> dict[str, Any]:
        """Compute the statistics of the axes alone: their held-out predictions, described like a predictor."""
        present = np.ones(len(self.table), dtype=bool)
        row = _empty_row(present)
        if self.table.empty:
            return row
        cases = self.cases(present)
        row["configurations"] = len(cases.runs.sizes)
        row["lineages"] = len(cases.lineages)
        if np.ptp(cases.outcome) == 0:
            return row | {"constant": self.settings.target}
        if len(cases.lineages) < MINIMUM_LINEAGES:
            return row
        predicted = np.empty(len(self.table))
        predicted[cases.runs.order] = cases.baseline.predicted
        row["baseline_model"] = cases.baseline.name
        ranks = cases.ranks(predicted)
        row |= cases.describe(ranks) | cases.mutual_information(ranks)
        return row | {"baseline_r2": cases.baseline.r2}


def _empty_row(present: np.ndarray) -> dict[str, Any]:
    """Return the counts of a row before anything else is known."""
    runs = int(present.sum())
    return {
        "runs": runs,
        "missing": len(present) - runs,
        "configurations": 0,
        "lineages": 0,
        "within_freedom": 0,
        "constant": "",
        "function_of_axes": False,
    }
