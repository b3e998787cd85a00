"""Predict test loss by statistics of the training path: beyond the axes, at one loss, early, and everywhere."""

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import (
    WIDTH_INCHES,
    RenderedFigure,
    both_claims_figure,
    early_prediction_figure,
    format_value,
    render_figure,
    short_label,
)
from benevolent.analysis.judging.decisions import ADDS, ADDS_BEYOND, ADDS_IN_TRANSFER
from benevolent.analysis.judging.early_prediction import early_prediction_views, rare_points_text, strongest_early
from benevolent.analysis.judging.histories import LOSS_HISTORIES, run_histories
from benevolent.analysis.judging.judge_table import judge
from benevolent.analysis.judging.transport_predictors import transport
from benevolent.analysis.judging.transport_result import Transport
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, decide
from benevolent.analysis.studies.shared.network_outputs import data_name, data_title
from benevolent.analysis.studies.shared.seed_means import minus_signs, show_interval
from benevolent.trainables.store.statuses import Status
from benevolent.trainables.training.dynamics import AT_THE_END, DYNAMICS

TARGET = "test_loss"
#: Epochs after which early predictions are made.
EARLY_EPOCHS = 2
#: Train losses that count as one.
WINDOW = (0.007, 0.01)
#: False discovery rate, and level of every p-value.
LEVEL = 0.05
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
#: Statistics drawn in the figure of early prediction.
SHOWN = 4

#: Claims about statistics of training, and the decisions that make each.
CLAIMS = {
    "a statistic of training orders networks that share every hyperparameter": (ADDS, ADDS_BEYOND),
    "a statistic of training helps to predict configurations not seen": (ADDS, ADDS_IN_TRANSFER),
    "one statistic of training both orders networks and predicts configurations": (ADDS,),
}
MATCHED_CLAIM = "one statistic both orders and predicts networks of the same train loss"

Tables = Mapping[str, pd.DataFrame]

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


def answer(results: Mapping[str, Results]) -> StudyAnswer:
    """Answer by `RULE`."""
    by_data = {data_name(results[sweep]): results[sweep] for sweep in (FIRST, SECOND)}
    first, second = by_data
    tables = {}
    for name, runs in by_data.items():
        table = runs.table()
        tables[name] = table[table["status"] == Status.CONVERGED]
    axes = [name for name in AXES if name in tables[first] and tables[first][name].nunique() > 1]
    recorded = set(tables[first].columns) & set(tables[second].columns)
    statistics = [name for name in STATISTICS if name in recorded]
    verdicts = {}
    matched = {}
    for name, table in tables.items():
        verdicts[name] = judge(table, TARGET, axes, statistics, level=LEVEL).table
        matched[name] = judge(table, TARGET, axes, statistics, level=LEVEL, match={"train_loss": WINDOW}).table
    transported = _transported(tables, axes, statistics)
    chosen = transported.chosen
    regions = [_associations_by_value(table, chosen, axes).assign(data=name) for name, table in tables.items()]
    associations = pd.concat(regions)
    beyond_loss = f"{data_title(second)}: {chosen} orders networks by test loss better than the validation loss does"
    findings = []
    for claim, decisions in CLAIMS.items():
        findings += _claimed(claim, decisions, verdicts)
    findings += _claimed(MATCHED_CLAIM, (ADDS,), matched)
    findings.append(_beats_validation_loss(beyond_loss, transported))
    findings.append(_earlier(by_data, tables, axes))
    findings.append(_everywhere(chosen, associations))
    figures = [_claims_figure(verdicts)]
    figures += [_early_figure(name, runs, tables[name], axes, statistics) for name, runs in by_data.items()]
    figures.append(
        render_figure(
            "regions",
            f"Association of {chosen} with the test loss over the grid",
            "Rank correlation within configurations, among the runs with one value of one axis.",
            functools.partial(_draw_associations, associations),
        )
    )
    numbers = pd.concat([rows.reset_index().assign(data=name) for name, rows in verdicts.items()])
    return StudyAnswer(findings, figures, numbers.drop(columns="sentence"))


def _claimed(claim: str, decisions: Sequence[str], verdicts: Tables) -> list[Finding]:
    """Decide whether some statistic has one of the decisions on each data set, and whether the same one has on all."""
    having = {}
    for name, rows in verdicts.items():
        having[name] = set(rows.index[rows["decision"].isin(decisions)].astype(str))
    findings = [_claimed_on(f"{data_title(name)}: {claim}", rows, having[name]) for name, rows in verdicts.items()]
    replicated = sorted(set.intersection(*having.values()))
    replication = Finding(
        f"Both data sets: {claim}",
        decide(bool(replicated)),
        ", ".join(replicated) or "no statistic does so on both data sets",
        explanation="which statistic says more than the hyperparameters depends on the data",
        kind="ours",
    )
    return [*findings, replication]


def _claimed_on(claim: str, rows: pd.DataFrame, having: set[str]) -> Finding:
    tested = bool(rows["adds_q"].notna().any())
    strongest = rows["adds_q"].astype(float).idxmin() if tested else rows.index[0]
    row = rows.loc[strongest]
    decision = decide(bool(having) if tested else None)
    gain = f"R² {row['gain_r2']:+.3f} over {row['baseline_r2']:.2f}"
    evidence = (
        f"{len(having)} of {len(rows)} statistics; the strongest is {strongest}: {gain}, within configurations "
        f"{row['within']:+.2f}, q {row['adds_q']:.2g}, {row['runs']:.0f} runs"
    )
    return Finding(
        claim,
        decision,
        evidence,
        explanation="these statistics say no more about the test loss than the hyperparameters do",
        kind="ours",
    )


def _transported(tables: Tables, axes: Sequence[str], statistics: Sequence[str]) -> Transport:
    """Choose a statistic on the first data set and test it on the second."""
    first, second = tables.values()
    return transport(first, second, TARGET, axes, statistics, rival="validation_loss", resamples=RESAMPLES)


def _beats_validation_loss(claim: str, transported: Transport) -> Finding:
    explanation = (
        "the validation loss is the same quantity on other examples, while a statistic of training only stands for it"
    )
    comparison = transported.comparison
    if comparison is None:
        nothing = "no validation loss to compare with"
        return Finding(claim, decide(None), nothing, explanation=explanation, kind="ours")
    evidence = (
        f"|Kendall tau| {comparison.first:.2f}, of the validation loss {comparison.second:.2f}; difference "
        f"{show_interval(comparison.difference)}"
    )
    return Finding(claim, decide(transported.beats_rival), evidence, explanation=explanation, kind="ours")


def _earlier(results: Mapping[str, Results], tables: Tables, axes: Sequence[str]) -> Finding:
    """Compare the statistic chosen early on the first data set with validation loss as early on the second."""
    early = {}
    for name, runs in results.items():
        table = runs.table(at=EARLY_EPOCHS)
        early[name] = table[table["run_id"].isin(tables[name]["run_id"])]
    varied = [name for name in STATISTICS if all(_varies(table, name) for table in early.values())]
    transported = _transported(early, axes, varied)
    second = [*early][1]
    claim = (
        f"{data_title(second)}: after {EARLY_EPOCHS} epochs, {transported.chosen} orders networks by their final test "
        "loss better than the validation loss does"
    )
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
    opposite = np.sign(within) == -np.sign(within.median())
    significant = associations["p"] <= LEVEL / len(associations)
    places = [f"{row.data} {row.axis} = {row.value}" for row in associations[opposite & significant].itertuples()]
    decision = decide(not places)
    evidence = "; ".join(places) or minus_signs(f"between {within.min():+.2f} and {within.max():+.2f}")
    return Finding(
        f"The association of {chosen} with test loss is reversed nowhere on the grid",
        decision,
        evidence,
        explanation="other things move the path and the test loss there",
        kind="ours",
    )


def _claims_figure(verdicts: Tables) -> RenderedFigure:
    caption = (
        "Left: rank correlation with the test loss among runs that share every hyperparameter. Right: gain in "
        "cross-validated R² of ranks over the hyperparameters alone, in configurations held out. Intervals: 95%, from "
        f"resamples of lineages. Filled: the verdict makes the claim, at a false discovery rate of {LEVEL}."
    )
    draw = functools.partial(both_claims_figure, verdicts)
    return render_figure("claims", "What the statistics of training say about the test loss", caption, draw)


def _early_figure(
    name: str, results: Results, table: pd.DataFrame, axes: Sequence[str], statistics: Sequence[str]
) -> RenderedFigure:
    predictors = [*statistics, *LOSS_HISTORIES]
    needed = table[["run_id", "seed", "epoch", TARGET, *axes]]
    early = early_prediction_views(run_histories(results), needed, TARGET, axes, predictors)
    caption = (
        "Over all runs (top, with the 95% interval of the first statistic, from "
        f"{early['resamples'].max()} resamples of configurations) and within configurations (middle), after a number "
        "of epochs (left) or a fraction of each run's length (right, retrospective); black and gray are the losses at "
        "the same time, dashed their extrapolation by a power law. Below, the runs still training. "
        f"{rare_points_text(early)}"
    )
    return render_figure(
        f"early-{name.replace('_', '-')}",
        f"{name}: how early training predicts the test loss",
        caption.strip(),
        functools.partial(early_prediction_figure, early, strongest_early(early, statistics, SHOWN), TARGET),
    )


def _draw_associations(associations: pd.DataFrame) -> Figure:
    table = associations.assign(place=associations["axis"] + " = " + associations["value"])
    grid = table.pivot(index="place", columns="data", values="within").reindex(table["place"].unique())
    values = grid.to_numpy()
    figure = Figure(figsize=(WIDTH_INCHES, 0.6 + 0.24 * len(grid)), layout="constrained")
    panel = figure.subplots()
    image = panel.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        panel.text(column, row, minus_signs(f"{value:+.2f}"), ha="center", va="center", fontsize=7)
    panel.set(xticks=range(len(grid.columns)), xticklabels=[short_label(name) for name in grid.columns])
    panel.set(yticks=range(len(grid)), yticklabels=[short_label(place) for place in grid.index])
    panel.grid(visible=False)
    figure.colorbar(image, label="rank correlation within configurations")
    return figure
