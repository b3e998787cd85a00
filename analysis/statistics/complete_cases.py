"""Statistics of predictors that are present in the same runs, with the work that they share done once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.statistics.axes_baseline import AxesBaseline
from benevolent.analysis.statistics.conditional_mutual_information import PairCells, number_of_cells
from benevolent.analysis.statistics.configurations import GroupedRuns, numeric_column
from benevolent.analysis.statistics.granulated_kendall import AxisGroups, granulated_from_groups
from benevolent.analysis.statistics.lineages import Lineages
from benevolent.analysis.statistics.partial_correlation import partial_correlation, rank_design
from benevolent.analysis.statistics.resampled_kendall import ResampledKendall
from benevolent.analysis.statistics.resampling import (
    bootstrap_counts,
    configuration_permutations,
    percentile_interval,
    permutation_p,
)
from benevolent.analysis.statistics.within_configuration import WithinConfigurations
from benevolent.analysis.thresholds import MINIMUM_UNITS
from benevolent.trainables.rng import generator

CMI_PERMUTATIONS = 100  # mutual information only describes, so its null is small
CMI_NULL_RUNS = 1000  # most runs for which the null is drawn; the score compares all pairs of runs
CMI_NULL_VALUES = 1000  # most values of all pairs of axes together for which the null is drawn
CMI_CELLS = 4_000_000  # most cells for which there is a score: all of them are held in memory at once
CMI_RUNS = 10_000  # most runs for which there is a score: 100,000 take an hour


@dataclass(frozen=True)
class StatisticsSettings:
    """Target, axes and resampling of the statistics.

    Attributes:
        target: outcome column.
        axes: columns that together make a configuration.
        seed_column: column of the seed; it may be absent from the table. None if equal seeds share nothing.
        confidence: coverage of the intervals.
        resamples: bootstrap resamples of whole lineages; 0 for no intervals.
        random_seed: of permutations and resamples.
        nulls: draw permutation nulls.
    """

    target: str
    axes: tuple[str, ...]
    seed_column: str | None
    confidence: float
    resamples: int
    random_seed: int
    nulls: bool = True


class CompleteCases:
    """The runs in which a set of predictors is present, with everything that does not depend on the predictor.

    Attributes:
        runs: the runs, grouped into configurations.
        lineages: the lineages of the configurations.
        outcome: (n,) ranks of the target, in the order of `runs`.
    """

    def __init__(self, table: pd.DataFrame, settings: StatisticsSettings):
        self.settings = settings
        self.runs = GroupedRuns.from_table(table, settings.axes, settings.seed_column)
        self.lineages = Lineages.from_runs(self.runs, table)
        self._values = numeric_column(table, settings.target, "target")[self.runs.order]
        self.outcome = rankdata(self._values)
        self._scores: dict[bytes, np.ndarray] = {}
        self._axis_groups: dict[str, AxisGroups] = {}
        for axis in settings.axes:
            self._axis_groups[axis] = AxisGroups(self.runs, axis)
        axes = table[list(settings.axes)]
        self._rank_design = rank_design(axes.iloc[self.runs.order])

    def rng(self, stream: str, step: int = 0) -> np.random.Generator:
        """Return the generator of a stream of these settings."""
        return generator(self.settings.random_seed, stream, step)

    @cached_property
    def baseline(self) -> AxesBaseline:
        """The model of the outcome on the axes."""
        return AxesBaseline(self.runs, self.lineages, self.outcome, self.settings.random_seed)

    @cached_property
    def within(self) -> WithinConfigurations:
        """The outcome within configurations."""
        return WithinConfigurations(self.runs, self._values, self.lineages)

    @cached_property
    def cells(self) -> PairCells:
        """The outcome's half of the conditional mutual information."""
        return PairCells(self.runs, self.outcome)

    @cached_property
    def lineage_counts(self) -> np.ndarray:
        """(resamples, L) bootstrap draws of lineages; none if there are too few lineages."""
        resamples = self.settings.resamples if len(self.lineages) >= MINIMUM_UNITS else 0
        return bootstrap_counts(len(self.lineages), resamples, self.rng("bootstrap/lineages"))

    @cached_property
    def _kendall(self) -> ResampledKendall:
        """The outcome's half of Kendall's tau."""
        return ResampledKendall(self.runs, self.lineages, self.outcome, self.lineage_counts)

    @cached_property
    def _has_information(self) -> bool:
        """Tell if mutual information is defined, and does not take too long."""
        if len(self._axis_groups) < 2 or len(self.outcome) > CMI_RUNS:
            return False
        return number_of_cells(self.runs) <= CMI_CELLS

    def is_function_of_axes(self, values: np.ndarray) -> bool:
        """Return whether (n,) values are equal in all runs of each configuration, some of which have several runs."""
        if self.runs.sizes.max() <= 1:
            return False
        return bool(self.runs.is_constant(values[self.runs.order]).all())

    def ranks(self, values: np.ndarray) -> np.ndarray:
        """(n,) values in the order of the table -> (n,) ranks in the order of `runs`."""
        return rankdata(values)[self.runs.order]

    def within_scores(self, values: np.ndarray) -> np.ndarray:
        """(n, p) values of predictors in the order of `runs` -> (n, p) scores within configurations, each made once."""
        scores = np.zeros(values.shape)
        for number, column in enumerate(values.T):
            key = column.tobytes()
            if key not in self._scores:
                self._scores[key] = self.within.scores(column)
            scores[:, number] = self._scores[key]
        return scores

    def describe(self, ranks: np.ndarray) -> dict[str, Any]:
        """Compute the statistics of (n,) ranks that need no null."""
        confidence = self.settings.confidence
        tau = self._kendall.interval(ranks, confidence)
        row = {"kendall_tau": tau.tau, "kendall_low": tau.low, "kendall_high": tau.high}
        rng = self.rng("bootstrap/granulated")
        granulated = granulated_from_groups(self._axis_groups, ranks, self.outcome, self.settings.resamples, rng)
        for axis in self._axis_groups:
            row[f"granulated[{axis}]"] = granulated.estimates[axis]
        row["psi"] = granulated.estimates["Psi"]
        psi_interval = percentile_interval(granulated.resampled["Psi"], row["psi"], confidence)
        row["psi_low"], row["psi_high"] = psi_interval
        row["partial_rank_correlation"] = partial_correlation(self._rank_design, ranks, self.outcome)
        return row

    def mutual_information(self, ranks: np.ndarray) -> dict[str, Any]:
        """Compute the conditional mutual information of (n,) ranks, and the p-value of its null.

        Both are absent with a single axis or too many runs; the p-value also where a null would take too long.
        """
        if not self._has_information:
            return {}
        score = self.cells.score(ranks)
        if np.isnan(score) or not self.settings.nulls:
            return {"cmi": score}
        if len(ranks) > CMI_NULL_RUNS or self.cells.values > CMI_NULL_VALUES:
            return {"cmi": score}
        rng = self.rng("permute/information")
        donors = configuration_permutations(self.runs, CMI_PERMUTATIONS, rng)
        null = self.cells.null(ranks, donors)
        return {"cmi": score, "cmi_p": permutation_p(score, null)}
