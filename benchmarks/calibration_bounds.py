"""Simulated scenarios with effects exactly at the bounds of "negligible"; see `calibration.py --negligible`.

`calibration_effects.py` prints what the effects are that the numbers here stand for.
"""

import numpy as np
from calibration_designs import PAIRS_09, REPLICATES, REPLICATES_OF_20
from calibration_tables import PREDICTORS, Design, Scenario, SimulatedTable

#: Correlations of normal numbers within configurations whose aligned ranks have a correlation of 0.2.
NORMAL_CORRELATIONS = {REPLICATES: 0.210, REPLICATES_OF_20: 0.2075, PAIRS_09: 0.210}
#: Weights of the target's configuration effect in a predictor that gains 0.01 of R2.
GAIN_WEIGHTS = {REPLICATES: 0.35, REPLICATES_OF_20: 0.34, PAIRS_09: 0.37}


def none_at_all(table: SimulatedTable) -> None:
    """No effect: axes and configurations act on predictors and target independently."""
    gain_of_weight(table, 0.0)


def correlation_at_bound(table: SimulatedTable) -> None:
    """Five predictors of which the aligned ranks have a correlation of 0.2 with those of the target."""
    share = NORMAL_CORRELATIONS[table.design]
    cause = table.effect()

    def value() -> np.ndarray:
        noise = share**0.5 * cause + (1 - share) ** 0.5 * table.effect()
        return table.axes_effect() + table.configuration_effect() + noise

    table.fill(value(), lambda _: value())


def gain_at_bound(table: SimulatedTable) -> None:
    """Five predictors that gain 0.01 of R2 between configurations, and none within."""
    gain_of_weight(table, GAIN_WEIGHTS[table.design])


def gain_of_weight(table: SimulatedTable, weight: float, predictors: int = PREDICTORS) -> None:
    """Draw predictors in which the target's effect of each configuration has this weight."""
    effect = table.configuration_effect()

    def predictor(_: int) -> np.ndarray:
        return table.axes_effect() + table.configuration_effect() + weight * effect + table.effect()

    table.fill(table.axes_effect() + effect + table.effect(), predictor, predictors)


AT_BOUNDS: dict[Design, list[Scenario]] = {
    design: [none_at_all, correlation_at_bound, gain_at_bound] for design in (REPLICATES, REPLICATES_OF_20, PAIRS_09)
}
