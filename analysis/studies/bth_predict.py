"""Predict test loss by statistics of the training path: beyond the axes, at one loss, early, and everywhere."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import format_value
from benevolent.analysis.judging.decisions import ADDS, ADDS_BEYOND, ADDS_IN_TRANSFER
from benevolent.analysis.judging.judge_table import judge
from benevolent.analysis.judging.transport_predictors import transport
from benevolent.analysis.judging.transport_result import Transport
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps
from benevolent.analysis.studies.shared.network_outputs import data_name, data_title
from benevolent.analysis.studies.shared.prediction_claims import (
    BEATS_VALIDATION_LOSS,
    EARLIER,
    EARLY_EPOCHS,
    EVERYWHERE,
    ORDERS,
    REPLICATED,
)
from benevolent.analysis.studies.shared.prediction_figures import (
    LEVEL,
    TARGET,
    claims_figure,
    early_figure,
    regions_figure,
)
from benevolent.analysis.studies.shared.seed_means import minus_signs, show_interval
from benevolent.analysis.studies.shared.tables import Tables, rows_with
from benevolent.trainables.store.statuses import Status
from benevolent.trainables.training.dynamics import AT_THE_END, DYNAMICS

#: Train losses that count as one.
WINDOW = (0.007, 0.01)
#: Train loss at which training stops.
STOP_LOSS = 0.01
#: Sweeps on the first and on the second data set.
FIRST = "chosen"
SECOND = "tried"
#: Statistics that are known before training ends.
STATISTICS = [name for name in DYNAMICS if name not in AT_THE_END]
#: Axes of the grid, at either scale.
AXES = (
    "init.scale",
    "pretrain.label_corruption",
    "model.width",
    "model.depth",
    "model.filters",
    "model.kernel",
    "prune.fraction",
    "optimizer.lr",
)
#: Resamples of configurations for intervals of differences, and permutations for one value of one axis.
RESAMPLES = 500
PERMUTATIONS = 2000

#: Claims about statistics of training, and the decisions that make each.
CLAIMS = {
    "a statistic of training orders networks that share every hyperparameter": (ADDS, ADDS_BEYOND),
    "a statistic of training helps to predict configurations not seen": (ADDS, ADDS_IN_TRANSFER),
    "one statistic of training both orders networks and predicts configurations": (ADDS,),
}
MATCHED_CLAIM = "one statistic both orders and predicts networks of the same train loss"

RULE = f"""
Runs are those that reached a train loss of {STOP_LOSS}, on two data sets; the axes are those of the grid. Decisions are
those of `analysis.judging.decision_rule` at a false discovery rate of {LEVEL}.

Orders: at least one statistic of the training path orders test loss among networks that share every hyperparameter
("adds" or "adds beyond"). Predicts: at least one helps to predict test loss in configurations not seen ("adds" or "adds
in transfer"). One statistic: at least one does both ("adds"). One train loss: the same among runs with a train loss in
[{WINDOW[0]}, {WINDOW[1]}].

Both data sets: each of these replicates if one statistic does so on both.

Validation loss: the statistic with the largest |rank correlation within configurations| on the first data set has on
the second a larger |Kendall tau| with test loss than the validation loss at the end has, with the lower end of the 95%
interval of the difference above 0. After {EARLY_EPOCHS} epochs: the statistic with the largest |rank correlation within
configurations| after so many epochs on the first data set has on the second, after as many, a larger |Kendall tau| than
the validation loss then, with the lower end above 0.

Nowhere reversed: for no value of any axis of either data set is the association within configurations of the statistic
chosen on the first reversed, with p at most {LEVEL} over the number of values.
"""


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    by_data = {data_name(results[sweep]): results[sweep] for sweep in (FIRST, SECOND)}
    tables = {}
    for name, runs in by_data.items():
        tables[name] = rows_with(runs.table(), "status", Status.CONVERGED)
    first, second = tables.values()
    axes = [name for name in AXES if _varies(first, name)]
    statistics = [name for name in STATISTICS if name in first and name in second]
    verdicts = {}
    matched = {}
    for name, table in tables.items():
        verdicts[name] = judge(table, TARGET, axes, statistics, level=LEVEL).table
        matched[name] = judge(table, TARGET, axes, statistics, level=LEVEL, match={"train_loss": WINDOW}).table
    transported = _transported(tables, axes, statistics)
    chosen = transported.chosen
    regions = [_associations_by_value(table, chosen, axes).assign(data=name) for name, table in tables.items()]
    associations = pd.concat(regions)
    tested_on = data_title([*tables][1])
    findings = []
    for claim, decisions in CLAIMS.items():
        findings += _claimed(claim, decisions, verdicts)
    findings += _claimed(MATCHED_CLAIM, (ADDS,), matched)
    findings += [
        _beats_validation_loss(BEATS_VALIDATION_LOSS.naming(tested_on, chosen), transported),
        _earlier(by_data, tables, axes),
        _everywhere(chosen, associations),
    ]
    figures = [claims_figure(verdicts)]
    figures += [early_figure(name, runs, tables[name], axes, statistics) for name, runs in by_data.items()]
    figures.append(regions_figure(chosen, associations))
    numbers = pd.concat([rows.reset_index().assign(data=name) for name, rows in verdicts.items()])
    return StudyAnswer(findings, figures, numbers.drop(columns="sentence"))


def _claimed(claim: str, decisions: Sequence[str], verdicts: Tables) -> list[Finding]:
    """Decide whether some statistic has one of the decisions on each data set, and whether the same one has on all."""
    findings = []
    having = []
    for name, rows in verdicts.items():
        own = set(rows.index[rows["decision"].isin(decisions)].astype(str))
        findings.append(_claimed_on(ORDERS.naming(data_title(name), claim), rows, own))
        having.append(own)
    replicated = sorted(set.intersection(*having))
    evidence = ", ".join(replicated) or "no statistic does so on both data sets"
    return [*findings, REPLICATED.naming(claim).decide(bool(replicated), evidence)]


def _claimed_on(claim: StudyClaim, rows: pd.DataFrame, having: set[str]) -> Finding:
    is_tested = bool(rows["adds_q"].notna().any())
    strongest = rows["adds_q"].astype(float).idxmin() if is_tested else rows.index[0]
    row = rows.loc[strongest]
    gain = f"R² {row['gain_r2']:+.3f} over {row['baseline_r2']:.2f}"
    within = f"within configurations {row['within']:+.2f}, q {row['adds_q']:.2g}, {row['runs']:.0f} runs"
    evidence = f"{len(having)} of {len(rows)} statistics; the strongest is {strongest}: {gain}, {within}"
    return claim.decide(bool(having) if is_tested else None, evidence)


def _transported(tables: Tables, axes: Sequence[str], statistics: Sequence[str]) -> Transport:
    """Choose a statistic on the first data set and test it on the second."""
    first, second = tables.values()
    return transport(first, second, TARGET, axes, statistics, rival="validation_loss", resamples=RESAMPLES)


def _beats_validation_loss(claim: StudyClaim, transported: Transport) -> Finding:
    comparison = transported.comparison
    if comparison is None:
        return claim.decide(None, "no validation loss to compare with")
    taus = f"|Kendall tau| {comparison.first:.2f}, of the validation loss {comparison.second:.2f}"
    return claim.decide(transported.beats_rival, f"{taus}; difference {show_interval(comparison.difference)}")


def _earlier(results: Sweeps, tables: Tables, axes: Sequence[str]) -> Finding:
    """Compare the statistic chosen early on the first data set with validation loss as early on the second."""
    early = {}
    for name, runs in results.items():
        table = runs.table(at=EARLY_EPOCHS)
        early[name] = table[table["run_id"].isin(tables[name]["run_id"])]
    varied = [name for name in STATISTICS if all(_varies(table, name) for table in early.values())]
    transported = _transported(early, axes, varied)
    claim = EARLIER.naming(data_title([*early][1]), transported.chosen)
    return _beats_validation_loss(claim, transported)


def _varies(table: pd.DataFrame, name: str) -> bool:
    return name in table and table[name].nunique() > 1


def _associations_by_value(table: pd.DataFrame, statistic: str, axes: Sequence[str]) -> pd.DataFrame:
    """Return the association of a statistic with the target within configurations, for each value of each axis."""
    rows = []
    for axis in axes:
        for value, part in table.groupby(axis):
            within = st.within_configuration(part, statistic, TARGET, axes, permutations=PERMUTATIONS)
            row = {"axis": axis, "value": format_value(value), "within": within.correlation, "p": within.p}
            rows.append(row)
    return pd.DataFrame(rows)


def _everywhere(chosen: str, associations: pd.DataFrame) -> Finding:
    within = associations["within"]
    is_opposite = np.sign(within) == -np.sign(within.median())
    is_significant = associations["p"] <= LEVEL / len(associations)
    reversed_at = associations[is_opposite & is_significant]
    places = [f"{row.data} {row.axis} = {row.value}" for row in reversed_at.itertuples()]
    evidence = "; ".join(places) or minus_signs(f"between {within.min():+.2f} and {within.max():+.2f}")
    return EVERYWHERE.naming(chosen).decide(not places, evidence)
