"""Measure how long the statistics take on many models: point estimates, and the cost of intervals.

    python benchmarks/judging.py [--models 10000] > benchmarks/results/judging.txt

A table of models over five axes with two seeds, 40 predictors and an outcome: normal numbers with effects of the
axes. Timed on one thread, as `judge` uses: the point estimates of every statistic for every predictor (Kendall's tau,
granulated tau and Psi, partial rank correlation, conditional mutual information where it is defined, cross-validated
gain, association within configurations); the same with bootstrap intervals; robust sign errors of 24 predictors on
5,000 rows; and, with `--rows`, the point estimates of 4 predictors on that many rows. Peak memory is of the process.
"""

import argparse
import itertools
import resource
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benevolent.analysis import statistics as st
from benevolent.analysis.judging.judge_table import judge

AXES = ["a", "b", "c", "d", "e"]
SEEDS = 2


class Case(NamedTuple):
    """A function of a table and the names of its predictors, timed on a table of a given size."""

    name: str
    run: Callable[[pd.DataFrame, list[str]], object]
    rows: int
    predictors: int


def simulate_models(rows: int, predictors: int, seed: int = 0) -> pd.DataFrame:
    """Draw a grid of about that many rows over five axes, two seeds per configuration."""
    configurations = rows / SEEDS
    levels = max(2, round(configurations ** (1 / 5)))
    last_levels = max(2, round(configurations / levels**4))
    grid = itertools.product(*[range(levels)] * 4, range(last_levels), range(SEEDS))
    table = pd.DataFrame(list(grid), columns=[*AXES, "seed"])
    random = np.random.default_rng(seed)
    effects = np.zeros(len(table))
    for axis in AXES:
        effects = effects + random.normal(size=table[axis].nunique())[table[axis]]
    table["test_error"] = 1 / (1 + np.exp(-effects - random.normal(size=len(table))))
    noise = random.normal(size=(predictors, len(table)))
    columns = {f"p{i}": effects * random.normal() + noise[i] for i in range(predictors)}
    return pd.concat([table, pd.DataFrame(columns)], axis=1)


def point_estimates(table: pd.DataFrame, predictors: list[str]) -> None:
    """Compute every statistic of every predictor, without intervals and nulls."""
    judge(table, "test_error", AXES, predictors, permutations=0, resamples=0)


def with_intervals(table: pd.DataFrame, predictors: list[str]) -> None:
    """Compute the same with 200 resamples of whole configurations."""
    judge(table, "test_error", AXES, predictors, permutations=0, resamples=200)


def sign_errors(table: pd.DataFrame, predictors: list[str]) -> None:
    """Compute the robust sign errors of every predictor."""
    st.robust_sign_error(table, predictors, "test_error", AXES, test_size=10_000)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=0, help="also the point estimates of 4 predictors on so many rows")
    options = parser.parse_args()
    cases = [
        Case("point estimates", point_estimates, options.models, 40),
        Case("with 200 resamples", with_intervals, options.models, 40),
        Case("robust sign error", sign_errors, 5_000, 24),
    ]
    if options.rows:
        cases.append(Case("point estimates", point_estimates, options.rows, 4))
    print(f"{'statistics':<22}{'models':>9}{'predictors':>12}{'axes':>6}{'seconds':>10}{'peak memory':>14}")
    for case in cases:
        table = simulate_models(case.rows, case.predictors)
        names = [f"p{i}" for i in range(case.predictors)]
        start = time.perf_counter()
        with threadpool_limits(1):
            case.run(table, names)
        seconds = time.perf_counter() - start
        peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        size = f"{len(table):>9,}{case.predictors:>12}{len(AXES):>6}"
        print(f"{case.name:<22}{size}{seconds:>10.1f}{peak_gib:>11.1f} GiB", flush=True)


if __name__ == "__main__":
    main()
