"""Conditional mutual information between the order of a predictor and the order of the outcome."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import xlogy
from scipy.stats import rankdata

from benevolent.analysis.statistics.configurations import GroupedRuns, drop_missing, group_codes, numeric_column
from benevolent.trainables.errors import BadInput


def conditional_mutual_information(table: pd.DataFrame, predictor: str, target: str, axes: Sequence[str]) -> float:
    """Conditional mutual information (Jiang et al. 2020; as scored in the PGDL contest 2020).

    Over all ordered pairs of runs, self-pairs included, take the two signs [g1 > g2] and [c1 > c2]. For two
    axes split the pairs into cells by both runs' values of both axes; average over cells the plug-in mutual
    information of the signs (bits), divide by the average entropy of the outcome's sign. The result is the
    minimum over all pairs of axes: between 0 (nothing beyond some pair of axes) and 1.

    Args:
        table: one row per run; runs with a NaN in predictor or target are left out.
        predictor: a numeric column.
        target: a numeric column.
        axes: at least two columns.

    Returns:
        The score; NaN if the outcome orders no pair.

    Raises:
        BadInput: fewer than two axes.
    """
    if len(axes) < 2:
        raise BadInput(f"conditional mutual information needs at least two axes, got {list(axes)}")
    kept = drop_missing(table, predictor, target, axes)
    if len(kept) < 2:
        return np.nan
    runs = GroupedRuns.from_table(kept, axes, None)
    x, y = (rankdata(numeric_column(kept, name, "column"))[runs.order] for name in (predictor, target))
    return PairCells(runs, y).score(x)


BLOCK = 1000  # runs that are compared one by one


class PairCells:
    """The outcome's half of the score, kept so that many predictors, or permutations of one, cost little.

    Attributes:
        runs: the configurations of the n runs.
        outcome: (n,) values in the order of `runs`.
    """

    def __init__(self, runs: GroupedRuns, outcome: np.ndarray):
        self.runs, self.outcome = runs, outcome
        values = [group_codes(runs.levels, [axis]) for axis in runs.axes]
        codes = [one * len(one) + other for one, other in combinations(values, 2)]
        blocks = [(code[:, None] == np.unique(code)).astype(np.float32) for code in codes]
        self._member = runs.per_run(np.hstack(blocks))  # runs x values of every pair of axes, side by side
        widths = [block.shape[1] for block in blocks]
        self._columns = [slice(end - width, end) for end, width in zip(np.cumsum(widths), widths, strict=True)]
        self._pair = np.repeat(np.arange(len(blocks)), np.square(widths))  # of every cell
        size = self._member.sum(axis=0, dtype=float)[None]
        self._number = self._products(size, size)
        self._share = self._shares(outcome)[0]
        self._entropy = self._average(_entropy(self._share, 1 - self._share))

    @property
    def values(self) -> int:
        """How many values all pairs of axes have together; the work grows with its square."""
        return int(self._member.shape[1])

    def score(self, predictor: np.ndarray) -> float:
        """The score of a predictor: (n,) values in the order of the runs."""
        p, joint = self._shares(predictor)
        q, known = self._share, self._entropy > 0
        information = _entropy(p, 1 - p) + _entropy(q, 1 - q) - _entropy(joint, p - joint, q - joint, 1 - p - q + joint)
        if not known.any():
            return np.nan
        return float(max((self._average(information)[known] / self._entropy[known]).min(), 0.0))

    def null(self, predictor: np.ndarray, donors: np.ndarray) -> np.ndarray:
        """Scores after permutations of whole configurations; donors is (permutations, G)."""
        runs = self.runs
        offset = np.arange(len(predictor)) - runs.per_run(runs.starts)
        return np.array([self.score(predictor[runs.per_run(runs.starts[d]) + offset]) for d in donors])

    def _shares(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For every cell the shares of pairs with a larger first value, and with a larger outcome too.

        Runs are sorted by value and cut into blocks, between which no value is tied. For a run, the smaller ones of
        earlier blocks are counted by running sums, those of its own block one by one: n (n / BLOCK + BLOCK) steps
        instead of n^2, and the counts are exact.
        """
        order = np.argsort(values, kind="stable")
        x, y, member = values[order], self.outcome[order], self._member[order]
        below = _running(member)[np.searchsorted(x, x, "left")]
        sums = [self._products(member, below), np.zeros(len(self._pair))]
        by_outcome = np.argsort(y, kind="stable")
        places = np.searchsorted(y[by_outcome], y, "left")
        starts = np.unique(np.searchsorted(x, x[::BLOCK], "left"))
        for start, stop in zip(starts, [*starts[1:], len(x)], strict=True):
            own = slice(start, stop)
            smaller = _running(member[by_outcome] * (by_outcome < start)[:, None])[places[own]] if start else 0.0
            rows = max(1, 4_000_000 // (stop - start))
            parts = [slice(at, min(at + rows, stop)) for at in range(start, stop, rows)]
            inside = [((x[p, None] > x[own]) & (y[p, None] > y[own])).astype(np.float32) @ member[own] for p in parts]
            sums[1] += self._products(member[own], np.concatenate(inside) + smaller)
        return sums[0] / self._number, sums[1] / self._number

    def _products(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Sums over rows of the products of two columns, for the cells: columns of the same pair of axes."""
        first = first.astype(float)
        return np.concatenate([(first[:, own].T @ second[:, own]).ravel() for own in self._columns])

    def _average(self, cells: np.ndarray) -> np.ndarray:
        """Equally weighted mean over the cells of each pair of axes."""
        return np.bincount(self._pair, cells) / np.bincount(self._pair)


def _running(member: np.ndarray) -> np.ndarray:
    """(n + 1, V) how many of the rows before each belong to every group."""
    return np.vstack([np.zeros((1, member.shape[1])), np.cumsum(member, axis=0, dtype=float)])


def _entropy(*probabilities: np.ndarray) -> np.ndarray:
    """Entropy in bits of one distribution per cell, given as one array per event."""
    p = np.maximum(probabilities, 0)
    return -xlogy(p, p).sum(axis=0) / np.log(2)
