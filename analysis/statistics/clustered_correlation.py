"""Correlations of scores with intervals that hold when runs come in units that share random draws."""

from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from benevolent.analysis.thresholds import MINIMUM_UNITS

NOTHING_LEFT = 1e-9  # a smaller sum of squares is rounding


class Correlations(NamedTuple):
    """Correlations in V parts of a table; each attribute is an array (V,).

    Attributes:
        association: the correlation; NaN if a score does not vary in the part.
        low: lower end of its interval; NaN with fewer than `MINIMUM_UNITS` units, as the p-value.
        high: upper end of its interval.
        p: two-sided p-value of a correlation of 0.
        runs: number of runs that have others in their group.
        units: number of independent units.
    """

    association: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    runs: np.ndarray
    units: np.ndarray


class PartsOfUnits:
    """Parts of a table whose runs come in independent units; correlations in all parts are computed at once.

    Args:
        parts: (n,) code of the part that each run belongs to, 0, 1, ...
        units: (n,) code of the independent unit that each run belongs to.
        shares: (n,) degrees of freedom per run in its group: (m - 1) / m in a group of m runs.
    """

    def __init__(self, parts: np.ndarray, units: np.ndarray, shares: np.ndarray):
        self._counted = shares > 0
        self._parts = parts[self._counted]
        self._number = int(parts.max(initial=-1)) + 1
        kept_units = units[self._counted].astype(np.int64)
        base = int(units.max(initial=0)) + 1
        distinct, self._place = np.unique(self._parts * base + kept_units, return_inverse=True)
        self._part_of_unit = distinct // base
        self._units = np.bincount(self._part_of_unit, minlength=self._number).astype(float)
        kept_shares = shares[self._counted]
        squares = self._sums(kept_shares**2)
        self._correction = self._sums(kept_shares) / np.where(squares > 0, squares, 1)

    def _sums(self, values: np.ndarray) -> np.ndarray:
        """(n,) values of runs -> (V,) sums over the runs of each part."""
        return np.bincount(self._parts, values, self._number)

    def correlations(self, x: np.ndarray, y: np.ndarray, confidence: float = 0.95) -> Correlations:
        """Correlate two centered scores in each part, with intervals from the independent units.

        In each part ``r = sum x y / sqrt(sum x^2 sum y^2)``. Its variance is estimated by the delta method from the
        sums of its units (Liang and Zeger 1986): unit u has the influence
        ``a_u = [xy]_u / sqrt(Sxx Syy) - r / 2 ([xx]_u / Sxx + [yy]_u / Syy)``, and
        ``var r = c U / (U - 1) sum a_u^2`` for U units, where ``c = sum s / sum s^2`` of the shares s makes up for
        centering. The interval is Student's with U - 1 degrees of freedom on the scale of Fisher's ``z = artanh r``.

        Args:
            x: (n,) scores, centered in every group of runs.
            y: (n,) other scores, centered in the same groups.
            confidence: coverage of the intervals.

        >>> x = np.array([-1.0, 1.0] * 8)
        >>> y = np.array([-1.0, 1.0] * 6 + [1.0, -1.0] * 2)
        >>> parts = PartsOfUnits(np.zeros(16, dtype=int), np.repeat(np.arange(8), 2), np.full(16, 0.5))
        >>> found = parts.correlations(x, y)
        >>> found.association.tolist(), found.units.tolist(), bool(found.low[0] < 0.5 < found.high[0])
        ([0.5], [8.0], True)
        """
        x = x[self._counted]
        y = y[self._counted]
        xx = self._sums(x * x)
        yy = self._sums(y * y)
        varies = (xx > NOTHING_LEFT) & (yy > NOTHING_LEFT)
        xx = np.where(varies, xx, np.nan)
        yy = np.where(varies, yy, np.nan)
        size = np.sqrt(xx * yy)
        r = np.clip(self._sums(x * y) / size, -1, 1)
        own_squares = x**2 / xx[self._parts] + y**2 / yy[self._parts]
        influence = x * y / size[self._parts] - r[self._parts] / 2 * own_squares
        of_unit = np.bincount(self._place, influence, len(self._part_of_unit))
        squares = np.bincount(self._part_of_unit, of_unit**2, self._number)
        enough = varies & (self._units >= MINIMUM_UNITS)
        freedom = np.where(enough, self._units - 1, np.nan)
        error = np.sqrt(self._correction * squares * self._units / freedom)
        exact = 1 - r**2 < NOTHING_LEFT
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(exact, np.sign(r) * np.inf, np.arctanh(r))
            z_error = np.where(exact & enough, 0.0, error / (1 - r**2))
            statistic = z / z_error
        margin = student.ppf((1 + confidence) / 2, freedom) * z_error
        return Correlations(
            association=r,
            low=np.tanh(z - margin),
            high=np.tanh(z + margin),
            p=2 * student.sf(np.abs(statistic), freedom),
            runs=np.bincount(self._parts, minlength=self._number),
            units=self._units,
        )
