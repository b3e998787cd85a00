"""Measure how long it takes to judge large tables, in seconds and memory, each case in a process of its own.

    python benchmarks/judging.py [--cases 0 1 2 3] > benchmarks/results/judging.txt

A table has configurations over three axes with independent replicates, and predictors that follow the axes; the first
two share a cause with the outcome inside configurations. `judge` runs with its defaults: 1,000 resamples and as many
permutations as the decisions need.
"""

import argparse
import itertools
import platform
import resource
import subprocess
import sys
import time
from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd

from benevolent.analysis import statistics as st
from benevolent.analysis.judging.judge_table import judge


class Shape(NamedTuple):
    """Numbers of values of each axis, of replicates of a configuration, and of predictors."""

    axes: tuple[int, ...]
    replicates: int
    predictors: int


SHAPES = (
    Shape((10, 12, 10), 5, 24),
    Shape((2, 2), 1500, 24),
    Shape((20, 25, 40), 5, 40),
    Shape((4, 5), 5000, 40),
)
LINKED = 2  # predictors that share a cause with the outcome


def simulate_runs(shape: Shape, seed: int = 0) -> pd.DataFrame:
    """Draw the runs of a grid."""
    random = np.random.default_rng(seed)
    names = list("abc")[: len(shape.axes)]
    grid = list(itertools.product(*map(range, shape.axes)))
    table = pd.DataFrame(np.repeat(grid, shape.replicates, axis=0), columns=names)
    effect = table[names].to_numpy() @ random.normal(size=len(names))
    table["seed"] = np.arange(len(table))
    cause = random.normal(size=len(table))
    table["test_loss"] = effect + 0.3 * cause + random.normal(size=len(table))
    columns = {}
    for number in range(shape.predictors):
        values = effect * random.normal() + random.normal(size=len(table))
        columns[f"p{number}"] = values + 0.3 * cause * (number < LINKED)
    return pd.concat([table, pd.DataFrame(columns)], axis=1)


def measure(shape: Shape) -> None:
    """Judge one table and print what it took."""
    table = simulate_runs(shape)
    axes = list("abc")[: len(shape.axes)]
    before = _peak_gb()
    start = time.perf_counter()
    cpu_start = time.process_time()
    verdicts = judge(table, "test_loss", axes, [f"p{number}" for number in range(shape.predictors)])
    seconds = time.perf_counter() - start
    cpu = time.process_time() - cpu_start
    configurations = len(table) // shape.replicates
    decisions = dict(Counter(verdict.label for verdict in verdicts))
    print(
        f"{len(table):>8,} runs = {configurations:>6,} configurations x {shape.replicates:>5,}, "
        f"{shape.predictors} predictors: {seconds:6.1f} s ({cpu:6.1f} s of CPU), "
        f"peak {_peak_gb():.2f} GB ({before:.2f} GB before); {decisions}",
        flush=True,
    )


def measure_sign_errors() -> None:
    """Compute robust sign errors of 24 predictors and print what it took."""
    table = simulate_runs(Shape((10, 10, 10), 5, 24)).assign(test_error=lambda t: t["test_loss"].rank(pct=True))
    start = time.perf_counter()
    st.robust_sign_error(table, [f"p{number}" for number in range(24)], "test_error", list("abc"), test_size=10_000)
    print(f"robust sign errors of 24 predictors over 5,000 runs: {time.perf_counter() - start:.1f} s")


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    """Measure every case in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = range(len(SHAPES))
    parser.add_argument("--cases", type=int, nargs="*", default=[*every], choices=every, help="numbers of the shapes")
    parser.add_argument("--alone", type=int, choices=every, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone is not None:
        measure(SHAPES[options.alone])
        return
    print(f"Python {platform.python_version()} on {platform.machine()}, one thread", flush=True)
    for case in options.cases:
        subprocess.run([sys.executable, __file__, "--alone", str(case)], check=True)
    measure_sign_errors()


if __name__ == "__main__":
    main()
