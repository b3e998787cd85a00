"""Findings on paths between networks that were trained apart."""

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.nearest import nearest_in_ratio
from benevolent.analysis.studies.shared.findings import Finding
from benevolent.analysis.studies.shared.seed_means import (
    SeedMean,
    mean_over_seeds,
    rank_correlation,
    seed_mean,
    show_interval,
)
from benevolent.analysis.studies.shared.tables import rows_with
from benevolent.analysis.studies.shared.valley_claims import (
    BARRIER,
    CURVE_JOINS,
    FAR_FEWER_UNITS,
    MATCHING_LOWERS,
    MORE_THAN_NORMS,
    NARROWEST_APART,
    NO_BAD_VALLEY,
    NO_BARRIER,
    ONE_VALLEY,
    PERMUTED,
    PROOF,
    WIDER_IS_LOWER,
    WITHIN_RUN,
)

#: Rise, as a fraction of the loss of chance, that does not count.
NEGLIGIBLE = 0.01
#: Networks far narrower than the theorem asks for, and the narrowest, as multiples of the number of examples n.
FAR_NARROWER = 1 / 4
NARROWEST = 1 / 10
#: Rounding of losses and outputs in float64.
ROUNDING = 1e-9


def _mean(table: pd.DataFrame, path: str, column: str) -> SeedMean:
    """Return the mean over pairs of a column on one path; over widths where there are several."""
    rows = rows_with(table, "path", path)
    return seed_mean(rows, column, (0, np.inf))


def _difference(table: pd.DataFrame, first: str, second: str) -> SeedMean:
    """Return the mean over pairs of the barrier on one path minus that on another."""

    def of_pair(rows: pd.DataFrame) -> float:
        means = rows.groupby("path")["barrier"].mean()
        return float(means[first] - means[second])

    return mean_over_seeds(table[table["path"].isin([first, second])], of_pair)


def _percent(estimate: SeedMean, unit: str = "pair") -> str:
    """Return a fraction of the loss of chance with its interval, in percent."""
    return show_interval(estimate, ".2%", unit)


def _widths(table: pd.DataFrame, column: str = "width") -> str:
    widths = sorted(table[column].unique())
    shown = ", ".join(str(width) for width in widths)
    return f"{shown} units"


def valleys(few: pd.DataFrame, runs: pd.DataFrame, examples: int, reached: float) -> list[Finding]:
    """Return the findings on what the theorems say.

    Args:
        few: heights of paths, on few examples.
        runs: the networks that the paths join, one row each.
        examples: number of training examples n.
        reached: train loss at which training stops.
    """
    return [_one_valley(few, examples), _no_bad_valley(runs, examples, reached)]


def _one_valley(few: pd.DataFrame, examples: int) -> Finding:
    wide = few[few["width"] >= 2 * examples]
    rise = _mean(wide, "curve", "excess")
    evidence = f"{examples} examples, {_widths(wide)}: rise of the curve {_percent(rise)} of chance"
    return ONE_VALLEY.decide(rise.high < NEGLIGIBLE, evidence)


def _no_bad_valley(runs: pd.DataFrame, examples: int, reached: float) -> Finding:
    is_wide = runs["model.width"] > examples
    wide = runs[is_wide]
    others = runs[~is_wide]
    wide_down = int((wide["train_loss"] <= reached).sum())
    others_down = int((others["train_loss"] <= reached).sum())
    shown = f"{wide_down} of {len(wide)} of {_widths(wide, 'model.width')} reach a train loss of {reached:g}"
    evidence = f"{examples} examples: {shown}; of others, {others_down} of {len(others)}"
    holds = wide_down == len(wide) if len(wide) else None
    return NO_BAD_VALLEY.decide(holds, evidence)


def straight_lines(many: pd.DataFrame) -> list[Finding]:
    """Return the findings on straight lines and curves where examples are many; their sources are other papers."""
    widest = _widest(many)
    place = _widths(widest)
    straight = _mean(widest, "straight", "barrier")
    lowered = _difference(widest, "matched", "straight")
    matched = _mean(widest, "matched", "barrier")
    curve = _mean(widest, "curve", "barrier")
    return [
        BARRIER.decide(straight.low > NEGLIGIBLE, f"{place}: {_percent(straight)} of chance"),
        MATCHING_LOWERS.decide(lowered.high < 0, f"{place}: matched minus straight {_percent(lowered)} of chance"),
        _wider_is_lower(many),
        NO_BARRIER.decide(matched.high < NEGLIGIBLE, f"{place}: {_percent(matched)} of chance"),
        CURVE_JOINS.decide(curve.high < NEGLIGIBLE, f"{place}: {_percent(curve)} of chance"),
    ]


def _widest(table: pd.DataFrame) -> pd.DataFrame:
    return rows_with(table, "width", table["width"].max())


def _wider_is_lower(many: pd.DataFrame) -> Finding:
    matched = rows_with(many, "path", "matched")
    trend = rank_correlation(matched, "width", "barrier")
    return WIDER_IS_LOWER.decide(
        trend.high < 0, f"Spearman's correlation with the width {show_interval(trend, unit='pair')}"
    )


def narrow_and_rescaled(few: pd.DataFrame, many: pd.DataFrame, examples: int) -> list[Finding]:
    """Return the findings on controls and stricter forms."""
    run = _mean(many, "run", "barrier")
    return [
        _far_fewer_units(few, examples),
        _narrowest_apart(few, examples),
        WITHIN_RUN.decide(run.high < NEGLIGIBLE, f"over all widths: {_percent(run, 'run')} of chance"),
        _more_than_norms(_widest(many)),
    ]


def _far_fewer_units(few: pd.DataFrame, examples: int) -> Finding:
    available = sorted(few["width"].unique())
    nearest = int(nearest_in_ratio(available, FAR_NARROWER * examples))
    rise = _mean(rows_with(few, "width", nearest), "curve", "excess")
    evidence = f"{examples} examples, {nearest} units: rise of the curve {_percent(rise)} of chance"
    return FAR_FEWER_UNITS.decide(rise.high < NEGLIGIBLE, evidence)


def _narrowest_apart(few: pd.DataFrame, examples: int) -> Finding:
    narrowest = few[few["width"] < NARROWEST * examples]
    rise = _mean(narrowest, "curve", "excess")
    evidence = f"{examples} examples, {_widths(narrowest)}: rise of the curve {_percent(rise)} of chance"
    return NARROWEST_APART.decide(rise.low > NEGLIGIBLE, evidence)


def _more_than_norms(widest: pd.DataFrame) -> Finding:
    norms = _difference(widest, "matched", "rescaled")
    rescaled = _mean(widest, "rescaled", "barrier")
    shown = f"matched minus rescaled {_percent(norms)} of chance; rescaled {_percent(rescaled)}"
    return MORE_THAN_NORMS.decide(norms.high < 0, f"{_widths(widest)}: {shown}")


def path_checks(few: pd.DataFrame, examples: int, change: float) -> list[Finding]:
    """Return the checks: of the path of the proof, and of permuted networks, whose outputs change by `change`."""
    wide = few[few["width"] >= 2 * examples]
    rises = rows_with(wide, "path", "proof")["excess"]
    highest = rises.max()
    is_kept = highest < ROUNDING if len(rises) else None
    return [
        PROOF.decide(is_kept, f"largest rise {highest:.1g} of chance, {len(rises)} pairs"),
        PERMUTED.decide(change < ROUNDING, f"largest relative change of an output {change:.1g}"),
    ]
