"""Simulated scenarios of tables as they come: ragged, with missing values, unequal or skewed noise, one claim true."""

import numpy as np
from calibration_planted import planted_share
from calibration_tables import Scenario, SimulatedTable

STRENGTH = 0.3  # correlation within configurations of what is planted here
ONE_SIDED = 40  # predictors of which one claim is true


def lineage_effects(table: SimulatedTable) -> None:
    """Effects of every lineage and configuration, on predictors and target independently."""

    def value() -> np.ndarray:
        lineage = table.effect("scale", "corruption", "width")
        return table.axes_effect() + lineage + 0.5 * table.configuration_effect() + table.effect()

    table.fill(value(), lambda _: value())


def three_way_effects(table: SimulatedTable) -> None:
    """Independent three-way interactions of the axes, which the baseline lacks, and little noise.

    What the axes leave is alike in configurations that differ on the fourth axis only, so these are not as many units
    of evidence as there are of them.
    """

    def value() -> np.ndarray:
        return table.axes_effect() + table.effect("scale", "corruption", "width") + 0.3 * table.effect()

    table.fill(value(), lambda _: value())


def unequal_spread(table: SimulatedTable, share: float = 0.0) -> None:
    """Noise of predictors and target that differs by factors of e between configurations, alike in both."""
    spread = np.exp(table.configuration_effect())
    cause = table.effect()

    def value(share: float) -> np.ndarray:
        noise = share**0.5 * cause + (1 - share) ** 0.5 * table.effect()
        return 3 * table.axes_effect() + 3 * table.configuration_effect() + spread * noise

    table.fill(value(share), lambda i: value(share if i == 0 else 0.0))
    if share:
        table.only("p0")


def exponentials(table: SimulatedTable, share: float = 0.0) -> None:
    """Predictors and target are exponentials of normal numbers."""
    planted_share(table, share)
    for name in ["target", *table.predictors]:
        table.runs[name] = np.exp(table.runs[name])


def diverged_and_missing(table: SimulatedTable, share: float = 0.0) -> None:
    """A tenth of the runs is missing and a sixth diverged, more of them in some configurations."""
    planted_share(table, share)
    risk = 1 / (1 + np.exp(2 - table.configuration_effect()))
    table.runs["status"] = np.where(table.random.random(len(risk)) < risk, "diverged", "converged")
    table.drop_runs(0.1)


def missing_values(table: SimulatedTable, share: float = 0.0) -> None:
    """Predictors that lack a tenth to a half of their values, each in runs of its own."""
    planted_share(table, share)
    for i, name in enumerate(table.predictors):
        missing = table.random.random(len(table.runs)) < 0.1 * (i + 1)
        table.runs.loc[missing, name] = np.nan


def one_sided(table: SimulatedTable) -> None:
    """Of 40 predictors half are associated within configurations, the other half transfer; none does both.

    The configurations differ so much that what happens within them is less than 0.001 of R2: no gain.
    """
    truth = table.axes_effect() + table.configuration_effect()
    cause = table.effect()

    def predictor(i: int) -> np.ndarray:
        if i % 2:
            return truth + 0.3 * table.effect()
        return table.axes_effect() + table.configuration_effect() + cause + 0.5 * table.effect()

    table.fill(300 * truth + cause, predictor, predictors=ONE_SIDED)
    table.beyond = set(table.predictors[::2])
    table.transfers = set(table.predictors[1::2])


def planted_unequal_spread(table: SimulatedTable) -> None:
    """One predictor of correlation 0.3 among noise of unequal spread."""
    unequal_spread(table, STRENGTH)


def planted_exponentials(table: SimulatedTable) -> None:
    """One predictor of correlation 0.3 before exponentials are taken."""
    exponentials(table, STRENGTH)


def planted_diverged_and_missing(table: SimulatedTable) -> None:
    """One predictor of correlation 0.3, runs missing and diverged."""
    diverged_and_missing(table, STRENGTH)


def planted_missing_values(table: SimulatedTable) -> None:
    """One predictor of correlation 0.3, a tenth of its values missing."""
    missing_values(table, STRENGTH)


UNSHARED_NULLS: list[Scenario] = [
    lineage_effects,
    three_way_effects,
    unequal_spread,
    exponentials,
    diverged_and_missing,
    missing_values,
    one_sided,
]
UNSHARED_PLANTED: list[Scenario] = [
    planted_unequal_spread,
    planted_exponentials,
    planted_diverged_and_missing,
    planted_missing_values,
]
