"""How small, how good and how fast lottery tickets are (Frankle and Carbin 2019)."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.multi_run.grouping import compared, studies
from benevolent.analysis.statistics.configurations import numeric_column, require_columns
from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack import network

#: Accuracies that differ by less are equal: rounding must not decide what is good enough.
SLACK = 1e-9
CONTROLS = ("ticket", "reinit", "random_mask")


def ticket_curves(
    table: pd.DataFrame,
    axes: Sequence[str] = (),
    *,
    error: str = "test_early_stop_error",
    epoch: str = "early_stop_epoch",
    left: str | None = None,
) -> pd.DataFrame:
    """Accuracy and early-stop time of tickets and their controls, by the fraction of weights left.

    Means over seeds; further draws of a control (`prune.draw`) are averaged first. Differences and speed-ups are of the
    seeds that have both.

    Args:
        table: one row per run, of a sweep over `prune.rounds` and `prune.control` with `record: {early_stop: true}`;
            the dense runs that it trains first are among them: `results.table(parents=True)`.
        axes: columns that tell studies apart.
        error: column with the fraction of wrong examples; by default of the test split at the epoch of the lowest
            validation loss, as in the source.
        epoch: column with that epoch; speed-ups are ratios of mean epochs, which are those of steps.
        left: column with the fraction of weights left, for layers with rates of their own (`weights_left` gives it); by
            default (1 - `prune.fraction`)^`prune.rounds`.

    Returns:
        A row per study and fraction of weights left, the dense one (1) first: `weights_left`; `ticket`, `reinit` and
        `random_mask`, accuracies (the dense network is a ticket); `gain`, ticket minus dense; `over_reinit` and
        `over_random_mask`, ticket minus control; `speed_up`, early-stop epoch of dense over ticket, and
        `reinit_speed_up`, of reinit over ticket; `seeds` of the ticket. NaN where there are no such runs.

    Raises:
        BadInput: a column is absent or not numeric, layers have rates of their own and `left` is not given, a study has
            no dense run, or two runs differ in something that `axes` does not name.
    """
    fields = [f"prune.{name}" for name in ("fraction", "rounds", "control", "draw", "conv_rate", "output_rate")]
    require_columns(table, [*fields, "seed", *axes], "column")
    values = {name: numeric_column(table, name, "column") for name in (error, epoch)}
    dense = (table["prune.fraction"] == 0) | (table["prune.rounds"] == 0)
    if left is not None:
        share = pd.Series(numeric_column(table, left, "column"), index=table.index)
    elif (dense | ((table["prune.conv_rate"] == 1) & (table["prune.output_rate"] == 1))).all():
        share = (1 - table["prune.fraction"]) ** table["prune.rounds"]
    else:
        raise BadInput("prune: layers have rates of their own; say with left which column has the weights left")
    fixed = {
        "weights_left": share.where(~dense, 1.0).round(12),
        "prune.control": table["prune.control"].where(~dense, "ticket"),
    }
    present = ~np.isnan(values[error])
    known = table.assign(**fixed)[present]
    rows = []
    within = ["weights_left", "prune.control", "prune.draw", "seed"]
    for levels, before, after in compared(known, axes, within, dense[present], "prune"):
        keys = ["weights_left", "seed", "prune.control"]
        wide = pd.concat([before, after]).groupby(keys)[[error, epoch]].mean().unstack()
        wide = wide.reindex(columns=pd.MultiIndex.from_product([[error, epoch], CONTROLS]))
        for fraction in sorted(set(wide.index.get_level_values(0)), reverse=True):
            found = _compared(wide.xs(1.0), wide.xs(fraction), error, epoch)
            rows.append(levels | {"weights_left": fraction} | found)
    return pd.DataFrame(rows)


def _compared(dense: pd.DataFrame, sparse: pd.DataFrame, error: str, epoch: str) -> dict[str, float]:
    """What `ticket_curves` says of networks of one sparsity; a row per seed, columns (error or epoch, control)."""
    base, own = 1 - dense[error]["ticket"], 1 - sparse[error]
    base_time, time = dense[epoch]["ticket"], sparse[epoch]
    return (
        {name: own[name].mean() for name in CONTROLS}
        | {"gain": (own["ticket"] - base).mean()}
        | {f"over_{name}": (own["ticket"] - own[name]).mean() for name in CONTROLS[1:]}
        | {"speed_up": _ratio(base_time, time["ticket"]), "reinit_speed_up": _ratio(time["reinit"], time["ticket"])}
        | {"seeds": own["ticket"].count()}
    )


def smallest_tickets(curves: pd.DataFrame, axes: Sequence[str] = (), *, tolerance: float = 0.005) -> pd.DataFrame:
    """The smallest fraction of weights left whose accuracy is at least the dense one's minus half a point.

    Args:
        curves: of `ticket_curves`.
        axes: the same.
        tolerance: what a ticket may lose; 0.5 points.

    Returns:
        A row per study: `ticket` and `reinit`: the smallest fraction at which those are as good (NaN if there is no
        such among those tried; 1 if only the dense network is); `tried`, the smallest fraction; `speed_up` of the
        fastest sparse ticket, which may be below 1, and `fastest`, its fraction of weights left.

    >>> curves = pd.DataFrame({"weights_left": [1, 0.5, 0.25], "ticket": [0.9, 0.91, 0.896], "speed_up": [1, 2, 1.5]})
    >>> smallest_tickets(curves.assign(reinit=[np.nan, 0.9, 0.8])).to_dict("records")
    [{'ticket': 0.25, 'reinit': 0.5, 'tried': 0.25, 'speed_up': 2.0, 'fastest': 0.5}]
    """
    rows = []
    for levels, curve in studies(curves, axes, ["weights_left"]):
        share, enough = curve["weights_left"], curve.loc[curve["weights_left"].idxmax(), "ticket"] - tolerance - SLACK
        small = {name: share[curve[name] >= enough].min() for name in CONTROLS[:2]}
        timed = curve[share < 1].dropna(subset=["speed_up"]).nlargest(1, "speed_up")
        fast = timed[["speed_up", "weights_left"]].to_numpy(dtype=float).ravel() if len(timed) else (np.nan, np.nan)
        rows.append(levels | small | {"tried": share.min(), "speed_up": fast[0], "fastest": fast[1]})
    return pd.DataFrame(rows)


def weights_left(config: RunConfig) -> float:
    """The fraction of all weights (biases do not count) that is left after a run's pruning, layer by layer.

    For `ticket_curves`: `table.assign(left=[weights_left(results.config(run_id)) for run_id in table.run_id])`.

    >>> round(weights_left(RunConfig.parse({"prune": {"fraction": 0.2, "rounds": 2}})), 3)
    0.64
    """
    if not config.prune.prunes:
        return 1.0
    shapes = [shape for shape in network.for_run(config, data.describe(config.data)).shapes.values() if len(shape) >= 2]
    fractions = [
        config.prune.pruned_fraction(len(shape), output=shape is shapes[-1] and len(shapes) > 1) for shape in shapes
    ]
    sizes = [math.prod(shape) for shape in shapes]
    if config.prune.method == "magnitude":
        return 1 - round(fractions[0] * sum(sizes)) / sum(sizes)
    return 1 - sum(round(share * size) for share, size in zip(fractions, sizes, strict=True)) / sum(sizes)


def _ratio(first: pd.Series, second: pd.Series) -> float:
    """Of means, over the seeds that have both."""
    both = pd.concat([first, second], axis=1).dropna()
    above, below = both.mean()
    return float(above / below) if below else np.nan
