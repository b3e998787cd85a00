"""Measure how often `judge` claims what is false of a predictor, and how often it finds what is true.

    python benchmarks/calibration.py [--tables 100] [--keep FOLDER] > benchmarks/results/calibration.txt
    python benchmarks/calibration.py --scores        # ways to score runs within configurations, side by side
    python benchmarks/calibration.py --negligible    # the decision "negligible" at the bounds of its definition

The first prints, for each design of `calibration_designs.py` and each scenario, rates of both claims and of their
pair "adds". Beside "any false" stands its standard error. The rule controls the false discovery rate (FDR) of each
claim; where nothing is true both are the same, and where much is true the first may exceed the level. A mark ! stands
where an FDR is above 0.05 by more than two standard errors. Rates are per claim; "either" is the share of tables with
a false claim of any kind, about twice the level by design.

With `--against FOLDER` the same tables are also judged by the rule of another checkout of this repository. The first
edition's rule, which said "adds" or nothing, is in commit aa33162:

    git worktree add FOLDER aa33162
    python benchmarks/calibration.py --against FOLDER

With `--keep FOLDER` the verdicts of every table are kept there, and a run that was stopped goes on from them.
"""

import argparse
import tempfile
import time
from pathlib import Path

import calibration_negligible
import calibration_scores
import pandas as pd
from calibration_designs import SCENARIOS
from calibration_rates import ClaimRates, any_false_claim, claim_rates
from calibration_verdicts import Simulation, judged

NAME_WIDTH = 36
COLUMNS = ("any false", "(SE)", "FDR", "p<.05", "found")
LEGEND = """\
any false (SE): share of tables with a false claim, and its standard error; FDR: mean share of false ones among the
claims of a table; p<.05: share of p-values up to 0.05 where the claim is false; found: share of true claims made;
either: share of tables with a false claim of beyond or transfer; !: FDR above 0.05 by more than two standard errors"""


def heading() -> str:
    """Return the two lines above the figures."""
    groups = "".join(f"{claim:^33}" for claim in ("beyond", "transfers", "adds"))
    columns = f"{COLUMNS[0]:>10}{COLUMNS[1]:>6}" + "".join(f"{name:>6}" for name in COLUMNS[2:-1]) + f"{'found':>6} "
    return f"{'':{NAME_WIDTH}}{groups}\n{'':{NAME_WIDTH}}{columns * 3}{'either':>7}{'undecided':>10}{'s':>5}"


def figure(value: float, width: int = 6) -> str:
    """Return a share with two digits more than needed to compare; a dash if there is none."""
    return f"{'-':>{width}}" if pd.isna(value) else f"{value:{width}.3f}"


def claim_figures(rates: ClaimRates) -> str:
    """Return the figures of one claim."""
    rest = figure(rates.false_discovery) + figure(rates.small_p) + figure(rates.found)
    mark = "!" if rates.too_many else " "
    return figure(rates.any_false, 10) + figure(rates.any_false_error) + rest + mark


def line(name: str, verdicts: pd.DataFrame, seconds: float) -> str:
    """Return the line of a scenario."""
    claims = "".join(claim_figures(claim_rates(verdicts, claim)) for claim in ("beyond", "transfers", "adds"))
    undecided = (verdicts["decision"] == "undecided").mean()
    either = figure(any_false_claim(verdicts), 7)
    return f"{name:<{NAME_WIDTH}}{claims}{either}{undecided:10.3f}{seconds:5.0f}"


def print_rates(simulation: Simulation, options: argparse.Namespace) -> None:
    """Print the lines of all chosen scenarios, each as soon as it is known."""
    print(f"{simulation.tables} tables per scenario\n{LEGEND}\n\n{heading()}")
    for design, scenarios in SCENARIOS.items():
        if not any(text in design.name for text in options.designs):
            continue
        print(design.name)
        for scenario in scenarios:
            if options.scenarios and scenario.__name__ not in options.scenarios:
                continue
            start = time.perf_counter()
            verdicts = judged(design, scenario, simulation)
            print(line(f"  {scenario.__name__}", verdicts, time.perf_counter() - start), flush=True)
            if options.against is None:
                continue
            start = time.perf_counter()
            verdicts = judged(design, scenario, simulation, options.against)
            print(line("    the other rule", verdicts, time.perf_counter() - start), flush=True)


def main() -> None:
    """Print the table that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=100)
    parser.add_argument("--permutations", type=int, help="of each null; by default as many as judge needs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--designs", nargs="+", default=[""], metavar="TEXT", help="parts of names of designs")
    parser.add_argument("--scenarios", nargs="+", metavar="NAME", help="names of scenarios")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout, to judge the same tables")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where verdicts are kept, to go on from there")
    parser.add_argument("--scores", action="store_true", help="compare ways to score runs within configurations")
    parser.add_argument("--negligible", action="store_true", help="measure the decision negligible")
    options = parser.parse_args()
    if options.scores:
        return calibration_scores.print_table(options.tables, options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        simulation = Simulation(options.tables, options.seed, options.permutations, folder)
        if options.negligible:
            return calibration_negligible.print_table(simulation)
        return print_rates(simulation, options)


if __name__ == "__main__":
    main()
