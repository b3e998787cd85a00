"""Measurement noise of a predictor that is computed with random numbers: how far independent draws of it agree."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from benevolent.analysis.column_names import further_draws
from benevolent.analysis.statistics.within_configuration import within_configuration


class MeasurementNoise(NamedTuple):
    """Agreement of the draws of a predictor within configurations.

    Attributes:
        draws: how many there are.
        reliability: mean rank correlation within configurations of two draws; NaN with one draw.
        ceiling: largest rank correlation within configurations that one draw can have with anything.
    """

    draws: int
    reliability: float
    ceiling: float


def measurement_noise(
    table: pd.DataFrame, predictor: str, axes: Sequence[str], seed_column: str | None = "seed"
) -> MeasurementNoise:
    """Estimate the ceiling that measurement noise sets to a predictor (Spearman 1904, correction for attenuation).

    If a draw is a true value plus independent noise, the correlation of two draws is the share r of its variance that
    is not noise, and one draw correlates with anything at most sqrt(r) as strongly as the true value does. Of ranks
    among few runs this is an upper bound: among five runs it is up to a tenth too high. All networks are measured with
    the same random numbers, so effects that these have on all networks alike are not in it: they change no order.

    Args:
        table: one row per run, with columns `name`, `name#2`, `name#3`, ... of the draws (`record.draws` of a sweep).
        predictor: name of the first.
        axes: the columns that are together the configuration.
        seed_column: the seed, if the table has it.

    Raises:
        BadInput: a column is absent or not numeric.

    >>> draws = {"trace": [1, 2, 3, 4, 5, 6, 7, 8], "trace#2": [1, 3, 2, 4, 5, 6, 7, 8]}
    >>> table = pd.DataFrame({"lr": [1] * 4 + [2] * 4, **draws})
    >>> noise = measurement_noise(table, "trace", ["lr"])
    >>> noise.draws, round(noise.reliability, 6), round(noise.ceiling, 4)
    (2, 0.9, 0.9487)
    """
    draws = [predictor, *further_draws(predictor, table.columns)]
    agreements = []
    for first, second in itertools.combinations(draws, 2):
        association = within_configuration(table, first, second, axes, seed_column=seed_column, permutations=0)
        agreements.append(association.correlation)
    reliability = float(np.mean(agreements)) if agreements else np.nan
    ceiling = np.sqrt(max(0.0, reliability)) if np.isfinite(reliability) else np.nan
    return MeasurementNoise(len(draws), reliability, float(ceiling))
