"""Everything known about one predictor, as a type whose fields are columns of the table and keys of the file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from benevolent.analysis.judging.decisions import CLAIMING, MARKS

#: Name of the row of the axes alone.
BASELINE = "hyperparameters only"
BASELINE_DECISION = "baseline"
#: Ceilings of measurement noise from here on say nothing.
LARGEST_NOISE_CEILING = 0.995


def _from_json(value: Any) -> Any:
    """Read a missing number, which JSON has no word for."""
    return math.nan if value is None else value


def _to_json(value: float) -> float | str | None:
    """Write a missing number as null and an infinite one as text, since JSON knows neither."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


#: A number that may be missing (NaN).
Number = Annotated[float, BeforeValidator(_from_json), PlainSerializer(_to_json, float | str | None, "json")]


@dataclass(frozen=True)
class Verdict:
    """Everything that is known about one predictor on one set of runs, and the decision.

    A statistic is NaN where the data do not allow it. Intervals come from resamples of whole lineages.

    Attributes:
        predictor: name of the predictor's column.
        target: name of the outcome's column.
        scope: "converged", or "all" with diverged runs ranked worst.
        match: windows of the compared runs as text; empty if all runs of the scope are compared.
        decision: one of the decisions of `analysis.judging.decision_rule`, or "baseline".
        reason: why it was decided so, in a few words; for an undecided predictor, what is lacking.
        small: whether what is claimed is an effect inside the bounds of "negligible".
        runs: how many runs have the predictor.
        configurations: how many configurations these runs have.
        lineages: how many lineages these configurations make.
        missing: how many runs of the scope lack the predictor.
        test_derived: whether the predictor is computed from test data.
        constant: name of the column that is constant, predictor or target; empty if neither is.
        function_of_axes: whether the predictor is equal in all runs of each configuration.
        kendall_tau: Kendall rank correlation with the target over all runs.
        kendall_low: lower end of its interval.
        kendall_high: upper end of its interval.
        granulated: granulated Kendall of each axis (Jiang et al. 2020).
        psi: mean of `granulated`.
        psi_low: lower end of its interval.
        psi_high: upper end of its interval.
        partial_rank_correlation: rank correlation, the effect of the axes removed from both.
        cmi: conditional mutual information; missing with one axis, many runs or axes of many values.
        cmi_p: its permutation p-value; in the deciding scope, up to 1,000 runs.
        baseline_r2: cross-validated R2 of ranks of the axes alone.
        baseline_model: which model of the axes it is.
        gain_r2: gain in cross-validated R2 of ranks over the axes alone.
        gain_low: lower end of its interval.
        gain_high: upper end of its interval.
        gain_bound: largest gain within its 90% interval, the slope of the predictor known; missing with shared seeds.
        own_share: share of the scatter of the predictor's ranks that the axes leave.
        transfers_p: p-value of the gain; with shared seeds the larger of it and `beyond_p`.
        transfers_q: the same, adjusted after Benjamini and Hochberg.
        transfers_q_low: lower end of what `transfers_q` would be with all permutations.
        transfers_q_high: upper end of the same.
        within: correlation of aligned ranks among runs of one configuration.
        within_low: lower end of its interval.
        within_high: upper end of its interval.
        within_bound: larger absolute end of its 90% interval; missing if lineages share their seeds.
        within_freedom: degrees of freedom within configurations.
        within_seeds: how many seeds all configurations share; missing if they do not.
        within_ceiling: the largest value of `within` that the predictor's own measurement noise allows; missing if it
            was measured once, or draws no random numbers.
        arrangements: decimal logarithm of the number of distinct permutations within lineages.
        unexchanged: runs that cannot be exchanged with any other, since no replicate has runs of the same
            configurations.
        shared_seeds: whether lineages share their seeds.
        beyond_p: permutation p-value of `within`.
        beyond_q: the same, adjusted.
        beyond_q_low: lower end of what `beyond_q` would be with all permutations.
        beyond_q_high: upper end of the same.
        adds_p: the larger of `transfers_p` and `beyond_p`.
        adds_q: the same, adjusted.
        adds_q_low: lower end of what `adds_q` would be with all permutations.
        adds_q_high: upper end of the same.
        free: columns that are known for free, such as losses; empty without any.
        within_beyond_free: `within` with the free columns taken out of both (partial correlation); it only describes.
        within_beyond_free_low: lower end of its interval.
        within_beyond_free_high: upper end of its interval.
        gain_beyond_free: gain over the axes and the free columns; it only describes.
        gain_beyond_free_low: lower end of its interval.
        gain_beyond_free_high: upper end of its interval.
        permutations: how many permutations were drawn.
        resamples: how many bootstrap resamples the intervals come from.
        sentence: the verdict in plain words.
    """

    predictor: str
    target: str
    scope: str
    match: str
    decision: str
    reason: str
    small: bool
    runs: int
    configurations: int
    lineages: int
    missing: int
    test_derived: bool
    constant: str
    function_of_axes: bool
    kendall_tau: Number
    kendall_low: Number
    kendall_high: Number
    granulated: dict[str, Number]
    psi: Number
    psi_low: Number
    psi_high: Number
    partial_rank_correlation: Number
    cmi: Number
    cmi_p: Number
    baseline_r2: Number
    baseline_model: str
    gain_r2: Number
    gain_low: Number
    gain_high: Number
    gain_bound: Number
    own_share: Number
    transfers_p: Number
    transfers_q: Number
    transfers_q_low: Number
    transfers_q_high: Number
    within: Number
    within_low: Number
    within_high: Number
    within_bound: Number
    within_freedom: int
    within_seeds: Number
    within_ceiling: Number
    arrangements: Number
    unexchanged: int
    shared_seeds: bool
    beyond_p: Number
    beyond_q: Number
    beyond_q_low: Number
    beyond_q_high: Number
    adds_p: Number
    adds_q: Number
    adds_q_low: Number
    adds_q_high: Number
    free: str
    within_beyond_free: Number
    within_beyond_free_low: Number
    within_beyond_free_high: Number
    gain_beyond_free: Number
    gain_beyond_free_low: Number
    gain_beyond_free_high: Number
    permutations: Number
    resamples: int
    sentence: str

    @classmethod
    def undecided(cls, predictor: str, axes: Sequence[str], known: Mapping[str, Any]) -> "Verdict":
        """Make a verdict of what is known; every other statistic is missing, and the decision is still empty.

        Args:
            predictor: name of the predictor's column.
            axes: names of the axes.
            known: values of fields; granulated taus by their column's name, ``granulated[axis]``.
        """
        values: dict[str, Any] = {"predictor": predictor}
        values["granulated"] = {axis: float(known.get(f"granulated[{axis}]", math.nan)) for axis in axes}
        for field in fields(cls):
            if field.name not in values:
                convert: Any = field.type if field.type in _EMPTY else float
                empty = _EMPTY.get(field.type, math.nan)
                values[field.name] = convert(known.get(field.name, empty))  # numpy's numbers become Python's
        return cls(**values)

    @property
    def limited_by_noise(self) -> bool:
        """True if the predictor's measurement noise limits `within` to less than 1.00, as it would be printed."""
        return self.within_ceiling < LARGEST_NOISE_CEILING

    @property
    def mark(self) -> str:
        """Mark drawn before the decision, which tells decisions apart without color."""
        return MARKS.get(self.decision, "")

    @property
    def label(self) -> str:
        """Decision as it is shown, with the size of the effect."""
        return f"{self.decision} (small)" if self.small else self.decision

    @property
    def claims(self) -> bool:
        """True if the decision claims something of the predictor."""
        return self.decision in CLAIMING

    @property
    def effect(self) -> float:
        """Size of the effect that the table is sorted by: within configurations, or over all runs if there is none."""
        return abs(self.kendall_tau if math.isnan(self.within) else self.within)

    def row(self) -> dict[str, Any]:
        """Return the verdict as a row of `Verdicts.table`, without the predictor's name."""
        values = {name: getattr(self, name) for name in columns(())}
        for axis, tau in self.granulated.items():
            values[f"granulated[{axis}]"] = tau
        return values


#: Fields that are not columns of `Verdicts.table`: its index, and what only the decision needs.
_NOT_COLUMNS = {"predictor", "small", "constant", "function_of_axes"}
#: Values of the fields of a type before anything is known.
_EMPTY: Mapping[Any, Any] = {str: "", int: 0, bool: False}


def columns(axes: Sequence[str]) -> list[str]:
    """Return the columns of `Verdicts.table` in order; `Verdict` says what they mean."""
    names = []
    for field in fields(Verdict):
        if field.name == "granulated":
            names += [f"granulated[{axis}]" for axis in axes]
        elif field.name not in _NOT_COLUMNS:
            names.append(field.name)
    return names


def intervals_text(confidence: float, resamples: int) -> str:
    """Return in words what intervals are estimated from; empty without resamples.

    >>> intervals_text(0.95, 1000)
    'Intervals: 95%, from 1,000 resamples of whole lineages'
    """
    if not resamples:
        return ""
    return f"Intervals: {100 * confidence:g}%, from {resamples:,} resamples of whole lineages"
