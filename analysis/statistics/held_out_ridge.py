"""Ridge models of the axes in closed form: of all runs, and with every lineage held out."""

from typing import NamedTuple

import numpy as np

from benevolent.analysis.statistics.configurations import GroupedRuns
from benevolent.analysis.statistics.lineages import Lineages

PENALTIES = np.logspace(-6, 1, 15)  # ridge penalties tried, in units of the mean squared singular value
RANK_TOLERANCE = 1e-10  # singular values below this fraction of the largest one are rounding
LEAST_SHARE = 1e-6  # of its scatter that the fit must leave to a direction for it to count
LEAST_LEFT = 1e-12  # least share of its own weight that a held-out lineage leaves to the others


class RidgeFit(NamedTuple):
    """Models of p columns.

    Attributes:
        residuals: (n, p) residuals of the fit to all runs.
        held_out: (n, p) residuals with every lineage held out.
        shrinkage: (r, p) share of every direction of the design that the fit takes off a column.
    """

    residuals: np.ndarray
    held_out: np.ndarray
    shrinkage: np.ndarray


class HeldOutRidge:
    """Ridge regression on the axes that predicts every lineage from the others (Hoerl and Kennard 1970).

    With hat matrix H the residuals of a held-out lineage g are ``(I - H_gg)^-1 e_g``, with e_g its residuals of the
    fit to all runs, so nothing is refitted. Runs of one configuration share their row of the design, hence all sums
    run over configurations: a configuration of m runs is one row of weight m.

    Args:
        runs: the configurations of n runs.
        lineages: their lineages.
        design: (G, k) columns of the configurations, without an intercept.
    """

    def __init__(self, runs: GroupedRuns, lineages: Lineages, design: np.ndarray):
        self.runs = runs
        self.lineages = lineages
        self._root_sizes = np.sqrt(runs.sizes)[:, None]
        mean = runs.sizes @ design / runs.sizes.sum()
        weighted = (design - mean) * self._root_sizes
        directions, singular, _ = np.linalg.svd(weighted, full_matrices=False)
        smallest = RANK_TOLERANCE * singular.max(initial=0) * max(design.shape)
        rank = int((singular > smallest).sum())
        self._directions = directions[:, :rank]
        self._squared_singular = singular[:rank] ** 2
        self._intercept = self._root_sizes / np.sqrt(runs.sizes.sum())

    def fit(self, values: np.ndarray) -> RidgeFit:
        """Fit the axes to several columns, each with the penalty that predicts held-out lineages best.

        Args:
            values: (n, p) numbers of runs.
        """
        centered, inside = self._split(values)
        loads = self._directions.T @ centered
        mean_square = self._squared_singular.mean() if len(self._squared_singular) else 1.0
        fewest = np.full(values.shape[1], np.inf)
        residuals = np.zeros_like(centered)
        held_out = np.zeros_like(centered)
        shrinkages = np.zeros_like(loads)
        for penalty in PENALTIES * mean_square:
            shrinkage = self._squared_singular / (self._squared_singular + penalty)
            residual = centered - self._directions @ (shrinkage[:, None] * loads)
            predicted = self._held_out(residual, shrinkage)
            squares = (predicted**2).sum(axis=0)
            better = squares < fewest
            residuals[:, better] = residual[:, better]
            held_out[:, better] = predicted[:, better]
            shrinkages[:, better] = shrinkage[:, None]
            fewest[better] = squares[better]
        return RidgeFit(self._joined(residuals, inside), self._joined(held_out, inside), shrinkages)

    def residuals(self, values: np.ndarray, shrinkage: np.ndarray) -> np.ndarray:
        """Return (n, p) residuals of (n,) values after fits that shrink as the (r, p) columns of another fit do."""
        centered, inside = self._split(values[:, None])
        loads = self._directions.T @ centered
        return self._joined(centered - self._directions @ (shrinkage * loads), inside)

    def independent(self, residuals: np.ndarray, shrinkage: np.ndarray) -> np.ndarray:
        """Return residuals with the covariance that the fit gave them taken out again, lineage by lineage.

        The residuals of independent noise in the means of a lineage's configurations have the covariance ``B_g``, the
        block of ``(I - H)^2``; ``B_g^-1/2 e_g`` has that of the noise (CR2 of Bell and McCaffrey 2002, which is HC2 of
        MacKinnon and White 1985 for lineages of one configuration).

        Args:
            residuals: (n, p) residuals of the fit to all runs.
            shrinkage: (r, p) of the fit.
        """
        centered, inside = self._split(residuals)
        scaled = np.zeros_like(centered)
        distinct, kind = np.unique(shrinkage, axis=1, return_inverse=True)
        for number, column in enumerate(distinct.T):
            chosen = np.flatnonzero(kind.ravel() == number)
            taken = 1 - (1 - column) ** 2
            for block in self.lineages.blocks:
                roots = self._inverse_roots(block, taken)
                of_block = roots @ centered[block][:, :, chosen]
                scaled[np.ix_(block.ravel(), chosen)] = of_block.reshape(-1, len(chosen))
        return self._joined(scaled, inside)

    def _inverse_roots(self, block: np.ndarray, taken: np.ndarray) -> np.ndarray:
        """(lineages, c, c) inverse square roots of `_left_of`, without directions of which nothing is left."""
        values, vectors = np.linalg.eigh(self._left_of(block, taken))
        roots = np.where(values > LEAST_SHARE, 1 / np.sqrt(np.maximum(values, LEAST_SHARE)), 0)
        return (vectors * roots[:, None, :]) @ vectors.transpose(0, 2, 1)

    def _left_of(self, block: np.ndarray, taken: np.ndarray) -> np.ndarray:
        """(lineages, c) configurations -> (lineages, c, c) blocks of I - (intercept) - U diag(taken) U'."""
        directions = self._directions[block]
        intercept = self._intercept[block]
        removed = (directions * taken) @ directions.transpose(0, 2, 1) + intercept @ intercept.transpose(0, 2, 1)
        return np.asarray(np.eye(block.shape[1]) - removed)

    def _split(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, p) values -> (G, p) weighted means of configurations, centered, and (n, p) deviations from them."""
        means = self.runs.configuration_sums(values) / self.runs.sizes[:, None]
        inside = values - self.runs.per_run(means)
        weighted = means * self._root_sizes
        return weighted - self._intercept * (self._intercept.T @ weighted), inside

    def _joined(self, weighted: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """Undo `_split`."""
        return inside + self.runs.per_run(weighted / self._root_sizes)

    def _held_out(self, residual: np.ndarray, shrinkage: np.ndarray) -> np.ndarray:
        """(G, p) weighted residuals of the fit to all runs -> those with every lineage held out."""
        held_out = np.empty_like(residual)
        for block in self.lineages.blocks:
            left = self._left_of(block, shrinkage) + LEAST_LEFT * np.eye(block.shape[1])
            held_out[block] = np.linalg.solve(left, residual[block])
        return held_out
