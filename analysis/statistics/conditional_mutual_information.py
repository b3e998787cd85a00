"""Conditional mutual information between the order of a predictor and the order of the outcome."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import xlogy
from scipy.stats import rankdata

from benevolent.analysis.statistics.configurations import GroupedRuns, drop_missing, numeric_column
from benevolent.analysis.statistics.pair_counts import comparable, pair_counts
from benevolent.trainables.errors import BadInput

BLOCK = 1000  # runs that are compared one by one
CHUNK_ELEMENTS = 4_000_000  # comparisons held in memory at a time


def conditional_mutual_information(table: pd.DataFrame, predictor: str, target: str, axes: Sequence[str]) -> float:
    """Conditional mutual information of the signs of two differences, given a pair of axes; the minimum over pairs.

    Source: Jiang et al. 2020, "Fantastic generalization measures and where to find them", as scored in the PGDL contest
    2020. Over all ordered pairs of runs, self-pairs included, take the two signs [g1 > g2] and [c1 > c2] (strict). For
    two axes, split the pairs into cells by both runs' values of both axes. In each cell take the plug-in mutual
    information of the signs in bits; average over cells with equal weight; divide by the equally weighted mean entropy
    of the outcome's sign. The result is the minimum over all pairs of axes: between 0 (nothing beyond some pair of
    axes) and 1.

    Args:
        table: one row per run; runs with a NaN in predictor or target are left out.
        predictor: a numeric column.
        target: a numeric column.
        axes: at least two columns.

    Returns:
        The score; NaN if the outcome orders no pair.

    Raises:
        BadInput: fewer than two axes, or a column is absent or not numeric.

    >>> table = pd.DataFrame({"lr": [1, 1, 2, 2] * 2, "width": [4, 8, 4, 8] * 2, "loss": range(8)})
    >>> table["follows"], table["constant"] = 3 * table["loss"], 0
    >>> [conditional_mutual_information(table, c, "loss", ["lr", "width"]) for c in ("follows", "constant")]
    [1.0, 0.0]
    """
    if len(axes) < 2:
        raise BadInput(f"conditional mutual information needs at least two axes, got {list(axes)}")
    kept = drop_missing(table, predictor, target, axes)
    if len(kept) < 2:
        return np.nan
    runs = GroupedRuns.from_table(kept, axes, None)
    x = rankdata(numeric_column(kept, predictor, "column"))[runs.order]
    y = rankdata(numeric_column(kept, target, "column"))[runs.order]
    return PairCells(runs, y).score(x)


def number_of_cells(runs: GroupedRuns) -> int:
    """Return the number of cells of all pairs of axes together; time and memory of a score grow with it.

    Axes that are sampled at random, with a value of their own in every configuration, have a cell for every pair of
    configurations, which orders nothing.
    """
    return sum(len(np.unique(code)) ** 2 for code in _codes_of_pairs(runs))


def _codes_of_pairs(runs: GroupedRuns) -> list[np.ndarray]:
    """(G,) codes of the values of each pair of axes."""
    return [runs.codes(axes) for axes in combinations(runs.axes, 2)]


class PairCells:
    """The outcome's half of the conditional mutual information, kept so that many predictors cost little.

    Args:
        runs: the configurations of n runs.
        outcome: (n,) values in the order of `runs`.
    """

    def __init__(self, runs: GroupedRuns, outcome: np.ndarray):
        self.runs = runs
        self.outcome = outcome
        indicators = []
        for code in _codes_of_pairs(runs):
            is_value = code[:, None] == np.unique(code)
            indicators.append(is_value.astype(np.float32))
        self._member = runs.per_run(np.hstack(indicators))  # runs x values of every pair of axes, side by side
        widths = [block.shape[1] for block in indicators]
        self._columns: list[slice] = []
        start = 0
        for width in widths:
            self._columns.append(slice(start, start + width))
            start += width
        pairs = np.arange(len(widths))
        self._pair = np.repeat(pairs, np.square(widths))  # pair of axes of every cell
        sizes = self._member.sum(axis=0, dtype=float)
        row = sizes[None]
        self._number = self._products(row, row)
        self._outcome_share = self._shares(outcome)[0]
        self._cell_entropy = _entropy(self._outcome_share, 1 - self._outcome_share)
        self._outcome_entropy = self._average(self._cell_entropy[None])[0]

    @property
    def values(self) -> int:
        """Number of values of all pairs of axes together; the work grows with its square."""
        return int(self._member.shape[1])

    def score(self, predictor: np.ndarray) -> float:
        """Return the score of a predictor, (n,) values in the order of the runs; NaN if the outcome orders no pair."""
        share, joint_share = self._shares(predictor)
        return float(self._scores(share[None], joint_share[None])[0])

    def null(self, predictor: np.ndarray, donors: np.ndarray) -> np.ndarray:
        """(k,) scores after permutations of whole configurations.

        All pairs of runs are compared, so this is for a few thousand runs at most.

        Args:
            predictor: (n,) values in the order of the runs.
            donors: (k, G) from `configuration_permutations`.
        """
        runs = self.runs
        place = np.arange(len(predictor)) - runs.per_run(runs.starts)
        rank = comparable(predictor)
        outcome = comparable(self.outcome)
        (larger,) = pair_counts(runs, lambda rows: [rank[rows, None] > rank])
        permuted_larger = []
        doubly_larger = []
        for permutation in donors:
            donor_starts = runs.per_run(runs.starts[permutation])
            permuted = rank[donor_starts + place]
            permuted_larger.append(larger[permutation][:, permutation])
            doubly_larger.append(_doubly_larger(runs, permuted, outcome))
        shares = self._cells(np.array(permuted_larger + doubly_larger)) / self._number
        return self._scores(shares[: len(donors)], shares[len(donors) :])

    def _scores(self, share: np.ndarray, joint_share: np.ndarray) -> np.ndarray:
        """(k,) scores of k predictors, from their (k, cells) shares of pairs; see `_shares`."""
        defined = self._outcome_entropy > 0
        if not defined.any():
            return np.full(len(share), np.nan)
        other = self._outcome_share
        neither = 1 - share - other + joint_share
        only_predictor = share - joint_share
        only_outcome = other - joint_share
        joint_entropy = _entropy(joint_share, only_predictor, only_outcome, neither)
        predictor_entropy = _entropy(share, 1 - share)
        information = predictor_entropy + self._cell_entropy - joint_entropy
        normalized = self._average(information)[:, defined] / self._outcome_entropy[defined]
        return np.maximum(normalized.min(axis=1), 0.0)

    def _cells(self, pairs: np.ndarray) -> np.ndarray:
        """(k, G, G) numbers of pairs of runs -> (k, cells) sums."""
        member = self._member[self.runs.starts].astype(float)
        groups = len(member)
        by_second = (pairs.reshape(-1, groups) @ member).reshape(len(pairs), groups, -1)
        cells = []
        for columns in self._columns:
            of_pair = np.tensordot(by_second[:, :, columns], member[:, columns], axes=(1, 0))
            cells.append(of_pair.transpose(0, 2, 1).reshape(len(pairs), -1))
        return np.concatenate(cells, axis=1)

    def _shares(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For every cell, the shares of pairs whose first value is larger, and whose first outcome is larger too.

        Runs are sorted by value and cut into blocks, with no tie between blocks. For a run, the smaller ones of earlier
        blocks are counted by running sums, those of its own block one by one: n (n / BLOCK + BLOCK) steps instead of
        n^2, and the counts are exact.
        """
        order = np.argsort(values, kind="stable")
        x = values[order]
        y = self.outcome[order]
        member = self._member[order]
        first_tied = np.searchsorted(x, x, "left")
        smaller = _running_sums(member)[first_tied]
        larger_pairs = self._products(member, smaller)
        doubly_larger_pairs = np.zeros(len(self._pair))
        by_outcome = np.argsort(y, kind="stable")
        outcome_place = np.searchsorted(y[by_outcome], y, "left")
        starts = np.unique(first_tied[::BLOCK])
        stops = [*starts[1:], len(x)]
        for start, stop in zip(starts, stops, strict=True):
            in_block = slice(start, stop)
            block_member = member[in_block]
            counts = _count_doubly_smaller(x[in_block], y[in_block], block_member)
            if start:
                is_earlier = by_outcome < start
                earlier = member[by_outcome] * is_earlier[:, None]
                smaller_outcomes = _running_sums(earlier)
                counts = counts + smaller_outcomes[outcome_place[in_block]]
            doubly_larger_pairs += self._products(block_member, counts)
        share = larger_pairs / self._number
        joint_share = doubly_larger_pairs / self._number
        return share, joint_share

    def _products(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """For every cell, the sum over rows of the product of its two columns (values of the same pair of axes)."""
        transposed = first.astype(float).T
        products = []
        for columns in self._columns:
            cells = transposed[columns] @ second[:, columns]
            products.append(cells.ravel())
        return np.concatenate(products)

    def _average(self, cells: np.ndarray) -> np.ndarray:
        """(k, cells) values -> (k, pairs of axes) averages over their cells, with equal weight."""
        numbers = np.bincount(self._pair)
        sums = [np.bincount(self._pair, row) for row in cells]
        return np.array(sums) / numbers


def _doubly_larger(runs: GroupedRuns, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(G, G) numbers of pairs of runs whose first run has the larger x and the larger y."""
    counts = pair_counts(runs, lambda rows: [(x[rows, None] > x) & (y[rows, None] > y)])
    return np.asarray(counts[0])


def _count_doubly_smaller(x: np.ndarray, y: np.ndarray, member: np.ndarray) -> np.ndarray:
    """(b, V) for every run of a block, how many runs of the block are smaller in x and in y, by group."""
    rows = max(1, CHUNK_ELEMENTS // len(x))
    counts = []
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        smaller_x = x[part, None] > x
        smaller_y = y[part, None] > y
        doubly_smaller = smaller_x & smaller_y
        counts.append(doubly_smaller.astype(np.float32) @ member)
    return np.concatenate(counts)


def _running_sums(member: np.ndarray) -> np.ndarray:
    """(n + 1, V) how many of the rows before each position belong to every group."""
    none = np.zeros((1, member.shape[1]))
    sums = np.cumsum(member, axis=0, dtype=float)
    return np.vstack([none, sums])


def _entropy(*probabilities: np.ndarray) -> np.ndarray:
    """Entropy in bits of one distribution per cell, given as one array per event."""
    p = np.maximum(probabilities, 0)
    nats = -xlogy(p, p).sum(axis=0)
    return nats / np.log(2)
