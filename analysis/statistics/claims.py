"""Estimates of both claims about several predictors of the same runs, and their permutations."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benevolent.analysis.statistics.complete_cases import CompleteCases
from benevolent.analysis.statistics.resampling import percentile_interval
from benevolent.analysis.statistics.sequential_permutation import PredictorTests
from benevolent.analysis.statistics.sign_flips import sign_flips
from benevolent.analysis.statistics.transfer import MINIMUM_LINEAGES, TransferProducts
from benevolent.analysis.thresholds import EQUIVALENCE_CONFIDENCE

LARGEST_BLOCK = 1000
BLOCK_ELEMENTS = 20_000_000  # numbers of a block of permutations that are held in memory


class Claims:
    """Both claims about p predictors that are present in the same n runs.

    Args:
        cases: the runs.
        values: (n, p) predictors in the order of the table.

    Attributes:
        block: permutations that are drawn at a time.
    """

    def __init__(self, cases: CompleteCases, values: np.ndarray):
        self.cases = cases
        ordered = values[cases.runs.order]
        self._scores = cases.within_scores(ordered)
        self._correlations = cases.within.correlations(self._scores)
        self._transfer = None
        if len(cases.lineages) >= MINIMUM_LINEAGES:
            self._transfer = TransferProducts(cases.baseline, ordered)
        self.block = max(1, min(LARGEST_BLOCK, BLOCK_ELEMENTS // len(ordered)))

    def estimates(self, column: int) -> dict[str, Any]:
        """Return the estimates of one predictor with their intervals, and what their tests rest on."""
        within = self.cases.within
        row: dict[str, Any] = {
            "lineages": len(self.cases.lineages),
            "within": float(self._correlations[column]),
            "within_freedom": within.degrees_of_freedom,
            "within_seeds": within.seeds,
            "arrangements": within.arrangements / np.log(10),
            "unexchanged": within.left_out,
            "shared_seeds": self.cases.lineages.shared_seeds,
        }
        row |= self._within_intervals(column)
        if self._transfer is not None:
            row["baseline_r2"] = self.cases.baseline.r2
            row["baseline_model"] = self.cases.baseline.name
            row["gain_r2"] = float(self._transfer.gains[column])
            row["own_share"] = float(self._transfer.own_share[column])
            row |= self._gain_intervals(column)
        return row

    def tests(self, column: int) -> PredictorTests:
        """Return the permutation tests of one predictor, nothing drawn yet."""
        gain = np.nan if self._transfer is None else float(self._transfer.gains[column])
        return PredictorTests(
            self,
            column,
            gain,
            beyond=not np.isnan(self._correlations[column]),
            transfers=self._transfer is not None,
            shared_seeds=self.cases.lineages.shared_seeds,
        )

    def count_exceedances(self, start: int, size: int, columns: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Count exceedances among permutations `start` to `start + size - 1`: beyond, and transfers, per column."""
        chosen = np.asarray(columns)
        beyond = np.zeros(len(chosen), dtype=int)
        transfers = np.zeros(len(chosen), dtype=int)
        within = self.cases.within
        if within.degrees_of_freedom > 0:
            rearrangements = within.rearrangements(size, self.cases.rng("permute/within", start))
            beyond = within.count_exceedances(self._scores[:, chosen], rearrangements)
        if self._transfer is not None:
            signs = sign_flips(len(self.cases.lineages), size, self.cases.rng("permute/lineages", start))
            transfers = self._transfer.count_exceedances(signs, chosen)
        return beyond, transfers

    def _within_intervals(self, column: int) -> dict[str, float]:
        correlation = float(self._correlations[column])
        settings = self.cases.settings
        if np.isnan(correlation) or not len(self.cases.lineage_counts):
            return {}
        products = self.cases.within.products(self._scores[:, column])
        resampled = self.cases.lineage_counts @ self.cases.lineages.sums(products)
        xy, xx, yy = resampled.T
        with np.errstate(invalid="ignore", divide="ignore"):
            correlations = xy / np.sqrt(xx * yy)
        low, high = percentile_interval(correlations, correlation, settings.confidence)
        row = {"within_low": low, "within_high": high}
        if not self.cases.lineages.shared_seeds:  # else no resample varies what the seeds share
            ends = percentile_interval(correlations, correlation, EQUIVALENCE_CONFIDENCE)
            row["within_bound"] = float(np.abs(ends).max())
        return row

    def _gain_intervals(self, column: int) -> dict[str, float]:
        settings = self.cases.settings
        if self._transfer is None or not len(self.cases.lineage_counts):
            return {}
        gain = float(self._transfer.gains[column])
        gains = self._transfer.resampled_gains(self.cases.lineage_counts, column)
        low, high = percentile_interval(gains, gain, settings.confidence)
        row = {"gain_low": low, "gain_high": high}
        if not self.cases.lineages.shared_seeds:
            shares = self._transfer.resampled_shares(self.cases.lineage_counts, column)
            ends = np.quantile(shares, [(1 - EQUIVALENCE_CONFIDENCE) / 2, (1 + EQUIVALENCE_CONFIDENCE) / 2])
            row["gain_bound"] = float(np.abs(ends).max() ** 2)
        return row
