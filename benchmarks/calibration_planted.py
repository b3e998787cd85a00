"""Simulated scenarios in which some predictors make both claims true; see `calibration.py`."""

import numpy as np
from calibration_tables import PREDICTORS, Scenario, SimulatedTable


def simpson_reversed(table: SimulatedTable) -> None:
    """Over the axes they rise together; between runs that share them, the larger predictor has the smaller target."""
    level = 3 * table.runs["scale"]
    cause = table.effect()
    table.fill(level - cause + 0.5 * table.effect(), lambda _: level + cause + 0.5 * table.effect())
    table.only(*table.predictors)


def planted_share(table: SimulatedTable, share: float) -> None:
    """Among noise, one predictor with a cause that makes this share of the variance of both within configurations.

    The share is the correlation of both there.
    """
    cause = table.effect()

    def value(share: float) -> np.ndarray:
        fixed = table.axes_effect() + table.configuration_effect()
        return fixed + share**0.5 * cause + (1 - share) ** 0.5 * table.effect()

    table.fill(value(share), lambda i: value(share if i == 0 else 0.0))
    if share:
        table.only("p0")


def planted_015(table: SimulatedTable) -> None:
    """A correlation of 0.15 within configurations."""
    planted_share(table, 0.15)


def planted_02(table: SimulatedTable) -> None:
    """A correlation of 0.2."""
    planted_share(table, 0.2)


def planted_03(table: SimulatedTable) -> None:
    """A correlation of 0.3."""
    planted_share(table, 0.3)


def planted_06(table: SimulatedTable) -> None:
    """A correlation of 0.6."""
    planted_share(table, 0.6)


def planted(table: SimulatedTable) -> None:
    """All predictors share one cause per run with the target, over axes, configurations and noise."""
    cause = table.effect()
    target = table.axes_effect() + 0.5 * table.configuration_effect() + cause
    table.fill(target, lambda _: 0.5 * table.axes_effect() + cause + table.effect())
    table.only(*table.predictors)


def one_planted(table: SimulatedTable) -> None:
    """One such predictor among noise."""
    planted(table)
    for i in range(1, PREDICTORS):
        table.runs[f"p{i}"] = table.axes_effect() + table.configuration_effect() + table.effect()
    table.only("p0")


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
    table.only(*table.predictors)


def planted_and_ragged(table: SimulatedTable) -> None:
    """A planted cause, and a tenth of the runs missing."""
    planted(table)
    table.drop_runs(0.1)


PLANTED: list[Scenario] = [
    planted,
    one_planted,
    planted_with_luck,
    weakly_planted,
    planted_and_ragged,
    planted_015,
    planted_02,
    planted_03,
    planted_06,
    simpson_reversed,
]
