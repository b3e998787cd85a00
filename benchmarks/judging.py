"""Measure how long the statistics take on many models: point estimates, and what intervals and nulls add.

    python benchmarks/judging.py [--models 10000] > benchmarks/results/judging.txt

A table of models over five axes with two seeds, 40 predictors and an outcome, normal numbers with effects of the axes.
Timed, one thread for each statistic as `judge` has it: the point estimates of every statistic for every predictor
(Kendall's tau, granulated tau and Psi, partial rank correlation, conditional mutual information where it is defined,
cross-validated gain, association within configurations); the same with bootstrap intervals; robust sign errors of 24
predictors on 5,000 rows; and, with `--rows`, the point estimates that fit in memory on so many rows. Peak memory is of
the process.
"""

import argparse
import itertools
import resource
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benevolent.analysis import statistics as st
from benevolent.analysis.judging.judge import judge

AXES = ["a", "b", "c", "d", "e"]


def models(rows: int, predictors: int, seed: int = 0) -> pd.DataFrame:
    """A grid of about so many rows over five axes, two seeds per configuration."""
    levels = max(2, round((rows / 2) ** (1 / 5)))
    last = max(2, round(rows / 2 / levels**4))
    grid = list(itertools.product(*[range(levels)] * 4, range(last), range(2)))
    table = pd.DataFrame(grid, columns=[*AXES, "seed"])
    random = np.random.default_rng(seed)
    effects = sum(random.normal(size=table[axis].nunique())[table[axis]] for axis in AXES)
    table["test_error"] = 1 / (1 + np.exp(-effects - random.normal(size=len(table))))
    noise = random.normal(size=(predictors, len(table)))
    own = {f"p{i}": effects * random.normal() + noise[i] for i in range(predictors)}
    return pd.concat([table, pd.DataFrame(own)], axis=1)


def point_estimates(table: pd.DataFrame, predictors: int) -> None:
    """Every statistic of every predictor, no interval and no null."""
    judge(table, "test_error", AXES, [f"p{i}" for i in range(predictors)], permutations=0, resamples=0)


def with_intervals(table: pd.DataFrame, predictors: int) -> None:
    """The same with 200 resamples of whole configurations."""
    judge(table, "test_error", AXES, [f"p{i}" for i in range(predictors)], permutations=0, resamples=200)


def sign_errors(table: pd.DataFrame, predictors: int) -> None:
    """Robust sign errors of 24 predictors on 5,000 rows."""
    st.robust_sign_error(table, [f"p{i}" for i in range(predictors)], "test_error", AXES, test_size=10_000)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=0, help="also the point estimates of 4 predictors on so many rows")
    options = parser.parse_args()
    cases: list[tuple[str, Callable[[pd.DataFrame, int], None], int, int]] = [
        ("point estimates", point_estimates, options.models, 40),
        ("with 200 resamples", with_intervals, options.models, 40),
        ("robust sign error", sign_errors, 5_000, 24),
    ]
    if options.rows:
        cases.append(("point estimates", point_estimates, options.rows, 4))
    print(f"{'what':<22}{'models':>9}{'predictors':>12}{'axes':>6}{'seconds':>10}{'peak memory':>14}")
    for name, run, rows, predictors in cases:
        table = models(rows, predictors)
        start = time.perf_counter()
        with threadpool_limits(1):
            run(table, predictors)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{name:<22}{len(table):>9,}{predictors:>12}{5:>6}{seconds:>10.1f}{peak:>11.1f} GiB", flush=True)


if __name__ == "__main__":
    main()
