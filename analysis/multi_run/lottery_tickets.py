"""Lottery tickets: size, accuracy and speed of pruned networks (Frankle and Carbin 2019)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.multi_run.grouping import groups_of_runs, groups_with_reference
from benevolent.analysis.statistics.configurations import numeric_column, require_columns
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.config.pruning import is_pruned
from benevolent.trainables.errors import BadInput

#: Accuracies that differ by less are equal: rounding must not decide whether a ticket is good enough.
ROUNDING = 1e-9
CONTROLS = ("ticket", "reinit", "shuffle", "random_mask")
#: What tells the mean of a control's draws from the others.
KEYS = ["weights_left", "seed", "prune.control"]
PRUNE_FIELDS = (
    "prune.fraction",
    "prune.rounds",
    "prune.control",
    "prune.draw",
    "prune.conv_rate",
    "prune.output_rate",
)


@checked_arguments
def ticket_values(
    table: pd.DataFrame, columns: Sequence[str | int], axes: Sequence[str] = (), *, left: str | None = None
) -> pd.DataFrame:
    """Return values of tickets and controls by the fraction of weights left, one row per fraction, control and seed.

    Args:
        table: one row per run, dense runs included.
        columns: the values; means over repeated draws of a control (`prune.draw`).
        axes: columns outside `prune` that tell groups of runs apart.
        left: column with the fraction of weights left; see `ticket_curves`.

    Returns:
        `axes`, `weights_left` (1 for dense networks, which count as tickets), `prune.control`, `seed`, and `columns`.

    Raises:
        BadInput: a column is absent, or layers have rates of their own and `left` is not given.
    """
    require_columns(table, [*PRUNE_FIELDS, "seed", *axes, *columns], "column")
    groups = _by_fraction_and_control(table, left).groupby([*axes, *KEYS])
    return groups[list(columns)].mean().reset_index()


@checked_arguments
def ticket_curves(
    table: pd.DataFrame,
    axes: Sequence[str] = (),
    *,
    error: str = "test_early_stop_error",
    epoch: str = "early_stop_epoch",
    left: str | None = None,
) -> pd.DataFrame:
    """Compute accuracy and early-stop time of tickets and their controls, by the fraction of weights left.

    Source: Frankle and Carbin 2019, "The lottery ticket hypothesis", figures 1 to 4. Values are means over seeds;
    repeated draws of a control (`prune.draw`) are averaged first. Differences and speed-ups are over the seeds that
    have both.

    Args:
        table: one row per run of a sweep over `prune.rounds` and `prune.control` with `record: {early_stop: true}`,
            together with its dense parent runs: `tickets_table(results)`, or `results.table(parents=True)`.
        axes: columns that tell groups of runs apart.
        error: column with the fraction of wrong examples; by default of the test split at the epoch of the lowest
            validation loss, as in the source.
        epoch: column with that epoch; speed-ups are ratios of mean epochs, which equal ratios of steps.
        left: column with the fraction of weights left, needed if layers have rates of their own (`weights_left` of
            `tickets_table`); by default (1 - `prune.fraction`)^`prune.rounds`.

    Returns:
        A row per group and fraction of weights left, the dense network (1) first: `weights_left`; an accuracy for each
        name in `CONTROLS` (the dense network counts as a ticket); `gain`, ticket minus dense; `over_<control>`, ticket
        minus control; `speed_up`, early-stop epoch of dense over ticket; `reinit_speed_up`, of reinit over ticket;
        `seeds` of the ticket. NaN where there are no such runs.

    Raises:
        BadInput: a column is absent or not numeric, layers have rates of their own and `left` is not given, a group has
            no dense run, or two runs differ in something that `axes` does not name.
    """
    require_columns(table, [*PRUNE_FIELDS, "seed", *axes], "column")
    if error not in table and "early_stop" in error:
        raise BadInput(f"{error}: no run of the table has it; needs record: {{early_stop: true}} in the sweep")
    present = ~np.isnan(numeric_column(table, error, "column"))
    numeric_column(table, epoch, "column")
    measured = _by_fraction_and_control(table, left)[present]
    is_dense = ~is_pruned(measured["prune.fraction"], measured["prune.rounds"])
    values = pd.MultiIndex.from_product([[error, epoch], CONTROLS])
    rows = []
    for levels, dense, pruned in groups_with_reference(measured, axes, [*KEYS, "prune.draw"], is_dense, "prune"):
        means = pd.concat([dense, pruned]).groupby(KEYS)[[error, epoch]].mean()
        wide = means.unstack("prune.control").reindex(columns=values)
        for fraction in sorted(set(wide.index.get_level_values(0)), reverse=True):
            comparison = _compare_with_dense(wide.xs(1.0), wide.xs(fraction), error, epoch)
            rows.append(levels | {"weights_left": fraction} | comparison)
    return pd.DataFrame(rows)


def _by_fraction_and_control(table: pd.DataFrame, left: str | None) -> pd.DataFrame:
    """Return the table with the fraction of weights left, 1 for dense networks, which count as tickets."""
    is_dense = ~is_pruned(table["prune.fraction"], table["prune.rounds"])
    fraction = _fraction_left(table, is_dense, left).where(~is_dense, 1.0)
    control = table["prune.control"].where(~is_dense, "ticket")
    return table.assign(**{"weights_left": fraction.round(12), "prune.control": control})


def _fraction_left(table: pd.DataFrame, is_dense: "pd.Series[bool]", left: str | None) -> "pd.Series[float]":
    """Return the fraction of weights left of each run; refuse layers with rates of their own if no column gives it."""
    if left is not None:
        return pd.Series(numeric_column(table, left, "column"), index=table.index)
    equal_rates = (table["prune.conv_rate"] == 1) & (table["prune.output_rate"] == 1)
    if not (is_dense | equal_rates).all():
        raise BadInput(
            "prune: layers have rates of their own (prune.conv_rate or prune.output_rate is not 1); set left to the "
            "column with the fraction of weights left"
        )
    return (1 - table["prune.fraction"]) ** table["prune.rounds"]


def _compare_with_dense(dense: pd.DataFrame, sparse: pd.DataFrame, error: str, epoch: str) -> dict[str, float]:
    """Compare networks of one sparsity with the dense ones.

    Args:
        dense: a row per seed, columns (error or epoch, control).
        sparse: the same.
        error: name of the error.
        epoch: name of the early-stop epoch.
    """
    dense_accuracy = 1 - dense[error]["ticket"]
    accuracy = 1 - sparse[error]
    epochs = sparse[epoch]
    row = {name: accuracy[name].mean() for name in CONTROLS}
    row["gain"] = (accuracy["ticket"] - dense_accuracy).mean()
    for name in CONTROLS[1:]:
        advantage = accuracy["ticket"] - accuracy[name]
        row[f"over_{name}"] = advantage.mean()
    row["speed_up"] = _ratio_of_means(dense[epoch]["ticket"], epochs["ticket"])
    row["reinit_speed_up"] = _ratio_of_means(epochs["reinit"], epochs["ticket"])
    row["seeds"] = accuracy["ticket"].count()
    return row


@checked_arguments
def smallest_tickets(curves: pd.DataFrame, axes: Sequence[str] = (), *, tolerance: float = 0.005) -> pd.DataFrame:
    """Find the smallest fraction of weights left at which networks are as accurate as the dense one.

    Args:
        curves: table from `ticket_curves`.
        axes: columns that tell groups of runs apart, as for `ticket_curves`.
        tolerance: accuracy that a ticket may lose; by default half a percentage point.

    Returns:
        A row per group: `ticket` and `reinit`: the smallest fraction at which those are as good (NaN if none that was
        tried is; 1 if only the dense network is); `tried`, the smallest fraction tried; `speed_up` of the fastest
        sparse ticket, which may be below 1, and `fastest`, its fraction of weights left.

    Raises:
        BadInput: a column is absent, or two rows of a group have the same fraction.

    >>> curves = pd.DataFrame({"weights_left": [1, 0.5, 0.25], "ticket": [0.9, 0.91, 0.896], "speed_up": [1, 2, 1.5]})
    >>> smallest_tickets(curves.assign(reinit=[np.nan, 0.9, 0.8])).to_dict("records")
    [{'ticket': 0.25, 'reinit': 0.5, 'tried': 0.25, 'speed_up': 2.0, 'fastest': 0.5}]
    """
    if "weights_left" not in curves:
        raise BadInput("curves: has no column 'weights_left'; needs a table from ticket_curves")
    rows = []
    for levels, curve in groups_of_runs(curves, axes, ["weights_left"]):
        fraction = curve["weights_left"]
        dense_accuracy = curve.loc[fraction.idxmax(), "ticket"]
        enough = dense_accuracy - tolerance - ROUNDING
        row = {name: fraction[curve[name] >= enough].min() for name in ("ticket", "reinit")}
        row |= {"tried": fraction.min(), "speed_up": np.nan, "fastest": np.nan}
        timed = curve[fraction < 1].dropna(subset=["speed_up"])
        if len(timed):
            fastest = timed.nlargest(1, "speed_up").iloc[0]
            row |= {"speed_up": float(fastest["speed_up"]), "fastest": float(fastest["weights_left"])}
        rows.append(levels | row)
    return pd.DataFrame(rows)


def _ratio_of_means(first: pd.Series, second: pd.Series) -> float:
    """Return the ratio of two means over the seeds that have both values."""
    both = pd.concat([first, second], axis=1).dropna()
    numerator, denominator = both.mean()
    return float(numerator / denominator) if denominator else np.nan
