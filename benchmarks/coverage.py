"""Measure how often the 95% intervals hold the truth: Kendall's tau, the slope of a line, the partial correlation.

    python benchmarks/coverage.py [--tables 1000] > benchmarks/results/coverage.txt

Configurations are drawn from an endless supply: an axis z, and effects of the configuration on predictor and outcome,
normal or heavy-tailed (Student's t with 3 degrees of freedom); its runs add noise of their own, which within
configurations goes with the outcome as between them, or not at all, or against it. So the truth is known: the value of
the statistic on as many configurations as one likes, here `--truth` of them. Each table has G configurations of 5 runs;
its interval comes from whole configurations resampled. Printed: the share of tables whose interval holds the truth,
with its standard error, and the mean width.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis import statistics as st
from benevolent.analysis.statistics.configurations import GroupedRuns
from benevolent.analysis.statistics.correlation import kendall_interval
from benevolent.analysis.statistics.resampling import bootstrap_counts

RUNS = 5
STRENGTH = 0.6  # of what predictor and outcome share
WITHIN = {"as between": STRENGTH, "none": 0.0, "against": -STRENGTH}  # what they share in the runs of a configuration


def draw(random: np.random.Generator, configurations: int, heavy: bool, within: str = "as between") -> pd.DataFrame:
    """A table of runs with columns configuration, z, x and y."""

    def noise(size: int) -> np.ndarray:
        return random.standard_t(3, size) if heavy else random.normal(size=size)

    at = np.repeat(np.arange(configurations), RUNS)
    z = random.normal(size=configurations)
    shared, own_x, own_y = (noise(configurations) for _ in range(3))
    run = noise(len(at))
    x = (z + shared + own_x)[at] + run + noise(len(at))
    y = (z + STRENGTH * shared + own_y)[at] + WITHIN[within] * run + noise(len(at))
    return pd.DataFrame({"configuration": at, "z": z[at], "x": x, "y": y})


def slope(table: pd.DataFrame) -> float:
    """Of the least-squares line of y on x."""
    return st.linear_fit(table["x"], table["y"]).slope


def partial(table: pd.DataFrame) -> float:
    """Partial rank correlation given z."""
    return st.partial_rank_correlation(table, "x", "y", ["z"])


def tau_interval(table: pd.DataFrame, resamples: int, seed: int) -> tuple[float, float]:
    """The interval that verdicts have."""
    runs = GroupedRuns.from_table(table, ["configuration"], None)
    counts = bootstrap_counts(len(runs.sizes), resamples, np.random.default_rng(seed))
    x, y = (rankdata(table[name])[runs.order] for name in ("x", "y"))
    return kendall_interval(runs, x, y, counts)


def interval_of(statistic: Callable[[pd.DataFrame], float]) -> Callable[[pd.DataFrame, int, int], tuple[float, float]]:
    """The interval of any statistic."""

    def interval(table: pd.DataFrame, resamples: int, seed: int) -> tuple[float, float]:
        found = st.bootstrap(table, statistic, ["configuration"], resamples=resamples, random_seed=seed)
        return found.low, found.high

    return interval


STATISTICS = {
    "Kendall tau": (lambda table: st.kendall_tau(table["x"], table["y"]), tau_interval),
    "slope": (slope, interval_of(slope)),
    "partial correlation": (partial, interval_of(partial)),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("statistics", nargs="*", metavar="STATISTIC", help=f"of {', '.join(STATISTICS)}; all")
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--truth", type=int, default=40_000)
    options = parser.parse_args()
    print(f"{options.tables} tables per line, {RUNS} runs a configuration, {options.resamples} resamples\n")
    print(
        f"{'statistic':<22}{'noise':<8}{'within':<12}{'configurations':>15}{'truth':>9}{'coverage':>10}{'(SE)':>8}"
        f"{'width':>8}{'s':>6}"
    )
    for heavy, within in [(False, "as between"), (True, "as between"), (False, "none"), (False, "against")]:
        endless = draw(np.random.default_rng(10**6 + heavy), options.truth, heavy, within)
        for name in options.statistics or STATISTICS:
            statistic, interval = STATISTICS[name]
            truth = statistic(endless)
            for configurations in (12, 24, 48, 96):
                start, held, width = time.perf_counter(), 0, 0.0
                for number in range(options.tables):
                    random = np.random.default_rng((number, configurations, heavy))
                    table = draw(random, configurations, heavy, within)
                    low, high = interval(table, options.resamples, number)
                    held += low <= truth <= high
                    width += (high - low) / options.tables
                share = held / options.tables
                error = (share * (1 - share) / options.tables) ** 0.5
                noise = "t(3)" if heavy else "normal"
                print(
                    f"{name:<22}{noise:<8}{within:<12}{configurations:>15}{truth:>9.3f}{share:>10.3f}{error:>8.3f}{width:>8.3f}"
                    f"{time.perf_counter() - start:>6.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
