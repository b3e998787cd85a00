"""Print the effects of the scenarios of `calibration_bounds.py`, by simulation.

    python benchmarks/calibration_effects.py [--tables 100]

An effect is what the estimate would be with very many lineages of the same design: for the correlation, that of aligned
ranks in one very large table; for the gain, (sum of xy)^2 / (sum of xx) / (sum of squares of the target), where x and y
are what the axes leave of predictor and target in held-out lineages, and the sums are over many tables.
"""

import argparse

import numpy as np
from calibration_bounds import AT_BOUNDS, GAIN_WEIGHTS, NORMAL_CORRELATIONS, gain_of_weight
from calibration_tables import Design, SimulatedTable
from scipy.stats import rankdata

from benevolent.analysis.statistics.aligned_ranks import aligned_ranks
from benevolent.analysis.statistics.axes_baseline import AxesBaseline
from benevolent.analysis.statistics.configurations import GroupedRuns
from benevolent.analysis.statistics.lineages import Lineages
from benevolent.analysis.statistics.transfer import TransferProducts

CONFIGURATIONS = 40_000  # of the very large table
PREDICTORS = 100  # of each of the many tables


def correlation_of_ranks(share: float, replicates: int) -> float:
    """Return the correlation of aligned ranks in a very large table of normal numbers of this correlation."""
    random = np.random.default_rng(0)
    size = CONFIGURATIONS * replicates
    cause = random.normal(size=size)
    sizes = np.full(CONFIGURATIONS, replicates)
    scores = []
    for _ in range(2):
        noise = share**0.5 * cause + (1 - share) ** 0.5 * random.normal(size=size)
        scores.append(aligned_ranks(noise, sizes))
    return float(np.corrcoef(*scores)[0, 1])


def gain_sums(design: Design, weight: float, number: int) -> np.ndarray:
    """Return the sums of xy, xx and the squares of the target in one table, over its predictors."""
    table = SimulatedTable(np.random.default_rng([1, number]), design)
    gain_of_weight(table, weight, PREDICTORS)
    runs = GroupedRuns.from_table(table.runs, table.axes, "seed")
    target = rankdata(table.runs["target"])[runs.order]
    baseline = AxesBaseline(runs, Lineages.from_runs(runs), target, number)
    predictors = table.runs[table.predictors].to_numpy()[runs.order]
    products = TransferProducts(baseline, predictors)
    return np.array([products.xy.sum(), products.xx.sum(), baseline.totals.sum() * PREDICTORS])


def gain(design: Design, weight: float, tables: int) -> tuple[float, float]:
    """Return the gain of many tables together, and its standard error (jackknife over tables)."""
    sums = np.array([gain_sums(design, weight, number) for number in range(tables)])
    xy, xx, total = sums.sum(axis=0)
    value = float(xy**2 / xx / total)
    xy, xx, total = (sums.sum(axis=0) - sums).T
    without = xy**2 / xx / total
    return value, float(np.sqrt((tables - 1) * without.var()))


def main() -> None:
    """Print the effects."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=100)
    options = parser.parse_args()
    for design in AT_BOUNDS:
        correlation = correlation_of_ranks(NORMAL_CORRELATIONS[design], design.seeds)
        value, error = gain(design, GAIN_WEIGHTS[design], options.tables)
        print(f"{design.name}: correlation {correlation:.4f}, gain {value:.4f} (SE {error:.4f})", flush=True)


if __name__ == "__main__":
    main()
