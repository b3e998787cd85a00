"""Measure how often `judge` says "adds" of a predictor that does not add, and of one that does.

    python benchmarks/calibration.py [--tables 200] [--permutations 400] > benchmarks/results/calibration.txt

Each scenario of `calibration_scenarios.py` draws tables of 48 configurations (4 x 3 x 2 x 2) with 5 seeds and judges
5 predictors on each, unless it says otherwise. Printed per scenario: the share of tables with any predictor that is
said to add but does not, with its standard error; the false discovery rate, the mean share of such among all that are
said to add; the shares of single tests with p <= 0.05 (gain over the axes; within configurations); and the shares of
predictors that are said to add and that are undecided. The first figures should stay at or under 0.05 up to their
standard error; if something is planted, the share that is said to add is the power. A gain at p <= 0.05 is no error
if the gain is real, and no verdict if it is not: a verdict needs both tests.
"""

import argparse
import time

import numpy as np
from calibration_scenarios import AXES, NULLS, PLANTED, Scenario, SimulatedTable

from benevolent.analysis.judging.judge_table import judge
from benevolent.analysis.statistics.sequential_permutation import PERMUTATION_STAGES

LEVEL = 0.05
COLUMNS = ("any false", "(SE)", "FDR", "gain", "within", "adds", "undecided", "seconds")
LEGEND = """\
any false (SE): share of tables with a predictor said to add that does not; FDR: of those said to, on average;
gain, within: share of p <= 0.05; adds: of those that do (or of all, if none does); undecided: of all."""


def table_rates(table: SimulatedTable, permutations: int | None, seed: int) -> dict[str, float]:
    """Judge one table and return its shares."""
    verdicts = judge(table.runs, "target", list(AXES), permutations=permutations, resamples=20, random_seed=seed).table
    said_to_add = verdicts["decision"] == "adds"
    does_add = verdicts.index.isin(table.adding)
    false = said_to_add & ~does_add
    counted = said_to_add[does_add] if table.adding else said_to_add
    return {
        "any false": float(false.any()),
        "FDR": false.sum() / max(1, said_to_add.sum()),
        "gain": (verdicts["gain_p"] <= LEVEL).mean(),
        "within": (verdicts["within_p"] <= LEVEL).mean(),
        "adds": counted.mean(),
        "undecided": (verdicts["decision"] == "undecided").mean(),
    }


def scenario_rates(scenario: Scenario, tables: int, permutations: int | None, seed: int) -> dict[str, float]:
    """Return the mean shares over many tables of one scenario, and the standard error of the first."""
    rows = []
    for number in range(tables):
        table = SimulatedTable(np.random.default_rng([seed, number]))
        scenario(table)
        rows.append(table_rates(table, permutations, number))
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    any_false = means["any false"]
    means["(SE)"] = float(np.sqrt(any_false * (1 - any_false) / tables))
    return means


def main() -> None:
    """Print the table."""
    names = [scenario.__name__ for scenario in [*NULLS, *PLANTED]]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--permutations", type=int, help="of each null; by default as many as judge needs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenarios", nargs="+", choices=names, default=names)
    options = parser.parse_args()
    permutations = f"{PERMUTATION_STAGES[0]:,} to {PERMUTATION_STAGES[-1]:,}, as judge needs"
    if options.permutations is not None:
        permutations = str(options.permutations)
    print(f"{options.tables} tables per scenario; permutations of each null: {permutations}")
    print(LEGEND)
    print("\n" + " " * 30 + "".join(f"{column:>10}" for column in COLUMNS))
    for title, scenarios in (("nothing to find", NULLS), ("something to find", PLANTED)):
        print(title)
        for scenario in scenarios:
            if scenario.__name__ not in options.scenarios:
                continue
            start = time.perf_counter()
            rates = scenario_rates(scenario, options.tables, options.permutations, options.seed)
            figures = "".join(f"{rates[column]:10.3f}" for column in COLUMNS[:-1])
            print(f"  {scenario.__name__:<28}{figures}{time.perf_counter() - start:10.0f}", flush=True)


if __name__ == "__main__":
    main()
