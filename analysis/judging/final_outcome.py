"""The outcome at the end of training, with what the predictors that were read earlier share."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.statistics.configurations import GroupedRuns
from benevolent.analysis.statistics.lineages import Lineages
from benevolent.analysis.statistics.resampled_kendall import ResampledKendall
from benevolent.analysis.statistics.resampling import bootstrap_counts
from benevolent.analysis.statistics.within_configuration import WithinConfigurations
from benevolent.analysis.thresholds import MINIMUM_UNITS
from benevolent.trainables.rng import generator

MINIMUM_RUNS = 3
#: Associations of a predictor that has none: tau, the ends of its interval, the correlation within configurations.
UNDEFINED = (np.nan, np.nan, np.nan, np.nan)


class FinalOutcome:
    """The outcome at the end of the runs in which some predictors are present, kept for all of them.

    Args:
        table: one row per run.
        target: the outcome.
        axes: columns that make a configuration.
        resamples: bootstrap resamples of whole lineages.
        random_seed: seed of the resamples.
    """

    def __init__(self, table: pd.DataFrame, target: str, axes: Sequence[str], resamples: int, random_seed: int):
        outcome = table[target].to_numpy(dtype=float)
        self.varies = len(table) >= MINIMUM_RUNS and len(np.unique(outcome)) > 1
        if not self.varies:
            return
        self._runs = GroupedRuns.from_table(table, axes, "seed")
        outcome = outcome[self._runs.order]
        lineages = Lineages.from_runs(self._runs, table)
        drawn = resamples if len(lineages) >= MINIMUM_UNITS else 0
        counts = bootstrap_counts(len(lineages), drawn, generator(random_seed, "bootstrap/early"))
        self._kendall = ResampledKendall(self._runs, lineages, rankdata(outcome), counts)
        self._within = WithinConfigurations(self._runs, outcome, lineages)

    def associations(self, values: np.ndarray, confidence: float) -> tuple[float, float, float, float]:
        """Return Kendall tau, the ends of its interval, and the rank correlation within configurations.

        Args:
            values: (n,) predictor in the order of the table.
            confidence: coverage of the interval.
        """
        if not self.varies or len(np.unique(values)) < 2:
            return UNDEFINED
        x = values[self._runs.order]
        tau = self._kendall.interval(rankdata(x), confidence)
        within = self._within.correlations(self._within.scores(x)[:, None])
        return tau.tau, tau.low, tau.high, float(within[0])
