"""Tables of runs with random effects, in which it is known which predictors make which claim true."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

GRID: dict[str, list[float]] = {
    "scale": [0.5, 1, 2, 4],
    "corruption": [0, 0.5, 1],
    "width": [32, 128],
    "pruned": [0.0, 0.8],
}
AXES = tuple(GRID)
SEEDS = 5
PREDICTORS = 5


@dataclass(frozen=True, eq=False)
class Design:
    """The configurations of a table and how they share their seeds.

    Attributes:
        name: as it is printed.
        lineage_axes: axes whose values a lineage shares; the runs of one lineage share seeds of their own. None for
            one list of seeds that all configurations share.
        luck: correlation that two runs of one lineage and seed have in the noise of every column.
        grid: values of each axis.
        seeds: number of seeds of a configuration.
    """

    name: str
    lineage_axes: tuple[str, ...] | None
    luck: float = 0.0
    grid: Mapping[str, Sequence[float]] = field(default_factory=lambda: GRID)
    seeds: int = SEEDS


class SimulatedTable:
    """A table of runs over a grid of axes, with random effects.

    Attributes:
        random: draws every effect.
        design: the configurations and their seeds.
        axes: the axes of more than one value.
        runs: one row per run: the axes, the seed, and, once filled, the target and the predictors.
        beyond: names of the predictors that are associated with the target within configurations.
        transfers: names of the predictors that are associated with what the axes leave of the target.
    """

    def __init__(self, random: np.random.Generator, design: Design):
        self.random = random
        self.design = design
        self.axes = [axis for axis, values in design.grid.items() if len(values) > 1]
        self.beyond: set[str] = set()
        self.transfers: set[str] = set()
        self.set_seeds(design.seeds)

    def set_seeds(self, count: int) -> None:
        """Begin again with this number of seeds per configuration."""
        rows = list(itertools.product(*self.design.grid.values(), range(count)))
        self.runs = pd.DataFrame(rows, columns=[*AXES, "seed"])
        self._codes: dict[tuple[str, ...], np.ndarray] = {}
        if self.design.lineage_axes is not None:
            self.runs["seed"] += 1000 * self._code(self.design.lineage_axes)
            self._codes = {}

    def keep(self, kept: np.ndarray) -> None:
        """Keep the runs of a mask, drop the others."""
        self.runs = self.runs[kept].reset_index(drop=True)
        self._codes = {}

    def _code(self, columns: tuple[str, ...]) -> np.ndarray:
        """(n,) code of each combination of the columns."""
        if columns not in self._codes:
            self._codes[columns] = self.runs.groupby(list(columns)).ngroup().to_numpy()
        return self._codes[columns]

    def effect(self, *columns: str) -> np.ndarray:
        """Draw a normal effect of each combination of the columns; without columns, the noise of each run."""
        if not columns:
            own = self.random.normal(size=len(self.runs))
            luck = self.design.luck
            return own if not luck else luck**0.5 * self.effect("seed") + (1 - luck) ** 0.5 * own
        code = self._code(columns)
        return self.random.normal(size=code.max() + 1)[code]

    def axes_effect(self) -> np.ndarray:
        """Draw one pairwise interaction and the main effects."""
        total = self.effect("scale", "width")
        for axis in AXES:
            total = total + self.effect(axis)
        return total

    def configuration_effect(self) -> np.ndarray:
        """Draw an effect of each configuration."""
        return self.effect(*AXES)

    def fill(self, target: np.ndarray, predictor: Callable[[int], np.ndarray], predictors: int = PREDICTORS) -> None:
        """Set the target, then draw each predictor by its number."""
        columns = {"target": target}
        for i in range(predictors):
            columns[f"p{i}"] = predictor(i)
        self.runs = pd.concat([self.runs, pd.DataFrame(columns)], axis=1)

    @property
    def predictors(self) -> list[str]:
        """Names of the predictors."""
        return [name for name in self.runs if str(name)[0] == "p" and str(name)[1:].isdigit()]

    def drop_runs(self, share: float) -> None:
        """Drop a random share of the runs."""
        self.keep(self.random.random(len(self.runs)) > share)

    def all_beyond(self) -> None:
        """Mark all predictors as associated within configurations."""
        self.beyond = set(self.predictors)

    def all_transfer(self) -> None:
        """Mark all predictors as associated with what the axes leave."""
        self.transfers = set(self.predictors)

    def only(self, *names: str) -> None:
        """Mark these predictors, and no others, as making both claims true."""
        self.beyond = set(names)
        self.transfers = set(names)


Scenario = Callable[[SimulatedTable], None]
