"""Layer robustness: accuracy lost when trained layers are reset (Zhang, Bengio and Singer 2019)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.multi_run.grouping import groups_with_reference
from benevolent.analysis.statistics.configurations import numeric_column, require_columns
from benevolent.trainables.arguments import checked_arguments

#: Drops that exceed the tolerance by less do not exceed it: the difference is rounding.
ROUNDING = 1e-9
RESET = ["reset.to", "reset.layers"]


@checked_arguments
def reset_drops(table: pd.DataFrame, axes: Sequence[str] = (), *, error: str = "test_error") -> pd.DataFrame:
    """Compute the accuracy that each run lost when layers of its trained network were reset, without further training.

    Source: Zhang, Bengio and Singer 2019, "Are all layers created equal?".

    Args:
        table: one row per run of a sweep over `reset.layers` and `reset.to`: the runs with layers reset, and their
            parent runs of the same axes and seed, as in `results.table(parents=True)`.
        axes: columns that tell groups of runs apart.
        error: column with the fraction of wrong examples.

    Returns:
        A row per run with layers reset whose seed has a parent: the axes, `reset.to`, `reset.layers`, `seed`, `error`
        and `drop`, accuracy before minus after.

    Raises:
        BadInput: a column is absent or not numeric, a group has no run with layers reset or none without, or two runs
            differ in something that `axes` does not name.

    >>> layers, seed, errors = ["", "1", "2"], [0, 0, 0], [0.05, 0.5, 0.06]
    >>> table = pd.DataFrame({"reset.layers": layers, "reset.to": "init", "seed": seed, "test_error": errors})
    >>> reset_drops(table)["drop"].round(3).tolist()
    [0.45, 0.01]
    """
    measured = table[~np.isnan(numeric_column(table, error, "error"))]
    require_columns(measured, ["reset.layers"], "column")
    is_parent = measured["reset.layers"] == ""
    tables = []
    for levels, parents, reset in groups_with_reference(measured, axes, [*RESET, "seed"], is_parent, "reset"):
        parent_error = reset["seed"].map(parents.set_index("seed")[error])
        drops = reset[[*RESET, "seed"]].assign(**levels)
        drops["error"] = reset[error]
        drops["drop"] = reset[error] - parent_error
        tables.append(drops[drops["drop"].notna()])
    return pd.concat(tables, ignore_index=True)[[*axes, *RESET, "seed", "error", "drop"]]


@checked_arguments
def layer_drops(table: pd.DataFrame, axes: Sequence[str] = (), *, error: str = "test_error") -> pd.DataFrame:
    """Average over seeds the accuracy that is lost when layers of a trained network are reset.

    Args:
        table: as for `reset_drops`, like `axes` and `error`.
        axes: columns that tell groups of runs apart.
        error: column with the fraction of wrong examples.

    Returns:
        A row per group, `reset.to` and `reset.layers`: `drop`, accuracy before minus after, the mean over seeds that
        have both; `least` and `most` of the seeds; `seeds`, their number.

    Raises:
        BadInput: as `reset_drops`.

    >>> layers, seed, errors = ["", "1", "2"], [0, 0, 0], [0.05, 0.5, 0.06]
    >>> table = pd.DataFrame({"reset.layers": layers, "reset.to": "init", "seed": seed, "test_error": errors})
    >>> layer_drops(table)["drop"].round(3).tolist()
    [0.45, 0.01]
    """
    groups = reset_drops(table, axes, error=error).groupby([*axes, *RESET], dropna=False)["drop"]
    return groups.agg(drop="mean", least="min", most="max", seeds="count").reset_index()


@checked_arguments
def layer_robustness(drops: pd.DataFrame, axes: Sequence[str] = (), *, tolerance: float = 0.05) -> pd.DataFrame:
    """Count the critical layers and average the drops, for each state that layers are reset to.

    `reset.to: init` is re-initialization, `random` re-randomization, a number the state after that many epochs. Only
    layers that were reset alone count.

    Args:
        drops: table from `layer_drops`.
        axes: columns that tell groups of runs apart, as for `layer_drops`.
        tolerance: a layer is critical if its drop, the mean over seeds, is larger than this fraction of examples.

    Returns:
        A row per group and `reset.to`: `layers`, their number; `critical`, the number of critical ones; `mean_drop`
        over layers.

    >>> drops = pd.DataFrame({"reset.to": "init", "reset.layers": ["1", "2", "1,2"], "drop": [0.3, 0.01, 0.4]})
    >>> layer_robustness(drops).round(3).to_dict("records")
    [{'reset.to': 'init', 'layers': 2, 'critical': 1, 'mean_drop': 0.155}]
    """
    reset_alone = drops[~drops["reset.layers"].str.contains(",")]
    is_critical = reset_alone["drop"] > tolerance + ROUNDING
    groups = reset_alone.assign(critical=is_critical).groupby([*axes, "reset.to"], dropna=False)
    summary = groups.agg(layers=("drop", "size"), critical=("critical", "sum"), mean_drop=("drop", "mean"))
    return summary.reset_index()
