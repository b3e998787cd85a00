"""Simulated tables in which it is known which predictors add to the axes; see `calibration.py`.

Each scenario fills the target and the predictors of a `SimulatedTable`. In `NULLS` no predictor adds; in `PLANTED`
those named in `SimulatedTable.adding` do.
"""

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd

AXES: dict[str, list[float]] = {
    "scale": [0.5, 1, 2, 4],
    "corruption": [0, 0.5, 1],
    "width": [32, 128],
    "pruned": [0.0, 0.8],
}
SEEDS = 5
PREDICTORS = 5


class SimulatedTable:
    """A table of runs over the grid of the axes, with random effects.

    Attributes:
        random: draws every effect.
        runs: one row per run: the axes, the seed, and, once filled, the target and the predictors.
        adding: names of the predictors that add to the axes.
    """

    def __init__(self, random: np.random.Generator):
        self.random = random
        self.adding: set[str] = set()
        self.set_seeds(SEEDS)

    def set_seeds(self, count: int) -> None:
        """Begin again with this number of seeds per configuration."""
        rows = list(itertools.product(*AXES.values(), range(count)))
        self.runs = pd.DataFrame(rows, columns=[*AXES, "seed"])

    def effect(self, *columns: str) -> np.ndarray:
        """Draw a normal effect of each combination of the columns; without columns, of each run."""
        if not columns:
            return self.random.normal(size=len(self.runs))
        code = self.runs.groupby(list(columns)).ngroup().to_numpy()
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
        self.runs["target"] = target
        for i in range(predictors):
            self.runs[f"p{i}"] = predictor(i)

    def drop_runs(self, share: float) -> None:
        """Drop a random share of the runs."""
        self.runs = self.runs[self.random.random(len(self.runs)) > share].reset_index(drop=True)

    def all_add(self) -> None:
        """Mark all predictors as adding to the axes."""
        self.adding = {f"p{i}" for i in range(PREDICTORS)}


Scenario = Callable[[SimulatedTable], None]


# Scenarios in which no predictor adds -------------------------------------------------------------


def independent(table: SimulatedTable) -> None:
    """Predictors and target are noise."""
    table.fill(table.effect(), lambda _: table.effect())


def configuration_effects(table: SimulatedTable) -> None:
    """Axes and configurations act on predictors and target independently."""

    def value() -> np.ndarray:
        return table.axes_effect() + table.configuration_effect() + table.effect()

    table.fill(value(), lambda _: value())


def functions_of_axes(table: SimulatedTable) -> None:
    """Predictors are functions of the axes, the target has three-way interactions; no association within."""
    three_way = ("scale", "corruption", "width")
    target = table.axes_effect() + table.effect(*three_way) + 0.3 * table.effect()
    table.fill(target, lambda i: table.axes_effect() + i * table.effect(*three_way))


def noisy_functions_of_axes(table: SimulatedTable) -> None:
    """Predictors are the noiseless target with noise of their own: a real gain, no association within."""
    truth = table.axes_effect() + table.configuration_effect()
    table.fill(truth + table.effect(), lambda _: truth + 0.3 * table.effect())


def shared_seeds(table: SimulatedTable) -> None:
    """Each seed has one effect in all configurations and another in all of equal width."""

    def value() -> np.ndarray:
        seed_effects = table.axes_effect() + table.effect("seed") + table.effect("seed", "width")
        return seed_effects + 0.5 * table.effect()

    table.fill(value(), lambda _: value())


def seed_by_axes(table: SimulatedTable, *axes: str) -> None:
    """A real gain between configurations; within them only strong effects of each seed with these axes."""
    truth = table.axes_effect() + table.configuration_effect()
    target = truth + 2 * table.effect("seed", *axes) + 0.5 * table.effect()
    table.fill(target, lambda _: truth + 2 * table.effect("seed", *axes) + 0.3 * table.effect())


def seed_and_two_axes(table: SimulatedTable) -> None:
    """Strong effects shared by the runs of one seed, one scale and one width; the gain is real."""
    seed_by_axes(table, "scale", "width")


def seed_and_two_binary_axes(table: SimulatedTable) -> None:
    """The same with the two axes of two values: one contrast per seed is all that is shared."""
    seed_by_axes(table, "width", "pruned")


def seed_and_three_axes(table: SimulatedTable) -> None:
    """The same with three axes."""
    seed_by_axes(table, "scale", "corruption", "width")


def seed_and_two_axes_ragged(table: SimulatedTable) -> None:
    """The same with two axes, and a fifth of the runs missing."""
    seed_and_two_axes(table)
    table.drop_runs(0.2)


def ragged_and_heavy(table: SimulatedTable) -> None:
    """A fifth of the runs diverged, unequal heavy-tailed noise, ties, and missing predictors."""
    n = len(table.runs)
    spread = np.exp(table.configuration_effect())
    table.runs["target"] = np.round(table.axes_effect() + spread * table.random.standard_t(2, n), 1)
    table.runs["status"] = np.where(table.random.random(n) < 0.2, "diverged", "converged")
    for i in range(PREDICTORS):
        axes_effect = table.axes_effect()
        spread = np.exp(table.configuration_effect())
        table.runs[f"p{i}"] = np.exp(axes_effect + spread * table.random.standard_t(2, n))
        missing = table.random.random(n) < 0.02 * i
        table.runs.loc[missing, f"p{i}"] = np.nan


def correlated_axes(table: SimulatedTable) -> None:
    """Half of the grid is missing: mostly configurations that are large on one axis and small on another."""
    configuration_effects(table)
    both_large_or_small = (table.runs["scale"] > 1) == (table.runs["width"] > 32)
    dropped = table.configuration_effect() > np.where(both_large_or_small, 0.8, -0.8)
    table.runs = table.runs[~dropped].reset_index(drop=True)


def few_seeds(table: SimulatedTable) -> None:
    """The fewest seeds that are judged, four."""
    table.set_seeds(4)
    configuration_effects(table)


def many_seeds(table: SimulatedTable) -> None:
    """Twelve seeds."""
    table.set_seeds(12)
    configuration_effects(table)


def forty_predictors(table: SimulatedTable) -> None:
    """Forty predictors, half of them functions of the axes with a little noise."""

    def predictor(i: int) -> np.ndarray:
        noise = 1.0 if i % 2 else 0.1
        return table.axes_effect() + table.configuration_effect() + noise * table.effect()

    table.fill(predictor(1), predictor, predictors=40)


def nonlinear_functions_of_axes(table: SimulatedTable) -> None:
    """Products and steps of the axes, in target and predictors alike; no association within."""
    ranks = {axis: table.runs[axis].rank(method="dense").to_numpy() for axis in AXES}
    bump = (ranks["scale"] > 2) * ranks["corruption"] * (ranks["width"] - 1.5)
    table.fill(3 * bump + table.effect(), lambda i: bump * (ranks["pruned"] + i) + 0.1 * table.effect())


def simpson(table: SimulatedTable) -> None:
    """Predictors and target rise together over the axes, and are unrelated between runs that share them."""
    level = 2 * table.runs["scale"] + table.runs["corruption"]
    table.fill(level + table.effect(), lambda _: level + table.effect())


# Scenarios in which predictors add ----------------------------------------------------------------


def simpson_reversed(table: SimulatedTable) -> None:
    """Over the axes they rise together; between runs that share them, the larger predictor has the smaller target."""
    level = 3 * table.runs["scale"]
    cause = table.effect()
    table.fill(level - cause + 0.5 * table.effect(), lambda _: level + cause + 0.5 * table.effect())
    table.all_add()


def planted_share(table: SimulatedTable, share: float) -> None:
    """Among noise, one predictor with a cause that makes this share of the variance of both within configurations."""
    cause = table.effect()

    def value(share: float) -> np.ndarray:
        fixed = table.axes_effect() + table.configuration_effect()
        return fixed + share**0.5 * cause + (1 - share) ** 0.5 * table.effect()

    table.fill(value(share), lambda i: value(share if i == 0 else 0.0))
    table.adding = {"p0"}


def planted_small(table: SimulatedTable) -> None:
    """A share of 0.15: correlation 0.15 within configurations."""
    planted_share(table, 0.15)


def planted_medium(table: SimulatedTable) -> None:
    """A share of 0.3."""
    planted_share(table, 0.3)


def planted_large(table: SimulatedTable) -> None:
    """A share of 0.6."""
    planted_share(table, 0.6)


def planted(table: SimulatedTable) -> None:
    """All predictors share one cause per run with the target, over axes, configurations and noise."""
    cause = table.effect()
    target = table.axes_effect() + 0.5 * table.configuration_effect() + cause
    table.fill(target, lambda _: 0.5 * table.axes_effect() + cause + table.effect())
    table.all_add()


def one_planted(table: SimulatedTable) -> None:
    """One such predictor among noise."""
    planted(table)
    for i in range(1, PREDICTORS):
        table.runs[f"p{i}"] = table.axes_effect() + table.configuration_effect() + table.effect()
    table.adding = {"p0"}


def planted_with_luck(table: SimulatedTable) -> None:
    """The same for all predictors, among strong effects of seeds with two axes."""
    planted(table)
    for name in ["target", *(f"p{i}" for i in range(PREDICTORS))]:
        table.runs[name] += table.effect("seed") + table.effect("seed", "scale", "width")


def weakly_planted(table: SimulatedTable) -> None:
    """A cause that makes a quarter of the variance of target and predictors beside the axes."""
    cause = table.effect()

    def value() -> np.ndarray:
        return table.axes_effect() + cause + 3**0.5 * table.effect()

    table.fill(value(), lambda _: value())
    table.all_add()


def planted_and_ragged(table: SimulatedTable) -> None:
    """A planted cause, and a tenth of the runs missing."""
    planted(table)
    table.drop_runs(0.1)


NULLS: list[Scenario] = [
    independent,
    configuration_effects,
    functions_of_axes,
    noisy_functions_of_axes,
    shared_seeds,
    seed_and_two_axes,
    seed_and_two_binary_axes,
    seed_and_three_axes,
    seed_and_two_axes_ragged,
    ragged_and_heavy,
    correlated_axes,
    few_seeds,
    many_seeds,
    forty_predictors,
    nonlinear_functions_of_axes,
    simpson,
]
PLANTED: list[Scenario] = [
    planted,
    one_planted,
    planted_with_luck,
    weakly_planted,
    planted_and_ragged,
    planted_small,
    planted_medium,
    planted_large,
    simpson_reversed,
]
