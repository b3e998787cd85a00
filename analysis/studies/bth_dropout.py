"""Train networks with Dropout: training points should then cover more activation patterns far from the data."""

import numpy as np
import pandas as pd

from benevolent.analysis.figures import render_figure
from benevolent.analysis.statistics import spearman
from benevolent.analysis.studies.shared.dropout_claims import (
    BOUND_FOLLOWS_GAP,
    BOUND_WITHIN_FREQUENCIES,
    BOUNDS_HOLD,
    MORE_COVERAGE,
    NOT_ONLY_DRAWS,
    STEADIER,
)
from benevolent.analysis.studies.shared.dropout_coverage import BOUNDS, DRAWS, RATE, SIDE, measure_coverage
from benevolent.analysis.studies.shared.dropout_figures import draw_coverage
from benevolent.analysis.studies.shared.far_from_data import BOUND_TOLERANCE
from benevolent.analysis.studies.shared.findings import RULE_CHANGED, Finding, StudyAnswer, Sweeps
from benevolent.analysis.studies.shared.seed_means import SeedMean, mean_over_seeds, rank_correlation, show_interval

FREQUENCY = "data.frequency"
#: Smallest ratio of coverage at the highest rate to that without Dropout.
LEAST_RATIO = 1.5
LEAST_RANK_CORRELATION = 0.6
#: Fewest bounds over all networks.
FEWEST_BOUNDS = 200
#: Largest train loss of a network that has learned its sinusoid.
LARGEST_TRAIN_LOSS = 0.03

RULE = f"""
Far points are those of {SIDE} x {SIDE} points of the square from which inputs are drawn whose activation pattern no
training point has. Such a point is covered, so that its bound is finite, if its pattern is in the span of the patterns
that training shows ({DRAWS} draws of Dropout at every training point). Intervals are Student's 95% intervals over
seeds.

Coverage: the fraction of far points that are covered is with the highest dropout at least {LEAST_RATIO} times that
without, in the mean over seeds, and the lower end of the interval of the ratio above 1. Steadiness: the largest path
per step in the last ten epochs is lower at the highest dropout than without, in the mean over seeds, with an interval
of the ratio below 1.

Training with Dropout: networks trained without it, with units dropped afterwards at the highest rate, cover less than
those trained with it, with an interval of the difference above 0. Otherwise dropping units is what covers, not training
with it.

Gap: this is asked of networks with a train loss of at most {LARGEST_TRAIN_LOSS} that have a finite bound. Among a
seed's, Spearman's rank correlation of the median bound with test minus train loss is at least {LEAST_RANK_CORRELATION}
in the mean over seeds, and the lower end of its interval above 0. One frequency: the mean over frequencies of that
correlation among a seed's networks with one frequency is positive in the mean over seeds, with the lower end of its
interval above 0.

Bound: of at least {FEWEST_BOUNDS} finite bounds, at up to {BOUNDS} different patterns per network that are drawn at
random, none is less than the true slope by more than {BOUND_TOLERANCE:g}.
"""


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    (runs,) = results.values()
    table = runs.table()
    highest = float(table[RATE].max())
    coverages = pd.DataFrame([measure_coverage(runs, run_id, highest) for run_id in table["run_id"]])
    table = pd.concat([table, coverages], axis=1)
    fitted = table[(table["train_loss"] <= LARGEST_TRAIN_LOSS) & table["bound"].notna()]
    findings = [
        _more_coverage(table),
        _steadier(table),
        _not_only_draws(table),
        _bound_follows_gap(fitted),
        _bound_within_frequencies(fitted),
        _bounds_hold(table),
    ]
    figures = [
        render_figure(
            "coverage",
            "Coverage, bound and gap with Dropout",
            "Left, the mean fraction of far points whose pattern the training points' patterns span, as training shows "
            "them and without Dropout, with the range of the seeds' means; middle and right, one point per network, "
            "colors are rates of dropout.",
            draw_coverage,
            table,
        )
    ]
    return StudyAnswer(findings, figures, table, _notes(table, fitted))


def _more_coverage(table: pd.DataFrame) -> Finding:
    ratio = _ratio_to_none(table, "coverage")
    shown = _means_by_rate(table, "coverage")
    plain = _means_by_rate(table, "plain_coverage")
    holds = ratio.value >= LEAST_RATIO and ratio.low > 1
    evidence = (
        f"ratio {show_interval(ratio, '.2f')}; fractions covered, by rate: {shown}; if no units are dropped: {plain}"
    )
    return MORE_COVERAGE.decide(holds, evidence)


def _not_only_draws(table: pd.DataFrame) -> Finding:
    lowest = table[RATE].min()
    highest = table[RATE].max()

    def difference(rows: pd.DataFrame) -> float:
        with_dropout = _mean_at(rows, "masked_coverage", highest)
        without = _mean_at(rows, "masked_coverage", lowest)
        return float(with_dropout - without)

    more = mean_over_seeds(table, difference)
    trained = table.loc[table[RATE] == highest, "masked_coverage"].mean()
    untrained = table.loc[table[RATE] == lowest, "masked_coverage"].mean()
    holds = more.low > 0
    evidence = (
        f"fraction covered {trained:.2f} if trained with Dropout, {untrained:.2f} if not; difference "
        f"{show_interval(more, '+.3f')}"
    )
    return NOT_ONLY_DRAWS.decide(holds, evidence)


def _bounds_hold(table: pd.DataFrame) -> Finding:
    violated = int(table["violated"].sum())
    bounds = int(table["bounds"].sum())
    holds = violated == 0 if bounds >= FEWEST_BOUNDS else None
    evidence = f"{violated} of {bounds} bounds violated; median bound / slope {table['looseness'].median():.2f}"
    return BOUNDS_HOLD.decide(holds, evidence)


def _bound_follows_gap(fitted: pd.DataFrame) -> Finding:
    bound = rank_correlation(fitted, "bound", "loss_gap")
    training_slope = rank_correlation(fitted, "lipschitz_mean", "loss_gap")
    holds = bound.value >= LEAST_RANK_CORRELATION and bound.low > 0
    evidence = (
        f"Spearman {show_interval(bound)}, {len(fitted)} networks; of the mean slope at the training points with the "
        f"gap {show_interval(training_slope)}"
    )
    return BOUND_FOLLOWS_GAP.decide(holds, evidence)


def _bound_within_frequencies(fitted: pd.DataFrame) -> Finding:
    within = mean_over_seeds(fitted, _mean_rank_correlation, (-1, 1))
    return BOUND_WITHIN_FREQUENCIES.decide(within.low > 0, f"mean Spearman {show_interval(within)}")


def _mean_rank_correlation(rows: pd.DataFrame) -> float:
    """Return the mean over frequencies of the rank correlation of bound and gap."""
    correlations = [spearman(networks["bound"], networks["loss_gap"]) for _, networks in rows.groupby(FREQUENCY)]
    return float(np.mean(correlations))


def _steadier(table: pd.DataFrame) -> Finding:
    ratio = _ratio_to_none(table, "bias_increment_max")
    holds = ratio.high < 1
    evidence = f"largest path per step, ratio with Dropout to without {show_interval(ratio, '.2f')}"
    return STEADIER.decide(holds, evidence)


def _ratio_to_none(table: pd.DataFrame, column: str) -> SeedMean:
    """Return the ratio of a column's mean at the highest rate to that without Dropout, over seeds."""
    highest = table[RATE].max()

    def ratio(rows: pd.DataFrame) -> float:
        return float(_mean_at(rows, column, highest) / _mean_at(rows, column, 0.0))

    with np.errstate(divide="ignore", invalid="ignore"):
        return mean_over_seeds(table, ratio)


def _mean_at(rows: pd.DataFrame, column: str, rate: float) -> np.float64:
    return np.float64(rows.loc[rows[RATE] == rate, column].mean())


def _means_by_rate(table: pd.DataFrame, column: str) -> str:
    return ", ".join(f"{mean:.2f}" for mean in table.groupby(RATE)[column].mean())


def _notes(table: pd.DataFrame, fitted: pd.DataFrame) -> list[str]:
    losses = []
    for rate, rows in table.groupby(RATE):
        train_loss = rows["train_loss"].mean()
        gap = rows["loss_gap"].mean()
        losses.append(f"rate {rate:g}: train loss {train_loss:.2g}, test minus train {gap:.2g}")
    unfitted = int((table["train_loss"] > LARGEST_TRAIN_LOSS).sum())
    frequencies = ", ".join(f"{frequency:g}" for frequency in sorted(fitted[FREQUENCY].unique()))
    return [
        f"Means at the end: {'; '.join(losses)}. {unfitted} of {len(table)} networks did not learn their sinusoid "
        f"(train loss above {LARGEST_TRAIN_LOSS}); they count for coverage but not for the gap, which is asked of the "
        f"frequencies {frequencies}.",
        f"{RULE_CHANGED}: the claim on networks of one frequency was added.",
        "Dropping units separates patterns: a far pattern is in the span if, for each of its units of the last layer, "
        "the patterns of the earlier layers are in the span of those of the training points at which that unit is on.",
    ]
