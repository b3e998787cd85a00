"""All statistics of many predictors on one table, with the work that predictors share done once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from analysis.statistics.axes_baseline import AxesBaseline
from analysis.statistics.design import shared_seed_effects
from analysis.statistics.granulated import AxisGroups, granulated_from
from analysis.statistics.information import PairCells
from analysis.statistics.rank import (
    kendall_interval,
    kendall_tau,
    partial_correlation,
    rank_design,
)
from analysis.statistics.resampling import (
    bootstrap_counts,
    configuration_permutations,
    percentile_interval,
    permutation_p,
    within_permutations,
)
from analysis.statistics.runs import Runs, numeric_column
from analysis.statistics.within import WithinConfigurations
from trainables.streams import generator

CMI_PERMUTATIONS = 100  # mutual information only describes, so its null is small
CMI_RUNS = 1000  # with more runs its pairs of runs are too many for a null


@dataclass(frozen=True)
class Settings:
    """What is judged, against what, and how often things are resampled."""

    target: str
    axes: tuple[str, ...]
    seed_column: str
    confidence: float
    permutations: int
    resamples: int
    random_seed: int


class Sample:
    """The runs that a set of predictors is present in, and all that does not depend on the predictor."""

    def __init__(self, table: pd.DataFrame, settings: Settings):
        self.settings = settings
        self.runs = Runs.of(table, settings.axes, settings.seed_column)
        self.outcome = rankdata(numeric_column(table, settings.target, "target"))[self.runs.order]
        self.groups = {axis: AxisGroups(self.runs, axis) for axis in settings.axes}
        self.given = rank_design(table[list(settings.axes)].iloc[self.runs.order])

    def _random(self, stream: str) -> np.random.Generator:
        return generator(self.settings.random_seed, stream)

    @cached_property
    def shared(self) -> np.ndarray:
        """Effects of the seeds that configurations share."""
        return shared_seed_effects(self.runs)

    @cached_property
    def baseline(self) -> AxesBaseline:
        """The model of the outcome on the axes."""
        return AxesBaseline(self.runs, self.outcome, self.shared)

    @cached_property
    def inside(self) -> WithinConfigurations:
        """The outcome within configurations."""
        return WithinConfigurations(self.runs, self.outcome, self.shared)

    @cached_property
    def cells(self) -> PairCells:
        """The pairs of runs of the mutual information."""
        return PairCells(self.runs, self.outcome)

    @cached_property
    def counts(self) -> np.ndarray:
        """(resamples, G) bootstrap draws of configurations."""
        return bootstrap_counts(len(self.runs.sizes), self.settings.resamples, self._random("bootstrap/configurations"))

    @cached_property
    def donors(self) -> np.ndarray:
        """(permutations, G) permutations of whole configurations."""
        return configuration_permutations(self.runs, self.settings.permutations, self._random("permute/configurations"))

    @cached_property
    def shuffles(self) -> np.ndarray:
        """(permutations, n) permutations within configurations."""
        return within_permutations(self.runs, self.settings.permutations, self._random("permute/within"))

    def describe(self, values: np.ndarray) -> dict[str, Any]:
        """The statistics that need no null: (n,) values in the order of the table."""
        x, y, confidence = rankdata(values)[self.runs.order], self.outcome, self.settings.confidence
        low, high = kendall_interval(self.runs, x, y, self.counts, confidence)
        granulated = granulated_from(
            self.groups, x, y, self.settings.resamples, confidence, self._random("bootstrap/granulated")
        )
        return {
            "kendall_tau": kendall_tau(x, y),
            "kendall_low": low,
            "kendall_high": high,
            **{f"granulated[{axis}]": granulated.loc[axis, "estimate"] for axis in self.groups},
            "psi": granulated.loc["Psi", "estimate"],
            "psi_low": granulated.loc["Psi", "low"],
            "psi_high": granulated.loc["Psi", "high"],
            "partial_rank_correlation": partial_correlation(self.given, x, y),
        }

    def test(self, values: np.ndarray) -> dict[str, Any]:
        """Gain over the axes and association within configurations, with nulls and intervals."""
        x = rankdata(values)[self.runs.order]
        own = np.arange(len(self.runs.sizes))[None]
        saved = self.baseline.contributions(x, own)[0]
        squares = self.runs.sums((self.outcome - self.outcome.mean()) ** 2)
        gain, gain_p = self.baseline.test(x, self.donors)
        within, within_p = self.inside.test(values[self.runs.order], self.shuffles)
        products = self.counts @ self.inside.products(values[self.runs.order])
        with np.errstate(invalid="ignore", divide="ignore"):
            withins = products[:, 0] / np.sqrt(products[:, 1] * products[:, 2])
            gains = self.counts @ saved / (self.counts @ squares)
        confidence = self.settings.confidence
        out = {
            "baseline_r2": self.baseline.r2,
            "gain_r2": gain,
            "gain_p": gain_p,
            "gain_low": percentile_interval(gains, confidence)[0],
            "gain_high": percentile_interval(gains, confidence)[1],
            "within": within,
            "within_p": within_p,
            "within_freedom": self.inside.degrees_of_freedom,
        }
        if not np.isnan(within):
            out["within_low"], out["within_high"] = percentile_interval(withins, confidence)
        return out

    def information(self, values: np.ndarray) -> dict[str, Any]:
        """Conditional mutual information and its null; absent with one axis, or if cells hold single runs."""
        if len(self.groups) < 2:
            return {}
        x = rankdata(values)[self.runs.order]
        score = self.cells.score(x)
        if np.isnan(score) or not self.settings.permutations or len(x) > CMI_RUNS:
            return {"cmi": score}
        null = self.cells.null(x, self.donors[:CMI_PERMUTATIONS])
        return {"cmi": score, "cmi_p": permutation_p(score, null)}


class Panel:
    """All the predictors of one scope; predictors that are present in the same runs share a `Sample`."""

    def __init__(self, table: pd.DataFrame, settings: Settings):
        self.table, self.settings = table, settings
        self._samples: dict[bytes, Sample] = {}

    def sample(self, present: np.ndarray) -> Sample:
        """The sample of the runs marked in (n,) `present`."""
        key = present.tobytes()
        if key not in self._samples:
            self._samples[key] = Sample(self.table[present], self.settings)
        return self._samples[key]

    def row(self, predictor: str) -> dict[str, Any]:
        """Every statistic of one predictor; those that the data does not allow are absent."""
        values = numeric_column(self.table, predictor, "predictor")
        present = ~np.isnan(values)
        row = _counts(present)
        if not present.any():
            return row | {"constant": predictor}
        sample = self.sample(present)
        row["configurations"] = len(sample.runs.sizes)
        if np.unique(values[present]).size < 2:
            return row | {"constant": predictor}
        if np.ptp(sample.outcome) == 0:
            return row | {"constant": self.settings.target}
        if row["configurations"] < 3:
            return row
        values = values[present]
        return row | sample.describe(values) | sample.information(values) | sample.test(values)

    def axes_only(self) -> dict[str, Any]:
        """The held-out predictions of the axes alone, described like a predictor."""
        present = np.ones(len(self.table), dtype=bool)
        row = _counts(present)
        if self.table.empty:
            return row
        sample = self.sample(present)
        row["configurations"] = len(sample.runs.sizes)
        if row["configurations"] < 3 or np.ptp(sample.outcome) == 0:
            return row
        predicted = np.empty(len(self.table))
        predicted[sample.runs.order] = sample.baseline.predicted
        row["interactions"] = sample.baseline.interactions
        information = sample.information(predicted)
        return row | sample.describe(predicted) | information | {"baseline_r2": sample.baseline.r2}


def _counts(present: np.ndarray) -> dict[str, Any]:
    runs = int(present.sum())
    return {
        "runs": runs,
        "missing": len(present) - runs,
        "configurations": 0,
        "within_freedom": 0,
        "constant": "",
    }
