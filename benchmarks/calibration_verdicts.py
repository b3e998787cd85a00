"""Judge the simulated tables of one scenario; started by `calibration.py`, also with the rule of another commit.

    PYTHONPATH=FOLDER/.import python benchmarks/calibration_verdicts.py --design NAME --scenario NAME --folder RESULTS

It imports only what the first edition has, too, so that FOLDER may be a checkout of it. The verdicts of every table
are appended to a file as soon as they are known; tables that are already there are skipped.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
from calibration_bounds import AT_BOUNDS
from calibration_designs import SCENARIOS
from calibration_tables import Design, Scenario, SimulatedTable

from benevolent.analysis.judging.judge_table import judge
from benevolent.analysis.statistics.complete_cases import CompleteCases

#: Columns that are kept, of both editions.
STATISTICS = [
    "decision",
    "within",
    "within_bound",
    "within_p",
    "beyond_p",
    "beyond_q",
    "gain_r2",
    "gain_bound",
    "gain_p",
    "transfers_p",
    "transfers_q",
    "baseline_model",
    "permutations",
]
RESAMPLES = 400


class Simulation(NamedTuple):
    """Which tables of every scenario are drawn, and where their verdicts are kept.

    Attributes:
        tables: number of tables.
        seed: of the tables.
        permutations: of each null; as many as the rule needs by default.
        folder: of the verdicts.
    """

    tables: int
    seed: int
    permutations: int | None
    folder: Path

    def file(self, design: Design, scenario: Scenario) -> Path:
        """Return the file of the verdicts of a scenario."""
        return self.folder / f"{design.name}, {scenario.__name__}, seed {self.seed}.csv"

    def missing(self, design: Design, scenario: Scenario) -> list[int]:
        """Return the numbers of the tables that are not judged yet."""
        file = self.file(design, scenario)
        done = set(pd.read_csv(file)["table"]) if file.exists() else set()
        return [number for number in range(self.tables) if number not in done]


def judged(design: Design, scenario: Scenario, simulation: Simulation, checkout: Path | None = None) -> pd.DataFrame:
    """Judge the tables of a scenario and return the verdicts.

    Args:
        design: of the tables.
        scenario: what fills them.
        simulation: which tables are drawn.
        checkout: folder of a checkout of this repository whose rule judges, in a process of its own; by default this.
    """
    if checkout is None:
        add_verdicts(design, scenario, simulation)
    else:
        simulation = simulation._replace(folder=simulation.folder / "against")
        if simulation.missing(design, scenario):
            start_elsewhere(design, scenario, simulation, checkout)
    verdicts = pd.read_csv(simulation.file(design, scenario))
    return verdicts[verdicts["table"] < simulation.tables]


def start_elsewhere(design: Design, scenario: Scenario, simulation: Simulation, checkout: Path) -> None:
    """Judge the tables of a scenario with the rule of another checkout."""
    arguments = ["--design", design.name, "--scenario", scenario.__name__, "--folder", str(simulation.folder)]
    arguments += ["--tables", str(simulation.tables), "--seed", str(simulation.seed)]
    if simulation.permutations is not None:
        arguments += ["--permutations", str(simulation.permutations)]
    environment = os.environ | {"PYTHONPATH": str(checkout.resolve() / ".import")}
    subprocess.run([sys.executable, __file__, *arguments], env=environment, check=True)


def simulated(design: Design, scenario: Scenario, number: int, seed: int) -> SimulatedTable:
    """Draw one table of a scenario; the same numbers give the same table."""
    table = SimulatedTable(np.random.default_rng([seed, number]), design)
    scenario(table)
    return table


def table_verdicts(table: SimulatedTable, number: int, simulation: Simulation) -> pd.DataFrame:
    """Judge one table: one row per predictor, with what is true of it.

    Statistics that describe and do not decide are left out; they take most of the time.
    """
    with ExitStack() as without:
        for name in ("describe", "mutual_information"):
            without.enter_context(mock.patch.object(CompleteCases, name, return_value={}))
        verdicts = judge(
            table.runs,
            "target",
            table.axes,
            table.predictors,
            permutations=simulation.permutations,
            resamples=RESAMPLES,
            random_seed=number,
        ).table
    rows = verdicts.reindex(columns=STATISTICS)
    rows.insert(0, "table", number)
    rows.insert(1, "predictor", verdicts.index)
    rows["is_beyond"] = verdicts.index.isin(table.beyond)
    rows["is_transfer"] = verdicts.index.isin(table.transfers)
    return rows


def add_verdicts(design: Design, scenario: Scenario, simulation: Simulation) -> None:
    """Judge the tables of a scenario that are not in its file yet, and add them."""
    file = simulation.file(design, scenario)
    file.parent.mkdir(parents=True, exist_ok=True)
    for number in simulation.missing(design, scenario):
        table = simulated(design, scenario, number, simulation.seed)
        rows = table_verdicts(table, number, simulation)
        rows.to_csv(file, mode="a", header=not file.exists(), index=False)


def find(design_name: str, scenario_name: str) -> tuple[Design, Scenario]:
    """Return the design and the scenario of these names."""
    for design, scenarios in [*SCENARIOS.items(), *AT_BOUNDS.items()]:
        for scenario in scenarios:
            if design.name == design_name and scenario.__name__ == scenario_name:
                return design, scenario
    raise SystemExit(f"there is no scenario {scenario_name!r} of the design {design_name!r}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge the tables of one scenario."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--design", required=True, help="its name")
    parser.add_argument("--scenario", required=True, help="its name")
    parser.add_argument("--folder", required=True, type=Path, help="of the verdicts")
    parser.add_argument("--tables", type=int, default=100)
    parser.add_argument("--permutations", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    design, scenario = find(options.design, options.scenario)
    simulation = Simulation(options.tables, options.seed, options.permutations, options.folder)
    add_verdicts(design, scenario, simulation)


if __name__ == "__main__":
    main()
