"""Whether statistics of the training path predict test loss: beyond the axes, at one loss, early, everywhere."""

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import WIDTH_INCHES, early_prediction_figure, format_value, render_figure, short_label
from benevolent.analysis.judging.early_prediction import early_prediction_views, rare_points_text, strongest_early
from benevolent.analysis.judging.histories import LOSS_HISTORIES, run_histories
from benevolent.analysis.judging.judge_table import judge
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.answer import Answer, Finding, between, decided
from benevolent.analysis.studies.shared.outputs import data_name
from benevolent.trainables.training.dynamics import AT_THE_END, DYNAMICS

TARGET, EPOCH, NEAR, LEVEL = "test_loss", 2, (0.007, 0.01), 0.05
NAMES = [name for name in DYNAMICS if name not in AT_THE_END]
FIRST, SECOND = "chosen", "tried"

RULE = f"""
Runs that reached a train loss of 0.01, on two data sets; the axes are those of the grid. Adds: at least one statistic
of the training path "adds" to the axes for test loss by the rule of `analysis.judging.decision_rule` (gain in cross-validated R2 over
the axes, and association within configurations, false discovery rate {LEVEL}); it replicates if one statistic does on
both data sets. At one loss: the same among runs with a train loss in [{NEAR[0]}, {NEAR[1]}]. Beyond the loss: the
statistic with the largest |rank correlation within configurations| on the first has on the second a larger |Kendall
tau| with test loss than the validation loss at the end has, with the lower end of the 95% interval of the difference
above 0. Earlier: the statistic with the largest |rank correlation within configurations| after {EPOCH} epochs on the
first has on the second, after {EPOCH} epochs, a larger |Kendall tau| than validation loss after {EPOCH} epochs, lower
end above 0. Everywhere: within no value of any axis of either data set is the association of the statistic chosen on
the first within configurations reversed with p at most {LEVEL} over the number of values.
"""


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    results = {data_name(results[sweep]): results[sweep] for sweep in (FIRST, SECOND)}
    first, second = results
    tables = {name: one.table().query("status == 'converged'") for name, one in results.items()}
    axes = [name for name in _AXES if name in tables[first] and tables[first][name].nunique() > 1]
    names = [name for name in NAMES if all(name in table for table in tables.values())]
    verdicts = {name: judge(table, TARGET, axes, names, level=LEVEL).table for name, table in tables.items()}
    window = {"train_loss": NEAR}
    matched = {
        name: judge(table, TARGET, axes, names, level=LEVEL, match=window).table for name, table in tables.items()
    }
    chosen = str(verdicts[first]["within"].astype(float).abs().idxmax())
    regions = pd.concat([_regions(table, chosen, axes).assign(data=name) for name, table in tables.items()])
    findings = [
        *_adding("statistics of training add to the hyperparameters", verdicts),
        *_adding(f"the same among runs with a train loss in [{NEAR[0]}, {NEAR[1]}]", matched),
        _beats(f"{second}: {chosen} orders test loss better than the validation loss", tables[second], chosen, axes),
        _early(results, tables, axes),
        _everywhere(chosen, regions),
    ]
    figures = []
    for name, one in results.items():
        history = run_histories(one)
        early = early_prediction_views(history, tables[name], TARGET, axes, [*names, *LOSS_HISTORIES])
        figures.append(
            render_figure(
                f"early-{name.replace('_', '-')}",
                f"{name}: how early training predicts the test loss",
                "Over all runs (top, with the 95% interval of the first, from "
                f"{early['resamples'].max()} resamples of configurations) and within configurations "
                "(middle), after so many epochs (left) or at a share of "
                "each run's length (right, retrospective); black and gray are the losses at the same time, dashed what "
                f"a power law extrapolates. Below, the runs still training. {rare_points_text(early)}".strip(),
                functools.partial(early_prediction_figure, early, strongest_early(early, names, 4), TARGET),
            )
        )
    figures.append(
        render_figure(
            "regions",
            f"Where on the grid {chosen} goes with the test loss",
            "Rank correlation within configurations, among the runs with one value of one axis.",
            functools.partial(_draw, regions),
        )
    )
    numbers = pd.concat([one.reset_index().assign(data=name) for name, one in verdicts.items()])
    return Answer(findings, figures, numbers.drop(columns="sentence"))


_AXES = (
    "init.scale",
    "pretrain.label_corruption",
    "model.width",
    "model.depth",
    "model.filters",
    "model.kernel",
    "prune.fraction",
    "optimizer.lr",
)


def _adding(claim: str, verdicts: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """Whether something adds, per data set, and whether one statistic does on all."""
    added = {name: [str(one) for one in rows.index[rows["decision"] == "adds"]] for name, rows in verdicts.items()}
    findings = []
    for name, rows in verdicts.items():
        best = rows["adds_q"].astype(float).idxmin() if rows["adds_q"].notna().any() else rows.index[0]
        row = rows.loc[best]
        findings.append(
            Finding(
                f"{name}: {claim}",
                decided(bool(added[name])) if rows["adds_q"].notna().any() else "undecided",
                f"{len(added[name])} of {len(rows)} add; the strongest is {best}: R² {row['gain_r2']:+.3f} over "
                f"{row['baseline_r2']:.2f}, within configurations {row['within']:+.2f}, q {row['adds_q']:.2g}, "
                f"{row['runs']:.0f} runs",
                guess="what these statistics tell of the test loss is which hyperparameters were chosen",
            )
        )
    both = sorted(set.intersection(*map(set, added.values())))
    findings.append(
        Finding(
            f"{claim}: one replicates",
            decided(bool(both)),
            ", ".join(both) or "none on both data sets",
            guess="what adds to the hyperparameters depends on the data",
        )
    )
    return findings


def _beats(claim: str, table: pd.DataFrame, chosen: str, axes: Sequence[str]) -> Finding:
    found = st.compare(table, chosen, "validation_loss", TARGET, axes, resamples=500)
    return Finding(
        claim,
        decided(found.difference.low > 0),
        f"|tau| {found.first:.2f} against {found.second:.2f}, difference {between(found.difference)}",
        guess="the validation loss is the same quantity on other examples; what training tells has to stand for it",
    )


def _early(results: Mapping[str, Results], tables: Mapping[str, pd.DataFrame], axes: Sequence[str]) -> Finding:
    """The statistic chosen early on one data set, against validation loss as early on the other."""
    known = {}
    for name, one in results.items():
        early = one.table(at=EPOCH)
        known[name] = early[early["run_id"].isin(tables[name]["run_id"])]
    first, second = known
    within = {
        name: abs(st.within_configuration(known[first], name, TARGET, axes, permutations=0).correlation)
        for name in NAMES
        if name in known[first] and known[first][name].nunique() > 1
    }
    chosen = max(within, key=lambda name: np.nan_to_num(within[name]))
    claim = f"{second}: after {EPOCH} epochs {chosen} orders the test loss at the end better than validation loss then"
    return _beats(claim, known[second], chosen, axes)


def _regions(table: pd.DataFrame, chosen: str, axes: Sequence[str]) -> pd.DataFrame:
    """The association within configurations for each value of each axis."""
    rows = []
    for axis in axes:
        for value, part in table.groupby(axis):
            found = st.within_configuration(part, chosen, TARGET, axes, permutations=2000)
            rows.append({"axis": axis, "value": format_value(value), "within": found.correlation, "p": found.p})
    return pd.DataFrame(rows)


def _everywhere(chosen: str, regions: pd.DataFrame) -> Finding:
    usual = np.sign(regions["within"].median())
    reversed_ = regions[(np.sign(regions["within"]) == -usual) & (regions["p"] <= LEVEL / len(regions))]
    where = [f"{row.data} {row.axis} = {row.value}" for row in reversed_.itertuples()]
    return Finding(
        f"in no region of the grid is the association of {chosen} with test loss reversed",
        decided(not where),
        "; ".join(where) or f"between {regions['within'].min():+.2f} and {regions['within'].max():+.2f}",
        guess="there what moves the path and what moves the test loss are not the same",
    )


def _draw(regions: pd.DataFrame) -> Figure:
    table = regions.assign(place=regions["axis"] + " = " + regions["value"])
    grid = table.pivot(index="place", columns="data", values="within").reindex(table["place"].unique())
    figure = Figure(figsize=(WIDTH_INCHES, 0.6 + 0.24 * len(grid)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(grid.to_numpy(), cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(grid.to_numpy()):
        axes.text(column, row, f"{value:+.2f}".replace("-", "−"), ha="center", va="center", fontsize=7)
    axes.set(xticks=range(grid.shape[1]), xticklabels=[short_label(name) for name in grid.columns])
    axes.set(yticks=range(len(grid)), yticklabels=[short_label(place) for place in grid.index])
    axes.grid(visible=False)
    figure.colorbar(image, label="rank correlation within configurations")
    return figure
