"""Statistics of predictors that are present in the same runs, with the work that they share done once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.statistics.axes_baseline import AxesBaseline
from benevolent.analysis.statistics.conditional_mutual_information import PairCells
from benevolent.analysis.statistics.configurations import GroupedRuns, numeric_column
from benevolent.analysis.statistics.correlation import kendall_interval, kendall_tau
from benevolent.analysis.statistics.design_matrix import shared_seed_effects
from benevolent.analysis.statistics.granulated_kendall import AxisGroups, granulated_from_groups
from benevolent.analysis.statistics.partial_correlation import partial_correlation, rank_design
from benevolent.analysis.statistics.resampling import (
    bootstrap_counts,
    configuration_permutations,
    percentile_interval,
    permutation_p,
)
from benevolent.analysis.statistics.sequential_permutation import PermutationTests
from benevolent.analysis.statistics.within_configuration import WithinConfigurations
from benevolent.trainables.rng import generator

CMI_PERMUTATIONS = 100  # mutual information only describes, so its null is small
CMI_NULL_RUNS = 1000  # most runs for which the null is drawn; the score compares all pairs of runs
CMI_NULL_VALUES = 1000  # most values of all pairs of axes together for which the null is drawn
CMI_RUNS = 50_000  # most runs for which there is a score: 100,000 take an hour


@dataclass(frozen=True)
class StatisticsSettings:
    """Target, axes and resampling of the statistics.

    Attributes:
        target: outcome column.
        axes: columns that together make a configuration.
        seed_column: column of the seed; it may be absent from the table.
        confidence: coverage of the intervals.
        resamples: bootstrap resamples of whole configurations; 0 for no intervals.
        random_seed: of permutations and resamples.
        nulls: draw permutation nulls.
    """

    target: str
    axes: tuple[str, ...]
    seed_column: str
    confidence: float
    resamples: int
    random_seed: int
    nulls: bool = True


class CompleteCases:
    """The runs in which a set of predictors is present, with everything that does not depend on the predictor.

    Attributes:
        runs: the runs, grouped into configurations.
        outcome: (n,) ranks of the target, in the order of `runs`.
    """

    def __init__(self, table: pd.DataFrame, settings: StatisticsSettings):
        self.settings = settings
        self.runs = GroupedRuns.from_table(table, settings.axes, settings.seed_column)
        outcome = numeric_column(table, settings.target, "target")
        self.outcome = rankdata(outcome)[self.runs.order]
        self._axis_groups: dict[str, AxisGroups] = {}
        for axis in settings.axes:
            self._axis_groups[axis] = AxisGroups(self.runs, axis)
        axes = table[list(settings.axes)]
        self._rank_design = rank_design(axes.iloc[self.runs.order])
        self._first_nulls: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def _rng(self, stream: str, step: int = 0) -> np.random.Generator:
        return generator(self.settings.random_seed, stream, step)

    @cached_property
    def baseline(self) -> AxesBaseline:
        """The model of the outcome on the axes."""
        shared = shared_seed_effects(self.runs)
        return AxesBaseline(self.runs, self.outcome, shared)

    @cached_property
    def within(self) -> WithinConfigurations:
        """The outcome within configurations."""
        return WithinConfigurations(self.runs, self.outcome)

    @cached_property
    def cells(self) -> PairCells:
        """The outcome's half of the conditional mutual information."""
        return PairCells(self.runs, self.outcome)

    @cached_property
    def counts(self) -> np.ndarray:
        """(resamples, G) bootstrap draws of configurations."""
        rng = self._rng("bootstrap/configurations")
        return bootstrap_counts(len(self.runs.sizes), self.settings.resamples, rng)

    def nulls(self, start: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw `size` permutations of both nulls from number `start` on: of whole configurations, and within them.

        All predictors see the same permutations; the first block, which all of them need, is kept.

        Returns:
            (size, G) donors and the rearrangements of `WithinConfigurations.rearrangements`.
        """
        if start == 0 and size in self._first_nulls:
            return self._first_nulls[size]
        rng = self._rng("permute/configurations", start)
        donors = configuration_permutations(self.runs, size, rng)
        rng = self._rng("permute/within", start)
        rearrangements = self.within.rearrangements(size, rng)
        if start == 0:
            self._first_nulls[size] = donors, rearrangements
        return donors, rearrangements

    def is_function_of_axes(self, values: np.ndarray) -> bool:
        """Return whether (n,) values are equal in all runs of each configuration, some of which have several runs."""
        if self.runs.sizes.max() <= 1:
            return False
        ranks = self.runs.within_ranks(values[self.runs.order])
        return not ranks.any()

    def describe(self, values: np.ndarray) -> dict[str, Any]:
        """Compute the statistics that need no null, for (n,) values in the order of the table."""
        x = rankdata(values)[self.runs.order]
        y = self.outcome
        confidence = self.settings.confidence
        low = high = np.nan
        if self.settings.resamples:
            low, high = kendall_interval(self.runs, x, y, self.counts, confidence)
        row = {"kendall_tau": kendall_tau(x, y), "kendall_low": low, "kendall_high": high}
        resamples = self.settings.resamples
        rng = self._rng("bootstrap/granulated")
        granulated = granulated_from_groups(self._axis_groups, x, y, resamples, confidence, rng)
        for axis in self._axis_groups:
            row[f"granulated[{axis}]"] = granulated.loc[axis, "estimate"]
        row["psi"] = granulated.loc["Psi", "estimate"]
        row["psi_low"] = granulated.loc["Psi", "low"]
        row["psi_high"] = granulated.loc["Psi", "high"]
        row["partial_rank_correlation"] = partial_correlation(self._rank_design, x, y)
        return row

    def estimate(self, values: np.ndarray) -> tuple[dict[str, Any], PermutationTests]:
        """Estimate the gain over the axes and the association within configurations.

        Args:
            values: (n,) predictor, in the order of the table.

        Returns:
            The estimates with their intervals, and their permutation tests, nothing drawn yet.
        """
        values = values[self.runs.order]
        x = rankdata(values)
        unpermuted = np.arange(len(self.runs.sizes))[None]
        gains = self.baseline.gains(x, unpermuted)
        gain = float(gains[0])
        correlation = self.within.correlation(values)
        row: dict[str, Any] = {"baseline_r2": self.baseline.r2, "gain_r2": gain}
        row["within"] = correlation
        row["within_freedom"] = self.within.degrees_of_freedom
        row["within_seeds"] = self.within.seeds if self.runs.named_seeds else np.nan
        confidence = self.settings.confidence
        gains = self._resampled_gains(x)
        row["gain_low"], row["gain_high"] = percentile_interval(gains, gain, confidence)
        if not np.isnan(correlation):
            correlations = self._resampled_correlations(values)
            row["within_low"], row["within_high"] = percentile_interval(correlations, correlation, confidence)

        def count_exceedances(start: int, size: int) -> tuple[int, int]:
            donors, rearrangements = self.nulls(start, size)
            within = 0
            if not np.isnan(correlation):
                within = self.within.count_exceedances(values, correlation, rearrangements)
            over_axes = self.baseline.count_exceedances(x, gain, donors)
            return over_axes, within

        return row, PermutationTests(count_exceedances, gain)

    def _resampled_gains(self, x: np.ndarray) -> np.ndarray:
        """(resamples,) gains over the axes when whole configurations are resampled."""
        unpermuted = np.arange(len(self.runs.sizes))[None]
        saved = self.baseline.contributions(x, unpermuted)[0]
        centered = self.outcome - self.outcome.mean()
        squares = self.runs.configuration_sums(centered**2)
        resampled_saved = self.counts @ saved
        resampled_squares = self.counts @ squares
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(resampled_saved / resampled_squares)

    def _resampled_correlations(self, values: np.ndarray) -> np.ndarray:
        """(resamples,) correlations within configurations when whole configurations are resampled."""
        resampled = self.counts @ self.within.products(values)
        xy, xx, yy = resampled.T
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(xy / np.sqrt(xx * yy))

    def mutual_information(self, values: np.ndarray) -> dict[str, Any]:
        """Compute the conditional mutual information and the p-value of its null.

        Both are absent with a single axis or too many runs; the p-value also where a null would take too long.
        """
        if len(self._axis_groups) < 2 or len(values) > CMI_RUNS:
            return {}
        x = rankdata(values)[self.runs.order]
        score = self.cells.score(x)
        if np.isnan(score) or not self.settings.nulls:
            return {"cmi": score}
        if len(x) > CMI_NULL_RUNS or self.cells.values > CMI_NULL_VALUES:
            return {"cmi": score}
        rng = self._rng("permute/information")
        donors = configuration_permutations(self.runs, CMI_PERMUTATIONS, rng)
        null = self.cells.null(x, donors)
        return {"cmi": score, "cmi_p": permutation_p(score, null)}
