"""Every statistic of many predictors on one table, with the work that predictors share done once."""

from typing import Any

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.axes_baseline import MINIMUM_CONFIGURATIONS
from benevolent.analysis.statistics.complete_cases import CompleteCases, StatisticsSettings
from benevolent.analysis.statistics.configurations import numeric_column
from benevolent.analysis.statistics.noise_ceiling import (
    Ceiling,
    measurement_ceiling,
    measurement_variance,
    seed_ceiling,
)
from benevolent.analysis.statistics.sequential_permutation import PermutationTests


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

    def evaluate(self, predictor: str) -> tuple[dict[str, Any], PermutationTests | None]:
        """Compute every statistic of one predictor.

        Returns:
            The statistics by name, without those that the data do not allow; and the permutation tests, None if there
            is nothing to test.
        """
        values = numeric_column(self.table, predictor, "predictor")
        present = ~np.isnan(values)
        row = _empty_row(present)
        if not present.any():
            return row | {"constant": predictor}, None
        cases = self.cases(present)
        row["configurations"] = len(cases.runs.sizes)
        values = values[present]
        if np.unique(values).size < 2:
            return row | {"constant": predictor}, None
        if np.ptp(cases.outcome) == 0:
            return row | {"constant": self.settings.target}, None
        if row["configurations"] < MINIMUM_CONFIGURATIONS:
            return row, None
        row["function_of_axes"] = cases.is_function_of_axes(values)
        estimates, tests = cases.estimate(values)
        row |= cases.describe(values) | cases.mutual_information(values)
        return row | estimates, tests

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
        if row["configurations"] < MINIMUM_CONFIGURATIONS:
            return row
        if np.ptp(cases.outcome) == 0:
            return row
        predicted = np.empty(len(self.table))
        predicted[cases.runs.order] = cases.baseline.predicted
        row["interactions"] = cases.baseline.interactions
        row |= cases.describe(predicted) | cases.mutual_information(predicted)
        return row | {"baseline_r2": cases.baseline.r2}


def _empty_row(present: np.ndarray) -> dict[str, Any]:
    """Return the counts of a row before anything else is known."""
    runs = int(present.sum())
    return {
        "runs": runs,
        "missing": len(present) - runs,
        "configurations": 0,
        "within_freedom": 0,
        "constant": "",
        "function_of_axes": False,
    }
