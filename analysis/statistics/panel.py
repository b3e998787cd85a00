"""All statistics of many predictors on one table, with the work that predictors share done once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.statistics.axes_baseline import AxesBaseline
from benevolent.analysis.statistics.configurations import Runs, numeric_column
from benevolent.analysis.statistics.design import shared_seed_effects
from benevolent.analysis.statistics.granulated import AxisGroups, granulated_from
from benevolent.analysis.statistics.information import PairCells
from benevolent.analysis.statistics.noise_ceiling import (
    Ceiling,
    measurement_ceiling,
    measurement_variance,
    seed_ceiling,
)
from benevolent.analysis.statistics.rank import kendall_interval, kendall_tau, partial_correlation, rank_design
from benevolent.analysis.statistics.resampling import (
    bootstrap_counts,
    configuration_permutations,
    percentile_interval,
    permutation_p,
)
from benevolent.analysis.statistics.sequential_permutation import Contest
from benevolent.analysis.statistics.within_configuration import WithinConfigurations
from benevolent.trainables.rng import generator

CMI_PERMUTATIONS = 100  # mutual information only describes, so its null is small
CMI_RUNS = 1000  # with more runs its pairs of runs are too many for a null
CMI_AT_ALL = 50_000  # beyond, not even the score: it compares every run with every other, an hour for 100,000
CMI_VALUES = 1000  # of all pairs of axes together; with more, as of a list of many fields, there is none either


@dataclass(frozen=True)
class Settings:
    """What is judged, against what, and how often things are resampled."""

    target: str
    axes: tuple[str, ...]
    seed_column: str
    confidence: float
    resamples: int
    random_seed: int
    nulls: bool = True


class Sample:
    """The runs that a set of predictors is present in, and all that does not depend on the predictor."""

    def __init__(self, table: pd.DataFrame, settings: Settings):
        self.settings = settings
        self.runs = Runs.of(table, settings.axes, settings.seed_column)
        self.outcome = rankdata(numeric_column(table, settings.target, "target"))[self.runs.order]
        self.groups = {axis: AxisGroups(self.runs, axis) for axis in settings.axes}
        self.given = rank_design(table[list(settings.axes)].iloc[self.runs.order])
        self._first: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def _random(self, stream: str, step: int = 0) -> np.random.Generator:
        return generator(self.settings.random_seed, stream, step)

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
        return WithinConfigurations(self.runs, self.outcome)

    @cached_property
    def cells(self) -> PairCells:
        """The pairs of runs of the mutual information."""
        return PairCells(self.runs, self.outcome)

    @cached_property
    def counts(self) -> np.ndarray:
        """(resamples, G) bootstrap draws of configurations."""
        return bootstrap_counts(len(self.runs.sizes), self.settings.resamples, self._random("bootstrap/configurations"))

    def draws(self, start: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws number `start` and on of both nulls: permutations of whole configurations, and within them.

        All predictors see the same draws; the first block, which all of them need, is kept.
        """
        if (start, size) not in self._first:
            permuted = configuration_permutations(self.runs, size, self._random("permute/configurations", start))
            drawn = permuted, self.inside.draws(size, self._random("permute/within", start))
            if start:
                return drawn
            self._first[start, size] = drawn
        return self._first[start, size]

    def determines(self, values: np.ndarray) -> bool:
        """Whether (n,) values are equal in all runs of each configuration, of which some have several runs."""
        return bool(self.runs.sizes.max() > 1 and not self.runs.within_ranks(values[self.runs.order]).any())

    def describe(self, values: np.ndarray) -> dict[str, Any]:
        """The statistics that need no null: (n,) values in the order of the table."""
        x, y, confidence = rankdata(values)[self.runs.order], self.outcome, self.settings.confidence
        low, high = np.nan, np.nan
        if self.settings.resamples:
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

    def estimate(self, values: np.ndarray) -> tuple[dict[str, Any], Contest]:
        """Gain over the axes and association within configurations, with intervals; and their tests."""
        values = values[self.runs.order]
        x, inside, baseline = rankdata(values), self.inside, self.baseline
        gain = float(baseline.gains(x, np.arange(len(self.runs.sizes))[None])[0])
        within = inside.correlation(values)
        saved = baseline.contributions(x, np.arange(len(self.runs.sizes))[None])[0]
        squares = self.runs.sums((self.outcome - self.outcome.mean()) ** 2)
        products = self.counts @ inside.products(values)
        with np.errstate(invalid="ignore", divide="ignore"):
            withins = products[:, 0] / np.sqrt(products[:, 1] * products[:, 2])
            gains = self.counts @ saved / (self.counts @ squares)
        out = {
            "baseline_r2": baseline.r2,
            "gain_r2": gain,
            "within": within,
            "within_freedom": inside.degrees_of_freedom,
            "within_seeds": inside.seeds if self.runs.named_seeds else np.nan,
        }
        out["gain_low"], out["gain_high"] = percentile_interval(gains, gain, self.settings.confidence)
        if not np.isnan(within):
            out["within_low"], out["within_high"] = percentile_interval(withins, within, self.settings.confidence)

        def exceed(start: int, size: int) -> tuple[int, int]:
            donors, moved = self.draws(start, size)
            hits = 0 if np.isnan(within) else inside.exceed(values, within, moved)
            return baseline.exceed(x, gain, donors), hits

        return out, Contest(exceed, gain)

    def information(self, values: np.ndarray) -> dict[str, Any]:
        """Conditional mutual information and its null; absent with one axis, or if cells hold single runs."""
        if len(self.groups) < 2 or len(values) > CMI_AT_ALL:
            return {}
        x = rankdata(values)[self.runs.order]
        score = self.cells.score(x)
        if np.isnan(score) or not self.settings.nulls or len(x) > CMI_RUNS or self.cells.values > CMI_VALUES:
            return {"cmi": score}
        donors = configuration_permutations(self.runs, CMI_PERMUTATIONS, self._random("permute/information"))
        return {"cmi": score, "cmi_p": permutation_p(score, self.cells.null(x, donors))}


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

    def row(self, predictor: str) -> tuple[dict[str, Any], Contest | None]:
        """Every statistic of one predictor, and its tests; what the data does not allow is absent."""
        values = numeric_column(self.table, predictor, "predictor")
        present = ~np.isnan(values)
        row = _counts(present)
        if not present.any():
            return row | {"constant": predictor}, None
        sample = self.sample(present)
        row["configurations"] = len(sample.runs.sizes)
        if np.unique(values[present]).size < 2:
            return row | {"constant": predictor}, None
        if np.ptp(sample.outcome) == 0:
            return row | {"constant": self.settings.target}, None
        if row["configurations"] < 3:
            return row, None
        values = values[present]
        row["function_of_axes"] = sample.determines(values)
        estimates, contest = sample.estimate(values)
        return row | sample.describe(values) | sample.information(values) | estimates, contest

    def ceilings(self, test_size: int | None, validation_size: int | None) -> list[Ceiling]:
        """How well any predictor could do on these runs, by the luck of seeds and the size of the test set."""
        if self.table.empty:
            return []
        sample = self.sample(np.ones(len(self.table), dtype=bool))
        found = [seed_ceiling(sample.runs, sample.outcome)]
        if test_size is not None:
            outcome = numeric_column(self.table, self.settings.target, "target")
            variance = measurement_variance(self.table, self.settings.target, test_size, validation_size)
            found.append(measurement_ceiling(outcome, variance, self.settings.random_seed))
        return [ceiling for ceiling in found if not np.isnan(ceiling.kendall_tau)]

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
        "function_of_axes": False,
    }
