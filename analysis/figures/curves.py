"""Training curves: train and test loss over epochs, one line per configuration."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from benevolent.analysis.figures.canvas import (
    MANY_POINTS,
    MISSING,
    WIDTH_INCHES,
    Encoding,
    NothingToDraw,
    label,
    most_telling_axis,
    quantity,
)

MOST_PHASES = 4  # panels that fit side by side: the first three phases and the last


def loss_curves(
    table: pd.DataFrame,
    axes: Sequence[str],
    dynamics: pd.DataFrame,
    outcomes: pd.DataFrame,
    target: str,
    unit: str = "",
) -> Figure:
    """Draw train and test loss over epochs, phases side by side, one line per configuration.

    A run that has stopped keeps its last loss in its configuration's mean, so that a line does not jump when
    its fastest seed stops. Losses that are not finite are left out.

    Args:
        table: one row per run, with ``run_id`` and the axes.
        axes: the sweep's axes, without the seed; the one that separates ``target`` best gives the colors.
        dynamics: long table; gives the epoch of every (run_id, phase, step).
        outcomes: long table with columns run_id, phase, step, split, name, value (and epoch, if it has one).
        target: outcome that chooses the colors.
        unit: of the loss, if it has one.

    Raises:
        NothingToDraw: there is no finite loss.
    """
    rows = _losses(dynamics, outcomes)
    rows = rows[rows["run_id"].isin(table.get("run_id", pd.Series(dtype=str)))]
    if rows.empty:
        raise NothingToDraw("No losses were recorded while training.")
    known = [axis for axis in axes if axis in table]
    configuration = pd.Series(
        table.groupby(known, dropna=False, sort=False).ngroup().to_numpy() if known else 0,
        index=table["run_id"],
    )
    rows = rows.assign(configuration=rows["run_id"].map(configuration))
    phases = sorted(rows["phase"].unique(), key=_phase_order)
    if len(phases) > MOST_PHASES:
        phases = [*phases[: MOST_PHASES - 1], phases[-1]]
    splits = [split for split in ("train", "test") if (rows["split"] == split).any()]

    colors, encoding = _colors(table, axes, target, configuration)
    figure = Figure(figsize=(WIDTH_INCHES, 0.5 + 2.3 * len(splits)), layout="constrained")
    plots = figure.subplots(len(splits), len(phases), squeeze=False, sharex="col", sharey=True)
    for i, split in enumerate(splits):
        for j, phase in enumerate(phases):
            _panel(plots[i, j], rows[(rows["split"] == split) & (rows["phase"] == phase)], colors)
        plots[i, 0].set_ylabel(quantity(f"{split}_loss", unit))
    for j, phase in enumerate(phases):
        plots[0, j].set_title(label(phase, 24), loc="left")
        plots[-1, j].set_xlabel("epoch")
    if encoding:
        encoding.legend(figure, lines=True)
    return figure


def _losses(dynamics: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return the finite, positive losses with their epoch (the step, where no epoch is known)."""
    if outcomes.empty:
        return pd.DataFrame(columns=["run_id", "phase", "step", "split", "name", "value", "epoch"])
    rows = outcomes[(outcomes["name"] == "loss") & outcomes["split"].isin(["train", "test"])]
    if "epoch" not in rows:
        key = ["run_id", "phase", "step"]
        if "epoch" in dynamics:
            rows = rows.merge(dynamics[[*key, "epoch"]].dropna().drop_duplicates(key), on=key, how="left")
        else:
            rows = rows.assign(epoch=np.nan)
        rows = rows.dropna(subset="epoch") if rows["epoch"].notna().any() else rows.assign(epoch=rows["step"])
    value = pd.to_numeric(rows["value"], errors="coerce")
    return rows.assign(value=value)[np.isfinite(value) & (value > 0)]


def _phase_order(phase: str) -> tuple[int, int, str]:
    """Order phases as they are trained: pretrain, train, prune1, prune2, ..., prune10.

    >>> sorted(["prune10", "prune2", "train", "pretrain"], key=_phase_order)
    ['pretrain', 'train', 'prune2', 'prune10']
    """
    stem = phase.rstrip("0123456789")
    number = phase[len(stem) :]
    return {"pretrain": 0, "train": 1}.get(stem, 2), int(number) if number else 0, stem


def _colors(
    table: pd.DataFrame, axes: Sequence[str], target: str, configuration: "pd.Series[int]"
) -> tuple[dict[int, object], Encoding | None]:
    """Return the color of each configuration, and the encoding for the legend."""
    try:
        axis = most_telling_axis(table, axes, target)
    except NothingToDraw:
        return {}, None
    encoding = Encoding.of(axis, table[axis])
    color_of = {}
    for color, _, chosen in encoding.groups(table[axis]):
        color_of.update(dict.fromkeys(configuration.to_numpy()[chosen], color))
    return color_of, encoding


def _panel(plot: Axes, rows: pd.DataFrame, colors: dict[int, object]) -> None:
    """Draw one thin line per configuration, on a logarithmic scale."""
    wide = rows.pivot_table(index="epoch", columns="run_id", values="value").ffill()
    owner = rows.drop_duplicates("run_id").set_index("run_id")["configuration"].reindex(wide.columns)
    means = wide.T.groupby(owner.to_numpy()).mean().T
    last = rows.groupby("configuration")["epoch"].max()
    segments = []
    for number in means.columns:
        line = means[number].loc[: last[number]].dropna()
        segments.append(np.column_stack([line.index.to_numpy(dtype=float), line.to_numpy()]))
    plot.add_collection(
        LineCollection(
            segments,
            colors=[colors.get(number, MISSING) for number in means.columns],
            linewidths=0.8,
            alpha=0.8,
            rasterized=wide.size > 10 * MANY_POINTS,
        )
    )
    plot.set_yscale("log")
    plot.autoscale_view()
