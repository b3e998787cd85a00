"""Ways to score runs within configurations, side by side; see `calibration.py --scores`.

The scores of a predictor and of the target are compared by the same exact test: replicates are permuted within each
lineage. Beside them stands a hierarchical model of the scores that the rule uses, without permutations. Printed is the
share of simulated tables in which the p-value of one predictor is at most 0.01, the strictest bound of five predictors
at a level of 0.05.
"""

import itertools
from collections.abc import Callable

import numpy as np
from calibration_designs import PAIRS_00, PAIRS_05, PAIRS_09, REPLICATES
from calibration_planted import planted_share
from calibration_replicates import exponentials, unequal_spread
from calibration_tables import Design, SimulatedTable
from scipy.stats import rankdata
from scipy.stats import t as student

from benevolent.analysis.statistics.aligned_ranks import aligned_ranks
from benevolent.analysis.statistics.configurations import GroupedRuns
from benevolent.analysis.statistics.lineages import ExchangeableReplicates, Lineages

STRICTEST = 0.01
HIERARCHICAL = "hierarchical"
PERMUTATIONS = 999
TIE = 1e-9
CORRELATIONS = (0.0, 0.2, 0.3)

#: Fills a table with one predictor of this correlation among noise.
Population = Callable[[SimulatedTable, float], None]
#: (m,) values whose cells are adjacent, and the cells -> (m,) scores that sum to 0 in every cell.
Score = Callable[[np.ndarray, ExchangeableReplicates], np.ndarray]


def ranks_inside(values: np.ndarray, cells: ExchangeableReplicates) -> np.ndarray:
    """Ranks among the runs of each configuration, as in the first edition."""
    pieces = np.split(values, np.cumsum(cells.cell_sizes)[:-1])
    return centered_values(np.concatenate([rankdata(piece) for piece in pieces]), cells)


def centered_values(values: np.ndarray, cells: ExchangeableReplicates) -> np.ndarray:
    """Differences from the mean of the configuration."""
    starts = np.cumsum(cells.cell_sizes) - cells.cell_sizes
    means = np.add.reduceat(values, starts) / cells.cell_sizes
    return values - np.repeat(means, cells.cell_sizes)


def plain_aligned_ranks(values: np.ndarray, cells: ExchangeableReplicates) -> np.ndarray:
    """The same differences, ranked over all runs."""
    return centered_values(rankdata(centered_values(values, cells)), cells)


def scaled_aligned_ranks(values: np.ndarray, cells: ExchangeableReplicates) -> np.ndarray:
    """The same in units of the moderated spread: what the rule uses."""
    return aligned_ranks(values, cells.cell_sizes)


SCORES: dict[str, Score] = {
    "ranks inside": ranks_inside,
    "values": centered_values,
    "aligned": plain_aligned_ranks,
    "as judged": scaled_aligned_ranks,
}
POPULATIONS: list[tuple[str, Population, Design]] = [
    ("equal spread", planted_share, REPLICATES),
    ("spread by factors of e", unequal_spread, REPLICATES),
    ("exponentials", exponentials, REPLICATES),
    ("equal spread", planted_share, PAIRS_00),
    ("equal spread", planted_share, PAIRS_05),
    ("equal spread", planted_share, PAIRS_09),
]


def random_slopes_p_value(x: np.ndarray, y: np.ndarray, lineage: np.ndarray) -> float:
    """Return the p-value of the mean slope in ``y = (b + b_g) x + noise`` with a normal b_g in each lineage g.

    The slopes of the lineages are combined as in a meta-analysis: the variance of b_g after DerSimonian and Laird
    (1986), the test of b after Hartung and Knapp (2001).

    Args:
        x: (m,) scores of the predictor.
        y: (m,) scores of the target.
        lineage: (m,) number of the lineage of each run.
    """
    xx = np.bincount(lineage, x * x)
    xy = np.bincount(lineage, x * y)
    yy = np.bincount(lineage, y * y)
    slopes = xy / xx
    freedom = len(x) - 2 * len(xx)
    noise = (yy - slopes * xy).sum() / freedom
    weights = xx / noise
    mean = np.average(slopes, weights=weights)
    heterogeneity = (weights * (slopes - mean) ** 2).sum()
    scale = weights.sum() - (weights**2).sum() / weights.sum()
    variance = max(0.0, (heterogeneity - len(xx) + 1) / scale)
    weights = 1 / (1 / weights + variance)
    mean = np.average(slopes, weights=weights)
    squared_error = (weights * (slopes - mean) ** 2).sum() / weights.sum() / (len(xx) - 1)
    return float(2 * student.sf(abs(mean) / np.sqrt(squared_error), len(xx) - 1))


def p_values(table: SimulatedTable, random: np.random.Generator) -> np.ndarray:
    """Return the p-value of the first predictor by each score, and by the hierarchical model."""
    runs = GroupedRuns.from_table(table.runs, table.axes, "seed")
    lineages = Lineages.from_runs(runs)
    replicates = ExchangeableReplicates(runs, lineages)
    permutations = replicates.permutations(PERMUTATIONS, random)
    values = table.runs[["p0", "target"]].to_numpy()[runs.order][replicates.kept]
    results = []
    for score in SCORES.values():
        x = score(values[:, 0], replicates)
        y = score(values[:, 1], replicates)
        null = np.abs(y[permutations] @ x)
        exceedances = (null >= abs(x @ y) * (1 - TIE)).sum()
        results.append((1 + exceedances) / (1 + PERMUTATIONS))
    lineage = lineages.lineage[runs.configuration][replicates.kept]
    results.append(random_slopes_p_value(x, y, lineage))
    return np.array(results)


def found(population: Population, design: Design, correlation: float, tables: int, seed: int) -> np.ndarray:
    """Return the share of tables in which each score finds the predictor."""
    count = np.zeros(len(SCORES) + 1)
    for number in range(tables):
        table = SimulatedTable(np.random.default_rng([seed, number]), design)
        population(table, correlation)
        count += p_values(table, np.random.default_rng([seed, number, 1])) <= STRICTEST
    return count / tables


def print_table(tables: int, seed: int) -> None:
    """Print the shares."""
    print(
        f"{tables} tables a line; share with p <= {STRICTEST} of a predictor of this correlation within configurations"
    )
    print(f"{'':<26}{'':<42}{'correlation':>12}" + "".join(f"{name:>14}" for name in (*SCORES, HIERARCHICAL)))
    for (name, population, design), correlation in itertools.product(POPULATIONS, CORRELATIONS):
        shares = found(population, design, correlation, tables, seed)
        figures = "".join(f"{share:14.3f}" for share in shares)
        print(f"{name:<26}{design.name:<42}{correlation:12.1f}{figures}", flush=True)
