"""Free columns of some runs, and what they leave of an outcome and its predictors."""

from collections.abc import Mapping, Sequence

import numpy as np

from benevolent.analysis.statistics.complete_cases import CompleteCases
from benevolent.analysis.statistics.resampling import percentile_interval
from benevolent.analysis.statistics.transfer import MINIMUM_LINEAGES, fitted_ranks

NOTHING_LEFT = 1e-9  # share of the squares below which the free columns determine a score
#: Names of the estimates.
COLUMNS = (
    "within_beyond_free",
    "within_beyond_free_low",
    "within_beyond_free_high",
    "gain_beyond_free",
    "gain_beyond_free_low",
    "gain_beyond_free_high",
)


class FreeColumns:
    """Free columns of some runs, and what they leave of the outcome.

    Args:
        cases: the n runs.
        columns: name -> (n,) values in the order of the table.
    """

    def __init__(self, cases: CompleteCases, columns: Mapping[str, np.ndarray]):
        self.cases = cases
        self.names = list(columns)
        ordered = [values[cases.runs.order] for values in columns.values()]
        self._columns = np.column_stack(ordered) if ordered else np.zeros((len(cases.runs.order), 0))
        self._scores = self.cases.within_scores(self._columns)
        self._target_scores = cases.within.outcome_scores
        self._transfers = len(cases.lineages) >= MINIMUM_LINEAGES and bool(np.ptp(cases.outcome))
        if self._transfers:
            self._held_out = self._held_out_ranks(self._columns)

    def estimates(self, names: Sequence[str], values: np.ndarray) -> list[dict[str, float]]:
        """Return `COLUMNS` of several predictors.

        Args:
            names: of p predictors.
            values: (n, p) numbers in the order of the table.
        """
        ordered = values[self.cases.runs.order]
        scores = self.cases.within_scores(ordered)
        if self._transfers:
            held_out = self._held_out_ranks(ordered)
        rows = []
        for column, name in enumerate(names):
            others = [place for place, free in enumerate(self.names) if free != name]
            row = dict.fromkeys(COLUMNS, np.nan)
            row |= self._within(scores[:, column], others)
            if self._transfers:
                row |= self._gain(held_out[:, column], others)
            rows.append(row)
        return rows

    def _held_out_ranks(self, values: np.ndarray) -> np.ndarray:
        """(n, k) values -> (n, k) residuals of their ranks with lineages held out; 0 for a function of the axes."""
        return fitted_ranks(self.cases.baseline.ridge, values).held_out

    def _within(self, scores: np.ndarray, others: Sequence[int]) -> dict[str, float]:
        """Return the partial correlation within configurations."""
        both = np.column_stack([scores, self._target_scores])
        design = self._scores[:, others]
        residuals = both - design @ np.linalg.lstsq(design, both, rcond=None)[0] if len(others) else both
        left = (residuals**2).sum(axis=0)
        if (left <= NOTHING_LEFT * np.maximum((both**2).sum(axis=0), 1)).any():
            return {}
        x, y = residuals.T
        sums = self._lineage_sums(np.column_stack([x * y, x * x, y * y]))
        xy, xx, yy = np.vstack([sums.sum(axis=0), self._resampled(sums)]).T
        with np.errstate(invalid="ignore", divide="ignore"):
            correlations = xy / np.sqrt(xx * yy)
        return self._with_interval("within_beyond_free", correlations)

    def _gain(self, predictor: np.ndarray, others: Sequence[int]) -> dict[str, float]:
        """Return the gain over the axes and the free columns."""
        given = self._held_out[:, others]
        outcome = self.cases.baseline.residual
        without = self._squares_left(given, outcome)
        with_predictor = self._squares_left(np.column_stack([given, predictor]), outcome)
        sums = np.column_stack([without - with_predictor, self.cases.baseline.totals])
        saved, totals = np.vstack([sums.sum(axis=0), self._resampled(sums)]).T
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._with_interval("gain_beyond_free", saved / totals)

    def _squares_left(self, columns: np.ndarray, outcome: np.ndarray) -> np.ndarray:
        """(L,) squares of each lineage that a regression on (n, k) columns leaves, its slopes from the others."""
        number = columns.shape[1]
        rows = np.column_stack([columns, outcome])
        pairs = rows[:, :, None] * rows[:, None, :]
        products = self._lineage_sums(pairs.reshape(len(rows), -1)).reshape(-1, number + 1, number + 1)
        others = products.sum(axis=0) - products
        if not number:
            return products[:, 0, 0]
        tiny = NOTHING_LEFT * np.trace(others[:, :-1, :-1], axis1=1, axis2=2)[:, None, None]
        gram = others[:, :-1, :-1] + np.maximum(tiny, NOTHING_LEFT) * np.eye(number)
        slopes = np.linalg.solve(gram, others[:, :-1, -1:])
        contrast = np.concatenate([slopes, -np.ones((len(slopes), 1, 1))], axis=1)
        return (contrast * (products @ contrast)).sum(axis=(1, 2))

    def _lineage_sums(self, values: np.ndarray) -> np.ndarray:
        """(n, k) values of runs -> (L, k) sums over lineages."""
        return self.cases.lineages.sums_over_runs(self.cases.runs, values)

    def _resampled(self, sums: np.ndarray) -> np.ndarray:
        """(L, k) sums of lineages -> (resamples, k) sums of resampled lineages."""
        return np.asarray(self.cases.lineage_counts @ sums)

    def _with_interval(self, name: str, values: np.ndarray) -> dict[str, float]:
        """Return an estimate, the first value, with the interval of its resamples, the others."""
        estimate = float(values[0])
        low, high = percentile_interval(values[1:], estimate, self.cases.settings.confidence)
        return {name: estimate, f"{name}_low": low, f"{name}_high": high}
