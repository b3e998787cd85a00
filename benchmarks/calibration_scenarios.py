"""Simulated scenarios in which it is known which claims are true; see `calibration.py`.

Each scenario fills the target and the predictors of a `SimulatedTable`. In those here no predictor makes both claims
true; see `calibration_planted.py` for others. A claim of transfer is false where, after the axes, the predictor is
independent of the target across lineages; a claim of beyond where it is so within configurations.
"""

import numpy as np
from calibration_tables import AXES, PREDICTORS, Scenario, SimulatedTable


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
    table.all_transfer()


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
    table.all_transfer()


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
    table.keep(~dropped)


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
    """Products and steps of the axes, in target and predictors alike: they transfer; no association within."""
    ranks = {axis: table.runs[axis].rank(method="dense").to_numpy() for axis in AXES}
    bump = (ranks["scale"] > 2) * ranks["corruption"] * (ranks["width"] - 1.5)
    table.fill(3 * bump + table.effect(), lambda i: bump * (ranks["pruned"] + i) + 0.1 * table.effect())
    table.all_transfer()


def simpson(table: SimulatedTable) -> None:
    """Predictors and target rise together over the axes, and are unrelated between runs that share them."""
    level = 2 * table.runs["scale"] + table.runs["corruption"]
    table.fill(level + table.effect(), lambda _: level + table.effect())


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
