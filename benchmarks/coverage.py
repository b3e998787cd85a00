"""Measure how often 95% intervals contain the truth: tau, a slope, a partial correlation, that within configurations.

    python benchmarks/coverage.py [--tables 1000] > benchmarks/results/coverage.txt

Configurations are drawn from an infinite population: an axis z, and effects of the configuration on predictor and
outcome, normal or heavy-tailed (Student's t with 3 degrees of freedom). Runs add noise; within configurations the
noise of predictor and outcome is associated as between configurations, not at all, or in the opposite direction. The
truth is the value of the statistic on very many configurations, here `--truth` of them. Each table has G
configurations of 5 runs; its interval comes from resampling whole configurations. Printed: the share of tables whose
interval contains the truth, with its standard error, and the mean width.
"""

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis import statistics as st
from benevolent.analysis.statistics.claims import Claims
from benevolent.analysis.statistics.complete_cases import CompleteCases, StatisticsSettings
from benevolent.analysis.statistics.configurations import GroupedRuns
from benevolent.analysis.statistics.lineages import Lineages
from benevolent.analysis.statistics.resampled_kendall import kendall_interval
from benevolent.analysis.statistics.resampling import bootstrap_counts

RUNS = 5
STRENGTH = 0.6  # of what predictor and outcome share between configurations
WITHIN = {"as between": STRENGTH, "none": 0.0, "against": -STRENGTH}  # of what they share within configurations
POPULATIONS = [(False, "as between"), (True, "as between"), (False, "none"), (False, "against")]
CONFIGURATIONS = (12, 24, 48, 96)

#: Table, resamples and seed -> interval.
Interval = Callable[[pd.DataFrame, int, int], tuple[float, float]]


class Statistic(NamedTuple):
    """A statistic of a table, and its interval."""

    value: Callable[[pd.DataFrame], float]
    interval: Interval


def simulate(random: np.random.Generator, configurations: int, heavy: bool, within: str = "as between") -> pd.DataFrame:
    """Draw a table of runs with columns configuration, z, x and y."""

    def noise(size: int) -> np.ndarray:
        return random.standard_t(3, size) if heavy else random.normal(size=size)

    configuration = np.repeat(np.arange(configurations), RUNS)
    runs = len(configuration)
    z = random.normal(size=configurations)
    shared = noise(configurations)
    x_level = z + shared + noise(configurations)
    y_level = z + STRENGTH * shared + noise(configurations)
    shared_noise = noise(runs)
    x = x_level[configuration] + shared_noise + noise(runs)
    y = y_level[configuration] + WITHIN[within] * shared_noise + noise(runs)
    return pd.DataFrame({"configuration": configuration, "z": z[configuration], "x": x, "y": y})


def slope(table: pd.DataFrame) -> float:
    """Slope of the least-squares line of y on x."""
    return st.linear_fit(table["x"], table["y"]).slope


def partial_correlation(table: pd.DataFrame) -> float:
    """Partial rank correlation of x and y given z."""
    return st.partial_rank_correlation(table, "x", "y", ["z"])


def kendall_tau(table: pd.DataFrame) -> float:
    """Kendall's tau of x and y."""
    return st.kendall_tau(table["x"], table["y"])


def kendall_tau_interval(table: pd.DataFrame, resamples: int, seed: int) -> tuple[float, float]:
    """Interval of Kendall's tau, as verdicts have it."""
    runs = GroupedRuns.from_table(table, ["configuration"], None)
    lineages = Lineages.from_runs(runs)
    counts = bootstrap_counts(len(lineages), resamples, np.random.default_rng(seed))
    x = rankdata(table["x"])[runs.order]
    y = rankdata(table["y"])[runs.order]
    return kendall_interval(runs, lineages, x, y, counts)


def within_correlation(table: pd.DataFrame) -> float:
    """Correlation of aligned ranks within configurations."""
    return st.within_configuration(table, "x", "y", ["configuration"], permutations=0).correlation


def within_interval(table: pd.DataFrame, resamples: int, seed: int) -> tuple[float, float]:
    """Interval of that correlation, as verdicts have it."""
    cases = CompleteCases(table, StatisticsSettings("y", ("configuration",), None, 0.95, resamples, seed))
    row = Claims(cases, table[["x"]].to_numpy()).estimates(0)
    return row["within_low"], row["within_high"]


def bootstrap_interval(statistic: Callable[[pd.DataFrame], float]) -> Interval:
    """Return the function that computes the bootstrap interval of a statistic."""

    def interval(table: pd.DataFrame, resamples: int, seed: int) -> tuple[float, float]:
        estimate = st.bootstrap(table, statistic, ["configuration"], resamples=resamples, random_seed=seed)
        return estimate.low, estimate.high

    return interval


STATISTICS = {
    "Kendall tau": Statistic(kendall_tau, kendall_tau_interval),
    "slope": Statistic(slope, bootstrap_interval(slope)),
    "partial correlation": Statistic(partial_correlation, bootstrap_interval(partial_correlation)),
    "within configurations": Statistic(within_correlation, within_interval),
}


def coverage(
    statistic: Statistic, truth: float, configurations: int, heavy: bool, within: str, tables: int, resamples: int
) -> tuple[float, float]:
    """Return the share of tables whose interval contains the truth, and the mean width of the intervals."""
    covered = 0
    width = 0.0
    for number in range(tables):
        random = np.random.default_rng((number, configurations, heavy))
        table = simulate(random, configurations, heavy, within)
        low, high = statistic.interval(table, resamples, number)
        covered += low <= truth <= high
        width += (high - low) / tables
    return covered / tables, width


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(STATISTICS)
    parser.add_argument("statistics", nargs="*", metavar="STATISTIC", help=f"some of {names}; by default all")
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--truth", type=int, default=40_000, help="configurations that give the truth")
    options = parser.parse_args()
    print(f"{options.tables} tables per line, {RUNS} runs a configuration, {options.resamples} resamples\n")
    print(
        f"{'statistic':<22}{'noise':<8}{'within':<12}{'configurations':>15}{'truth':>9}{'coverage':>10}{'(SE)':>8}"
        f"{'width':>8}{'s':>6}"
    )
    for heavy, within in POPULATIONS:
        noise = "t(3)" if heavy else "normal"
        population = simulate(np.random.default_rng(10**6 + heavy), options.truth, heavy, within)
        for name in options.statistics or STATISTICS:
            statistic = STATISTICS[name]
            truth = statistic.value(population)
            for configurations in CONFIGURATIONS:
                start = time.perf_counter()
                share, width = coverage(
                    statistic, truth, configurations, heavy, within, options.tables, options.resamples
                )
                error = (share * (1 - share) / options.tables) ** 0.5
                seconds = time.perf_counter() - start
                print(
                    f"{name:<22}{noise:<8}{within:<12}{configurations:>15}{truth:>9.3f}{share:>10.3f}{error:>8.3f}"
                    f"{width:>8.3f}{seconds:>6.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
