"""The layers of a trained network that it cannot do without (Zhang, Bengio and Singer 2019)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.multi_run.grouping import compared
from benevolent.analysis.statistics.configurations import numeric_column, require_columns

#: Drops that exceed the tolerance by less do not: they are rounding.
SLACK = 1e-9


def layer_drops(table: pd.DataFrame, axes: Sequence[str] = (), *, error: str = "test_error") -> pd.DataFrame:
    """How much accuracy is lost when layers are set back, without training after that.

    Args:
        table: one row per run, of a sweep over `reset.layers` and `reset.to`: the runs with layers set back, and those
            that they come from, of the same axes and seed: `results.table(parents=True)`.
        axes: columns that tell studies apart.
        error: column with the fraction of wrong examples.

    Returns:
        A row per study, `reset.to` and `reset.layers`: `drop`, accuracy before minus after, the mean over seeds that
        have both; `least` and `most` of the seeds; `seeds`, how many.

    Raises:
        BadInput: a column is absent or not numeric, a study has no run with layers set back or none without, or two
            runs differ in something that `axes` does not name.

    >>> layers, seed, errors = ["", "1", "2"], [0, 0, 0], [0.05, 0.5, 0.06]
    >>> table = pd.DataFrame({"reset.layers": layers, "reset.to": "init", "seed": seed, "test_error": errors})
    >>> layer_drops(table)["drop"].round(3).tolist()
    [0.45, 0.01]
    """
    known = table[~np.isnan(numeric_column(table, error, "error"))]
    require_columns(known, ["reset.layers"], "column")
    within, rows = ["reset.to", "reset.layers"], []
    for levels, before, after in compared(known, axes, [*within, "seed"], known["reset.layers"] == "", "reset"):
        drop = after[error] - after["seed"].map(before.set_index("seed")[error])
        for where, drops in drop.groupby([after[name] for name in within]):
            about = {"drop": drops.mean(), "least": drops.min(), "most": drops.max(), "seeds": drops.count()}
            rows.append(levels | dict(zip(within, where, strict=True)) | about)
    return pd.DataFrame(rows)


def layer_robustness(drops: pd.DataFrame, axes: Sequence[str] = (), *, tolerance: float = 0.05) -> pd.DataFrame:
    """How many layers are critical, and the mean drop: by what layers are set back to.

    Setting back to `init` is re-initialization, to `random` re-randomization, to a number the state after so many
    epochs. Only layers that were set back alone count.

    Args:
        drops: of `layer_drops`.
        axes: the same.
        tolerance: a layer is critical if its drop, the mean over seeds, is larger: 5 points.

    Returns:
        A row per study and `reset.to`: `layers`, how many; `critical`, how many of them; `mean_drop` over layers.

    >>> drops = pd.DataFrame({"reset.to": "init", "reset.layers": ["1", "2", "1,2"], "drop": [0.3, 0.01, 0.4]})
    >>> layer_robustness(drops).round(3).to_dict("records")
    [{'reset.to': 'init', 'layers': 2, 'critical': 1, 'mean_drop': 0.155}]
    """
    alone = drops[~drops["reset.layers"].str.contains(",")]
    alone = alone.assign(critical=alone["drop"] > tolerance + SLACK)
    groups = alone.groupby([*axes, "reset.to"], dropna=False)
    return groups.agg(layers=("drop", "size"), critical=("critical", "sum"), mean_drop=("drop", "mean")).reset_index()
