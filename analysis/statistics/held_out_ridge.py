"""Ridge models of the axes in closed form: of all runs, and with every lineage held out."""

from typing import NamedTuple

import numpy as np

from benevolent.analysis.statistics.configurations import GroupedRuns
from benevolent.analysis.statistics.design_matrix import axes_design
from benevolent.analysis.statistics.lineages import Lineages

PENALTIES = np.logspace(-6, 1, 15)  # ridge penalties tried, in units of the mean squared singular value
RANK_TOLERANCE = 1e-10  # singular values below this fraction of the largest one are rounding
LEAST_LEFT = 1e-9  # least share of its own weight that a held-out lineage leaves to the others


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
    """Ridge regression on the axes that predicts every lineage from the others.

    With hat matrix H the residuals of a held-out lineage g are ``(I - H_gg)^-1 e_g``, with e_g its residuals of the
    fit to all runs, so nothing is refitted. Runs of one configuration share their row of the design, hence all sums
    run over configurations: a configuration of m runs is one row of weight m.

    Args:
        runs: the configurations of n runs.
        lineages: their lineages.

    Attributes:
        interactions: True if pairwise interactions are in the model.
    """

    def __init__(self, runs: GroupedRuns, lineages: Lineages):
        self.runs = runs
        self.lineages = lineages
        design, self.interactions = axes_design(runs.levels)
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
        """Fit the axes to (n, p) values, each column with the penalty that predicts held-out lineages best."""
        weighted, inside = self._split(values)
        loads = self._directions.T @ weighted
        centered = weighted - self._intercept * (self._intercept.T @ weighted)
        mean_square = self._squared_singular.mean() if len(self._squared_singular) else 1.0
        fewest = np.full(values.shape[1], np.inf)
        residuals = np.zeros_like(weighted)
        held_out = np.zeros_like(weighted)
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
        weighted, inside = self._split(values[:, None])
        loads = self._directions.T @ weighted
        centered = weighted - self._intercept * (self._intercept.T @ weighted)
        return self._joined(centered - self._directions @ (shrinkage * loads), inside)

    def scatter_left(self, shrinkage: np.ndarray) -> np.ndarray:
        """(G, p) share of its variance that independent noise of a configuration's mean keeps in the residuals.

        It is the diagonal of ``(I - H)^2``.
        """
        taken = 1 - (1 - shrinkage) ** 2
        left = 1 - self._intercept**2 - self._directions**2 @ taken
        return np.maximum(left, LEAST_LEFT)

    def _split(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, p) values -> (G, p) weighted means of configurations, and (n, p) deviations from them."""
        means = self.runs.configuration_sums(values) / self.runs.sizes[:, None]
        inside = values - self.runs.per_run(means)
        return means * self._root_sizes, inside

    def _joined(self, weighted: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """Undo `_split`."""
        return inside + self.runs.per_run(weighted / self._root_sizes)

    def _held_out(self, residual: np.ndarray, shrinkage: np.ndarray) -> np.ndarray:
        """(G, p) weighted residuals of the fit to all runs -> those with every lineage held out."""
        held_out = np.empty_like(residual)
        for block in self.lineages.blocks:
            directions = self._directions[block]
            intercept = self._intercept[block]
            hat = (directions * shrinkage) @ directions.transpose(0, 2, 1) + intercept @ intercept.transpose(0, 2, 1)
            if block.shape[1] == 1:
                left = np.maximum(1 - hat[:, 0], LEAST_LEFT)
                held_out[block[:, 0]] = residual[block[:, 0]] / left
                continue
            left_of_block = (1 + LEAST_LEFT) * np.eye(block.shape[1]) - hat
            held_out[block] = np.linalg.solve(left_of_block, residual[block])
        return held_out
